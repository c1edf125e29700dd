//! Checks a journal's file offline: without the program that wrote it, without a key, and without
//! changing a byte. `docs/journal-format.md` lists the same steps for doing it by hand.

mod files;
mod report;
mod salvage;
mod walk;

pub use report::{Report, Verdict};

use std::path::{Path, PathBuf};

use signer_protocol::merkle::TreeHead;

use crate::{
    Entry, Fault, Identity, database,
    journal::sqlite::{
        Lock, check_meta, read_identity,
        wal::{self, Wal},
    },
};
use files::Place;

/// What to verify, and against what.
#[derive(Debug, Clone)]
pub struct Audit {
    /// The journal. Its `-wal`, if there is one, belongs to it.
    pub path: PathBuf,
    /// A folder in which a copy may be made when the journal was not closed cleanly: it needs as
    /// much room as the journal. The copy is removed again.
    pub scratch: PathBuf,
    /// Whose journal it should be; otherwise whose it says it is.
    pub identity: Option<Identity>,
    /// Heads that were witnessed or signed in checkpoints, in any order. A chain that was cut
    /// short, or rewritten from some entry to its end, is a valid chain: only these find that.
    pub witnessed: Vec<TreeHead>,
}

/// Verifies a journal.
///
/// # Errors
///
/// [`Fault::JournalInUse`] while a process has the journal open, and [`Fault::Io`] when there is no
/// such file, or no copy could be made of it. Whatever is wrong with the journal itself is a
/// [`Verdict`].
pub fn verify(audit: &Audit) -> Result<Report, Fault> {
    verify_and(audit, &mut |_entry| {})
}

/// As [`verify`], and hands each entry that continues the one before to `visit` on the way. Only
/// a [`Verdict::Whole`] says that these are the entries which were written.
///
/// # Errors
///
/// As [`verify`].
pub fn verify_and(audit: &Audit, visit: &mut dyn FnMut(Entry)) -> Result<Report, Fault> {
    database::check_version()?;
    let _nobody_writes = Lock::to_read(&audit.path)?;
    let log = database::beside(&audit.path, "-wal");
    let wal = wal::scan(&log).map_err(database::io("reading", &log))?;
    let place = Place::prepare(&audit.path, &audit.scratch, wal)?;
    let mut report = Report::new(wal);
    let verdict = judge(audit, &place, wal, &mut report, visit);
    report.verdict =
        verdict.unwrap_or_else(|fault| unreadable(&audit.path, &place, &fault, &mut report));
    Ok(report)
}

/// Why the file cannot be read, and how far its entries can.
fn unreadable(path: &Path, place: &Place, fault: &Fault, report: &mut Report) -> Verdict {
    let mut what = chain_of(fault);
    // A name that can be read and is not ours is no damage, and the entries are somebody else's.
    let named = || place.connect().and_then(|file| read_identity(&file, path)).is_ok();
    let others = matches!(fault, Fault::WrongJournal { .. }) && named();
    let connection = if others { None } else { place.connect_to_damage().ok() };
    let reached = connection.and_then(|connection| salvage::salvage(&connection, report));
    if let Some(reached) = reached {
        what = format!("{what}; {reached}");
    }
    Verdict::Unreadable { what }
}

/// Findings, the most telling first; a [`Fault`] is an unreadable file.
fn judge(
    audit: &Audit,
    place: &Place,
    wal: Wal,
    report: &mut Report,
    visit: &mut dyn FnMut(Entry),
) -> Result<Verdict, Fault> {
    let connection = place.connect()?;
    let identity = identity(audit, &connection)?;
    report.identity = Some(identity);
    let walked = walk::walk(&connection, audit, &identity, visit)?;
    report.size = walked.position.size();
    report.head = Some(walked.position.frontier().head(identity.shard));
    report.witnessed_to = walked.witnessed_to;
    if let Some((seq, problem)) = walked.bad {
        return Ok(Verdict::BadEntry { seq, problem });
    }
    if let Some(witnessed) = walked.mismatch {
        return Ok(Verdict::HeadMismatch { witnessed });
    }
    if matches!(wal, Wal::Damaged { .. } | Wal::BadHeader) {
        return Ok(Verdict::TailDamaged { size: report.size, what: wal.to_string() });
    }
    let newest = audit.witnessed.iter().max_by_key(|head| head.size);
    if let Some(&witnessed) = newest.filter(|head| head.size > report.size) {
        return Ok(Verdict::ShorterThanWitness { size: report.size, witnessed });
    }
    check_integrity(&connection, &audit.path)
}

fn identity(audit: &Audit, connection: &rusqlite::Connection) -> Result<Identity, Fault> {
    let Some(identity) = audit.identity else {
        return read_identity(connection, &audit.path);
    };
    check_meta(connection, &audit.path, &identity)?;
    Ok(identity)
}

/// The entries are whole; SQLite's own pages around them should be too, or the next append may
/// lose them.
fn check_integrity(connection: &rusqlite::Connection, path: &Path) -> Result<Verdict, Fault> {
    let check = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
    let found: String = check.map_err(database::sqlite("checking", path))?;
    if found == "ok" {
        Ok(Verdict::Whole)
    } else {
        Ok(Verdict::Unreadable {
            what: format!("the entries are whole, but SQLite finds: {found}"),
        })
    }
}

/// A fault with its causes, in one line.
fn chain_of(fault: &Fault) -> String {
    let mut text = fault.to_string();
    let mut cause = std::error::Error::source(fault);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

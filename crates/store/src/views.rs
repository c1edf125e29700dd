//! Views: the journal folded into tables for reading, in a database file of their own.
//!
//! They never decide, and they can be deleted at any time. The core feeds them after an append is
//! durable ([`Views::apply_batch`]); at a start they catch up from the journal. The cursor of a
//! projection moves in the transaction that carries what it has applied, so that it never lies.

mod cursor;
mod readers;

pub use readers::Readers;

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, Transaction};

use crate::{
    Entry, Fault, Identity, Journal,
    database::{self, Pragma},
};
use cursor::Cursor;

/// Entries in one transaction while catching up.
const CATCH_UP_ENTRIES: usize = 1000;

const PRAGMAS: [Pragma; 5] = [
    // Readers go on reading while a batch is written.
    Pragma { name: "journal_mode", value: "WAL", answer: "wal" },
    // A power cut may take the last batches together with the cursor; they are applied again.
    Pragma { name: "synchronous", value: "NORMAL", answer: "1" },
    Pragma { name: "busy_timeout", value: "5000", answer: "5000" },
    Pragma { name: "foreign_keys", value: "ON", answer: "1" },
    Pragma { name: "trusted_schema", value: "OFF", answer: "0" },
];

/// What a projection answers when it cannot apply an entry.
pub type ProjectionError = Box<dyn std::error::Error + Send + Sync>;

/// Folds entries into tables of its own. It keeps nothing but these tables, so that a transaction
/// that is rolled back takes all of it back.
pub trait Projection: Send {
    /// Its stable name.
    fn name(&self) -> &'static str;

    /// Its version. Another one drops what it has made, and builds it anew from the first entry.
    fn version(&self) -> u32;

    /// Makes its tables.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    fn create(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()>;

    /// Folds one entry. Entries come in order, each exactly once.
    ///
    /// # Errors
    ///
    /// Any error rolls the whole batch back.
    fn apply(&self, transaction: &Transaction<'_>, entry: &Entry) -> Result<(), ProjectionError>;
}

/// The database of views and what feeds it. It has one writer.
pub struct Views {
    path: PathBuf,
    origin: [u8; 32],
    connection: Connection,
    projections: Vec<(Box<dyn Projection>, Cursor)>,
}

/// What catching up did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaughtUp {
    /// Entries that were read from the journal.
    pub entries: u64,
    /// Projections that had applied another history and were built anew.
    pub rebuilt: Vec<Rebuilt>,
}

/// A projection that did not fit the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Its name.
    pub projection: &'static str,
    /// Entries of the other history that it had applied.
    pub applied: u64,
}

impl Views {
    /// Opens or makes the database at `path`, makes what new projections need, and drops what
    /// changed or left ones have made.
    ///
    /// # Errors
    ///
    /// [`Fault::ProjectionNamedTwice`], [`Fault::Sqlite`], [`Fault::Io`],
    /// [`Fault::PragmaNotFollowed`], [`Fault::SqliteTooOld`]. A database that SQLite cannot read
    /// can be deleted (with its `-wal` and `-shm`): it is built anew.
    pub fn open(
        path: &Path,
        identity: Identity,
        projections: Vec<Box<dyn Projection>>,
    ) -> Result<Self, Fault> {
        let failed = database::sqlite("preparing views in", path);
        let made = database::private().create(true).truncate(false).open(path);
        made.map_err(database::io("creating", path))?;
        let mut connection = database::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, &PRAGMAS)?;
        let transaction = connection.transaction().map_err(&failed)?;
        cursor::create(&transaction).map_err(&failed)?;
        let mut names: Vec<_> = projections.iter().map(|projection| projection.name()).collect();
        cursor::drop_all_but(&transaction, &names).map_err(&failed)?;
        names.sort_unstable();
        if let Some(&[name, _]) = names.array_windows().find(|[one, other]| one == other) {
            return Err(Fault::ProjectionNamedTwice { name });
        }
        let origin = identity.origin();
        let with_cursor = |projection: Box<dyn Projection>| {
            let cursor = cursor::load_or_reset(&transaction, &*projection, origin)?;
            Ok((projection, cursor))
        };
        let projections = projections.into_iter().map(with_cursor).collect::<Result<_, _>>();
        let projections = projections.map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        Ok(Self { path: path.to_owned(), origin, connection, projections })
    }

    /// The last entry that every projection has applied; 0 before the first, and where there is no
    /// projection.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.projections.iter().map(|(_, cursor)| cursor.seq).min().unwrap_or(0)
    }

    /// Entries of a journal of `journal_size` that are not in the views yet.
    #[must_use]
    pub fn lag(&self, journal_size: u64) -> u64 {
        journal_size.saturating_sub(self.applied())
    }

    /// Applies entries that have become durable, in one transaction with the cursor. Entries that
    /// a projection has already applied are passed over.
    ///
    /// # Errors
    ///
    /// [`Fault::ViewGap`] and [`Fault::ViewOfAnotherJournal`] when the entries do not follow what
    /// was applied, [`Fault::ProjectionFailed`], [`Fault::Sqlite`]. The views are then as before.
    pub fn apply_batch(&mut self, entries: &[Entry]) -> Result<(), Fault> {
        let failed = database::sqlite("applying entries to", &self.path);
        let transaction = self.connection.transaction().map_err(&failed)?;
        let mut moved = Vec::with_capacity(self.projections.len());
        for (projection, cursor) in &self.projections {
            let after = apply_to(&transaction, &**projection, *cursor, entries)?;
            if after.seq != cursor.seq {
                cursor::save(&transaction, &**projection, &after).map_err(&failed)?;
            }
            moved.push(after);
        }
        transaction.commit().map_err(&failed)?;
        for ((_, cursor), after) in self.projections.iter_mut().zip(moved) {
            *cursor = after;
        }
        Ok(())
    }

    /// Brings every projection to the end of `journal`, in batches. A projection that has applied
    /// another history (a journal that was replaced or cut) is built anew.
    ///
    /// # Errors
    ///
    /// The faults of [`Journal::read`] and of [`Views::apply_batch`].
    pub fn catch_up(&mut self, journal: &dyn Journal) -> Result<CaughtUp, Fault> {
        if self.projections.is_empty() {
            return Ok(CaughtUp { entries: 0, rebuilt: Vec::new() });
        }
        let rebuilt = self.rebuild_strangers(journal)?;
        let mut waiting = Vec::with_capacity(CATCH_UP_ENTRIES);
        let mut entries = 0_u64;
        let mut applied = Ok(());
        let from = self.applied().saturating_add(1);
        journal.read(from, &mut |entry| {
            waiting.push(entry);
            entries = entries.saturating_add(1);
            if waiting.len() < CATCH_UP_ENTRIES {
                return ControlFlow::Continue(());
            }
            applied = self.apply_batch(&waiting);
            waiting.clear();
            if applied.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        applied?;
        self.apply_batch(&waiting)?;
        Ok(CaughtUp { entries, rebuilt })
    }

    /// Connections for reading, of which at most `idle_max` wait to be used again.
    #[must_use]
    pub fn readers(&self, idle_max: usize) -> Readers {
        Readers::new(self.path.clone(), idle_max)
    }

    /// Resets the projections whose last entry is not the journal's entry at that place.
    fn rebuild_strangers(&mut self, journal: &dyn Journal) -> Result<Vec<Rebuilt>, Fault> {
        let failed = database::sqlite("rebuilding views in", &self.path);
        let mut rebuilt = Vec::new();
        for (projection, cursor) in &mut self.projections {
            if leaf_at(journal, cursor.seq)? == Some(cursor.leaf) {
                continue;
            }
            rebuilt.push(Rebuilt { projection: projection.name(), applied: cursor.seq });
            let transaction = self.connection.transaction().map_err(&failed)?;
            let fresh = cursor::reset(&transaction, &**projection, self.origin);
            *cursor = fresh.map_err(&failed)?;
            transaction.commit().map_err(&failed)?;
        }
        Ok(rebuilt)
    }
}

/// The hash that an entry after `seq` carries, or `None` if the journal ends before.
fn leaf_at(journal: &dyn Journal, seq: u64) -> Result<Option<[u8; 32]>, Fault> {
    if seq >= journal.size() {
        return Ok((seq == journal.size()).then(|| journal.last_leaf()));
    }
    let mut leaf = None;
    journal.read(seq.saturating_add(1), &mut |entry| {
        leaf = Some(entry.previous);
        ControlFlow::Break(())
    })?;
    Ok(leaf)
}

fn apply_to(
    transaction: &Transaction<'_>,
    projection: &dyn Projection,
    start: Cursor,
    entries: &[Entry],
) -> Result<Cursor, Fault> {
    let mut cursor = start;
    let name = projection.name();
    for entry in entries.iter().filter(|entry| entry.seq > start.seq) {
        let applied = cursor.seq;
        if entry.seq != applied.saturating_add(1) {
            return Err(Fault::ViewGap { projection: name, applied, found: entry.seq });
        }
        if entry.previous != cursor.leaf {
            return Err(Fault::ViewOfAnotherJournal { projection: name, applied });
        }
        projection.apply(transaction, entry).map_err(|source| Fault::ProjectionFailed {
            projection: name,
            seq: entry.seq,
            source,
        })?;
        cursor = Cursor { seq: entry.seq, leaf: entry.leaf };
    }
    Ok(cursor)
}

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use signer_protocol::merkle::TreeHead;

use super::{
    Lock, SELECT, SqliteJournal, entry_in,
    meta::{check_meta, create},
    row_of,
    wal::{self, Wal},
};
use crate::{
    Entry, Fault, Identity, Position,
    database::{self, Pragma},
    journal::batch::Batch,
};

/// What holds before anything is read, so that the file of somebody else is left as it is.
const FIRST: [Pragma; 3] = [
    Pragma { name: "busy_timeout", value: "0", answer: "0" },
    // One process, one connection; the log's index then lives in memory instead of a third file.
    Pragma { name: "locking_mode", value: "EXCLUSIVE", answer: "exclusive" },
    // A damaged or planted schema must not call functions.
    Pragma { name: "trusted_schema", value: "OFF", answer: "0" },
];

/// How a new file is laid out. Larger pages make fewer writes of a batch; measured beside 4096 and
/// 16384 they were the fastest at 10 and 1000 entries, and none of the three stood out at 100.
const LAYOUT: [Pragma; 1] = [Pragma { name: "page_size", value: "8192", answer: "8192" }];

/// How a file that is known to be the journal is written.
const WRITING: [Pragma; 5] = [
    Pragma { name: "journal_mode", value: "WAL", answer: "wal" },
    // NORMAL would flush at checkpoints only and lose what was acknowledged since.
    Pragma { name: "synchronous", value: "FULL", answer: "2" },
    // A small log (384 KiB), moved into the database often: many short stalls (below 1 ms) instead
    // of a rare long one (7 ms at 1000 pages, 20 ms at 4000), and few entries for a damaged log to
    // take along. `examples/append_speed.rs` measures it.
    Pragma { name: "wal_autocheckpoint", value: "48", answer: "48" },
    Pragma { name: "mmap_size", value: "0", answer: "0" },
    Pragma { name: "cell_size_check", value: "ON", answer: "1" },
];

/// Which journal to open, and what is known about it from elsewhere.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The file.
    pub path: PathBuf,
    /// Whose journal it must be.
    pub identity: Identity,
    /// A place in it that is trusted, from a snapshot of our own: what lies before is not read.
    /// Without one the whole journal is read.
    pub position: Option<Position>,
    /// The head that the witness keeps, if it could be asked. A journal that was cut off cleanly
    /// is a valid, shorter journal: nothing else shows it.
    pub witnessed: Option<TreeHead>,
}

impl SqliteJournal {
    /// Creates an empty journal. It is set up under another name and renamed, so that a crash
    /// leaves a whole journal or none.
    ///
    /// # Errors
    ///
    /// [`Fault::JournalExists`] where a journal or its write-ahead log stands already,
    /// [`Fault::JournalInUse`], [`Fault::Io`] and [`Fault::Sqlite`].
    pub fn create(path: &Path, identity: Identity) -> Result<Self, Fault> {
        let lock = Lock::to_write(path)?;
        for file in [path.to_owned(), database::beside(path, "-wal")] {
            if file.try_exists().map_err(database::io("looking for", &file))? {
                return Err(Fault::JournalExists { path: file });
            }
        }
        let draft = database::beside(path, ".new");
        write_draft(&draft, &identity)?;
        std::fs::rename(&draft, path).map_err(database::io("renaming", &draft))?;
        database::sync_folder(path)?;
        let opening = Opening { path: path.to_owned(), identity, position: None, witnessed: None };
        Self::open_locked(&opening, lock, &mut |_position, _entry| {})
    }

    /// Opens a journal for writing and follows its chain from [`Opening::position`] to the end.
    ///
    /// # Errors
    ///
    /// [`Fault::JournalInUse`] when another has it open; [`Fault::WrongJournal`];
    /// [`Fault::TailDamaged`], [`Fault::ShorterThanPosition`], [`Fault::PositionMismatch`],
    /// [`Fault::ShorterThanWitness`], [`Fault::HeadMismatch`] and [`Fault::BadEntry`] when the
    /// journal is not what was written (the files are then left as they are); [`Fault::Sqlite`],
    /// [`Fault::Io`], [`Fault::PragmaNotFollowed`], [`Fault::SqliteTooOld`].
    pub fn open(opening: &Opening) -> Result<Self, Fault> {
        Self::open_and(opening, &mut |_position, _entry| {})
    }

    /// As [`SqliteJournal::open`], and hands each entry that is read to `visit` on the way, with
    /// the place that it leads to: a replay need not read and hash everything twice.
    ///
    /// Only when this has returned is it known that what was handed out is what was written. On an
    /// error all of it must be thrown away.
    ///
    /// # Errors
    ///
    /// As [`SqliteJournal::open`].
    pub fn open_and(
        opening: &Opening,
        visit: &mut dyn FnMut(&Position, Entry),
    ) -> Result<Self, Fault> {
        // Not created by the way: an empty journal in a wrong place is worse than none.
        let path = &opening.path;
        std::fs::metadata(path).map_err(database::io("opening", path))?;
        Self::open_locked(opening, Lock::to_write(path)?, visit)
    }

    fn open_locked(
        opening: &Opening,
        lock: Lock,
        visit: &mut dyn FnMut(&Position, Entry),
    ) -> Result<Self, Fault> {
        let (path, identity) = (&opening.path, &opening.identity);
        // Before SQLite sees the files: it would drop what follows a damaged frame, and write over
        // it.
        refuse_damage(path)?;
        let connection = database::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, &FIRST)?;
        keep_files_on_close(&connection, true).map_err(database::sqlite("opening", path))?;
        check_meta(&connection, path, identity)?;
        database::set(&connection, path, &WRITING)?;
        let position = follow(&connection, opening, visit)?;
        // From here on it must succeed.
        begin_new_log(&connection, path)?;
        Ok(Self {
            path: path.clone(),
            identity: *identity,
            position,
            batch: Batch::default(),
            poisoned: false,
            connection,
            _lock: lock,
        })
    }
}

fn write_draft(draft: &Path, identity: &Identity) -> Result<(), Fault> {
    for leftover in [draft.to_owned(), database::beside(draft, "-wal")] {
        match std::fs::remove_file(&leftover) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(database::io("removing", &leftover)(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    let file = database::private().create_new(true).open(draft);
    let file = file.map_err(database::io("creating", draft))?;
    let failed = database::sqlite("creating", draft);
    let mut connection = database::open(draft, OpenFlags::SQLITE_OPEN_READ_WRITE, &FIRST)?;
    database::set(&connection, draft, &LAYOUT)?;
    database::set(&connection, draft, &WRITING)?;
    let transaction = connection.transaction().map_err(&failed)?;
    create(&transaction, identity).map_err(&failed)?;
    transaction.commit().map_err(&failed)?;
    // Closing moves the log into the database and removes it.
    connection.close().map_err(|(_connection, error)| failed(error))?;
    file.sync_all().map_err(database::io("syncing", draft))
}

fn refuse_damage(path: &Path) -> Result<(), Fault> {
    let log = database::beside(path, "-wal");
    let scanned = wal::scan(&log).map_err(database::io("reading", &log))?;
    match scanned {
        Wal::Absent | Wal::Whole | Wal::Torn { .. } => Ok(()),
        Wal::Damaged { .. } | Wal::BadHeader => {
            Err(Fault::TailDamaged { path: log, what: scanned.to_string() })
        }
    }
}

/// Reads from the trusted place to the end, and compares with the witnessed head.
fn follow(
    connection: &Connection,
    opening: &Opening,
    visit: &mut dyn FnMut(&Position, Entry),
) -> Result<Position, Fault> {
    let (path, identity) = (&opening.path, &opening.identity);
    let failed = database::sqlite("reading", path);
    let shard = identity.shard;
    let mut position = opening.position.clone().unwrap_or_else(|| Position::start(identity));
    check_position(connection, path, &position, shard)?;
    let mut select = connection.prepare(SELECT).map_err(&failed)?;
    let mut rows = select.query((row_of(position.next_seq())?, i64::MAX)).map_err(&failed)?;
    if let Some(witnessed) = &opening.witnessed {
        position.compare(shard, witnessed)?;
    }
    while let Some(row) = rows.next().map_err(&failed)? {
        let (seq, bytes) = entry_in(row).map_err(&failed)?;
        let entry = position.follow(shard, seq, bytes)?;
        if let Some(witnessed) = &opening.witnessed {
            position.compare(shard, witnessed)?;
        }
        visit(&position, entry);
    }
    match opening.witnessed {
        Some(witnessed) if witnessed.size > position.size() => {
            Err(Fault::ShorterThanWitness { size: position.size(), witnessed })
        }
        Some(witnessed) if witnessed.shard != shard => Err(Fault::HeadMismatch { witnessed }),
        Some(_) | None => Ok(position),
    }
}

/// Refuses a snapshot of another history: the entry at its place must have the leaf hash that it
/// saw there.
fn check_position(
    connection: &Connection,
    path: &Path,
    position: &Position,
    shard: u16,
) -> Result<(), Fault> {
    let failed = database::sqlite("reading", path);
    let seq = position.size();
    if seq == 0 {
        return Ok(());
    }
    let mut select = connection.prepare(SELECT).map_err(&failed)?;
    let mut rows = select.query((row_of(seq)?, row_of(seq)?)).map_err(&failed)?;
    let Some(row) = rows.next().map_err(&failed)? else {
        let last = "SELECT coalesce(max(seq), 0) FROM journal";
        let size = connection.query_row(last, [], |row| row.get::<_, i64>(0)).map_err(&failed)?;
        let size = u64::try_from(size).unwrap_or(0);
        return Err(Fault::ShorterThanPosition { size, position: seq });
    };
    let (_seq, bytes) = entry_in(row).map_err(&failed)?;
    let entry = crate::entry::decode(shard, seq, bytes)
        .map_err(|problem| Fault::BadEntry { seq, problem })?;
    if entry.leaf == position.last_leaf() { Ok(()) } else { Err(Fault::PositionMismatch { seq }) }
}

/// Whether closing leaves the database and its log as they are. It does until the journal has
/// been found whole, so that a refused journal is kept as evidence.
fn keep_files_on_close(connection: &Connection, keep: bool) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep)?;
    Ok(())
}

/// Moves the log into the database and empties it. From here on its frames are all of this run,
/// which never rolls back: that is what lets [`wal::scan`] tell damage from a torn last write.
fn begin_new_log(connection: &Connection, path: &Path) -> Result<(), Fault> {
    let failed = database::sqlite("checkpointing", path);
    keep_files_on_close(connection, false).map_err(&failed)?;
    let name = "wal_checkpoint(TRUNCATE)";
    let busy = connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    match busy.map_err(failed)? {
        0 => Ok(()),
        found => {
            let (path, found) = (path.to_owned(), found.to_string());
            Err(Fault::PragmaNotFollowed { path, name, wanted: "0", found })
        }
    }
}

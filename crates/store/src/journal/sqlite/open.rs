use std::path::{Path, PathBuf};

use rusqlite::OpenFlags;
use signer_protocol::merkle::TreeHead;

use super::{Lock, SqliteJournal, Unread, meta::create};
use crate::{
    Entry, Fault, Identity, Position,
    database::{self, Pragma},
};

/// What holds before anything is read, so that the file of somebody else is left as it is.
pub(super) const FIRST: [Pragma; 3] = [
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
pub(super) const WRITING: [Pragma; 5] = [
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
    /// A place in it, from a snapshot: what lies before is not read. It is trusted as it is,
    /// unless [`Opening::witnessed`] lies behind it: see [`Unread::follow`]. Without one the whole
    /// journal is read.
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
        let unread = Unread::locked(path, identity, lock)?;
        let followed = unread.follow(&Position::start(&identity), None, &mut |_, _| {})?;
        unread.begin(followed)
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
        let unread = Unread::open(&opening.path, opening.identity)?;
        let start = Position::start(&opening.identity);
        let position = opening.position.as_ref().unwrap_or(&start);
        let followed = unread.follow(position, opening.witnessed, visit)?;
        unread.begin(followed)
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

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use signer_protocol::merkle::TreeHead;

use super::{
    Lock, SELECT, SqliteJournal, entry_in,
    meta::check_meta,
    open::{FIRST, WRITING},
    row_of,
    wal::{self, Wal},
};
use crate::{Entry, Fault, Identity, Position, database, journal::batch::Batch};

/// Behind the hash, shard, sequence number and time of an entry stand the two bytes of its kind.
/// SQLite counts them from 1, and leaves the rest of a long entry on its pages.
const SELECT_OF_KIND: &str = "SELECT seq, payload FROM journal \
     WHERE seq BETWEEN ?1 AND ?2 AND substr(payload, 51, 2) = ?3 ORDER BY seq";

/// A journal that nobody else has open and that says whose it is, of which no entry was read. To
/// be followed from one place or another until one serves, and then opened for writing.
#[derive(Debug)]
pub struct Unread {
    path: PathBuf,
    identity: Identity,
    // Dropped in this order: the file is closed before another process may have it.
    connection: Connection,
    lock: Lock,
}

/// The end of a chain that was followed there, and that is what was witnessed.
#[derive(Debug)]
pub struct Followed(Position);

impl Followed {
    /// Where the journal ends.
    #[must_use]
    pub const fn position(&self) -> &Position {
        &self.0
    }
}

impl Unread {
    /// Takes the journal for this process alone.
    ///
    /// # Errors
    ///
    /// [`Fault::JournalInUse`], [`Fault::WrongJournal`], [`Fault::TailDamaged`] (the files are
    /// then left as they are), [`Fault::Sqlite`], [`Fault::Io`], [`Fault::PragmaNotFollowed`],
    /// [`Fault::SqliteTooOld`].
    pub fn open(path: &Path, identity: Identity) -> Result<Self, Fault> {
        // Not created by the way: an empty journal in a wrong place is worse than none.
        std::fs::metadata(path).map_err(database::io("opening", path))?;
        Self::locked(path, identity, Lock::to_write(path)?)
    }

    pub(super) fn locked(path: &Path, identity: Identity, lock: Lock) -> Result<Self, Fault> {
        // Before SQLite sees the files: it would drop what follows a damaged frame, and write over
        // it.
        refuse_damage(path)?;
        let connection = database::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, &FIRST)?;
        keep_files_on_close(&connection, true).map_err(database::sqlite("opening", path))?;
        check_meta(&connection, path, &identity)?;
        database::set(&connection, path, &WRITING)?;
        Ok(Self { path: path.to_owned(), identity, connection, lock })
    }

    /// The entries of one kind in these places. **Nothing of this is authenticated**: it is what
    /// the file says, good for choosing where to begin, and to be compared with what
    /// [`Unread::follow`] finds there.
    ///
    /// # Errors
    ///
    /// [`Fault::BadEntry`] where an entry cannot be read, and [`Fault::Sqlite`].
    pub fn of_kind(&self, kind: u16, places: RangeInclusive<u64>) -> Result<Vec<Entry>, Fault> {
        let failed = database::sqlite("reading", &self.path);
        let mut select = self.connection.prepare(SELECT_OF_KIND).map_err(&failed)?;
        let (first, last) = (row_of(*places.start())?, row_of(*places.end())?);
        let wanted = (first, last, kind.to_le_bytes());
        let mut rows = select.query(wanted).map_err(&failed)?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next().map_err(&failed)? {
            let (seq, bytes) = entry_in(row).map_err(&failed)?;
            let entry = crate::entry::decode(self.identity.shard, seq, bytes);
            entries.push(entry.map_err(|problem| Fault::BadEntry { seq, problem })?);
        }
        Ok(entries)
    }

    /// Follows the chain from `position` to its end, compares it with the witnessed head, and
    /// hands each entry to `visit` on the way, with the place that it leads to.
    ///
    /// **What a witnessed head behind `position` proves.** A position may come from a file that
    /// somebody altered. From it on each entry's leaf is hashed into the tree, and at the head's
    /// size the root must be the witnessed one. A root commits to every subtree, so that neither
    /// another leaf behind the position nor another subtree root in it arrives there; nor does
    /// another size, since a tree of the head's size has each subtree in one place only. The last
    /// leaf hash stands in the entry after it. So where this returns, position and entries up to
    /// the head are what was witnessed. A head at or before the position proves nothing of it.
    ///
    /// # Errors
    ///
    /// [`Fault::ShorterThanPosition`], [`Fault::PositionMismatch`], [`Fault::ShorterThanWitness`],
    /// [`Fault::HeadMismatch`], [`Fault::BadEntry`], and [`Fault::Sqlite`]. All that was handed
    /// out must be thrown away.
    pub fn follow(
        &self,
        position: &Position,
        witnessed: Option<TreeHead>,
        visit: &mut dyn FnMut(&Position, Entry),
    ) -> Result<Followed, Fault> {
        let (shard, failed) = (self.identity.shard, database::sqlite("reading", &self.path));
        check_position(&self.connection, &self.path, position, shard)?;
        let mut position = position.clone();
        let compare = |position: &Position| match &witnessed {
            Some(witnessed) => position.compare(shard, witnessed),
            None => Ok(()),
        };
        let mut select = self.connection.prepare(SELECT).map_err(&failed)?;
        let mut rows = select.query((row_of(position.next_seq())?, i64::MAX)).map_err(&failed)?;
        compare(&position)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let (seq, bytes) = entry_in(row).map_err(&failed)?;
            let entry = position.follow(shard, seq, bytes)?;
            compare(&position)?;
            visit(&position, entry);
        }
        match witnessed {
            Some(witnessed) if witnessed.size > position.size() => {
                Err(Fault::ShorterThanWitness { size: position.size(), witnessed })
            }
            Some(witnessed) if witnessed.shard != shard => Err(Fault::HeadMismatch { witnessed }),
            Some(_) | None => Ok(Followed(position)),
        }
    }

    /// Opens the journal for writing, at the end that was found.
    ///
    /// # Errors
    ///
    /// [`Fault::Sqlite`] and [`Fault::PragmaNotFollowed`].
    pub fn begin(self, end: Followed) -> Result<SqliteJournal, Fault> {
        begin_new_log(&self.connection, &self.path)?;
        let Self { path, identity, connection, lock } = self;
        Ok(SqliteJournal {
            path,
            identity,
            position: end.0,
            batch: Batch::default(),
            poisoned: false,
            connection,
            _lock: lock,
        })
    }
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

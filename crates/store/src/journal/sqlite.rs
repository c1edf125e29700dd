//! The journal in one SQLite file.

mod lock;
mod meta;
mod open;
#[cfg(test)]
mod tests;
mod unread;
pub(crate) mod wal;

pub(crate) use lock::Lock;
pub(crate) use meta::{check_meta, read_identity};
pub use open::Opening;
pub use unread::{Followed, Unread};

use std::{ops::ControlFlow, path::PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use crate::{
    Entry, Fault, Journal, Record, database,
    journal::{Appended, Durability, Identity, Position, batch::Batch, lookahead::Lookahead},
};

const INSERT: &str = "INSERT INTO journal (seq, payload) VALUES (?1, ?2)";
pub(crate) const SELECT: &str =
    "SELECT seq, payload FROM journal WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";

/// The journal in one SQLite file, on one machine's disk.
///
/// One connection does all writing and all checkpointing, and holds the file exclusively: no other
/// process may open it, not even to read. Beside the file lie its write-ahead log (`-wal`, a part
/// of the journal: a copy without it is a truncated journal) and a lock file (`.lock`).
///
/// Source of the settings: <https://www.sqlite.org/wal.html> and
/// <https://www.sqlite.org/pragma.html>.
#[derive(Debug)]
pub struct SqliteJournal {
    path: PathBuf,
    identity: Identity,
    position: Position,
    batch: Batch,
    poisoned: bool,
    // Dropped in this order: the file is closed before another process may have it.
    connection: Connection,
    _lock: Lock,
}

impl SqliteJournal {
    /// Writes the sealed batch in one transaction. With `synchronous=FULL` the commit returns when
    /// the write-ahead log has been flushed.
    fn write(&mut self, first_seq: u64) -> Result<(), Fault> {
        let failed = database::sqlite("appending to", &self.path);
        let immediate = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(immediate).map_err(&failed)?;
        {
            let mut insert = transaction.prepare_cached(INSERT).map_err(&failed)?;
            for (seq, bytes) in (row_of(first_seq)?..).zip(self.batch.entries()) {
                insert.execute((seq, bytes)).map_err(&failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    fn healthy(&self) -> Result<(), Fault> {
        if self.poisoned { Err(Fault::JournalPoisoned) } else { Ok(()) }
    }
}

impl Journal for SqliteJournal {
    fn identity(&self) -> Identity {
        self.identity
    }

    fn position(&self) -> &Position {
        &self.position
    }

    fn durability(&self) -> Durability {
        Durability::Local
    }

    fn append(&mut self, expected_seq: u64, records: &[Record]) -> Result<Appended, Fault> {
        self.healthy()?;
        let sealed = self.batch.seal(self.identity.shard, &self.position, expected_seq, records)?;
        if !records.is_empty() {
            // After a failed commit nobody knows what the file holds, and a failed fsync may
            // succeed when it is called again without anything having reached the disk.
            // Source: Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020.
            self.poisoned = true;
            self.write(expected_seq)?;
            self.poisoned = false;
        }
        self.position = sealed.after;
        Ok(sealed.appended)
    }

    fn read(
        &self,
        from: u64,
        visit: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        self.healthy()?;
        let failed = database::sqlite("reading", &self.path);
        let from = from.max(1);
        if from > self.size() {
            return Ok(());
        }
        let mut select = self.connection.prepare_cached(SELECT).map_err(&failed)?;
        let range = (row_of(from)?, row_of(self.size())?);
        let mut rows = select.query(range).map_err(&failed)?;
        let mut lookahead = Lookahead::new(self.identity.shard, from);
        while let Some(row) = rows.next().map_err(&failed)? {
            let (seq, bytes) = entry_in(row).map_err(&failed)?;
            if let Some(entry) = lookahead.take(seq, bytes)?
                && visit(entry).is_break()
            {
                return Ok(());
            }
        }
        if let Some(entry) = lookahead.finish(&self.position)? {
            let _last = visit(entry);
        }
        Ok(())
    }
}

/// The row of an entry: SQLite counts in signed 64 bits.
pub(crate) fn row_of(seq: u64) -> Result<i64, Fault> {
    i64::try_from(seq).map_err(|_| Fault::JournalFull)
}

/// Sequence number and bytes of one row. A row before the first entry reads as 0, which no entry
/// has.
pub(crate) fn entry_in<'row>(row: &'row rusqlite::Row<'_>) -> rusqlite::Result<(u64, &'row [u8])> {
    let seq = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
    let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
    Ok((seq, bytes))
}

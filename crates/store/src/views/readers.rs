use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use rusqlite::{Connection, OpenFlags, Transaction};

use crate::{
    Fault,
    database::{self, Pragma},
};

const PRAGMAS: [Pragma; 3] = [
    Pragma { name: "busy_timeout", value: "5000", answer: "5000" },
    Pragma { name: "query_only", value: "ON", answer: "1" },
    Pragma { name: "trusted_schema", value: "OFF", answer: "0" },
];

/// Read-only connections to the views, shared by threads. Reading never waits for the writer.
#[derive(Debug)]
pub struct Readers {
    path: PathBuf,
    idle_max: usize,
    /// Taken and given back by every reading thread.
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) const fn new(path: PathBuf, idle_max: usize) -> Self {
        Self { path, idle_max, idle: Mutex::new(Vec::new()) }
    }

    /// Runs `query` on one moment of the views. It is also given the last entry that every
    /// projection has applied at that moment, to be compared with a caller's `min_seq`.
    ///
    /// There is one connection for each thread that reads at the same time, so that the caller's
    /// threads are the limit.
    ///
    /// # Errors
    ///
    /// [`Fault::Sqlite`] where the query fails or the views cannot be opened.
    pub fn read<T>(
        &self,
        query: impl FnOnce(&Transaction<'_>, u64) -> rusqlite::Result<T>,
    ) -> Result<T, Fault> {
        let failed = database::sqlite("reading views in", &self.path);
        let mut connection = self.take()?;
        let transaction = connection.transaction().map_err(&failed)?;
        let applied = applied(&transaction).map_err(&failed)?;
        let answer = query(&transaction, applied).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        self.give_back(connection);
        Ok(answer)
    }

    fn take(&self) -> Result<Connection, Fault> {
        // A thread that panicked here has only pushed or popped: the list is whole.
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(
            || database::open(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY, &PRAGMAS),
            Ok,
        )
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.idle_max {
            idle.push(connection);
        }
    }
}

fn applied(transaction: &Transaction<'_>) -> rusqlite::Result<u64> {
    let mut select = transaction.prepare_cached("SELECT coalesce(min(seq), 0) FROM cursor")?;
    let seq: i64 = select.query_row([], |row| row.get(0))?;
    Ok(u64::try_from(seq).unwrap_or(0))
}

use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use crate::{Fault, database};

/// The right to have a journal open: a lock on the file `<journal>.lock`, which the system releases
/// when the process ends, however it ends.
///
/// SQLite holds the journal itself exclusively too, but by POSIX locks, which a process loses as
/// soon as it closes any other handle of the same file, and which cannot say who holds them.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the right to write, and writes down which process has it.
    pub(crate) fn to_write(journal: &Path) -> Result<Self, Fault> {
        let path = database::beside(journal, ".lock");
        let failed = database::io("locking", &path);
        let mut options = database::private();
        let mut file =
            options.read(true).create(true).truncate(false).open(&path).map_err(&failed)?;
        taken(file.try_lock(), journal, &mut file)?;
        let holder = format!("process {}\n", std::process::id());
        file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// Makes sure that nobody writes, without changing anything. A journal without a lock file (a
    /// backup, for instance) has no writer.
    pub(crate) fn to_read(journal: &Path) -> Result<Option<Self>, Fault> {
        let path = database::beside(journal, ".lock");
        let Ok(mut file) = File::open(&path) else { return Ok(None) };
        taken(file.try_lock_shared(), journal, &mut file)?;
        Ok(Some(Self { _file: file }))
    }
}

fn taken(lock: Result<(), TryLockError>, journal: &Path, file: &mut File) -> Result<(), Fault> {
    match lock {
        Ok(()) => Ok(()),
        Err(TryLockError::Error(source)) => Err(database::io("locking", journal)(source)),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // For people only: a holder that cannot be read is still a holder.
            let _unread = file.rewind().and_then(|()| file.read_to_string(&mut holder));
            let holder = match holder.trim() {
                "" => "another process".to_owned(),
                name => name.to_owned(),
            };
            Err(Fault::JournalInUse { path: journal.to_owned(), holder })
        }
    }
}

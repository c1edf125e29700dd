use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::{Fault, database, journal::sqlite::wal::Wal};

/// A journal's file, where it can be read without being changed.
pub(super) enum Place {
    /// There is no write-ahead log: the file itself, opened as one that nobody may change.
    Original(PathBuf),
    /// There is one: SQLite cannot read it without writing beside it, and moves it into the
    /// database when it closes.
    Copy(TempDir),
}

impl Place {
    /// Copies the files if it must.
    pub(super) fn prepare(path: &Path, scratch: &Path, wal: Wal) -> Result<Self, Fault> {
        let original = path.canonicalize().map_err(database::io("opening", path))?;
        if wal == Wal::Absent {
            return Ok(Self::Original(original));
        }
        let folder = TempDir::new_in(scratch).map_err(database::io("making a copy in", scratch))?;
        for suffix in ["", "-wal"] {
            let from = database::beside(&original, suffix);
            let to = database::beside(&folder.path().join("journal"), suffix);
            std::fs::copy(&from, &to).map_err(database::io("copying", &from))?;
        }
        Ok(Self::Copy(folder))
    }

    pub(super) fn connect(&self) -> Result<Connection, Fault> {
        self.connect_with("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")
    }

    /// For what is known to be damaged: SQLite then gives what it can of a file that has fewer pages
    /// than its header says, or of a page with damaged cells. Nothing is written by it.
    /// Source: `lockBtree` in SQLite's `btree.c`, where `writable_schema` lets a short file be read.
    pub(super) fn connect_to_damage(&self) -> Result<Connection, Fault> {
        self.connect_with("PRAGMA trusted_schema = OFF; PRAGMA writable_schema = ON")
    }

    fn connect_with(&self, pragmas: &str) -> Result<Connection, Fault> {
        let (target, flags) = match self {
            Self::Original(path) => {
                (immutable(path), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)
            }
            Self::Copy(folder) => {
                (folder.path().join("journal"), OpenFlags::SQLITE_OPEN_READ_WRITE)
            }
        };
        let failed = database::sqlite("opening", &target);
        let connection = Connection::open_with_flags(&target, flags).map_err(&failed)?;
        connection.execute_batch(pragmas).map_err(failed)?;
        Ok(connection)
    }
}

/// The URI of an absolute path as a file that SQLite neither locks nor changes.
fn immutable(path: &Path) -> PathBuf {
    let mut uri = b"file:".to_vec();
    for &byte in path.as_os_str().as_bytes() {
        // These three mean something in a URI.
        if b"%?#".contains(&byte) {
            uri.extend(format!("%{byte:02x}").bytes());
        } else {
            uri.push(byte);
        }
    }
    uri.extend(b"?immutable=1");
    PathBuf::from(OsString::from_vec(uri))
}

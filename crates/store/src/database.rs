//! What every SQLite database of this crate has in common.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, types::Value};

use crate::Fault;

/// The first SQLite without the WAL-reset bug of 3.7.0 to 3.51.2, which loses committed pages.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// One pragma, what it is set to, and what SQLite then answers.
pub(crate) struct Pragma {
    pub(crate) name: &'static str,
    pub(crate) value: &'static str,
    pub(crate) answer: &'static str,
}

/// Opens `path` and sets `pragmas`.
pub(crate) fn open(path: &Path, flags: OpenFlags, pragmas: &[Pragma]) -> Result<Connection, Fault> {
    check_version()?;
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite("opening", path))?;
    set(&connection, path, pragmas)?;
    Ok(connection)
}

/// Sets `pragmas` in order. SQLite ignores a pragma that it cannot follow without an error, so each
/// one is read back when all are set.
pub(crate) fn set(connection: &Connection, path: &Path, pragmas: &[Pragma]) -> Result<(), Fault> {
    let failed = sqlite("opening", path);
    for pragma in pragmas {
        let statement = format!("PRAGMA {} = {}", pragma.name, pragma.value);
        connection.execute_batch(&statement).map_err(&failed)?;
    }
    for pragma in pragmas {
        let found = read_pragma(connection, pragma.name).map_err(&failed)?;
        if found != pragma.answer {
            let (name, wanted) = (pragma.name, pragma.answer);
            return Err(Fault::PragmaNotFollowed { path: path.to_owned(), name, wanted, found });
        }
    }
    Ok(())
}

/// Refuses a SQLite that may lose committed pages, whichever way it came into the build.
pub(crate) fn check_version() -> Result<(), Fault> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(Fault::SqliteTooOld { found: rusqlite::version() });
    }
    Ok(())
}

fn read_pragma(connection: &Connection, name: &str) -> rusqlite::Result<String> {
    let value = connection.pragma_query_value(None, name, |row| row.get::<_, Value>(0))?;
    Ok(match value {
        Value::Text(text) => text,
        Value::Integer(number) => number.to_string(),
        other @ (Value::Null | Value::Real(_) | Value::Blob(_)) => format!("{other:?}"),
    })
}

/// Makes a fault of what SQLite says.
pub(crate) fn sqlite(doing: &'static str, path: &Path) -> impl Fn(rusqlite::Error) -> Fault {
    move |source| Fault::Sqlite { doing, path: path.to_owned(), source }
}

/// Makes a fault of what the file system says.
pub(crate) fn io(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> Fault {
    move |source| Fault::Io { doing, path: path.to_owned(), source }
}

/// `path` with `suffix` behind its file name, as SQLite names its own files.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// How new files are made: for the owner's eyes only.
pub(crate) fn private() -> OpenOptions {
    let mut options = File::options();
    options.write(true).mode(0o600);
    options
}

/// Makes the names in the folder of `path` durable: what was created, renamed or removed in it.
pub(crate) fn sync_folder(path: &Path) -> Result<(), Fault> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("syncing folder", folder))
}

use std::path::Path;

use primitives::DeploymentId;
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::{Fault, Identity, database};

/// Tells a journal from any other SQLite file: the letters `SRJ1`.
pub(super) const APPLICATION_ID: i32 = 0x5352_4a31;

/// The version of the file's layout, of the tables and of the entries' bytes.
const FORMAT: &str = "1";

const TABLES: &str = "
    CREATE TABLE journal (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT;
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
";

/// Makes the tables of an empty journal.
pub(super) fn create(transaction: &Transaction<'_>, identity: &Identity) -> rusqlite::Result<()> {
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.execute_batch(TABLES)?;
    let mut insert = transaction.prepare("INSERT INTO meta (name, value) VALUES (?1, ?2)")?;
    insert.execute(("format", FORMAT))?;
    insert.execute(("shard", identity.shard.to_string()))?;
    insert.execute(("deployment", identity.deployment.to_string()))?;
    Ok(())
}

/// Refuses a file that is not the journal of `identity` in a format that this program knows.
pub(crate) fn check_meta(
    connection: &Connection,
    path: &Path,
    identity: &Identity,
) -> Result<(), Fault> {
    check_format(connection, path)?;
    let shard = (identity.shard.to_string(), value(connection, path, "shard")?);
    let deployment = (identity.deployment.to_string(), value(connection, path, "deployment")?);
    same(path, "shard", shard)?;
    same(path, "deployment", deployment)
}

/// Whose journal a file says it is. The entries say it too, by the hash in the first one.
pub(crate) fn read_identity(connection: &Connection, path: &Path) -> Result<Identity, Fault> {
    check_format(connection, path)?;
    let (shard, deployment) =
        (value(connection, path, "shard")?, value(connection, path, "deployment")?);
    let wrong = |what, wanted: &str, found| Fault::WrongJournal {
        path: path.to_owned(),
        what,
        wanted: wanted.to_owned(),
        found,
    };
    Ok(Identity {
        shard: shard.parse().map_err(|_| wrong("shard", "a number below 65536", shard))?,
        deployment: deployment
            .parse::<DeploymentId>()
            .map_err(|_| wrong("deployment", "64 hexadecimal digits", deployment))?,
    })
}

fn check_format(connection: &Connection, path: &Path) -> Result<(), Fault> {
    let read = connection.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0));
    let id = read.map_err(database::sqlite("reading", path))?;
    same(path, "application id", (format!("{APPLICATION_ID:#x}"), format!("{id:#x}")))?;
    same(path, "format", (FORMAT.to_owned(), value(connection, path, "format")?))
}

fn value(connection: &Connection, path: &Path, name: &str) -> Result<String, Fault> {
    let select = "SELECT value FROM meta WHERE name = ?1";
    let found = connection.query_row(select, [name], |row| row.get(0)).optional();
    let found: Option<String> = found.map_err(database::sqlite("reading", path))?;
    Ok(found.unwrap_or_else(|| "missing".to_owned()))
}

fn same(path: &Path, what: &'static str, (wanted, found): (String, String)) -> Result<(), Fault> {
    if wanted == found {
        return Ok(());
    }
    Err(Fault::WrongJournal { path: path.to_owned(), what, wanted, found })
}

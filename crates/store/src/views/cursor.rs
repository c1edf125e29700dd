use rusqlite::{OptionalExtension, Transaction};

use super::Projection;

/// Up to where a projection has applied the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The last entry that it has applied; 0 before the first.
    pub(super) seq: u64,
    /// The leaf hash of that entry, by which a journal with another past is recognised.
    pub(super) leaf: [u8; 32],
}

/// `made` says which tables and views a projection has made: the code of an older version, which
/// alone knew their names, is gone when they must be dropped.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS cursor (
        projection TEXT PRIMARY KEY,
        version INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        leaf BLOB NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS made (
        name TEXT PRIMARY KEY,
        type TEXT NOT NULL,
        projection TEXT NOT NULL
    ) STRICT;
";

const RECORD_MADE: &str = "
    INSERT INTO made (name, type, projection)
    SELECT name, type, ?1 FROM sqlite_schema
    WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
        AND name NOT IN ('cursor', 'made') AND name NOT IN (SELECT name FROM made)
";

pub(super) fn create(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(TABLES)
}

/// Where `projection` stands; if it is new or has another version, at the start with new tables.
pub(super) fn load_or_reset(
    transaction: &Transaction<'_>,
    projection: &dyn Projection,
    origin: [u8; 32],
) -> rusqlite::Result<Cursor> {
    let select = "SELECT seq, leaf FROM cursor WHERE projection = ?1 AND version = ?2";
    let key = (projection.name(), projection.version());
    let found = transaction.query_row(select, key, |row| {
        let (seq, leaf) = (row.get::<_, i64>(0)?, row.get(1)?);
        Ok(Cursor { seq: u64::try_from(seq).unwrap_or(0), leaf })
    });
    match found.optional()? {
        Some(cursor) => Ok(cursor),
        None => reset(transaction, projection, origin),
    }
}

/// Drops what the projection has made, makes it anew, and puts its cursor at the start.
pub(super) fn reset(
    transaction: &Transaction<'_>,
    projection: &dyn Projection,
    origin: [u8; 32],
) -> rusqlite::Result<Cursor> {
    drop_made(transaction, projection.name())?;
    projection.create(transaction)?;
    transaction.execute(RECORD_MADE, [projection.name()])?;
    let cursor = Cursor { seq: 0, leaf: origin };
    save(transaction, projection, &cursor)?;
    Ok(cursor)
}

pub(super) fn save(
    transaction: &Transaction<'_>,
    projection: &dyn Projection,
    cursor: &Cursor,
) -> rusqlite::Result<()> {
    let upsert = "INSERT OR REPLACE INTO cursor (projection, version, seq, leaf)
        VALUES (?1, ?2, ?3, ?4)";
    let seq = i64::try_from(cursor.seq).unwrap_or(i64::MAX); // a journal has at most 2^63 - 1
    let row = (projection.name(), projection.version(), seq, cursor.leaf);
    transaction.prepare_cached(upsert)?.execute(row)?;
    Ok(())
}

/// Drops what projections have made that are no longer wanted.
pub(super) fn drop_all_but(
    transaction: &Transaction<'_>,
    wanted: &[&'static str],
) -> rusqlite::Result<()> {
    let mut select = transaction.prepare("SELECT projection FROM cursor")?;
    let known = select.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    for name in known.iter().filter(|name| !wanted.contains(&name.as_str())) {
        drop_made(transaction, name)?;
        transaction.execute("DELETE FROM cursor WHERE projection = ?1", [name])?;
    }
    Ok(())
}

fn drop_made(transaction: &Transaction<'_>, projection: &str) -> rusqlite::Result<()> {
    // Views first: they may stand on the tables.
    let select = "SELECT type, name FROM made WHERE projection = ?1 ORDER BY type DESC";
    let mut select = transaction.prepare(select)?;
    let made = select.query_map([projection], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let made = made.collect::<Result<Vec<(String, String)>, _>>()?;
    for (kind, name) in made {
        let name = name.replace('"', "\"\"");
        transaction.execute_batch(&format!("DROP {kind} IF EXISTS \"{name}\""))?;
    }
    transaction.execute("DELETE FROM made WHERE projection = ?1", [projection])?;
    Ok(())
}

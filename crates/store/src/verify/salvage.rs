//! What can still be read of a journal that SQLite does not read as a whole, such as a copy that
//! was cut short: whoever looks for a better one must know from which entry on it is needed.

use rusqlite::Connection;

use super::report::Report;
use crate::{
    Position,
    journal::sqlite::{SELECT, entry_in},
};

/// Follows the chain as far as SQLite gives entries, and says in words how far that is. `None`
/// where it gives no such table.
pub(super) fn salvage(connection: &Connection, report: &mut Report) -> Option<String> {
    let mut select = connection.prepare(SELECT).ok()?;
    let mut rows = select.query((1, i64::MAX)).ok()?;
    let mut reached = None;
    // Whatever ends it, an error of SQLite or an entry that does not follow, ends it here.
    while let Ok(Some(row)) = rows.next() {
        let Ok((seq, bytes)) = entry_in(row) else { break };
        let Some((shard, position)) = reached.get_or_insert_with(|| begin(bytes)) else { break };
        if position.follow(*shard, seq, bytes).is_err() {
            break;
        }
    }
    if let Some((shard, position)) = reached.flatten() {
        report.size = position.size();
        report.head = Some(position.frontier().head(shard));
    }
    let next = report.size.saturating_add(1);
    Some(match report.size {
        0 => format!("entry {next} is the first that is missing or cannot be read"),
        last => format!(
            "entry {last} is the last that can be read and follows those before it, entry {next} \
             is missing or cannot be read"
        ),
    })
}

/// Shard and place before the first entry, as that entry says: what names them may be lost.
fn begin(first: &[u8]) -> Option<(u16, Position)> {
    let (origin, rest) = first.split_first_chunk()?;
    let (shard, _) = rest.split_first_chunk()?;
    Some((u16::from_le_bytes(*shard), Position::start_after(*origin)))
}

use rusqlite::Connection;
use signer_protocol::merkle::TreeHead;

use crate::{
    Audit, Entry, Fault, Identity, Position, Problem, database, entry,
    journal::sqlite::{SELECT, entry_in},
};

/// How far the chain holds, and what ended it.
pub(super) struct Walked {
    pub(super) position: Position,
    pub(super) bad: Option<(u64, Problem)>,
    pub(super) mismatch: Option<TreeHead>,
    pub(super) witnessed_to: u64,
}

/// Follows the chain from the first entry on until something is wrong.
pub(super) fn walk(
    connection: &Connection,
    audit: &Audit,
    identity: &Identity,
    visit: &mut dyn FnMut(Entry),
) -> Result<Walked, Fault> {
    let failed = database::sqlite("reading", &audit.path);
    let mut heads = Heads::new(identity.shard, &audit.witnessed);
    let mut position = Position::start(identity);
    heads.compare(&position);
    let mut bad = None;
    let mut select = connection.prepare(SELECT).map_err(&failed)?;
    let mut rows = select.query((i64::MIN, i64::MAX)).map_err(&failed)?;
    while let Some(row) = rows.next().map_err(&failed)? {
        let (seq, bytes) = entry_in(row).map_err(&failed)?;
        match position.follow(identity.shard, seq, bytes) {
            Ok(entry) => {
                heads.compare(&position);
                visit(entry);
            }
            Err(Fault::BadEntry { seq, problem: Problem::ChainBroken }) => {
                let leaf = signer_protocol::merkle::leaf_hash(bytes);
                let next = rows.next().map_err(&failed)?;
                let next = next.map(entry_in).transpose().map_err(&failed)?;
                bad = Some(blame(identity.shard, seq, leaf, next));
                break;
            }
            Err(Fault::BadEntry { seq, problem }) => {
                bad = Some((seq, problem));
                break;
            }
            Err(other) => return Err(other),
        }
    }
    // The head is that of the entries which hold; a blamed entry is not one of them.
    Ok(Walked { position, bad, mismatch: heads.mismatch, witnessed_to: heads.fits_to })
}

/// Entry `seq` does not carry the hash of the one before it: one of the two was altered. If the
/// entry after carries the hash of `seq` as it is, it is the one before; otherwise `seq` itself.
fn blame(shard: u16, seq: u64, leaf: [u8; 32], next: Option<(u64, &[u8])>) -> (u64, Problem) {
    let next = next.and_then(|(row, bytes)| entry::decode(shard, row, bytes).ok());
    let before = seq.saturating_sub(1);
    if before > 0 && next.is_some_and(|next| next.previous == leaf) {
        (before, Problem::Altered)
    } else {
        (seq, Problem::ChainBroken)
    }
}

/// The witnessed heads, the smallest first.
struct Heads {
    shard: u16,
    waiting: std::iter::Peekable<std::vec::IntoIter<TreeHead>>,
    mismatch: Option<TreeHead>,
    fits_to: u64,
}

impl Heads {
    fn new(shard: u16, witnessed: &[TreeHead]) -> Self {
        let mut heads = witnessed.to_vec();
        heads.sort_by_key(|head| head.size);
        Self { shard, waiting: heads.into_iter().peekable(), mismatch: None, fits_to: 0 }
    }

    fn compare(&mut self, position: &Position) {
        while let Some(head) = self.waiting.next_if(|head| head.size == position.size()) {
            if position.compare(self.shard, &head).is_err() {
                self.mismatch = self.mismatch.or(Some(head));
            } else if self.mismatch.is_none() {
                self.fits_to = head.size;
            }
        }
    }
}

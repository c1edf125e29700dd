use crate::{Entry, Fault, Problem, entry, journal::Position};

/// Reads stored entries in order and hands each one out only when the hash that its successor
/// carries, or the known last leaf, has confirmed it.
pub(super) struct Lookahead {
    shard: u16,
    next_seq: u64,
    waiting: Option<Entry>,
}

impl Lookahead {
    /// Begins at `from`.
    pub(super) const fn new(shard: u16, from: u64) -> Self {
        Self { shard, next_seq: from, waiting: None }
    }

    /// Takes the bytes of row `row` and gives the entry before, which they confirm.
    pub(super) fn take(&mut self, row: u64, bytes: &[u8]) -> Result<Option<Entry>, Fault> {
        let seq = self.next_seq;
        let bad = |problem| Fault::BadEntry { seq, problem };
        if row != seq {
            return Err(bad(Problem::Missing { next: row }));
        }
        let entry = entry::decode(self.shard, seq, bytes).map_err(bad)?;
        if let Some(waiting) = &self.waiting {
            confirm(waiting, entry.previous)?;
        }
        self.next_seq = seq.saturating_add(1);
        Ok(self.waiting.replace(entry))
    }

    /// Gives the last entry, which must be the journal's last.
    pub(super) fn finish(self, end: &Position) -> Result<Option<Entry>, Fault> {
        if self.next_seq <= end.size() {
            let problem = Problem::Gone { size: end.size() };
            return Err(Fault::BadEntry { seq: self.next_seq, problem });
        }
        if let Some(waiting) = &self.waiting {
            confirm(waiting, end.last_leaf())?;
        }
        Ok(self.waiting)
    }
}

fn confirm(entry: &Entry, leaf: [u8; 32]) -> Result<(), Fault> {
    if entry.leaf == leaf {
        Ok(())
    } else {
        Err(Fault::BadEntry { seq: entry.seq, problem: Problem::Altered })
    }
}

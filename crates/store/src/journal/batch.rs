use crate::{
    Fault, Record,
    entry::{BODY_BYTES_MAX, HEADER_BYTES, encode},
    journal::{APPEND_BYTES_MAX, Appended, Position},
};
use signer_protocol::merkle::leaf_hash;

/// The bytes of the entries of one append, in one buffer that is used again for the next.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Where each entry ends in `bytes`.
    ends: Vec<usize>,
}

/// What the journal will be once the batch is durable.
pub(super) struct Sealed {
    pub(super) after: Position,
    pub(super) appended: Appended,
}

impl Batch {
    /// Turns `records` into the entries that follow `position`. Changes nothing but the buffer.
    pub(super) fn seal(
        &mut self,
        shard: u16,
        position: &Position,
        expected_seq: u64,
        records: &[Record],
    ) -> Result<Sealed, Fault> {
        let next = position.next_seq();
        if expected_seq != next {
            return Err(Fault::UnexpectedSeq { expected: expected_seq, next });
        }
        check_sizes(records)?;
        self.bytes.clear();
        self.ends.clear();
        let mut after = position.clone();
        let mut leaves = Vec::with_capacity(records.len());
        for record in records {
            let start = self.bytes.len();
            encode(&mut self.bytes, (shard, after.next_seq()), &after.last_leaf(), record);
            self.ends.push(self.bytes.len());
            let leaf = leaf_hash(self.bytes.get(start..).unwrap_or_default());
            after.push(leaf)?;
            leaves.push(leaf);
        }
        let (first_seq, previous) = (next, position.last_leaf());
        Ok(Sealed { after, appended: Appended { shard, first_seq, previous, leaves } })
    }

    /// The bytes of each entry that was sealed last.
    pub(super) fn entries(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(&start, &end)| self.bytes.get(start..end).unwrap_or_default())
    }
}

fn check_sizes(records: &[Record]) -> Result<(), Fault> {
    let mut total = 0_usize;
    for record in records {
        let found = record.body.len();
        if found > BODY_BYTES_MAX {
            return Err(Fault::AppendTooLarge { what: "a body", found, most: BODY_BYTES_MAX });
        }
        total = total.saturating_add(HEADER_BYTES).saturating_add(found);
    }
    if total > APPEND_BYTES_MAX {
        let (what, most) = ("the append", APPEND_BYTES_MAX);
        return Err(Fault::AppendTooLarge { what, found: total, most });
    }
    Ok(())
}

//! The signer as head witness of the server's journal: a journal that was cut short is a valid
//! journal, so somebody else has to remember how long it was.

use signer_protocol::{RefusalTag, Response, TreeHead, merkle::verify_consistency};

use super::{Signer, Stop};
use crate::{clock::Moment, memory::Memory, refusal::Refusal};

impl<M: Memory> Signer<M> {
    /// Remembers a head that provably continues the last one. The first is taken as it is.
    pub(super) fn witness_head(
        &mut self,
        head: TreeHead,
        proof: &[[u8; 32]],
        moment: Moment,
    ) -> Result<Response, Stop> {
        let witnessed = Response::Witnessed { head: Some(head) };
        if head.shard >= self.settings.limits.shards {
            let detail = format!(
                "shard {}; this signer's settings name shards below {}",
                head.shard, self.settings.limits.shards
            );
            return Err(Refusal::new(RefusalTag::JournalForked, detail).into());
        }
        if let Some(last) = self.state.witnessed(head.shard) {
            if head == last {
                return Ok(witnessed);
            }
            continues(&last, &head, proof)?;
        }
        self.memory.store_head(&self.state.head(moment, Some(head)))?;
        self.state.witness(head);
        Ok(witnessed)
    }

    /// The entry that authorises a payment must be one that we remember.
    pub(super) fn require_witnessed(&self, shard: u16, seq: u64) -> Result<(), Refusal> {
        let size = self.state.witnessed(shard).map_or(0, |head| head.size);
        if seq <= size {
            return Ok(());
        }
        let detail = format!(
            "entry {seq} of shard {shard} authorises it, {size} entries are witnessed; send the \
             journal's head first"
        );
        Err(Refusal::new(RefusalTag::JournalNotWitnessed, detail))
    }
}

fn continues(last: &TreeHead, head: &TreeHead, proof: &[[u8; 32]]) -> Result<(), Refusal> {
    let (shard, was, is) = (head.shard, last.size, head.size);
    if is < was {
        let detail = format!(
            "shard {shard} had {was} entries, now {is}; stop the server and recover the lost range"
        );
        return Err(Refusal::new(RefusalTag::JournalShrunk, detail));
    }
    verify_consistency(last, head, proof).map_err(|error| {
        let detail = format!(
            "shard {shard}, {is} entries, does not continue the {was} witnessed: {error}; stop \
             the server and compare its journal with a copy"
        );
        Refusal::new(RefusalTag::JournalForked, detail)
    })
}

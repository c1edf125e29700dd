//! What the journal says about a snapshot of its own state. A file beside the journal proves
//! nothing by itself: whoever owns the disk can write another. Its digest in an entry that the
//! signer has witnessed can only be written by the house that ran then.

use crate::{Custody, Event, Refusal, STATE_VERSION, event::SnapshotTaken};

impl Custody {
    /// The core is past the state that was saved and does not compute its digest again: that
    /// would hold up every decision. `journal verify --replay` does.
    pub(crate) fn record_snapshot(&self, taken: &SnapshotTaken) -> Result<Vec<Event>, Refusal> {
        let (seq, size) = (taken.seq, self.seq);
        if taken.state_version != STATE_VERSION || seq == 0 || seq > size {
            return Err(Refusal::SnapshotImpossible { seq, version: taken.state_version, size });
        }
        Ok(vec![taken.clone().into()])
    }

    /// Nothing but the count of events changes: a state does not know where it was saved.
    pub(crate) fn apply_snapshot_taken(&self, event: &SnapshotTaken) -> Result<(), String> {
        // The event's own place is counted already.
        if event.seq == 0 || event.seq >= self.seq {
            return Err(format!("it names the state after entry {}", event.seq));
        }
        Ok(())
    }
}

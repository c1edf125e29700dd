//! What the chain cannot show: that the states which were saved are what the events make. A
//! snapshot becomes the books of a start that uses it, and the replica that wrote it may have gone
//! astray.

use std::collections::BTreeMap;

use custody::{Custody, Event, STATE_VERSION, event::SnapshotTaken};
use primitives::to_hex;
use store::Entry;

/// Entries that say that a state was saved, by the last entry in that state.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// The entry that says so, and the digest.
    due: BTreeMap<u64, Vec<(u64, [u8; 32])>>,
    /// Those in another version, which this release cannot compute.
    other_version: u64,
}

impl Claims {
    /// Notes what `entry` says of a saved state. What cannot be read is the fold's to find.
    pub(super) fn note(&mut self, entry: &Entry) {
        let record = &entry.record;
        if record.kind != SnapshotTaken::KIND.0 {
            return;
        }
        let event = Event::decode(record.kind, record.version, &record.body);
        let Ok(Event::SnapshotTaken(taken)) = event else { return };
        if taken.state_version == STATE_VERSION {
            self.due.entry(taken.seq).or_default().push((entry.seq, taken.digest));
        } else {
            self.other_version = self.other_version.saturating_add(1);
        }
    }
}

/// A fold of every event, up to the first thing that is wrong.
pub(super) struct Fold {
    state: Custody,
    claims: Claims,
    compared: u64,
    wrong: Option<String>,
}

impl Fold {
    /// Begins before the first entry.
    pub(super) fn new(claims: Claims) -> Self {
        Self { state: Custody::default(), claims, compared: 0, wrong: None }
    }

    /// Takes the next entry.
    pub(super) fn take(&mut self, entry: &Entry) {
        if self.wrong.is_none() {
            self.wrong = self.fold(entry).err();
        }
    }

    fn fold(&mut self, entry: &Entry) -> Result<(), String> {
        let (seq, record) = (entry.seq, &entry.record);
        let event = Event::decode(record.kind, record.version, &record.body)
            .map_err(|error| format!("replay-failed: entry {seq}: {error}"))?;
        self.state
            .apply(record.at, &event)
            .map_err(|corrupt| format!("replay-failed: entry {seq}: {corrupt}"))?;
        drop(self.state.take_touched());
        self.compare(seq)
    }

    fn compare(&mut self, seq: u64) -> Result<(), String> {
        let Some(claims) = self.claims.due.remove(&seq) else { return Ok(()) };
        let digest = self.state.digest().map_err(|error| error.to_string())?;
        for (claim, named) in claims {
            if named != digest {
                let (named, digest) = (to_hex(&named), to_hex(&digest));
                return Err(format!(
                    "snapshot-differs: entry {claim} names the state after entry {seq} with digest {named}, and the journal makes {digest}"
                ));
            }
            self.compared = self.compared.saturating_add(1);
        }
        Ok(())
    }

    /// What there is to say in the end; an error names what is wrong.
    pub(super) fn end(self) -> Result<String, String> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        let seq = self.state.seq();
        self.state
            .check_invariants()
            .map_err(|broken| format!("invariants-broken: after entry {seq}: {broken}"))?;
        let (compared, other) = (self.compared, self.claims.other_version);
        Ok(format!(
            "replayed {seq} entries; {compared} saved states compared, {other} of another version not"
        ))
    }
}

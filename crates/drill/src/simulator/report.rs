//! What a run that broke nothing says of itself. The names of the fields are API.

use std::collections::BTreeMap;

use serde::Serialize;

/// What happened in one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Steps that were taken, without the quiet hours.
    pub steps: u32,
    /// What kind of world the seed made.
    pub kind: &'static str,
    /// Crashes of the server.
    pub server_crashes: u64,
    /// Crashes of the signer.
    pub signer_crashes: u64,
    /// Recoveries of either, each from its disks alone.
    pub recoveries: u64,
    /// Recoveries of the server that began with a snapshot.
    pub snapshots_used: u64,
    /// Snapshots that such a recovery passed over, since no witnessed entry named them.
    pub snapshots_passed_over: u64,
    /// Blocks mined, on all branches.
    pub blocks: u64,
    /// Times that the tip was taken back.
    pub reorgs: u64,
    /// The deepest, in blocks.
    pub reorg_depth_max: u32,
    /// Deposits in the books at the end.
    pub deposits: u64,
    /// Withdrawals in the books at the end.
    pub withdrawals: u64,
    /// Of them final.
    pub settled: u64,
    /// Of them failed, since their pin was spent elsewhere.
    pub failed: u64,
    /// Batches in the books at the end.
    pub batches: u64,
    /// Transactions that the signer signed.
    pub signed: u64,
    /// Transactions given to the node, counting repeats.
    pub broadcasts: u64,
    /// Hot coins that were spent outside the books.
    pub thefts: u64,
    /// Events in the journal.
    pub events: u64,
    /// Events that were answered for, by name.
    pub events_by_name: BTreeMap<String, u64>,
    /// Refusals of the domain, by rule.
    pub refusals: BTreeMap<String, u64>,
    /// Refusals of the door, by rule.
    pub refusals_of_door: BTreeMap<String, u64>,
    /// Refusals of the signer, by tag.
    pub refusals_of_signer: BTreeMap<String, u64>,
    /// SHA-256 over the trace, in hexadecimal: equal for equal seeds.
    pub trace_digest: String,
}

impl Report {
    /// Crashes of either process.
    #[must_use]
    pub const fn crashes(&self) -> u64 {
        self.server_crashes.saturating_add(self.signer_crashes)
    }

    pub(crate) fn count_event(&mut self, name: &str) {
        count(&mut self.events_by_name, name);
    }

    pub(crate) fn count_refusal(&mut self, id: &str) {
        count(&mut self.refusals, id);
    }

    pub(crate) fn count_refusal_of_door(&mut self, id: &str) {
        count(&mut self.refusals_of_door, id);
    }

    pub(crate) fn count_refusal_of_signer(&mut self, id: &str) {
        count(&mut self.refusals_of_signer, id);
    }
}

fn count(counts: &mut BTreeMap<String, u64>, id: &str) {
    if let Some(known) = counts.get_mut(id) {
        *known = known.saturating_add(1);
    } else {
        counts.insert(id.to_owned(), 1);
    }
}

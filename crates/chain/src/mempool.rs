//! What is new in the mempool, by polling. Sightings are shown, never posted; a notification that
//! the node pushes (ZMQ) can be lost, a poll cannot.

use std::{collections::HashSet, sync::Arc};

use bitcoin::{Transaction, Txid};

use crate::{Fault, node::Node};

/// Transactions fetched in one request: 64 of the largest that nodes relay (400,000 weight units)
/// stay below the limit of an answer.
const BATCH: usize = 64;

/// How much a [`Mempool`] keeps and fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MempoolLimits {
    /// The most ids to remember, 32 bytes each; what is beyond is not looked at.
    pub known_max: usize,
    /// The most transactions to fetch in one poll; the next poll goes on.
    pub added_max: usize,
}

impl Default for MempoolLimits {
    /// 500,000 known (a mempool of 300 MB holds some 200,000), 5,000 fetched per poll.
    fn default() -> Self {
        Self { known_max: 500_000, added_max: 5_000 }
    }
}

/// What changed since the last poll.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MempoolDelta {
    /// Came in.
    pub added: Vec<Arc<Transaction>>,
    /// Went out: confirmed, replaced, expired or evicted. Which one, only the blocks can tell.
    pub removed: Vec<Txid>,
    /// New, and left for the next poll or beyond the limits.
    pub left_out: usize,
}

/// A poller with a memory of ids only.
pub struct Mempool {
    node: Node,
    limits: MempoolLimits,
    known: HashSet<Txid>,
}

impl Mempool {
    /// A poller that knows nothing yet: its first polls bring the whole mempool.
    #[must_use]
    pub fn new(node: Node, limits: MempoolLimits) -> Self {
        Self { node, limits, known: HashSet::new() }
    }

    /// Whether the last poll found this transaction, or an earlier one did and it is still there.
    #[must_use]
    pub fn knows(&self, txid: &Txid) -> bool {
        self.known.contains(txid)
    }

    /// Asks what changed. A transaction that vanishes while we ask is skipped.
    ///
    /// # Errors
    ///
    /// Any fault of the connection. Nothing is lost by it: the next poll tells the same again.
    pub fn poll(&mut self) -> Result<MempoolDelta, Fault> {
        let now = self.node.mempool()?;
        let present: HashSet<Txid> = now.iter().copied().collect();
        let removed: Vec<Txid> = self.known.difference(&present).copied().collect();

        let mut new = now;
        new.retain(|txid| !self.known.contains(txid));
        let still_known = self.known.len().saturating_sub(removed.len());
        let room = self.limits.known_max.saturating_sub(still_known).min(self.limits.added_max);
        let left_out = new.len().saturating_sub(room);
        new.truncate(room);

        let mut added = Vec::new();
        for batch in new.chunks(BATCH) {
            added.extend(self.node.transactions(batch)?.into_iter().flatten().map(Arc::new));
        }

        // From here on it must succeed.
        for txid in &removed {
            self.known.remove(txid);
        }
        self.known.extend(added.iter().map(|transaction| transaction.compute_txid()));
        Ok(MempoolDelta { added, removed, left_out })
    }
}

//! The mempool: transactions that spend confirmed outputs or one another's, each output once.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{OutPoint, Txid};

use super::Tx;

/// Why the node did not take a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// The chain has it.
    Confirmed,
    /// An input does not exist, is spent in the chain, or is a reward that rests.
    InputMissing,
    /// Another transaction in the mempool spends an input.
    Conflict,
}

/// What waits for a block.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    transactions: BTreeMap<Txid, Tx>,
    spenders: BTreeMap<OutPoint, Txid>,
}

impl Pool {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Tx> {
        self.transactions.values()
    }

    pub(crate) fn contains(&self, id: &Txid) -> bool {
        self.transactions.contains_key(id)
    }

    /// Whether a transaction here has this output.
    pub(super) fn makes(&self, outpoint: &OutPoint) -> bool {
        let vout = usize::try_from(outpoint.vout).unwrap_or(usize::MAX);
        let parent = self.transactions.get(&outpoint.txid);
        parent.is_some_and(|parent| parent.body.output.len() > vout)
    }

    /// Whether a transaction here spends this output.
    pub(crate) fn spends(&self, outpoint: &OutPoint) -> bool {
        self.spenders.contains_key(outpoint)
    }

    /// Its inputs are known to exist.
    pub(super) fn accept(&mut self, tx: &Tx, replace: bool) -> Result<(), Rejected> {
        let in_the_way: BTreeSet<Txid> =
            tx.inputs().filter_map(|input| self.spenders.get(&input).copied()).collect();
        if !in_the_way.is_empty() {
            let family = self.with_descendants(in_the_way);
            // It cannot push out what it is made of.
            let orphaned = tx.inputs().any(|input| family.contains(&input.txid));
            if !replace || orphaned {
                return Err(Rejected::Conflict);
            }
            for id in &family {
                self.remove(id);
            }
        }
        self.spenders.extend(tx.inputs().map(|input| (input, tx.id)));
        self.transactions.insert(tx.id, tx.clone());
        Ok(())
    }

    /// A block carries `tx`: it leaves, and so does whatever spends the same outputs.
    pub(super) fn confirm(&mut self, tx: &Tx) {
        if self.contains(&tx.id) {
            return self.remove(&tx.id);
        }
        let in_the_way: BTreeSet<Txid> =
            tx.inputs().filter_map(|input| self.spenders.get(&input).copied()).collect();
        for id in self.with_descendants(in_the_way) {
            self.remove(&id);
        }
    }

    /// Removes a transaction and what depends on it.
    pub(super) fn evict(&mut self, id: &Txid) {
        for id in self.with_descendants(BTreeSet::from([*id])) {
            self.remove(&id);
        }
    }

    fn remove(&mut self, id: &Txid) {
        if let Some(tx) = self.transactions.remove(id) {
            for input in tx.inputs() {
                self.spenders.remove(&input);
            }
        }
    }

    fn with_descendants(&self, mut family: BTreeSet<Txid>) -> BTreeSet<Txid> {
        let mut found: Vec<Txid> = family.iter().copied().collect();
        while let Some(id) = found.pop() {
            let Some(tx) = self.transactions.get(&id) else { continue };
            let children = tx.outputs().filter_map(|(output, _)| self.spenders.get(&output));
            found.extend(children.copied().filter(|child| family.insert(*child)));
        }
        family
    }

    /// What a miner takes, parents before children.
    pub(super) fn choose(
        &self,
        is_ripe: impl Fn(&OutPoint) -> bool,
        mut includes: impl FnMut(&Tx) -> bool,
    ) -> Vec<Tx> {
        let mut wanted: Vec<&Tx> = self.iter().filter(|tx| includes(tx)).collect();
        let mut chosen: Vec<Tx> = Vec::new();
        let mut ids = BTreeSet::new();
        loop {
            let (ready, waiting): (Vec<&Tx>, Vec<&Tx>) = wanted.into_iter().partition(|tx| {
                tx.inputs().all(|input| ids.contains(&input.txid) || is_ripe(&input))
            });
            if ready.is_empty() {
                return chosen;
            }
            ids.extend(ready.iter().map(|tx| tx.id));
            chosen.extend(ready.into_iter().cloned());
            wanted = waiting;
        }
    }
}

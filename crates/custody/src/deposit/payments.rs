//! The transactions that deposits came with, once each: what they spend, and whether they are gone.
//!
//! Anybody may have the mempool show us transactions, as many as they like and for next to nothing.
//! So inputs are kept once per transaction, never per output; what is in no block has a limit
//! ([`SIGHTED_MAX`]); and what left the mempool without ever having been in a block is forgotten
//! when no reorg could speak of it any more.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{BlockHeight, Outpoint, Txid};

/// Inputs and deposits that are kept of all transactions that no block has ever carried: some 80 of
/// the largest that nodes relay, in less than 100 MB. What is seen beyond is not shown until a block
/// carries it, or until others are forgotten.
pub const SIGHTED_MAX: usize = 200_000;

/// One transaction that pays deposits, while the chain may still decide about it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Payment {
    /// All its inputs: whoever spends one makes it impossible.
    inputs: Vec<Outpoint>,
    /// How many deposits came with it.
    deposits: u32,
    /// Whether a block has ever carried it: then its deposits stay known for ever.
    carried: bool,
    /// The height of the tip when the last of its deposits was found to be gone.
    gone: Option<BlockHeight>,
}

impl Payment {
    /// What it counts towards [`SIGHTED_MAX`].
    fn sighted(&self) -> usize {
        let deposits = usize::try_from(self.deposits).unwrap_or(usize::MAX);
        if self.carried { 0 } else { self.inputs.len().saturating_add(deposits) }
    }

    pub(crate) const fn was_carried(&self) -> bool {
        self.carried
    }
}

/// Every payment that a reorg, or the mempool, may still bring back.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Payments {
    all: BTreeMap<Txid, Payment>,
    // What follows is rebuilt, never stored.
    #[borsh(skip)]
    spenders: BTreeSet<(Outpoint, Txid)>,
    #[borsh(skip)]
    gone: BTreeSet<(BlockHeight, Txid)>,
    #[borsh(skip)]
    sighted: usize,
}

impl Payments {
    /// Fills what is not stored, after a snapshot was read.
    pub(crate) fn rebuild(&mut self) {
        for (txid, payment) in &self.all {
            self.spenders.extend(payment.inputs.iter().map(|input| (*input, *txid)));
            self.gone.extend(payment.gone.map(|height| (height, *txid)));
            self.sighted = self.sighted.saturating_add(payment.sighted());
        }
    }

    pub(crate) fn get(&self, txid: &Txid) -> Option<&Payment> {
        self.all.get(txid)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &Txid> {
        self.all.keys()
    }

    /// Transactions that spend this output and paid us.
    pub(crate) fn spenders(&self, spent: Outpoint) -> impl Iterator<Item = &Txid> {
        let all = (spent, Txid([0; 32]))..=(spent, Txid([0xff; 32]));
        self.spenders.range(all).map(|(_, txid)| txid)
    }

    /// Whether a transaction with so many inputs may be shown with so many more deposits.
    pub(crate) fn has_room(&self, txid: &Txid, inputs: usize, deposits: usize) -> bool {
        let inputs = if self.all.contains_key(txid) { 0 } else { inputs };
        self.sighted.saturating_add(inputs).saturating_add(deposits) <= SIGHTED_MAX
    }

    /// One more deposit came with this transaction.
    pub(crate) fn insert(&mut self, txid: Txid, inputs: &[Outpoint]) {
        if !self.all.contains_key(&txid) {
            self.spenders.extend(inputs.iter().map(|input| (*input, txid)));
            let inputs = inputs.to_vec();
            let new = Payment { inputs, deposits: 0, carried: false, gone: None };
            self.sighted = self.sighted.saturating_add(new.sighted());
            self.all.insert(txid, new);
        }
        self.change(&txid, |payment| payment.deposits = payment.deposits.saturating_add(1));
    }

    /// A block carries it.
    pub(crate) fn carry(&mut self, txid: &Txid) {
        self.change(txid, |payment| (payment.carried, payment.gone) = (true, None));
    }

    /// Notes since which tip it has been gone, or that it is not. What a block has ever carried is
    /// never forgotten, and so never noted.
    pub(crate) fn set_gone(&mut self, txid: &Txid, gone: Option<BlockHeight>) {
        self.change(txid, |payment| payment.gone = gone.filter(|_| !payment.carried));
    }

    /// Payments that have been gone since the tip was at most at `height`.
    pub(crate) fn gone_since(&self, height: BlockHeight) -> Vec<Txid> {
        let old = self.gone.iter().take_while(|(since, _)| *since <= height);
        old.map(|(_, txid)| *txid).collect()
    }

    /// It need not be watched any more.
    pub(crate) fn remove(&mut self, txid: &Txid) {
        self.change(txid, |payment| payment.gone = None);
        let Some(payment) = self.all.remove(txid) else { return };
        for input in &payment.inputs {
            self.spenders.remove(&(*input, *txid));
        }
        self.sighted = self.sighted.saturating_sub(payment.sighted());
    }

    /// Changes a payment and keeps the indexes in step.
    fn change(&mut self, txid: &Txid, change: impl FnOnce(&mut Payment)) {
        let Some(payment) = self.all.get_mut(txid) else { return };
        let (sighted, gone) = (payment.sighted(), payment.gone);
        change(payment);
        self.sighted = self.sighted.saturating_sub(sighted).saturating_add(payment.sighted());
        if gone != payment.gone {
            gone.map(|height| self.gone.remove(&(height, *txid)));
            self.gone.extend(payment.gone.map(|height| (height, *txid)));
        }
    }
}

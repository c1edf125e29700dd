//! What may be said about signatures: `never-paid-twice`, `nothing-without-warrant` and
//! `dissolved-means-unsigned`, over all transactions that the signer ever signed.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{Transaction, consensus::encode};
use custody::{
    Custody, WithdrawalState,
    payout::{Batch, BatchState},
};
use primitives::{BatchId, Outpoint, Txid, WithdrawalId};
use signer_protocol::PayoutIntent;

use crate::simulator::{
    convert,
    failure::{Check, Found},
    installation::change_script,
};

/// Every transaction that was ever signed.
#[derive(Default)]
pub(crate) struct Signatures {
    bytes: BTreeSet<Vec<u8>>,
    signed: BTreeMap<Txid, Transaction>,
    /// Signed, and not yet compared with what custody approved.
    fresh: BTreeSet<Txid>,
    /// For each withdrawal, the inputs that all transactions naming it share.
    shared: BTreeMap<WithdrawalId, BTreeSet<Outpoint>>,
}

impl Signatures {
    /// The signer has signed this.
    pub(crate) fn add(&mut self, bytes: Vec<u8>) -> Check {
        if self.bytes.contains(&bytes) {
            return Ok(());
        }
        let transaction: Transaction =
            encode::deserialize(&bytes).map_err(|error| Found::simulator(error.to_string()))?;
        let txid = convert::txid(transaction.compute_txid());
        self.bytes.insert(bytes);
        self.fresh.insert(txid);
        self.signed.insert(txid, transaction);
        Ok(())
    }

    pub(crate) fn count(&self) -> u64 {
        u64::try_from(self.signed.len()).unwrap_or(u64::MAX)
    }

    /// Compares what is new with what custody has approved, and what custody has dissolved with
    /// everything.
    pub(crate) fn check(&mut self, state: &Custody) -> Check {
        // A batch that was refused and one built later can be the same transaction.
        let alive = state.batches().filter(|(_, batch)| batch.state != BatchState::Dissolved);
        let alive: BTreeSet<Txid> = alive.map(|(_, batch)| batch.txid).collect();
        for (id, batch) in state.batches() {
            if self.fresh.remove(&batch.txid)
                && let Some(transaction) = self.signed.get(&batch.txid)
            {
                nothing_without_warrant(state, *id, batch, transaction)?;
                never_paid_twice(&mut self.shared, batch, transaction)?;
            }
            if !alive.contains(&batch.txid) {
                dissolved_means_unsigned(&self.signed, *id, batch)?;
            }
        }
        match self.fresh.first() {
            Some(txid) => {
                let found = format!("{txid} was signed and is no batch of the journal");
                Err(Found::new("nothing-without-warrant", found))
            }
            None => Ok(()),
        }
    }
}

/// `nothing-without-warrant`: every output is exactly one approved withdrawal, script and amount,
/// or the batch's own change at an index of our own.
fn nothing_without_warrant(
    state: &Custody,
    id: BatchId,
    batch: &Batch,
    transaction: &Transaction,
) -> Check {
    let wrong = |what: String| {
        Err(Found::new("nothing-without-warrant", format!("{id} is signed: {what}")))
    };
    let mut named = BTreeSet::new();
    for (vout, output) in (0_u32..).zip(&transaction.output) {
        if let Some(change) = batch.change.as_ref().filter(|change| change.vout == vout) {
            if output.script_pubkey != change_script(change.index)? {
                return wrong(format!("output {vout} is no change of ours"));
            }
            continue;
        }
        let mut payouts = batch.payouts.iter().filter(|payout| payout.vout == vout);
        let (Some(payout), None) = (payouts.next(), payouts.next()) else {
            return wrong(format!("output {vout} is not exactly one withdrawal"));
        };
        let withdrawal = state.withdrawal(payout.withdrawal);
        let withdrawal = withdrawal.map_err(|error| Found::simulator(error.to_string()))?;
        let intent = PayoutIntent::parse(&withdrawal.intent);
        let intent = intent.map_err(|error| Found::simulator(error.to_string()))?;
        let right = intent.script == output.script_pubkey.as_bytes()
            && intent.amount.to_sat() == output.value.to_sat();
        if !right || !named.insert(payout.withdrawal) {
            return wrong(format!("output {vout} is not what {} asks", payout.withdrawal));
        }
        if let WithdrawalState::Refused { .. }
        | WithdrawalState::Rejected { .. }
        | WithdrawalState::Cancelled = withdrawal.state
        {
            return wrong(format!("{} is {}", payout.withdrawal, withdrawal.state.name()));
        }
    }
    Ok(())
}

/// `never-paid-twice`: all transactions that name a withdrawal share an input, so that at most one
/// of them can confirm.
fn never_paid_twice(
    shared: &mut BTreeMap<WithdrawalId, BTreeSet<Outpoint>>,
    batch: &Batch,
    transaction: &Transaction,
) -> Check {
    let inputs = transaction.input.iter().map(|input| convert::outpoint(&input.previous_output));
    let inputs: BTreeSet<Outpoint> = inputs.collect();
    for payout in &batch.payouts {
        let common = shared.entry(payout.withdrawal).or_insert_with(|| inputs.clone());
        common.retain(|input| inputs.contains(input));
        if common.is_empty() {
            let id = payout.withdrawal;
            let found = format!("two signed transactions name {id} and can both confirm");
            return Err(Found::new("never-paid-twice", found));
        }
    }
    Ok(())
}

/// `dissolved-means-unsigned`: a batch whose coins and withdrawals were set free was never signed.
/// `batch` is dissolved, and no other is the same transaction.
fn dissolved_means_unsigned(
    signed: &BTreeMap<Txid, Transaction>,
    id: BatchId,
    batch: &Batch,
) -> Check {
    if signed.contains_key(&batch.txid) {
        let found = format!("{id} is dissolved, and its signature exists");
        return Err(Found::new("dissolved-means-unsigned", found));
    }
    Ok(())
}

//! What of a block or transaction touches us: pure, and without computing the id of a transaction
//! that does not, since hashing ids dominates the cost of a block.

use std::collections::BTreeSet;

use bitcoin::{Block, Transaction};
use primitives::{Outpoint, Sats, Txid};

use super::CONFLICTS_MAX;
use crate::{
    Custody,
    deposit::{Payment, outputs_of},
    event::{OurTransaction, Receipt, Watched},
};

impl Custody {
    /// The transactions of `block` that touch us, and those that paid deposits and that it makes
    /// impossible: those that were in a block before come first, since money depends on them.
    pub(crate) fn match_block(&self, block: &Block) -> (Vec<OurTransaction>, Vec<Txid>) {
        let mut made = BTreeSet::new();
        let mut ours = Vec::new();
        let mut conflicts = BTreeSet::new();
        for transaction in &block.txdata {
            if let Some(found) = self.match_transaction(transaction, &made) {
                made.extend(
                    found
                        .receipts
                        .iter()
                        .map(|receipt| Outpoint { txid: found.txid, vout: receipt.vout }),
                );
                ours.push(found);
            }
            self.find_conflicts(transaction, &mut conflicts);
        }
        let was_carried = |txid: &Txid| self.payments.get(txid).is_some_and(Payment::was_carried);
        let possible = conflicts.into_iter().filter(|txid| self.is_possible(*txid));
        let (carried, others): (Vec<_>, Vec<_>) = possible.partition(was_carried);
        (ours, carried.into_iter().chain(others).take(CONFLICTS_MAX).collect())
    }

    /// What of `transaction` touches us; `made` are coins of ours from earlier in the same block.
    pub(crate) fn match_transaction(
        &self,
        transaction: &Transaction,
        made: &BTreeSet<Outpoint>,
    ) -> Option<OurTransaction> {
        let inputs =
            || transaction.input.iter().map(|input| super::outpoint(&input.previous_output));
        let spends: Vec<Outpoint> = inputs()
            .filter(|outpoint| self.coins.get(outpoint).is_some() || made.contains(outpoint))
            .collect();
        let receipts: Vec<Receipt> = (0..)
            .zip(&transaction.output)
            .filter_map(|(vout, output)| {
                let watched = self.watched(output.script_pubkey.as_bytes())?;
                let value = Sats::parse(output.value.to_sat()).ok()?;
                Some(Receipt { vout, value, watched })
            })
            .collect();
        if spends.is_empty() && receipts.is_empty() {
            return None;
        }
        let txid = super::txid(transaction.compute_txid());
        // The change of a batch is no deposit: the batch itself knows its inputs.
        let own = self.own_batch(&txid).is_some();
        let pays_a_deposit =
            receipts.iter().any(|receipt| !own || matches!(receipt.watched, Watched::External(_)));
        let coinbase = transaction.is_coinbase();
        let inputs = if pays_a_deposit && !coinbase { inputs().collect() } else { Vec::new() };
        Some(OurTransaction { txid, spends, receipts, inputs, coinbase })
    }

    /// Payments of which `transaction` spends an input, if it is not their own transaction.
    fn find_conflicts(&self, transaction: &Transaction, conflicts: &mut BTreeSet<Txid>) {
        let inputs = transaction.input.iter();
        let spent = inputs.map(|input| super::outpoint(&input.previous_output));
        let mut endangered: BTreeSet<Txid> =
            spent.flat_map(|spent| self.payments.spenders(spent)).copied().collect();
        if endangered.is_empty() {
            return;
        }
        endangered.remove(&super::txid(transaction.compute_txid()));
        conflicts.append(&mut endangered);
    }

    /// Whether a deposit of this transaction may still come.
    fn is_possible(&self, txid: Txid) -> bool {
        self.deposits.range(outputs_of(txid)).any(|(_, deposit)| deposit.state.is_possible())
    }
}

//! What of a block or transaction touches us: pure, and without computing the id of a transaction
//! that does not, since hashing ids dominates the cost of a block.

use std::collections::BTreeSet;

use bitcoin::{Block, Transaction};
use primitives::{Outpoint, Sats};

use crate::{
    Custody,
    event::{OurTransaction, Receipt, Watched},
};

impl Custody {
    /// The transactions of `block` that touch us, and the deposits that it makes impossible.
    pub(crate) fn match_block(&self, block: &Block) -> (Vec<OurTransaction>, Vec<Outpoint>) {
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
        // A deposit that this very block carries is no victim of it.
        let carried = |deposit: &Outpoint| ours.iter().any(|found| found.txid == deposit.txid);
        let conflicts = conflicts.into_iter().filter(|deposit| !carried(deposit)).collect();
        (ours, conflicts)
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

    /// Deposits whose inputs `transaction` spends, if it is not their own transaction.
    fn find_conflicts(&self, transaction: &Transaction, conflicts: &mut BTreeSet<Outpoint>) {
        if self.deposit_inputs.is_empty() {
            return;
        }
        for input in &transaction.input {
            let spent = super::outpoint(&input.previous_output);
            let Some(deposits) = self.deposit_inputs.get(&spent) else { continue };
            let txid = super::txid(transaction.compute_txid());
            let endangered = deposits.iter().filter(|deposit| {
                deposit.txid != txid
                    && self.deposits.get(deposit).is_some_and(|known| known.state.is_possible())
            });
            conflicts.extend(endangered);
        }
    }
}

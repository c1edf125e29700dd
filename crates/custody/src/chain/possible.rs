//! Whether a block can be, by what we know of our own coins.
//!
//! The follower checks work and form; scripts, amounts and double spends it leaves to the node. A
//! node that lies, or whose database is damaged, can thus give a block with real work that spends a
//! coin of ours twice. Folding it must fail, and a history that cannot be folded stops the process
//! at each start. So such a block is refused here: the house stays where it is, and says why.

use std::collections::{BTreeMap, BTreeSet};

use primitives::{AccountId, AssetId, BlockRef, Outpoint, Sats, Txid};

use crate::{
    Custody, Refusal, books,
    deposit::outputs_of,
    event::OurTransaction,
    payout::{Batch, BatchState},
};

/// What the transactions of a block before the one that is looked at have done.
#[derive(Default)]
struct Before {
    transactions: BTreeSet<Txid>,
    spent: BTreeSet<Outpoint>,
    made: BTreeSet<Outpoint>,
}

impl Custody {
    /// Whether these transactions of ours, in one block, can follow.
    pub(super) fn check_possible(
        &self,
        block: BlockRef,
        transactions: &[OurTransaction],
        conflicts: &[Txid],
    ) -> Result<(), Refusal> {
        let impossible = |reason| Refusal::BlockImpossible { block, reason };
        let mut before = Before::default();
        for transaction in transactions {
            self.check_transaction(&mut before, transaction).map_err(impossible)?;
        }
        if let Some(txid) = conflicts.iter().find(|txid| before.transactions.contains(*txid)) {
            let reason = format!("it carries {txid} and what spends an input of it");
            return Err(impossible(reason));
        }
        self.check_supply(transactions).map_err(impossible)
    }

    fn check_transaction(
        &self,
        before: &mut Before,
        transaction: &OurTransaction,
    ) -> Result<(), String> {
        let txid = transaction.txid;
        let conflict =
            self.deposits.range(outputs_of(txid)).find_map(|(_, it)| it.state.conflict());
        if let Some(height) = conflict {
            return Err(format!("it carries {txid}, and block {height} has spent an input of it"));
        }
        if !before.transactions.insert(txid) || self.is_in_chain(transaction) {
            return Err(format!("it carries {txid}, which the chain has already"));
        }
        let batch = self.own_batch(&txid).and_then(|id| self.batches.get(&id));
        for spent in batch.map_or(&transaction.spends, |batch| &batch.inputs) {
            let there = self.coins.get(spent).is_some() || before.made.contains(spent);
            if !there || !before.spent.insert(*spent) {
                return Err(format!("{txid} spends coin {spent}, which is spent already"));
            }
        }
        let made = transaction.receipts.iter().map(|receipt| receipt.vout);
        before.made.extend(made.map(|vout| Outpoint { txid, vout }));
        Ok(())
    }

    /// Whether a block carried this transaction before.
    fn is_in_chain(&self, transaction: &OurTransaction) -> bool {
        let is_paid = |batch: &Batch| match batch.state {
            BatchState::Confirmed { .. } | BatchState::Final { .. } => true,
            BatchState::Built
            | BatchState::Signed
            | BatchState::Broadcast
            | BatchState::Dissolved
            | BatchState::Failed => false,
        };
        let txid = transaction.txid;
        let paid = self.own_batch(&txid).and_then(|id| self.batches.get(&id)).is_some_and(is_paid);
        paid || transaction.receipts.iter().any(|receipt| {
            let outpoint = Outpoint { txid, vout: receipt.vout };
            let deposit = self.deposits.get(&outpoint);
            self.coins.get(&outpoint).is_some()
                || deposit.is_some_and(|deposit| deposit.state.is_in_chain())
        })
    }

    /// Whether the books can hold what these transactions bring: no sum in them is ever larger than
    /// what all assets and claims together are.
    fn check_supply(&self, transactions: &[OurTransaction]) -> Result<(), String> {
        let too_much = || "it pays us more than there can be".to_owned();
        let mut received: BTreeMap<Option<AccountId>, Sats> = BTreeMap::new();
        let receipts = transactions.iter().flat_map(|transaction| &transaction.receipts);
        for receipt in receipts.filter(|receipt| !receipt.value.is_zero()) {
            let sum = received.entry(self.owner_of(receipt.watched)).or_default();
            *sum = sum.checked_add(receipt.value).ok_or_else(too_much)?;
        }
        if received.is_empty() {
            return Ok(());
        }
        let codes = books::CHART.iter().map(|(code, _)| *code);
        let debits = codes.filter(|code| code.side() == ledger::Side::Debit);
        let booked = debits.flat_map(|code| self.ledger.accounts_of(AssetId::BITCOIN, code));
        let all = booked.map(|(_, balance)| balance).chain(received.values().copied());
        Sats::checked_sum(all).ok_or_else(too_much)?;
        let exposures = received.iter().filter_map(|(account, sum)| {
            let account = self.account((*account)?).ok()?;
            Some(account.exposed.checked_add(*sum))
        });
        let all_fit = exposures.into_iter().all(|sum| sum.is_some());
        all_fit.then_some(()).ok_or_else(too_much)
    }
}

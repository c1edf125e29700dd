use primitives::{BatchId, BlockHeight, BlockRef, Outpoint, Sats, Txid};

use super::{ChainState, Connected, REORG_MAX, UnexplainedSpend};
use crate::{
    Custody, books,
    coins::Coin,
    deposit::{DepositState, outputs_of},
    event::{BlockConnected, Change, OurTransaction, Receipt, Watched},
    payout::BatchState,
    planted::{self, Bug},
    withdrawal::WithdrawalState,
};

impl Custody {
    pub(crate) fn apply_block_connected(&mut self, event: &BlockConnected) -> Result<(), String> {
        let block = event.block;
        let chain = self.chain.as_ref().ok_or("nothing is configured")?;
        if chain.tip.height.next() != Some(block.height) {
            return Err(format!("block {block} does not follow {}", chain.tip));
        }
        for txid in &event.conflicts {
            self.set_conflict(*txid, block.height)?;
        }
        let mut spent = Vec::new();
        for transaction in &event.transactions {
            self.connect_transaction(block, transaction, &mut spent)?;
        }
        let connected = Connected {
            block,
            transactions: event.transactions.clone(),
            spent,
            conflicts: event.conflicts.clone(),
        };
        let chain = self.chain.as_mut().ok_or("nothing is configured")?;
        chain.tip = block;
        chain.most_work = chain.most_work.max(event.work);
        chain.recent.push_back(connected);
        if chain.reorg_from.is_some_and(|from| block.height > from) {
            chain.reorg_from = None;
            chain.reorg_reported = false;
        }
        let buried = if chain.recent.len() > REORG_MAX { chain.recent.pop_front() } else { None };
        if let Some(buried) = buried {
            chain.base = buried.block;
            self.bury(&buried);
        }
        self.forget_gone(block.height);
        Ok(())
    }

    fn connect_transaction(
        &mut self,
        block: BlockRef,
        transaction: &OurTransaction,
        spent: &mut Vec<(Outpoint, Coin)>,
    ) -> Result<(), String> {
        let own = self.own_batch(&transaction.txid);
        if let Some(id) = own {
            self.confirm_batch(block, id, spent)?;
        } else {
            for outpoint in &transaction.spends {
                self.spend_unexplained(block, *outpoint, transaction, spent)?;
            }
        }
        let change = own.and_then(|id| self.batches.get(&id)?.change.clone());
        for receipt in &transaction.receipts {
            let outpoint = Outpoint { txid: transaction.txid, vout: receipt.vout };
            let coin = Coin {
                value: receipt.value,
                watched: receipt.watched,
                height: block.height,
                coinbase: transaction.coinbase,
                at_rest: true,
            };
            if is_change(change.as_ref(), receipt) {
                // Its value was posted with the batch.
                self.coins.insert(outpoint, coin)?;
            } else {
                self.receive(outpoint, coin, transaction)?;
            }
        }
        Ok(())
    }

    /// The batch whose transaction this is, unless it was given up.
    pub(crate) fn own_batch(&self, txid: &Txid) -> Option<BatchId> {
        let id = self.batch_by_txid.get(txid)?;
        self.batches.get(id).is_some_and(|batch| batch.state != BatchState::Failed).then_some(*id)
    }

    /// Takes the batch's coins out and brings its change in, in one posting.
    fn confirm_batch(
        &mut self,
        block: BlockRef,
        id: BatchId,
        spent: &mut Vec<(Outpoint, Coin)>,
    ) -> Result<(), String> {
        let batch = self.batch_in(id, &[BatchState::Signed, BatchState::Broadcast])?;
        for outpoint in &batch.inputs {
            spent.push((*outpoint, self.coins.remove(outpoint)?));
        }
        let change = batch.change.as_ref().map(|change| {
            let outpoint = Outpoint { txid: batch.txid, vout: change.vout };
            (self.book_of_new(&outpoint, true), change.value)
        });
        let outgoing = books::house(books::OUTGOING);
        let fee = if planted::active(Bug::FeeNotPosted) { Sats::ZERO } else { batch.fee };
        let postings = [
            books::transfer(books::house(books::SETTLING), outgoing, batch.total),
            books::transfer(books::house(books::NETWORK_FEES), outgoing, fee),
            change.and_then(|(book, value)| books::transfer(books::house(book), outgoing, value)),
        ];
        let postings: Vec<_> = postings.into_iter().flatten().collect();
        self.post(&postings)?;
        let confirmed = WithdrawalState::Confirmed { batch: id, height: block.height };
        for payout in &batch.payouts {
            self.set_withdrawal_state(payout.withdrawal, confirmed.clone())?;
        }
        self.set_batch(id, BatchState::Confirmed { height: block.height }, None)
    }

    fn spend_unexplained(
        &mut self,
        block: BlockRef,
        outpoint: Outpoint,
        transaction: &OurTransaction,
        spent: &mut Vec<(Outpoint, Coin)>,
    ) -> Result<(), String> {
        let coin =
            self.coins.get(&outpoint).ok_or_else(|| format!("coin {outpoint} is not ours"))?;
        let (book, value) = (self.book_of(&outpoint, coin), coin.value);
        let lost = books::transfer(books::house(books::UNEXPLAINED), books::house(book), value);
        self.post(lost.as_slice())?;
        spent.push((outpoint, self.coins.remove(&outpoint)?));
        let (height, by) = (block.height, transaction.txid);
        let theft = UnexplainedSpend { height, by, value, reported: false };
        self.unexplained.insert(outpoint, theft);
        Ok(())
    }

    /// A block that no reorg reaches any more: what only an undo needs is dropped.
    fn bury(&mut self, buried: &Connected) {
        for transaction in &buried.transactions {
            let batch = self.batch_by_txid.get(&transaction.txid);
            let batch = batch.and_then(|id| self.batches.get_mut(id));
            if let Some(batch) =
                batch.filter(|batch| matches!(batch.state, BatchState::Final { .. }))
            {
                batch.transaction = Vec::new();
                for outpoint in &batch.inputs {
                    self.coins.release(outpoint);
                }
            }
            self.payments.remove(&transaction.txid);
        }
    }

    /// Marks that the block at `height` makes this payment impossible. Only a deposit's first
    /// conflict counts: the chain keeps it at least as long as any later one.
    fn set_conflict(&mut self, txid: Txid, height: BlockHeight) -> Result<(), String> {
        let is_possible = |state: &DepositState| state.is_possible();
        self.change_conflict(txid, is_possible, Some(height))?;
        self.note_gone(txid, height);
        Ok(())
    }

    /// Takes back what the block at `height` had marked.
    pub(crate) fn lift_conflict(&mut self, txid: Txid, height: BlockHeight) -> Result<(), String> {
        let by_it = |state: &DepositState| state.conflict() == Some(height);
        self.change_conflict(txid, by_it, None)?;
        self.note_gone(txid, self.tip_height());
        Ok(())
    }

    fn change_conflict(
        &mut self,
        txid: Txid,
        concerns: impl Fn(&DepositState) -> bool,
        height: Option<BlockHeight>,
    ) -> Result<(), String> {
        let mut changed = false;
        for (outpoint, deposit) in self.deposits.range_mut(outputs_of(txid)) {
            if !concerns(&deposit.state) {
                continue;
            }
            match &mut deposit.state {
                state @ DepositState::Detected => {
                    *state = DepositState::Orphaned { conflict: height };
                }
                DepositState::Orphaned { conflict } | DepositState::Adrift { conflict, .. } => {
                    *conflict = height;
                }
                DepositState::Confirming { .. }
                | DepositState::Credited { .. }
                | DepositState::Suspense { .. } => {
                    let state = deposit.state.name();
                    return Err(format!("deposit {outpoint} is {state} and cannot be impossible"));
                }
            }
            self.touched.deposits.insert(*outpoint);
            changed = true;
        }
        changed.then_some(()).ok_or_else(|| format!("nothing of {txid} is in doubt"))
    }
}

/// Whether this receipt is the change that the batch expects.
pub(super) fn is_change(change: Option<&Change>, receipt: &Receipt) -> bool {
    change.is_some_and(|change| {
        change.vout == receipt.vout && receipt.watched == Watched::Internal(change.index)
    })
}

impl Custody {
    pub(crate) fn chain(&self) -> Result<&ChainState, crate::Refusal> {
        self.chain.as_ref().ok_or(crate::Refusal::NotConfigured)
    }
}

//! Taking the newest block back: everything that its connection posted, in the opposite order.

use primitives::{BatchId, Outpoint};

use super::{Connected, apply::is_change};
use crate::{
    Custody, books,
    coins::Coin,
    event::{BlockDisconnected, OurTransaction},
    payout::BatchState,
    planted::{self, Bug},
    withdrawal::WithdrawalState,
};

impl Custody {
    pub(crate) fn apply_block_disconnected(
        &mut self,
        event: &BlockDisconnected,
    ) -> Result<(), String> {
        let chain = self.chain.as_mut().ok_or("nothing is configured")?;
        let connected = chain.recent.pop_back().ok_or("no block is left to take back")?;
        if connected.block != event.block {
            return Err(format!("block {} is not the tip {}", event.block, connected.block));
        }
        let old = *chain.reorg_from.get_or_insert(chain.tip.height);
        chain.reorg_from = Some(old.max(chain.tip.height));
        chain.tip = chain.recent.back().map_or(chain.base, |block| block.block);
        self.take_back(connected)
    }

    fn take_back(&mut self, connected: Connected) -> Result<(), String> {
        let mut spent = connected.spent;
        for transaction in connected.transactions.iter().rev() {
            self.disconnect_transaction(transaction, &mut spent)?;
        }
        for txid in &connected.conflicts {
            self.lift_conflict(*txid, connected.block.height)?;
        }
        Ok(())
    }

    fn disconnect_transaction(
        &mut self,
        transaction: &OurTransaction,
        spent: &mut Vec<(Outpoint, Coin)>,
    ) -> Result<(), String> {
        let own = self.batch_by_txid.get(&transaction.txid).copied().filter(|id| {
            self.batches.get(id).is_some_and(|batch| {
                matches!(batch.state, BatchState::Confirmed { .. } | BatchState::Final { .. })
            })
        });
        let change = own.and_then(|id| self.batches.get(&id)?.change.clone());
        for receipt in transaction.receipts.iter().rev() {
            if !is_change(change.as_ref(), receipt) {
                self.unreceive(&Outpoint { txid: transaction.txid, vout: receipt.vout })?;
            }
        }
        if let Some(id) = own {
            return self.unconfirm_batch(id, spent);
        }
        for _ in &transaction.spends {
            let (outpoint, coin) = spent.pop().ok_or("a spent coin is not remembered")?;
            self.restore(outpoint, coin)?;
        }
        Ok(())
    }

    /// The batch is unconfirmed again: its coins come back as outgoing, its change goes.
    fn unconfirm_batch(
        &mut self,
        id: BatchId,
        spent: &mut Vec<(Outpoint, Coin)>,
    ) -> Result<(), String> {
        let batch = self.batches.get(&id).cloned().ok_or_else(|| format!("no {id}"))?;
        if let BatchState::Final { fund_share_bps, .. } = batch.state {
            self.unsettle_batch(id, fund_share_bps)?;
        }
        let outgoing = books::house(books::OUTGOING);
        let mut postings = vec![
            books::transfer(outgoing, books::house(books::SETTLING), batch.total),
            books::transfer(outgoing, books::house(books::NETWORK_FEES), batch.fee),
        ];
        if let Some(change) = &batch.change {
            let outpoint = Outpoint { txid: batch.txid, vout: change.vout };
            let coin = self.coins.get(&outpoint).ok_or("the change of a batch is missing")?;
            let book = books::house(self.book_of(&outpoint, coin));
            postings.push(books::transfer(outgoing, book, change.value));
            self.coins.remove(&outpoint)?;
        }
        let postings: Vec<_> = postings.into_iter().flatten().collect();
        self.post(&postings)?;
        for _ in &batch.inputs {
            let (outpoint, coin) = spent.pop().ok_or("a spent coin is not remembered")?;
            let at_rest = self.is_at_rest(&outpoint);
            self.coins.insert(outpoint, Coin { at_rest, ..coin })?;
        }
        let state = WithdrawalState::Broadcast { batch: id };
        for payout in &batch.payouts {
            self.set_withdrawal_state(payout.withdrawal, state.clone())?;
        }
        self.set_batch(id, BatchState::Broadcast, None)
    }

    /// Whether a coin that is there again is ours to spend: its deposit may have been credited, or
    /// reversed, since it was spent.
    fn is_at_rest(&self, outpoint: &Outpoint) -> bool {
        self.deposits.get(outpoint).is_none_or(|deposit| deposit.state.counts_at_rest())
    }

    /// A coin that was spent outside the books is there again.
    fn restore(&mut self, outpoint: Outpoint, coin: Coin) -> Result<(), String> {
        self.unexplained.remove(&outpoint);
        let at_rest = self.is_at_rest(&outpoint);
        let coin = Coin { at_rest, ..coin };
        let value = coin.value;
        self.coins.insert(outpoint, coin)?;
        if planted::active(Bug::ForgottenReversal) {
            return Ok(());
        }
        let book = books::house(self.book_of_new(&outpoint, at_rest));
        let back = books::transfer(book, books::house(books::UNEXPLAINED), value);
        self.post(back.as_slice())
    }
}

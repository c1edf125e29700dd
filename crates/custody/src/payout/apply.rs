use ledger::{Code, Transfer};
use primitives::{BatchId, Outpoint, Sats, WithdrawalId};

use super::{Batch, BatchState};
use crate::{
    Custody, books,
    coins::Coin,
    event::{
        BatchBroadcast, BatchBuilt, BatchFailed, BatchRefused, BatchSettled, BatchSigned, Change,
        Watched,
    },
    planted::{self, Bug},
    withdrawal::{WithdrawalState, hold, hold_id},
};

impl Custody {
    pub(crate) fn apply_batch_built(&mut self, event: &BatchBuilt) -> Result<(), String> {
        let id = event.batch;
        if id.0 != self.last_batch.saturating_add(1) {
            return Err(format!("{id} does not follow batch number {}", self.last_batch));
        }
        let mut spent = Sats::ZERO;
        for outpoint in &event.inputs {
            let coin = self.coins.get(outpoint).filter(|coin| coin.at_rest);
            let coin = coin.ok_or_else(|| format!("coin {outpoint} is not ours to spend"))?;
            spent = spent.checked_add(coin.value).ok_or("inputs exceed the supply")?;
            self.coins.reserve(*outpoint, id)?;
        }
        let mut total = Sats::ZERO;
        for payout in &event.payouts {
            let withdrawal = self.withdrawal_mut(payout.withdrawal)?;
            if !matches!(withdrawal.state, WithdrawalState::Queued { .. }) {
                let state = withdrawal.state.name();
                return Err(format!("{} is {state}, not queued", payout.withdrawal));
            }
            total = total.checked_add(withdrawal.amount).ok_or("payouts exceed the supply")?;
            if !planted::active(Bug::DoubleBatch) {
                self.set_withdrawal_state(
                    payout.withdrawal,
                    WithdrawalState::Batched { batch: id },
                )?;
            }
        }
        if let Some(change) = &event.change {
            self.take_change_index(change)?;
        }
        self.last_batch = id.0;
        if let Some(other) = self.batch_by_txid.insert(event.txid, id) {
            return Err(format!("{other} has the same transaction"));
        }
        self.live_batches.insert(id);
        let batch = Batch {
            transaction: event.transaction.clone(),
            txid: event.txid,
            inputs: event.inputs.clone(),
            payouts: event.payouts.clone(),
            change: event.change.clone(),
            fee: event.fee,
            total,
            built_seq: self.seq,
            state: BatchState::Built,
        };
        if batch.spent() != Some(spent) {
            return Err(format!("{id} spends {spent} and does not pay as much"));
        }
        self.batches.insert(id, batch);
        Ok(())
    }

    /// Watches the script of a change output. An index that the signer refused with its batch was
    /// never seen by anybody, and comes again.
    fn take_change_index(&mut self, change: &Change) -> Result<(), String> {
        let place = usize::try_from(change.index).map_err(|error| error.to_string())?;
        let known = self.change_scripts.get(place);
        let new = known.is_none() && place == self.change_scripts.len();
        if change.index != self.next_change_index || !(new || known == Some(&change.script)) {
            return Err(format!("change index {} is not the next one", change.index));
        }
        self.next_change_index = change.index.checked_add(1).ok_or("no more indexes")?;
        if new {
            self.watch(change.script.clone(), Watched::Internal(change.index));
            self.change_scripts.push(change.script.clone());
        }
        Ok(())
    }

    pub(crate) fn apply_batch_refused(&mut self, event: &BatchRefused) -> Result<(), String> {
        let batch = self.batch_in(event.batch, &[BatchState::Built])?;
        self.batch_by_txid.remove(&batch.txid);
        for outpoint in &batch.inputs {
            self.coins.release(outpoint);
        }
        // The signer counts a gap of change indexes: refusals must not use it up.
        let last = batch.change.as_ref().map(|change| change.index);
        if last.is_some()
            && last.and_then(|last| last.checked_add(1)) == Some(self.next_change_index)
        {
            self.next_change_index = last.unwrap_or(self.next_change_index);
        }
        let queued = WithdrawalState::Queued { releases_at: event.releases_at };
        let half = u32::try_from(batch.payouts.len() / 2).unwrap_or(u32::MAX).max(1);
        for payout in &batch.payouts {
            let withdrawal = self.withdrawal_mut(payout.withdrawal)?;
            withdrawal.company_max = Some(half);
            self.set_withdrawal_state(payout.withdrawal, queued.clone())?;
        }
        self.set_batch(event.batch, BatchState::Dissolved, Some(Vec::new()))
    }

    pub(crate) fn apply_batch_signed(&mut self, event: &BatchSigned) -> Result<(), String> {
        // The signer counts its gap from here: only what it has surely signed counts with us too.
        let batch = self.batch_in(event.batch, &[BatchState::Built])?;
        let spent = batch.inputs.iter().filter_map(|input| match self.coins.get(input)?.watched {
            Watched::External(index) => index.checked_add(1),
            Watched::Internal(_) => None,
        });
        self.spent_external =
            spent.max().map_or(self.spent_external, |spent| self.spent_external.max(spent));
        self.sign_batch(event.batch, event.transaction.clone())
    }

    /// Moves the batch's coins to outgoing and pins what it pays to its first input.
    pub(crate) fn sign_batch(&mut self, id: BatchId, bytes: Vec<u8>) -> Result<(), String> {
        let batch = self.batch_in(id, &[BatchState::Built])?;
        let pin = batch.inputs.first().copied().ok_or("a batch has inputs")?;
        let moved = self.coin_transfers(&batch.inputs, |_| books::OUTGOING);
        self.post(&moved)?;
        for payout in &batch.payouts {
            let withdrawal = self.withdrawal_mut(payout.withdrawal)?;
            withdrawal.pin.get_or_insert(pin);
            self.set_withdrawal_state(payout.withdrawal, WithdrawalState::Signed { batch: id })?;
        }
        self.set_batch(id, BatchState::Signed, Some(bytes))
    }

    /// One transfer for each of these coins that the chain has now, to another account.
    fn coin_transfers(&self, coins: &[Outpoint], to: impl Fn(&Coin) -> Code) -> Vec<Transfer> {
        let coins = coins.iter().filter_map(|outpoint| {
            let coin = self.coins.get(outpoint)?;
            let from = books::house(self.book_of(outpoint, coin));
            books::transfer(books::house(to(coin)), from, coin.value)
        });
        coins.collect()
    }

    pub(crate) fn apply_batch_broadcast(&mut self, event: &BatchBroadcast) -> Result<(), String> {
        let batch = self.batch_in(event.batch, &[BatchState::Signed])?;
        let broadcast = WithdrawalState::Broadcast { batch: event.batch };
        for payout in &batch.payouts {
            self.set_withdrawal_state(payout.withdrawal, broadcast.clone())?;
        }
        self.set_batch(event.batch, BatchState::Broadcast, None)
    }

    pub(crate) fn apply_batch_settled(&mut self, event: &BatchSettled) -> Result<(), String> {
        let id = event.batch;
        let batch = self.batches.get(&id).cloned().ok_or_else(|| format!("no {id}"))?;
        let BatchState::Confirmed { height } = batch.state else {
            return Err(format!("{id} is {}, not confirmed", batch.state.name()));
        };
        let fund_share_bps = self.params().map_err(|error| error.to_string())?.fund_share_bps;
        for payout in &batch.payouts {
            let withdrawal = self.withdrawal_mut(payout.withdrawal)?.clone();
            let parts = settled_parts(withdrawal.amount, withdrawal.fee, fund_share_bps);
            let parts: Vec<_> = parts.into_iter().filter(|(_, sats)| !sats.is_zero()).collect();
            self.ledger
                .post_hold(hold_id(payout.withdrawal), &parts)
                .map_err(|refusal| refusal.to_string())?;
            self.set_withdrawal_state(payout.withdrawal, WithdrawalState::Settled { batch: id })?;
        }
        self.set_batch(id, BatchState::Final { height, fund_share_bps }, None)
    }

    /// Takes back what [`Custody::apply_batch_settled`] posted: the chain was replaced below a
    /// batch that counted as final.
    pub(crate) fn unsettle_batch(&mut self, id: BatchId, share: u16) -> Result<(), String> {
        let batch = self.batches.get(&id).cloned().ok_or_else(|| format!("no {id}"))?;
        for payout in &batch.payouts {
            let withdrawal = self.withdrawal_mut(payout.withdrawal)?.clone();
            let available = books::of(withdrawal.account, books::AVAILABLE);
            let parts = settled_parts(withdrawal.amount, withdrawal.fee, share);
            let back: Vec<Transfer> = parts
                .into_iter()
                .filter_map(|(part, sats)| books::transfer(part, available, sats))
                .collect();
            self.post(&back)?;
            self.ledger
                .hold(hold_id(payout.withdrawal), hold(withdrawal.account, withdrawal.total()))
                .map_err(|refusal| refusal.to_string())?;
        }
        Ok(())
    }

    pub(crate) fn apply_batch_failed(&mut self, event: &BatchFailed) -> Result<(), String> {
        let id = event.batch;
        if self.batches.get(&id).is_some_and(|batch| batch.state == BatchState::Built) {
            // Nobody knows whether the signer signed it before the answer was lost: as if it had.
            self.sign_batch(id, Vec::new())?;
        }
        let batch = self.batch_in(id, &[BatchState::Signed, BatchState::Broadcast])?;
        if event.dead.is_empty() || event.dead.iter().any(|dead| !batch.inputs.contains(dead)) {
            return Err(format!("{id} lost no input of its own"));
        }
        // A reversed deposit may be back in the chain and not credited again yet.
        let at_rest = |coin: &Coin| if coin.at_rest { books::AT_REST } else { books::INCOMING };
        let freed = self.coin_transfers(&batch.inputs, at_rest);
        self.post(&freed)?;
        for outpoint in &batch.inputs {
            self.coins.release(outpoint);
        }
        self.set_batch(id, BatchState::Failed, Some(Vec::new()))?;
        for payout in &batch.payouts {
            self.fail_or_requeue(payout.withdrawal, id, event)?;
        }
        Ok(())
    }

    fn fail_or_requeue(
        &mut self,
        withdrawal: WithdrawalId,
        batch: BatchId,
        event: &BatchFailed,
    ) -> Result<(), String> {
        let pin = self.withdrawal_mut(withdrawal)?.pin;
        if pin.is_some_and(|pin| event.dead.contains(&pin)) {
            self.void_hold(withdrawal)?;
            return self.set_withdrawal_state(withdrawal, WithdrawalState::Failed { batch });
        }
        if planted::active(Bug::PinForgotten) {
            self.withdrawal_mut(withdrawal)?.pin = None;
        }
        let queued = WithdrawalState::Queued { releases_at: event.releases_at };
        self.set_withdrawal_state(withdrawal, queued)
    }

    /// The batch, if it is in one of these states.
    pub(crate) fn batch_in(&self, id: BatchId, states: &[BatchState]) -> Result<Batch, String> {
        let batch = self.batches.get(&id).ok_or_else(|| format!("no {id}"))?;
        if states.contains(&batch.state) {
            Ok(batch.clone())
        } else {
            Err(format!("{id} is {}", batch.state.name()))
        }
    }

    pub(crate) fn set_batch(
        &mut self,
        id: BatchId,
        state: BatchState,
        transaction: Option<Vec<u8>>,
    ) -> Result<(), String> {
        let batch = self.batches.get_mut(&id).ok_or_else(|| format!("no {id}"))?;
        if let Some(transaction) = transaction {
            batch.transaction = transaction;
        }
        batch.state = state;
        if batch.state.is_live() {
            self.live_batches.insert(id);
        } else {
            self.live_batches.remove(&id);
        }
        Ok(())
    }
}

/// Where the hold of a settled withdrawal goes: the payout, the fund's share, the income.
fn settled_parts(amount: Sats, fee: Sats, share_bps: u16) -> [(ledger::LedgerAccountId, Sats); 3] {
    let share = u128::from(fee.to_sat()).saturating_mul(u128::from(share_bps)).checked_div(10_000);
    let share = share.and_then(|share| u64::try_from(share).ok()).unwrap_or(0);
    let share = Sats::parse(share).unwrap_or(Sats::ZERO).min(fee);
    [
        (books::house(books::SETTLING), amount),
        (books::house(books::FUND), share),
        (books::house(books::FEE_INCOME), fee.saturating_sub(share)),
    ]
}

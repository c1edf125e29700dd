use std::collections::BTreeSet;

use bitcoin::{Transaction, consensus::encode};
use primitives::{AccountId, BatchId, FeeRate, Outpoint, Sats, Timestamp, WithdrawalId};
use signer_protocol::RefusalTag;

use super::{
    Batch, BatchState,
    build::{Plan, Wanted, build, spendable},
};
use crate::{
    Custody, Event, Params, Refusal,
    event::{BatchBroadcast, BatchBuilt, BatchRefused, BatchSigned, Change, Payout, Watched},
};

/// What the shell brings to the building of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assembly {
    /// What the network asks.
    pub fee_rate: FeeRate,
    /// What the signer's outermost bucket holds now; larger payouts wait, and block nobody.
    pub signer_left: Sats,
    /// Randomness for the order of outputs.
    pub seed: [u8; 32],
}

/// The greatest key of the queue at a moment.
const LAST: WithdrawalId = WithdrawalId::new(AccountId::from_u64(u64::MAX), [0xff; 32]);

impl Custody {
    pub(crate) fn assemble_batch(
        &self,
        now: Timestamp,
        assembly: &Assembly,
    ) -> Result<Vec<Event>, Refusal> {
        let params = self.params()?;
        // Refusals, cheapest first.
        if let Some(stop) = self.stops.first() {
            return Err(Refusal::ReleasesStopped { stop: *stop });
        }
        if let Some(batch) = self.batch_under_way() {
            return Err(Refusal::BatchUnderWay { batch });
        }
        if assembly.fee_rate > params.fee_rate_max {
            return Err(Refusal::FeeRateAboveMaximum {
                asked: assembly.fee_rate.to_sat_per_kwu(),
                max: params.fee_rate_max.to_sat_per_kwu(),
            });
        }
        let (wanted, forced) = self.choose_withdrawals(params, now, assembly)?;
        let internal = Watched::Internal(self.next_change_index);
        let change_script = self.descriptor()?.script(internal);
        let change_script = change_script.ok_or(Refusal::NumbersExhausted { what: "addresses" })?;
        let built = build(Plan {
            coins: &self.coins,
            tip: self.tip_height(),
            final_confirmations: params.final_confirmations,
            inputs_max: usize::try_from(params.batch_inputs_max).unwrap_or(usize::MAX),
            input_weight: self.descriptor()?.input_weight(),
            forced,
            change_script: change_script.clone(),
            fee_rate: assembly.fee_rate,
            seed: assembly.seed,
            wanted: wanted.clone(),
        })?;
        // From here on it must succeed.
        let payouts = wanted.iter().zip(&built.vouts);
        let payouts =
            payouts.map(|(wanted, vout)| Payout { withdrawal: wanted.withdrawal, vout: *vout });
        let change = built.change.map(|(vout, value)| Change {
            vout,
            index: self.next_change_index,
            script: change_script.to_bytes(),
            value,
        });
        Ok(vec![
            BatchBuilt {
                batch: BatchId(self.last_batch.saturating_add(1)),
                txid: crate::chain::txid(built.transaction.compute_txid()),
                transaction: encode::serialize(&built.transaction),
                inputs: built.inputs,
                payouts: payouts.collect(),
                change,
                fee: built.fee,
                fee_rate: assembly.fee_rate,
            }
            .into(),
        ])
    }

    /// The withdrawals whose window has closed, oldest first, as many as fit; with the coins that
    /// their pins force in. What does not fit waits and blocks nobody.
    fn choose_withdrawals(
        &self,
        params: &Params,
        now: Timestamp,
        assembly: &Assembly,
    ) -> Result<(Vec<Wanted>, Vec<Outpoint>), Refusal> {
        let inputs_max = usize::try_from(params.batch_inputs_max).unwrap_or(usize::MAX);
        let outputs_max = usize::try_from(params.batch_outputs_max).unwrap_or(usize::MAX);
        let coins = spendable(&self.coins, self.tip_height(), params.final_confirmations);
        let purse = Sats::checked_sum(coins.take(inputs_max).map(|(_, value)| value));
        let purse = purse.unwrap_or(Sats::MAX);
        let budget = purse.min(assembly.signer_left);
        let (mut wanted, mut forced, mut total) = (Vec::new(), Vec::new(), Sats::ZERO);
        let mut pins = BTreeSet::new();
        let mut ready = 0_usize;
        let scanned = self.queue.range(..=(now, LAST)).take(outputs_max.saturating_mul(8));
        for (_, id) in scanned {
            let Some(withdrawal) = self.withdrawals.get(id) else { continue };
            if !self.may_leave(withdrawal, now) {
                continue;
            }
            ready = ready.saturating_add(1);
            let Some(sum) = total.checked_add(withdrawal.amount) else { continue };
            let alone = wanted.is_empty();
            if sum > budget || (sum > params.batch_total_max && !alone) {
                continue;
            }
            total = sum;
            forced.extend(withdrawal.pin.filter(|pin| pins.insert(*pin)));
            wanted.push(Wanted {
                withdrawal: *id,
                script: withdrawal.script(),
                amount: withdrawal.amount,
            });
            if wanted.len() >= outputs_max || total > params.batch_total_max {
                break;
            }
        }
        match (wanted.is_empty(), ready) {
            (true, 0) => Err(Refusal::NothingToPay),
            (true, _) => Err(Refusal::CoinsInsufficient { needed: total, spendable: budget }),
            (false, _) => Ok((wanted, forced)),
        }
    }

    /// The overlay that every arrow asks: freezes, deposits adrift, an intent that still lives, a
    /// pin that can be spent.
    fn may_leave(&self, withdrawal: &crate::Withdrawal, now: Timestamp) -> bool {
        let account_free = self
            .account(withdrawal.account)
            .is_ok_and(|account| !account.frozen && account.adrift == 0);
        let pin_free = withdrawal.pin.is_none_or(|pin| {
            self.coins.get(&pin).is_some_and(|coin| coin.at_rest)
                && self.coins.reserved_by(&pin).is_none()
        });
        account_free && pin_free && withdrawal.not_after > now
    }

    fn batch_under_way(&self) -> Option<BatchId> {
        self.live_batches
            .iter()
            .find(|id| self.batches.get(id).is_some_and(|batch| batch.state == BatchState::Built))
            .copied()
    }

    pub(crate) fn batch_signed(
        &self,
        id: BatchId,
        transaction: &[u8],
    ) -> Result<Vec<Event>, Refusal> {
        let batch = self.batch(id)?;
        let altered = |reason: String| Refusal::BatchAltered { batch: id, reason };
        let signed: Transaction =
            encode::deserialize(transaction).map_err(|error| altered(error.to_string()))?;
        // The id of a segwit transaction commits to everything but the witnesses.
        if crate::chain::txid(signed.compute_txid()) != batch.txid {
            return Err(altered("it pays something else".to_owned()));
        }
        if signed.input.iter().any(|input| input.witness.is_empty()) {
            return Err(altered("an input is not signed".to_owned()));
        }
        match &batch.state {
            BatchState::Built => {
                Ok(vec![BatchSigned { batch: id, transaction: transaction.to_vec() }.into()])
            }
            BatchState::Signed
            | BatchState::Broadcast
            | BatchState::Confirmed { .. }
            | BatchState::Final { .. } => Ok(Vec::new()),
            BatchState::Dissolved | BatchState::Failed => Err(wrong_state(id, batch, "signing")),
        }
    }

    pub(crate) fn batch_refused(
        &self,
        now: Timestamp,
        id: BatchId,
        tag: RefusalTag,
    ) -> Result<Vec<Event>, Refusal> {
        let params = self.params()?;
        let batch = self.batch(id)?;
        if batch.state != BatchState::Built {
            return Err(wrong_state(id, batch, "dissolving"));
        }
        if !tag.proves_unsigned() {
            return Err(Refusal::BatchMayBeSigned { batch: id, tag: tag.id() });
        }
        let releases_at = now.saturating_add(params.batch_retry);
        Ok(vec![BatchRefused { batch: id, tag, releases_at }.into()])
    }

    pub(crate) fn batch_broadcast(&self, id: BatchId) -> Result<Vec<Event>, Refusal> {
        let batch = self.batch(id)?;
        match &batch.state {
            BatchState::Signed => Ok(vec![BatchBroadcast { batch: id }.into()]),
            BatchState::Broadcast | BatchState::Confirmed { .. } | BatchState::Final { .. } => {
                Ok(Vec::new())
            }
            BatchState::Built | BatchState::Dissolved | BatchState::Failed => {
                Err(wrong_state(id, batch, "broadcasting"))
            }
        }
    }
}

const fn wrong_state(id: BatchId, batch: &Batch, asked: &'static str) -> Refusal {
    Refusal::BatchState { batch: id, state: batch.state.name(), asked }
}

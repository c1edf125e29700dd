use bitcoin::{Transaction, consensus::encode};
use primitives::{BatchId, FeeRate, Outpoint, Sats, Timestamp};
use signer_protocol::RefusalTag;

use super::{
    Batch, BatchState,
    build::{Plan, build},
    choose::{Chosen, Limits},
    purse::{Price, Till},
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
        let internal = Watched::Internal(self.next_change_index);
        let change_script = self.descriptor()?.script(internal);
        let change_script = change_script.ok_or(Refusal::NumbersExhausted { what: "addresses" })?;
        let input_weight = self.descriptor()?.input_weight();
        let price = Price { fee_rate: assembly.fee_rate, input_weight };
        let limits = Limits {
            till: self.till(params, now, price),
            signer_left: assembly.signer_left,
            change_bytes: change_script.len(),
            change_min: price.change_min(&change_script),
        };
        let Chosen { wanted, purse, .. } = self.choose_withdrawals(params, now, &limits)?;
        let (wanted, seed) = (wanted.as_slice(), assembly.seed);
        let plan =
            Plan { purse: &purse, price, wanted, change_script: change_script.clone(), seed };
        let built = build(&plan)?;
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

    /// The coins that a batch may take now.
    fn till(&self, params: &Params, now: Timestamp, price: Price) -> Till<'_> {
        Till {
            coins: &self.coins,
            tip: self.tip_height(),
            final_confirmations: params.final_confirmations,
            external_end: self.external_end(params),
            inputs_max: usize::try_from(params.batch_inputs_max).unwrap_or(usize::MAX),
            withheld: self.living_pins(now).collect(),
            price,
        }
    }

    /// A batch that the signer has not answered. One whose coins a reorg took, or that pays from a
    /// frozen account, cannot be signed for now, and keeps nobody waiting.
    fn batch_under_way(&self) -> Option<BatchId> {
        self.live_batches
            .iter()
            .find(|id| self.batches.get(id).is_some_and(|batch| self.waits_for_the_signer(batch)))
            .copied()
    }

    fn waits_for_the_signer(&self, batch: &Batch) -> bool {
        let there = |input: &Outpoint| self.coins.get(input).is_some();
        let free = |payout: &Payout| {
            let withdrawal = self.withdrawal(payout.withdrawal);
            withdrawal.is_ok_and(|withdrawal| self.check_overlay(withdrawal).is_ok())
        };
        batch.state == BatchState::Built
            && batch.inputs.iter().all(there)
            && batch.payouts.iter().all(free)
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

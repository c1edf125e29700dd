//! The PSBT of a batch, and the evidence for each payout: what the signer is sent.

use bitcoin::{Amount, Psbt, ScriptBuf, Transaction, TxOut, consensus::encode};
use primitives::{AccountId, BatchId, Outpoint, Seconds};
use signer_protocol::{ClassEvidence, Evidence, SignRequest};

use super::BatchState;
use crate::{Custody, Refusal, Withdrawal, coins::Coin, descriptor::HotDescriptor, event::Watched};

/// How far the signer's clock may lag behind ours before an ended intent of a frozen account could
/// still be signed.
const SIGNER_LAG_MAX: Seconds = Seconds(600);

impl Custody {
    /// What the signer is asked for a batch. `previous` gives the transaction that made a coin,
    /// which segwit v0 inputs need to prove their amounts; for taproot it is not asked.
    ///
    /// # Errors
    ///
    /// [`Refusal::BatchUnknown`], [`Refusal::BatchState`] unless the batch is Built,
    /// [`Refusal::ReleasesStopped`] and [`Refusal::AccountFrozen`] while the batch may not leave,
    /// [`Refusal::CoinGone`] while the chain lacks a coin of it, and [`Refusal::BatchAltered`] where the batch cannot be described.
    pub fn sign_request(
        &self,
        id: BatchId,
        shard: u16,
        previous: &mut dyn FnMut(&Outpoint) -> Option<Transaction>,
    ) -> Result<SignRequest, Refusal> {
        let batch = self.batch(id)?;
        if batch.state != BatchState::Built {
            let state = batch.state.name();
            return Err(Refusal::BatchState { batch: id, state, asked: "signing" });
        }
        if let Some(stop) = self.stops.first() {
            return Err(Refusal::ReleasesStopped { stop: *stop });
        }
        for payout in &batch.payouts {
            self.check_overlay(self.withdrawal(payout.withdrawal)?)?;
        }
        let altered = |reason: String| Refusal::BatchAltered { batch: id, reason };
        let transaction: Transaction =
            encode::deserialize(&batch.transaction).map_err(|error| altered(error.to_string()))?;
        let mut psbt =
            Psbt::from_unsigned_tx(transaction).map_err(|error| altered(error.to_string()))?;
        let descriptor = self.descriptor()?;
        for (number, outpoint) in batch.inputs.iter().enumerate() {
            let coin = self.coins.get(outpoint);
            let coin = coin.ok_or(Refusal::CoinGone { batch: id, coin: *outpoint })?;
            describe_input(descriptor, &mut psbt, number, coin, || previous(outpoint))
                .map_err(altered)?;
        }
        if let Some(change) = &batch.change {
            let output = usize::try_from(change.vout).unwrap_or(usize::MAX);
            descriptor
                .describe_output(&mut psbt, output, Watched::Internal(change.index))
                .map_err(altered)?;
        }
        let evidence = batch.payouts.iter().map(|payout| {
            let withdrawal = self.withdrawal(payout.withdrawal)?;
            let class = match (withdrawal.key, withdrawal.signature) {
                (Some(key), Some(signature)) => ClassEvidence::CustomerSigned { key, signature },
                _ => ClassEvidence::ServerVouched,
            };
            Ok(Evidence {
                output: payout.vout,
                withdrawal: payout.withdrawal,
                intent: withdrawal.intent.clone(),
                class,
            })
        });
        Ok(SignRequest {
            psbt: psbt.serialize(),
            evidence: evidence.collect::<Result<_, Refusal>>()?,
            shard,
            journal_seq: batch.built_seq,
        })
    }

    /// Asked right before a signed batch is given to the node, for the first time or again: while
    /// releases are stopped, or an account in it is frozen or has a deposit adrift, it stays here.
    ///
    /// # Errors
    ///
    /// [`Refusal::BatchUnknown`], [`Refusal::BatchState`] unless the batch is Signed or Broadcast,
    /// [`Refusal::ReleasesStopped`] and [`Refusal::AccountFrozen`].
    pub fn check_release(&self, id: BatchId) -> Result<(), Refusal> {
        let batch = self.batch(id)?;
        if !matches!(batch.state, BatchState::Signed | BatchState::Broadcast) {
            let state = batch.state.name();
            return Err(Refusal::BatchState { batch: id, state, asked: "sending" });
        }
        if let Some(stop) = self.stops.first() {
            return Err(Refusal::ReleasesStopped { stop: *stop });
        }
        batch.payouts.iter().try_for_each(|payout| {
            let withdrawal = self.withdrawal(payout.withdrawal)?;
            self.check_held(withdrawal.account)
        })
    }

    /// A frozen account keeps its whole batch from being signed, until the signer, whose clock may
    /// lag behind ours, surely takes the intent for ended. Then the question frees the others: the
    /// signer refuses, which dissolves the batch, or returns what it had signed before, which
    /// [`Custody::check_release`] keeps from leaving.
    pub(super) fn check_overlay(&self, withdrawal: &Withdrawal) -> Result<(), Refusal> {
        if withdrawal.not_after.saturating_add(SIGNER_LAG_MAX) < self.now {
            return Ok(());
        }
        self.check_held(withdrawal.account)
    }

    fn check_held(&self, account: AccountId) -> Result<(), Refusal> {
        let held = self.account(account)?;
        if held.frozen || held.adrift > 0 {
            return Err(Refusal::AccountFrozen { account });
        }
        Ok(())
    }
}

fn describe_input(
    descriptor: &HotDescriptor,
    psbt: &mut Psbt,
    number: usize,
    coin: &Coin,
    previous: impl FnOnce() -> Option<Transaction>,
) -> Result<(), String> {
    let script: ScriptBuf =
        descriptor.script(coin.watched).ok_or("a coin's index is no index of a key")?;
    let segwit_v0 = !script.is_p2tr();
    let value = Amount::from_sat(coin.value.to_sat());
    let input = psbt.inputs.get_mut(number).ok_or("an input is missing")?;
    input.witness_utxo = Some(TxOut { value, script_pubkey: script });
    if segwit_v0 {
        // Its id and amounts do not depend on witnesses, which may be most of its bytes.
        input.non_witness_utxo = previous().map(|mut transaction| {
            transaction.input.iter_mut().for_each(|input| input.witness.clear());
            transaction
        });
    }
    descriptor.describe_input(psbt, number, coin.watched)
}

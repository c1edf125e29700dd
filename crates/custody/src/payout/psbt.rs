//! The PSBT of a batch, and the evidence for each payout: what the signer is sent.

use bitcoin::{Amount, Psbt, ScriptBuf, Transaction, TxOut, consensus::encode};
use primitives::{BatchId, Outpoint};
use signer_protocol::{ClassEvidence, Evidence, SignRequest};

use super::BatchState;
use crate::{Custody, Refusal, Withdrawal, coins::Coin, descriptor::HotDescriptor, event::Watched};

impl Custody {
    /// What the signer is asked for a batch. `previous` gives the transaction that made a coin,
    /// which segwit v0 inputs need to prove their amounts; for taproot it is not asked.
    ///
    /// # Errors
    ///
    /// [`Refusal::BatchUnknown`], [`Refusal::BatchState`] unless the batch is Built,
    /// [`Refusal::ReleasesStopped`] and [`Refusal::AccountFrozen`] while the batch may not leave,
    /// and [`Refusal::BatchAltered`] where the batch cannot be described.
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
            let coin = coin.ok_or_else(|| altered(format!("coin {outpoint} is gone for now")))?;
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

    /// A frozen account keeps its whole batch from being signed. Once the intent has ended the
    /// question is harmless, and frees the others: the signer refuses, which dissolves the batch,
    /// or returns what it had signed before.
    pub(super) fn check_overlay(&self, withdrawal: &Withdrawal) -> Result<(), Refusal> {
        let account = self.account(withdrawal.account)?;
        if (account.frozen || account.adrift > 0) && withdrawal.not_after > self.now {
            return Err(Refusal::AccountFrozen { account: withdrawal.account });
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

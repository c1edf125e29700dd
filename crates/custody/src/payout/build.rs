//! Building the transaction of a batch: pure arithmetic on integers.
//!
//! Coins are taken largest first, after those that pins force in. A library's branch and bound
//! finds nothing over 50 outputs and 100,000 coins within half a minute, and its accountant
//! computes fee rates in floats; these sums are a page of integers.

use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, absolute, hashes::Hash,
    transaction,
};
use primitives::{Outpoint, Sats, WithdrawalId};
use sha2::{Digest, Sha256};

use super::purse::{Outputs, Price, Purse};
use crate::Refusal;

/// One output that must be paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The withdrawal behind it.
    pub withdrawal: WithdrawalId,
    /// Its script.
    pub script: Vec<u8>,
    /// Its amount.
    pub amount: Sats,
}

/// What a batch is built from.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The coins to choose from.
    pub purse: &'a Purse,
    /// What inputs and outputs cost.
    pub price: Price,
    /// What is paid.
    pub wanted: &'a [Wanted],
    /// Where the change goes.
    pub change_script: ScriptBuf,
    /// Randomness for the order of outputs.
    pub seed: [u8; 32],
}

/// What was built.
#[derive(Debug)]
pub struct Built {
    /// The unsigned transaction.
    pub transaction: Transaction,
    /// Its inputs.
    pub inputs: Vec<Outpoint>,
    /// The output number of each wanted output, in their order.
    pub vouts: Vec<u32>,
    /// The change's output number and value.
    pub change: Option<(u32, Sats)>,
    /// The network's fee.
    pub fee: Sats,
}

/// Builds the transaction.
///
/// # Errors
///
/// [`Refusal::CoinsInsufficient`] where the coins do not cover payouts and fee.
pub fn build(plan: &Plan<'_>) -> Result<Built, Refusal> {
    let payouts = Sats::checked_sum(plan.wanted.iter().map(|wanted| wanted.amount));
    let payouts = payouts.unwrap_or(Sats::MAX);
    let scripts = plan.wanted.iter().map(|wanted| wanted.script.len());
    let outputs = scripts.fold(Outputs::default(), Outputs::with);
    let Some((inputs, total)) = plan.purse.cover(plan.price, payouts, outputs) else {
        return Err(Refusal::CoinsInsufficient { needed: payouts, spendable: plan.purse.total() });
    };
    let fee = plan.price.fee(inputs.len(), outputs.with(plan.change_script.len()));
    let change = total.checked_sub(payouts).and_then(|rest| rest.checked_sub(fee));
    let change = change.filter(|change| *change >= plan.price.change_min(&plan.change_script));
    let fee = change.map_or_else(|| total.saturating_sub(payouts), |_| fee);
    Ok(assemble(plan, inputs, change, fee))
}

fn assemble(plan: &Plan<'_>, inputs: &[Outpoint], change: Option<Sats>, fee: Sats) -> Built {
    let mut outputs: Vec<(usize, TxOut)> = plan
        .wanted
        .iter()
        .map(|wanted| tx_out(wanted.amount, ScriptBuf::from_bytes(wanted.script.clone())))
        .chain(change.map(|value| tx_out(value, plan.change_script.clone())))
        .enumerate()
        .collect();
    // The change must not stand out by its place.
    outputs.sort_by_cached_key(|(number, _)| {
        Sha256::new().chain_update(plan.seed).chain_update(number.to_le_bytes()).finalize()
    });
    let place = |number: usize| {
        let place = outputs.iter().position(|(original, _)| *original == number);
        place.and_then(|place| u32::try_from(place).ok()).unwrap_or(u32::MAX)
    };
    let vouts = (0..plan.wanted.len()).map(place).collect();
    let change = change.map(|value| (place(plan.wanted.len()), value));
    let transaction = Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: inputs.iter().map(tx_in).collect(),
        output: outputs.into_iter().map(|(_, output)| output).collect(),
    };
    Built { transaction, inputs: inputs.to_vec(), vouts, change, fee }
}

const fn tx_out(value: Sats, script_pubkey: ScriptBuf) -> TxOut {
    TxOut { value: Amount::from_sat(value.to_sat()), script_pubkey }
}

fn tx_in(outpoint: &Outpoint) -> TxIn {
    TxIn {
        previous_output: OutPoint::new(
            bitcoin::Txid::from_byte_array(outpoint.txid.0),
            outpoint.vout,
        ),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        ..TxIn::default()
    }
}

#[cfg(test)]
mod tests;

//! Building the transaction of a batch: pure arithmetic on integers.
//!
//! Coins are taken largest first, after those that pins force in. A library's branch and bound
//! finds nothing over 50 outputs and 100,000 coins within half a minute, and its accountant
//! computes fee rates in floats; these sums are a page of integers.

use std::collections::BTreeSet;

use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, absolute, hashes::Hash,
    transaction,
};
use primitives::{BlockHeight, FeeRate, Outpoint, Sats, WithdrawalId};
use sha2::{Digest, Sha256};

use crate::{Refusal, coins::Coins};

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
    pub coins: &'a Coins,
    /// The newest block.
    pub tip: BlockHeight,
    /// Confirmations that a coin needs.
    pub final_confirmations: u32,
    /// The most coins.
    pub inputs_max: usize,
    /// The weight of spending one coin.
    pub input_weight: u64,
    /// Coins that pins force in, first.
    pub forced: Vec<Outpoint>,
    /// What is paid.
    pub wanted: Vec<Wanted>,
    /// Where the change goes.
    pub change_script: ScriptBuf,
    /// The fee rate.
    pub fee_rate: FeeRate,
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

/// Coins that may be spent now, forced ones apart, the largest first.
pub fn spendable(
    coins: &Coins,
    tip: BlockHeight,
    final_confirmations: u32,
) -> impl Iterator<Item = (Outpoint, Sats)> {
    coins
        .free()
        .filter(move |(_, coin)| coin.is_spendable(tip, final_confirmations))
        .map(|(outpoint, coin)| (outpoint, coin.value))
}

/// The weight of a transaction, in weight units, at most. Source: BIP-141.
#[must_use]
pub fn weight(inputs: usize, input_weight: u64, scripts: impl Iterator<Item = usize>) -> u64 {
    let (mut outputs, mut output_bytes) = (0_usize, 0_u64);
    for script in scripts {
        outputs = outputs.saturating_add(1);
        let bytes = u64::try_from(script).unwrap_or(u64::MAX).saturating_add(9);
        output_bytes = output_bytes.saturating_add(bytes);
    }
    let counts = count_bytes(inputs).saturating_add(count_bytes(outputs));
    let fixed = counts.saturating_add(8).saturating_add(output_bytes).saturating_mul(4);
    let spends = u64::try_from(inputs).unwrap_or(u64::MAX).saturating_mul(input_weight);
    fixed.saturating_add(spends).saturating_add(2)
}

const fn count_bytes(count: usize) -> u64 {
    match count {
        0..=0xfc => 1,
        0xfd..=0xffff => 3,
        _ => 5,
    }
}

/// Builds the transaction.
///
/// # Errors
///
/// [`Refusal::CoinsInsufficient`] where the coins do not cover payouts and fee.
pub fn build(plan: Plan<'_>) -> Result<Built, Refusal> {
    let payouts = Sats::checked_sum(plan.wanted.iter().map(|wanted| wanted.amount));
    let payouts = payouts.unwrap_or(Sats::MAX);
    let scripts = || plan.wanted.iter().map(|wanted| wanted.script.len());
    let with_change = || scripts().chain([plan.change_script.len()]);
    let fee_for = |inputs: usize, change: bool| {
        let weight = if change {
            weight(inputs, plan.input_weight, with_change())
        } else {
            weight(inputs, plan.input_weight, scripts())
        };
        plan.fee_rate.fee_for_weight(weight).unwrap_or(Sats::MAX)
    };
    let (inputs, total) =
        choose(&plan, |inputs| payouts.checked_add(fee_for(inputs, false)).unwrap_or(Sats::MAX))?;
    let fee = fee_for(inputs.len(), true);
    let change = total.checked_sub(payouts).and_then(|rest| rest.checked_sub(fee));
    let change = change.filter(|change| *change >= change_min(&plan));
    let fee = change.map_or_else(|| total.saturating_sub(payouts), |_| fee);
    Ok(assemble(&plan, inputs, change, fee))
}

/// Takes coins until they cover what `needed` says for their number.
fn choose(
    plan: &Plan<'_>,
    needed: impl Fn(usize) -> Sats,
) -> Result<(Vec<Outpoint>, Sats), Refusal> {
    let mut total = Sats::ZERO;
    let mut inputs = Vec::new();
    let forced: BTreeSet<Outpoint> = plan.forced.iter().copied().collect();
    let forced_coins = plan
        .forced
        .iter()
        .filter_map(|outpoint| plan.coins.get(outpoint).map(|coin| (*outpoint, coin.value)));
    let others = spendable(plan.coins, plan.tip, plan.final_confirmations)
        .filter(|(outpoint, _)| !forced.contains(outpoint));
    for (outpoint, value) in forced_coins.chain(others) {
        let covered = !inputs.is_empty() && total >= needed(inputs.len());
        if (covered && inputs.len() >= forced.len()) || inputs.len() >= plan.inputs_max {
            break;
        }
        inputs.push(outpoint);
        total = total.checked_add(value).unwrap_or(Sats::MAX);
    }
    let needed = needed(inputs.len());
    if inputs.is_empty() || inputs.len() < forced.len() || total < needed {
        return Err(Refusal::CoinsInsufficient { needed, spendable: total });
    }
    Ok((inputs, total))
}

/// Change below this is worth less than spending it costs at this rate, or is dust.
fn change_min(plan: &Plan<'_>) -> Sats {
    let dust = Sats::parse(plan.change_script.minimal_non_dust().to_sat()).unwrap_or(Sats::MAX);
    let spend = plan.fee_rate.fee_for_weight(plan.input_weight).unwrap_or(Sats::MAX);
    dust.max(spend)
}

fn assemble(plan: &Plan<'_>, inputs: Vec<Outpoint>, change: Option<Sats>, fee: Sats) -> Built {
    let mut outputs: Vec<(usize, TxOut)> = plan
        .wanted
        .iter()
        .map(|wanted| tx_out(wanted.amount, ScriptBuf::from_bytes(wanted.script.clone())))
        .chain(change.map(|value| tx_out(value, plan.change_script.clone())))
        .enumerate()
        .collect();
    // The change must not stand out by its place.
    outputs.sort_by_key(|(number, _)| {
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
    Built { transaction, inputs, vouts, change, fee }
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

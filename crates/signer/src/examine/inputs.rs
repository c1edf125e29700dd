//! Whether every input is a coin of our own, and what it holds.

use bitcoin::{Psbt, Script, TxIn, TxOut, WitnessVersion, psbt};
use primitives::Sats;
use signer_protocol::RefusalTag;

use super::{Desk, outputs::claim};
use crate::{
    convert, descriptor::Keychain, descriptor::ScriptKind, record::OwnInput, refusal::Refusal,
};

/// What the inputs spend.
pub(super) struct Coins {
    pub(super) inputs: Vec<OwnInput>,
    pub(super) total: Sats,
}

/// One input: its number, the transaction's part and the PSBT's part.
type Part<'a> = (usize, &'a TxIn, &'a psbt::Input);

pub(super) fn examine(desk: Desk<'_>, psbt: &Psbt) -> Result<Coins, Refusal> {
    let parts = || {
        let inputs = psbt.unsigned_tx.input.iter().zip(&psbt.inputs);
        inputs.enumerate().map(|(number, (txin, input))| (number, txin, input))
    };
    // Refusals, in the order of their precedence.
    for part in parts() {
        script_type(part)?;
    }
    let coins = parts().map(proven_coin).collect::<Result<Vec<_>, _>>()?;
    let amounts = coins.iter().map(|coin| convert::sats(coin.value));
    let total =
        amounts.collect::<Option<Vec<_>>>().and_then(Sats::checked_sum).ok_or_else(|| {
            Refusal::new(RefusalTag::InputAmount, "the inputs hold more than will ever exist")
        })?;
    let sighashes = parts().map(|part| sighash_all(desk, part)).collect::<Result<Vec<_>, _>>()?;
    let places = parts()
        .zip(&coins)
        .map(|(part, coin)| own_place(desk, part, coin))
        .collect::<Result<Vec<_>, _>>()?;
    for (number, (keychain, index)) in places.iter().enumerate() {
        within_gap(desk, number, *keychain, *index)?;
    }
    // From here on it must succeed.
    let inputs = coins.iter().zip(places).zip(sighashes).map(|((coin, place), sighash_all)| {
        let (keychain, index) = place;
        let amount = convert::sats(coin.value).unwrap_or(Sats::ZERO);
        OwnInput { keychain, index, amount, sighash_all }
    });
    Ok(Coins { inputs: inputs.collect(), total })
}

/// The coin as the PSBT tells it.
fn told_coin((_, txin, input): Part<'_>) -> Option<&TxOut> {
    let previous = || {
        let vout = usize::try_from(txin.previous_output.vout).ok()?;
        input.non_witness_utxo.as_ref()?.output.get(vout)
    };
    input.witness_utxo.as_ref().or_else(previous)
}

/// Segwit version 0 or 1 only: the id of any other transaction changes when it is signed, and
/// its amounts are not covered by the signature. What is not told fails at the amount.
fn script_type(part: Part<'_>) -> Result<(), Refusal> {
    let Some(coin) = told_coin(part) else { return Ok(()) };
    let script: &Script = &coin.script_pubkey;
    if matches!(script.witness_version(), Some(WitnessVersion::V0 | WitnessVersion::V1)) {
        return Ok(());
    }
    let detail = format!("input {} is neither segwit v0 nor v1; spend other coins", part.0);
    Err(Refusal::new(RefusalTag::InputScriptType, detail))
}

/// The coin, with its amount proven.
///
/// A segwit v0 signature covers only the amount of its own input (BIP-143), so a lie about another
/// input would turn into fee: the whole previous transaction must be there. A taproot signature
/// covers all amounts and scripts (BIP-341): a lie makes it invalid.
fn proven_coin(part: Part<'_>) -> Result<&TxOut, Refusal> {
    let (number, txin, input) = part;
    let refuse =
        |what: &str| Refusal::new(RefusalTag::InputAmount, format!("input {number}: {what}"));
    let coin = input.witness_utxo.as_ref().ok_or_else(|| refuse("send witness_utxo"))?;
    let Some(previous) = &input.non_witness_utxo else {
        if coin.script_pubkey.witness_version() == Some(WitnessVersion::V0) {
            return Err(refuse("segwit v0 proves its amount only by non_witness_utxo; send it"));
        }
        return Ok(coin);
    };
    if previous.compute_txid() != txin.previous_output.txid {
        return Err(refuse("non_witness_utxo is not the transaction that the input spends"));
    }
    let vout = usize::try_from(txin.previous_output.vout).ok();
    if vout.and_then(|vout| previous.output.get(vout)) != Some(coin) {
        return Err(refuse("witness_utxo is not the output of non_witness_utxo"));
    }
    Ok(coin)
}

/// Whether SIGHASH ALL is named rather than DEFAULT; every other type leaves a part of the
/// transaction open to change after it was signed.
fn sighash_all(desk: Desk<'_>, (number, _, input): Part<'_>) -> Result<bool, Refusal> {
    const ALL: u32 = 1;
    const DEFAULT: u32 = 0;
    match (desk.settings.descriptor.kind(), input.sighash_type.map(psbt::PsbtSighashType::to_u32)) {
        (ScriptKind::Taproot, None | Some(DEFAULT)) => Ok(false),
        (ScriptKind::Taproot, Some(ALL)) | (ScriptKind::WitnessKeyHash, None | Some(ALL)) => {
            Ok(true)
        }
        (ScriptKind::Taproot | ScriptKind::WitnessKeyHash, Some(other)) => {
            let detail = format!(
                "input {number} names sighash type {other:#04x}; only ALL, and for taproot \
                 DEFAULT, are signed"
            );
            Err(Refusal::new(RefusalTag::InputSighash, detail))
        }
    }
}

/// Where in our wallet the coin lies. The PSBT's claim is only a hint where to look.
fn own_place(
    desk: Desk<'_>,
    (number, _, input): Part<'_>,
    coin: &TxOut,
) -> Result<(Keychain, u32), Refusal> {
    let descriptor = &desk.settings.descriptor;
    let place = claim(&input.bip32_derivation, &input.tap_key_origins)
        .and_then(|(fingerprint, path)| descriptor.locate(fingerprint, path))
        .filter(|(keychain, index)| {
            descriptor.script(*keychain, *index).as_ref() == Some(&coin.script_pubkey)
        });
    place.ok_or_else(|| {
        let detail = format!(
            "input {number} is not at the one key origin that it claims in this signer's \
             descriptor; spend only coins of the hot wallet"
        );
        Refusal::new(RefusalTag::InputForeign, detail)
    })
}

fn within_gap(
    desk: Desk<'_>,
    number: usize,
    keychain: Keychain,
    index: u32,
) -> Result<(), Refusal> {
    let end = index_end(desk, keychain);
    if index < end {
        return Ok(());
    }
    let name = keychain.name();
    let detail = format!(
        "input {number} is at index {index} of the {name} keychain, the gap ends before {end}; \
         spend nearer coins first, or widen gap.{name} in signer.toml"
    );
    Err(Refusal::new(RefusalTag::InputIndex, detail))
}

/// The first index of `keychain` that is too far.
pub(super) fn index_end(desk: Desk<'_>, keychain: Keychain) -> u32 {
    let gap = match keychain {
        Keychain::External => desk.settings.limits.gap_external,
        Keychain::Internal => desk.settings.limits.gap_internal,
    };
    desk.state.index_end(keychain, gap)
}

//! Which outputs come back to us, and which leave.

use std::collections::BTreeMap;

use bitcoin::{
    Psbt, Script, TxOut,
    bip32::{DerivationPath, Fingerprint, KeySource},
    psbt,
    taproot::TapLeafHash,
};
use primitives::Sats;
use signer_protocol::RefusalTag;

use super::{Desk, inputs::index_end};
use crate::{convert, descriptor::Keychain, refusal::Refusal};

/// What the outputs are.
pub(super) struct Outputs {
    /// The numbers of those that leave: each needs exactly one withdrawal.
    pub(super) external: Vec<u32>,
    /// The highest index of change.
    pub(super) change: Option<u32>,
    /// The sum of all, change included; `None` above the supply.
    pub(super) total: Option<Sats>,
}

/// The one key origin that an input or output claims; `None` where there is not exactly one.
pub(super) fn claim<'a, A, B>(
    ecdsa: &'a BTreeMap<A, KeySource>,
    taproot: &'a BTreeMap<B, (Vec<TapLeafHash>, KeySource)>,
) -> Option<(Fingerprint, &'a DerivationPath)> {
    let mut origins = ecdsa.values().chain(taproot.values().map(|(_, origin)| origin));
    let (fingerprint, path) = origins.next()?;
    origins.next().is_none().then_some((*fingerprint, path))
}

pub(super) fn examine(desk: Desk<'_>, psbt: &Psbt) -> Result<Outputs, Refusal> {
    let parts = || {
        let outputs = psbt.unsigned_tx.output.iter().zip(&psbt.outputs);
        outputs.enumerate().map(|(number, (txout, output))| (number, txout, output))
    };
    // Refusals, in the order of their precedence.
    let places = parts()
        .map(|(number, txout, output)| own_place(desk, number, txout, output))
        .collect::<Result<Vec<_>, _>>()?;
    for (number, place) in places.iter().enumerate() {
        change_within_gap(desk, number, *place)?;
    }
    for (number, txout, _) in parts() {
        above_dust(number, txout)?;
    }
    for (number, txout, _) in parts() {
        standard(desk, number, &txout.script_pubkey)?;
    }
    // From here on it must succeed.
    let leaves = |place: &Option<(Keychain, u32)>| !matches!(place, Some((Keychain::Internal, _)));
    let external = places.iter().enumerate().filter(|(_, place)| leaves(place));
    let change = places.iter().filter_map(|place| match place {
        Some((Keychain::Internal, index)) => Some(*index),
        Some((Keychain::External, _)) | None => None,
    });
    let amounts = psbt.unsigned_tx.output.iter().map(|output| convert::sats(output.value));
    Ok(Outputs {
        external: external.filter_map(|(number, _)| u32::try_from(number).ok()).collect(),
        change: change.max(),
        total: amounts.collect::<Option<Vec<_>>>().and_then(Sats::checked_sum),
    })
}

/// Where in our wallet an output lies that claims to be ours. An output without a claim is
/// external, whoever owns its script; a claim that is not true is an attempt to pass off a payment
/// as change.
fn own_place(
    desk: Desk<'_>,
    number: usize,
    txout: &TxOut,
    output: &psbt::Output,
) -> Result<Option<(Keychain, u32)>, Refusal> {
    let claims_nothing = output.bip32_derivation.is_empty()
        && output.tap_key_origins.is_empty()
        && output.tap_internal_key.is_none();
    if claims_nothing {
        return Ok(None);
    }
    let descriptor = &desk.settings.descriptor;
    let place = claim(&output.bip32_derivation, &output.tap_key_origins)
        .and_then(|(fingerprint, path)| descriptor.locate(fingerprint, path))
        .filter(|(keychain, index)| {
            descriptor.script(*keychain, *index).as_ref() == Some(&txout.script_pubkey)
        });
    place.map(Some).ok_or_else(|| {
        let detail = format!(
            "output {number} claims a key origin that does not derive its script in this \
             signer's descriptor; claim only own change, at one origin"
        );
        Refusal::new(RefusalTag::ChangeForeign, detail)
    })
}

/// Change far away would be ours and yet never be found again.
fn change_within_gap(
    desk: Desk<'_>,
    number: usize,
    place: Option<(Keychain, u32)>,
) -> Result<(), Refusal> {
    let Some((Keychain::Internal, index)) = place else { return Ok(()) };
    let end = index_end(desk, Keychain::Internal);
    if index < end {
        return Ok(());
    }
    let detail = format!(
        "change output {number} is at index {index}, the gap ends before {end}; use a lower index"
    );
    Err(Refusal::new(RefusalTag::ChangeIndex, detail))
}

fn above_dust(number: usize, txout: &TxOut) -> Result<(), Refusal> {
    let least = txout.script_pubkey.minimal_non_dust();
    if txout.value >= least {
        return Ok(());
    }
    let detail = format!(
        "output {number} holds {} sat, below the dust limit of {} sat of its script; nodes would \
         not relay it",
        txout.value.to_sat(),
        least.to_sat()
    );
    Err(Refusal::new(RefusalTag::OutputDust, detail))
}

/// A script that everybody's wallet can spend.
fn standard(desk: Desk<'_>, number: usize, script: &Script) -> Result<(), Refusal> {
    let known = script.is_p2pkh()
        || script.is_p2sh()
        || script.is_p2wpkh()
        || script.is_p2wsh()
        || script.is_p2tr();
    // Witness programs of version 0 and 1 of other lengths cannot be spent, or by anyone.
    let future = script.witness_version().is_some_and(|version| version.to_num() >= 2);
    if known || (future && desk.settings.limits.future_witness_outputs) {
        return Ok(());
    }
    let detail = format!(
        "output {number} is no p2pkh, p2sh, p2wpkh, p2wsh or p2tr script; refuse the address"
    );
    Err(Refusal::new(RefusalTag::OutputScript, detail))
}

//! The examination: everything that is asked before anything is signed. It changes nothing.
//!
//! The order is the order of precedence of `RefusalTag`, here, in the reference page and in the
//! test. Each rule looks at all inputs or outputs before the next rule begins, so that one request
//! always gets the same answer.

use bitcoin::{Psbt, consensus::encode};
use primitives::{Outpoint, Sats, Txid};
use signer_protocol::{RefusalTag, SignRequest};

use crate::{
    clock::Moment,
    convert,
    record::{LEAST_FEE_RATE, Reservation},
    refusal::Refusal,
    settings::Settings,
    state::State,
};

mod evidence;
mod fee;
mod grammar;
mod inputs;
mod outputs;

pub(crate) use grammar::SEQUENCE;

/// A PSBT that can be read, and the id of its transaction.
pub(crate) struct Parsed {
    pub(crate) psbt: Psbt,
    pub(crate) txid: Txid,
}

/// Reads the bytes of a PSBT.
///
/// Only the one canonical encoding is accepted: bytes behind the end, fields in another order or
/// a field twice would be read differently by somebody else.
///
/// # Errors
///
/// [`RefusalTag::PsbtUnreadable`].
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, Refusal> {
    let unreadable = |what: String| {
        let detail =
            format!("{what}; send a PSBT of version 0 (BIP-174) as rust-bitcoin writes it");
        Refusal::new(RefusalTag::PsbtUnreadable, detail)
    };
    let psbt = Psbt::deserialize(bytes).map_err(|error| unreadable(error.to_string()))?;
    if psbt.serialize() != bytes {
        return Err(unreadable("the bytes are not the canonical encoding of what they say".into()));
    }
    let txid = convert::txid(psbt.unsigned_tx.compute_txid());
    Ok(Parsed { psbt, txid })
}

/// What every rule may look at.
#[derive(Clone, Copy)]
pub(crate) struct Desk<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) state: &'a State,
    pub(crate) moment: Moment,
}

/// Proof that a transaction passed the examination. Only [`examine`] builds one.
pub(crate) struct Examined {
    reservation: Reservation,
}

impl Examined {
    pub(crate) fn into_reservation(self) -> Reservation {
        self.reservation
    }
}

/// Examines a transaction that was not signed before.
///
/// # Errors
///
/// The first [`Refusal`] that applies.
pub(crate) fn examine(
    desk: Desk<'_>,
    parsed: &Parsed,
    request: &SignRequest,
) -> Result<Examined, Refusal> {
    let psbt = &parsed.psbt;
    // Refusals, in the order of their precedence.
    grammar::fields(psbt)?;
    grammar::shape(&psbt.unsigned_tx)?;
    let weight = grammar::size(desk, &psbt.unsigned_tx)?;
    grammar::duplicates(&psbt.unsigned_tx)?;
    let coins = inputs::examine(desk, psbt)?;
    let outputs = outputs::examine(desk, psbt)?;
    let fee = fee::examine(desk, coins.total, outputs.total, weight)?;
    let inputs: Vec<Outpoint> = psbt
        .unsigned_tx
        .input
        .iter()
        .map(|input| convert::outpoint(input.previous_output))
        .collect();
    let payments = evidence::examine(desk, psbt, &outputs.external, &request.evidence, &inputs)?;
    let counted = desk
        .state
        .pins
        .fee_pin(&inputs)
        .and_then(|fee_pin| Some((fee_pin, desk.state.pins.charge(&payments, fee_pin, fee)?)));
    let above = || Refusal::new(RefusalTag::Tranche, "more is asked than will ever exist");
    let (fee_pin, charge) = counted.ok_or_else(above)?;
    let levels = desk.state.levels(desk.settings, desk.moment).examine(charge)?;
    // From here on it must succeed.
    let least = LEAST_FEE_RATE.fee_for_weight(weight).unwrap_or(Sats::MAX);
    Ok(Examined {
        reservation: Reservation {
            txid: parsed.txid,
            unsigned: encode::serialize(&psbt.unsigned_tx),
            inputs: coins.inputs,
            payments,
            fee,
            fee_pin,
            change: outputs.change.filter(|_| charge.outer >= least),
            levels,
            journal: (request.shard, request.journal_seq),
            at: desk.moment,
        },
    })
}

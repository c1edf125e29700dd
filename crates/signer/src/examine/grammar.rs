//! What a PSBT of ours looks like.

use std::collections::BTreeSet;

use bitcoin::{Psbt, Sequence, Transaction, psbt, transaction::Version};
use signer_protocol::RefusalTag;

use super::Desk;
use crate::refusal::Refusal;

/// The sequence of every input: replaceable (BIP-125), no relative lock time (BIP-68).
pub(crate) const SEQUENCE: Sequence = Sequence::ENABLE_RBF_NO_LOCKTIME;
/// The highest lock time, as a block height: about the year 2100. A transaction that cannot
/// confirm for longer would hold its pins and its share of the limit for nothing.
pub(super) const LOCK_HEIGHT_MAX: u32 = 5_000_000;

/// Only the fields that are needed, and nothing that is already a signature: whatever is unknown
/// may mean something to somebody else.
pub(super) fn fields(psbt: &Psbt) -> Result<(), Refusal> {
    let refuse = |place: String, what: &str| {
        let detail = format!("{place} has {what}; leave it out");
        Err(Refusal::new(RefusalTag::PsbtField, detail))
    };
    if let Some(what) = global_field(psbt) {
        return refuse("the PSBT".into(), what);
    }
    for (number, input) in psbt.inputs.iter().enumerate() {
        if let Some(what) = input_field(input) {
            return refuse(format!("input {number}"), what);
        }
    }
    for (number, output) in psbt.outputs.iter().enumerate() {
        if let Some(what) = output_field(output) {
            return refuse(format!("output {number}"), what);
        }
    }
    Ok(())
}

fn global_field(psbt: &Psbt) -> Option<&'static str> {
    first(&[
        (psbt.version != 0, "another version than 0"),
        (!psbt.xpub.is_empty(), "a global extended key"),
        (!psbt.proprietary.is_empty(), "a proprietary field"),
        (!psbt.unknown.is_empty(), "an unknown field"),
    ])
}

fn input_field(input: &psbt::Input) -> Option<&'static str> {
    let preimage = !input.ripemd160_preimages.is_empty()
        || !input.sha256_preimages.is_empty()
        || !input.hash160_preimages.is_empty()
        || !input.hash256_preimages.is_empty();
    let script = input.redeem_script.is_some()
        || input.witness_script.is_some()
        || !input.tap_scripts.is_empty()
        || input.tap_merkle_root.is_some();
    let signature = !input.partial_sigs.is_empty()
        || input.tap_key_sig.is_some()
        || !input.tap_script_sigs.is_empty();
    let finished = input.final_script_sig.is_some() || input.final_script_witness.is_some();
    first(&[
        (signature, "a signature"),
        (finished, "a final script"),
        (script, "a script"),
        (preimage, "a hash preimage"),
        (!input.proprietary.is_empty(), "a proprietary field"),
        (!input.unknown.is_empty(), "an unknown field"),
    ])
}

fn output_field(output: &psbt::Output) -> Option<&'static str> {
    let script = output.redeem_script.is_some()
        || output.witness_script.is_some()
        || output.tap_tree.is_some();
    first(&[
        (script, "a script"),
        (!output.proprietary.is_empty(), "a proprietary field"),
        (!output.unknown.is_empty(), "an unknown field"),
    ])
}

fn first(found: &[(bool, &'static str)]) -> Option<&'static str> {
    found.iter().find(|(is, _)| *is).map(|(_, what)| *what)
}

/// Version, lock time and sequences as we build them.
pub(super) fn shape(transaction: &Transaction) -> Result<(), Refusal> {
    let refuse = |detail: String| Err(Refusal::new(RefusalTag::PsbtShape, detail));
    if transaction.version != Version::TWO {
        return refuse(format!("version {}; only 2 is signed", transaction.version.0));
    }
    let lock_time = transaction.lock_time;
    if !lock_time.is_block_height() || lock_time.to_consensus_u32() > LOCK_HEIGHT_MAX {
        return refuse(format!(
            "lock time {}; only block heights up to {LOCK_HEIGHT_MAX} are signed",
            lock_time.to_consensus_u32()
        ));
    }
    for (number, input) in transaction.input.iter().enumerate() {
        if input.sequence != SEQUENCE {
            return refuse(format!(
                "sequence {:#010x} of input {number}; only {:#010x} is signed",
                input.sequence.to_consensus_u32(),
                SEQUENCE.to_consensus_u32()
            ));
        }
    }
    Ok(())
}

/// The size of the batch. Returns the most weight units that the signed transaction can have.
pub(super) fn size(desk: Desk<'_>, transaction: &Transaction) -> Result<u64, Refusal> {
    let limits = &desk.settings.limits;
    let refusal = |detail: String| Refusal::new(RefusalTag::PsbtSize, detail);
    let count = |what: &str, found: usize, max: usize| {
        if found == 0 || found > max {
            return Err(refusal(format!("{found} {what}; 1 to {max} are signed")));
        }
        Ok(())
    };
    count("inputs", transaction.input.len(), limits.inputs_max)?;
    count("outputs", transaction.output.len(), limits.outputs_max)?;
    let inputs = u64::try_from(transaction.input.len()).unwrap_or(u64::MAX);
    let witnesses = desk.settings.descriptor.kind().witness_weight_max().saturating_mul(inputs);
    // Marker and flag of a transaction with witnesses weigh 2 (BIP-144).
    let weight = transaction.weight().to_wu().saturating_add(2).saturating_add(witnesses);
    if weight > limits.weight_units_max {
        return Err(refusal(format!(
            "up to {weight} weight units; at most {} are signed",
            limits.weight_units_max
        )));
    }
    Ok(weight)
}

/// No coin twice.
pub(super) fn duplicates(transaction: &Transaction) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    for (number, input) in transaction.input.iter().enumerate() {
        if !seen.insert(input.previous_output) {
            let detail = format!(
                "input {number} spends {} for the second time; name each coin once",
                input.previous_output
            );
            return Err(Refusal::new(RefusalTag::InputDuplicate, detail));
        }
    }
    Ok(())
}

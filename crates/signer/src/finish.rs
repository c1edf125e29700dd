//! From signatures to the transaction: each is verified against our own descriptor first.

use bitcoin::{
    EcdsaSighashType, Script, Transaction, Witness, XOnlyPublicKey, ecdsa,
    secp256k1::{
        Message, ecdsa::Signature as EcdsaSignature, schnorr::Signature as SchnorrSignature,
    },
    taproot,
};
use primitives::Txid;

use crate::{
    descriptor::{HotDescriptor, ScriptKind},
    fault::Fault,
    keys::RawSignature,
    record::OwnInput,
    warrant::{Plan, SigningTask, taproot_sighash},
};

/// The transaction with its witnesses.
///
/// # Errors
///
/// [`Fault::SignatureInvalid`] for a signature that does not verify: keys, memory or bus made a
/// mistake, and a wrong signature can betray the key, so none of it leaves.
pub(crate) fn finish(
    descriptor: &HotDescriptor,
    txid: Txid,
    plan: Plan,
    signatures: &[RawSignature],
) -> Result<Transaction, Fault> {
    let Plan { mut transaction, inputs, tasks } = plan;
    if signatures.len() != tasks.len() {
        let what = format!("{} signatures for {} inputs", signatures.len(), tasks.len());
        return Err(Fault::Keys { txid, what });
    }
    let parts = tasks.iter().zip(&inputs).zip(signatures);
    for ((number, txin), ((task, input), signature)) in
        transaction.input.iter_mut().enumerate().zip(parts)
    {
        txin.witness = witness(descriptor, task, input, signature)
            .ok_or(Fault::SignatureInvalid { txid, input: number })?;
    }
    Ok(transaction)
}

fn witness(
    descriptor: &HotDescriptor,
    task: &SigningTask,
    input: &OwnInput,
    signature: &RawSignature,
) -> Option<Witness> {
    let message = Message::from_digest(task.digest);
    match task.kind {
        ScriptKind::Taproot => {
            let script = descriptor.script(task.keychain, task.index)?;
            let key = output_key(&script)?;
            let signature = SchnorrSignature::from_slice(signature).ok()?;
            descriptor.secp().verify_schnorr(&signature, &message, &key).ok()?;
            let sighash_type = taproot_sighash(input);
            Some(Witness::p2tr_key_spend(&taproot::Signature { signature, sighash_type }))
        }
        ScriptKind::WitnessKeyHash => {
            let key = descriptor.public_key(task.keychain, task.index)?;
            let signature = EcdsaSignature::from_compact(signature).ok()?;
            descriptor.secp().verify_ecdsa(&message, &signature, &key).ok()?;
            let sighash_type = EcdsaSighashType::All;
            Some(Witness::p2wpkh(&ecdsa::Signature { signature, sighash_type }, &key))
        }
    }
}

/// The tweaked key in a taproot script. Source: BIP-341, `OP_1 <32 bytes>`.
fn output_key(script: &Script) -> Option<XOnlyPublicKey> {
    let (_, key) = script.as_bytes().split_at_checked(2)?;
    XOnlyPublicKey::from_slice(key).ok()
}

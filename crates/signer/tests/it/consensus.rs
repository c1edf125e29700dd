//! What the signer signs is valid: the sighash is computed here once more from the transaction and
//! the coins that it spends, and the signature checked against the key that the coin's script
//! commits to (BIP-143, BIP-341). The end-to-end tests have a real node judge the same.

use bitcoin::{
    Amount, CompressedPublicKey, ScriptBuf, Transaction, TxOut, XOnlyPublicKey, ecdsa,
    psbt::PsbtSighashType,
    secp256k1::{Message, Secp256k1},
    sighash::{Prevouts, SighashCache},
    taproot,
};
use signer::{ScriptKind, sample::Batch};

use crate::rig::{Rig, transaction};

/// The number of the first input that is not valid when the coins are `spent`.
fn invalid_input(transaction: &Transaction, spent: &[TxOut]) -> Option<usize> {
    (0..spent.len()).find(|&input| {
        let valid = if spent[input].script_pubkey.is_p2tr() {
            is_valid_taproot(transaction, spent, input)
        } else {
            is_valid_key_hash(transaction, spent, input)
        };
        valid != Some(true)
    })
}

fn is_valid_taproot(transaction: &Transaction, spent: &[TxOut], input: usize) -> Option<bool> {
    let witness = &transaction.input[input].witness;
    let signature = taproot::Signature::from_slice(witness.nth(0)?).ok()?;
    let key = XOnlyPublicKey::from_slice(&spent[input].script_pubkey.as_bytes()[2..]).ok()?;
    let hash = SighashCache::new(transaction)
        .taproot_key_spend_signature_hash(input, &Prevouts::All(spent), signature.sighash_type)
        .ok()?;
    let checked = Secp256k1::verification_only().verify_schnorr(
        &signature.signature,
        &Message::from(hash),
        &key,
    );
    Some(witness.len() == 1 && checked.is_ok())
}

fn is_valid_key_hash(transaction: &Transaction, spent: &[TxOut], input: usize) -> Option<bool> {
    let (witness, coin) = (&transaction.input[input].witness, &spent[input]);
    let signature = ecdsa::Signature::from_slice(witness.nth(0)?).ok()?;
    let key = CompressedPublicKey::from_slice(witness.nth(1)?).ok()?;
    let is_its_key = coin.script_pubkey == ScriptBuf::new_p2wpkh(&key.wpubkey_hash());
    let hash = SighashCache::new(transaction)
        .p2wpkh_signature_hash(input, &coin.script_pubkey, coin.value, signature.sighash_type)
        .ok()?;
    let checked = Secp256k1::verification_only().verify_ecdsa(
        &Message::from(hash),
        &signature.signature,
        &key.0,
    );
    Some(witness.len() == 2 && is_its_key && checked.is_ok())
}

fn spent(batch: &Batch) -> Vec<TxOut> {
    batch.psbt.inputs.iter().map(|input| input.witness_utxo.clone().unwrap()).collect()
}

#[test]
fn every_signature_is_valid_and_within_the_weight_that_was_assumed() {
    for kind in [ScriptKind::Taproot, ScriptKind::WitnessKeyHash] {
        for sighash in [None, Some(1)] {
            let mut rig = Rig::new(kind);
            let batch = rig.batch().with(|batch| {
                for input in &mut batch.psbt.inputs {
                    input.sighash_type = sighash.map(PsbtSighashType::from_u32);
                }
            });
            let signed = transaction(&rig.signed(&batch));
            assert_eq!(invalid_input(&signed, &spent(&batch)), None);
            let worst = batch.psbt.unsigned_tx.weight().to_wu() + 2 + 2 * kind.witness_weight_max();
            assert!(signed.weight().to_wu() <= worst);
            assert_eq!(signed.compute_txid(), batch.psbt.unsigned_tx.compute_txid());
        }
    }
}

/// A taproot coin needs no previous transaction as proof, because a lie about any amount makes
/// every signature of the transaction invalid (BIP-341): the lie costs the liar the reservation
/// and moves nothing.
#[test]
fn a_lie_about_a_taproot_amount_makes_a_signature_that_is_worth_nothing() {
    let mut rig = Rig::new(ScriptKind::Taproot);
    let honest = rig.batch();
    let lie = honest.clone().with(|batch| {
        let input = &mut batch.psbt.inputs[0];
        input.non_witness_utxo = None;
        input.witness_utxo.as_mut().unwrap().value = Amount::from_sat(499_000);
    });
    let signed = transaction(&rig.signed(&lie));
    assert_eq!(invalid_input(&signed, &spent(&lie)), None, "valid for the coins of the lie");
    let truth = spent(&honest);
    assert_eq!(invalid_input(&signed, &truth), Some(0));
    let only_second = [truth[0].clone(), truth[1].clone()];
    let mut rest = signed.clone();
    rest.input[0].witness = bitcoin::Witness::new();
    assert!(invalid_input(&rest, &only_second).is_some(), "no input of it is usable");
}

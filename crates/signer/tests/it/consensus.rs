//! What the signer signs is valid under the consensus rules of Bitcoin Core (bitcoinconsensus).

use bitcoin::{Amount, Transaction, TxOut, consensus::serialize, psbt::PsbtSighashType};
use signer::{ScriptKind, sample::Batch};

use crate::rig::{Rig, transaction};

/// The number of the first input that is not valid when the coins are `spent`.
fn invalid_input(transaction: &Transaction, spent: &[TxOut]) -> Option<usize> {
    let bytes = serialize(transaction);
    let outputs: Vec<bitcoinconsensus::Utxo> = spent
        .iter()
        .map(|coin| bitcoinconsensus::Utxo {
            script_pubkey: coin.script_pubkey.as_bytes().as_ptr(),
            script_pubkey_len: u32::try_from(coin.script_pubkey.len()).unwrap(),
            value: i64::try_from(coin.value.to_sat()).unwrap(),
        })
        .collect();
    let flags = bitcoinconsensus::VERIFY_ALL_PRE_TAPROOT | bitcoinconsensus::VERIFY_TAPROOT;
    (0..spent.len()).find(|&input| {
        bitcoinconsensus::verify_with_flags(
            spent[input].script_pubkey.as_bytes(),
            spent[input].value.to_sat(),
            &bytes,
            Some(&outputs),
            input,
            flags,
        )
        .is_err()
    })
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

//! Messages, halts, the journal, and the PSBT up to its fee.

use bitcoin::{
    Amount, ScriptBuf, Sequence, absolute::LockTime, hashes::Hash, opcodes, psbt, script::Builder,
    taproot, transaction::Version,
};
use primitives::Network;
use signer::{Keychain, ScriptKind, SoftKeys, refuse_message, sample};
use signer_protocol::{RefusalTag, Request, Response, TreeHead, message::body_length};

use super::{Batch, Row, altered, planned, stranger};
use crate::rig::Rig;

pub(super) const ROWS: &[Row] = &[
    (RefusalTag::MessageUnreadable, "no message", |rig| {
        rig.signer.handle_body(&[1, 0, 200], rig.now(), &rig.keys)
    }),
    (RefusalTag::MessageUnreadable, "another version", |rig| {
        rig.signer.handle_body(&[2, 0, 0], rig.now(), &rig.keys)
    }),
    (RefusalTag::MessageTooLarge, "an oversize frame", |_| {
        refuse_message(&body_length([0xff; 4]).unwrap_err())
    }),
    (RefusalTag::Halted, "a halt", |rig| {
        rig.signer.halt("something smells", rig.now()).unwrap();
        let batch = rig.batch();
        rig.sign(&batch)
    }),
    (RefusalTag::Halted, "a halt before a restart", |rig| {
        rig.signer.halt("something smells", rig.now()).unwrap();
        rig.restart();
        let batch = rig.batch();
        rig.sign(&batch)
    }),
    (RefusalTag::Halted, "the retry of a signed batch during a halt", |rig| {
        let batch = rig.batch();
        rig.signed(&batch);
        rig.signer.halt("something smells", rig.now()).unwrap();
        rig.sign(&batch)
    }),
    (RefusalTag::JournalNotWitnessed, "an entry beyond the witnessed head", |rig| {
        witness(rig, head(4, 1), vec![]);
        altered(rig, |batch| batch.journal_seq = 5)
    }),
    (RefusalTag::JournalNotWitnessed, "an entry of a shard without a head", |rig| {
        witness(rig, head(4, 1), vec![]);
        altered(rig, |batch| (batch.shard, batch.journal_seq) = (1, 1))
    }),
    (RefusalTag::JournalShrunk, "a shorter journal", |rig| {
        witness(rig, head(4, 1), vec![]);
        witness(rig, head(3, 1), vec![])
    }),
    (RefusalTag::JournalShrunk, "a shorter journal after a restart", |rig| {
        witness(rig, head(4, 1), vec![]);
        rig.restart();
        witness(rig, head(3, 1), vec![])
    }),
    (RefusalTag::JournalForked, "another journal of the same length", |rig| {
        witness(rig, head(4, 1), vec![]);
        witness(rig, head(4, 2), vec![])
    }),
    (RefusalTag::JournalForked, "a longer journal without a proof", |rig| {
        witness(rig, head(4, 1), vec![]);
        witness(rig, head(8, 2), vec![])
    }),
    (RefusalTag::JournalForked, "a longer journal with a wrong proof", |rig| {
        witness(rig, head(4, 1), vec![]);
        witness(rig, head(8, 2), vec![[3; 32]])
    }),
    (RefusalTag::JournalForked, "a shard that the settings do not name", |rig| {
        witness(rig, TreeHead { shard: 1, size: 1, root: [1; 32] }, vec![])
    }),
    (RefusalTag::PsbtUnreadable, "no PSBT", |rig| raw(rig, |_| b"psbt".to_vec())),
    (RefusalTag::PsbtUnreadable, "a byte behind the end", |rig| {
        raw(rig, |psbt| [psbt, &[0]].concat())
    }),
    (RefusalTag::PsbtUnreadable, "a PSBT of version 2", |rig| {
        altered(rig, |batch| batch.psbt.version = 2)
    }),
    (RefusalTag::PsbtField, "an unknown global field", |rig| {
        altered(rig, |batch| {
            batch.psbt.unknown.insert(raw_key(0xf0), vec![1]);
        })
    }),
    (RefusalTag::PsbtField, "a global extended key", |rig| {
        let text = rig.settings.descriptor.to_string();
        let key = text.split_once(']').unwrap().1.split_once('/').unwrap().0.parse().unwrap();
        let origin = rig.settings.descriptor.key_origin(Keychain::External, 0);
        altered(rig, |batch| {
            // Its path must be as long as the key is deep.
            let path = bitcoin::bip32::DerivationPath::from(&origin.1[..3]);
            batch.psbt.xpub.insert(key, (origin.0, path));
        })
    }),
    (RefusalTag::PsbtField, "a proprietary field in an input", |rig| {
        altered(rig, |batch| {
            batch.psbt.inputs[1].proprietary.insert(proprietary(), vec![1]);
        })
    }),
    (RefusalTag::PsbtField, "an unknown field in an input", |rig| {
        altered(rig, |batch| {
            batch.psbt.inputs[0].unknown.insert(raw_key(0xf0), vec![1]);
        })
    }),
    (RefusalTag::PsbtField, "a partial signature", |rig| {
        altered(rig, |batch| {
            let signature = bitcoin::secp256k1::schnorr::Signature::from_slice(&[1; 64]).unwrap();
            let sighash_type = bitcoin::TapSighashType::Default;
            batch.psbt.inputs[0].tap_key_sig = Some(taproot::Signature { signature, sighash_type });
        })
    }),
    (RefusalTag::PsbtField, "a final witness", |rig| {
        altered(rig, |batch| {
            batch.psbt.inputs[0].final_script_witness = Some(bitcoin::Witness::new());
        })
    }),
    (RefusalTag::PsbtField, "a redeem script", |rig| {
        altered(rig, |batch| batch.psbt.inputs[0].redeem_script = Some(stranger()))
    }),
    (RefusalTag::PsbtField, "a witness script on an output", |rig| {
        altered(rig, |batch| batch.psbt.outputs[2].witness_script = Some(stranger()))
    }),
    (RefusalTag::PsbtShape, "version 1", |rig| {
        altered(rig, |batch| batch.psbt.unsigned_tx.version = Version::ONE)
    }),
    (RefusalTag::PsbtShape, "version 3", |rig| {
        altered(rig, |batch| batch.psbt.unsigned_tx.version = Version(3))
    }),
    (RefusalTag::PsbtShape, "a lock time in the year 2285", |rig| {
        altered(rig, |batch| {
            batch.psbt.unsigned_tx.lock_time = LockTime::from_consensus(5_000_001);
        })
    }),
    (RefusalTag::PsbtShape, "a lock time by clock", |rig| {
        altered(rig, |batch| {
            batch.psbt.unsigned_tx.lock_time = LockTime::from_consensus(1_700_000_000);
        })
    }),
    (RefusalTag::PsbtShape, "a final sequence", |rig| {
        altered(rig, |batch| batch.psbt.unsigned_tx.input[1].sequence = Sequence::MAX)
    }),
    (RefusalTag::PsbtShape, "a relative lock time", |rig| {
        altered(rig, |batch| batch.psbt.unsigned_tx.input[0].sequence = Sequence(144))
    }),
    (RefusalTag::PsbtSize, "no outputs", |rig| {
        altered(rig, |batch| {
            batch.psbt.unsigned_tx.output.clear();
            batch.psbt.outputs.clear();
        })
    }),
    (RefusalTag::PsbtSize, "an input too many", |rig| {
        rig.reconfigure(|settings| settings.limits.inputs_max = 1);
        let batch = rig.batch();
        rig.sign(&batch)
    }),
    (RefusalTag::PsbtSize, "an output too many", |rig| {
        rig.reconfigure(|settings| settings.limits.outputs_max = 2);
        let batch = rig.batch();
        rig.sign(&batch)
    }),
    (RefusalTag::PsbtSize, "too much weight", |rig| {
        let batch = rig.batch();
        let light = batch.psbt.unsigned_tx.weight().to_wu() + 2 + 2 * 66;
        rig.reconfigure(|settings| settings.limits.weight_units_max = light);
        rig.sign(&batch)
    }),
    (RefusalTag::InputDuplicate, "one coin twice", |rig| {
        planned(rig, |plan| plan.coins[1] = plan.coins[0])
    }),
    (RefusalTag::InputScriptType, "a legacy input", |rig| {
        altered(rig, |batch| {
            let hash = bitcoin::PubkeyHash::from_byte_array([1; 20]);
            let coin = batch.psbt.inputs[0].witness_utxo.as_mut().unwrap();
            coin.script_pubkey = ScriptBuf::new_p2pkh(&hash);
        })
    }),
    (RefusalTag::InputScriptType, "a legacy input without witness_utxo", |rig| {
        altered(rig, |batch| {
            let input = &mut batch.psbt.inputs[0];
            input.witness_utxo = None;
            let previous = input.non_witness_utxo.as_mut().unwrap();
            previous.output[0].script_pubkey =
                ScriptBuf::new_p2sh(&bitcoin::ScriptHash::from_byte_array([1; 20]));
        })
    }),
    (RefusalTag::InputAmount, "a lied segwit v0 amount", |rig| {
        wpkh(rig, |batch| {
            let coin = batch.psbt.inputs[0].witness_utxo.as_mut().unwrap();
            coin.value = Amount::from_sat(400_000);
        })
    }),
    (
        RefusalTag::InputAmount,
        "a lied segwit v0 amount with a forged previous transaction",
        |rig| {
            wpkh(rig, |batch| {
                let input = &mut batch.psbt.inputs[0];
                input.witness_utxo.as_mut().unwrap().value = Amount::from_sat(400_000);
                let previous = input.non_witness_utxo.as_mut().unwrap();
                previous.output[0].value = Amount::from_sat(400_000);
            })
        },
    ),
    (RefusalTag::InputAmount, "no previous transaction for segwit v0", |rig| {
        wpkh(rig, |batch| batch.psbt.inputs[0].non_witness_utxo = None)
    }),
    (RefusalTag::InputAmount, "no coin at all", |rig| {
        altered(rig, |batch| {
            batch.psbt.inputs[0].witness_utxo = None;
            batch.psbt.inputs[0].non_witness_utxo = None;
        })
    }),
    (RefusalTag::InputAmount, "a taproot amount that its own previous transaction denies", |rig| {
        altered(rig, |batch| {
            let coin = batch.psbt.inputs[0].witness_utxo.as_mut().unwrap();
            coin.value = Amount::from_sat(400_000);
        })
    }),
    (RefusalTag::InputAmount, "more than will ever exist", |rig| {
        altered(rig, |batch| {
            for input in &mut batch.psbt.inputs {
                input.non_witness_utxo = None;
                input.witness_utxo.as_mut().unwrap().value = Amount::MAX_MONEY;
            }
        })
    }),
    (RefusalTag::InputSighash, "SIGHASH NONE", |rig| sighash(rig, 0x02)),
    (RefusalTag::InputSighash, "SIGHASH SINGLE", |rig| sighash(rig, 0x03)),
    (RefusalTag::InputSighash, "SIGHASH ALL|ANYONECANPAY", |rig| sighash(rig, 0x81)),
    (RefusalTag::InputSighash, "SIGHASH NONE|ANYONECANPAY", |rig| sighash(rig, 0x82)),
    (RefusalTag::InputSighash, "SIGHASH SINGLE|ANYONECANPAY", |rig| sighash(rig, 0x83)),
    (RefusalTag::InputSighash, "a sighash type of two bytes", |rig| sighash(rig, 0x0100)),
    (RefusalTag::InputSighash, "SIGHASH DEFAULT for segwit v0", |rig| {
        wpkh(rig, |batch| {
            batch.psbt.inputs[0].sighash_type = Some(psbt::PsbtSighashType::from_u32(0));
        })
    }),
    (RefusalTag::InputForeign, "a coin of another wallet", |rig| {
        let other = SoftKeys::from_seed(Network::Regtest, ScriptKind::Taproot, &[8; 32]).unwrap();
        let settings = sample::settings(&other).unwrap();
        let foreign = sample::a_batch(&settings).build().unwrap();
        altered(rig, |batch| {
            batch.psbt.unsigned_tx.input[0] = foreign.psbt.unsigned_tx.input[0].clone();
            batch.psbt.inputs[0] = foreign.psbt.inputs[0].clone();
        })
    }),
    (RefusalTag::InputForeign, "a foreign coin that claims our origin", |rig| {
        altered(rig, |batch| {
            let input = &mut batch.psbt.inputs[0];
            input.non_witness_utxo = None;
            input.witness_utxo.as_mut().unwrap().script_pubkey = stranger_taproot();
        })
    }),
    (RefusalTag::InputForeign, "no key origin", |rig| {
        altered(rig, |batch| batch.psbt.inputs[0].tap_key_origins.clear())
    }),
    (RefusalTag::InputForeign, "a second key origin", |rig| {
        let descriptor = rig.settings.descriptor.clone();
        altered(rig, |batch| {
            let input = &mut batch.psbt.inputs[0];
            sample::claim_input(&descriptor, input, Keychain::External, 7).unwrap();
        })
    }),
    (RefusalTag::InputForeign, "the origin of another of our scripts", |rig| {
        let descriptor = rig.settings.descriptor.clone();
        altered(rig, |batch| {
            let input = &mut batch.psbt.inputs[0];
            input.tap_key_origins.clear();
            sample::claim_input(&descriptor, input, Keychain::External, 7).unwrap();
        })
    }),
    (RefusalTag::InputIndex, "a coin at a far index", |rig| {
        planned(rig, |plan| plan.coins[0].index = 1_000_000)
    }),
    (RefusalTag::InputIndex, "change at a far index as a coin", |rig| {
        planned(rig, |plan| {
            (plan.coins[0].keychain, plan.coins[0].index) = (Keychain::Internal, 1_000);
        })
    }),
    (RefusalTag::ChangeForeign, "change to a stranger", |rig| {
        altered(rig, |batch| batch.psbt.unsigned_tx.output[2].script_pubkey = stranger())
    }),
    (RefusalTag::ChangeForeign, "a payment that claims to be change", |rig| {
        let descriptor = rig.settings.descriptor.clone();
        altered(rig, |batch| {
            let output = &mut batch.psbt.outputs[0];
            sample::claim_output(&descriptor, output, Keychain::Internal, 0).unwrap();
        })
    }),
    (RefusalTag::ChangeForeign, "change with two origins", |rig| {
        let descriptor = rig.settings.descriptor.clone();
        altered(rig, |batch| {
            let output = &mut batch.psbt.outputs[2];
            sample::claim_output(&descriptor, output, Keychain::Internal, 1).unwrap();
        })
    }),
    (RefusalTag::ChangeForeign, "a lone internal key", |rig| {
        altered(rig, |batch| batch.psbt.outputs[2].tap_key_origins.clear())
    }),
    (RefusalTag::ChangeIndex, "change at a far index", |rig| {
        planned(rig, |plan| plan.change_index = 20)
    }),
    (RefusalTag::OutputDust, "a payment of one satoshi less than dust", |rig| {
        planned(rig, |plan| plan.payouts[0].amount = 293)
    }),
    (RefusalTag::OutputDust, "dust as change", |rig| planned(rig, |plan| plan.fee = 500_000 - 329)),
    (RefusalTag::OutputScript, "data instead of a payment", |rig| {
        output_script(rig, ScriptBuf::new_op_return([1; 20]))
    }),
    (RefusalTag::OutputScript, "a bare key", |rig| {
        let bytes = [&[0x21, 0x02][..], &[0x55; 32], &[0xac]].concat();
        output_script(rig, ScriptBuf::from_bytes(bytes))
    }),
    (RefusalTag::OutputScript, "a script of one opcode", |rig| {
        output_script(rig, Builder::new().push_opcode(opcodes::OP_TRUE).into_script())
    }),
    (RefusalTag::OutputScript, "a future witness version", |rig| {
        output_script(rig, ScriptBuf::from_bytes([&[0x52, 0x20][..], &[0x55; 32]].concat()))
    }),
    (RefusalTag::OutputScript, "a witness v1 program that anybody can spend", |rig| {
        output_script(rig, ScriptBuf::from_bytes(vec![0x51, 0x02, 0x4e, 0x73]))
    }),
    (RefusalTag::FeeNegative, "outputs above inputs", |rig| {
        altered(rig, |batch| {
            batch.psbt.unsigned_tx.output[2].value = Amount::from_sat(500_001);
        })
    }),
    (RefusalTag::FeeNegative, "outputs above the supply", |rig| {
        altered(rig, |batch| batch.psbt.unsigned_tx.output[2].value = Amount::from_sat(u64::MAX))
    }),
    (RefusalTag::FeeAboveCap, "a fee of 1 BTC", |rig| {
        planned(rig, |plan| (plan.coins[0].amount, plan.fee) = (200_000_000, 100_000_000))
    }),
    (RefusalTag::FeeAboveCap, "change left out", |rig| {
        let batch = rig.plan().with(|plan| plan.coins[0].amount = 2_000_000).build().unwrap();
        rig.sign(&batch.with(|batch| {
            batch.psbt.unsigned_tx.output.pop();
            batch.psbt.outputs.pop();
        }))
    }),
    (RefusalTag::FeeRateAboveCap, "a fee below the cap at a rate above it", |rig| {
        planned(rig, |plan| (plan.coins[0].amount, plan.fee) = (2_000_000, 1_000_000))
    }),
];

fn wpkh(rig: &mut Rig, alter: impl FnOnce(&mut Batch)) -> Response {
    *rig = Rig::new(ScriptKind::WitnessKeyHash);
    altered(rig, alter)
}

fn sighash(rig: &mut Rig, number: u32) -> Response {
    altered(rig, |batch| {
        for input in &mut batch.psbt.inputs {
            input.sighash_type = Some(psbt::PsbtSighashType::from_u32(number));
        }
    })
}

pub(super) fn raw_key(byte: u8) -> psbt::raw::Key {
    psbt::raw::Key { type_value: byte, key: vec![1] }
}

fn proprietary() -> psbt::raw::ProprietaryKey {
    psbt::raw::ProprietaryKey { prefix: b"x".to_vec(), subtype: 0, key: vec![] }
}

fn head(size: u64, byte: u8) -> TreeHead {
    TreeHead { shard: 0, size, root: [byte; 32] }
}

fn witness(rig: &mut Rig, head: TreeHead, proof: Vec<[u8; 32]>) -> Response {
    rig.ask(Request::WitnessHead { head, proof })
}

fn raw(rig: &mut Rig, alter: impl FnOnce(&[u8]) -> Vec<u8>) -> Response {
    let Request::Sign(mut request) = rig.batch().request() else { unreachable!() };
    request.psbt = alter(&request.psbt);
    rig.ask(Request::Sign(request))
}

fn output_script(rig: &mut Rig, script: ScriptBuf) -> Response {
    planned(rig, |plan| plan.payouts[0].script = script)
}

fn stranger_taproot() -> ScriptBuf {
    let other = SoftKeys::from_seed(Network::Regtest, ScriptKind::Taproot, &[8; 32]).unwrap();
    sample::settings(&other).unwrap().descriptor.script(Keychain::External, 0).unwrap()
}

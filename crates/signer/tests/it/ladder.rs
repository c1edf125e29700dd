//! One row for each refusal, in order of precedence: a good batch altered in one way.

use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, TxOut, Txid, WPubkeyHash, absolute::LockTime,
    hashes::Hash, opcodes, psbt, script::Builder, taproot, transaction::Version,
};
use primitives::Network;
use signer::{
    Keychain, ScriptKind, SoftKeys, refuse_message,
    sample::{self, Batch, Coin, Payout},
};
use signer_protocol::{
    ClassEvidence, PayoutIntent, RefusalTag, Request, Response, TreeHead, message::body_length,
};

use crate::rig::{Rig, account, sats, tag};

/// What is wrong, and how it is made wrong; the answer must be the row's tag.
type Row = (RefusalTag, &'static str, fn(&mut Rig) -> Response);

fn altered(rig: &mut Rig, alter: impl FnOnce(&mut Batch)) -> Response {
    let batch = rig.batch().with(alter);
    rig.sign(&batch)
}

fn planned(rig: &mut Rig, alter: impl FnOnce(&mut sample::BatchPlan)) -> Response {
    let batch = rig.plan().with(alter).build().unwrap();
    rig.sign(&batch)
}

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

/// Another intent for output 0, with its own right id.
fn other_intent(rig: &mut Rig, alter: impl FnOnce(&mut PayoutIntent)) -> Response {
    let mut intent = rig.plan().payouts[0].intent(&rig.settings).unwrap();
    alter(&mut intent);
    altered(rig, |batch| batch.evidence[0] = sample::evidence(&intent, None, 0).unwrap())
}

fn raw_key(byte: u8) -> psbt::raw::Key {
    psbt::raw::Key { type_value: byte, key: vec![1] }
}

fn proprietary() -> psbt::raw::ProprietaryKey {
    psbt::raw::ProprietaryKey { prefix: b"x".to_vec(), subtype: 0, key: vec![] }
}

fn stranger() -> ScriptBuf {
    ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array([0x66; 20]))
}

fn head(size: u64, byte: u8) -> TreeHead {
    TreeHead { shard: 0, size, root: [byte; 32] }
}

fn witness(rig: &mut Rig, head: TreeHead, proof: Vec<[u8; 32]>) -> Response {
    rig.ask(Request::WitnessHead { head, proof })
}

/// The rows, in order of precedence.
const ROWS: &[Row] = &[
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
        planned(rig, |plan| plan.change_index = 1_000)
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
    (RefusalTag::OutputWithoutWithdrawal, "an extra output", |rig| {
        altered(rig, |batch| {
            let value = Amount::from_sat(100_000);
            batch.psbt.unsigned_tx.output[2].value -= value;
            batch.psbt.unsigned_tx.output.push(TxOut { value, script_pubkey: stranger() });
            batch.psbt.outputs.push(psbt::Output::default());
        })
    }),
    (RefusalTag::OutputWithoutWithdrawal, "change without its origin", |rig| {
        altered(rig, |batch| batch.psbt.outputs[2] = psbt::Output::default())
    }),
    (RefusalTag::OutputWithoutWithdrawal, "change to the external keychain", |rig| {
        let descriptor = rig.settings.descriptor.clone();
        altered(rig, |batch| {
            batch.psbt.unsigned_tx.output[2].script_pubkey =
                descriptor.script(Keychain::External, 5).unwrap();
            batch.psbt.outputs[2] = psbt::Output::default();
            let output = &mut batch.psbt.outputs[2];
            sample::claim_output(&descriptor, output, Keychain::External, 5).unwrap();
        })
    }),
    (RefusalTag::OutputWithoutWithdrawal, "two withdrawals for one output", |rig| {
        altered(rig, |batch| batch.evidence[1].output = 0)
    }),
    (RefusalTag::EvidenceWithoutOutput, "evidence for change", |rig| {
        altered(rig, |batch| {
            let mut evidence = batch.evidence[0].clone();
            evidence.output = 2;
            batch.evidence.push(evidence);
        })
    }),
    (RefusalTag::EvidenceWithoutOutput, "evidence for an output that is not there", |rig| {
        altered(rig, |batch| {
            let mut evidence = batch.evidence[0].clone();
            evidence.output = 9;
            batch.evidence.push(evidence);
        })
    }),
    (RefusalTag::IntentUnreadable, "an intent that is cut short", |rig| {
        altered(rig, |batch| {
            batch.evidence[0].intent.pop();
        })
    }),
    (RefusalTag::IntentElsewhere, "another deployment", |rig| {
        other_intent(rig, |intent| intent.deployment.0[0] ^= 1)
    }),
    (RefusalTag::IntentElsewhere, "another network", |rig| {
        other_intent(rig, |intent| intent.network = Network::Mainnet)
    }),
    (RefusalTag::IntentOutput, "another amount", |rig| {
        other_intent(rig, |intent| intent.amount = sats(299_999))
    }),
    (RefusalTag::IntentOutput, "another script", |rig| {
        other_intent(rig, |intent| intent.script = stranger().into_bytes())
    }),
    (RefusalTag::IntentOutput, "two intents swapped", |rig| {
        altered(rig, |batch| {
            (batch.evidence[0].output, batch.evidence[1].output) = (1, 0);
        })
    }),
    (RefusalTag::WithdrawalId, "the same intent under another id", |rig| {
        altered(rig, |batch| batch.evidence[0].withdrawal = batch.evidence[1].withdrawal)
    }),
    (RefusalTag::WithdrawalTwice, "two outputs for one withdrawal", |rig| {
        planned(rig, |plan| plan.payouts = vec![Payout::new(1, 300_000), Payout::new(1, 300_000)])
    }),
    (RefusalTag::IntentExpired, "an expired intent", |rig| {
        rig.wall += 3_601;
        let batch = rig.batch();
        rig.sign(&batch)
    }),
    (RefusalTag::IntentExpired, "an expired intent and a clock set back", |rig| {
        rig.wall += 3_601;
        rig.describe();
        rig.wall -= 3_601;
        let batch = rig.batch();
        rig.sign(&batch)
    }),
    (RefusalTag::IntentExpired, "an expired intent, a restart and a clock set back", |rig| {
        rig.wall += 3_601;
        rig.signer.checkpoint(rig.now()).unwrap();
        rig.restart();
        rig.wall -= 3_601;
        let batch = rig.batch();
        rig.sign(&batch)
    }),
    (RefusalTag::IntentTooLong, "an intent 72 hours and a second ahead", |rig| {
        let not_after = rig.wall + 72 * 3600 + 1;
        planned(rig, |plan| plan.payouts[0].not_after = not_after)
    }),
    (RefusalTag::IntentFee, "a customer's fee above the cap", |rig| {
        other_intent(rig, |intent| intent.fee = sats(100_001))
    }),
    (RefusalTag::EvidenceKey, "an unknown customer key", |rig| {
        let batch = rig.customer_batch();
        rig.sign(&batch)
    }),
    (RefusalTag::EvidenceKey, "the key of another account", |rig| {
        rig.list_key(account(2), 1);
        let batch = rig.customer_batch();
        rig.sign(&batch)
    }),
    (RefusalTag::EvidenceKey, "a key that was removed", |rig| {
        rig.list_key(account(1), 1);
        let key = sample::customer_key_id(1);
        assert!(rig.signer.remove_key(account(1), key, rig.now()).unwrap());
        let batch = rig.customer_batch();
        rig.sign(&batch)
    }),
    (RefusalTag::EvidenceKeyCooling, "a key one millisecond too young", |rig| {
        rig.list_key(account(1), 1);
        rig.monotonic_millis -= 1;
        let batch = rig.customer_batch();
        rig.sign(&batch)
    }),
    (RefusalTag::EvidenceKeyCooling, "a key, a clock set forward and downtime", |rig| {
        rig.list_key(account(1), 1);
        rig.monotonic_millis = 0;
        rig.restart();
        rig.wall += 48 * 3600;
        let now = rig.wall;
        let batch = rig.plan().with(|plan| {
            plan.payouts[0].signed_by = Some(1);
            plan.payouts.iter_mut().for_each(|payout| payout.not_after = now);
        });
        rig.sign(&batch.build().unwrap())
    }),
    (RefusalTag::EvidenceSignature, "a signature with one bit flipped", |rig| {
        rig.list_key(account(1), 1);
        let batch = rig.customer_batch().with(|batch| {
            if let ClassEvidence::CustomerSigned { signature, .. } = &mut batch.evidence[0].class {
                signature[0] ^= 1;
            }
        });
        rig.sign(&batch)
    }),
    (RefusalTag::EvidenceSignature, "the signature of another withdrawal", |rig| {
        rig.list_key(account(1), 1);
        let other = rig.plan().payouts[1].clone();
        let other = Payout { signed_by: Some(1), ..other }.evidence(&rig.settings, 0).unwrap();
        let batch = rig.customer_batch().with(|batch| batch.evidence[0].class = other.class);
        rig.sign(&batch)
    }),
    (RefusalTag::PinMissing, "a second transaction for a paid withdrawal", |rig| {
        let batch = rig.batch();
        rig.signed(&batch);
        let second = rig.plan().with(|plan| {
            plan.coins[0].number = 3;
            plan.coins[1].number = 4;
        });
        rig.sign(&second.build().unwrap())
    }),
    (RefusalTag::PinMissing, "a third after a replacement that moved the pin back", |rig| {
        let batch = rig.batch();
        rig.signed(&batch);
        let replacement = rig.plan().with(|plan| {
            plan.coins.swap(0, 1);
            plan.fee = 6_000;
        });
        rig.signed(&replacement.build().unwrap());
        rig.restart();
        // The pin is the first input of the first transaction, coin 1; coin 2 alone is not enough.
        let third = rig.plan().with(|plan| plan.coins[0].number = 9);
        rig.sign(&third.build().unwrap())
    }),
    (RefusalTag::ClassTranche, "more than the server alone may vouch for", |rig| {
        planned(rig, |plan| {
            plan.coins[0].amount = 300_000_000;
            plan.payouts[0].amount = 249_800_001;
        })
    }),
    (RefusalTag::ClassTranche, "a class bucket that a restart does not refill", |rig| {
        rig.reconfigure(|settings| {
            settings.limits.classes.server_vouched.capacity = sats(900_000);
        });
        let batch = rig.batch();
        rig.signed(&batch);
        rig.restart();
        fresh(rig)
    }),
    (RefusalTag::Tranche, "more than the outer bucket holds", |rig| {
        rig.reconfigure(|settings| settings.limits.outer.capacity = sats(504_999));
        let batch = rig.batch();
        rig.sign(&batch)
    }),
    (RefusalTag::Tranche, "an outer bucket that a restart does not refill", |rig| {
        rig.reconfigure(|settings| settings.limits.outer.capacity = sats(1_009_999));
        let batch = rig.batch();
        rig.signed(&batch);
        rig.restart();
        fresh(rig)
    }),
    (RefusalTag::Tranche, "an outer bucket that a clock set forward does not refill", |rig| {
        rig.reconfigure(|settings| settings.limits.outer.capacity = sats(1_009_999));
        let batch = rig.batch();
        rig.signed(&batch);
        rig.wall += 3_600;
        fresh(rig)
    }),
    (RefusalTag::Tranche, "an outer bucket that a clock set back does not refill", |rig| {
        rig.reconfigure(|settings| settings.limits.outer.capacity = sats(1_009_999));
        let batch = rig.batch();
        rig.signed(&batch);
        rig.wall -= 86_400;
        rig.restart();
        fresh(rig)
    }),
];

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

/// The sample batch with new coins and new withdrawals.
fn fresh(rig: &mut Rig) -> Response {
    planned(rig, |plan| {
        plan.coins[0].number = 3;
        plan.coins[1].number = 4;
        plan.payouts[0] = Payout::new(3, 300_000);
        plan.payouts[1] = Payout::new(4, 200_000);
    })
}

#[test]
fn every_refusal_has_a_row_in_order_of_precedence() {
    let mut rows: Vec<RefusalTag> = ROWS.iter().map(|row| row.0).collect();
    assert!(rows.is_sorted(), "the rows stand in the order of the tags");
    rows.dedup();
    assert_eq!(rows, RefusalTag::ALL);
}

#[test]
fn a_good_batch_altered_in_one_way_is_refused_by_name() {
    for (expected, what, ask) in ROWS {
        let mut rig = Rig::new(ScriptKind::Taproot);
        let found = tag(ask(&mut rig));
        assert_eq!(found, *expected, "{what}");
        assert_eq!(rig.signer.broken(), None, "{what}");
    }
}

#[test]
fn a_refusal_reserves_nothing_and_leaves_no_record() {
    for (tag, what, ask) in ROWS {
        let before = [
            RefusalTag::Halted,
            RefusalTag::PinMissing,
            RefusalTag::EvidenceKey,
            RefusalTag::EvidenceKeyCooling,
            RefusalTag::EvidenceSignature,
            RefusalTag::ClassTranche,
            RefusalTag::Tranche,
        ];
        if before.contains(tag) {
            continue; // rows that sign or list something first
        }
        let mut rig = Rig::new(ScriptKind::Taproot);
        ask(&mut rig);
        assert_eq!(rig.disk.records().len(), 1, "{what}");
        assert_eq!(rig.left(), 1_000_000_000, "{what}");
    }
}

/// An alteration that can be laid over any other of this list.
type Alteration = (RefusalTag, fn(&mut Batch));

const ALTERATIONS: &[Alteration] = &[
    (RefusalTag::JournalNotWitnessed, |batch| batch.journal_seq = 1),
    (RefusalTag::PsbtField, |batch| {
        batch.psbt.inputs[1].unknown.insert(raw_key(0xf0), vec![1]);
    }),
    (RefusalTag::PsbtShape, |batch| batch.psbt.unsigned_tx.version = Version::ONE),
    (RefusalTag::InputScriptType, |batch| {
        batch.psbt.inputs[1].witness_utxo.as_mut().unwrap().script_pubkey =
            ScriptBuf::new_op_return([1]);
    }),
    (RefusalTag::InputAmount, |batch| {
        batch.psbt.unsigned_tx.input[0].previous_output =
            OutPoint::new(Txid::from_byte_array([5; 32]), 0);
    }),
    (RefusalTag::InputSighash, |batch| {
        batch.psbt.inputs[0].sighash_type = Some(psbt::PsbtSighashType::from_u32(2));
    }),
    (RefusalTag::InputForeign, |batch| batch.psbt.inputs[0].tap_key_origins.clear()),
    (RefusalTag::ChangeForeign, |batch| batch.psbt.outputs[2].tap_key_origins.clear()),
    (RefusalTag::OutputDust, |batch| {
        batch.psbt.unsigned_tx.output[0].value = Amount::from_sat(1);
    }),
    (RefusalTag::OutputScript, |batch| {
        batch.psbt.unsigned_tx.output[1].script_pubkey = ScriptBuf::new();
    }),
    (RefusalTag::EvidenceWithoutOutput, |batch| {
        let mut evidence = batch.evidence[0].clone();
        evidence.output = 2;
        batch.evidence.push(evidence);
    }),
    (RefusalTag::WithdrawalId, |batch| {
        batch.evidence[0].withdrawal = batch.evidence[1].withdrawal;
    }),
];

#[test]
fn of_two_wrongs_the_first_in_order_is_named() {
    for (one, first) in ALTERATIONS {
        for (two, second) in ALTERATIONS {
            let mut rig = Rig::new(ScriptKind::Taproot);
            let batch = rig.batch().with(first).with(second);
            assert_eq!(rig.refused(&batch), *one.min(two), "{one} and {two}");
        }
    }
}

#[test]
fn what_lies_just_inside_each_limit_is_signed() {
    let insiders: [fn(&mut sample::BatchPlan); 7] = [
        |plan| plan.coins[0].index = 999_999,
        |plan| plan.change_index = 999,
        |plan| plan.payouts[0].amount = 294,
        |plan| plan.payouts[0].not_after = sample::NOON.to_seconds(),
        |plan| plan.payouts[0].not_after = sample::NOON.to_seconds() + 72 * 3600,
        |plan| plan.payouts.clear(),
        |plan| (plan.coins[0].amount, plan.payouts[0].amount) = (300_000_000, 249_800_000),
    ];
    for (number, alter) in insiders.iter().enumerate() {
        for kind in [ScriptKind::Taproot, ScriptKind::WitnessKeyHash] {
            let mut rig = Rig::new(kind);
            let batch = rig.plan().with(alter).build().unwrap();
            let answer = rig.sign(&batch);
            assert!(matches!(answer, Response::Signed(_)), "{number}: {answer:?}");
        }
    }
}

#[test]
fn the_gap_moves_with_the_highest_index_that_was_spent() {
    let mut rig = Rig::new(ScriptKind::Taproot);
    let at = |number, index| Coin { number, keychain: Keychain::External, index, amount: 500_000 };
    let spend = |rig: &Rig, number: u32, index| {
        let nonce = u64::from(number);
        let plan = rig.plan().with(|plan| {
            plan.coins = vec![at(number, index)];
            plan.payouts = vec![Payout::new(nonce, 1_000)];
        });
        plan.build().unwrap()
    };
    let far = spend(&rig, 10, 1_500_000);
    assert_eq!(rig.refused(&far), RefusalTag::InputIndex);
    let near = spend(&rig, 11, 700_000);
    rig.signed(&near);
    rig.restart();
    rig.signed(&far);
}

#[test]
fn a_future_witness_version_is_paid_only_if_the_settings_say_so() {
    let script = ScriptBuf::from_bytes([&[0x52, 0x20][..], &[0x55; 32]].concat());
    let mut rig = Rig::with(ScriptKind::Taproot, |settings| {
        settings.limits.future_witness_outputs = true;
    });
    let batch = rig.plan().with(|plan| plan.payouts[0].script = script).build().unwrap();
    rig.signed(&batch);
}

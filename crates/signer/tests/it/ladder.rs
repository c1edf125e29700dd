//! One row for each refusal, in order of precedence: a good batch altered in one way.

use bitcoin::{
    Amount, OutPoint, ScriptBuf, Txid, WPubkeyHash, hashes::Hash, psbt, transaction::Version,
};
use signer::{
    Keychain, ScriptKind,
    sample::{self, Batch, Coin, Payout},
};
use signer_protocol::{RefusalTag, Response};

use crate::rig::{Rig, tag};

mod evidence_rows;
mod psbt_rows;

/// What is wrong, and how it is made wrong; the answer must be the row's tag.
type Row = (RefusalTag, &'static str, fn(&mut Rig) -> Response);

/// Every row, in order of precedence.
fn rows() -> impl Iterator<Item = &'static Row> {
    psbt_rows::ROWS.iter().chain(evidence_rows::ROWS)
}

fn altered(rig: &mut Rig, alter: impl FnOnce(&mut Batch)) -> Response {
    let batch = rig.batch().with(alter);
    rig.sign(&batch)
}

fn planned(rig: &mut Rig, alter: impl FnOnce(&mut sample::BatchPlan)) -> Response {
    let batch = rig.plan().with(alter).build().unwrap();
    rig.sign(&batch)
}

fn stranger() -> ScriptBuf {
    ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array([0x66; 20]))
}

#[test]
fn every_refusal_has_a_row_in_order_of_precedence() {
    let mut rows: Vec<RefusalTag> = rows().map(|row| row.0).collect();
    assert!(rows.is_sorted(), "the rows stand in the order of the tags");
    rows.dedup();
    assert_eq!(rows, RefusalTag::ALL);
}

#[test]
fn a_good_batch_altered_in_one_way_is_refused_by_name() {
    for (expected, what, ask) in rows() {
        let mut rig = Rig::new(ScriptKind::Taproot);
        let found = tag(ask(&mut rig));
        assert_eq!(found, *expected, "{what}");
        assert_eq!(rig.signer.broken(), None, "{what}");
    }
}

#[test]
fn a_refusal_reserves_nothing_and_leaves_no_record() {
    for (_, what, ask) in rows() {
        let mut rig = Rig::new(ScriptKind::Taproot);
        ask(&mut rig);
        assert_eq!(rig.counted(), rig.before, "{what}");
    }
}

/// An alteration that can be laid over any other of this list.
type Alteration = (RefusalTag, fn(&mut Batch));

const ALTERATIONS: &[Alteration] = &[
    (RefusalTag::JournalNotWitnessed, |batch| batch.journal_seq = 1),
    (RefusalTag::PsbtField, |batch| {
        batch.psbt.inputs[1].unknown.insert(psbt_rows::raw_key(0xf0), vec![1]);
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
        |plan| plan.change_index = 19,
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

/// One coin from `from` to change at `change`; what is left of `amount` after `paid` and the fee.
fn walk(rig: &mut Rig, number: u32, change: u32, (paid, fee): (u64, u64)) -> Response {
    let plan = rig.plan().with(|plan| {
        plan.coins = vec![Coin { number, keychain: Keychain::External, index: 0, amount: 500_000 }];
        plan.payouts = if paid == 0 { Vec::new() } else { vec![Payout::new(7, paid)] };
        (plan.fee, plan.change_index) = (fee, change);
    });
    rig.sign(&plan.build().unwrap())
}

/// As `docs/decisions/0009-change-gap.md` says.
#[test]
fn the_gap_of_change_moves_with_change_that_is_paid_for() {
    for kind in [ScriptKind::Taproot, ScriptKind::WitnessKeyHash] {
        let mut rig = Rig::new(kind);
        let gap = rig.settings.limits.gap_internal;
        for (number, end) in (10..).zip([gap, 2 * gap, 3 * gap]) {
            assert_eq!(tag(walk(&mut rig, number, end, (1_000, 300))), RefusalTag::ChangeIndex);
            let last = walk(&mut rig, number, end - 1, (0, 300));
            assert!(matches!(last, Response::Signed(_)), "{last:?}");
            rig.restart();
        }
    }
}

/// The gap was walked with coins that do not exist, back and forth for nothing.
#[test]
fn the_gap_of_change_does_not_move_for_nothing() {
    for kind in [ScriptKind::Taproot, ScriptKind::WitnessKeyHash] {
        let mut rig = Rig::new(kind);
        let gap = rig.settings.limits.gap_internal;
        for number in 10..15 {
            // Without a fee; and with one that was counted for the same coin before.
            let free = walk(&mut rig, number, gap - 1, (0, 0));
            assert!(matches!(free, Response::Signed(_)), "{free:?}");
            assert_eq!(tag(walk(&mut rig, number, gap, (0, 0))), RefusalTag::ChangeIndex);
        }
        assert!(matches!(walk(&mut rig, 20, 0, (0, 300)), Response::Signed(_)));
        let end = gap + 1;
        let again = walk(&mut rig, 20, end - 1, (0, 299));
        assert!(matches!(again, Response::Signed(_)), "{again:?}");
        assert_eq!(tag(walk(&mut rig, 20, end, (0, 298))), RefusalTag::ChangeIndex);
        let dearer = walk(&mut rig, 20, end - 1, (0, 301));
        assert!(matches!(dearer, Response::Signed(_)), "{dearer:?}");
        assert_eq!(tag(walk(&mut rig, 20, end, (0, 301))), RefusalTag::ChangeIndex);
    }
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

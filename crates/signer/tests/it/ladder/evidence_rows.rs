//! Evidence, pins and buckets.

use bitcoin::{Amount, TxOut, psbt};
use primitives::Network;
use signer::{
    Keychain,
    sample::{self, Payout},
};
use signer_protocol::{ClassEvidence, PayoutIntent, RefusalTag, Response};

use super::{Row, altered, planned, stranger};
use crate::rig::{Rig, account, sats};

pub(super) const ROWS: &[Row] = &[
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
    (RefusalTag::IntentExpired, "an intent that ended a millisecond ago", |rig| {
        rig.wall += 3_600;
        rig.wall_millis = 1;
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

/// Another intent for output 0, with its own right id.
fn other_intent(rig: &mut Rig, alter: impl FnOnce(&mut PayoutIntent)) -> Response {
    let mut intent = rig.plan().payouts[0].intent(&rig.settings).unwrap();
    alter(&mut intent);
    altered(rig, |batch| batch.evidence[0] = sample::evidence(&intent, None, 0).unwrap())
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

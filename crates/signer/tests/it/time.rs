//! Time that nobody can win by setting a clock, and what is done on the signer's own host.

use primitives::KeyId;
use signer::{AdminError, Denied, REASON_CHARS_MAX, ScriptKind, sample};
use signer_protocol::{
    RefusalTag, Request, Response, TreeHead,
    merkle::{leaf_hash, node_hash},
};

use crate::rig::{Rig, account, sats};

#[test]
fn a_bucket_refills_by_running_time_also_across_a_restart() {
    let mut rig = Rig::new(ScriptKind::Taproot);
    let batch = rig.batch();
    rig.signed(&batch);
    let spent = 1_000_000_000 - 505_000;
    assert_eq!(rig.left(), spent);
    rig.monotonic_millis += 3_600;
    assert_eq!(rig.left(), spent + 100_000);
    rig.signer.checkpoint(rig.now()).unwrap();
    rig.restart();
    assert_eq!(rig.left(), spent + 100_000, "downtime earns nothing, running time is kept");
    rig.monotonic_millis += 3_600;
    assert_eq!(rig.left(), spent + 200_000);
}

#[test]
fn a_lowered_limit_counts_at_once_and_a_raised_one_fills_up_slowly() {
    let mut rig = Rig::new(ScriptKind::Taproot);
    let batch = rig.batch();
    rig.signed(&batch);
    rig.reconfigure(|settings| settings.limits.outer.capacity = sats(1_000));
    assert_eq!(rig.left(), 1_000);
    rig.reconfigure(|settings| settings.limits.outer.capacity = sats(5_000_000_000));
    assert_eq!(rig.left(), 1_000_000_000 - 505_000);
}

#[test]
fn a_clock_set_years_ahead_is_put_right_only_during_a_halt() {
    let mut rig = Rig::new(ScriptKind::Taproot);
    rig.wall += 80 * 365 * 86_400;
    rig.signer.checkpoint(rig.now()).unwrap();
    rig.wall = sample::NOON.to_seconds();
    rig.restart();
    let batch = rig.batch();
    assert_eq!(rig.refused(&batch), RefusalTag::IntentExpired);
    let denied = rig.signer.accept_wall_clock(rig.now());
    assert!(matches!(denied, Err(AdminError::Denied(Denied::NotHalted))));
    rig.signer.halt("the clock was wrong", rig.now()).unwrap();
    rig.signer.accept_wall_clock(rig.now()).unwrap();
    rig.signer.resume(rig.now()).unwrap();
    rig.restart();
    rig.signed(&batch);
}

#[test]
fn a_halt_lasts_until_it_is_resumed_and_says_why() {
    let mut rig = Rig::new(ScriptKind::Taproot);
    for bad in [String::new(), "two\nlines".to_owned(), "x".repeat(REASON_CHARS_MAX + 1)] {
        let denied = rig.signer.halt(&bad, rig.now());
        assert!(matches!(denied, Err(AdminError::Denied(Denied::Reason))));
    }
    rig.signer.halt("drill", rig.now()).unwrap();
    rig.restart();
    assert_eq!(rig.describe().halted.as_deref(), Some("drill"));
    rig.signer.resume(rig.now()).unwrap();
    rig.restart();
    let records = rig.disk.records().len();
    rig.signer.resume(rig.now()).unwrap();
    assert_eq!(rig.disk.records().len(), records, "to resume twice is to resume once");
    assert_eq!(rig.describe().halted, None);
    let batch = rig.batch();
    rig.signed(&batch);
}

#[test]
fn the_list_of_keys_takes_only_usable_keys_and_not_too_many() {
    let mut rig = Rig::new(ScriptKind::Taproot);
    let now = rig.now();
    for weak in [KeyId([0; 32]), KeyId([2; 32]), identity()] {
        let denied = rig.signer.add_key(account(1), weak, now);
        assert!(matches!(denied, Err(AdminError::Denied(Denied::Key { .. }))), "{weak}");
    }
    for number in 1..=16 {
        assert!(rig.signer.add_key(account(1), sample::customer_key_id(number), now).unwrap());
    }
    assert!(!rig.signer.add_key(account(1), sample::customer_key_id(1), now).unwrap());
    let denied = rig.signer.add_key(account(1), sample::customer_key_id(17), now);
    assert!(matches!(denied, Err(AdminError::Denied(Denied::KeysTooMany { .. }))));
    assert!(rig.signer.add_key(account(2), sample::customer_key_id(17), now).unwrap());
    assert!(!rig.signer.remove_key(account(2), sample::customer_key_id(1), now).unwrap());
    assert_eq!(rig.signer.status(now).keys, 17);
}

/// The neutral point, under which every signature with a suitable R verifies.
fn identity() -> KeyId {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    KeyId(bytes)
}

#[test]
fn a_cooled_key_signs_in_its_own_bucket() {
    let mut rig = Rig::new(ScriptKind::Taproot);
    rig.list_key(account(1), 1);
    let batch = rig.customer_batch();
    rig.signed(&batch);
    let left: Vec<_> = rig.describe().buckets.iter().map(|b| b.left.to_sat()).collect();
    assert_eq!(left, [1_000_000_000 - 505_000, 1_000_000_000 - 300_000, 250_000_000 - 200_000]);
}

#[test]
fn a_key_cools_down_over_several_runs() {
    let mut rig = Rig::new(ScriptKind::Taproot);
    rig.list_key(account(1), 1);
    rig.monotonic_millis /= 2;
    rig.signer.checkpoint(rig.now()).unwrap();
    let half = rig.monotonic_millis;
    rig.restart();
    rig.describe();
    rig.monotonic_millis = half - 1;
    let batch = rig.customer_batch();
    assert_eq!(rig.refused(&batch), RefusalTag::EvidenceKeyCooling);
    rig.monotonic_millis = half;
    rig.signed(&batch);
}

#[test]
fn a_journal_that_grows_is_witnessed_and_remembered() {
    let mut rig = Rig::new(ScriptKind::Taproot);
    let leaves: Vec<_> = (0..3_u8).map(|byte| leaf_hash(&[byte])).collect();
    let two = node_hash(&leaves[0], &leaves[1]);
    let first = TreeHead { shard: 0, size: 2, root: two };
    let second = TreeHead { shard: 0, size: 3, root: node_hash(&two, &leaves[2]) };
    let ask = |rig: &mut Rig, head, proof: &[[u8; 32]]| match rig
        .ask(Request::WitnessHead { head, proof: proof.to_vec() })
    {
        Response::Witnessed { head } => head.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(ask(&mut rig, first, &[]), first);
    let batch = rig.batch().with(|batch| batch.journal_seq = 3);
    assert_eq!(rig.refused(&batch), RefusalTag::JournalNotWitnessed);
    assert_eq!(ask(&mut rig, second, &[leaves[2]]), second);
    assert_eq!(ask(&mut rig, second, &[]), second, "the same head again is fine");
    rig.restart();
    let kept = rig.ask(Request::WitnessedHead { shard: 0 });
    assert_eq!(kept, Response::Witnessed { head: Some(second) });
    rig.signed(&batch);
}

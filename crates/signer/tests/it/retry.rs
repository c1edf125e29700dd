//! A retry is answered with the same bytes and counted once, whatever crashed before.

use signer::{Fault, Keys, KeysError, RawSignature, Record, ScriptKind, Signer, Warrant};
use signer_protocol::Response;

use crate::{
    disk::Crash,
    rig::{Rig, account, sats, transaction},
};

#[test]
fn a_retry_gets_the_same_bytes_and_costs_nothing() {
    for kind in [ScriptKind::Taproot, ScriptKind::WitnessKeyHash] {
        let mut rig = Rig::new(kind);
        let batch = rig.batch();
        let first = rig.signed(&batch);
        assert!(!first.repeated);
        let left = rig.left();
        for restart in [false, true, true] {
            if restart {
                rig.restart();
            }
            // Neither evidence nor time matters any more: the bytes are already the server's.
            rig.wall += 100_000;
            let again = rig.signed(&batch.clone().with(|batch| batch.evidence.clear()));
            assert!(again.repeated);
            assert_eq!(again.transaction, first.transaction);
            assert_eq!(rig.left(), left);
        }
        assert_eq!(rig.describe().signed_transactions, 1);
        assert_eq!(rig.describe().signed_total, sats(505_000));
    }
}

#[test]
fn a_crash_at_any_step_of_a_signature_changes_neither_bytes_nor_count() {
    for kind in [ScriptKind::Taproot, ScriptKind::WitnessKeyHash] {
        let mut calm = Rig::new(kind);
        let batch = calm.batch();
        let expected = calm.signed(&batch).transaction;
        let mut crashes = 0;
        'steps: for step in 1.. {
            for crash in [Crash::Before, Crash::After] {
                let mut rig = Rig::new(kind);
                rig.disk.crash_at(step, crash);
                let answer = rig.sign(&batch);
                if !rig.disk.repair() {
                    assert!(matches!(answer, Response::Signed(_)));
                    assert_eq!((step, crashes), (3, 4), "two writes, each before and after");
                    break 'steps;
                }
                crashes += 1;
                assert!(matches!(answer, Response::Fault { .. }), "nothing leaves undurable");
                assert!(matches!(rig.sign(&batch), Response::Fault { .. }), "it stays stopped");
                rig.restart();
                assert_eq!(rig.signed(&batch).transaction, expected, "{crash:?} step {step}");
                assert_eq!(rig.left(), 1_000_000_000 - 505_000);
                assert_eq!(rig.describe().signed_transactions, 1);
            }
        }
    }
}

#[test]
fn a_crash_during_a_replacement_leaves_the_first_transaction_as_it_was() {
    for crash in [Crash::Before, Crash::After] {
        for step in 1..=2 {
            let mut rig = Rig::new(ScriptKind::Taproot);
            let first = rig.batch();
            let bytes = rig.signed(&first).transaction;
            let replacement = rig.plan().with(|plan| plan.fee = 9_000).build().unwrap();
            rig.disk.crash_at(step, crash);
            assert!(matches!(rig.sign(&replacement), Response::Fault { .. }));
            assert!(rig.disk.repair());
            rig.restart();
            assert_eq!(rig.signed(&first).transaction, bytes);
            rig.signed(&replacement);
            assert_eq!(rig.left(), 1_000_000_000 - 509_000, "only the increase is charged");
        }
    }
}

#[test]
fn a_crash_while_the_list_of_keys_or_a_halt_is_written_is_a_fault() {
    for crash in [Crash::Before, Crash::After] {
        let mut rig = Rig::new(ScriptKind::Taproot);
        rig.disk.crash_at(1, crash);
        assert!(rig.signer.halt("drill", rig.now()).is_err());
        assert!(rig.signer.broken().is_some());
        assert!(rig.disk.repair());
        rig.restart();
        assert_eq!(rig.describe().halted.is_some(), crash == Crash::After);
        rig.disk.crash_at(1, crash);
        let key = signer::sample::customer_key_id(1);
        assert!(rig.signer.add_key(account(1), key, rig.now()).is_err());
        assert!(rig.disk.repair());
        rig.restart();
        let listed = rig.signer.status(rig.now()).keys == 1;
        assert_eq!(listed, crash == Crash::After);
    }
}

/// Keys that make one kind of mistake.
struct Broken(fn(Vec<RawSignature>) -> Result<Vec<RawSignature>, KeysError>, signer::SoftKeys);

impl Keys for Broken {
    fn sign(&self, warrant: Warrant) -> Result<Vec<RawSignature>, KeysError> {
        self.0(self.1.sign(warrant)?)
    }
}

#[test]
fn a_wrong_signature_never_leaves_and_is_made_anew_after_a_restart() {
    type Mistake = fn(Vec<RawSignature>) -> Result<Vec<RawSignature>, KeysError>;
    let mistakes: [Mistake; 4] = [
        |mut signatures| {
            signatures[1][40] ^= 1;
            Ok(signatures)
        },
        |mut signatures| {
            signatures.swap(0, 1);
            Ok(signatures)
        },
        |mut signatures| {
            signatures.pop();
            Ok(signatures)
        },
        |_| Err(KeysError::new("the token is gone")),
    ];
    for kind in [ScriptKind::Taproot, ScriptKind::WitnessKeyHash] {
        for mistake in mistakes {
            let mut rig = Rig::new(kind);
            let batch = rig.batch();
            let keys =
                Broken(mistake, signer::sample::keys(primitives::Network::Regtest, kind).unwrap());
            let now = rig.now();
            let answer = rig.signer.handle(batch.request(), now, &keys);
            assert!(matches!(answer, Response::Fault { .. }), "{answer:?}");
            assert!(
                !rig.disk.records().iter().any(|record| matches!(record, Record::Signed { .. }))
            );
            rig.restart();
            rig.signed(&batch);
        }
    }
}

#[test]
fn a_replacement_is_charged_only_what_it_adds() {
    let mut rig = Rig::new(ScriptKind::Taproot);
    let batch = rig.batch();
    let first = transaction(&rig.signed(&batch));
    let replacement = rig.plan().with(|plan| {
        plan.fee = 8_000;
        plan.change_index = 1;
    });
    let second = transaction(&rig.signed(&replacement.build().unwrap()));
    assert_eq!(first.input[0].previous_output, second.input[0].previous_output);
    assert_eq!(rig.left(), 1_000_000_000 - 508_000);
    // Without the second payment, and cheaper: nothing more than before can leave.
    let smaller = rig.plan().with(|plan| {
        plan.payouts.pop();
        plan.fee = 7_000;
    });
    rig.signed(&smaller.build().unwrap());
    assert_eq!(rig.left(), 1_000_000_000 - 508_000);
    let description = rig.describe();
    assert_eq!((description.signed_total, description.signed_transactions), (sats(508_000), 3));
}

#[test]
fn records_that_cannot_follow_each_other_stop_the_start() {
    let mut rig = Rig::new(ScriptKind::Taproot);
    let batch = rig.batch();
    rig.signed(&batch);
    rig.signer.halt("drill", rig.now()).unwrap();
    let records = rig.disk.records();
    let open = |records: Vec<Record>| {
        let memory = signer::sample::RamMemory { records, head: None };
        Signer::open(rig.settings.clone(), memory).map(|_| ())
    };
    assert!(open(records.clone()).is_ok());
    let contradictions = [
        vec![records[1].clone()],
        vec![records[0].clone(), records[0].clone()],
        vec![records[0].clone(), records[2].clone()],
        vec![records[0].clone(), records[1].clone(), records[1].clone()],
        [&records[..3], &records[2..3]].concat(),
    ];
    for bad in contradictions {
        assert!(matches!(open(bad), Err(Fault::StateContradiction { .. })));
    }
    let mut foreign = rig.settings.clone();
    foreign.root_nonce = [1; 32];
    let memory = signer::sample::RamMemory { records, head: None };
    assert!(matches!(Signer::open(foreign, memory), Err(Fault::StateForeign { .. })));
}

//! Requests over the socket, and what the host's operator does meanwhile.

use std::io::Write;

use primitives::AccountId;
use signer::sample;
use signer_protocol::{RefusalTag, Request, Response, message::FRAME_BYTES_MAX};

use crate::machine::{Machine, receive, send};

fn tag(response: Response) -> RefusalTag {
    match response {
        Response::Refused { tag, .. } => tag,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

#[test]
fn a_batch_is_signed_halted_resumed_and_logged() {
    for kind in ["tr", "wpkh"] {
        let machine = Machine::new(&["--descriptor-kind", kind]);
        let process = machine.serve();
        let Response::Description(description) = machine.ask(&Request::Describe) else {
            panic!("no description");
        };
        assert_eq!(description.deployment, machine.settings.deployment());
        assert_eq!(description.descriptor, machine.settings.descriptor.to_string());
        let batch = machine.batch(1);
        let signed = machine.sign(&batch);
        assert!(!signed.repeated);
        assert_eq!(machine.sign(&batch).transaction, signed.transaction);

        let halt = machine.admin(&["halt", "--reason", "a drill"]);
        assert!(halt.status.success(), "{halt:?}");
        assert_eq!(tag(machine.ask(&batch.request())), RefusalTag::Halted);
        assert!(machine.status().contains("\"halted\":\"a drill\""));
        assert!(machine.admin(&["resume"]).status.success());
        assert!(machine.sign(&batch).repeated);
        let accepted = machine.admin(&["accept-clock"]);
        assert_eq!(accepted.status.code(), Some(1), "only during a halt");

        let log = process.terminate();
        let txid = batch.psbt.unsigned_tx.compute_txid().to_string();
        let withdrawal = batch.evidence[0].withdrawal.to_string();
        for expected in ["signed", &txid, &withdrawal, "refused", "signer-halted", "stopped"] {
            assert!(log.contains(expected), "{expected} is not in the log:\n{log}");
        }
    }
}

#[test]
fn a_customer_key_is_listed_and_unlisted_on_the_host_only() {
    let machine = Machine::new(&["--key-cool-down-seconds", "0"]);
    let _process = machine.serve();
    let account = AccountId::from_number(1).unwrap().to_string();
    let key = sample::customer_key_id(1).to_string();
    let change = |command: &str| {
        let output = machine.admin(&[command, "--account", &account, "--key", &key]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let batch = machine.batch(1).with(|batch| {
        let intent = signer_protocol::PayoutIntent::parse(&batch.evidence[0].intent).unwrap();
        batch.evidence[0] = sample::evidence(&intent, Some(1), 0).unwrap();
    });
    assert_eq!(tag(machine.ask(&batch.request())), RefusalTag::EvidenceKey);
    assert_eq!(change("add-key"), "done\n");
    assert!(change("add-key").contains("nothing to do"));
    machine.sign(&batch);
    assert_eq!(change("remove-key"), "done\n");
    let next = machine.batch(2).with(|batch| {
        let intent = signer_protocol::PayoutIntent::parse(&batch.evidence[0].intent).unwrap();
        batch.evidence[0] = sample::evidence(&intent, Some(1), 0).unwrap();
    });
    assert_eq!(tag(machine.ask(&next.request())), RefusalTag::EvidenceKey);
    let bad = format!("key_{}", "00".repeat(32));
    let denied = machine.admin(&["add-key", "--account", &account, "--key", &bad]);
    assert_eq!(denied.status.code(), Some(1));
}

#[test]
fn a_client_that_hangs_blocks_nobody() {
    let machine = Machine::new(&[]);
    let process = machine.serve();
    let _silent = machine.connect();
    let mut halfway = machine.connect();
    halfway.write_all(&[0xff, 0, 0]).unwrap();
    let mut deaf = machine.connect();
    for _ in 0..10 {
        send(&mut deaf, &Request::Describe); // and never reads
    }
    machine.sign(&machine.batch(1));
    assert!(machine.status().contains("\"signed_transactions\":1"));
    // One connection carries many requests.
    let mut busy = machine.connect();
    send(&mut busy, &Request::Describe);
    assert!(receive(&mut busy).is_some());
    send(&mut busy, &Request::WitnessedHead { shard: 0 });
    assert!(receive(&mut busy).is_some());
    process.terminate();
}

/// A server that gave up on an answer asks again on a new connection: what it learns there must
/// stay true, whatever still waits on the old one.
#[test]
fn nothing_is_signed_on_a_connection_once_a_newer_one_was_answered() {
    let machine = Machine::new(&[]);
    let process = machine.serve();
    let (mut old, batch) = (machine.connect(), machine.batch(1));
    send(&mut old, &Request::Describe);
    assert!(receive(&mut old).is_some());
    // It was opened before, and asks for the first time afterwards.
    let mut unused = machine.connect();
    assert!(matches!(machine.ask(&Request::Describe), Response::Description(_)));
    for stale in [&mut old, &mut unused] {
        send(stale, &batch.request());
        assert!(receive(stale).is_none(), "it is closed without an answer");
    }
    assert!(machine.status().contains("\"signed_transactions\":0"));
    assert!(!machine.sign(&batch).repeated);
    let log = process.terminate();
    assert!(log.contains("a newer connection was answered"), "{log}");
}

#[test]
fn garbage_and_oversize_frames_are_refused_by_name() {
    let machine = Machine::new(&[]);
    let _process = machine.serve();
    let answer = |bytes: &[u8]| {
        let mut stream = machine.connect();
        stream.write_all(bytes).unwrap();
        tag(receive(&mut stream).unwrap())
    };
    let large = u32::try_from(FRAME_BYTES_MAX).unwrap() + 1;
    assert_eq!(answer(&large.to_le_bytes()), RefusalTag::MessageTooLarge);
    assert_eq!(answer(&[3, 0, 0, 0, 1, 0, 99]), RefusalTag::MessageUnreadable);
    assert_eq!(answer(&[2, 0, 0, 0, 9, 9]), RefusalTag::MessageUnreadable);
    assert_eq!(answer(&[0, 0, 0, 0]), RefusalTag::MessageUnreadable);
    machine.sign(&machine.batch(1));
}

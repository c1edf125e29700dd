//! Every state of a batch against everything that can meet it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    clippy::needless_raw_string_hashes,
    reason = "tests; expect-test writes the hashes"
)]

use std::fmt::Write;

use bitcoin::{Transaction, consensus::encode};
use expect_test::{Expect, expect};
use primitives::BatchId;
use signer_protocol::RefusalTag;

use super::BatchState;
use crate::house::show::outcome;
use crate::{
    Command,
    house::{House, btc, signed, stranger},
};

const STATES: [&str; 7] =
    ["built", "signed", "broadcast", "confirmed", "final", "dissolved", "failed"];

const COMMANDS: [&str; 10] = [
    "ask the signer",
    "signer signs",
    "signer alters",
    "signer refuses",
    "signer is halted",
    "node takes",
    "block carries it",
    "three blocks without it",
    "three blocks after a theft of its coin",
    "its block is taken back",
];

struct Scene {
    house: House,
    batch: BatchId,
    paid: Transaction,
}

impl Scene {
    fn of(state: &str) -> Self {
        let mut house = House::new();
        let alice = house.a_customer("alice");
        house.fund(&alice, btc(2));
        house.withdraw(&alice, btc(1));
        house.pass(600);
        let batch = house.assemble();
        let paid = house.transaction(batch);
        if state == "dissolved" {
            house.refuse(batch);
        } else if state != "built" {
            house.sign(batch);
        }
        if !matches!(state, "built" | "signed" | "dissolved") {
            house.ok(Command::RecordBroadcast { batch });
        }
        let mut scene = Self { house, batch, paid };
        match state {
            "confirmed" | "final" => {
                scene.house.block(std::slice::from_ref(&scene.paid));
                scene.house.blocks(if state == "final" { 2 } else { 0 });
            }
            "failed" => drop(scene.steal()),
            _ => {}
        }
        assert_eq!(scene.house.batch_state(batch), state);
        scene
    }

    /// Somebody spends the batch's coin, finally.
    fn steal(&mut self) -> String {
        let coins = self.house.state.batch(self.batch).unwrap().inputs.clone();
        let stolen = coins.iter().all(|coin| self.house.state.coins().get(coin).is_some());
        if !stolen {
            return "-".to_owned();
        }
        let mut events = self.house.block(&[House::spending(&coins, &[(stranger(66), btc(1))])]);
        events.extend(self.house.block(&[]));
        events.extend(self.house.block(&[]));
        events.retain(|event| event.name() != "BlockConnected");
        outcome(&Ok(events))
    }

    fn command(&self, what: &str) -> Command {
        let batch = self.batch;
        let record = |transaction: &Transaction| Command::RecordSigned {
            batch,
            transaction: encode::serialize(transaction),
        };
        match what {
            "signer signs" => record(&self.paid),
            "signer alters" => {
                let mut altered = self.paid.clone();
                altered.output[0].value += bitcoin::Amount::ONE_SAT;
                record(&altered)
            }
            "signer refuses" => Command::RecordRefused { batch, tag: RefusalTag::PinMissing },
            "signer is halted" => Command::RecordRefused { batch, tag: RefusalTag::Halted },
            "node takes" => Command::RecordBroadcast { batch },
            _ => unreachable!("{what}"),
        }
    }

    fn after(mut self, what: &str) -> String {
        let before = self.house.batch_state(self.batch);
        let in_chain = self.house.state.batch(self.batch).unwrap().state.height();
        let led = match what {
            "ask the signer" => {
                let asked = self.house.state.sign_request(self.batch, 0, &mut |_| None);
                asked.map_or_else(|no| format!("refused: {}", no.id()), |_| "a request".to_owned())
            }
            "block carries it" if in_chain.is_some() || before == "failed" => "-".to_owned(),
            "block carries it" => {
                let paid = self.paid.clone();
                outcome(&Ok(self.house.block(&[paid])))
            }
            "three blocks without it" => {
                let events: Vec<_> = (0..3).flat_map(|_| self.house.block(&[])).collect();
                let events = events.into_iter().filter(|event| event.name() != "BlockConnected");
                outcome(&Ok(events.collect()))
            }
            "three blocks after a theft of its coin" => self.steal(),
            "its block is taken back" => {
                let Some(height) = in_chain else { return "-".to_owned() };
                let depth = self.house.tip().height.0 - height.0 + 1;
                self.house.rewind(depth as usize);
                "BlockDisconnected".to_owned()
            }
            _ => outcome(&self.house.execute(&self.command(what))),
        };
        let after = self.house.batch_state(self.batch);
        if before == after { led } else { format!("{led} -> {after}") }
    }
}

fn check(states: &[&str], expected: &Expect) {
    let mut table = String::new();
    for state in states {
        writeln!(table, "{state}").unwrap();
        for what in COMMANDS {
            writeln!(table, "  {what}: {}", Scene::of(state).after(what)).unwrap();
        }
    }
    expected.assert_eq(&table);
}

#[test]
fn what_can_happen_to_a_batch_that_is_in_no_block() {
    check(
        &STATES[..3],
        &expect![[r#"
            built
              ask the signer: a request
              signer signs: BatchSigned -> signed
              signer alters: refused: batch-altered
              signer refuses: BatchRefused -> dissolved
              signer is halted: refused: batch-may-be-signed
              node takes: refused: batch-state
              block carries it: BatchSigned, BlockConnected -> confirmed
              three blocks without it: nothing
              three blocks after a theft of its coin: ReleasesStopped, IncidentOpened, BatchFailed, IncidentOpened -> failed
              its block is taken back: -
            signed
              ask the signer: refused: batch-state
              signer signs: nothing
              signer alters: refused: batch-altered
              signer refuses: refused: batch-state
              signer is halted: refused: batch-state
              node takes: BatchBroadcast -> broadcast
              block carries it: BlockConnected -> confirmed
              three blocks without it: nothing
              three blocks after a theft of its coin: ReleasesStopped, IncidentOpened, BatchFailed, IncidentOpened -> failed
              its block is taken back: -
            broadcast
              ask the signer: refused: batch-state
              signer signs: nothing
              signer alters: refused: batch-altered
              signer refuses: refused: batch-state
              signer is halted: refused: batch-state
              node takes: nothing
              block carries it: BlockConnected -> confirmed
              three blocks without it: nothing
              three blocks after a theft of its coin: ReleasesStopped, IncidentOpened, BatchFailed, IncidentOpened -> failed
              its block is taken back: -
        "#]],
    );
}

#[test]
fn what_can_happen_to_a_batch_in_a_block() {
    check(
        &STATES[3..5],
        &expect![[r#"
            confirmed
              ask the signer: refused: batch-state
              signer signs: nothing
              signer alters: refused: batch-altered
              signer refuses: refused: batch-state
              signer is halted: refused: batch-state
              node takes: nothing
              block carries it: -
              three blocks without it: BatchSettled -> final
              three blocks after a theft of its coin: -
              its block is taken back: BlockDisconnected -> broadcast
            final
              ask the signer: refused: batch-state
              signer signs: nothing
              signer alters: refused: batch-altered
              signer refuses: refused: batch-state
              signer is halted: refused: batch-state
              node takes: nothing
              block carries it: -
              three blocks without it: nothing
              three blocks after a theft of its coin: -
              its block is taken back: BlockDisconnected -> broadcast
        "#]],
    );
}

#[test]
fn what_can_happen_to_a_batch_that_was_given_up() {
    check(
        &STATES[5..],
        &expect![[r#"
            dissolved
              ask the signer: refused: batch-state
              signer signs: refused: batch-state
              signer alters: refused: batch-altered
              signer refuses: refused: batch-state
              signer is halted: refused: batch-state
              node takes: refused: batch-state
              block carries it: BlockConnected, ReleasesStopped, IncidentOpened
              three blocks without it: nothing
              three blocks after a theft of its coin: ReleasesStopped, IncidentOpened
              its block is taken back: -
            failed
              ask the signer: refused: batch-state
              signer signs: refused: batch-state
              signer alters: refused: batch-altered
              signer refuses: refused: batch-state
              signer is halted: refused: batch-state
              node takes: refused: batch-state
              block carries it: -
              three blocks without it: nothing
              three blocks after a theft of its coin: -
              its block is taken back: -
        "#]],
    );
}

#[test]
fn every_state_has_a_row() {
    for state in STATES {
        let state = &Scene::of(state).house.state.batches().last().unwrap().1.state.clone();
        // Named one by one, so that a new state does not compile until it has a row.
        match state {
            BatchState::Built
            | BatchState::Signed
            | BatchState::Broadcast
            | BatchState::Confirmed { .. }
            | BatchState::Final { .. }
            | BatchState::Dissolved
            | BatchState::Failed => assert!(STATES.contains(&state.name())),
        }
    }
}

#[test]
fn a_signature_without_witnesses_is_none() {
    let mut scene = Scene::of("built");
    let bare = scene.house.state.batch(scene.batch).unwrap().transaction.clone();
    let record = |transaction| Command::RecordSigned { batch: scene.batch, transaction };
    let (unsigned, garbage) = (record(bare.clone()), record(vec![1, 2, 3]));
    let whole = encode::serialize(&signed(&bare));
    let longer = record([whole, vec![0]].concat());
    for command in [unsigned, garbage, longer] {
        assert_eq!(scene.house.refused(command), "batch-altered");
    }
}

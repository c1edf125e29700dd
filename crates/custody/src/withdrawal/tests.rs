//! Every state of a withdrawal against every command that can meet it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    clippy::needless_raw_string_hashes,
    reason = "tests; expect-test writes the hashes"
)]

use std::{collections::BTreeSet, fmt::Write};

use access::{Principal, Scope};
use bitcoin::consensus::encode;
use expect_test::{Expect, expect};
use primitives::{BatchId, BlockHeight, Sats, Timestamp, WithdrawalId};
use signer_protocol::RefusalTag;

use super::{OperatorId, Rule, WithdrawalState};
use crate::house::show::outcome;
use crate::{
    Command,
    house::{Ask, Customer, House, assembly, btc, cents, stranger},
    incident::Stop,
};

const STATES: [&str; 13] = [
    "cooling-down",
    "in-review",
    "queued",
    "queued-and-pinned",
    "batched",
    "signed",
    "broadcast",
    "confirmed",
    "settled",
    "refused",
    "rejected",
    "cancelled",
    "failed",
];

/// A withdrawal of alice in this state.
struct Scene {
    house: House,
    alice: Customer,
    ask: Ask,
    id: WithdrawalId,
}

impl Scene {
    fn of(state: &str) -> Self {
        let mut house = House::new();
        let alice = house.a_customer("alice");
        house.fund(&alice, cents(800));
        house.fund(&alice, cents(190));
        let amount = match state {
            "cooling-down" => btc(3),
            "in-review" | "rejected" => btc(5),
            "queued-and-pinned" | "failed" => cents(890),
            _ => btc(1),
        };
        if amount == cents(890) {
            house.configure(|params| {
                (params.cool_down_from, params.review_from) = (Sats::MAX, Sats::MAX);
            });
        }
        let ask = Ask::of(&mut house, &alice, amount);
        let id = house.ask(&alice, &ask);
        let mut scene = Self { house, alice, ask, id };
        scene.bring_to(state);
        assert_eq!(scene.state(), state.strip_suffix("-and-pinned").unwrap_or(state));
        scene
    }

    fn bring_to(&mut self, state: &str) {
        let by = OperatorId(1);
        match state {
            "in-review" | "rejected" => {
                self.house.pass(3 * 3600);
                self.house.ok(Command::ApproveWithdrawal { withdrawal: self.id, by });
                if state == "rejected" {
                    self.house.ok(Command::DenyWithdrawal { withdrawal: self.id, by });
                }
            }
            "refused" => drop(self.house.pass(24 * 3600)),
            "cancelled" => {
                let command = self.house.cancelling(&self.alice, self.id);
                self.house.ok(command);
            }
            "cooling-down" | "queued" => {}
            _ => self.bring_to_batch(state),
        }
    }

    fn bring_to_batch(&mut self, state: &str) {
        self.house.pass(600);
        let batch = self.house.assemble();
        if state == "batched" {
            return;
        }
        let paid = self.house.sign(batch);
        if state == "signed" {
            return;
        }
        self.house.ok(Command::RecordBroadcast { batch });
        let inputs = self.house.state.batch(batch).unwrap().inputs.clone();
        match state {
            "confirmed" | "settled" => {
                self.house.block(&[paid]);
                self.house.blocks(if state == "settled" { 2 } else { 0 });
            }
            "queued-and-pinned" | "failed" => {
                let lost = if state == "failed" { inputs[0] } else { inputs[1] };
                self.house.block(&[House::spending(&[lost], &[(stranger(66), btc(1))])]);
                self.house.blocks(2);
                // Enough to pay it once more.
                let alice = self.alice.clone();
                self.house.fund(&alice, btc(2));
                let stop = Stop::UnexplainedSpend;
                self.house.ok(Command::ResumeReleases { stop, by: OperatorId(1) });
            }
            _ => {}
        }
    }

    fn state(&self) -> &'static str {
        self.house.state.withdrawal(self.id).unwrap().state.name()
    }

    /// Does `what`, and says what came of it and in which state the withdrawal is then.
    fn after(mut self, what: &str) -> String {
        let batch = self.house.state.batches().last().map(|(id, _)| *id);
        let command = match what {
            "ask again" => self.house.requesting(&self.alice, &self.ask),
            "cancel" => self.house.cancelling(&self.alice, self.id),
            "approve" => Command::ApproveWithdrawal { withdrawal: self.id, by: OperatorId(2) },
            "deny" => Command::DenyWithdrawal { withdrawal: self.id, by: OperatorId(2) },
            "3 h later" | "24 h later" => {
                self.house.wait(if what == "3 h later" { 3 * 3600 } else { 24 * 3600 });
                Command::Tick
            }
            "assemble" => {
                self.house.wait(600);
                Command::AssembleBatch { assembly: assembly() }
            }
            _ => {
                let Some(batch) = batch else { return "-".to_owned() };
                match what {
                    "signer signs" => {
                        let bytes = self.house.state.batch(batch).unwrap().transaction.clone();
                        if bytes.is_empty() {
                            return "-".to_owned();
                        }
                        let transaction = encode::serialize(&crate::house::signed(&bytes));
                        Command::RecordSigned { batch, transaction }
                    }
                    "signer refuses" => Command::RecordRefused { batch, tag: RefusalTag::Tranche },
                    "node takes" => Command::RecordBroadcast { batch },
                    _ => unreachable!("{what}"),
                }
            }
        };
        let before = self.state();
        let led = outcome(&self.house.execute(&command));
        let after = self.state();
        if before == after { led } else { format!("{led} -> {after}") }
    }
}

const COMMANDS: [&str; 10] = [
    "ask again",
    "cancel",
    "approve",
    "deny",
    "3 h later",
    "24 h later",
    "assemble",
    "signer signs",
    "signer refuses",
    "node takes",
];

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
fn what_every_command_does_to_a_withdrawal_that_waits() {
    check(
        &STATES[..4],
        &expect![[r#"
            cooling-down
              ask again: nothing
              cancel: WithdrawalCancelled -> cancelled
              approve: refused: withdrawal-state
              deny: refused: withdrawal-state
              3 h later: WithdrawalJudged -> queued
              24 h later: WithdrawalJudged -> refused
              assemble: refused: nothing-to-pay
              signer signs: -
              signer refuses: -
              node takes: -
            in-review
              ask again: nothing
              cancel: WithdrawalCancelled -> cancelled
              approve: WithdrawalApproved -> queued
              deny: WithdrawalDenied -> rejected
              3 h later: nothing
              24 h later: WithdrawalJudged -> refused
              assemble: refused: nothing-to-pay
              signer signs: -
              signer refuses: -
              node takes: -
            queued
              ask again: nothing
              cancel: WithdrawalCancelled -> cancelled
              approve: refused: withdrawal-state
              deny: refused: withdrawal-state
              3 h later: nothing
              24 h later: WithdrawalJudged -> refused
              assemble: BatchBuilt -> batched
              signer signs: -
              signer refuses: -
              node takes: -
            queued-and-pinned
              ask again: nothing
              cancel: refused: withdrawal-state
              approve: refused: withdrawal-state
              deny: refused: withdrawal-state
              3 h later: nothing
              24 h later: nothing
              assemble: BatchBuilt -> batched
              signer signs: -
              signer refuses: refused: batch-state
              node takes: refused: batch-state
        "#]],
    );
}

#[test]
fn what_every_command_does_to_a_withdrawal_in_a_batch() {
    check(
        &STATES[4..8],
        &expect![[r#"
            batched
              ask again: nothing
              cancel: refused: withdrawal-state
              approve: refused: withdrawal-state
              deny: refused: withdrawal-state
              3 h later: nothing
              24 h later: nothing
              assemble: refused: batch-under-way
              signer signs: BatchSigned -> signed
              signer refuses: BatchRefused -> queued
              node takes: refused: batch-state
            signed
              ask again: nothing
              cancel: refused: withdrawal-state
              approve: refused: withdrawal-state
              deny: refused: withdrawal-state
              3 h later: nothing
              24 h later: nothing
              assemble: refused: nothing-to-pay
              signer signs: nothing
              signer refuses: refused: batch-state
              node takes: BatchBroadcast -> broadcast
            broadcast
              ask again: nothing
              cancel: refused: withdrawal-state
              approve: refused: withdrawal-state
              deny: refused: withdrawal-state
              3 h later: nothing
              24 h later: nothing
              assemble: refused: nothing-to-pay
              signer signs: nothing
              signer refuses: refused: batch-state
              node takes: nothing
            confirmed
              ask again: nothing
              cancel: refused: withdrawal-state
              approve: refused: withdrawal-state
              deny: refused: withdrawal-state
              3 h later: nothing
              24 h later: nothing
              assemble: refused: nothing-to-pay
              signer signs: nothing
              signer refuses: refused: batch-state
              node takes: nothing
        "#]],
    );
}

#[test]
fn what_every_command_does_to_a_withdrawal_that_has_ended() {
    check(
        &STATES[8..],
        &expect![[r#"
            settled
              ask again: nothing
              cancel: refused: withdrawal-state
              approve: refused: withdrawal-state
              deny: refused: withdrawal-state
              3 h later: nothing
              24 h later: nothing
              assemble: refused: nothing-to-pay
              signer signs: nothing
              signer refuses: refused: batch-state
              node takes: nothing
            refused
              ask again: nothing
              cancel: refused: withdrawal-state
              approve: refused: withdrawal-state
              deny: refused: withdrawal-state
              3 h later: nothing
              24 h later: nothing
              assemble: refused: nothing-to-pay
              signer signs: -
              signer refuses: -
              node takes: -
            rejected
              ask again: nothing
              cancel: refused: withdrawal-state
              approve: refused: withdrawal-state
              deny: refused: withdrawal-state
              3 h later: nothing
              24 h later: nothing
              assemble: refused: nothing-to-pay
              signer signs: -
              signer refuses: -
              node takes: -
            cancelled
              ask again: nothing
              cancel: nothing
              approve: refused: withdrawal-state
              deny: refused: withdrawal-state
              3 h later: nothing
              24 h later: nothing
              assemble: refused: nothing-to-pay
              signer signs: -
              signer refuses: -
              node takes: -
            failed
              ask again: nothing
              cancel: refused: withdrawal-state
              approve: refused: withdrawal-state
              deny: refused: withdrawal-state
              3 h later: nothing
              24 h later: nothing
              assemble: refused: nothing-to-pay
              signer signs: -
              signer refuses: refused: batch-state
              node takes: refused: batch-state
        "#]],
    );
}

#[test]
fn every_state_has_a_row() {
    let scenes = STATES.map(Scene::of);
    let names: std::collections::BTreeSet<_> = scenes.iter().map(Scene::state).collect();
    // Named one by one, so that a new state does not compile until it has a row.
    let known = |state: &WithdrawalState| match state {
        WithdrawalState::CoolingDown { .. }
        | WithdrawalState::InReview { .. }
        | WithdrawalState::Queued { .. }
        | WithdrawalState::Batched { .. }
        | WithdrawalState::Signed { .. }
        | WithdrawalState::Broadcast { .. }
        | WithdrawalState::Confirmed { .. }
        | WithdrawalState::Settled { .. }
        | WithdrawalState::Refused { .. }
        | WithdrawalState::Rejected { .. }
        | WithdrawalState::Cancelled
        | WithdrawalState::Failed { .. } => state.name(),
    };
    let shown =
        scenes.iter().map(|scene| known(&scene.house.state.withdrawal(scene.id).unwrap().state));
    assert_eq!(shown.collect::<std::collections::BTreeSet<_>>(), names);
    assert_eq!(names.len(), 12);
}

#[test]
fn nobody_learns_of_a_withdrawal_that_is_not_theirs() {
    let mut scene = Scene::of("queued");
    let bob = scene.house.a_customer("bob");
    let command = scene.house.cancelling(&bob, scene.id);
    assert_eq!(scene.house.refused(command), "withdrawal-unknown");
    let service = scene.house.service.clone();
    let asked = scene.house.signed(&service, Scope::Settle, scene.id);
    assert_eq!(asked.principal(), Principal::Service);
    assert_eq!(scene.house.refused(Command::CancelWithdrawal { asked }), "withdrawal-unknown");
}

#[test]
fn rules_are_kebab_case_and_distinct() {
    let ids: std::collections::BTreeSet<_> = Rule::ALL.into_iter().map(Rule::id).collect();
    assert_eq!(ids.len(), Rule::ALL.len());
    assert!(ids.iter().all(|id| id.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
}

#[test]
fn every_state_has_a_name_of_its_own_in_the_list() {
    let (at, batch) = (Timestamp::MAX, BatchId(1));
    let states = [
        WithdrawalState::CoolingDown { until: at },
        WithdrawalState::InReview { approvals: Vec::new() },
        WithdrawalState::Queued { releases_at: at },
        WithdrawalState::Batched { batch },
        WithdrawalState::Signed { batch },
        WithdrawalState::Broadcast { batch },
        WithdrawalState::Confirmed { batch, height: BlockHeight(1) },
        WithdrawalState::Settled { batch },
        WithdrawalState::Refused { rule: Rule::AmountReview },
        WithdrawalState::Rejected { by: OperatorId(1) },
        WithdrawalState::Cancelled,
        WithdrawalState::Failed { batch },
    ];
    assert_eq!(states.map(|state| state.name()), WithdrawalState::NAMES);
    assert_eq!(BTreeSet::from(WithdrawalState::NAMES).len(), WithdrawalState::NAMES.len());
}

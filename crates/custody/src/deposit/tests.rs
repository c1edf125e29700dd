//! Every state of a deposit against everything that can meet it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    clippy::needless_raw_string_hashes,
    reason = "tests; expect-test writes the hashes"
)]

use std::{fmt::Write, sync::Arc};

use bitcoin::Transaction;
use expect_test::{Expect, expect};
use primitives::Outpoint;

use super::{DepositState, Maturity};
use crate::house::show::outcome;
use crate::{
    Command, Refusal,
    event::Event,
    house::{House, btc, outpoint_of, sats, stranger},
};

const STATES: [&str; 8] = [
    "detected",
    "confirming",
    "credited",
    "matured",
    "adrift",
    "suspense",
    "orphaned",
    "impossible",
];

const HAPPENINGS: [&str; 7] = [
    "the mempool shows it",
    "the mempool forgets it",
    "a block carries it",
    "a block without it",
    "six blocks without it",
    "a block makes it impossible",
    "the newest block is taken back",
];

struct Scene {
    house: House,
    payment: Transaction,
    deposit: Outpoint,
}

impl Scene {
    fn of(state: &str) -> Self {
        let mut house = House::new();
        let alice = house.a_customer("alice");
        let value = if state == "suspense" { sats(9_999) } else { btc(1) };
        let payment = house.payment(&alice, value);
        let deposit = outpoint_of(&payment, 0);
        let mut scene = Self { house, payment, deposit };
        let mut steps = match state {
            "detected" => vec![0],
            "orphaned" => vec![0, 1],
            "impossible" => vec![0, 5],
            "confirming" | "suspense" => vec![2],
            "credited" => vec![2, 3],
            "matured" => vec![2, 3, 3],
            "adrift" => vec![2, 3, 6, 6],
            _ => unreachable!("{state}"),
        };
        for step in steps.drain(..) {
            scene.happens(HAPPENINGS[step]).unwrap();
        }
        assert_eq!(scene.state(), state);
        scene
    }

    fn state(&self) -> &'static str {
        match &self.house.state.deposit(&self.deposit).unwrap().state {
            DepositState::Credited { maturity: Maturity::Matured, .. } => "matured",
            DepositState::Credited { maturity: Maturity::Again, .. } => "returned",
            DepositState::Orphaned { conflict: Some(_) } => "impossible",
            // Named one by one, so that a new state does not compile until it has a row.
            state @ (DepositState::Detected
            | DepositState::Confirming { .. }
            | DepositState::Credited { .. }
            | DepositState::Adrift { .. }
            | DepositState::Suspense { .. }
            | DepositState::Orphaned { .. }) => state.name(),
        }
    }

    fn happens(&mut self, what: &str) -> Result<Vec<Event>, Refusal> {
        let payment = self.payment.clone();
        Ok(match what {
            "the mempool shows it" => {
                self.house.execute(&Command::SeeTransaction { transaction: Arc::new(payment) })?
            }
            "the mempool forgets it" => {
                self.house.execute(&Command::ForgetTransaction { txid: self.deposit.txid })?
            }
            "a block carries it" => self.house.block(&[payment]),
            "a block without it" => self.house.block(&[]),
            "six blocks without it" => (0..6).flat_map(|_| self.house.block(&[])).collect(),
            "a block makes it impossible" => {
                let theft = House::instead_of(&payment, &[(stranger(66), btc(1))]);
                self.house.block(&[theft])
            }
            "the newest block is taken back" => {
                let (block, _) = self.house.chain.pop().unwrap();
                self.house.execute(&Command::DisconnectBlock { block })?
            }
            _ => unreachable!("{what}"),
        })
    }

    /// Lets it happen, and says what came of it. The chain takes no coin twice.
    fn after(mut self, what: &str) -> String {
        let before = self.state();
        let in_chain = self.house.state.deposit(&self.deposit).unwrap().state.is_in_chain();
        let excluded = match what {
            "a block carries it" | "a block makes it impossible" => {
                in_chain || before == "impossible"
            }
            "the newest block is taken back" => self.house.chain.is_empty(),
            _ => false,
        };
        if excluded {
            return "-".to_owned();
        }
        let mut led = self.happens(what);
        if let Ok(events) = &mut led {
            events.retain(|event| !event.name().starts_with("Block"));
        }
        let (led, after) = (outcome(&led), self.state());
        if before == after { led } else { format!("{led} -> {after}") }
    }
}

fn check(states: &[&str], expected: &Expect) {
    let mut table = String::new();
    for state in states {
        writeln!(table, "{state}").unwrap();
        for what in HAPPENINGS {
            writeln!(table, "  {what}: {}", Scene::of(state).after(what)).unwrap();
        }
    }
    expected.assert_eq(&table);
}

#[test]
fn what_can_happen_to_a_deposit_in_the_mempool_or_gone() {
    check(
        &["detected", "orphaned", "impossible"],
        &expect![[r#"
            detected
              the mempool shows it: nothing
              the mempool forgets it: TransactionForgotten -> orphaned
              a block carries it: nothing -> confirming
              a block without it: nothing
              six blocks without it: nothing
              a block makes it impossible: nothing -> impossible
              the newest block is taken back: -
            orphaned
              the mempool shows it: TransactionSeen -> detected
              the mempool forgets it: nothing
              a block carries it: nothing -> confirming
              a block without it: nothing
              six blocks without it: nothing
              a block makes it impossible: nothing -> impossible
              the newest block is taken back: -
            impossible
              the mempool shows it: nothing
              the mempool forgets it: nothing
              a block carries it: -
              a block without it: nothing
              six blocks without it: nothing
              a block makes it impossible: -
              the newest block is taken back: nothing -> orphaned
        "#]],
    );
}

#[test]
fn what_can_happen_to_a_deposit_in_the_chain() {
    check(
        &["confirming", "credited", "matured", "suspense"],
        &expect![[r#"
            confirming
              the mempool shows it: nothing
              the mempool forgets it: nothing
              a block carries it: -
              a block without it: DepositCredited -> credited
              six blocks without it: DepositCredited, DepositMatured -> matured
              a block makes it impossible: -
              the newest block is taken back: nothing -> detected
            credited
              the mempool shows it: nothing
              the mempool forgets it: nothing
              a block carries it: -
              a block without it: DepositMatured -> matured
              six blocks without it: DepositMatured -> matured
              a block makes it impossible: -
              the newest block is taken back: nothing
            matured
              the mempool shows it: nothing
              the mempool forgets it: nothing
              a block carries it: -
              a block without it: nothing
              six blocks without it: nothing
              a block makes it impossible: -
              the newest block is taken back: nothing
            suspense
              the mempool shows it: nothing
              the mempool forgets it: nothing
              a block carries it: -
              a block without it: nothing
              six blocks without it: nothing
              a block makes it impossible: -
              the newest block is taken back: nothing -> detected
        "#]],
    );
}

#[test]
fn what_can_happen_to_a_deposit_adrift() {
    check(
        &["adrift"],
        &expect![[r#"
            adrift
              the mempool shows it: nothing
              the mempool forgets it: nothing
              a block carries it: nothing -> credited
              a block without it: nothing
              six blocks without it: DepositReversed, IncidentOpened, AccountFrozen -> orphaned
              a block makes it impossible: DepositReversed, IncidentOpened, AccountFrozen -> impossible
              the newest block is taken back: -
        "#]],
    );
    assert_eq!(STATES.map(|state| Scene::of(state).state()), STATES);
}

//! `build-batch`: 100 payouts out of 100,000 coins.

use std::{hint::black_box, time::Instant};

use access::Principal;
use custody::{Command, event::WithdrawalRequested, payout::Assembly, withdrawal::Verdict};
use primitives::{FeeRate, Sats};

use crate::{
    chain::transaction,
    house::{Past, Size, sats},
    load::Watch,
    people,
    report::Lab,
};

const COINS: usize = 100_000;
const COINS_IN_TRANSACTION: usize = 1_000;
const PAYOUTS: u8 = 100;
const ROUNDS: usize = 50;

pub fn measure(lab: &mut Lab) {
    let mut past = Past::begin(&lab.path("batch"));
    past.settle_in(Size { accounts: 200, keyed: 1 });
    receive_coins(&mut past);
    queue_payouts(&mut past);
    let assembly = Assembly {
        fee_rate: FeeRate::from_sat_per_vb(10).expect("a low rate"),
        signer_left: Sats::MAX,
        seed: [9; 32],
    };
    let command = Command::AssembleBatch { assembly };
    let watch = Watch::begin();
    let mut took = Vec::with_capacity(ROUNDS);
    let mut inputs = 0;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let events = black_box(past.state.decide(past.at, &command)).expect("coins enough");
        took.push(begun.elapsed());
        let [custody::Event::BatchBuilt(built)] = events.as_slice() else {
            panic!("one batch is built")
        };
        assert_eq!(built.payouts.len(), usize::from(PAYOUTS));
        inputs = built.inputs.len();
    }
    let conditions = format!(
        "{PAYOUTS} payouts, {inputs} coins taken of {}, {ROUNDS} times; decided in memory, nothing persisted",
        past.state.coins().len()
    );
    lab.latencies(&watch, "build-batch/decide", &mut took, &conditions);
    let watch = Watch::begin();
    let begun = Instant::now();
    past.command(&command);
    let millis = begun.elapsed().as_secs_f64() * 1e3;
    lab.figure(&watch, "build-batch/decide-and-apply", (millis, "ms"), "once, as above");
}

/// Many coins of different values, all final.
fn receive_coins(past: &mut Past) {
    let script = past.state.address(1).expect("it was assigned").script.clone();
    for _ in 0..COINS / COINS_IN_TRANSACTION {
        let values = (0..COINS_IN_TRANSACTION).map(|_| 100_000 + past.numbers.below(10_000_000));
        let outputs: Vec<_> =
            values.collect::<Vec<_>>().into_iter().map(|value| (script.clone(), value)).collect();
        let deposit = transaction(&mut past.numbers, 1, outputs);
        past.block(vec![deposit]);
    }
    past.block(Vec::new());
}

/// Payouts whose release window has closed; together they need more than the largest coins.
fn queue_payouts(past: &mut Past) {
    let key = people::customer_key(2);
    let account = people::account(2);
    let known = people::api_key(&key, Principal::Account(account)).id;
    for number in 0..PAYOUTS {
        let mut intent = people::intent(account, [number; 16]);
        intent.amount = sats(8_000_000);
        let (intent, signature) = people::signed_intent(&key, &intent);
        let verdict = Verdict::Allow { releases_at: past.at };
        let (key, signature) = (Some(known), Some(signature));
        past.event(WithdrawalRequested { intent, key, signature, verdict });
    }
}

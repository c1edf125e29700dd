//! `ledger-transfers`: settlements of the trading service through the core, each answered when it
//! is durable.

use std::time::{Duration, Instant};

use access::{Authenticated, Principal, Scope};
use custody::{Command, Settlement, event::CustomerTransfer};
use strongroom::core::Core;

use crate::{
    chain::Numbers,
    device,
    house::{House, sats},
    load::Watch,
    people::{self, Door},
    report::{Lab, median},
};

const ROUNDS: usize = 3;
/// The account that every transfer touches, where one is hot.
const HOT: u64 = 77;

/// One way of asking.
struct Way {
    group: usize,
    groups: usize,
    hot: bool,
    outstanding: usize,
}

pub fn measure(lab: &mut Lab) {
    let house = lab.million();
    let running = house.open().run_alone();
    let core = running.core();
    let way = |group, groups| Way { group, groups, hot: false, outstanding: 1 };
    for way in [way(1, 2_000), way(10, 2_000), way(100, 2_000), way(1_000, 200)] {
        run(lab, &house, &core, &way);
        // 54 bytes of header, 84 of the settlement, 24 of each transfer.
        device::measure(lab, &name(&way), 138 + 24 * way.group);
    }
    run(lab, &house, &core, &Way { hot: true, ..way(100, 2_000) });
    run(lab, &house, &core, &Way { outstanding: 4, ..way(100, 4_000) });
    running.stop();
}

fn name(way: &Way) -> String {
    let kind = if way.hot { "hot" } else { "uniform" };
    let outstanding = if way.outstanding > 1 { "-4-outstanding" } else { "" };
    format!("ledger-transfers/{}-{kind}{outstanding}", way.group)
}

fn run(lab: &Lab, house: &House, core: &Core, way: &Way) {
    let (name, accounts) = (name(way), house.size.accounts);
    let rounds: Vec<_> = (0..ROUNDS).map(|_| settlements(way, accounts)).collect();
    let watch = Watch::begin();
    let (mut took, mut rates) = (Vec::new(), Vec::new());
    for round in rounds {
        let begun = Instant::now();
        ask(core, round, way.outstanding, &mut took);
        rates.push((way.groups * way.group) as f64 / begun.elapsed().as_secs_f64());
    }
    let conditions = format!(
        "groups of {}, {} outstanding, {accounts} accounts, {} x {ROUNDS} groups; each answered after its journal entry is flushed (SQLite, synchronous=FULL); without views and snapshots",
        way.group, way.outstanding, way.groups
    );
    lab.figure(&watch, &name, (median(rates), "transfers/s"), &conditions);
    let transfers = way.groups * way.group * ROUNDS;
    lab.processor(&watch, &name, transfers, "processor time of one transfer, all threads");
    lab.latencies(&watch, &name, &mut took, &conditions);
}

/// Keeps `outstanding` settlements under way and notes how long each took.
fn ask(
    core: &Core,
    settlements: Vec<Authenticated<Settlement>>,
    outstanding: usize,
    took: &mut Vec<Duration>,
) {
    let mut waiting = std::collections::VecDeque::new();
    for asked in settlements {
        let command = Command::SettleTransfers { asked };
        let begun = Instant::now();
        waiting.push_back((begun, core.execute(command, |_, outcome| outcome)));
        if waiting.len() >= outstanding
            && let Some((begun, pending)) = waiting.pop_front()
        {
            pending.wait().expect("the core runs").expect("nothing refuses it");
            took.push(begun.elapsed());
        }
    }
    for (begun, pending) in waiting {
        pending.wait().expect("the core runs").expect("nothing refuses it");
        took.push(begun.elapsed());
    }
}

fn settlements(way: &Way, accounts: u64) -> Vec<Authenticated<Settlement>> {
    let mut door = Door::new();
    let key = people::service_key();
    let seed: [u8; 8] = strongroom::clock::random().expect("randomness");
    let mut numbers = Numbers(u64::from_le_bytes(seed));
    let mut made = Vec::with_capacity(way.groups);
    for _ in 0..way.groups {
        let id = strongroom::clock::random().expect("randomness");
        let transfers = (0..way.group).map(|number| transfer(&mut numbers, way, accounts, number));
        let settlement = Settlement { id, transfers: transfers.collect() };
        made.push(door.recognise(&key, Principal::Service, Scope::Settle, || settlement));
    }
    made
}

fn transfer(numbers: &mut Numbers, way: &Way, accounts: u64, number: usize) -> CustomerTransfer {
    let one = if way.hot { HOT } else { 1 + numbers.below(accounts) };
    // Any account but the first.
    let other = (one + numbers.below(accounts - 1)) % accounts + 1;
    // The hot account pays and is paid in turn.
    let (from, to) = if number.is_multiple_of(2) { (one, other) } else { (other, one) };
    let (from, to) = (people::account(from), people::account(to));
    CustomerTransfer { from, to, amount: sats(1 + numbers.below(10)) }
}

//! `withdrawal-decisions`: from a recognised request to the durable answer, in process.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use access::Authenticated;
use custody::{Command, WithdrawalRequest};
use strongroom::core::Core;
use tokio::task::LocalSet;

use crate::{
    house::{House, Size},
    load::Watch,
    people,
    report::{Lab, median},
};

const ROUNDS: usize = 3;
/// Callers, and requests in each round.
const WAYS: [(usize, usize); 4] = [(1, 2_000), (10, 10_000), (100, 40_000), (1_000, 60_000)];

pub fn measure(lab: &mut Lab) {
    let house = lab.million();
    let running = house.open().run_alone();
    for (callers, requests) in WAYS {
        run(lab, &house, &running.core(), callers, requests, "");
    }
    running.stop();
    let house = House::build(&lab.path("decisions-small"), Size::SMALL);
    let (running, _replica) = house.open().run(&house.options).expect("views can be made");
    run(lab, &house, &running.core(), 1_000, 40_000, "-with-replica");
    running.stop();
}

fn run(lab: &Lab, house: &House, core: &Core, callers: usize, requests: usize, suffix: &str) {
    let rounds: Vec<_> =
        (0..ROUNDS).map(|_| people::withdrawals(requests, house.size.keyed)).collect();
    let watch = Watch::begin();
    let (mut took, mut rates) = (Vec::new(), Vec::new());
    for round in rounds {
        let begun = Instant::now();
        took.extend(ask(core, round, callers));
        rates.push(requests as f64 / begun.elapsed().as_secs_f64());
    }
    let name = format!("withdrawal-decisions/{callers}{suffix}");
    let views = if suffix.is_empty() { "without" } else { "with" };
    let conditions = format!(
        "{callers} callers in a closed loop, {} accounts, {requests} x {ROUNDS} customer-signed requests, signatures checked before; each answered after its journal entry is flushed, those that wait together in one append; {views} views and snapshots",
        house.size.accounts
    );
    lab.figure(&watch, &name, (median(rates), "decisions/s"), &conditions);
    let what = "processor time of one decision, all threads, callers included";
    lab.processor(&watch, &name, requests * ROUNDS, what);
    lab.latencies(&watch, &name, &mut took, &conditions);
}

/// Has `callers` tasks on one thread ask one after the other.
fn ask(
    core: &Core,
    requests: Vec<Authenticated<WithdrawalRequest>>,
    callers: usize,
) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let took = Rc::new(RefCell::new(Vec::with_capacity(requests.len())));
    let requests = Rc::new(RefCell::new(requests.into_iter()));
    let tasks = LocalSet::new();
    for _ in 0..callers {
        let (core, requests, took) = (core.clone(), Rc::clone(&requests), Rc::clone(&took));
        tasks.spawn_local(async move {
            loop {
                let Some(asked) = requests.borrow_mut().next() else { return };
                let command = Command::RequestWithdrawal { asked };
                let begun = Instant::now();
                let pending = core.execute(command, |_, outcome| outcome);
                pending.answer().await.expect("the core runs").expect("nothing refuses it");
                took.borrow_mut().push(begun.elapsed());
            }
        });
    }
    runtime.block_on(tasks);
    took.take()
}

//! `replay`: a journal without a snapshot, read, checked, decoded and applied; and its parts.

use std::{ops::ControlFlow, time::Instant};

use custody::{
    Custody, Event,
    event::{
        AccountOpened, AddressAssigned, CustomerTransfer, RefusalRecorded, WithdrawalCancelled,
        WithdrawalRequested,
    },
    withdrawal::Verdict,
};
use primitives::{Seconds, WithdrawalId};
use store::{Entry, Journal, Opening, Position, SqliteJournal};

use crate::{
    chain::{taproot, transaction},
    house::{House, IDENTITY, Past, Size, sats},
    load::Watch,
    people,
    report::{Lab, median},
};

const ROUNDS: usize = 3;
/// Rounds of [`live`]: 40 events each and some blocks.
const DAYS: usize = 10_000;
const CONDITIONS: &str = "no snapshot; 10 of 40 events withdrawals asked, 2 cancelled, 20 settlements of 10 transfers, 2 refusals, 3 accounts, 3 addresses; a block with 20 deposits every 400 events";

pub fn measure(lab: &mut Lab) {
    let house = history(lab);
    let watch = Watch::begin();
    let mut rates = Vec::new();
    let mut events = 0;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let opened = house.open();
        let seconds = begun.elapsed().as_secs_f64();
        events = opened.state().seq();
        rates.push(events as f64 / seconds);
    }
    let conditions = format!("{events} events, page cache warm, {CONDITIONS}");
    lab.figure(&watch, "replay/open", (median(rates), "events/s"), &conditions);
    let what = "processor time of one event";
    lab.processor(&watch, "replay/open", events as usize * ROUNDS, what);
    parts(lab, &house);
}

/// What the steps of an open take, each alone.
fn parts(lab: &Lab, house: &House) {
    let watch = Watch::begin();
    let begun = Instant::now();
    let opening = Opening {
        path: house.options.journal(),
        identity: IDENTITY,
        position: Some(Position::start(&IDENTITY)),
        witnessed: None,
    };
    let journal = SqliteJournal::open(&opening).expect("a whole journal");
    let per_event =
        |begun: Instant| (begun.elapsed().as_secs_f64() * 1e9 / journal.size() as f64, "ns/event");
    let what = "every entry read, its hash and the tree's computed";
    lab.figure(&watch, "replay/part-check", per_event(begun), what);
    let mut entries: Vec<Entry> = Vec::new();
    let begun = Instant::now();
    let mut keep = |entry| {
        entries.push(entry);
        ControlFlow::Continue(())
    };
    journal.read(1, &mut keep).expect("a whole journal");
    let what = "every entry read again and its hash compared";
    lab.figure(&watch, "replay/part-read", per_event(begun), what);
    let begun = Instant::now();
    let decode = |entry: &Entry| {
        let record = &entry.record;
        (record.at, Event::decode(record.kind, record.version, &record.body).expect("known"))
    };
    let events: Vec<_> = entries.iter().map(decode).collect();
    lab.figure(&watch, "replay/part-decode", per_event(begun), "bytes to events");
    let begun = Instant::now();
    let mut state = Custody::default();
    for (at, event) in &events {
        state.apply(*at, event).expect("it can follow");
    }
    lab.figure(&watch, "replay/part-apply", per_event(begun), "events to state");
}

/// A house that has lived for some hours.
fn history(lab: &Lab) -> House {
    let mut past = Past::begin(&lab.path("replay"));
    past.settle_in(Size::SMALL);
    past.endow();
    for day in 0..DAYS {
        live(&mut past);
        if day.is_multiple_of(10) {
            deposits(&mut past);
        }
    }
    past.end(false)
}

fn live(past: &mut Past) {
    past.at = past.at.saturating_add(Seconds(1));
    let mut last = None;
    for _ in 0..10 {
        last = Some(withdraw(past));
        for _ in 0..2 {
            let one = |past: &mut Past| 2 + past.numbers.below(Size::SMALL.accounts - 2);
            let transfers = (0..10).filter_map(|_| {
                let (from, to) = (people::account(one(past)), people::account(one(past)));
                (from != to).then_some(CustomerTransfer { from, to, amount: sats(10) })
            });
            let transfers = transfers.collect();
            past.settled(transfers);
        }
    }
    for _ in 0..2 {
        let (command, rule) = ("request-withdrawal".to_owned(), "funds-insufficient".to_owned());
        past.event(RefusalRecorded { key: None, command, rule });
        let withdrawal = last.take().unwrap_or_else(|| withdraw(past));
        past.event(WithdrawalCancelled { withdrawal });
    }
    for _ in 0..3 {
        let account = people::account(past.state.accounts() as u64 + 1);
        past.event(AccountOpened { account, idempotency: None });
        let (index, lookahead) = (past.state.next_address(), taproot(&past.numbers.bytes()));
        past.event(AddressAssigned { account, index, lookahead, idempotency: None });
    }
}

fn withdraw(past: &mut Past) -> WithdrawalId {
    let number = 2 + past.numbers.below(Size::SMALL.keyed - 2);
    let key = people::key_id(&people::customer_key(number));
    let [nonce, ..] = *past.numbers.bytes().as_chunks::<16>().0 else {
        panic!("32 bytes are two times 16")
    };
    let mut intent = people::intent(people::account(number), nonce);
    intent.not_after = past.at.saturating_add(Seconds(24 * 3600)).to_seconds();
    let id = intent.withdrawal_id().expect("a good intent");
    past.event(WithdrawalRequested {
        intent: intent.encode().expect("a good intent"),
        key: Some(key),
        // Replay checks no signature: it was checked before the event was made.
        signature: Some([7; 64]),
        verdict: Verdict::Allow { releases_at: past.at.saturating_add(Seconds(3600)) },
    });
    id
}

fn deposits(past: &mut Past) {
    let mut txdata = Vec::new();
    for _ in 0..20 {
        let index = past.numbers.below(Size::SMALL.accounts) as u32;
        let script = past.state.address(index).expect("it was assigned").script.clone();
        txdata.push(transaction(&mut past.numbers, 2, vec![(script, 1_000_000)]));
    }
    past.block(txdata);
}

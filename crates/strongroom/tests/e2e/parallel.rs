//! Many ask at once.

use std::thread;

use serde_json::Value;
use strongroom::{
    client::{Ask, Caller, Client, ClientFault},
    house::Customer,
};

use crate::support::{Stage, chain::sats, number, refusal, story::account, text};

/// Asks for all of them at the same time, each over a connection of its own.
fn all_at_once(
    stage: &Stage,
    customer: &Customer,
    asks: &[Ask],
) -> Vec<Result<Value, ClientFault>> {
    thread::scope(|scope| {
        let asking: Vec<_> = asks
            .iter()
            .map(|ask| {
                let client = Client::new(&stage.url(), Caller::Key(customer.key.clone()));
                scope.spawn(move || client.withdraw(ask))
            })
            .collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    })
}

#[test]
fn of_sixty_four_withdrawals_at_once_a_balance_for_one_allows_one() {
    let stage = Stage::new();
    let alice = stage.customer_with("alice", 100_000_000);
    let to = stage.node.fresh_address().unwrap();
    let asks: Vec<_> = (0..64).map(|_| stage.ask(&alice, &to, sats(90_000_000)).unwrap()).collect();
    let (accepted, refused): (Vec<_>, Vec<_>) =
        all_at_once(&stage, &alice, &asks).into_iter().partition(Result::is_ok);
    assert_eq!(accepted.len(), 1);
    let codes: Vec<_> = refused.into_iter().map(refusal).collect();
    assert_eq!(codes, vec!["funds-insufficient"; 63]);
    let after = account(&alice);
    assert_eq!(number(&after, "held_sat"), 90_002_000, "{after:#}");
    let id = text(accepted[0].as_ref().unwrap(), "id");
    stage.settle(&alice, &id);
    assert_eq!(stage.paid_by_script()[&to.script_pubkey()], [90_000_000]);
    stage.finish();
}

#[test]
fn one_intent_asked_sixty_four_times_at_once_is_one_withdrawal() {
    let stage = Stage::new();
    let alice = stage.customer_with("alice", 100_000_000);
    let to = stage.node.fresh_address().unwrap();
    let ask = stage.ask(&alice, &to, sats(1_000_000)).unwrap();
    let asks = vec![ask.clone(); 64];
    let ids: Vec<_> = all_at_once(&stage, &alice, &asks)
        .into_iter()
        .map(|answer| text(&answer.unwrap(), "id"))
        .collect();
    assert_eq!(ids, vec![ids[0].clone(); 64]);
    assert_eq!(number(&account(&alice), "held_sat"), 1_002_000);
    stage.settle(&alice, &ids[0]);
    // For ever: also once it is paid.
    let again = alice.client.withdraw(&ask).unwrap();
    assert_eq!((text(&again, "id"), text(&again, "status")), (ids[0].clone(), "settled".into()));
    assert_eq!(stage.paid_by_script()[&to.script_pubkey()], [1_000_000]);
    let listed = alice.client.get("/v1/withdrawals").unwrap();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed:#}");
    stage.finish();
}

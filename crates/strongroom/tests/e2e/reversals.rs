//! Credited deposits that a reorg takes back for good.

use primitives::BlockHash;
use serde_json::Value;

use crate::support::{
    Stage,
    chain::sats,
    number,
    story::{account, output_to},
};
use bitcoin::Transaction;

/// Replaces the chain from `first` on: its first block carries `conflict` and nothing else.
fn replace(stage: &Stage, first: BlockHash, conflict: &Transaction, blocks: u32) {
    stage.node.invalidate_block(first).unwrap();
    let miner = stage.node.fresh_address().unwrap();
    stage.node.generate_block(&miner, std::slice::from_ref(conflict)).unwrap();
    stage.node.mine(blocks).unwrap();
    stage.at_tip();
}

#[test]
fn a_poorer_chain_releases_nothing_also_after_a_restart_until_it_is_the_heavier_one() {
    let mut stage = Stage::new();
    let alice = stage.customer_with("alice", 100_000_000);
    let mined = stage.node.mine(4).unwrap();
    stage.at_tip();
    stage.node.invalidate_block(mined[1]).unwrap();
    stage.at_tip();
    stage.not_ready("less-work");
    let (id, _) = stage.withdraw(&alice, 10_000_000);
    stage.outwait(&alice, &id);
    // The follower of the new life has seen only the poorer chain; the core remembers.
    stage.kill_server();
    stage.start_server().unwrap();
    stage.not_ready("less-work");
    stage.outwait(&alice, &id);
    assert!(stage.mempool().is_empty());
    stage.node.mine(2).unwrap();
    stage.at_tip();
    stage.not_ready("less-work");
    stage.node.mine(1).unwrap();
    stage.wait_until_ready().unwrap();
    stage.settle(&alice, &id);
    stage.finish();
}

#[test]
fn a_double_spent_deposit_is_taken_from_a_customer_who_still_has_it() {
    let stage = Stage::new();
    let alice = stage.customer_with("alice", 30_000_000);
    let (pays, conflict) = stage.double_spend(&alice.address, 100_000_000);
    stage.send(&pays);
    let coin = output_to(&pays, &alice.address);
    let mined = stage.node.mine(3).unwrap();
    stage.deposit(&alice, coin, "credited");
    assert_eq!(number(&account(&alice), "available_sat"), 130_000_000);

    replace(&stage, mined[0], &conflict, 3);
    stage.deposit(&alice, coin, "orphaned");
    let after = account(&alice);
    assert_eq!(number(&after, "total_sat"), 30_000_000, "{after:#}");
    assert_eq!(number(&after, "claim_sat"), 0, "{after:#}");
    assert_eq!(after["frozen"], true, "{after:#}");
    let overview = stage.balance();
    assert_eq!(number(&overview, "incidents"), 1, "{overview:#}");
    let incidents = stage.operator().get("/ops/v1/incidents").unwrap();
    let incident = &incidents["data"][0];
    assert_eq!(incident["incident"], "deposit-reversed", "{incidents:#}");
    assert_eq!(incident["account"], alice.account.to_string());
    assert_eq!(incident["outpoint"], format!("{}:{}", coin.txid, coin.vout));
    assert_eq!((number(incident, "value_sat"), number(incident, "claim_sat")), (100_000_000, 0));
    assert_eq!(number(&overview, "coins_sat"), 30_000_000, "{overview:#}");

    let thaw = format!("/ops/v1/accounts/{}/thaw", alice.account);
    stage.operator().post(&thaw, &serde_json::json!({})).unwrap();
    let (id, _) = stage.withdraw(&alice, 20_000_000);
    stage.settle(&alice, &id);
    stage.finish();
}

#[test]
fn a_double_spent_deposit_that_was_withdrawn_becomes_a_claim_that_the_next_deposit_repays() {
    let mut stage = Stage::new();
    // Coins are spent a block later than deposits are withdrawn, so that bob's coin pays.
    stage.restart_with("final_confirmations = 3", "final_confirmations = 4");
    let bob = stage.customer_with("bob", 150_000_000);
    let alice = stage.customer("alice").unwrap();
    stage.node.mine(1).unwrap();
    let (pays, conflict) = stage.double_spend(&alice.address, 100_000_000);
    stage.send(&pays);
    let coin = output_to(&pays, &alice.address);
    let mined = stage.node.mine(3).unwrap();
    stage.deposit(&alice, coin, "credited");
    let (id, to) = stage.withdraw(&alice, 90_000_000);
    stage.reaches(&alice, &id, "broadcast");
    stage.node.mine(1).unwrap();
    stage.reaches(&alice, &id, "confirmed");

    replace(&stage, mined[0], &conflict, 4);
    stage.deposit(&alice, coin, "orphaned");
    stage.reaches(&alice, &id, "settled");
    assert_eq!(stage.paid_by_script()[&to.script_pubkey()], [90_000_000]);
    let after = account(&alice);
    assert_eq!(number(&after, "total_sat"), 0, "{after:#}");
    assert_eq!(number(&after, "claim_sat"), 90_002_000, "{after:#}");
    let overview = stage.balance();
    assert_eq!(number(&overview["books"], "claim"), 90_002_000, "{overview:#}");
    let seen = stage.operator().get(&format!("/ops/v1/accounts/{}", alice.account)).unwrap();
    assert_eq!(number(&seen, "claim_sat"), 90_002_000, "{seen:#}");
    assert_eq!(number(&account(&bob), "available_sat"), 150_000_000);
    stage.balance();

    stage.node.send_to(&alice.address, sats(100_000_000)).unwrap();
    stage.node.mine(4).unwrap();
    let repaid = stage.wait_account(&alice, "the claim to be repaid", |account| {
        number(account, "claim_sat") == 0
    });
    assert_eq!(number(&repaid, "available_sat"), 9_998_000, "{repaid:#}");
    stage.finish();
}

#[test]
fn a_batch_that_spends_a_double_spent_deposit_pays_nobody_and_owes_nothing() {
    let stage = Stage::new();
    let alice = stage.customer("alice").unwrap();
    let (pays, conflict) = stage.double_spend(&alice.address, 100_000_000);
    stage.send(&pays);
    let coin = output_to(&pays, &alice.address);
    let mined = stage.node.mine(3).unwrap();
    stage.deposit(&alice, coin, "credited");
    // The only coin of the house is the one that goes.
    let (id, to) = stage.withdraw(&alice, 90_000_000);
    stage.reaches(&alice, &id, "broadcast");
    stage.node.mine(1).unwrap();
    stage.reaches(&alice, &id, "confirmed");

    replace(&stage, mined[0], &conflict, 3);
    stage.deposit(&alice, coin, "orphaned");
    // The conflict gets final, and with it the end of the batch and of the withdrawal.
    stage.node.mine(4).unwrap();
    stage.reaches(&alice, &id, "failed");
    let after = account(&alice);
    assert!(!stage.paid_by_script().contains_key(&to.script_pubkey()));
    assert_eq!(number(&after, "total_sat"), number(&after, "claim_sat"), "{after:#}");
    assert_eq!(after["frozen"], true, "{after:#}");

    // A thaw must not let the customer take what they owe.
    let thaw = format!("/ops/v1/accounts/{}/thaw", alice.account);
    stage.operator().post(&thaw, &serde_json::json!({})).unwrap();
    let bob = stage.customer_with("bob", 150_000_000);
    let ask = stage.ask(&alice, &to, sats(50_000_000)).unwrap();
    assert_eq!(crate::support::refusal(alice.client.withdraw(&ask)), "funds-insufficient");
    assert_eq!(number(&account(&bob), "available_sat"), 150_000_000);
    stage.finish();
}

#[test]
fn a_deep_reorg_stops_releases_until_a_person_resumes_them() {
    let stage = Stage::new();
    let alice = stage.customer_with("alice", 100_000_000);
    let mined = stage.node.mine(6).unwrap();
    stage.at_tip();
    stage.node.invalidate_block(mined[0]).unwrap();
    stage.node.mine(7).unwrap();
    stage.at_tip();
    stage.not_ready("releases-stopped: deep-reorg");
    let incidents = stage.operator().get("/ops/v1/incidents?limit=1").unwrap();
    assert_eq!(incidents["data"][0]["incident"], "deep-reorg", "{incidents:#}");
    assert_eq!(incidents["data"][0]["depth_blocks"], 6, "{incidents:#}");
    assert_eq!(incidents["next_cursor"], Value::Null, "there is no other");
    assert_eq!(number(&account(&alice), "available_sat"), 100_000_000, "reads go on");
    let (id, _) = stage.withdraw(&alice, 10_000_000);
    stage.outwait(&alice, &id);
    assert!(stage.mempool().is_empty());
    let nothing = serde_json::json!({});
    stage.operator().post("/ops/v1/releases/deep-reorg/resume", &nothing).unwrap();
    stage.wait_until_ready().unwrap();
    stage.settle(&alice, &id);
    stage.finish();
}

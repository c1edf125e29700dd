//! The signer's limit holds, visibly, and what does not fit holds up nobody.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::support::{Stage, chain::sats, number, text};

#[test]
fn what_the_outer_bucket_does_not_hold_waits_and_smaller_payouts_go() {
    let stage = Stage::new();
    let alice = stage.customer_with("alice", 1_000_000_000);
    for _ in 0..2 {
        let (id, _) = stage.withdraw(&alice, 190_000_000);
        stage.settle(&alice, &id);
    }
    // 5 BTC less two times 1.9 leave 1.2.
    let (large, _) = stage.withdraw(&alice, 190_000_000);
    stage.not_ready("coins-insufficient");
    let (small, to) = stage.withdraw(&alice, 50_000_000);
    stage.settle(&alice, &small);
    assert_eq!(stage.paid_by_script()[&to.script_pubkey()], [50_000_000]);
    stage.not_ready("coins-insufficient");
    stage.outwait(&alice, &large);
    let overview = stage.balance();
    let outer = &overview["signer"]["buckets"][0];
    assert!(number(outer, "left_sat") < 80_000_000, "{overview:#}");
    let account = crate::support::story::account(&alice);
    assert_eq!(number(&account, "held_sat"), 190_002_000, "it still waits: {account:#}");
    let cancel = format!("/v1/withdrawals/{large}/cancel");
    let cancelled = alice.client.post(&cancel, &json!({})).unwrap();
    assert_eq!(text(&cancelled, "status"), "cancelled");
    stage.wait_until_ready().unwrap();
    stage.finish();
}

#[test]
fn what_the_signer_refuses_as_server_vouched_waits_and_smaller_payouts_go() {
    let stage = Stage::new();
    let alice = stage.customer_with("alice", 1_000_000_000);
    let to = stage.node.fresh_address().unwrap();
    // Without a signature over the intent there is only the server's word: 1.25 BTC in all.
    let ask = stage.ask(&alice, &to, sats(150_000_000)).unwrap();
    let body = json!({ "intent": STANDARD.encode(ask.intent().encode().unwrap()) });
    let large = alice.client.post("/v1/withdrawals", &body).unwrap();
    assert_eq!(text(&large, "evidence_class"), "server-vouched");
    let large = text(&large, "id");
    stage.reaches(&alice, &large, "batched");
    stage.not_ready("signer-class-tranche");
    let (small, small_to) = stage.withdraw(&alice, 140_000_000);
    stage.reaches(&alice, &small, "broadcast");
    stage.node.mine(3).unwrap();
    stage.reaches(&alice, &small, "settled");
    let (third, _) = stage.withdraw(&alice, 10_000_000);
    stage.settle(&alice, &third);
    assert_eq!(stage.paid_by_script()[&small_to.script_pubkey()], [140_000_000]);
    assert!(!stage.paid_by_script().contains_key(&to.script_pubkey()));
    let seen = alice.client.get(&format!("/v1/withdrawals/{large}")).unwrap();
    assert!(["queued", "batched"].contains(&seen["status"].as_str().unwrap()), "{seen:#}");
    stage.finish();
}

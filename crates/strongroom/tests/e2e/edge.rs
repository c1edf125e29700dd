//! Everything that the edge refuses, each by its own name, over real HTTP.

use ed25519_dalek::SigningKey;
use primitives::{Seconds, Timestamp};
use serde_json::json;
use strongroom::{
    client::{Caller, Client, key_id, new_key},
    clock,
};

use crate::support::{
    Stage,
    chain::sats,
    raw::{Asked, Raw, Times, fresh_nonce},
    refusal, text,
};

/// A header of `raw`, to be changed.
fn header<'a>(raw: &'a mut Raw, name: &str) -> &'a mut String {
    raw.headers.iter_mut().find(|(found, _)| found == name).map(|(_, value)| value).unwrap()
}

#[test]
fn a_request_that_is_not_signed_as_it_should_be_is_refused_by_name() {
    let stage = Stage::new();
    let alice = stage.customer("alice").unwrap();
    let key = &alice.key;
    let look = Asked::get("/v1/account");

    let request = stage.sign(key, &look);
    assert_eq!(request.send().0, 200);
    request.refused(401, "request-nonce-reused");

    let mut altered = stage.sign(key, &Asked::post("/v1/withdrawals", b"{}"));
    altered.body = b"{ }".to_vec();
    altered.refused(401, "request-body-altered");
    let mut elsewhere = stage.sign(key, &look);
    elsewhere.target = "/v1/deposits".to_owned();
    elsewhere.refused(401, "request-signature-wrong");
    let mut query = stage.sign(key, &Asked::get("/v1/deposits?limit=1"));
    query.target = "/v1/deposits?limit=2".to_owned();
    query.refused(401, "request-signature-wrong");
    let mut once = stage.sign(key, &Asked::post("/v1/deposit-addresses", b"").once("a"));
    *header(&mut once, "idempotency-key") = "b".to_owned();
    once.refused(401, "request-signature-wrong");
    let mut bare = stage.sign(key, &look);
    bare.headers.push(("idempotency-key".to_owned(), "slipped in".to_owned()));
    bare.refused(401, "request-component-missing");

    let mallory = new_key().unwrap();
    stage.sign(&mallory, &look).refused(401, "request-key-unknown");
    let mut forged = stage.sign(&mallory, &look);
    let input = header(&mut forged, "signature-input");
    *input = input.replace(&key_id(&mallory).to_string(), &key_id(key).to_string());
    forged.refused(401, "request-signature-wrong");

    stage.unsigned(&look).refused(401, "request-signature-missing");
    let mut host = stage.sign(key, &look);
    host.headers.push(("host".to_owned(), "exchange.example".to_owned()));
    host.refused(401, "request-authority-wrong");
    stage.finish();
}

#[test]
fn a_nonce_is_of_one_key_and_good_for_one_request_whatever_is_asked() {
    let stage = Stage::new();
    let alice = stage.customer("alice").unwrap();
    let bob = stage.customer("bob").unwrap();
    let nonce = fresh_nonce();
    let look = Asked::get("/v1/account");
    assert_eq!(stage.sign_once(&alice.key, &look, &nonce).send().0, 200);
    for other in [
        Asked::get("/v1/deposits"),
        Asked::get("/v1/account?x=1"),
        Asked::post("/v1/withdrawals", b"{}"),
        Asked::post("/v1/deposit-addresses", b"").once("a"),
    ] {
        stage.sign_once(&alice.key, &other, &nonce).refused(401, "request-nonce-reused");
    }
    assert_eq!(stage.sign_once(&bob.key, &look, &nonce).send().0, 200);
    stage.finish();
}

#[test]
fn a_request_outside_its_time_is_refused_by_name() {
    let mut stage = Stage::new();
    let alice = stage.customer("alice").unwrap();
    let look = Asked::get("/v1/account");
    let now = clock::now();
    let before = |seconds| Timestamp::parse_seconds(now.to_seconds() - seconds).unwrap();
    let past = Times { created: before(3), expires: before(1) };
    stage.sign_at(&alice.key, &look, past).refused(401, "request-expired");
    let future = Times::from(now.saturating_add(Seconds(30)));
    stage.sign_at(&alice.key, &look, future).refused(401, "request-clock-skew");
    let long = Times { created: now, expires: now.saturating_add(Seconds(3600)) };
    stage.sign_at(&alice.key, &look, long).refused(401, "request-lifetime-too-long");

    // Used before the kill or not: after it nobody can know.
    let used = stage.sign(&alice.key, &look);
    assert_eq!(used.send().0, 200);
    let unused = stage.sign(&alice.key, &look);
    stage.kill_server();
    stage.start_server().unwrap();
    used.refused(401, "request-created-before-start");
    unused.refused(401, "request-created-before-start");
    assert_eq!(crate::support::story::account(&alice)["total_sat"], 0, "a new one is served");
    stage.finish();
}

/// A customer's second key, with these scopes.
fn more_keys(stage: &Stage, account: &str, scopes: &[&str]) -> SigningKey {
    let key = new_key().unwrap();
    let body = json!({ "key": key_id(&key).to_string(), "account": account, "scopes": scopes });
    stage.operator().post("/ops/v1/keys", &body).unwrap();
    key
}

#[test]
fn a_key_does_what_its_scopes_say_until_it_is_revoked() {
    let stage = Stage::new();
    let alice = stage.customer_with("alice", 100_000_000);
    let bob = stage.customer("bob").unwrap();
    let reader = more_keys(&stage, &alice.account.to_string(), &["read"]);
    assert_eq!(stage.sign(&reader, &Asked::get("/v1/account")).send().0, 200);
    let ask = Asked::post("/v1/withdrawals", b"{}");
    stage.sign(&reader, &ask).refused(403, "request-scope-missing");
    let settle = Asked::post("/v1/settlements", b"{}");
    stage.sign(&alice.key, &settle).refused(403, "request-scope-missing");
    let service = stage.trading_service().unwrap();
    assert_eq!(refusal(service.get("/v1/account")), "not-a-customer");

    // Another customer's things are no things.
    let (id, to) = stage.withdraw(&alice, 10_000_000);
    let path = format!("/v1/withdrawals/{id}");
    stage.sign(&bob.key, &Asked::get(&path)).refused(404, "withdrawal-unknown");
    let cancel = format!("{path}/cancel");
    stage.sign(&bob.key, &Asked::post(&cancel, b"")).refused(404, "withdrawal-unknown");
    let deposit = text(&crate::support::story::deposits(&alice)[0], "id");
    let deposit = format!("/v1/deposits/{deposit}");
    assert_eq!(stage.sign(&alice.key, &Asked::get(&deposit)).send().0, 200);
    stage.sign(&bob.key, &Asked::get(&deposit)).refused(404, "deposit-unknown");
    let theirs = stage.ask(&alice, &to, sats(1_000_000)).unwrap();
    assert_eq!(refusal(bob.client.withdraw(&theirs)), "not-your-account");

    let revoke = format!("/ops/v1/keys/{}/revoke", key_id(&reader));
    stage.operator().post(&revoke, &json!({})).unwrap();
    let after = stage.sign(&reader, &Asked::get("/v1/account"));
    after.refused(401, "request-key-revoked");
    let again = json!({ "key": key_id(&reader).to_string(), "account": alice.account.to_string(),
        "scopes": ["read"] });
    assert_eq!(refusal(stage.operator().post("/ops/v1/keys", &again)), "key-known");
    stage.settle(&alice, &id);
    stage.finish();
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let stage = Stage::new();
    let alice = stage.customer("alice").unwrap();
    let key = &alice.key;
    let sign = |asked: Asked<'_>| stage.sign(key, &asked);
    let large = vec![b' '; 17 << 10];
    sign(Asked::post("/v1/withdrawals", &large)).refused(413, "body-too-large");
    for body in ["", "{", "[]", "{\"intent\":1}", "{\"intent\":\"\",\"more\":1}", "nonsense"] {
        let asked = Asked::post("/v1/withdrawals", body.as_bytes());
        sign(asked).refused(422, "request-unreadable");
    }
    let asked = Asked::post("/v1/withdrawals", b"{\"intent\":\"AAAA\"}");
    sign(asked).refused(422, "intent-unreadable");
    sign(Asked::get("/v1/withdrawals/wd_1")).refused(404, "withdrawal-unknown");
    sign(Asked::get("/v1/deposits/dep_1")).refused(404, "deposit-unknown");
    for path in ["/", "/v1", "/v1/nothing", "/ops/v1/keys/x/y", "/v2/account"] {
        stage.unsigned(&Asked::get(path)).refused(404, "path-unknown");
    }
    for (method, path) in [("DELETE", "/v1/account"), ("POST", "/ops/v1/overview")] {
        let asked = Asked { method, ..Asked::post(path, b"{}") };
        stage.unsigned(&asked).refused(405, "method-not-allowed");
    }
    // Ids that are no text at all.
    sign(Asked::get("/v1/withdrawals/%FF%FE")).refused(422, "request-unreadable");

    sign(Asked::post("/v1/deposit-addresses", b"")).refused(428, "idempotency-key-missing");
    let first = sign(Asked::post("/v1/deposit-addresses", b"").once("again")).send();
    assert_eq!(first.0, 201, "{first:?}");
    let second = sign(Asked::post("/v1/deposit-addresses", b"").once("again")).send();
    assert_eq!(first.1["address"], second.1["address"]);
    let other = Asked::post("/v1/deposit-addresses", b"{}").once("again");
    sign(other).refused(422, "idempotency-key-reused");
    let long = "k".repeat(256);
    sign(Asked::post("/v1/deposit-addresses", b"").once(&long)).refused(422, "request-unreadable");
    stage.finish();
}

#[test]
fn an_operator_without_the_token_is_nobody() {
    let stage = Stage::new();
    let paths = ["/ops/v1/accounts", "/ops/v1/releases/operator/stop", "/ops/v1/keys"];
    for path in paths {
        stage.unsigned(&Asked::post(path, b"{}")).refused(401, "operator-unknown");
    }
    stage.unsigned(&Asked::get("/ops/v1/overview")).refused(401, "operator-unknown");
    let stranger = Client::new(&stage.url(), Caller::Operator("0".repeat(64)));
    assert_eq!(refusal(stranger.get("/ops/v1/overview")), "operator-unknown");
    let operator = stage.operator();
    assert_eq!(refusal(operator.post("/ops/v1/accounts", &json!({}))), "idempotency-key-missing");
    let freeze = operator.post("/ops/v1/accounts/acct_nobody/freeze", &json!({}));
    assert_eq!(refusal(freeze), "account-unknown");
    let key = key_id(&new_key().unwrap()).to_string();
    let wrong = json!({ "key": key, "scopes": ["everything"] });
    assert_eq!(refusal(operator.post("/ops/v1/keys", &wrong)), "request-unreadable");
    let revoke = operator.post(&format!("/ops/v1/keys/{key}/revoke"), &json!({}));
    assert_eq!(refusal(revoke), "key-unknown");
    stage.finish();
}

#[test]
fn an_intent_that_cannot_be_paid_is_refused_by_name() {
    let stage = Stage::new();
    let alice = stage.customer_with("alice", 100_000_000);
    let to = stage.node.fresh_address().unwrap();
    let good = stage.ask(&alice, &to, sats(10_000_000)).unwrap();
    let refuse = |change: &dyn Fn(&mut strongroom::client::Ask), code: &str| {
        let mut ask = good.clone();
        change(&mut ask);
        assert_eq!(refusal(alice.client.withdraw(&ask)), code);
    };
    refuse(&|ask| ask.deployment = primitives::DeploymentId([7; 32]), "intent-elsewhere");
    refuse(&|ask| ask.network = primitives::Network::Mainnet, "intent-elsewhere");
    refuse(&|ask| ask.not_after = clock::now().to_seconds() - 1, "intent-expired");
    refuse(&|ask| ask.not_after = clock::now().to_seconds() + 80 * 3600, "intent-too-long");
    refuse(&|ask| ask.amount = sats(1), "amount-below-minimum");
    refuse(&|ask| ask.fee = sats(1), "fee-below-quote");
    refuse(&|ask| ask.fee = sats(60_000), "fee-above-maximum");
    refuse(&|ask| ask.script = vec![0x6a, 1, 1], "destination-script");
    refuse(&|ask| ask.amount = sats(100_000_000), "funds-insufficient");
    // A signature by another key than the one that asks.
    let second = more_keys(&stage, &alice.account.to_string(), &["withdraw"]);
    let signature = access::sign_intent(&second, &good.intent().hash().unwrap());
    let encode =
        |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let body = json!({ "intent": encode(&good.intent().encode().unwrap()),
        "intent_signature": encode(&signature) });
    let asked = alice.client.post("/v1/withdrawals", &body);
    assert_eq!(refusal(asked), "intent-signature");
    let account = crate::support::story::account(&alice);
    assert_eq!(account["held_sat"], 0, "{account:#}");
    stage.finish();
}

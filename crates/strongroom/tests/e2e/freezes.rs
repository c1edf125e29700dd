//! A freeze holds what has not left the house, wherever it is.

use serde_json::json;
use strongroom::house::{Customer, wait_for};

use crate::support::{Stage, story};

impl Stage {
    fn order_account(&self, customer: &Customer, order: &str) {
        let path = format!("/ops/v1/accounts/{}/{order}", customer.account);
        self.operator().post(&path, &json!({})).unwrap();
    }
}

#[test]
fn a_signed_payout_of_a_frozen_account_stays_until_the_thaw_and_holds_up_nobody() {
    let mut stage = Stage::new();
    // A round signs, and the next one sends: in between there is time to freeze.
    stage.restart_with("round_millis = 100", "round_millis = 4000");
    let alice = stage.customer_with("alice", 100_000_000);
    let bob = stage.customer_with("bob", 100_000_000);
    let (id, to) = stage.withdraw(&alice, 90_000_000);
    stage.reaches(&alice, &id, "signed");
    stage.order_account(&alice, "freeze");
    let seen = alice.client.get(&format!("/v1/withdrawals/{id}")).unwrap();
    assert_eq!(seen["status"], "signed", "frozen in time: {seen:#}");
    assert_eq!(story::account(&alice)["frozen"], true);
    stage.not_ready("account-frozen");
    // Another batch goes its whole way meanwhile, which takes the worker several rounds.
    let (other, other_to) = stage.withdraw(&bob, 30_000_000);
    stage.settle(&bob, &other);
    assert_eq!(stage.paid_by_script()[&other_to.script_pubkey()], [30_000_000]);
    assert!(!stage.paid_by_script().contains_key(&to.script_pubkey()));
    assert_eq!(stage.mempool(), []);
    // Neither does a new process send it.
    stage.kill_server();
    stage.start_server().unwrap();
    stage.not_ready("account-frozen");
    assert_eq!(stage.mempool(), []);
    stage.order_account(&alice, "thaw");
    stage.settle(&alice, &id);
    assert_eq!(stage.paid_by_script()[&to.script_pubkey()], [90_000_000]);
    stage.finish();
}

#[test]
fn an_address_from_which_the_signer_would_not_spend_is_not_handed_out() {
    let mut stage = Stage::new();
    let settings = stage.dir.join("signer/signer.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let line = text.lines().find(|line| line.starts_with("external = ")).unwrap();
    std::fs::write(&settings, text.replace(line, "external = 3")).unwrap();
    stage.kill_server();
    stage.kill_signer();
    stage.start_signer().unwrap();
    stage.start_server().unwrap();
    stage.wait_until_ready().unwrap();
    let alice = stage.customer_with("alice", 50_000_000);
    for name in ["second", "third"] {
        alice.client.new_address(name).unwrap();
    }
    let refused = alice.client.new_address("fourth");
    assert_eq!(crate::support::refusal(refused), "address-gap");
    // The signer counts on from what was spent, and so does the server.
    let (id, _) = stage.withdraw(&alice, 10_000_000);
    stage.settle(&alice, &id);
    alice.client.new_address("fourth").unwrap();
    stage.finish();
}

#[test]
fn a_key_that_was_revoked_is_gone_even_if_the_operator_did_not_wait_for_the_answer() {
    use std::io::Write;
    let stage = Stage::new();
    let alice = stage.customer("alice").unwrap();
    let token = std::fs::read_to_string(stage.token_file()).unwrap();
    let url = stage.url();
    let authority = url.strip_prefix("http://").unwrap();
    for _ in 0..20 {
        let key = strongroom::client::new_key().unwrap();
        let id = strongroom::client::key_id(&key).to_string();
        let account = alice.account.to_string();
        let body = json!({ "key": id, "account": account, "scopes": ["read"] });
        stage.operator().post("/ops/v1/keys", &body).unwrap();
        let mut stream = std::net::TcpStream::connect(authority).unwrap();
        let request = format!(
            "POST /ops/v1/keys/{id}/revoke HTTP/1.1\r\nHost: {authority}\r\n\
             Authorization: Bearer {}\r\nContent-Length: 0\r\n\r\n",
            token.trim()
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Both).unwrap();
        drop(stream);
        // The order may also have been lost with the connection. Registering it again is refused
        // once it is revoked.
        let revoked = wait_for("the order to arrive", || {
            let again = stage.operator().post("/ops/v1/keys", &body);
            if again.is_ok() {
                stage.operator().post(&format!("/ops/v1/keys/{id}/revoke"), &json!({}))?;
            }
            Ok(again.is_err().then_some(()))
        });
        revoked.unwrap();
        let thief = strongroom::client::Caller::Key(key);
        let thief = strongroom::client::Client::new(&stage.url(), thief);
        assert_eq!(crate::support::refusal(thief.get("/v1/account")), "request-key-revoked");
    }
    stage.finish();
}

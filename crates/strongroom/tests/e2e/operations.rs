//! What operators do: review, freeze, stop, halt.

use std::{
    fs, io,
    process::{Command, Output},
};

use serde_json::{Value, json};
use strongroom::{
    client::{self, ClientFault},
    house::{Customer, wait_for},
};

use crate::support::{
    Stage, chain::sats, number, program, refusal, signal, story::account, strongroom, text, words,
};

impl Stage {
    fn order(&self, path: &str) -> Result<Value, ClientFault> {
        self.operator().post(path, &json!({}))
    }

    /// Ids of withdrawals in one state, as an operator sees them now.
    fn listed(&self, status: &str) -> Vec<String> {
        let seq = number(&self.operator().get("/ops/v1/overview").unwrap(), "journal_seq");
        let target = format!("/ops/v1/withdrawals?status={status}&min_seq={seq}");
        let page = self.operator().get(&target).unwrap();
        page["data"].as_array().unwrap().iter().map(|row| text(row, "id")).collect()
    }

    fn status(&self, customer: &Customer, id: &str) -> String {
        text(&customer.client.get(&format!("/v1/withdrawals/{id}")).unwrap(), "status")
    }
}

#[test]
fn large_amounts_wait_for_a_person_and_larger_ones_cool_down_first() {
    let stage = Stage::new();
    let alice = stage.customer_with("alice", 1_500_000_000);
    let review = |id: &str, word: &str| stage.order(&format!("/ops/v1/withdrawals/{id}/{word}"));

    let (approved, to) = stage.withdraw(&alice, 200_000_000);
    let (denied, _) = stage.withdraw(&alice, 250_000_000);
    let (cancelled, _) = stage.withdraw(&alice, 220_000_000);
    let (cooled, _) = stage.withdraw(&alice, 300_000_000);
    for id in [&approved, &denied, &cancelled] {
        assert_eq!(stage.status(&alice, id), "in-review");
    }
    // Whoever decides finds them without being told their ids.
    let listed = stage.listed("in-review");
    assert_eq!(listed, [&cancelled, &denied, &approved].map(Clone::clone), "newest first");
    let seen = stage.operator().get(&format!("/ops/v1/withdrawals/{denied}")).unwrap();
    assert_eq!(seen["account"], alice.account.to_string(), "{seen:#}");
    assert_eq!(number(&seen, "amount_sat"), 250_000_000, "{seen:#}");
    let unknown = stage.operator().get("/ops/v1/withdrawals/wd_0");
    assert_eq!(refusal(unknown), "withdrawal-unknown");
    for wrong in ["", "?status=", "?status=lost", "?status=queued&color=red"] {
        let answer = stage.operator().get(&format!("/ops/v1/withdrawals{wrong}"));
        assert_eq!(refusal(answer), "request-unreadable", "{wrong}");
    }
    let cooling = stage.reaches(&alice, &cooled, "cooling-down");
    assert!(cooling["releases_at"].is_string(), "{cooling:#}");
    assert_eq!(refusal(review(&cooled, "approve")), "withdrawal-state");
    assert_eq!(refusal(review("wd_0", "approve")), "withdrawal-unknown");

    let answer = review(&approved, "approve").unwrap();
    assert_eq!(text(&answer, "status"), "queued");
    assert_eq!(refusal(review(&approved, "deny")), "withdrawal-state");
    assert_eq!(text(&review(&denied, "deny").unwrap(), "status"), "rejected");
    let cancel = format!("/v1/withdrawals/{cancelled}/cancel");
    assert_eq!(text(&alice.client.post(&cancel, &json!({})).unwrap(), "status"), "cancelled");
    assert_eq!(stage.listed("in-review"), Vec::<String>::new());
    assert_eq!(stage.listed("rejected"), [denied]);
    // Asking twice is asking once.
    assert_eq!(text(&alice.client.post(&cancel, &json!({})).unwrap(), "status"), "cancelled");

    stage.reaches(&alice, &cooled, "in-review");
    let cancel = format!("/v1/withdrawals/{cooled}/cancel");
    assert_eq!(text(&alice.client.post(&cancel, &json!({})).unwrap(), "status"), "cancelled");

    stage.settle(&alice, &approved);
    assert_eq!(stage.paid_by_script()[&to.script_pubkey()], [200_000_000]);
    let cancel = format!("/v1/withdrawals/{approved}/cancel");
    assert_eq!(refusal(alice.client.post(&cancel, &json!({}))), "withdrawal-state");
    let after = account(&alice);
    assert_eq!(number(&after, "held_sat"), 0, "{after:#}");
    assert_eq!(number(&after, "available_sat"), 1_500_000_000 - 200_002_000, "{after:#}");
    stage.finish();
}

#[test]
fn a_frozen_account_lets_nothing_leave_and_a_thaw_takes_up_where_it_was() {
    let stage = Stage::new();
    let alice = stage.customer_with("alice", 100_000_000);
    let bob = stage.customer_with("bob", 100_000_000);
    let (id, _) = stage.withdraw(&alice, 10_000_000);
    stage.order(&format!("/ops/v1/accounts/{}/freeze", alice.account)).unwrap();
    assert_eq!(account(&alice)["frozen"], true);
    let to = stage.node.fresh_address().unwrap();
    let ask = stage.ask(&alice, &to, sats(1_000_000)).unwrap();
    assert_eq!(refusal(alice.client.withdraw(&ask)), "account-frozen");
    // Bob is not held up by what waits.
    let (bobs, _) = stage.withdraw(&bob, 10_000_000);
    stage.settle(&bob, &bobs);
    assert_eq!(stage.status(&alice, &id), "queued");
    let thaw = format!("/ops/v1/accounts/{}/thaw", alice.account);
    stage.order(&thaw).unwrap();
    assert_eq!(refusal(stage.order(&thaw)), "account-not-frozen");
    stage.settle(&alice, &id);
    stage.finish();
}

#[test]
fn nothing_is_signed_or_sent_while_releases_are_stopped() {
    let mut stage = Stage::new();
    let alice = stage.customer_with("alice", 100_000_000);
    assert_eq!(refusal(stage.order("/ops/v1/releases/operator/resume")), "not-stopped");
    assert_eq!(refusal(stage.order("/ops/v1/releases/nonsense/stop")), "request-unreadable");
    stage.order("/ops/v1/releases/operator/stop").unwrap();
    stage.order("/ops/v1/releases/operator/stop").unwrap();
    stage.not_ready("releases-stopped: operator");
    let (id, _) = stage.withdraw(&alice, 10_000_000);
    stage.outwait(&alice, &id);
    // A stop outlives a kill.
    stage.kill_server();
    stage.start_server().unwrap();
    stage.not_ready("releases-stopped: operator");
    stage.outwait(&alice, &id);
    assert_eq!(stage.status(&alice, &id), "queued");
    assert!(stage.mempool().is_empty());
    let overview = stage.balance();
    assert_eq!(number(&overview["signer"], "signed_transactions"), 0, "{overview:#}");
    assert_eq!(overview["stops"], json!(["operator"]));
    stage.order("/ops/v1/releases/operator/resume").unwrap();
    stage.settle(&alice, &id);
    stage.finish();
}

#[test]
fn a_halted_signer_signs_nothing_and_the_monitor_names_it() {
    let mut stage = Stage::new();
    let alice = stage.customer_with("alice", 100_000_000);
    stage.signer_admin(&["halt", "--reason", "a drill"]);
    let (id, _) = stage.withdraw(&alice, 10_000_000);
    let reasons = stage.not_ready("signer-halted");
    assert!(reasons.contains("a drill"), "{reasons}");
    stage.outwait(&alice, &id);
    // A halt outlives a kill.
    stage.kill_signer();
    stage.start_signer().unwrap();
    stage.not_ready("signer-halted");
    assert_eq!(stage.status(&alice, &id), "queued");
    assert!(stage.mempool().is_empty());
    let overview = stage.operator().get("/ops/v1/overview").unwrap();
    assert_eq!(overview["signer"]["halted"], "a drill", "{overview:#}");
    assert_eq!(number(&overview["signer"], "signed_transactions"), 0, "{overview:#}");
    stage.signer_admin(&["resume"]);
    stage.wait_until_ready().unwrap();
    stage.settle(&alice, &id);
    stage.finish();
}

/// `strongroom` with these arguments, asking this stage's server.
fn asks(stage: &Stage, arguments: &[&str], more: &[&str]) -> Output {
    let url = stage.url();
    strongroom(&[arguments, &["--server", &url], more].concat())
}

#[test]
fn the_command_line_asks_in_a_name_that_is_not_the_connection_s() {
    let mut stage = Stage::new();
    let alice = stage.customer_with("alice", 100_000_000);
    let key = stage.dir.join("alice.key");
    client::write_key(&key, &alice.key).unwrap();
    let key = ["--key-file", key.to_str().unwrap()];
    stage.restart_with("authorities = [", "authorities = [\"api.exchange.example\"] # [");
    let unnamed = asks(&stage, &["customer", "account"], &key);
    assert_eq!(unnamed.status.code(), Some(3), "{}", words(&unnamed));
    let said = words(&unnamed);
    assert!(said.contains("request-authority-wrong (401): `127."), "its name stands once: {said}");
    let name = ["--authority", "api.exchange.example"];
    let named = asks(&stage, &["customer", "account"], &[key, name].concat());
    assert!(named.status.success(), "{}", words(&named));
    let page = asks(&stage, &["customer", "deposits", "--limit", "1"], &[key, name].concat());
    assert!(words(&page).contains("credited"), "{}", words(&page));
    let mistyped = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kyqt080";
    let pay = ["customer", "withdraw", "--amount-sat", "20000", "--to", mistyped];
    let refused = asks(&stage, &pay, &[key, name].concat());
    assert!(words(&refused).contains(mistyped), "{}", words(&refused));
    assert!(words(&refused).contains("checksum does not match"), "{}", words(&refused));
    let tls = ["customer", "account", "--server", "https://api.exchange.example"];
    let tls = strongroom(&[&tls[..], &key].concat());
    assert!(words(&tls).contains("--authority api.exchange.example"), "{}", words(&tls));
    stage.finish();
}

#[test]
fn the_command_line_says_what_is_wrong_with_a_token_and_with_who_answers() {
    let stage = Stage::new();
    let token = stage.dir.join("other-token");
    let overview = |token: &str| asks(&stage, &["ops", "overview"], &["--token-file", token]);
    fs::write(&token, "\n").unwrap();
    let token = token.to_str().unwrap();
    assert!(words(&overview(token)).contains("other-token holds no token"), "it is empty");
    fs::write(token, "0".repeat(64)).unwrap();
    let wrong = overview(token);
    assert_eq!(wrong.status.code(), Some(3), "{}", words(&wrong));
    assert!(words(&wrong).contains("the token that was sent is not this server's"), "{wrong:?}");
    let right = stage.token_file();
    let right = ["--token-file", right.to_str().unwrap()];
    let elsewhere = ["ops", "overview", "--server", &stage.monitor_url()];
    let stranger = strongroom(&[&elsewhere[..], &right].concat());
    assert_eq!(stranger.status.code(), Some(5), "{}", words(&stranger));
    assert!(words(&stranger).contains("http.listen"), "{}", words(&stranger));
    for list in [&["ops", "incidents"][..], &["ops", "withdrawals", "--status", "queued"]] {
        let listed = asks(&stage, list, &[&right[..], &["--limit", "1", "--cursor", "0"]].concat());
        assert!(words(&listed).contains("data") || words(&listed).contains("cursor"), "{listed:?}");
    }
    stage.finish();
}

#[test]
fn the_command_line_says_what_it_is_for_and_ends_quietly_when_nobody_reads_on() {
    let help = words(&strongroom(&["--help"]));
    assert!(help.starts_with("Keeps the bitcoin of an exchange's customers"), "{help}");
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = Command::new(program()).arg("openapi").stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(141), "{output:?}");
    assert_eq!(words(&output), "");
}

/// A withdrawal that is signed and not sent: the node stands still. A round may come between the
/// look and the stop; then the next one is tried.
fn held_at_signed(stage: &Stage, alice: &Customer) -> String {
    let node = stage.node.process_id().unwrap();
    loop {
        let (id, _) = stage.withdraw(alice, 10_000_000);
        wait_for("a batch", || Ok((stage.status(alice, &id) != "queued").then_some(()))).unwrap();
        signal(node, "STOP");
        if stage.status(alice, &id) != "broadcast" {
            stage.reaches(alice, &id, "signed");
            return id;
        }
        signal(node, "CONT");
        stage.settle(alice, &id);
        stage.node.flush().unwrap();
    }
}

#[test]
fn what_was_signed_before_releases_were_stopped_is_sent_only_when_they_are_resumed() {
    let mut stage = Stage::new();
    let alice = stage.customer_with("alice", 500_000_000);
    stage.restart_with("round_millis = 100", "round_millis = 400");
    stage.node.flush().unwrap();
    let id = held_at_signed(&stage, &alice);
    stage.order("/ops/v1/releases/operator/stop").unwrap();
    // What the worker was asking as the stop came dies with the node; what it asks the new one it
    // asks under the stop.
    stage.node.kill9();
    stage.node.restart().unwrap();
    stage.node.mine(1).unwrap();
    stage.at_tip();
    stage.ten_rounds();
    stage.not_ready("releases-stopped: operator");
    assert_eq!(stage.status(&alice, &id), "signed");
    assert!(stage.mempool().is_empty());
    // Nor does a new life of the server send it.
    stage.kill_server();
    stage.configure("round_millis = 400", "round_millis = 100");
    stage.start_server().unwrap();
    stage.not_ready("releases-stopped: operator");
    stage.ten_rounds();
    assert_eq!(stage.status(&alice, &id), "signed");
    assert!(stage.mempool().is_empty());
    stage.order("/ops/v1/releases/operator/resume").unwrap();
    stage.settle(&alice, &id);
    stage.finish();
}

#[test]
fn a_batch_that_the_node_forgets_is_given_to_it_again_without_a_block() {
    let mut stage = Stage::new();
    let alice = stage.customer_with("alice", 100_000_000);
    // Not the node's own wallet: that would remember the payment.
    let to = stage.derive_offline();
    let id = stage.withdraw_to(&alice, &to, 10_000_000);
    stage.reaches(&alice, &id, "broadcast");
    let sent = stage.mempool();
    assert_eq!(sent.len(), 1);
    stage.node.flush().unwrap();
    let tip = stage.node.tip().unwrap();
    let server = stage.server.as_ref().unwrap().id();
    signal(server, "STOP");
    // Killed, it has no time to write down what its mempool holds.
    stage.node.kill9();
    stage.node.restart().unwrap();
    assert_eq!(stage.mempool(), [], "the node has forgotten it");
    signal(server, "CONT");
    wait_for("the batch to be there again", || Ok((stage.mempool() == sent).then_some(())))
        .unwrap();
    assert_eq!(stage.node.tip().unwrap(), tip, "no block came");
    stage.settle(&alice, &id);
    stage.finish();
}

//! Lists come from views: in pages, up to a wanted entry, and rebuilt from the journal at will.

use std::{collections::BTreeSet, fs};

use custody::{Event, event::RefusalRecorded};
use primitives::{DeploymentId, Seconds};
use serde_json::{Value, json};
use store::{Identity, Journal, Opening, Record, SqliteJournal};
use strongroom::{clock, house::Customer};

use crate::support::{Stage, chain::sats, number, refusal, text};

/// All pages of a list, from its beginning, with the sizes of the pages.
fn pages(customer: &Customer, list: &str, limit: usize) -> (Vec<Value>, Vec<usize>) {
    let (mut rows, mut sizes) = (Vec::new(), Vec::new());
    let mut cursor = String::new();
    loop {
        let target = format!("/v1/{list}?limit={limit}{cursor}");
        let page = customer.client.get(&target).unwrap();
        let data = page["data"].as_array().unwrap();
        sizes.push(data.len());
        rows.extend(data.iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return (rows, sizes) };
        cursor = format!("&cursor={next}");
    }
}

/// Rows without the entry as of which each was shown.
fn timeless(rows: &[Value]) -> Vec<Value> {
    let mut rows = rows.to_vec();
    for row in &mut rows {
        row.as_object_mut().unwrap().remove("journal_seq");
    }
    rows
}

#[test]
fn lists_come_in_pages_and_are_the_same_when_the_views_are_built_anew() {
    let mut stage = Stage::new();
    let alice = stage.customer_with("alice", 100_000_000);
    let bob = stage.customer_with("bob", 50_000_000);
    stage.operator().post("/ops/v1/releases/operator/stop", &json!({})).unwrap();
    let to = stage.node.fresh_address().unwrap();
    let mut ids = Vec::new();
    let mut newest = 0;
    for number_of in 0..25_u64 {
        let ask = stage.ask(&alice, &to, sats(100_000 + number_of)).unwrap();
        let answer = alice.client.withdraw(&ask).unwrap();
        ids.push(text(&answer, "id"));
        newest = number(&answer, "journal_seq");
    }
    let page = alice.client.get(&format!("/v1/withdrawals?min_seq={newest}&limit=1")).unwrap();
    assert!(number(&page, "journal_seq") >= newest, "{page:#}");
    assert_eq!(text(&page["data"][0], "id"), ids[24], "what was written is read: {page:#}");

    let (rows, sizes) = pages(&alice, "withdrawals", 10);
    assert_eq!(sizes, [10, 10, 5]);
    let listed: BTreeSet<_> = rows.iter().map(|row| text(row, "id")).collect();
    assert_eq!(listed, ids.iter().cloned().collect(), "each once");
    let times: Vec<_> = rows.iter().map(|row| text(row, "requested_at")).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
    assert_eq!(pages(&alice, "withdrawals", 25).1, [25], "a full last page has no next one");
    assert!(pages(&bob, "withdrawals", 10).0.is_empty());

    let ahead = format!("/v1/withdrawals?min_seq={}", newest + 1000);
    assert_eq!(refusal(alice.client.get(&ahead)), "views-behind");
    for wrong in ["limit=many", "cursor=nonsense", "color=red", "min_seq=-1"] {
        let answer = alice.client.get(&format!("/v1/withdrawals?{wrong}"));
        assert_eq!(refusal(answer), "request-unreadable", "{wrong}");
    }

    // The views go while the server is down; the next start builds them from the journal.
    let before: Vec<_> =
        ["withdrawals", "deposits"].map(|list| timeless(&pages(&alice, list, 10).0)).to_vec();
    stage.end_server();
    let views = stage.journal().with_file_name("views.sqlite");
    assert!(views.exists());
    for suffix in ["", "-wal", "-shm"] {
        let mut file = views.clone().into_os_string();
        file.push(suffix);
        let _absent = fs::remove_file(file);
    }
    stage.start_server().unwrap();
    let after: Vec<_> =
        ["withdrawals", "deposits"].map(|list| timeless(&pages(&alice, list, 10).0)).to_vec();
    assert_eq!(before, after);
    let addresses = alice.client.get("/v1/deposit-addresses").unwrap();
    assert_eq!(addresses["data"].as_array().unwrap().len(), 1, "{addresses:#}");
    stage.finish();
}

/// Lets time pass for the journal: an entry of that day that means nothing.
fn pass_days(stage: &Stage, deployment: DeploymentId, days: u64) {
    let identity = Identity { deployment, shard: 0 };
    let opening = Opening { path: stage.journal(), identity, position: None, witnessed: None };
    let mut journal = SqliteJournal::open(&opening).unwrap();
    let at = clock::now().saturating_add(Seconds(days * 86_400));
    let (command, rule) = ("tick".to_owned(), "nothing-to-pay".to_owned());
    let event: Event = RefusalRecorded { key: None, command, rule }.into();
    let (kind, version) = event.kind();
    let record = Record { at, kind, version, body: event.encode().unwrap() };
    journal.append(journal.next_seq(), &[record]).unwrap();
}

#[test]
fn an_idempotency_key_that_the_core_has_forgotten_for_its_age_still_makes_nothing_new() {
    let mut stage = Stage::new();
    let alice = stage.customer("alice").unwrap();
    let deployment = stage.anyone().get("/v1/deployment").unwrap();
    let deployment: DeploymentId = text(&deployment, "deployment").parse().unwrap();
    stage.end_server();
    pass_days(&stage, deployment, 36);
    stage.start_server().unwrap();
    let before = number(&stage.balance(), "accounts");
    let again = stage.operator().post_once("/ops/v1/accounts", "alice").unwrap();
    assert_eq!(text(&again, "account"), alice.account.to_string());
    assert_eq!(number(&stage.balance(), "accounts"), before);
    let other = stage.operator().post_once("/ops/v1/accounts", "carol").unwrap();
    assert_ne!(text(&other, "account"), alice.account.to_string());
    stage.finish();
}

#[test]
fn a_page_has_as_many_rows_as_were_asked_for_and_no_other_number_is_taken() {
    let stage = Stage::new();
    let alice = stage.customer("alice").unwrap();
    for name in ["second", "third"] {
        alice.client.new_address(name).unwrap();
    }
    let seq = number(&stage.operator().get("/ops/v1/overview").unwrap(), "journal_seq");
    let page = |from: &str| {
        let target = format!("/v1/deposit-addresses?limit=2&min_seq={seq}{from}");
        alice.client.get(&target).unwrap()
    };
    let first = page("");
    assert_eq!(first["data"].as_array().unwrap().len(), 2, "{first:#}");
    let second = page(&format!("&cursor={}", text(&first, "next_cursor")));
    assert_eq!(second["data"].as_array().unwrap().len(), 1, "{second:#}");
    assert!(second["next_cursor"].is_null(), "{second:#}");
    for list in ["deposit-addresses", "deposits", "withdrawals"] {
        for wrong in ["0", "101", "-1", "many", ""] {
            let asked = alice.client.get(&format!("/v1/{list}?limit={wrong}"));
            assert_eq!(refusal(asked), "request-unreadable", "{list} {wrong}");
        }
    }
    stage.finish();
}

//! Lists come from views: in pages, up to a wanted entry, and rebuilt from the journal at will.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};
use strongroom::house::Customer;

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

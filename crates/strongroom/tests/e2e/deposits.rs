//! Coins arrive, and the chain changes its mind.

use bitcoin::OutPoint;

use crate::support::{
    Stage,
    chain::sats,
    number, refusal,
    story::{account, deposits, output_to},
    text,
};

#[test]
fn a_deposit_is_credited_once_through_a_reorg_that_carries_it_again() {
    let stage = Stage::new();
    let alice = stage.customer("alice").unwrap();
    let (pays, _) = stage.double_spend(&alice.address, 100_000_000);
    stage.send(&pays);
    let coin = output_to(&pays, &alice.address);
    stage.deposit(&alice, coin, "detected");
    let mined = stage.node.mine(3).unwrap();
    stage.deposit(&alice, coin, "credited");
    assert_eq!(number(&account(&alice), "available_sat"), 100_000_000);

    // Four blocks replace three, and the second of them carries the deposit.
    stage.node.invalidate_block(mined[0]).unwrap();
    let miner = stage.node.fresh_address().unwrap();
    stage.node.generate_block(&miner, &[]).unwrap();
    stage.deposit(&alice, coin, "adrift");
    let adrift = account(&alice);
    assert_eq!(number(&adrift, "available_sat"), 100_000_000, "{adrift:#}");
    assert_eq!(adrift["frozen"], true, "nothing leaves while a deposit is adrift: {adrift:#}");
    stage.balance();
    stage.node.generate_block(&miner, &[pays]).unwrap();
    stage.node.mine(2).unwrap();
    stage.at_tip();
    stage.deposit(&alice, coin, "credited");
    let after = account(&alice);
    assert_eq!(number(&after, "total_sat"), 100_000_000, "{after:#}");
    assert_eq!(after["frozen"], false, "{after:#}");
    assert_eq!(deposits(&alice).len(), 1);

    // And back to the first branch: the same coin again, still once.
    stage.node.reconsider_block(mined[0]).unwrap();
    stage.node.mine(3).unwrap();
    stage.at_tip();
    let after = account(&alice);
    assert_eq!(number(&after, "total_sat"), 100_000_000, "{after:#}");
    let (id, _) = stage.withdraw(&alice, 50_000_000);
    stage.settle(&alice, &id);
    assert_eq!(number(&account(&alice), "total_sat"), 49_998_000);
    stage.finish();
}

#[test]
fn a_deposit_one_satoshi_over_dust_goes_to_suspense_and_is_not_credited() {
    let stage = Stage::new();
    let alice = stage.customer("alice").unwrap();
    let dust = alice.address.script_pubkey().minimal_non_dust().to_sat();
    let txid = stage.node.send_to(&alice.address, sats(dust + 1)).unwrap();
    let vout = vout_of(&stage, txid, &alice.address);
    stage.node.mine(3).unwrap();
    stage.deposit(&alice, OutPoint::new(txid, vout), "suspense");
    assert_eq!(number(&account(&alice), "total_sat"), 0);
    let overview = stage.balance();
    assert_eq!(number(&overview, "coins_sat"), dust + 1, "{overview:#}");
    assert_eq!(number(&overview, "customers_sat"), 0, "{overview:#}");
    stage.finish();
}

#[test]
fn twenty_one_coins_of_one_transaction_are_each_credited_to_its_owner() {
    let stage = Stage::new();
    let people = ["alice", "bob", "carol"].map(|name| stage.customer(name).unwrap());
    let (coin, value) = stage.node.coins().unwrap()[0];
    let mut outputs = Vec::new();
    for number in 0..7_u64 {
        for (whose, person) in (1_u64..).zip(&people) {
            let address = person.client.new_address(&format!("one of seven: {number}")).unwrap();
            let address: bitcoin::Address<_> = address.parse().unwrap();
            let amount = sats(whose * 1_000_000 + number);
            outputs.push((address.assume_checked(), amount));
        }
    }
    let paid: u64 = outputs.iter().map(|(_, amount)| amount.to_sat()).sum();
    let change = stage.node.fresh_address().unwrap();
    outputs.push((change, sats(value.to_sat() - paid - 100_000)));
    let transaction = stage.node.spend(&[coin], &outputs).unwrap();
    stage.send(&transaction);
    stage.node.mine(3).unwrap();
    for (whose, person) in (1_u64..).zip(&people) {
        let wanted = 7 * whose * 1_000_000 + 21;
        stage.wait_account(person, "seven coins", |account| {
            number(account, "withdrawable_sat") == wanted
        });
        assert_eq!(deposits(person).len(), 7);
    }
    let overview = stage.balance();
    assert_eq!(number(&overview, "coins"), 21);
    assert_eq!(number(&overview, "customers_sat"), paid);
    stage.finish();
}

#[test]
fn coins_to_an_address_that_was_never_handed_out_stay_in_suspense() {
    let stage = Stage::new();
    let alice = stage.customer("alice").unwrap();
    let nobodys = stage.derive(5);
    assert_eq!(stage.derive(0), alice.address, "the node derives as we do");
    stage.node.send_to(&nobodys, sats(70_000_000)).unwrap();
    stage.node.mine(4).unwrap();
    let overview = stage.balance();
    assert_eq!(number(&overview["books"], "suspense"), 70_000_000, "{overview:#}");
    assert_eq!(number(&overview, "customers_sat"), 0);

    // Handing the address out later does not give away what came before; what comes after counts.
    let mut address = String::new();
    for number in 0..5 {
        address = alice.client.new_address(&format!("more {number}")).unwrap();
    }
    assert_eq!(address, nobodys.to_string());
    stage.node.send_to(&nobodys, sats(1_000_000)).unwrap();
    stage.node.mine(3).unwrap();
    stage.wait_account(&alice, "the later deposit", |account| {
        number(account, "total_sat") == 1_000_000
    });
    let overview = stage.balance();
    assert_eq!(number(&overview["books"], "suspense"), 70_000_000, "{overview:#}");
    stage.finish();
}

#[test]
fn an_unconfirmed_deposit_that_is_replaced_is_orphaned() {
    let stage = Stage::new();
    let alice = stage.customer("alice").unwrap();
    let (pays, conflict) = stage.double_spend(&alice.address, 80_000_000);
    stage.send(&pays);
    let coin = output_to(&pays, &alice.address);
    stage.deposit(&alice, coin, "detected");
    // The conflict pays more, and the node takes it in place of the first.
    stage.send(&conflict);
    stage.deposit(&alice, coin, "orphaned");
    stage.node.mine(4).unwrap();
    stage.at_tip();
    stage.deposit(&alice, coin, "orphaned");
    assert_eq!(number(&account(&alice), "total_sat"), 0);
    stage.finish();
}

#[test]
fn what_left_the_mempool_while_nobody_looked_is_orphaned_and_later_not_shown_any_more() {
    let mut stage = Stage::new();
    let alice = stage.customer_with("alice", 30_000_000);
    let (pays, conflict) = stage.double_spend(&alice.address, 80_000_000);
    stage.send(&pays);
    let coin = output_to(&pays, &alice.address);
    let detected = stage.deposit(&alice, coin, "detected");
    stage.end_server();
    stage.send(&conflict);
    stage.start_server().unwrap();
    stage.deposit(&alice, coin, "orphaned");
    assert_eq!(deposits(&alice).len(), 2);

    // The conflict confirms, and a hundred blocks later no reorg can speak of it any more.
    stage.node.mine(101).unwrap();
    stage.at_tip();
    let newest = number(&account(&alice), "journal_seq");
    let target = format!("/v1/deposits?limit=1&min_seq={newest}");
    let shown = alice.client.get(&target).unwrap();
    assert_eq!(text(&shown["data"][0], "status"), "credited", "it takes no place: {shown:#}");
    assert!(shown["next_cursor"].is_null(), "there is no other: {shown:#}");
    let object = format!("/v1/deposits/{}", text(&detected, "id"));
    assert_eq!(refusal(alice.client.get(&object)), "deposit-unknown");
    assert_eq!(number(&account(&alice), "total_sat"), 30_000_000);
    stage.finish();
}

#[test]
fn a_killed_node_stops_releases_and_no_reads_until_it_is_back() {
    let mut stage = Stage::new();
    let alice = stage.customer_with("alice", 100_000_000);
    stage.node.flush().unwrap();
    stage.node.kill9();
    stage.not_ready("node-unreachable");
    assert_eq!(number(&account(&alice), "available_sat"), 100_000_000, "reads go on");
    assert_eq!(deposits(&alice).len(), 1, "lists go on");
    let to = stage.derive_offline();
    let ask = stage.ask(&alice, &to, sats(10_000_000)).unwrap();
    let id = crate::support::text(&alice.client.withdraw(&ask).unwrap(), "id");
    // Its window closes, and still nothing takes it.
    stage.outwait(&alice, &id);
    assert_eq!(alice.client.get(&format!("/v1/withdrawals/{id}")).unwrap()["status"], "queued");
    let overview = stage.operator().get("/ops/v1/overview").unwrap();
    assert_eq!(number(&overview["signer"], "signed_transactions"), 0, "{overview:#}");
    stage.node.restart().unwrap();
    stage.wait_until_ready().unwrap();
    stage.settle(&alice, &id);
    stage.finish();
}

fn vout_of(stage: &Stage, txid: bitcoin::Txid, to: &bitcoin::Address) -> u32 {
    let hex: String =
        stage.node.call("getrawtransaction", serde_json::json!([txid.to_string()])).unwrap();
    let transaction = bitcoin::consensus::encode::deserialize_hex(&hex).unwrap();
    output_to(&transaction, to).vout
}

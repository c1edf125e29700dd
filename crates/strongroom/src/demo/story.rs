//! The story itself: three customers, their deposits, a trade, withdrawals, one batch, the books.

use anyhow::{Context, bail, ensure};
use bitcoin::Address;
use primitives::{AccountId, Sats};
use serde_json::{Value, json};

use crate::{
    cli::print,
    client,
    house::{Customer, House, wait_for},
};

pub(super) fn tell(house: &House) -> anyhow::Result<()> {
    heading("1. The house opens")?;
    house.wait_until_ready()?;
    let deployment = house.anyone().get("/v1/deployment")?;
    print(&format!("  node      regtest, {} blocks", house.node.tip()?.height))?;
    print(&format!("  signer    own process, deployment {}", short(&deployment, "deployment")?))?;
    print(&format!("  server    {}", house.url()))?;

    heading("2. Three customers open accounts; each has a key of their own and an address")?;
    let people = ["alice", "bob", "carol"].map(|name| (name, house.customer(name)));
    let [alice, bob, carol] = people.map(|(name, made)| made.map(|made| (name, made)));
    let (alice, bob, carol) = (alice?, bob?, carol?);
    for (name, customer) in [&alice, &bob, &carol] {
        client::write_key(&house.dir.join(format!("{name}.key")), &customer.key)?;
        print(&format!("  {name:<6} {} {}", customer.account, customer.address))?;
    }

    heading("3. Coins arrive; blocks confirm them; the books credit them")?;
    let deposits = [(&alice, 100_000_000), (&bob, 50_000_000), (&carol, 25_000_000)];
    for ((name, customer), sat) in deposits {
        house.node.send_to(&customer.address, sats(sat)?)?;
        print(&format!("  {name:<6} sends {sat} sat to their address"))?;
    }
    for ((name, customer), _) in deposits {
        deposit_reaches(name, customer, "detected")?;
    }
    house.node.mine(1)?;
    for ((name, customer), _) in deposits {
        deposit_reaches(name, customer, "confirming")?;
    }
    house.node.mine(2)?;
    for ((name, customer), sat) in deposits {
        deposit_reaches(name, customer, "credited")?;
        balance(name, customer, sat)?;
    }

    heading("4. The trading service settles a trade: alice pays bob 10000000 sat")?;
    let service = house.trading_service()?;
    let settlement = trade(alice.1.account, bob.1.account, 10_000_000);
    service.post("/v1/settlements", &settlement)?;
    service.post("/v1/settlements", &settlement).context("asking twice is asking once")?;
    balance("alice", &alice.1, 90_000_000)?;
    balance("bob", &bob.1, 60_000_000)?;

    heading("5. Each signs a payout intent and asks for a withdrawal")?;
    let mut asked = Vec::new();
    for ((name, customer), sat) in [(&alice, 30_000_000), (&bob, 20_000_000), (&carol, 10_000_000)]
    {
        let to = house.node.fresh_address()?;
        let answer = customer.client.withdraw(&house.ask(customer, &to, sats(sat)?)?)?;
        print(&format!("  {name:<6} {sat} sat: {}", client::text(&answer, "status")?))?;
        asked.push((*name, customer, client::text(&answer, "id")?));
    }
    refusals(house, &carol.1)?;

    heading("6. One batch: judged, built, examined and signed by the signer, broadcast")?;
    let mut txid = String::new();
    for (name, customer, id) in &asked {
        let seen = reaches(customer, id, "broadcast")?;
        txid = client::text(&seen, "txid")?;
        print(&format!("  {name:<6} broadcast in {txid}"))?;
    }
    house.node.mine(1)?;
    for (name, customer, id) in &asked {
        reaches(customer, id, "confirmed")?;
        print(&format!("  {name:<6} confirmed"))?;
    }
    house.node.mine(2)?;
    for (name, customer, id) in &asked {
        reaches(customer, id, "settled")?;
        print(&format!("  {name:<6} settled"))?;
    }
    ensure!(!txid.is_empty(), "the batch has a transaction");

    heading("7. Books and coins agree")?;
    books(house)
}

fn heading(text: &str) -> anyhow::Result<()> {
    print(&format!("\n{text}"))
}

fn sats(sat: u64) -> anyhow::Result<Sats> {
    Ok(Sats::parse(sat)?)
}

fn short(value: &Value, field: &str) -> anyhow::Result<String> {
    Ok(client::text(value, field)?.chars().take(16).collect())
}

fn trade(from: AccountId, to: AccountId, sat: u64) -> Value {
    let transfer = json!({ "from": from.to_string(), "to": to.to_string(), "amount_sat": sat });
    json!({ "id": "00112233445566778899aabbccddeeff", "transfers": [transfer] })
}

fn deposit_reaches(name: &str, customer: &Customer, wanted: &str) -> anyhow::Result<()> {
    let seen = wait_for(&format!("{name}'s deposit to be {wanted}"), || {
        let page = customer.client.get("/v1/deposits")?;
        let newest = page.get("data").and_then(|data| data.get(0)).cloned();
        Ok(newest.filter(|deposit| deposit.get("status").and_then(Value::as_str) == Some(wanted)))
    })?;
    let number = |field: &str| seen.get(field).and_then(Value::as_u64).unwrap_or(0);
    let (have, need) = (number("confirmations"), number("required_confirmations"));
    print(&format!("  {name:<6} {wanted:<11} {have} of {need} confirmations"))
}

fn balance(name: &str, customer: &Customer, wanted: u64) -> anyhow::Result<()> {
    let account = customer.client.get("/v1/account")?;
    let available = account.get("available_sat").and_then(Value::as_u64);
    if available != Some(wanted) {
        bail!("{name} should have {wanted} sat available, found {account}");
    }
    print(&format!("  {name:<6} has {wanted} sat available"))
}

fn reaches(customer: &Customer, id: &str, wanted: &str) -> anyhow::Result<Value> {
    wait_for(&format!("{id} to be {wanted}"), || {
        let seen = customer.client.get(&format!("/v1/withdrawals/{id}"))?;
        let status = client::text(&seen, "status")?;
        Ok((status == wanted).then_some(seen))
    })
}

/// What is refused is part of the story: more than there is.
fn refusals(house: &House, carol: &Customer) -> anyhow::Result<()> {
    let to: Address = house.node.fresh_address()?;
    let ask = house.ask(carol, &to, sats(90_000_000)?)?;
    let refused = carol.client.withdraw(&ask).err();
    let code = refused.as_ref().and_then(client::ClientFault::code).map(str::to_owned);
    ensure!(code.as_deref() == Some("funds-insufficient"), "expected a refusal, found {refused:?}");
    print("  carol  asks for 90000000 sat more: refused, funds-insufficient")?;
    Ok(())
}

fn books(house: &House) -> anyhow::Result<()> {
    let overview = house.operator().get("/ops/v1/overview")?;
    let number = |field: &str| overview.get(field).and_then(Value::as_u64).unwrap_or(u64::MAX);
    let book = |name: &str| {
        let found = overview.get("books").and_then(|books| books.get(name));
        found.and_then(Value::as_u64).unwrap_or(u64::MAX)
    };
    let (coins, customers) = (number("coins_sat"), number("customers_sat"));
    let assets = ["incoming", "at-rest", "outgoing"].map(book);
    let owed = [customers, book("suspense"), book("fee-income"), book("protection-fund")];
    let rows = [
        ("coins in the hot wallet", coins),
        ("books: at rest", book("at-rest")),
        ("books: incoming", book("incoming")),
        ("books: outgoing", book("outgoing")),
        ("owed to customers", customers),
        ("fee income", book("fee-income")),
        ("protection fund", book("protection-fund")),
        ("network fees paid", book("network-fees")),
    ];
    for (name, sat) in rows {
        print(&format!("  {name:<26} {sat:>12} sat"))?;
    }
    let sum = |parts: &[u64]| parts.iter().fold(0_u64, |sum, part| sum.saturating_add(*part));
    ensure!(sum(&assets) == coins, "coins {coins} and books {assets:?} differ");
    let left = sum(&owed).saturating_sub(book("network-fees"));
    ensure!(left == coins, "coins {coins}, but {left} are owed and earned after fees");
    let invariants = client::text(&overview, "invariants")?;
    ensure!(invariants == "hold", "{invariants}");
    print("  coins equal books; owed and earned, less network fees, equal coins")?;
    Ok(())
}

use access::{Principal, Scope, Scopes};
use custody::{Command, Settlement, withdrawal::OperatorId};
use ed25519_dalek::SigningKey;
use expect_test::expect;

use crate::house::{Customer, House, btc, cents, sats};

fn two_customers() -> (House, Customer, Customer) {
    let mut house = House::new();
    let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
    house.fund(&alice, btc(1));
    (house, alice, bob)
}

#[test]
fn a_settlement_is_posted_once() {
    let (mut house, alice, bob) = two_customers();
    let transfers = [(&alice, &bob, cents(70)), (&bob, &alice, cents(20))];
    let command = house.settling(1, &transfers);
    house.ok(command);
    let again = house.settling(1, &transfers);
    assert_eq!(house.ok(again), []);
    let altered = house.settling(1, &[(&alice, &bob, cents(70)), (&bob, &alice, cents(21))]);
    assert_eq!(house.refused(altered), "settlement-reused");
    expect![[r#"
        alice: 0.5 BTC available
        bob: 0.5 BTC available
        deposit 1: 1 BTC of alice credited after 2, matured
        books: at-rest 1 BTC
    "#]]
    .assert_eq(&house.show());
}

#[test]
fn a_settlement_that_overdraws_anybody_is_refused_as_a_whole() {
    let (mut house, alice, bob) = two_customers();
    // Bob cannot spend what a later transfer brings.
    let early = house.settling(1, &[(&bob, &alice, cents(10)), (&alice, &bob, cents(50))]);
    let refusal = house.execute(&early).unwrap_err();
    expect!["transfer 0 of the settlement: ledger-overdraw: 10000000 sat asked of 1/credit-1/8194, which has 0 sat and keeps 0 sat of it for pending holds; ask for less, or bring money in first; nothing of it was posted"].assert_eq(&refusal.to_string());
    let late = house.settling(
        2,
        &[(&alice, &bob, cents(50)), (&bob, &alice, cents(10)), (&alice, &bob, sats(60_000_001))],
    );
    assert_eq!(house.refused(late), "settlement-transfer");
    let exact = house.settling(
        2,
        &[(&alice, &bob, cents(50)), (&bob, &alice, cents(10)), (&alice, &bob, sats(60_000_000))],
    );
    house.ok(exact);
}

#[test]
fn a_settlement_with_a_frozen_or_unknown_account_is_refused_as_a_whole() {
    let (mut house, alice, bob) = two_customers();
    house.ok(Command::FreezeAccount { account: bob.account, by: OperatorId(1) });
    for transfers in [[(&alice, &bob, cents(1))], [(&bob, &alice, cents(1))]] {
        let command = house.settling(1, &transfers);
        assert_eq!(house.refused(command), "settlement-transfer");
    }
    let nobody = Customer { account: primitives::AccountId::from_u64(77), ..bob.clone() };
    let command = house.settling(1, &[(&alice, &nobody, cents(1))]);
    assert_eq!(house.refused(command), "settlement-transfer");
    for transfer in [(&alice, &alice, cents(1)), (&alice, &bob, sats(0))] {
        let command = house.settling(1, &[transfer]);
        assert_eq!(house.refused(command), "settlement-transfer");
    }
}

#[test]
fn what_is_held_for_a_withdrawal_cannot_be_traded() {
    let (mut house, alice, bob) = two_customers();
    house.withdraw(&alice, cents(60));
    let command = house.settling(1, &[(&alice, &bob, cents(50))]);
    assert_eq!(house.refused(command), "settlement-transfer");
}

#[test]
fn only_the_trading_service_settles() {
    let (mut house, alice, bob) = two_customers();
    let settlement = Settlement { id: [1; 16], transfers: Vec::new() };
    let asked = house.signed(&alice.key, Scope::Trade, settlement.clone());
    assert_eq!(house.refused(Command::SettleTransfers { asked }), "scope-missing");
    let reader = SigningKey::from_bytes(&[0xdd; 32]);
    house.register(&reader, Principal::Service, Scopes::NONE.with(Scope::Read), None);
    let asked = house.signed(&reader, Scope::Read, settlement.clone());
    assert_eq!(house.refused(Command::SettleTransfers { asked }), "scope-missing");
    let command = house.settling(1, &[]);
    assert_eq!(house.refused(command), "settlement-size");
    let command = house.settling(1, &vec![(&alice, &bob, sats(1)); 10_001]);
    assert_eq!(house.refused(command), "settlement-size");
    let command = house.settling(1, &vec![(&alice, &bob, sats(1)); 10_000]);
    house.ok(command);
}

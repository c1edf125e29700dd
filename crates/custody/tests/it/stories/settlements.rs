use access::{Principal, Scope, Scopes};
use bitcoin::Transaction;
use custody::{Command, Settlement, withdrawal::OperatorId};
use ed25519_dalek::SigningKey;
use expect_test::expect;

use crate::house::{Ask, Customer, House, btc, cents, sats, stranger};

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

/// A deposit that is credited and has not matured.
fn fresh(house: &mut House, customer: &Customer, amount: primitives::Sats) -> Transaction {
    let payment = house.payment(customer, amount);
    house.block(std::slice::from_ref(&payment));
    house.block(&[]);
    payment
}

/// The reorg that takes two blocks and puts a double spend of `payment` into the chain.
fn double_spend(house: &mut House, payment: &Transaction) {
    house.rewind(2);
    house.block(&[House::instead_of(payment, &[(stranger(66), btc(1))])]);
}

#[test]
fn a_trade_does_not_make_fresh_money_withdrawable() {
    let (mut house, alice, bob) = two_customers();
    fresh(&mut house, &alice, btc(2));
    // What waits for nothing goes first; what waits, waits on wherever it goes.
    house.settle(1, &alice, &bob, cents(250));
    let carol = house.a_customer("carol");
    house.settle(2, &bob, &carol, cents(160));
    expect![[r#"
        alice: 0.5 BTC available, 0.5 BTC maturing
        bob: 0.9 BTC available, 0.9 BTC maturing
        carol: 1.6 BTC available, 0.6 BTC maturing
        deposit 1: 1 BTC of alice credited after 2, matured
        deposit 2: 2 BTC of alice credited after 2
        books: at-rest 3 BTC
    "#]]
    .assert_eq(&house.show());
    let ask = Ask::of(&mut house, &carol, btc(1));
    let command = house.requesting(&carol, &ask);
    assert_eq!(house.refused(command), "funds-maturing");
    house.withdraw(&carol, cents(99));
    house.block(&[]);
    house.withdraw(&bob, cents(89));
    expect![[r#"
        alice: 0.5 BTC available
        bob: 999000 sat available, 89001000 sat held
        carol: 60999000 sat available, 99001000 sat held
        deposit 1: 1 BTC of alice credited after 2, matured
        deposit 2: 2 BTC of alice credited after 2, matured
        withdrawal 1: 0.99 BTC queued
        withdrawal 2: 0.89 BTC queued
        books: at-rest 3 BTC
    "#]]
    .assert_eq(&house.show());
}

#[test]
fn what_a_reversed_deposit_funded_is_withheld_until_its_claim_is_paid() {
    let (mut house, alice, bob) = two_customers();
    let payment = fresh(&mut house, &alice, btc(2));
    house.settle(1, &alice, &bob, cents(250));
    double_spend(&mut house, &payment);
    house.blocks(3);
    expect![[r#"
        alice: 0 sat available, 1.5 BTC owed to us, frozen
        bob: 2.5 BTC available, 1.5 BTC maturing
        deposit 1: 1 BTC of alice credited after 2, matured
        deposit 2: 2 BTC of alice orphaned, impossible
        books: at-rest 1 BTC
        incident: deposit of 2 BTC reversed, claim 1.5 BTC
    "#]]
    .assert_eq(&house.show());
    let ask = Ask::of(&mut house, &bob, btc(1));
    let command = house.requesting(&bob, &ask);
    assert_eq!(house.refused(command), "funds-maturing");
    // Whoever pays into an address of the debtor's pays for what the deposit funded.
    let repayment = house.payment(&alice, cents(110));
    house.block(&[repayment]);
    house.block(&[]);
    expect![[r#"
        alice: 0 sat available, 0.4 BTC owed to us, frozen
        bob: 2.5 BTC available, 1.5 BTC maturing
        deposit 1: 1 BTC of alice credited after 2, matured
        deposit 2: 2 BTC of alice orphaned, impossible
        deposit 3: 1.1 BTC of alice credited after 2
        books: at-rest 2.1 BTC
        incident: deposit of 2 BTC reversed, claim 1.5 BTC
    "#]]
    .assert_eq(&house.show());
    house.block(&[]);
    house.fund(&alice, cents(50));
    expect![[r#"
        alice: 0.1 BTC available, frozen
        bob: 2.5 BTC available
        deposit 1: 1 BTC of alice credited after 2, matured
        deposit 2: 2 BTC of alice orphaned, impossible
        deposit 3: 1.1 BTC of alice credited after 2, matured
        deposit 4: 0.5 BTC of alice credited after 2, matured
        books: at-rest 2.6 BTC
        incident: deposit of 2 BTC reversed, claim 1.5 BTC
    "#]]
    .assert_eq(&house.show());
}

#[test]
fn a_reversal_takes_one_fresh_deposit_for_another_and_the_buyer_waits_for_that() {
    for reversed in 0..2 {
        let mut house = House::new();
        let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
        let payments = [(); 2].map(|()| house.payment(&alice, btc(1)));
        house.block(&payments);
        house.block(&[]);
        house.settle(1, &alice, &bob, btc(1));
        house.rewind(2);
        let theft = House::instead_of(&payments[reversed], &[(stranger(66), btc(1))]);
        house.block(&[theft, payments[1 - reversed].clone()]);
        let waiting = house.show();
        assert!(waiting.contains("alice: 0 sat available, frozen"), "{waiting}");
        assert!(waiting.contains("bob: 1 BTC available, 1 BTC maturing"), "{waiting}");
        house.blocks(2);
        let matured = house.show();
        assert!(matured.contains("bob: 1 BTC available\n"), "{matured}");
    }
}

#[test]
fn who_owes_trades_away_and_withdraws_no_more_than_what_is_left() {
    let (mut house, alice, bob) = two_customers();
    house.fund(&bob, btc(3));
    let payment = fresh(&mut house, &alice, btc(2));
    house.settle(1, &alice, &bob, btc(3));
    double_spend(&mut house, &payment);
    house.blocks(3);
    house.ok(Command::ThawAccount { account: alice.account, by: OperatorId(1) });
    house.settle(2, &bob, &alice, cents(250));
    expect!["alice: 2.5 BTC available, 2 BTC owed to us"]
        .assert_eq(house.show().lines().next().unwrap());
    let command = house.settling(3, &[(&alice, &bob, cents(30)), (&alice, &bob, cents(21))]);
    expect!["transfer 1 of the settlement: acct_0000000000001001 owes 200000000 sat and would keep 199000000 sat; pay the claim first, by a deposit to one of its addresses; nothing of it was posted"]
        .assert_eq(&house.execute(&command).unwrap_err().to_string());
    // What comes in on the way counts.
    let transfers =
        [(&alice, &bob, cents(30)), (&bob, &alice, cents(1)), (&alice, &bob, cents(20))];
    let command = house.settling(3, &transfers);
    house.ok(command);
    let ask = Ask::of(&mut house, &alice, cents(1));
    let command = house.requesting(&alice, &ask);
    assert_eq!(house.refused(command), "funds-insufficient");
    house.withdraw(&alice, sats(999_000));
}

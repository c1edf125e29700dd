use std::sync::Arc;

use bitcoin::{ScriptBuf, Transaction};
use custody::{
    Command,
    deposit::finality::{ConfirmationTable, FinalityModel},
    event::Watched,
};
use expect_test::{Expect, expect};
use primitives::Txid;

use crate::house::{Ask, House, btc, cents, outpoint_of, sats, stranger};

fn check(house: &House, expected: &Expect) {
    expected.assert_eq(&house.show());
}

fn see(house: &mut House, transaction: &Transaction) {
    house.ok(Command::SeeTransaction { transaction: Arc::new(transaction.clone()) });
}

fn forget(house: &mut House, transaction: &Transaction) {
    let Txid(txid) = outpoint_of(transaction, 0).txid;
    house.ok(Command::ForgetTransaction { txid: Txid(txid) });
}

/// The script at this place of the hot wallet.
fn script(house: &House, watched: Watched) -> ScriptBuf {
    house.state.descriptor().unwrap().script(watched).unwrap()
}

#[test]
fn a_deposit_is_shown_then_confirms_then_is_credited_then_may_be_withdrawn() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let payment = house.payment(&alice, btc(1));
    see(&mut house, &payment);
    check(
        &house,
        &expect![[r#"
            alice: 0 sat available
            deposit 1: 1 BTC of alice detected
        "#]],
    );
    house.block(&[payment]);
    check(
        &house,
        &expect![[r#"
            alice: 0 sat available, 1 BTC in suspense
            deposit 1: 1 BTC of alice confirming
            books: incoming 1 BTC
        "#]],
    );
    house.block(&[]);
    check(
        &house,
        &expect![[r#"
            alice: 1 BTC available, 1 BTC maturing
            deposit 1: 1 BTC of alice credited after 2
            books: at-rest 1 BTC
        "#]],
    );
    house.block(&[]);
    check(
        &house,
        &expect![[r#"
            alice: 1 BTC available
            deposit 1: 1 BTC of alice credited after 2, matured
            books: at-rest 1 BTC
        "#]],
    );
}

#[test]
fn a_deposit_is_credited_once_though_a_reorg_of_three_blocks_carries_it_again() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let payment = house.payment(&alice, btc(1));
    house.block(std::slice::from_ref(&payment));
    house.blocks(2);
    house.rewind(3);
    check(
        &house,
        &expect![[r#"
            alice: 1 BTC available, 1 adrift
            deposit 1: 1 BTC of alice adrift
            books: adrift 1 BTC
        "#]],
    );
    // It comes back in another block.
    house.blocks(2);
    house.block(&[payment]);
    check(
        &house,
        &expect![[r#"
            alice: 1 BTC available, 1 adrift
            deposit 1: 1 BTC of alice credited after 2, to mature again
            books: at-rest 1 BTC
        "#]],
    );
    house.blocks(5);
    check(
        &house,
        &expect![[r#"
            alice: 1 BTC available
            deposit 1: 1 BTC of alice credited after 2, matured
            books: at-rest 1 BTC
        "#]],
    );
    let credits = house.journal.iter().filter(|(_, event)| event.name() == "DepositCredited");
    assert_eq!(credits.count(), 1);
}

#[test]
fn a_double_spend_takes_the_available_then_open_withdrawals_then_makes_a_claim() {
    let mut house = House::new();
    let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
    house.fund(&bob, btc(5));
    let payment = house.payment(&alice, btc(2));
    house.block(std::slice::from_ref(&payment));
    house.blocks(2);
    house.withdraw(&alice, cents(40));
    house.wait(1);
    house.withdraw(&alice, cents(30));
    house.settle(1, &alice, &bob, cents(60));
    house.settle(2, &alice, &bob, cents(20));
    check(
        &house,
        &expect![[r#"
            alice: 49998000 sat available, 70002000 sat held
            bob: 5.8 BTC available
            deposit 1: 5 BTC of bob credited after 2, matured
            deposit 2: 2 BTC of alice credited after 2, matured
            withdrawal 1: 0.4 BTC queued
            withdrawal 2: 0.3 BTC queued
            books: at-rest 7 BTC
        "#]],
    );
    house.rewind(3);
    check(
        &house,
        &expect![[r#"
            alice: 49998000 sat available, 70002000 sat held, 1 adrift
            bob: 5.8 BTC available
            deposit 1: 5 BTC of bob credited after 2, matured
            deposit 2: 2 BTC of alice adrift
            withdrawal 1: 0.4 BTC queued
            withdrawal 2: 0.3 BTC queued
            books: at-rest 5 BTC, adrift 2 BTC
        "#]],
    );
    house.block(&[House::instead_of(&payment, &[(stranger(66), btc(2))])]);
    check(
        &house,
        &expect![[r#"
            alice: 0 sat available, 0.8 BTC owed to us, frozen
            bob: 5.8 BTC available
            deposit 1: 5 BTC of bob credited after 2, matured
            deposit 2: 2 BTC of alice orphaned, impossible
            withdrawal 1: 0.4 BTC cancelled
            withdrawal 2: 0.3 BTC cancelled
            books: at-rest 5 BTC
            incident: deposit of 2 BTC reversed, claim 0.8 BTC
        "#]],
    );
    // What comes later pays back first what is owed.
    house.fund(&alice, cents(50));
    check(
        &house,
        &expect![[r#"
            alice: 0 sat available, 0.3 BTC owed to us, frozen
            bob: 5.8 BTC available
            deposit 1: 5 BTC of bob credited after 2, matured
            deposit 2: 2 BTC of alice orphaned, impossible
            deposit 3: 0.5 BTC of alice credited after 2, matured
            withdrawal 1: 0.4 BTC cancelled
            withdrawal 2: 0.3 BTC cancelled
            books: at-rest 5.5 BTC
            incident: deposit of 2 BTC reversed, claim 0.8 BTC
        "#]],
    );
    house.fund(&alice, cents(50));
    check(
        &house,
        &expect![[r#"
            alice: 0.2 BTC available, frozen
            bob: 5.8 BTC available
            deposit 1: 5 BTC of bob credited after 2, matured
            deposit 2: 2 BTC of alice orphaned, impossible
            deposit 3: 0.5 BTC of alice credited after 2, matured
            deposit 4: 0.5 BTC of alice credited after 2, matured
            withdrawal 1: 0.4 BTC cancelled
            withdrawal 2: 0.3 BTC cancelled
            books: at-rest 6 BTC
            incident: deposit of 2 BTC reversed, claim 0.8 BTC
        "#]],
    );
}

#[test]
fn only_as_many_withdrawals_are_taken_back_as_the_reversal_needs() {
    let mut house = House::new();
    let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
    house.fund(&bob, btc(5));
    house.fund(&alice, btc(1));
    let payment = house.payment(&alice, btc(1));
    house.block(std::slice::from_ref(&payment));
    house.blocks(2);
    for _ in 0..4 {
        house.withdraw(&alice, cents(30));
        house.wait(1);
    }
    house.rewind(3);
    house.block(&[House::instead_of(&payment, &[(stranger(66), btc(2))])]);
    check(
        &house,
        &expect![[r#"
            alice: 9997000 sat available, 90003000 sat held, frozen
            bob: 5 BTC available
            deposit 1: 5 BTC of bob credited after 2, matured
            deposit 2: 1 BTC of alice credited after 2, matured
            deposit 3: 1 BTC of alice orphaned, impossible
            withdrawal 1: 0.3 BTC queued
            withdrawal 2: 0.3 BTC queued
            withdrawal 3: 0.3 BTC queued
            withdrawal 4: 0.3 BTC cancelled
            books: at-rest 6 BTC
            incident: deposit of 1 BTC reversed, claim 0 sat
        "#]],
    );
}

#[test]
fn a_deposit_without_a_conflict_stays_adrift_for_some_blocks_and_then_is_taken_back() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let payment = house.payment(&alice, btc(1));
    house.block(std::slice::from_ref(&payment));
    house.blocks(1);
    house.rewind(2);
    house.blocks(5);
    check(
        &house,
        &expect![[r#"
            alice: 1 BTC available, 1 BTC maturing, 1 adrift
            deposit 1: 1 BTC of alice adrift
            books: adrift 1 BTC
        "#]],
    );
    house.blocks(1);
    check(
        &house,
        &expect![[r#"
            alice: 0 sat available, frozen
            deposit 1: 1 BTC of alice orphaned
            incident: deposit of 1 BTC reversed, claim 0 sat
        "#]],
    );
    // Money that comes after all is a deposit like any other, and pays the claim, if there is one.
    house.block(&[payment]);
    house.blocks(2);
    check(
        &house,
        &expect![[r#"
            alice: 1 BTC available, frozen
            deposit 1: 1 BTC of alice credited after 2, matured
            books: at-rest 1 BTC
            incident: deposit of 1 BTC reversed, claim 0 sat
        "#]],
    );
}

#[test]
fn a_deposit_of_one_satoshi_above_dust_goes_to_suspense() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let script = house.address(&alice);
    let dust = script.minimal_non_dust().to_sat();
    let payment = house.pay(&[(script.clone(), sats(dust + 1)), (script, sats(10_000))]);
    house.block(&[payment]);
    house.blocks(5);
    check(
        &house,
        &expect![[r#"
            alice: 10000 sat available, 331 sat in suspense
            deposit 1: 331 sat of alice suspense
            deposit 2: 10000 sat of alice credited after 2, matured
            books: at-rest 10331 sat
        "#]],
    );
    house.rewind(3);
    house.blocks(3);
    check(
        &house,
        &expect![[r#"
            alice: 10000 sat available, 331 sat in suspense
            deposit 1: 331 sat of alice suspense
            deposit 2: 10000 sat of alice credited after 2, matured
            books: at-rest 10331 sat
        "#]],
    );
}

/// By value: 2 confirmations up to 0.17 BTC, 3 up to 0.58, 4 up to 1.8, 5 up to 5.6.
fn a_house_that_scales_by_value() -> House {
    let model = FinalityModel {
        attacker_permille: 100,
        accepted_loss: sats(1_000_000),
        majority_permille: 1_250,
        block_reward: sats(312_500_000),
        floor: 2,
    };
    House::with(|params| params.confirmations = ConfirmationTable::new(&model))
}

fn blocks_until_credited(house: &mut House, payment: &Transaction) -> u32 {
    let deposit = outpoint_of(payment, 0);
    let mut blocks = 1;
    while house.state.deposit(&deposit).unwrap().state.name() == "confirming" {
        house.block(&[]);
        blocks += 1;
    }
    blocks
}

#[test]
fn twenty_one_coins_in_one_transaction_need_what_their_sum_needs() {
    let mut house = a_house_that_scales_by_value();
    let alice = house.a_customer("alice");
    let one = house.payment(&alice, cents(10));
    house.block(std::slice::from_ref(&one));
    assert_eq!(blocks_until_credited(&mut house, &one), 2);
    house.blocks(3);
    // To 21 customers: no account has more than 0.1 BTC, the transaction has 2.1.
    let customers: Vec<_> = (0..21).map(|_| house.a_customer("somebody")).collect();
    let outputs: Vec<_> =
        customers.iter().map(|customer| (house.address(customer), cents(10))).collect();
    let many = house.pay(&outputs);
    house.block(std::slice::from_ref(&many));
    assert_eq!(blocks_until_credited(&mut house, &many), 5);
}

#[test]
fn many_deposits_to_one_account_need_what_their_sum_needs() {
    let mut house = a_house_that_scales_by_value();
    let alice = house.a_customer("alice");
    let payments: Vec<_> = (0..21).map(|_| house.payment(&alice, cents(10))).collect();
    house.block(&payments);
    assert_eq!(blocks_until_credited(&mut house, &payments[20]), 5);
}

#[test]
fn a_payment_to_an_address_that_nobody_has_yet_goes_to_suspense() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let ahead = script(&house, Watched::External(19));
    let beyond = script(&house, Watched::External(20));
    let payment = house.pay(&[(ahead, btc(1)), (beyond, btc(1))]);
    house.block(&[payment]);
    // Whoever has the address later has not earned what came before.
    for _ in 0..20 {
        house.address(&alice);
    }
    house.blocks(5);
    check(
        &house,
        &expect![[r#"
            alice: 0 sat available
            deposit 1: 1 BTC of nobody suspense
            books: at-rest 1 BTC, suspense 1 BTC
        "#]],
    );
}

#[test]
fn what_a_stranger_pays_to_a_change_address_goes_to_suspense() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    house.withdraw(&alice, btc(1));
    let (_, paid) = house.pay_out();
    let change = script(&house, Watched::Internal(0));
    let gift = house.pay(&[(change, cents(50))]);
    house.block(&[gift, paid]);
    check(
        &house,
        &expect![[r#"
            alice: 99999000 sat available, 100001000 sat held
            deposit 1: 2 BTC of alice credited after 2, matured
            deposit 2: 0.5 BTC of nobody suspense
            withdrawal 1: 1 BTC confirmed
            batch 1: 1 BTC confirmed, network fee 568 sat
            books: at-rest 149999432 sat, settling 1 BTC, network-fees 568 sat, suspense 0.5 BTC
        "#]],
    );
}

#[test]
fn an_unconfirmed_deposit_that_is_replaced_is_orphaned() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let payment = house.payment(&alice, btc(1));
    see(&mut house, &payment);
    house.block(&[House::instead_of(&payment, &[(stranger(66), btc(1))])]);
    check(
        &house,
        &expect![[r#"
            alice: 0 sat available
            deposit 1: 1 BTC of alice orphaned, impossible
        "#]],
    );
    // The mempool reports late: nothing more happens.
    let txid = outpoint_of(&payment, 0).txid;
    assert_eq!(house.ok(Command::ForgetTransaction { txid }), []);
    house.disconnect();
    see(&mut house, &payment);
    check(
        &house,
        &expect![[r#"
            alice: 0 sat available
            deposit 1: 1 BTC of alice detected
        "#]],
    );
}

#[test]
fn an_evicted_deposit_is_orphaned_until_it_is_seen_again() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let payment = house.payment(&alice, btc(1));
    see(&mut house, &payment);
    forget(&mut house, &payment);
    check(
        &house,
        &expect![[r#"
            alice: 0 sat available
            deposit 1: 1 BTC of alice orphaned
        "#]],
    );
    see(&mut house, &payment);
    check(
        &house,
        &expect![[r#"
            alice: 0 sat available
            deposit 1: 1 BTC of alice detected
        "#]],
    );
    forget(&mut house, &payment);
    house.block(&[payment]);
    check(
        &house,
        &expect![[r#"
            alice: 0 sat available, 1 BTC in suspense
            deposit 1: 1 BTC of alice confirming
            books: incoming 1 BTC
        "#]],
    );
}

#[test]
fn a_block_reward_waits_for_a_hundred_and_one_confirmations() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let script = house.address(&alice);
    let reward = house.reward(&[(script, btc(3))]);
    let (at, block) = house.next_block_of(vec![reward]);
    house.connect(at, block);
    house.blocks(99);
    check(
        &house,
        &expect![[r#"
            alice: 0 sat available, 3 BTC in suspense
            deposit 1: 3 BTC of alice confirming
            books: incoming 3 BTC
        "#]],
    );
    house.blocks(1);
    check(
        &house,
        &expect![[r#"
            alice: 3 BTC available, 3 BTC maturing
            deposit 1: 3 BTC of alice credited after 101
            books: at-rest 3 BTC
        "#]],
    );
}

#[test]
fn what_is_credited_and_not_matured_may_be_traded_but_not_withdrawn() {
    let mut house = House::new();
    let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
    house.fund(&alice, btc(1));
    let payment = house.payment(&alice, btc(2));
    house.block(&[payment]);
    house.block(&[]);
    check(
        &house,
        &expect![[r#"
            alice: 3 BTC available, 2 BTC maturing
            bob: 0 sat available
            deposit 1: 1 BTC of alice credited after 2, matured
            deposit 2: 2 BTC of alice credited after 2
            books: at-rest 3 BTC
        "#]],
    );
    let ask = Ask::of(&mut house, &alice, btc(2));
    let command = house.requesting(&alice, &ask);
    assert_eq!(house.refused(command), "funds-maturing");
    let ask = Ask::of(&mut house, &alice, cents(299)).with(|intent| intent.fee = sats(50_000));
    let command = house.requesting(&alice, &ask);
    assert_eq!(house.refused(command), "funds-maturing");
    let ask = Ask::of(&mut house, &alice, btc(3));
    let command = house.requesting(&alice, &ask);
    assert_eq!(house.refused(command), "funds-insufficient");
    house.withdraw(&alice, cents(90));
    house.settle(1, &alice, &bob, cents(200));
    house.block(&[]);
    check(
        &house,
        &expect![[r#"
            alice: 9999000 sat available, 90001000 sat held
            bob: 2 BTC available
            deposit 1: 1 BTC of alice credited after 2, matured
            deposit 2: 2 BTC of alice credited after 2, matured
            withdrawal 1: 0.9 BTC queued
            books: at-rest 3 BTC
        "#]],
    );
}

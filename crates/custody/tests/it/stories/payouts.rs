use custody::Command;
use expect_test::{Expect, expect};

use crate::house::{Ask, House, btc, cents, sats};

fn check(house: &House, expected: &Expect) {
    expected.assert_eq(&house.show());
}

#[test]
fn a_withdrawal_goes_its_whole_way_and_the_books_are_exact() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    let ask = Ask::of(&mut house, &alice, btc(1)).with(|intent| intent.fee = sats(10_001));
    house.ask(&alice, &ask);
    check(
        &house,
        &expect![[r#"
            alice: 99989999 sat available, 100010001 sat held
            deposit 1: 2 BTC of alice credited after 2, matured
            withdrawal 1: 1 BTC queued
            books: at-rest 2 BTC
        "#]],
    );
    house.pass(599);
    assert!(!house.state.has_queued(house.at));
    house.pass(1);
    assert!(house.state.has_queued(house.at));
    let batch = house.assemble();
    check(
        &house,
        &expect![[r#"
            alice: 99989999 sat available, 100010001 sat held
            deposit 1: 2 BTC of alice credited after 2, matured
            withdrawal 1: 1 BTC batched
            batch 1: 1 BTC built, network fee 568 sat
            books: at-rest 2 BTC
        "#]],
    );
    let paid = house.sign(batch);
    check(
        &house,
        &expect![[r#"
            alice: 99989999 sat available, 100010001 sat held
            deposit 1: 2 BTC of alice credited after 2, matured
            withdrawal 1: 1 BTC signed
            batch 1: 1 BTC signed, network fee 568 sat
            books: outgoing 2 BTC
        "#]],
    );
    house.ok(Command::RecordBroadcast { batch });
    house.block(&[paid]);
    check(
        &house,
        &expect![[r#"
            alice: 99989999 sat available, 100010001 sat held
            deposit 1: 2 BTC of alice credited after 2, matured
            withdrawal 1: 1 BTC confirmed
            batch 1: 1 BTC confirmed, network fee 568 sat
            books: at-rest 99999432 sat, settling 1 BTC, network-fees 568 sat
        "#]],
    );
    house.blocks(2);
    // 2,500 of the fee of 10,001 are the fund's quarter, rounded down.
    check(
        &house,
        &expect![[r#"
            alice: 99989999 sat available
            deposit 1: 2 BTC of alice credited after 2, matured
            withdrawal 1: 1 BTC settled
            batch 1: 1 BTC final, network fee 568 sat
            books: at-rest 99999432 sat, network-fees 568 sat, fee-income 7501 sat, protection-fund 2500 sat
        "#]],
    );
}

#[test]
fn one_intent_is_one_withdrawal_for_ever() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    let ask = Ask::of(&mut house, &alice, cents(10));
    for _ in 0..2 {
        house.ask(&alice, &ask);
    }
    let (_, paid) = house.pay_out();
    house.block(&[paid]);
    house.blocks(2);
    house.pass(30 * 24 * 3600);
    // Even after its last second the same question has the same answer: it was asked before.
    let again = house.requesting(&alice, &ask);
    assert_eq!(house.ok(again), []);
    check(
        &house,
        &expect![[r#"
            alice: 189999000 sat available
            deposit 1: 2 BTC of alice credited after 2, matured
            withdrawal 1: 0.1 BTC settled
            batch 1: 0.1 BTC final, network fee 568 sat
            books: at-rest 189999432 sat, network-fees 568 sat, fee-income 750 sat, protection-fund 250 sat
        "#]],
    );
}

#[test]
fn sixty_four_withdrawals_of_a_balance_that_allows_one_make_one() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(1));
    let asks: Vec<_> = (0..64).map(|_| Ask::of(&mut house, &alice, cents(60))).collect();
    let commands: Vec<_> = asks.iter().map(|ask| house.requesting(&alice, ask)).collect();
    let accepted = commands.iter().filter(|command| house.execute(command).is_ok()).count();
    assert_eq!(accepted, 1);
    check(
        &house,
        &expect![[r#"
            alice: 39999000 sat available, 60001000 sat held
            deposit 1: 1 BTC of alice credited after 2, matured
            withdrawal 1: 0.6 BTC queued
            books: at-rest 1 BTC
        "#]],
    );
}

#[test]
fn a_batch_that_the_signer_refuses_is_dissolved_and_its_withdrawals_queue_again() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    house.withdraw(&alice, btc(1));
    house.pass(600);
    let batch = house.assemble();
    house.refuse(batch);
    check(
        &house,
        &expect![[r#"
            alice: 99999000 sat available, 100001000 sat held
            deposit 1: 2 BTC of alice credited after 2, matured
            withdrawal 1: 1 BTC queued
            batch 1: 1 BTC dissolved, network fee 568 sat
            books: at-rest 2 BTC
        "#]],
    );
    assert_eq!(
        house.refused(Command::AssembleBatch { assembly: crate::house::assembly() }),
        "nothing-to-pay"
    );
    house.pass(60);
    let batch = house.assemble();
    let paid = house.send(batch);
    house.block(&[paid]);
    house.blocks(2);
    check(
        &house,
        &expect![[r#"
            alice: 99999000 sat available
            deposit 1: 2 BTC of alice credited after 2, matured
            withdrawal 1: 1 BTC settled
            batch 1: 1 BTC dissolved, network fee 568 sat
            batch 2: 1 BTC final, network fee 568 sat
            books: at-rest 99999432 sat, network-fees 568 sat, fee-income 750 sat, protection-fund 250 sat
        "#]],
    );
}

#[test]
fn a_batch_whose_answer_was_lost_is_confirmed_by_its_block() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    house.withdraw(&alice, btc(1));
    house.pass(600);
    let batch = house.assemble();
    let paid = house.transaction(batch);
    house.block(&[paid]);
    check(
        &house,
        &expect![[r#"
            alice: 99999000 sat available, 100001000 sat held
            deposit 1: 2 BTC of alice credited after 2, matured
            withdrawal 1: 1 BTC confirmed
            batch 1: 1 BTC confirmed, network fee 568 sat
            books: at-rest 99999432 sat, settling 1 BTC, network-fees 568 sat
        "#]],
    );
    // The answer comes after all.
    house.sign(batch);
    house.ok(Command::RecordBroadcast { batch });
    house.blocks(2);
    check(
        &house,
        &expect![[r#"
            alice: 99999000 sat available
            deposit 1: 2 BTC of alice credited after 2, matured
            withdrawal 1: 1 BTC settled
            batch 1: 1 BTC final, network fee 568 sat
            books: at-rest 99999432 sat, network-fees 568 sat, fee-income 750 sat, protection-fund 250 sat
        "#]],
    );
}

#[test]
fn a_withdrawal_to_another_customer_is_a_deposit_of_theirs() {
    let mut house = House::new();
    let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
    house.fund(&alice, btc(2));
    let script = house.address(&bob);
    let ask = Ask::of(&mut house, &alice, btc(1)).with(|intent| intent.script = script.to_bytes());
    house.ask(&alice, &ask);
    let (_, paid) = house.pay_out();
    // Our own payout in the mempool is no news.
    let transaction = std::sync::Arc::new(paid.clone());
    assert_eq!(house.ok(Command::SeeTransaction { transaction }), []);
    house.block(&[paid]);
    check(
        &house,
        &expect![[r#"
            alice: 99999000 sat available, 100001000 sat held
            bob: 0 sat available, 1 BTC in suspense
            deposit 1: 2 BTC of alice credited after 2, matured
            deposit 2: 1 BTC of bob confirming
            withdrawal 1: 1 BTC confirmed
            batch 1: 1 BTC confirmed, network fee 616 sat
            books: incoming 1 BTC, at-rest 99999384 sat, settling 1 BTC, network-fees 616 sat
        "#]],
    );
    house.blocks(2);
    check(
        &house,
        &expect![[r#"
            alice: 99999000 sat available
            bob: 1 BTC available
            deposit 1: 2 BTC of alice credited after 2, matured
            deposit 2: 1 BTC of bob credited after 2, matured
            withdrawal 1: 1 BTC settled
            batch 1: 1 BTC final, network fee 616 sat
            books: at-rest 199999384 sat, network-fees 616 sat, fee-income 750 sat, protection-fund 250 sat
        "#]],
    );
    house.reorg(3);
    check(
        &house,
        &expect![[r#"
            alice: 99999000 sat available
            bob: 1 BTC available
            deposit 1: 2 BTC of alice credited after 2, matured
            deposit 2: 1 BTC of bob credited after 2, matured
            withdrawal 1: 1 BTC settled
            batch 1: 1 BTC final, network fee 616 sat
            books: at-rest 199999384 sat, network-fees 616 sat, fee-income 750 sat, protection-fund 250 sat
        "#]],
    );
}

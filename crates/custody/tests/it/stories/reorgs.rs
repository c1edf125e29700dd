use custody::{Command, incident::Stop, withdrawal::OperatorId};
use expect_test::{Expect, expect};

use crate::house::{House, assembly, btc, cents, stranger};

fn check(house: &House, expected: &Expect) {
    expected.assert_eq(&house.show());
}

#[test]
fn a_confirmed_batch_is_broadcast_again_after_a_reorg_and_settles_once() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    house.withdraw(&alice, btc(1));
    let (_, paid) = house.pay_out();
    house.block(std::slice::from_ref(&paid));
    let before = house.show();
    house.disconnect();
    check(
        &house,
        &expect![[r#"
            alice: 99999000 sat available, 100001000 sat held
            deposit 1: 2 BTC of alice credited after 2, matured
            withdrawal 1: 1 BTC broadcast
            batch 1: 1 BTC broadcast, network fee 568 sat
            books: outgoing 2 BTC
        "#]],
    );
    house.blocks(1);
    house.block(&[paid]);
    assert_eq!(house.show(), before);
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
fn a_settled_batch_is_taken_back_by_a_reorg_deeper_than_final() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    house.withdraw(&alice, btc(1));
    let (_, paid) = house.pay_out();
    house.block(std::slice::from_ref(&paid));
    house.blocks(3);
    let settled = house.show();
    house.configure(|params| params.fund_share_bps = 10_000);
    house.rewind(4);
    check(
        &house,
        &expect![[r#"
            alice: 99999000 sat available, 100001000 sat held
            deposit 1: 2 BTC of alice credited after 2, matured
            withdrawal 1: 1 BTC broadcast
            batch 1: 1 BTC broadcast, network fee 568 sat
            books: outgoing 2 BTC
        "#]],
    );
    house.configure(|params| params.fund_share_bps = 2_500);
    house.block(&[paid]);
    house.blocks(4);
    assert_eq!(house.show(), settled);
}

#[test]
fn an_unexplained_spend_stops_releases_and_a_reorg_brings_the_coin_back() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let coin = house.fund(&alice, btc(2));
    house.block(&[House::spending(&[coin], &[(stranger(66), btc(2))])]);
    check(
        &house,
        &expect![[r#"
            alice: 2 BTC available
            deposit 1: 2 BTC of alice credited after 2, matured
            books: unexplained 2 BTC
            stopped: unexplained-spend
            incident: unexplained spend of 2 BTC
        "#]],
    );
    house.withdraw(&alice, cents(10));
    house.pass(600);
    assert_eq!(house.refused(Command::AssembleBatch { assembly: assembly() }), "releases-stopped");
    house.disconnect();
    house.blocks(2);
    check(
        &house,
        &expect![[r#"
            alice: 189999000 sat available, 10001000 sat held
            deposit 1: 2 BTC of alice credited after 2, matured
            withdrawal 1: 0.1 BTC queued
            books: at-rest 2 BTC
            stopped: unexplained-spend
            incident: unexplained spend of 2 BTC
        "#]],
    );
    // Only a person lifts the stop.
    assert_eq!(house.refused(Command::AssembleBatch { assembly: assembly() }), "releases-stopped");
    house.ok(Command::ResumeReleases { stop: Stop::UnexplainedSpend, by: OperatorId(1) });
    house.assemble();
}

#[test]
fn a_reorg_as_deep_as_the_stop_depth_stops_releases_until_a_person_resumes_them() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    house.blocks(10);
    house.withdraw(&alice, cents(10));
    house.pass(600);
    house.rewind(4);
    house.blocks(5);
    assert_eq!(house.state.stops().count(), 0);
    house.rewind(5);
    check(
        &house,
        &expect![[r#"
            alice: 189999000 sat available, 10001000 sat held
            deposit 1: 2 BTC of alice credited after 2, matured
            withdrawal 1: 0.1 BTC queued
            books: at-rest 2 BTC
            stopped: deep-reorg
            incident: reorg of 5 blocks
        "#]],
    );
    house.rewind(1);
    house.blocks(8);
    assert_eq!(house.refused(Command::AssembleBatch { assembly: assembly() }), "releases-stopped");
    house.ok(Command::ResumeReleases { stop: Stop::DeepReorg, by: OperatorId(1) });
    house.assemble();
    // One incident for one reorg, and another for the next.
    house.rewind(6);
    assert_eq!(house.state.incidents().len(), 2);
}

#[test]
fn a_batch_and_the_batch_that_spends_its_change_are_undone_and_confirmed_again() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    house.withdraw(&alice, cents(50));
    let (first, paid_first) = house.pay_out();
    house.block(std::slice::from_ref(&paid_first));
    house.blocks(2);
    house.withdraw(&alice, cents(20));
    let (second, paid_second) = house.pay_out();
    assert_eq!(
        house.state.batch(second).unwrap().inputs[0].txid,
        house.state.batch(first).unwrap().txid
    );
    house.block(std::slice::from_ref(&paid_second));
    house.rewind(4);
    check(
        &house,
        &expect![[r#"
            alice: 129998000 sat available, 70002000 sat held
            deposit 1: 2 BTC of alice credited after 2, matured
            withdrawal 1: 0.5 BTC broadcast
            withdrawal 2: 0.2 BTC broadcast
            batch 1: 0.5 BTC broadcast, network fee 568 sat
            batch 2: 0.2 BTC broadcast, network fee 568 sat
            books: outgoing 2 BTC
        "#]],
    );
    // Both in one block, and both again in two.
    house.block(&[paid_first.clone(), paid_second.clone()]);
    house.disconnect();
    house.block(&[paid_first]);
    house.block(&[paid_second]);
    house.blocks(2);
    check(
        &house,
        &expect![[r#"
            alice: 129998000 sat available
            deposit 1: 2 BTC of alice credited after 2, matured
            withdrawal 1: 0.5 BTC settled
            withdrawal 2: 0.2 BTC settled
            batch 1: 0.5 BTC final, network fee 568 sat
            batch 2: 0.2 BTC final, network fee 568 sat
            books: at-rest 129998864 sat, network-fees 1136 sat, fee-income 1500 sat, protection-fund 500 sat
        "#]],
    );
}

#[test]
fn the_most_work_rises_with_the_tip_and_no_reorg_lowers_it() {
    let mut house = House::new();
    let most = |house: &House| house.state.chain_state().unwrap().most_work[31];
    assert_eq!(most(&house), 0);
    house.blocks(4);
    let four = most(&house);
    assert_eq!(u32::from(four), house.tip().height.0);
    house.rewind(3);
    assert_eq!(most(&house), four, "the tip sinks, what was seen does not");
    house.blocks(3);
    assert_eq!(most(&house), four);
    house.blocks(1);
    assert_eq!(most(&house), four + 1);
    // People accept the chain as it is, which may be poorer than what was seen.
    let stop = Stop::DeepReorg;
    house.ok(Command::StopReleases { stop });
    assert_eq!(most(&house), four + 1);
    let by = OperatorId(1);
    house.ok(Command::ResumeReleases { stop, by });
    assert_eq!(most(&house), 0);
}

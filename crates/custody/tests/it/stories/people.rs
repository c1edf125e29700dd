use custody::{Command, WithdrawalState, withdrawal::OperatorId};
use expect_test::{Expect, expect};
use primitives::{Seconds, WithdrawalId};

use crate::house::{Ask, Customer, House, assembly, btc, cents};

const ALICE_FROM_OPERATIONS: OperatorId = OperatorId(1);
const BOB_FROM_OPERATIONS: OperatorId = OperatorId(2);

fn check(house: &House, expected: &Expect) {
    expected.assert_eq(&house.show());
}

fn state(house: &House, id: WithdrawalId) -> &'static str {
    house.state.withdrawal(id).unwrap().state.name()
}

fn a_rich_customer() -> (House, Customer) {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(20));
    (house, alice)
}

#[test]
fn a_large_withdrawal_cools_down_and_is_then_judged_again() {
    let (mut house, alice) = a_rich_customer();
    let id = house.withdraw(&alice, btc(3));
    assert_eq!(state(&house, id), "cooling-down");
    house.pass(3 * 3600 - 1);
    assert_eq!(state(&house, id), "cooling-down");
    house.pass(1);
    // The release window begins only now.
    let releases_at = house.at.saturating_add(Seconds(600));
    let queued = WithdrawalState::Queued { releases_at };
    assert_eq!(house.state.withdrawal(id).unwrap().state, queued);
}

#[test]
fn the_largest_withdrawals_cool_down_and_then_need_two_different_operators() {
    let (mut house, alice) = a_rich_customer();
    let id = house.withdraw(&alice, btc(5));
    assert_eq!(state(&house, id), "cooling-down");
    house.pass(3 * 3600);
    assert_eq!(state(&house, id), "in-review");
    let approve = |by| Command::ApproveWithdrawal { withdrawal: id, by };
    house.ok(approve(ALICE_FROM_OPERATIONS));
    assert_eq!(house.refused(approve(ALICE_FROM_OPERATIONS)), "already-approved");
    assert_eq!(state(&house, id), "in-review");
    house.ok(approve(BOB_FROM_OPERATIONS));
    assert_eq!(state(&house, id), "queued");
    house.pass(600);
    house.assemble();
    assert_eq!(state(&house, id), "batched");
}

#[test]
fn one_denial_ends_a_review_and_frees_the_money() {
    let (mut house, alice) = a_rich_customer();
    let id = house.withdraw(&alice, btc(5));
    house.pass(3 * 3600);
    house.ok(Command::ApproveWithdrawal { withdrawal: id, by: ALICE_FROM_OPERATIONS });
    house.ok(Command::DenyWithdrawal { withdrawal: id, by: BOB_FROM_OPERATIONS });
    check(
        &house,
        &expect![[r#"
            alice: 20 BTC available
            deposit 1: 20 BTC of alice credited after 2, matured
            withdrawal 1: 5 BTC rejected
            books: at-rest 20 BTC
        "#]],
    );
}

#[test]
fn a_customer_takes_back_what_no_batch_carries() {
    let (mut house, alice) = a_rich_customer();
    let ids = [btc(1), btc(3), btc(5)].map(|amount| house.withdraw(&alice, amount));
    for id in ids {
        let command = house.cancelling(&alice, id);
        house.ok(command);
        let again = house.cancelling(&alice, id);
        assert_eq!(house.ok(again), []);
    }
    check(
        &house,
        &expect![[r#"
            alice: 20 BTC available
            deposit 1: 20 BTC of alice credited after 2, matured
            withdrawal 1: 1 BTC cancelled
            withdrawal 2: 3 BTC cancelled
            withdrawal 3: 5 BTC cancelled
            books: at-rest 20 BTC
        "#]],
    );
    let id = house.withdraw(&alice, btc(1));
    house.pass(600);
    house.assemble();
    let command = house.cancelling(&alice, id);
    assert_eq!(house.refused(command), "withdrawal-state");
}

#[test]
fn the_end_of_an_intent_ends_its_withdrawal_wherever_it_waits() {
    let (mut house, alice) = a_rich_customer();
    // The second ends while it cools down, the third in review.
    for (amount, lives) in [(btc(1), 300), (btc(3), 3600), (btc(5), 4 * 3600)] {
        let end = house.at.saturating_add(Seconds(lives)).to_seconds();
        let ask = Ask::of(&mut house, &alice, amount).with(|intent| intent.not_after = end);
        house.ask(&alice, &ask);
    }
    house.pass(299);
    check(
        &house,
        &expect![[r#"
            alice: 1099997000 sat available, 900003000 sat held
            deposit 1: 20 BTC of alice credited after 2, matured
            withdrawal 1: 1 BTC queued
            withdrawal 2: 3 BTC cooling-down
            withdrawal 3: 5 BTC cooling-down
            books: at-rest 20 BTC
        "#]],
    );
    house.pass(1);
    house.pass(3_300);
    house.pass(3 * 3600);
    check(
        &house,
        &expect![[r#"
            alice: 20 BTC available
            deposit 1: 20 BTC of alice credited after 2, matured
            withdrawal 1: 1 BTC refused
            withdrawal 2: 3 BTC refused
            withdrawal 3: 5 BTC refused
            books: at-rest 20 BTC
        "#]],
    );
}

#[test]
fn a_freeze_stops_every_arrow_and_a_thaw_lets_each_go_on() {
    let (mut house, alice) = a_rich_customer();
    let ids = [btc(1), btc(3), btc(5)].map(|amount| house.withdraw(&alice, amount));
    house.pass(3 * 3600 - 700);
    let shows = |house: &House| ids.map(|id| state(house, id));
    assert_eq!(shows(&house), ["queued", "cooling-down", "cooling-down"]);
    let freeze = || Command::FreezeAccount { account: alice.account, by: BOB_FROM_OPERATIONS };
    let thaw = || Command::ThawAccount { account: alice.account, by: BOB_FROM_OPERATIONS };
    house.ok(freeze());
    assert_eq!(house.ok(freeze()), []);
    let ask = Ask::of(&mut house, &alice, cents(10));
    let command = house.requesting(&alice, &ask);
    assert_eq!(house.refused(command), "account-frozen");
    house.pass(700);
    assert_eq!(shows(&house), ["queued", "cooling-down", "cooling-down"]);
    let nothing = house.refused(Command::AssembleBatch { assembly: assembly() });
    assert_eq!(nothing, "nothing-to-pay");
    house.ok(thaw());
    assert_eq!(house.refused(thaw()), "account-not-frozen");
    house.pass(0);
    assert_eq!(shows(&house), ["queued", "queued", "in-review"]);
    house.ok(freeze());
    let approve = |by| Command::ApproveWithdrawal { withdrawal: ids[2], by };
    assert_eq!(house.refused(approve(ALICE_FROM_OPERATIONS)), "account-frozen");
    // Its owner may still take it back: nothing leaves by that.
    let command = house.cancelling(&alice, ids[1]);
    house.ok(command);
    house.ok(thaw());
    house.ok(approve(ALICE_FROM_OPERATIONS));
    house.ok(approve(BOB_FROM_OPERATIONS));
    house.pass(600);
    house.assemble();
    assert_eq!(shows(&house), ["batched", "cancelled", "queued"]);
}

/// What forbids that a batch is signed, and that it is sent.
fn held(house: &House, batch: primitives::BatchId) -> [&'static str; 2] {
    let id = |refused: Option<custody::Refusal>| refused.map_or("may go", |refusal| refusal.id());
    let signed = house.state.sign_request(batch, 0, &mut |_| None).err();
    [id(signed), id(house.state.check_release(batch).err())]
}

#[test]
fn what_is_signed_stays_in_the_house_while_it_is_frozen_adrift_or_stopped() {
    let (mut house, alice) = a_rich_customer();
    house.withdraw(&alice, btc(1));
    house.pass(600);
    let batch = house.assemble();
    assert_eq!(held(&house, batch), ["may go", "batch-state"]);
    house.sign(batch);
    assert_eq!(held(&house, batch), ["batch-state", "may go"]);
    let by = BOB_FROM_OPERATIONS;
    for sent in [false, true] {
        house.ok(Command::FreezeAccount { account: alice.account, by });
        assert_eq!(held(&house, batch)[1], "account-frozen");
        house.ok(Command::ThawAccount { account: alice.account, by });
        let stop = custody::incident::Stop::Operator;
        house.ok(Command::StopReleases { stop });
        assert_eq!(held(&house, batch)[1], "releases-stopped");
        house.ok(Command::ResumeReleases { stop, by });
        assert_eq!(held(&house, batch)[1], "may go");
        if !sent {
            house.ok(Command::RecordBroadcast { batch });
        }
    }
    // A reorg takes the blocks of alice's deposits.
    house.rewind(3);
    assert_eq!(held(&house, batch)[1], "account-frozen");
}

#[test]
fn a_frozen_account_is_not_signed_for_until_its_intent_has_surely_ended() {
    let (mut house, alice) = a_rich_customer();
    let ask = Ask::of(&mut house, &alice, btc(1));
    let ask = ask.with(|intent| intent.not_after -= 23 * 3600);
    house.ask(&alice, &ask);
    house.pass(600);
    let batch = house.assemble();
    house.ok(Command::FreezeAccount { account: alice.account, by: BOB_FROM_OPERATIONS });
    // The intent ends after the hour that is left of it; the signer's clock may lag.
    for wait in [3000, 1, 599] {
        assert_eq!(held(&house, batch)[0], "account-frozen");
        house.wait(wait);
        house.pass(0);
    }
    house.wait(2);
    house.blocks(1);
    assert_eq!(held(&house, batch)[0], "may go");
}

#[test]
fn an_intent_that_would_end_before_the_signer_is_asked_spoils_no_batch() {
    let (mut house, alice) = a_rich_customer();
    let ending = Ask::of(&mut house, &alice, btc(1));
    let ending = ending.with(|intent| intent.not_after -= 24 * 3600 - 660);
    let ending = house.ask(&alice, &ending);
    let other = house.withdraw(&alice, btc(1));
    house.pass(600);
    house.assemble();
    assert_eq!([ending, other].map(|id| state(&house, id)), ["queued", "batched"]);
}

#[test]
fn a_stop_lets_nothing_be_built_until_every_reason_is_lifted() {
    use custody::incident::Stop;
    let (mut house, alice) = a_rich_customer();
    house.withdraw(&alice, btc(1));
    house.pass(600);
    for stop in Stop::ALL {
        house.ok(Command::StopReleases { stop });
        assert_eq!(house.ok(Command::StopReleases { stop }), []);
    }
    for stop in Stop::ALL {
        let refused = house.refused(Command::AssembleBatch { assembly: assembly() });
        assert_eq!(refused, "releases-stopped");
        let resume = || Command::ResumeReleases { stop, by: ALICE_FROM_OPERATIONS };
        house.ok(resume());
        assert_eq!(house.refused(resume()), "not-stopped");
    }
    house.assemble();
}

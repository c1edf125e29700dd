//! One test for each bug that was found by reading, written before its fix.

use std::sync::Arc;

use bitcoin::{ScriptBuf, Transaction, consensus::encode};
use custody::{
    Command, Event, WithdrawalState, books,
    deposit::DepositState,
    event::Watched,
    incident::Stop,
    payout::{Assembly, BatchState},
    withdrawal::OperatorId,
};
use primitives::{BatchId, Sats, WithdrawalId};
use signer_protocol::RefusalTag;

use crate::house::{Ask, Customer, House, assembly, btc, cents, outpoint_of, sats, stranger};

#[test]
fn a_hundred_blocks_can_be_taken_back_and_no_more() {
    let mut house = House::with(|params| params.reorg_stop_depth = 1_000);
    house.blocks(150);
    house.rewind(100);
    assert_eq!(house.tip().height.0, 150);
    let (block, _) = *house.chain.last().unwrap();
    assert_eq!(house.refused(Command::DisconnectBlock { block }), "reorg-too-deep");
    house.blocks(1);
    house.rewind(1);
}

#[test]
fn a_batch_that_spends_the_change_of_a_failed_batch_fails_too() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let coin = house.fund(&alice, btc(2));
    house.withdraw(&alice, cents(50));
    let (first, paid) = house.pay_out();
    house.block(&[paid]);
    house.blocks(2);
    assert_eq!(house.batch_state(first), "final");
    house.withdraw(&alice, cents(20));
    let (second, _) = house.pay_out();
    house.rewind(3);
    let theft = House::spending(&[coin], &[(stranger(66), btc(1))]);
    house.block(&[theft]);
    house.blocks(3);
    assert_eq!(house.batch_state(first), "failed");
    assert_eq!(house.batch_state(second), "failed");
}

#[test]
fn a_second_conflict_does_not_hide_the_first() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let script = house.address(&alice);
    let coins: Vec<_> = (0..2).map(|_| house.pay(&[(stranger(1), btc(1))])).collect();
    let coins: Vec<_> = coins.iter().map(|made| outpoint_of(made, 0)).collect();
    let payment = House::spending(&coins, &[(script, btc(1))]);
    house.ok(Command::SeeTransaction { transaction: Arc::new(payment.clone()) });
    house.block(&[House::spending(&coins[..1], &[(stranger(2), btc(1))])]);
    house.block(&[House::spending(&coins[1..], &[(stranger(3), btc(1))])]);
    house.disconnect();
    let state = &house.state.deposit(&outpoint_of(&payment, 0)).unwrap().state;
    assert!(matches!(state, DepositState::Orphaned { conflict: Some(_) }), "{state:?}");
    house.disconnect();
    let state = &house.state.deposit(&outpoint_of(&payment, 0)).unwrap().state;
    assert!(matches!(state, DepositState::Orphaned { conflict: None }), "{state:?}");
}

/// Two deposits of 1 BTC that one broadcast batch spends, and that a reorg took from the chain
/// for so long that they were reversed. The payments, and the batch.
fn two_deposits_lost_under_a_batch(house: &mut House) -> ([Transaction; 2], BatchId) {
    let customers = [house.a_customer("alice"), house.a_customer("bob")];
    let payments = [0, 1].map(|number: usize| house.payment(&customers[number], btc(1)));
    house.block(&payments);
    house.blocks(2);
    for customer in &customers {
        house.withdraw(customer, cents(90));
    }
    let (batch, _) = house.pay_out();
    house.rewind(3);
    house.blocks(7);
    let orphaned = |payment| house.state.deposit(&outpoint_of(payment, 0)).unwrap().state.name();
    assert_eq!(payments.each_ref().map(orphaned), ["orphaned"; 2]);
    (payments, batch)
}

#[test]
fn a_coin_that_a_failed_batch_sets_free_goes_back_to_the_account_it_belongs_to() {
    let mut house = House::new();
    let ([first, second], batch) = two_deposits_lost_under_a_batch(&mut house);
    house.block(&[House::instead_of(&second, &[(stranger(66), btc(1))])]);
    house.blocks(1);
    // The first deposit is confirming again when the conflict of the second becomes final.
    house.block(&[first]);
    assert_eq!(house.batch_state(batch), "failed");
    assert_eq!(house.book(books::INCOMING), btc(1));
    assert_eq!(house.book(books::OUTGOING), Sats::ZERO);
}

#[test]
fn a_coin_of_an_uncredited_deposit_is_not_at_rest_after_its_batch_is_unconfirmed() {
    let mut house = House::new();
    let ([first, second], batch) = two_deposits_lost_under_a_batch(&mut house);
    house.configure(|params| {
        params.confirmations = custody::deposit::finality::ConfirmationTable::fixed(4);
    });
    let paid = house.state.batch(batch).unwrap().transaction.clone();
    let paid: Transaction = encode::deserialize(&paid).unwrap();
    house.block(&[first.clone(), second]);
    house.block(&[paid]);
    house.disconnect();
    let coin = house.state.coins().get(&outpoint_of(&first, 0)).unwrap();
    assert!(!coin.at_rest);
}

#[test]
fn the_signature_of_a_lost_answer_is_learned_from_the_block() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    house.withdraw(&alice, btc(1));
    house.pass(600);
    let batch = house.assemble();
    let paid = house.transaction(batch);
    house.block(std::slice::from_ref(&paid));
    assert_eq!(house.batch_state(batch), "confirmed");
    house.disconnect();
    let known = house.state.batch(batch).unwrap();
    assert_eq!(known.state, BatchState::Broadcast);
    assert_eq!(known.transaction, encode::serialize(&paid));
}

#[test]
fn a_payout_that_the_coins_cannot_cover_with_its_fee_blocks_nobody() {
    let mut house = House::with(|params| params.withdrawal_fee = Sats::ZERO);
    let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
    house.fund(&alice, btc(1));
    house.settle(1, &alice, &bob, cents(10));
    house.fund(&alice, cents(10));
    // All that the hot tier has: nothing is left for the network's fee.
    let all = house
        .state
        .coins()
        .iter()
        .fold(Sats::ZERO, |sum, (_, coin)| sum.checked_add(coin.value).unwrap());
    let ask = Ask::of(&mut house, &alice, btc(1)).with(|intent| intent.fee = Sats::ZERO);
    assert_eq!(all, cents(110));
    let large = house.ask(&alice, &ask);
    house.wait(1);
    let ask = Ask::of(&mut house, &bob, cents(10)).with(|intent| intent.fee = Sats::ZERO);
    let small = house.ask(&bob, &ask);
    house.pass(600);
    // Together they need every satoshi; one of them goes, and the other waits.
    house.assemble();
    let states = [large, small].map(|id| house.state.withdrawal(id).unwrap().state.name());
    assert_eq!(states, ["batched", "queued"]);
}

#[test]
fn many_withdrawals_that_may_not_leave_hide_none_that_may() {
    let mut house = House::new();
    let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
    house.fund(&alice, btc(2));
    house.fund(&bob, btc(2));
    for _ in 0..60 {
        house.withdraw(&alice, cents(1));
    }
    house.ok(Command::FreezeAccount { account: alice.account, by: OperatorId(1) });
    house.wait(1);
    let id = house.withdraw(&bob, cents(1));
    house.pass(600);
    house.assemble();
    assert_eq!(house.state.withdrawal(id).unwrap().state.name(), "batched");
}

#[test]
fn the_fee_counts_against_what_the_signer_may_still_release() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    house.withdraw(&alice, btc(1));
    house.pass(600);
    let exactly = Assembly { signer_left: btc(1), ..assembly() };
    assert_eq!(house.refused(Command::AssembleBatch { assembly: exactly }), "coins-insufficient");
    let enough = Assembly { signer_left: sats(100_002_000), ..assembly() };
    house.ok(Command::AssembleBatch { assembly: enough });
}

/// A withdrawal of alice that was signed once and waits for another batch, since one input of
/// its batch died; its pin lives. Bob has 1 BTC in a coin of its own.
fn a_pinned_withdrawal_in_the_queue(house: &mut House) -> (crate::house::Customer, Transaction) {
    let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
    house.fund(&alice, btc(2));
    let second = house.fund(&alice, cents(190));
    house.withdraw(&alice, cents(290));
    let (batch, paid) = house.pay_out();
    house.fund(&bob, btc(1));
    let theft = House::spending(&[second], &[(stranger(66), btc(1))]);
    house.block(std::slice::from_ref(&theft));
    house.blocks(2);
    assert_eq!(house.batch_state(batch), "failed");
    house.ok(Command::ResumeReleases { stop: Stop::UnexplainedSpend, by: OperatorId(1) });
    (bob, paid)
}

#[test]
fn a_living_pin_is_kept_for_its_withdrawal() {
    let mut house = House::new();
    let (bob, paid) = a_pinned_withdrawal_in_the_queue(&mut house);
    house.fund(&bob, cents(190));
    let id = house.withdraw(&bob, cents(10));
    // Alice's withdrawal is not offered again yet.
    house.configure(|params| params.release_window = primitives::Seconds(0));
    house.pass(600);
    let pin = outpoint_of_input(&paid, 0);
    let pinned = house.withdrawals[0];
    assert_eq!(house.state.withdrawal(pinned).unwrap().pin, Some(pin));
    house.ok(Command::FreezeAccount { account: house.customers[0].account, by: OperatorId(1) });
    let batch = house.assemble();
    assert!(!house.state.batch(batch).unwrap().inputs.contains(&pin));
    assert_eq!(house.state.withdrawal(id).unwrap().state.name(), "batched");
    house.ok(Command::ThawAccount { account: house.customers[0].account, by: OperatorId(1) });
    house.send(batch);
    let next = house.assemble();
    assert!(house.state.batch(next).unwrap().inputs.contains(&pin));
}

#[test]
fn a_pinned_withdrawal_whose_intent_ended_fails_once_its_pin_is_finally_spent() {
    let mut house = House::new();
    let (bob, paid) = a_pinned_withdrawal_in_the_queue(&mut house);
    house.pass(25 * 3600);
    let pinned = house.withdrawals[0];
    assert_eq!(house.state.withdrawal(pinned).unwrap().state.name(), "queued");
    house.withdraw(&bob, cents(10));
    let (batch, next) = house.pay_out();
    let pin = outpoint_of_input(&paid, 0);
    assert!(house.state.batch(batch).unwrap().inputs.contains(&pin));
    house.block(&[next]);
    house.blocks(2);
    let withdrawal = house.state.withdrawal(pinned).unwrap();
    assert!(matches!(withdrawal.state, WithdrawalState::Failed { .. }), "{withdrawal:?}");
}

fn outpoint_of_input(transaction: &Transaction, input: usize) -> primitives::Outpoint {
    let spent = transaction.input[input].previous_output;
    primitives::Outpoint {
        txid: primitives::Txid(*AsRef::<[u8; 32]>::as_ref(&spent.txid)),
        vout: spent.vout,
    }
}

#[test]
fn refusals_of_the_signer_use_up_no_change_addresses() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    house.withdraw(&alice, btc(1));
    house.pass(600);
    for _ in 0..5 {
        let batch = house.assemble();
        assert_eq!(house.state.batch(batch).unwrap().change.as_ref().unwrap().index, 0);
        house.refuse(batch);
        house.pass(60);
    }
    let batch = house.assemble();
    let paid = house.send(batch);
    house.block(&[paid]);
    house.blocks(2);
    house.withdraw(&alice, cents(10));
    house.pass(600);
    let batch = house.assemble();
    assert_eq!(house.state.batch(batch).unwrap().change.as_ref().unwrap().index, 1);
}

#[test]
fn all_deposits_that_are_due_are_credited_at_once() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let script = house.address(&alice);
    let payment = house.pay(&vec![(script, cents(1)); 30]);
    house.block(&[payment]);
    let (at, block) = house.next_block(&[]);
    let block = Command::ConnectBlock { at, work: [0; 32], block: Arc::new(block) };
    for event in house.state.decide(house.at, &block).unwrap() {
        house.state.apply(house.at, &event).unwrap();
    }
    let credited = house.state.decide(house.at, &Command::Advance).unwrap();
    assert_eq!(credited.len(), 30);
}

#[test]
fn a_lost_coin_on_a_change_address_makes_its_batch_fail() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(1));
    house.withdraw(&alice, cents(10));
    let (_, paid) = house.pay_out();
    house.block(&[paid]);
    house.blocks(2);
    let change = house.state.descriptor().unwrap().script(Watched::Internal(0)).unwrap();
    let gift = house.pay(&[(change, btc(2))]);
    house.block(std::slice::from_ref(&gift));
    house.blocks(2);
    house.withdraw(&alice, cents(10));
    let (batch, spent) = house.pay_out();
    assert_eq!(outpoint_of_input(&spent, 0), outpoint_of(&gift, 0));
    house.rewind(3);
    house.block(&[House::instead_of(&gift, &[(stranger(66), btc(2))])]);
    house.blocks(3);
    assert_eq!(house.batch_state(batch), "failed");
}

#[test]
fn two_thefts_in_one_block_stop_releases_once() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let coins = [house.fund(&alice, btc(1)), house.fund(&alice, btc(2))];
    let thefts = coins.map(|coin| House::spending(&[coin], &[(stranger(66), btc(1))]));
    let events = house.block(&thefts);
    let stops = events.iter().filter(|event| matches!(event, Event::ReleasesStopped(_))).count();
    assert_eq!(stops, 1);
}

#[test]
fn the_signer_is_asked_nothing_while_releases_are_stopped_or_an_account_is_frozen() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    house.withdraw(&alice, btc(1));
    house.pass(600);
    let batch = house.assemble();
    let ask = |house: &House| {
        let request = house.state.sign_request(batch, 0, &mut |_| None);
        request.map(|_| ()).map_err(|refusal| refusal.id())
    };
    assert_eq!(ask(&house), Ok(()));
    house.ok(Command::StopReleases { stop: Stop::Operator });
    assert_eq!(ask(&house), Err("releases-stopped"));
    house.ok(Command::ResumeReleases { stop: Stop::Operator, by: OperatorId(1) });
    house.ok(Command::FreezeAccount { account: alice.account, by: OperatorId(1) });
    assert_eq!(ask(&house), Err("account-frozen"));
    house.ok(Command::ThawAccount { account: alice.account, by: OperatorId(1) });
    assert_eq!(ask(&house), Ok(()));
    // Once its intent has ended the question is harmless: the signer says no, which dissolves the
    // batch, or returns what it had signed before.
    house.ok(Command::FreezeAccount { account: alice.account, by: OperatorId(1) });
    house.wait(25 * 3600);
    house.a_customer("somebody, so that the core knows the time");
    assert_eq!(ask(&house), Ok(()));
}

#[test]
fn a_batch_whose_coin_is_gone_does_not_keep_others_from_being_built() {
    let mut house = House::new();
    let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
    house.fund(&bob, btc(1));
    house.fund(&alice, btc(2));
    house.withdraw(&alice, cents(150));
    house.pass(600);
    let lost = house.assemble();
    house.rewind(3);
    house.blocks(8);
    assert_eq!(house.batch_state(lost), "built");
    assert!(house.state.coins().get(&house.state.batch(lost).unwrap().inputs[0]).is_none());
    house.withdraw(&bob, cents(10));
    house.pass(600);
    house.assemble();
}

#[test]
fn a_block_reward_that_a_reorg_takes_is_gone() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let script: ScriptBuf = house.address(&alice);
    let reward = house.reward(&[(script, btc(3))]);
    let (at, block) = house.next_block_of(vec![reward.clone()]);
    house.connect(at, block);
    house.disconnect();
    let state = &house.state.deposit(&outpoint_of(&reward, 0)).unwrap().state;
    assert_eq!(*state, DepositState::Orphaned { conflict: None });
}

#[test]
fn the_refused_transfer_of_a_large_settlement_is_named() {
    let mut house = House::new();
    let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
    house.fund(&alice, cents(5));
    let mut transfers = vec![(&alice, &bob, sats(1)); 9_000];
    transfers[7_654] = (&alice, &bob, btc(1));
    let command = house.settling(1, &transfers);
    let refusal = house.execute(&command).unwrap_err().to_string();
    assert!(refusal.starts_with("transfer 7654 of the settlement"), "{refusal}");
}

#[test]
fn a_refused_tag_that_proves_nothing_leaves_the_batch() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    house.withdraw(&alice, btc(1));
    house.pass(600);
    let batch = house.assemble();
    let halted = Command::RecordRefused { batch, tag: RefusalTag::Halted };
    assert_eq!(house.refused(halted), "batch-may-be-signed");
    assert_eq!(house.batch_state(batch), "built");
}

#[test]
fn a_deposit_is_not_given_up_before_the_new_chain_is_as_long_as_the_old() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let payment = house.payment(&alice, btc(1));
    house.block(std::slice::from_ref(&payment));
    house.blocks(7);
    house.rewind(8);
    // Longer than a deposit may stay adrift, and still shorter than the chain that was given up.
    house.blocks(7);
    house.block(&[payment]);
    assert!(house.state.incidents().iter().all(|(_, incident)| {
        !matches!(incident, custody::incident::Incident::DepositReversed { .. })
    }));
}

/// alice's deposit is credited, traded to bob, and reversed: alice owes, and bob's share waits.
fn reversed_after_a_trade(house: &mut House) -> (Customer, Customer, Transaction) {
    let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
    let lost = house.payment(&alice, btc(1));
    house.block(std::slice::from_ref(&lost));
    house.block(&[]);
    house.settle(1, &alice, &bob, btc(1));
    house.rewind(2);
    house.blocks(6);
    assert_eq!((claim(house, &alice), maturing(house, &bob)), (btc(1), btc(1)));
    (alice, bob, lost)
}

fn claim(house: &House, customer: &Customer) -> Sats {
    house.state.ledger().balance(books::of(customer.account, books::CLAIM))
}

fn maturing(house: &House, customer: &Customer) -> Sats {
    house.state.account(customer.account).unwrap().maturing
}

/// A reversed deposit that was in the mempool again did not count as lost when the claim was paid:
/// the buyer's share stayed with it, and two bitcoin were shared of one once it confirmed.
#[test]
fn a_claim_paid_while_the_reversed_deposit_is_in_the_mempool_again_pays_the_buyers_share() {
    let mut house = House::new();
    let (alice, bob, lost) = reversed_after_a_trade(&mut house);
    house.ok(Command::SeeTransaction { transaction: Arc::new(lost.clone()) });
    house.fund(&alice, btc(1));
    assert_eq!((claim(&house, &alice), maturing(&house, &bob)), (Sats::ZERO, Sats::ZERO));
    house.block(&[lost]);
    house.blocks(4);
    assert_eq!(maturing(&house, &alice), Sats::ZERO, "both deposits have matured");
}

/// As before, and the reversed deposit never confirms: its buyer waited for ever.
#[test]
fn a_buyer_does_not_wait_for_a_deposit_whose_claim_is_paid() {
    let mut house = House::new();
    let (alice, bob, lost) = reversed_after_a_trade(&mut house);
    house.ok(Command::SeeTransaction { transaction: Arc::new(lost.clone()) });
    house.fund(&alice, btc(1));
    house.ok(Command::ForgetTransaction { txid: outpoint_of(&lost, 0).txid });
    house.blocks(5);
    assert_eq!(maturing(&house, &bob), Sats::ZERO);
}

/// As before; the deposit that paid the claim is double-spent before it has matured, while the
/// reversed one confirms: both shares were free, and one bitcoin had come.
#[test]
fn a_claim_paid_by_a_deposit_that_is_double_spent_frees_nobodys_share() {
    let mut house = House::with(|params| params.withdrawable_extra = 10);
    let (alice, bob, lost) = reversed_after_a_trade(&mut house);
    let carol = house.a_customer("carol");
    house.ok(Command::SeeTransaction { transaction: Arc::new(lost.clone()) });
    house.ok(Command::ThawAccount { account: alice.account, by: OperatorId(1) });
    let paying = house.payment(&alice, btc(1));
    house.block(std::slice::from_ref(&paying));
    house.block(std::slice::from_ref(&lost));
    assert_eq!(claim(&house, &alice), Sats::ZERO, "paid by a deposit that has not matured");
    house.block(&[]);
    house.settle(2, &alice, &carol, btc(1));
    house.rewind(3);
    house.block(&[House::instead_of(&paying, &[(stranger(66), btc(1))]), lost]);
    house.blocks(12);
    assert_eq!(claim(&house, &alice), btc(1));
    let waits = [&bob, &carol].map(|customer| maturing(&house, customer));
    assert_eq!(Sats::checked_sum(waits), Some(btc(1)), "one of two bitcoin came: {waits:?}");
}

/// A deposit that had matured, and after a reorg has one confirmation again; a withdrawal that it
/// funded is queued.
fn returned_under_a_withdrawal(house: &mut House) -> (Customer, Customer, WithdrawalId) {
    let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
    house.fund(&bob, btc(2));
    house.blocks(3);
    let deposit = house.payment(&alice, btc(1));
    house.block(std::slice::from_ref(&deposit));
    house.blocks(2);
    let id = house.withdraw(&alice, cents(99));
    house.rewind(3);
    house.blocks(3);
    house.block(&[deposit]);
    house.pass(600);
    (alice, bob, id)
}

/// It left at once, with one confirmation.
#[test]
fn a_withdrawal_waits_until_the_deposit_that_came_back_has_matured_again() {
    let mut house = House::new();
    let (_, _, id) = returned_under_a_withdrawal(&mut house);
    let assemble = || Command::AssembleBatch { assembly: assembly() };
    assert_eq!(house.refused(assemble()), "nothing-to-pay");
    house.block(&[]);
    assert_eq!(house.refused(assemble()), "nothing-to-pay");
    house.block(&[]);
    house.pay_out();
    assert_eq!(house.state.withdrawal(id).unwrap().state.name(), "broadcast");
}

/// Taken back, it was free money that an accomplice could buy and withdraw.
#[test]
fn a_cancelled_withdrawal_frees_nothing_of_a_deposit_that_has_to_mature_again() {
    let mut house = House::new();
    let (alice, bob, id) = returned_under_a_withdrawal(&mut house);
    let command = house.cancelling(&alice, id);
    house.ok(command);
    let trade = |house: &House, id| house.settling(id, &[(&alice, &bob, cents(99))]);
    let refused = trade(&house, 7);
    assert_eq!(house.refused(refused), "settlement-transfer");
    house.blocks(2);
    let command = trade(&house, 8);
    house.ok(command);
}

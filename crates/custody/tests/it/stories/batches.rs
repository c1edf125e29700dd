use bitcoin::Psbt;
use custody::{Command, incident::Stop, payout::Assembly, withdrawal::OperatorId};
use expect_test::{Expect, expect};
use primitives::{FeeRate, WithdrawalId};
use signer_protocol::{EvidenceClass, PayoutIntent};

use crate::house::{Ask, House, assembly, btc, cents, descriptor, outpoint_of, stranger};

fn check(house: &House, expected: &Expect) {
    expected.assert_eq(&house.show());
}

fn states(house: &House, ids: &[WithdrawalId]) -> Vec<&'static str> {
    ids.iter().map(|id| house.state.withdrawal(*id).unwrap().state.name()).collect()
}

#[test]
fn a_payout_above_the_signers_limit_waits_while_smaller_ones_go() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(3));
    let ids = [btc(2), cents(30), cents(40)].map(|amount| {
        house.wait(1);
        house.withdraw(&alice, amount)
    });
    house.pass(600);
    let left = Assembly { signer_left: btc(1), ..assembly() };
    house.ok(Command::AssembleBatch { assembly: left });
    assert_eq!(states(&house, &ids), ["queued", "batched", "batched"]);
}

#[test]
fn a_batch_has_at_most_so_many_outputs_and_so_much_value() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(20));
    let ids: Vec<_> = (0..7)
        .map(|_| {
            house.wait(1);
            house.withdraw(&alice, cents(10))
        })
        .collect();
    house.pass(600);
    house.assemble();
    let five = states(&house, &ids).into_iter().filter(|state| *state == "batched").count();
    assert_eq!(five, 5);
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(20));
    house.configure(|params| params.cool_down_from = btc(100));
    house.configure(|params| params.review_from = btc(100));
    // Together at most 4 BTC; what is larger travels alone, and is never passed over for ever.
    let ids = [btc(3), btc(2), btc(1), btc(9)].map(|amount| {
        house.wait(1);
        house.withdraw(&alice, amount)
    });
    house.pass(600);
    let first = house.assemble();
    assert_eq!(states(&house, &ids), ["batched", "queued", "batched", "queued"]);
    house.send(first);
    let change = house.state.batch(first).unwrap().transaction.clone();
    let paid = crate::house::signed(&change);
    house.block(&[paid]);
    house.blocks(2);
    let second = house.assemble();
    assert_eq!(states(&house, &ids), ["settled", "batched", "settled", "queued"]);
    let paid = house.send(second);
    house.block(&[paid]);
    house.blocks(2);
    house.assemble();
    assert_eq!(states(&house, &ids), ["settled", "settled", "settled", "batched"]);
}

#[test]
fn a_fee_rate_above_the_maximum_builds_nothing() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    house.withdraw(&alice, btc(1));
    house.pass(600);
    let fee_rate = FeeRate::from_sat_per_kwu(12_501);
    let above = Assembly { fee_rate, ..assembly() };
    assert_eq!(house.refused(Command::AssembleBatch { assembly: above }), "fee-rate-above-maximum");
    let fee_rate = FeeRate::from_sat_per_kwu(12_500);
    house.ok(Command::AssembleBatch { assembly: Assembly { fee_rate, ..assembly() } });
}

#[test]
fn what_the_signer_refuses_travels_in_half_the_company_of_before() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(20));
    let ids: Vec<_> = (0..4)
        .map(|_| {
            house.wait(1);
            house.withdraw(&alice, cents(10))
        })
        .collect();
    house.pass(600);
    let batched = |house: &House| {
        let states = states(house, &ids);
        states.into_iter().filter(|state| *state == "batched").count()
    };
    assert!(!house.state.has_refused());
    // The second half waits its turn, and is halved after it.
    for company in [4, 2, 2, 1, 1, 1, 1] {
        let batch = house.assemble();
        assert_eq!(batched(&house), company);
        house.refuse(batch);
        assert!(house.state.has_refused());
        house.wait(3600);
    }
}

#[test]
fn one_batch_at_a_time_waits_for_the_signer() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    house.fund(&alice, btc(2));
    house.withdraw(&alice, btc(1));
    house.pass(600);
    let first = house.assemble();
    house.withdraw(&alice, btc(1));
    house.pass(600);
    assert_eq!(house.refused(Command::AssembleBatch { assembly: assembly() }), "batch-under-way");
    house.sign(first);
    house.assemble();
    check(
        &house,
        &expect![[r#"
            alice: 199998000 sat available, 200002000 sat held
            deposit 1: 2 BTC of alice credited after 2, matured
            deposit 2: 2 BTC of alice credited after 2, matured
            withdrawal 1: 1 BTC signed
            withdrawal 2: 1 BTC batched
            batch 1: 1 BTC signed, network fee 568 sat
            batch 2: 1 BTC built, network fee 568 sat
            books: at-rest 2 BTC, outgoing 2 BTC
        "#]],
    );
}

/// Alice's withdrawal, signed in a batch that spends two coins: the larger is its pin.
fn two_inputs(house: &mut House) -> ([primitives::Outpoint; 2], primitives::BatchId) {
    let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
    let coins = [house.fund(&alice, cents(200)), house.fund(&alice, cents(190))];
    house.fund(&bob, cents(100));
    house.withdraw(&alice, cents(290));
    let (batch, _) = house.pay_out();
    assert_eq!(house.state.batch(batch).unwrap().inputs, coins);
    (coins, batch)
}

#[test]
fn a_withdrawal_whose_pin_was_finally_spent_elsewhere_fails_and_its_money_is_free() {
    let mut house = House::new();
    let ([pin, _], _) = two_inputs(&mut house);
    house.block(&[House::spending(&[pin], &[(stranger(66), btc(1))])]);
    house.block(&[]);
    check(
        &house,
        &expect![[r#"
            alice: 99999000 sat available, 290001000 sat held
            bob: 1 BTC available
            deposit 1: 2 BTC of alice credited after 2, matured
            deposit 2: 1.9 BTC of alice credited after 2, matured
            deposit 3: 1 BTC of bob credited after 2, matured
            withdrawal 1: 2.9 BTC broadcast
            batch 1: 2.9 BTC broadcast, network fee 798 sat
            books: at-rest 1 BTC, outgoing 1.9 BTC, unexplained 2 BTC
            stopped: unexplained-spend
            incident: unexplained spend of 2 BTC
        "#]],
    );
    house.block(&[]);
    check(
        &house,
        &expect![[r#"
            alice: 3.9 BTC available
            bob: 1 BTC available
            deposit 1: 2 BTC of alice credited after 2, matured
            deposit 2: 1.9 BTC of alice credited after 2, matured
            deposit 3: 1 BTC of bob credited after 2, matured
            withdrawal 1: 2.9 BTC failed
            batch 1: 2.9 BTC failed, network fee 798 sat
            books: at-rest 2.9 BTC, unexplained 2 BTC
            stopped: unexplained-spend
            incident: unexplained spend of 2 BTC
            incident: a batch can never confirm
        "#]],
    );
}

#[test]
fn a_withdrawal_whose_pin_lives_is_paid_by_the_next_batch_which_spends_the_pin() {
    let mut house = House::new();
    let ([pin, other], _) = two_inputs(&mut house);
    house.block(&[House::spending(&[other], &[(stranger(66), btc(1))])]);
    house.blocks(2);
    check(
        &house,
        &expect![[r#"
            alice: 99999000 sat available, 290001000 sat held
            bob: 1 BTC available
            deposit 1: 2 BTC of alice credited after 2, matured
            deposit 2: 1.9 BTC of alice credited after 2, matured
            deposit 3: 1 BTC of bob credited after 2, matured
            withdrawal 1: 2.9 BTC queued
            batch 1: 2.9 BTC failed, network fee 798 sat
            books: at-rest 3 BTC, unexplained 1.9 BTC
            stopped: unexplained-spend
            incident: unexplained spend of 1.9 BTC
            incident: a batch can never confirm
        "#]],
    );
    house.pass(60);
    assert_eq!(house.refused(Command::AssembleBatch { assembly: assembly() }), "releases-stopped");
    house.ok(Command::ResumeReleases { stop: Stop::UnexplainedSpend, by: OperatorId(1) });
    let batch = house.assemble();
    assert_eq!(house.state.batch(batch).unwrap().inputs[0], pin);
    let paid = house.send(batch);
    house.block(&[paid]);
    house.blocks(2);
    check(
        &house,
        &expect![[r#"
            alice: 99999000 sat available
            bob: 1 BTC available
            deposit 1: 2 BTC of alice credited after 2, matured
            deposit 2: 1.9 BTC of alice credited after 2, matured
            deposit 3: 1 BTC of bob credited after 2, matured
            withdrawal 1: 2.9 BTC settled
            batch 1: 2.9 BTC failed, network fee 798 sat
            batch 2: 2.9 BTC final, network fee 798 sat
            books: at-rest 9999202 sat, network-fees 798 sat, unexplained 1.9 BTC, fee-income 750 sat, protection-fund 250 sat
            incident: unexplained spend of 1.9 BTC
            incident: a batch can never confirm
        "#]],
    );
}

#[test]
fn a_payout_that_the_signer_always_refuses_travels_alone_in_the_end() {
    let mut house = House::with(|params| params.batch_outputs_max = 4);
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(20));
    let ids: Vec<_> = (0..4).map(|_| house.withdraw(&alice, cents(10))).collect();
    house.pass(600);
    let bad = ids[0];
    let mut sizes = Vec::new();
    for _ in 0..6 {
        let batch = house.assemble();
        let paid: Vec<_> = house.state.batch(batch).unwrap().payouts.clone();
        sizes.push(paid.len());
        if paid.iter().any(|payout| payout.withdrawal == bad) {
            house.refuse(batch);
            house.pass(60);
        } else {
            let paid = house.send(batch);
            house.block(&[paid]);
            house.blocks(2);
        }
        if states(&house, &ids[1..]).iter().all(|state| *state == "settled") {
            break;
        }
    }
    assert_eq!(states(&house, &ids), ["queued", "settled", "settled", "settled"]);
    assert!(sizes.len() <= 6, "{sizes:?}");
}

#[test]
fn the_signer_is_shown_every_input_the_change_and_the_evidence_of_each_payout() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let coin = house.fund(&alice, btc(2));
    let signed = house.withdraw(&alice, cents(10));
    let mut ask = Ask::of(&mut house, &alice, cents(20));
    ask.signed_by = None;
    let vouched = house.ask(&alice, &ask);
    house.pass(600);
    let batch = house.assemble();
    let request = house.state.sign_request(batch, 3, &mut |_| panic!("taproot")).unwrap();
    assert_eq!(
        (request.shard, request.journal_seq),
        (3, house.state.batch(batch).unwrap().built_seq)
    );
    // The entry that authorises the batch is the event that built it.
    let (_, built) = &house.journal[request.journal_seq as usize - 1];
    assert_eq!(built.name(), "BatchBuilt");
    let psbt = Psbt::deserialize(&request.psbt).unwrap();
    let spent = psbt.inputs[0].witness_utxo.as_ref().unwrap();
    let address = house.state.address(0).unwrap();
    assert_eq!(
        (spent.value.to_sat(), spent.script_pubkey.to_bytes()),
        (200_000_000, address.script.clone())
    );
    assert_eq!(house.state.batch(batch).unwrap().inputs, [coin]);
    assert_eq!(psbt.inputs[0].tap_key_origins.len(), 1);
    let change = house.state.batch(batch).unwrap().change.clone().unwrap();
    assert_eq!(psbt.outputs[change.vout as usize].tap_key_origins.len(), 1);
    for (id, class) in
        [(signed, EvidenceClass::CustomerSigned), (vouched, EvidenceClass::ServerVouched)]
    {
        let evidence = request.evidence.iter().find(|it| it.withdrawal == id).unwrap();
        let intent = PayoutIntent::parse(&evidence.intent).unwrap();
        let output = &psbt.unsigned_tx.output[evidence.output as usize];
        assert_eq!(output.script_pubkey.to_bytes(), intent.script);
        assert_eq!(output.value.to_sat(), intent.amount.to_sat());
        assert_eq!((intent.withdrawal_id().unwrap(), evidence.class.class()), (id, class));
    }
}

#[test]
fn coins_of_segwit_v0_are_proven_by_the_transactions_that_made_them() {
    let mut house = House::with(|params| params.descriptor = descriptor().replace("tr(", "wpkh("));
    let alice = house.a_customer("alice");
    let payment = house.payment(&alice, btc(2));
    house.block(std::slice::from_ref(&payment));
    house.blocks(2);
    house.withdraw(&alice, btc(1));
    house.pass(600);
    let batch = house.assemble();
    let mut asked = Vec::new();
    let mut previous = |outpoint: &primitives::Outpoint| {
        asked.push(*outpoint);
        Some(payment.clone())
    };
    let request = house.state.sign_request(batch, 0, &mut previous).unwrap();
    let psbt = Psbt::deserialize(&request.psbt).unwrap();
    // Most of a large transaction can be witness: it is not sent along.
    let sent = psbt.inputs[0].non_witness_utxo.as_ref().unwrap();
    assert_eq!(sent.compute_txid(), payment.compute_txid());
    assert_eq!(sent.output, payment.output);
    assert!(!payment.input[0].witness.is_empty() && sent.input[0].witness.is_empty());
    assert_eq!(psbt.inputs[0].bip32_derivation.len(), 1);
    assert_eq!(asked, [outpoint_of(&payment, 0)]);
    // What was made up is found out before the signer is asked.
    let wrong = Some(house.pay(&[]));
    let refused = house.state.sign_request(batch, 0, &mut |_| wrong.clone());
    assert_eq!(refused.unwrap_err().id(), "batch-altered");
}

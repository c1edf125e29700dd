//! What strangers can make the core keep and record, with transactions that cost them little.

use std::sync::Arc;

use bitcoin::{ScriptBuf, Transaction, hashes::Hash};
use custody::{
    Command, DepositState, Event,
    chain::{CONFLICTS_MAX, REORG_MAX},
    deposit::SIGHTED_MAX,
    event::{OurTransaction, Receipt, TransactionSeen, Watched},
};
use primitives::{Outpoint, Txid};

use crate::house::{House, btc, outpoint_of, sats, stranger};

/// The longest body that a journal takes: `store::BODY_BYTES_MAX`.
const BODY_BYTES_MAX: usize = 8 << 20;

/// Coins of somebody else.
pub(crate) fn foreign(count: u32) -> Vec<Outpoint> {
    let txid = Txid(bitcoin::Txid::hash(b"fan out").to_byte_array());
    (0..count).map(|vout| Outpoint { txid, vout }).collect()
}

/// A transaction that pays `to` many times; each version is another one on the same coins.
fn fan(to: &ScriptBuf, inputs: u32, outputs: usize, version: u64) -> Transaction {
    let mut paid = vec![(to.clone(), sats(10_000)); outputs];
    paid[0].1 = sats(10_000 + version);
    let mut transaction = House::spending(&foreign(inputs), &paid);
    // Pay to witness script hash of OP_TRUE: the cheapest input that nodes relay.
    for input in &mut transaction.input {
        input.witness = bitcoin::Witness::from_slice(&[[0x51_u8; 1]]);
    }
    assert!(transaction.weight().to_wu() <= 400_000, "{}", transaction.weight());
    transaction
}

pub(crate) fn see(house: &mut House, transaction: &Transaction) -> Vec<Event> {
    house.ok(Command::SeeTransaction { transaction: Arc::new(transaction.clone()) })
}

pub(crate) fn forget(house: &mut House, transaction: &Transaction) -> Vec<Event> {
    house.ok(Command::ForgetTransaction { txid: outpoint_of(transaction, 0).txid })
}

fn snapshot_bytes(house: &House) -> usize {
    house.state.to_bytes().unwrap().len()
}

#[test]
fn the_inputs_of_a_transaction_are_kept_once_however_many_outputs_it_has() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let to = house.address(&alice);
    let before = snapshot_bytes(&house);
    let events = see(&mut house, &fan(&to, 1_150, 1_150, 0));
    let event: usize = events.iter().map(|event| event.encode().unwrap().len()).sum();
    let grown = snapshot_bytes(&house) - before;
    assert!(grown < 4 * event, "an event of {event} bytes makes the state {grown} bytes larger");
    house.state.check_indexes().unwrap();
}

#[test]
fn a_sighting_too_small_to_be_credited_is_not_shown_and_goes_to_suspense_in_a_block() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let to = house.address(&alice);
    let dust = house.pay(&[(to.clone(), sats(9_999))]);
    assert_eq!(see(&mut house, &dust), []);
    let mixed = house.pay(&[(to.clone(), sats(9_999)), (to, sats(10_000))]);
    assert_eq!(see(&mut house, &mixed).len(), 1);
    assert_eq!(house.state.deposits().count(), 1);
    house.block(&[dust, mixed.clone()]);
    house.blocks(1);
    let states: Vec<_> = house.deposits.iter().map(|it| house.state.deposit(it).unwrap()).collect();
    assert_eq!(states.len(), 3);
    let suspense = states.iter().filter(|it| matches!(it.state, DepositState::Suspense { .. }));
    assert_eq!(suspense.count(), 2);
    assert!(house.state.deposit(&outpoint_of(&mixed, 1)).unwrap().state.is_credited());
}

#[test]
fn what_never_was_in_a_block_is_forgotten_a_hundred_blocks_after_it_is_gone() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let [evicted, replaced, returned, carried] =
        [1, 2, 3, 4].map(|n| house.payment(&alice, btc(n)));
    for payment in [&evicted, &replaced, &returned, &carried] {
        see(&mut house, payment);
    }
    forget(&mut house, &evicted);
    forget(&mut house, &returned);
    // A reorg takes the last one out of the chain, and it never comes back.
    house.block(&[House::instead_of(&replaced, &[(stranger(1), btc(1))]), carried.clone()]);
    house.disconnect();
    house.block(&[House::instead_of(&replaced, &[(stranger(2), btc(1))])]);
    forget(&mut house, &carried);
    see(&mut house, &returned);
    house.blocks(REORG_MAX - 2);
    let known = |house: &House, payment: &Transaction| {
        house.state.deposit(&outpoint_of(payment, 0)).map(|deposit| deposit.state.name())
    };
    assert_eq!(known(&house, &evicted), Some("orphaned"));
    house.blocks(1);
    assert_eq!(known(&house, &evicted), None);
    assert_eq!(known(&house, &replaced), Some("orphaned"), "a block that can go speaks of it");
    house.rewind(REORG_MAX);
    assert_eq!(house.tip().height.0, 100);
    house.state.check_indexes().unwrap();
    house.block(&[House::instead_of(&replaced, &[(stranger(3), btc(1))])]);
    house.blocks(REORG_MAX);
    assert_eq!(known(&house, &replaced), None);
    assert_eq!(known(&house, &returned), Some("detected"));
    assert_eq!(known(&house, &carried), Some("orphaned"), "what was in a block stays known");
    house.state.check_indexes().unwrap();
    assert_eq!(house.replayed().digest().unwrap(), house.state.digest().unwrap());
    // It is as new.
    assert_eq!(see(&mut house, &evicted).len(), 1);
    house.block(std::slice::from_ref(&evicted));
    house.blocks(1);
    assert_eq!(known(&house, &evicted), Some("credited"));
}

#[test]
fn what_is_seen_beyond_the_limit_is_not_shown_until_a_block_carries_it_or_others_are_forgotten() {
    let mut house = House::new();
    house.checks = false;
    let alice = house.a_customer("alice");
    let to = house.address(&alice);
    let each = 2_301;
    for version in 0..SIGHTED_MAX / each {
        let giant = fan(&to, 1, each - 1, version as u64);
        assert_eq!(see_quickly(&mut house, &giant), 1, "{version}");
        let txid = outpoint_of(&giant, 0).txid;
        quickly(&mut house, Command::ForgetTransaction { txid });
    }
    let giant = fan(&to, 1, each - 1, 1_000);
    assert_eq!(see_quickly(&mut house, &giant), 0);
    let payment = house.payment(&alice, btc(1));
    house.block(std::slice::from_ref(&payment));
    house.blocks(1);
    assert!(house.state.deposit(&outpoint_of(&payment, 0)).unwrap().state.is_credited());
    house.blocks(REORG_MAX);
    assert_eq!(house.state.deposits().count(), 1);
    assert_eq!(see_quickly(&mut house, &giant), 1);
    house.state.check_indexes().unwrap();
}

/// Executes without the harness, which looks at everything after each command; how many events.
fn quickly(house: &mut House, command: Command) -> usize {
    let events = house.state.decide(house.at, &command).unwrap();
    for event in &events {
        house.state.apply(house.at, event).unwrap();
    }
    drop(house.state.take_touched());
    events.len()
}

fn see_quickly(house: &mut House, transaction: &Transaction) -> usize {
    quickly(house, Command::SeeTransaction { transaction: Arc::new(transaction.clone()) })
}

#[test]
fn replaced_versions_of_a_transaction_are_named_once_each_by_the_block_that_ends_them() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let to = house.address(&alice);
    for version in 0..5 {
        let giant = fan(&to, 1, 2_310, version);
        see(&mut house, &giant);
        forget(&mut house, &giant);
    }
    let last = House::instead_of(&fan(&to, 1, 1, 0), &[(stranger(1), sats(1_000))]);
    let events = house.block(&[last]);
    let [Event::BlockConnected(connected)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(connected.conflicts.len(), 5);
}

/// As many payments as are kept, all on the coins that one full block of ours spends.
#[test]
fn the_event_of_a_full_block_that_ends_all_payments_stays_below_what_the_journal_takes() {
    let mut house = House::new();
    house.checks = false;
    let alice = house.a_customer("alice");
    let to = house.address(&alice);
    let coins = foreign(20_000);
    for number in 0..SIGHTED_MAX / 2 {
        let txid = Txid(bitcoin::Txid::hash(&number.to_le_bytes()).to_byte_array());
        let receipt = Receipt { vout: 0, value: sats(10_000), watched: Watched::External(0) };
        let inputs = vec![coins[number % coins.len()]];
        let (spends, receipts, coinbase) = (Vec::new(), vec![receipt], false);
        let transaction = OurTransaction { txid, spends, receipts, inputs, coinbase };
        house.state.apply(house.at, &TransactionSeen { transaction }.into()).unwrap();
    }
    assert_eq!(see_quickly(&mut house, &fan(&to, 1, 1, 0)), 0, "no more are kept");
    let mut last = House::spending(&coins, &vec![(to, sats(330)); 3_800]);
    for input in &mut last.input {
        input.witness = bitcoin::Witness::new();
    }
    let (at, block) = house.next_block(&[last]);
    let weight = block.weight().to_wu();
    assert!((3_900_000..4_000_000).contains(&weight), "{weight}");
    let command = Command::ConnectBlock { at, work: [0; 32], block: Arc::new(block) };
    let events = house.state.decide(house.at, &command).unwrap();
    let [Event::BlockConnected(connected)] = &events[..] else { panic!() };
    assert_eq!(connected.conflicts.len(), SIGHTED_MAX / 2);
    let bytes = events[0].encode().unwrap().len();
    let unnamed = CONFLICTS_MAX - connected.conflicts.len();
    // All inputs might be coins of ours as well, which are named once more.
    let most = bytes + 32 * unnamed + 36 * coins.len();
    assert!(most < BODY_BYTES_MAX, "{most} bytes");
    house.state.apply(house.at, &events[0]).unwrap();
    house.state.check_indexes().unwrap();
}

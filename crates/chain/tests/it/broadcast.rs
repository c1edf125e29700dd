//! Broadcast on a real node: idempotent, and refused by name.

use bitcoin::{OutPoint, Transaction};
use chain::{
    broadcast::{Outcome, Sent, broadcast},
    node::Node,
    regtest::RegtestNode,
};
use primitives::Sats;

use crate::support::real_node::start_with_coins;

fn sats(sats: u64) -> Sats {
    Sats::parse(sats).unwrap()
}

/// Spends `coin` whole to a fresh address of the wallet, but for `fee`.
fn spend(node: &RegtestNode, coin: (OutPoint, Sats), fee: u64) -> Transaction {
    let rest = coin.1.checked_sub(sats(fee)).unwrap();
    node.spend(&[coin.0], &[(node.fresh_address().unwrap(), rest)]).unwrap()
}

fn sent(node: &mut Node, transaction: &Transaction) -> Sent {
    match broadcast(node, transaction).unwrap() {
        Outcome::Sent(sent) => sent,
        Outcome::Refused(refusal) => panic!("{refusal}"),
    }
}

fn refused(node: &mut Node, transaction: &Transaction) -> &'static str {
    match broadcast(node, transaction).unwrap() {
        Outcome::Sent(sent) => panic!("{sent:?}"),
        Outcome::Refused(refusal) => {
            assert!(refusal.to_string().starts_with(refusal.rule()), "{refusal}");
            refusal.rule()
        }
    }
}

#[test]
fn sending_again_is_a_success_before_and_after_confirmation_and_after_all_is_spent() {
    let real = start_with_coins();
    let mut node = real.node.node();
    let coin = real.node.coins().unwrap()[0];
    let first = spend(&real.node, coin, 1000);
    assert!(node.test_accept(&first).unwrap().allowed);
    assert_eq!(sent(&mut node, &first), Sent::Accepted);
    assert_eq!(sent(&mut node, &first), Sent::AlreadyInMempool);
    real.node.mine(1).unwrap();
    assert_eq!(sent(&mut node, &first), Sent::AlreadyConfirmed);

    let output = (OutPoint::new(first.compute_txid(), 0), sats(first.output[0].value.to_sat()));
    let second = spend(&real.node, output, 1000);
    assert_eq!(sent(&mut node, &second), Sent::Accepted);
    real.node.mine(1).unwrap();
    // No output of the first is left: the node itself now speaks of missing inputs.
    assert_eq!(sent(&mut node, &first), Sent::AlreadyConfirmed);
}

#[test]
fn a_double_spend_is_refused_for_its_fee_while_waiting_and_for_its_input_afterwards() {
    let real = start_with_coins();
    let mut node = real.node.node();
    let coin = real.node.coins().unwrap()[0];
    let honest = spend(&real.node, coin, 5000);
    let evil = spend(&real.node, coin, 1000);
    assert_eq!(sent(&mut node, &honest), Sent::Accepted);
    assert_eq!(refused(&mut node, &evil), "fee-too-low");
    real.node.mine(1).unwrap();
    assert_eq!(refused(&mut node, &evil), "missing-inputs");

    // The reorg that a thief hopes for: the block with the honest one gives way.
    let tip = real.node.tip().unwrap();
    real.node.invalidate_block(tip.hash).unwrap();
    let address = real.node.fresh_address().unwrap();
    real.node.generate_block(&address, std::slice::from_ref(&evil)).unwrap();
    real.node.mine(1).unwrap();
    assert_eq!(sent(&mut node, &evil), Sent::AlreadyConfirmed);
    assert_eq!(refused(&mut node, &honest), "missing-inputs");
}

#[test]
fn what_nodes_do_not_relay_is_refused_by_name() {
    let real = start_with_coins();
    let mut node = real.node.node();
    let coin = real.node.coins().unwrap()[0];
    assert_eq!(refused(&mut node, &spend(&real.node, coin, 1)), "fee-too-low");
    assert_eq!(refused(&mut node, &spend(&real.node, coin, 50_000_000)), "fee-too-high");

    let (one, other) = (real.node.fresh_address().unwrap(), real.node.fresh_address().unwrap());
    let outputs = [(one, coin.1.checked_sub(sats(10_100)).unwrap()), (other, sats(100))];
    let dust = real.node.spend(&[coin.0], &outputs).unwrap();
    assert_eq!(refused(&mut node, &dust), "not-accepted");

    let mut forged = spend(&real.node, coin, 1000);
    forged.output[0].value -= bitcoin::Amount::ONE_SAT;
    assert_eq!(refused(&mut node, &forged), "not-accepted");
    assert!(!node.test_accept(&forged).unwrap().allowed);

    let mut unknown = spend(&real.node, coin, 1000);
    unknown.input[0].previous_output.vout = 9;
    assert_eq!(refused(&mut node, &unknown), "missing-inputs");

    let young = real.node.tip().unwrap();
    let coinbase = node.block(young.hash).unwrap().txdata[0].clone();
    let coin = (OutPoint::new(coinbase.compute_txid(), 0), sats(coinbase.output[0].value.to_sat()));
    assert_eq!(refused(&mut node, &spend(&real.node, coin, 1000)), "not-final");
}

#[test]
fn a_node_that_is_gone_is_a_transient_fault() {
    let mut real = start_with_coins();
    let mut node = real.node.node();
    let coin = real.node.coins().unwrap()[0];
    let transaction = spend(&real.node, coin, 1000);
    real.node.stop().unwrap();
    assert!(broadcast(&mut node, &transaction).unwrap_err().is_transient());
    real.node.restart().unwrap();
    assert_eq!(sent(&mut node, &transaction), Sent::Accepted);
}

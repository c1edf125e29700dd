//! The follower on a real node.

use bitcoin::Network;
use chain::{
    Fault,
    follow::{Follower, NotReady},
    node::{Agreement, Node, genesis},
};
use primitives::{BlockHash, BlockHeight, BlockRef, Seconds};

use crate::support::real_node::{Applied, RealNode, start, start_with_coins};

fn follower(real: &RealNode) -> Follower<Node> {
    Follower::new(real.node.node(), Network::Regtest)
}

fn applied() -> Applied {
    Applied::from(genesis(Network::Regtest))
}

fn reasons(follower: &mut Follower<Node>) -> Vec<&'static str> {
    let health = follower.health();
    let now = health.tip.unwrap().time;
    health.not_ready(now, Seconds(3600)).iter().map(NotReady::id).collect()
}

/// The same chain, read from the first block by a follower that saw nothing of what happened.
fn straight_replay(real: &RealNode) -> Applied {
    let mut straight = applied();
    let steps = straight.catch_up(&mut follower(real)).unwrap();
    assert!(steps.iter().all(|step| *step > 0));
    straight
}

#[test]
fn two_hundred_blocks_are_followed_in_order() {
    let real = start();
    real.node.mine(200).unwrap();
    let (mut follower, mut applied) = (follower(&real), applied());
    let steps = applied.catch_up(&mut follower).unwrap();
    assert_eq!(steps, (1..=200).collect::<Vec<i64>>());
    assert_eq!(applied.tip(), real.node.tip().unwrap());

    assert!(reasons(&mut follower).is_empty());
    // Our sum of the work of 200 headers is the node's.
    let work = real.node.node().chain_info().unwrap().work;
    assert_eq!(follower.health().tip.unwrap().work, work);
}

#[test]
fn a_reorg_of_three_disconnects_newest_first_and_ends_like_a_straight_replay() {
    let real = start();
    real.node.mine(10).unwrap();
    let (mut follower, mut applied) = (follower(&real), applied());
    applied.catch_up(&mut follower).unwrap();

    real.node.invalidate_block(applied.chain[8].hash).unwrap();
    real.node.mine(4).unwrap();
    assert_eq!(applied.catch_up(&mut follower).unwrap(), [-10, -9, -8, 8, 9, 10, 11]);
    assert_eq!(applied.chain, straight_replay(&real).chain);
    assert!(reasons(&mut follower).is_empty());
}

#[test]
fn a_tip_that_sinks_with_nothing_better_is_told_and_called_less_work() {
    let real = start();
    real.node.mine(5).unwrap();
    let (mut follower, mut applied) = (follower(&real), applied());
    applied.catch_up(&mut follower).unwrap();

    real.node.invalidate_block(applied.chain[4].hash).unwrap();
    assert_eq!(applied.catch_up(&mut follower).unwrap(), [-5, -4]);
    assert!(reasons(&mut follower).contains(&"less-work"));

    real.node.mine(1).unwrap();
    assert_eq!(applied.catch_up(&mut follower).unwrap(), [4]);
    assert!(reasons(&mut follower).contains(&"less-work"));

    real.node.mine(1).unwrap();
    assert_eq!(applied.catch_up(&mut follower).unwrap(), [5]);
    assert!(!reasons(&mut follower).contains(&"less-work"));
}

#[test]
fn a_node_killed_and_started_again_is_followed_on() {
    let mut real = start();
    real.node.mine(10).unwrap();
    real.node.flush().unwrap();
    let (mut follower, mut applied) = (follower(&real), applied());
    for _ in 0..4 {
        applied.step(&mut follower).unwrap();
    }
    let cookie = std::fs::read(real.node.endpoint().credentials_file).unwrap();
    real.node.kill9();
    let fault = applied.step(&mut follower).unwrap_err();
    assert!(fault.is_transient(), "{fault}");
    let health = follower.health();
    assert!(!health.reachable());
    assert_eq!(reasons(&mut follower), ["node-unreachable"]);

    real.node.restart().unwrap();
    assert_ne!(std::fs::read(real.node.endpoint().credentials_file).unwrap(), cookie);
    assert_eq!(applied.catch_up(&mut follower).unwrap(), [5, 6, 7, 8, 9, 10]);
    assert_eq!(applied.chain, straight_replay(&real).chain);
}

#[test]
fn a_node_that_lost_its_newest_blocks_when_it_was_killed_undoes_nothing() {
    let mut real = start();
    real.node.mine(3).unwrap();
    real.node.flush().unwrap();
    real.node.mine(4).unwrap();
    let (mut follower, mut applied) = (follower(&real), applied());
    applied.catch_up(&mut follower).unwrap();
    real.node.kill9();
    real.node.restart().unwrap();

    let kept = real.node.tip().unwrap();
    assert_eq!(kept.height.0, 3, "this node writes more often to disk than we thought");
    let fault = applied.step(&mut follower).unwrap_err();
    assert!(matches!(fault, Fault::Behind { node_height: 3, .. }), "{fault}");
    assert!(fault.is_transient());
    assert_eq!(reasons(&mut follower), ["syncing"], "nothing is released on the lost blocks");

    // Other blocks with as much work are another best chain.
    real.node.mine(4).unwrap();
    assert_eq!(applied.catch_up(&mut follower).unwrap(), [-7, -6, -5, -4, 4, 5, 6, 7]);
    assert_eq!(applied.chain, straight_replay(&real).chain);
}

#[test]
fn another_network_is_refused() {
    let real = start();
    let mut follower = Follower::new(real.node.node(), Network::Signet);
    let fault = follower.next(genesis(Network::Signet)).unwrap_err();
    assert!(matches!(&fault, Fault::WrongNetwork { found, .. } if found == "regtest"), "{fault}");
    assert_eq!(follower.health().not_ready(primitives::Timestamp::EPOCH, Seconds(1)).len(), 1);
}

#[test]
fn typed_calls_agree_with_a_real_node() {
    let real = start_with_coins();
    let mut node = real.node.node();
    let tip = real.node.tip().unwrap();
    assert_eq!(node.block_at(tip.height).unwrap(), Some(tip));
    assert_eq!(node.block_at(BlockHeight(tip.height.0 + 1)).unwrap(), None);
    assert_eq!(node.place(BlockHash([5; 32])).unwrap(), None);
    assert_eq!(node.agrees_on(tip).unwrap(), Agreement::Agrees);
    let elsewhere = BlockRef { height: BlockHeight(1), ..tip };
    assert_eq!(node.agrees_on(elsewhere).unwrap(), Agreement::Disagrees);
    assert!(!node.has_invalid_branch(BlockHeight(0)).unwrap());
    assert_eq!(node.header(tip.hash).unwrap(), node.block(tip.hash).unwrap().header);

    let (outpoint, value) = real.node.coins().unwrap()[0];
    let unspent = node.unspent(outpoint, true).unwrap().unwrap();
    assert_eq!(unspent.value, value);
    assert!(unspent.coinbase && unspent.confirmations.0 > 100);
    let nowhere = bitcoin::OutPoint::new(outpoint.txid, 77);
    assert_eq!(node.unspent(nowhere, true).unwrap(), None);

    assert!(node.network_info().unwrap().version > 200_000);
    assert_eq!(node.mempool_info().unwrap().count, 0);
    assert_eq!(node.transaction(outpoint.txid).unwrap().unwrap().compute_txid(), outpoint.txid);
    assert!(node.confirmations(outpoint.txid).unwrap().unwrap().0 > 100);
}

//! Any path of connects and disconnects ends like a straight replay.

use bitcoin::Network;
use chain::{
    Fault,
    follow::{Follower, NotReady, Step},
    node::genesis,
};
use primitives::{BlockHeight, BlockRef, Seconds, Timestamp};
use proptest::{collection::vec, prelude::*};

use crate::support::{memory_node::MemoryNode, real_node::Applied};

#[derive(Debug, Clone)]
enum Deed {
    /// Mines on the best block.
    Mine,
    /// Mines on any block, by its place in the list of all.
    MineOn(usize),
    /// Marks the n-th block from the top as invalid.
    Invalidate(u32),
    /// Lets the follower take so many steps.
    Follow(usize),
    /// A new follower continues from the caller's cursor, as after a restart of ours.
    Restart,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => Just(Deed::Mine),
        3 => any::<usize>().prop_map(Deed::MineOn),
        1 => (0..4_u32).prop_map(Deed::Invalidate),
        4 => (1..6_usize).prop_map(Deed::Follow),
        1 => Just(Deed::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_path_of_connects_and_disconnects_ends_like_a_straight_replay(
        deeds in vec(deed(), 1..60)
    ) {
        let mut node = MemoryNode::new();
        let first = genesis(Network::Regtest);
        let mut applied = Applied::from(first);
        // One follower lives as long as there is no restart, over a node that changes under it.
        let mut follower = Follower::new(Shared::new(&node), Network::Regtest);
        for (tag, deed) in (0..).zip(deeds) {
            match deed {
                Deed::Mine => drop(node.mine_on(node.best(), tag)),
                Deed::MineOn(choice) => {
                    let all = node.all();
                    node.mine_on(all[choice % all.len()], tag);
                }
                Deed::Invalidate(down) => node.invalidate(node.height().saturating_sub(down)),
                Deed::Follow(steps) => {
                    for _ in 0..steps {
                        applied.step(&mut follower).unwrap();
                    }
                }
                Deed::Restart => follower = Follower::new(Shared::new(&node), Network::Regtest),
            }
            Shared::show(&node);
        }
        applied.catch_up(&mut follower).unwrap();
        prop_assert_eq!(&applied.chain, &node.best_chain());

        let mut straight = Applied::from(first);
        let mut fresh = Follower::new(Shared::new(&node), Network::Regtest);
        straight.catch_up(&mut fresh).unwrap();
        prop_assert_eq!(&applied.chain, &straight.chain);
        prop_assert_eq!(follower.health().tip, fresh.health().tip);
    }
}

#[test]
fn a_tip_below_or_beside_what_the_caller_asks_from_is_no_problem() {
    let mut node = MemoryNode::new();
    node.mine(20, 1);
    let chain = node.best_chain();
    let mut follower = Follower::new(node, Network::Regtest);
    for from in [20, 3, 17, 0, 19] {
        let step = follower.next(chain[from]).unwrap();
        match chain.get(from + 1) {
            None => assert_eq!(step, Step::Idle),
            Some(next) => assert!(matches!(step, Step::Connect { at, .. } if at == *next)),
        }
    }
}

#[test]
fn a_cursor_that_contradicts_the_node_is_a_fault() {
    let mut node = MemoryNode::new();
    node.mine(3, 1);
    let at_two = node.best_chain()[2];
    let mut follower = Follower::new(node, Network::Regtest);
    let wrong_height = BlockRef { height: BlockHeight(1), ..at_two };
    assert_eq!(follower.next(wrong_height).unwrap_err().id(), "node-contradiction");
    let other_first = BlockRef { height: BlockHeight(0), hash: primitives::BlockHash([1; 32]) };
    assert_eq!(follower.next(other_first).unwrap_err().id(), "node-contradiction");
}

#[test]
fn a_node_that_lost_blocks_in_a_crash_undoes_nothing_until_it_has_more_work() {
    let mut node = MemoryNode::new();
    node.mine(8, 1);
    let mut applied = Applied::from(genesis(Network::Regtest));
    let mut follower = Follower::new(Shared::new(&node), Network::Regtest);
    applied.catch_up(&mut follower).unwrap();

    node.forget_above(5);
    Shared::show(&node);
    let fault = applied.catch_up(&mut follower).unwrap_err();
    assert!(matches!(fault, Fault::Behind { node_height: 5, .. }), "{fault}");
    assert!(fault.is_transient());
    // A follower that begins after the crash has only heights to go by.
    let mut fresh = Follower::new(Shared::new(&node), Network::Regtest);
    assert_eq!(applied.catch_up(&mut fresh).unwrap_err().id(), "node-behind");

    node.mine(3, 100);
    Shared::show(&node);
    assert_eq!(applied.catch_up(&mut follower).unwrap(), [-8, -7, -6, 6, 7, 8]);
}

#[test]
fn the_tip_has_less_work_from_the_first_disconnect_until_the_loss_is_made_up() {
    let mut node = MemoryNode::new();
    node.mine(3, 1);
    let mut applied = Applied::from(genesis(Network::Regtest));
    let mut follower = Follower::new(Shared::new(&node), Network::Regtest);
    let reasons = |follower: &mut Follower<Shared>| {
        let health = follower.health();
        let now = health.tip.map_or(Timestamp::EPOCH, |tip| tip.time);
        health.not_ready(now, Seconds(3600)).iter().map(NotReady::id).collect::<Vec<_>>()
    };
    assert_eq!(reasons(&mut follower), ["syncing"], "before the first step");
    applied.catch_up(&mut follower).unwrap();
    assert!(reasons(&mut follower).is_empty());

    let fork = node.best_chain()[1].hash;
    let mut branch = fork;
    for tag in 50..53 {
        branch = node.mine_on(branch, tag);
    }
    Shared::show(&node);
    let mut seen = Vec::new();
    while applied.step(&mut follower).unwrap() {
        seen.push(reasons(&mut follower).contains(&"less-work"));
    }
    // -3 -2 +2 +3 +4: the disconnect itself still stands on the old tip.
    assert_eq!(applied.steps[3..], [-3, -2, 2, 3, 4]);
    assert_eq!(seen, [false, true, true, false, false]);
    let mut told = Follower::new(Shared::new(&node), Network::Regtest);
    told.remember_work(chain::check::ChainWork::from_be_bytes([1; 32]));
    assert_eq!(applied.catch_up(&mut told).unwrap(), [0_i64; 0]);
    assert_eq!(reasons(&mut told), ["less-work"]);
}

/// A source that asks the newest state of a node that the test goes on changing.
struct Shared;

mod shared {
    use std::cell::RefCell;

    use bitcoin::{Block, Network, block::Header};
    use chain::{
        Fault,
        follow::Source,
        node::{ChainInfo, Place},
    };
    use primitives::{BlockHash, BlockHeight};

    use super::{MemoryNode, Shared};

    thread_local! {
        static NODE: RefCell<MemoryNode> = RefCell::new(MemoryNode::new());
    }

    fn ask<T>(question: impl FnOnce(&mut MemoryNode) -> T) -> T {
        NODE.with_borrow_mut(question)
    }

    impl Shared {
        pub fn new(node: &MemoryNode) -> Self {
            Self::show(node);
            Self
        }

        pub fn show(node: &MemoryNode) {
            ask(|shown| shown.clone_from(node));
        }
    }

    impl Source for Shared {
        fn check_network(&mut self, network: Network) -> Result<(), Fault> {
            ask(|node| node.check_network(network))
        }

        fn chain_info(&mut self) -> Result<ChainInfo, Fault> {
            ask(Source::chain_info)
        }

        fn place(&mut self, hash: BlockHash) -> Result<Option<Place>, Fault> {
            ask(|node| node.place(hash))
        }

        fn header(&mut self, hash: BlockHash) -> Result<Header, Fault> {
            ask(|node| node.header(hash))
        }

        fn block(&mut self, hash: BlockHash) -> Result<Block, Fault> {
            ask(|node| node.block(hash))
        }

        fn has_invalid_branch(&mut self, height: BlockHeight) -> Result<bool, Fault> {
            ask(|node| node.has_invalid_branch(height))
        }
    }
}

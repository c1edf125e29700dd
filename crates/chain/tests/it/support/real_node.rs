//! A real `bitcoind`, one per test.

use chain::{
    Fault,
    follow::{Follower, Source, Step},
    regtest::{RegtestNode, find_bitcoind},
};
use primitives::BlockRef;
use tempfile::TempDir;

pub struct RealNode {
    pub node: RegtestNode,
    // Dropped after the node.
    _dir: TempDir,
}

/// Starts a node in a fresh folder. Where there is no `bitcoind` the test fails and says so: a
/// test that needs a node must not pass without one.
pub fn start() -> RealNode {
    let Some(bitcoind) = find_bitcoind() else {
        panic!(
            "this test needs a bitcoind and found none: name one in BITCOIND, put one on PATH, or \
             let `cargo xtask` fetch one into its cache folder"
        );
    };
    let dir = tempfile::tempdir().unwrap();
    let node = RegtestNode::start(&bitcoind, dir.path()).unwrap();
    RealNode { node, _dir: dir }
}

/// A node whose wallet has a few coins that may be spent.
pub fn start_with_coins() -> RealNode {
    let real = start();
    real.node.mine(105).unwrap();
    real
}

/// The caller's side: the chain it has applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub chain: Vec<BlockRef>,
    /// `+5` for a connect, `-5` for a disconnect.
    pub steps: Vec<i64>,
}

impl Applied {
    pub fn from(first: BlockRef) -> Self {
        Self { chain: vec![first], steps: Vec::new() }
    }

    pub fn tip(&self) -> BlockRef {
        *self.chain.last().unwrap()
    }

    /// Applies one step; `false` when idle.
    pub fn step<S: Source>(&mut self, follower: &mut Follower<S>) -> Result<bool, Fault> {
        match follower.next(self.tip())? {
            Step::Idle => return Ok(false),
            Step::Disconnect(at) => {
                assert_eq!(self.chain.pop(), Some(at));
                self.steps.push(-i64::from(at.height.0));
            }
            Step::Connect { block, at, .. } => {
                assert_eq!(chain::node::our_hash(block.header.prev_blockhash), self.tip().hash);
                assert_eq!(chain::node::our_hash(block.block_hash()), at.hash);
                assert_eq!(at.height.0, self.tip().height.0 + 1);
                self.chain.push(at);
                self.steps.push(i64::from(at.height.0));
            }
        }
        Ok(true)
    }

    /// Steps until idle; returns what was done.
    pub fn catch_up<S: Source>(&mut self, follower: &mut Follower<S>) -> Result<Vec<i64>, Fault> {
        self.steps.clear();
        while self.step(follower)? {}
        Ok(self.steps.clone())
    }
}

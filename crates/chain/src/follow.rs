//! The follower: what comes after a block, one step at a time.

mod health;
mod source;

use std::sync::Arc;

use bitcoin::{Block, Network};
use primitives::{BlockHash, BlockRef};

pub use self::{
    health::{ChainHealth, FollowedTip, NodeState, NotReady},
    source::Source,
};
use crate::{
    Fault,
    check::{ChainWork, Rules, Window},
    node::{Node, Place, genesis},
};

/// What to do next, seen from the caller's tip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The caller's tip (this block) is no longer on the node's best chain: undo it, and ask again
    /// with its parent.
    Disconnect(BlockRef),
    /// The next block, checked. Apply it, and ask again with `at`.
    Connect {
        /// The block.
        block: Arc<Block>,
        /// Its place.
        at: BlockRef,
        /// Work of the chain up to it, for [`Follower::remember_work`] in a later life.
        work: ChainWork,
    },
    /// Nothing follows yet.
    Idle,
}

/// Follows one node. Holds headers in memory and nothing durable: the caller owns the cursor, and
/// may come back to any older one.
pub struct Follower<S = Node> {
    source: S,
    rules: Rules,
    /// Ends in the tip of the last step; `None` until there was one.
    window: Option<Window>,
    /// The most work of any tip that this follower stood on or was told of.
    most_work: ChainWork,
    /// Whether the node's network was compared since the last fault: after one, another node may
    /// sit behind the same address.
    network_checked: bool,
}

impl<S: Source> Follower<S> {
    /// A follower of `network` that asks `source`.
    #[must_use]
    pub const fn new(source: S, network: Network) -> Self {
        Self {
            source,
            rules: Rules::of(network),
            window: None,
            most_work: ChainWork::ZERO,
            network_checked: false,
        }
    }

    /// Tells the follower of the most work that the caller has ever stood on; until the tip has as
    /// much, [`Follower::health`] says `less-work`. Zero forgets it: people have accepted the chain
    /// as it is.
    pub fn remember_work(&mut self, work: ChainWork) {
        let here = self.window.as_ref().map_or(ChainWork::ZERO, Window::work);
        self.most_work = work.max(here);
    }

    /// The step after `tip`: three calls of the node, and once up to 2,027 more for the headers
    /// that the rules need.
    ///
    /// A [`Step::Disconnect`] is given where the node has another best chain with at least as much
    /// work as ours, or calls our chain invalid; then nothing better may exist, the tip sinks, and
    /// [`Follower::health`] says `less-work` until the lost work is made up for.
    ///
    /// # Errors
    ///
    /// [`Fault::BlockRefused`] for a block that breaks a rule, [`Fault::WrongNetwork`],
    /// [`Fault::Behind`] for a node that lost what it had, [`Fault::Contradiction`], and every
    /// fault of the connection. After a transient one ask again with the same `tip`.
    pub fn next(&mut self, tip: BlockRef) -> Result<Step, Fault> {
        let step = self.step(tip);
        if step.is_err() {
            self.network_checked = false;
        }
        step
    }

    fn step(&mut self, tip: BlockRef) -> Result<Step, Fault> {
        self.check_network()?;
        // The caller may have gone back, after a disconnect or a crash of its own.
        let _held = self.window.as_mut().is_some_and(|window| window.rewind_to(tip));
        let Some(place) = self.source.place(tip.hash)? else {
            return self.leave(tip, self.work_at(tip));
        };
        if place.height != tip.height {
            return Err(contradiction(tip, format!("height {}", place.height)));
        }
        let work = self.stand_on(tip, &place)?.work();
        if !place.on_best_chain {
            return self.leave(tip, Some(work));
        }
        place.next.map_or(Ok(Step::Idle), |asked| self.connect(tip, asked))
    }

    fn connect(&mut self, tip: BlockRef, asked: BlockHash) -> Result<Step, Fault> {
        let block = self.source.block(asked)?;
        let (Some(window), Some(height)) = (self.window.as_mut(), tip.height.next()) else {
            return Err(contradiction(tip, "a block on top of the last height".to_owned()));
        };
        let at = BlockRef { height, hash: asked };
        window
            .check(asked, &block)
            .and_then(|()| window.push(block.header))
            .map_err(|cause| Fault::BlockRefused { at, cause })?;
        let work = window.work();
        self.most_work = self.most_work.max(work);
        Ok(Step::Connect { block: Arc::new(block), at, work })
    }

    fn check_network(&mut self) -> Result<(), Fault> {
        if !self.network_checked {
            self.source.check_network(self.rules.network)?;
            self.network_checked = true;
        }
        Ok(())
    }

    /// Brings the window to `tip`, from memory where it can, and fetches the headers below.
    fn stand_on(&mut self, tip: BlockRef, place: &Place) -> Result<&mut Window, Fault> {
        let refused = |cause| Fault::BlockRefused { at: tip, cause };
        let held = self.window.take_if(|window| window.tip() == tip);
        let mut window = if let Some(window) = held {
            window
        } else {
            self.check_claimed_work(tip, place.work)?;
            let header = self.source.header(tip.hash)?;
            Window::begin(self.rules, tip, header, place.work).map_err(refused)?
        };
        let filled = fill(&mut window, &mut self.source);
        self.most_work = self.most_work.max(window.work());
        let window = self.window.insert(window);
        filled.map(|()| window)
    }

    /// Only the work below the very first block is the node's word: whoever stood on `tip` before has
    /// remembered at least its work. A word that is too large would go on as `less-work` for ever.
    fn check_claimed_work(&self, tip: BlockRef, claimed: ChainWork) -> Result<(), Fault> {
        if self.most_work == ChainWork::ZERO || claimed <= self.most_work {
            return Ok(());
        }
        Err(contradiction(tip, format!("more work at it ({claimed}) than we ever stood on")))
    }

    fn work_at(&self, tip: BlockRef) -> Option<ChainWork> {
        self.window.as_ref().filter(|window| window.tip() == tip).map(Window::work)
    }

    /// The node does not have `tip` on its best chain. Tells a reorg from a node that lost a part
    /// of its chain in a crash: the second must not undo our books. (An invalid branch of long ago
    /// that reaches our height makes it err on the side of a disconnect, which is loud and safe.)
    fn leave(&mut self, tip: BlockRef, our_work: Option<ChainWork>) -> Result<Step, Fault> {
        if tip.height.0 == 0 {
            return Err(contradiction(tip, "another first block".to_owned()));
        }
        let node = self.source.chain_info()?;
        let outweighed = match our_work {
            Some(work) => node.work >= work,
            // We begin, and the node never heard of our tip: heights are all there is to compare.
            None => node.blocks >= tip.height.0,
        };
        if outweighed || self.source.has_invalid_branch(tip.height)? {
            return Ok(Step::Disconnect(tip));
        }
        Err(Fault::Behind { tip, node_height: node.blocks })
    }

    /// Asks the node how it is, for `/readyz`. Never fails: a fault is a state of health.
    pub fn health(&mut self) -> ChainHealth {
        let network = self.rules.network;
        let info = self.source.check_network(network).and_then(|()| self.source.chain_info());
        if info.is_err() {
            self.network_checked = false;
        }
        ChainHealth {
            node: NodeState::from(info),
            tip: self.window.as_ref().map(FollowedTip::of),
            most_work_seen: self.most_work,
        }
    }

    /// The first block, where a caller without a cursor may begin.
    #[must_use]
    pub fn genesis(&self) -> BlockRef {
        genesis(self.rules.network)
    }
}

/// Fetches the headers below the tip that the rules need. Each is named by the one above it, so
/// that the node cannot choose them.
fn fill(window: &mut Window, source: &mut impl Source) -> Result<(), Fault> {
    while let Some(hash) = window.missing_below() {
        let header = source.header(hash)?;
        let at = window.tip();
        window.extend_below(header).map_err(|cause| Fault::BlockRefused { at, cause })?;
    }
    Ok(())
}

fn contradiction(tip: BlockRef, found: String) -> Fault {
    Fault::Contradiction { tried: "where is our tip".to_owned(), expected: tip.to_string(), found }
}

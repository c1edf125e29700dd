use std::fmt;

use primitives::{BlockHeight, BlockRef, Seconds, Timestamp};

use crate::{
    Fault,
    check::{ChainWork, Window},
    node::ChainInfo,
};

/// How the node and our place on its chain are. The caller turns it into reasons with its clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainHealth {
    /// The node.
    pub node: NodeState,
    /// The block that we stand on, or `None` before the first step.
    pub tip: Option<FollowedTip>,
    /// The most work of any tip seen; what the tip must have for anything to be released.
    pub most_work_seen: ChainWork,
}

/// The node, as seen a moment ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeState {
    /// No usable answer.
    Unreachable {
        /// The fault's text.
        why: String,
    },
    /// It follows another network.
    WrongNetwork {
        /// The fault's text.
        why: String,
    },
    /// It downloads history, or knows headers whose blocks it does not have.
    Syncing {
        /// Height of its best block.
        blocks: u32,
        /// Height of its best header.
        headers: u32,
    },
    /// It has all it knows of.
    Synced {
        /// Its best block.
        best: BlockRef,
    },
}

impl From<Result<ChainInfo, Fault>> for NodeState {
    fn from(info: Result<ChainInfo, Fault>) -> Self {
        match info {
            Err(fault @ Fault::WrongNetwork { .. }) => {
                Self::WrongNetwork { why: fault.to_string() }
            }
            Err(fault) => Self::Unreachable { why: fault.to_string() },
            Ok(ChainInfo { initial_block_download, blocks, headers, best, .. }) => {
                if initial_block_download || blocks != headers {
                    Self::Syncing { blocks, headers }
                } else {
                    Self::Synced { best: BlockRef { height: BlockHeight(blocks), hash: best } }
                }
            }
        }
    }
}

/// The block that the follower stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowedTip {
    /// Its place.
    pub at: BlockRef,
    /// The time in its header: set by a miner, up to two hours wrong.
    pub time: Timestamp,
    /// Work of the chain up to it.
    pub work: ChainWork,
}

impl FollowedTip {
    pub(super) fn of(window: &Window) -> Self {
        let seconds = u64::from(window.tip_header().time);
        // 32 bits of seconds end in 2106, so that the fallback is never reached.
        let time = Timestamp::parse_seconds(seconds).unwrap_or(Timestamp::MAX);
        Self { at: window.tip(), time, work: window.work() }
    }
}

/// Why nothing may be credited or released now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotReady {
    /// The node gives no usable answer.
    NodeUnreachable {
        /// What was tried and found.
        why: String,
    },
    /// The node follows another network.
    WrongNetwork {
        /// What was found.
        why: String,
    },
    /// The node has not got all blocks, or we do not stand on its tip.
    Syncing {
        /// The height that we stand on.
        followed: u32,
        /// Height of its best block.
        blocks: u32,
        /// Height of its best header.
        headers: u32,
    },
    /// The newest block is old: the node is cut off, or the network is.
    StaleTip {
        /// Seconds since the time in its header.
        age: Seconds,
    },
    /// The tip has less work than one that we have stood on: a reorg is under way, or somebody
    /// shows us a poorer chain.
    LessWork {
        /// Work up to the tip.
        work: ChainWork,
        /// The most seen.
        most: ChainWork,
    },
}

impl NotReady {
    /// Every id, in the order of the variants.
    pub const IDS: [&'static str; 5] =
        ["node-unreachable", "wrong-network", "syncing", "stale-tip", "less-work"];

    /// The stable name, kebab-case.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::NodeUnreachable { .. } => "node-unreachable",
            Self::WrongNetwork { .. } => "wrong-network",
            Self::Syncing { .. } => "syncing",
            Self::StaleTip { .. } => "stale-tip",
            Self::LessWork { .. } => "less-work",
        }
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeUnreachable { why } => {
                write!(f, "node-unreachable: no usable answer ({why})")
            }
            // The text of this fault begins with the same name.
            Self::WrongNetwork { why } => f.write_str(why),
            Self::Syncing { followed, blocks, headers } => write!(
                f,
                "syncing: followed to {followed}, the node has blocks to {blocks} and headers to \
                 {headers}"
            ),
            Self::StaleTip { age } => write!(f, "stale-tip: the newest block is {age} old"),
            Self::LessWork { work, most } => {
                write!(f, "less-work: the tip has work {work}, we have seen {most}")
            }
        }
    }
}

impl ChainHealth {
    /// Whether the node gave a usable answer.
    #[must_use]
    pub const fn reachable(&self) -> bool {
        matches!(self.node, NodeState::Syncing { .. } | NodeState::Synced { .. })
    }

    /// Every reason to release nothing at `now`; empty means ready. `stale_after` is how old the
    /// newest block may be: an hour without a block comes about once in 400 on mainnet.
    #[must_use]
    pub fn not_ready(&self, now: Timestamp, stale_after: Seconds) -> Vec<NotReady> {
        let mut reasons = Vec::new();
        let followed = self.tip.map_or(0, |tip| tip.at.height.0);
        match &self.node {
            NodeState::Unreachable { why } => {
                reasons.push(NotReady::NodeUnreachable { why: why.clone() });
            }
            NodeState::WrongNetwork { why } => {
                reasons.push(NotReady::WrongNetwork { why: why.clone() });
            }
            &NodeState::Syncing { blocks, headers } => {
                reasons.push(NotReady::Syncing { followed, blocks, headers });
            }
            // Behind it, beside it, or (where the node lost blocks) ahead of it.
            &NodeState::Synced { best } if self.tip.is_none_or(|tip| tip.at != best) => {
                let blocks = best.height.0;
                reasons.push(NotReady::Syncing { followed, blocks, headers: blocks });
            }
            NodeState::Synced { .. } => {}
        }
        let Some(tip) = self.tip else { return reasons };
        let age = Seconds(now.millis_since(tip.time).div_euclid(1000));
        if age > stale_after {
            reasons.push(NotReady::StaleTip { age });
        }
        if tip.work < self.most_work_seen {
            reasons.push(NotReady::LessWork { work: tip.work, most: self.most_work_seen });
        }
        reasons
    }
}

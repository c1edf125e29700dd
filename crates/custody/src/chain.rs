//! A block's way: matching is pure, posting is `apply`, and every block can be taken back.
//!
//! The cursor (the newest block) and the undo of the last [`REORG_MAX`] blocks are state of the
//! core; one command per block. What follows from a new tip (credits, settlements, reversals) is
//! decided by `Advance`, which the core runs after each block until nothing more follows.

use std::collections::VecDeque;

use bitcoin::hashes::Hash;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{BlockHeight, BlockRef, Outpoint, Sats, Txid};

use crate::{coins::Coin, event::OurTransaction};

mod apply;
mod decide;
mod matching;
mod possible;
mod undo;

/// Blocks that can be taken back; a deeper reorg stops the follower and pages a person.
pub const REORG_MAX: usize = 100;

/// Transactions that one block makes impossible and that its event names, at most: with what else a
/// block of 4,000,000 weight units can hold of ours the event stays below the 8 MiB that a journal
/// takes. A miner could exceed it, by filling several branches of the chain with payments to us; what
/// is left out is reversed after `adrift_blocks_max` all the same.
pub const CONFLICTS_MAX: usize = 120_000;

/// One connected block, with what is needed to take it back.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Connected {
    /// The block.
    pub block: BlockRef,
    /// Its transactions that touch us, in its order.
    pub transactions: Vec<OurTransaction>,
    /// The coins that it spent, in order.
    pub spent: Vec<(Outpoint, Coin)>,
    /// Transactions that paid deposits, and that it made impossible.
    pub conflicts: Vec<Txid>,
}

/// Where the core stands in the chain.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ChainState {
    /// The newest block.
    pub tip: BlockRef,
    /// The most work of any tip so far, most significant byte first, so that the order of the bytes
    /// is the order of the numbers. A disconnect does not lower it: kept beside the cursor, a
    /// restart does not make a poorer chain look like all there ever was. Zero after an operator has
    /// resumed from a deep reorg, and so accepted the chain as it stands.
    pub most_work: [u8; 32],
    /// The block before the oldest of [`ChainState::recent`], which cannot be taken back.
    pub base: BlockRef,
    /// The last blocks, oldest first.
    pub recent: VecDeque<Connected>,
    /// The height of the tip that a reorg under way gave up.
    pub reorg_from: Option<BlockHeight>,
    /// Whether that reorg has stopped releases already.
    pub reorg_reported: bool,
}

impl ChainState {
    pub(crate) const fn new(start: BlockRef) -> Self {
        Self {
            tip: start,
            most_work: [0; 32],
            base: start,
            recent: VecDeque::new(),
            reorg_from: None,
            reorg_reported: false,
        }
    }

    /// Blocks that the reorg under way has taken back below the old tip.
    #[must_use]
    pub fn reorg_depth(&self) -> u32 {
        self.reorg_from.map_or(0, |from| from.0.saturating_sub(self.tip.height.0))
    }
}

/// A coin of ours that somebody spent outside the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct UnexplainedSpend {
    /// The height of the spending block.
    pub height: BlockHeight,
    /// The spending transaction.
    pub by: Txid,
    /// The coin's value.
    pub value: Sats,
    /// Whether an incident was opened.
    pub reported: bool,
}

/// Our form of a transaction's id.
pub(crate) fn txid(txid: bitcoin::Txid) -> Txid {
    Txid(txid.to_byte_array())
}

/// Our form of an outpoint.
pub(crate) fn outpoint(outpoint: &bitcoin::OutPoint) -> Outpoint {
    Outpoint { txid: txid(outpoint.txid), vout: outpoint.vout }
}

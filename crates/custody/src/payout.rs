//! Payouts travel in batches: one transaction that pays many withdrawals.
//!
//! ```text
//! Built -signer signs-> Signed -node takes-> Broadcast -block-> Confirmed -depth-> Final
//!   `-signer refused and never signed-> Dissolved      Confirmed | Final -reorg-> Broadcast
//! Signed | Broadcast -an input can never exist again-> Failed
//! ```
//!
//! Coins are reserved in the journal before the signer is asked, the signed transaction is in the
//! journal before it is broadcast, and inputs are segwit, so that the transaction's id is known
//! before anything is signed. At its first signature each withdrawal is pinned to the first input.

use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{BlockHeight, Outpoint, Sats, Txid};

use crate::event::{Change, Payout};

mod apply;
pub mod build;
mod choose;
mod decide;
pub mod psbt;
pub mod purse;

pub use decide::Assembly;

/// Where a batch is.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum BatchState {
    /// Coins are reserved; the signer has not answered.
    Built,
    /// Signed, and not known to any node.
    Signed,
    /// The node took it.
    Broadcast,
    /// In a block.
    Confirmed {
        /// The block's height.
        height: BlockHeight,
    },
    /// Final; its holds are posted.
    Final {
        /// The block's height.
        height: BlockHeight,
        /// The fund's share of the fees that was posted.
        fund_share_bps: u16,
    },
    /// The signer refused and never signed; nothing of it can ever confirm.
    Dissolved,
    /// An input can never exist again.
    Failed,
}

impl BatchState {
    /// The stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::Signed => "signed",
            Self::Broadcast => "broadcast",
            Self::Confirmed { .. } => "confirmed",
            Self::Final { .. } => "final",
            Self::Dissolved => "dissolved",
            Self::Failed => "failed",
        }
    }

    /// The height of its block, if it is in one.
    #[must_use]
    pub const fn height(&self) -> Option<BlockHeight> {
        match self {
            Self::Confirmed { height } | Self::Final { height, .. } => Some(*height),
            Self::Built | Self::Signed | Self::Broadcast | Self::Dissolved | Self::Failed => None,
        }
    }

    /// Whether it may still change without a reorg.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        match self {
            Self::Built | Self::Signed | Self::Broadcast | Self::Confirmed { .. } => true,
            Self::Final { .. } | Self::Dissolved | Self::Failed => false,
        }
    }

    /// Whether its coins are posted as outgoing: signed, and in no block.
    #[must_use]
    pub const fn is_outgoing(&self) -> bool {
        match self {
            Self::Signed | Self::Broadcast => true,
            Self::Built
            | Self::Confirmed { .. }
            | Self::Final { .. }
            | Self::Dissolved
            | Self::Failed => false,
        }
    }
}

/// One batch.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Batch {
    /// The transaction in consensus encoding: unsigned while Built, then with its witnesses; empty
    /// once it is buried deeper than any reorg that is processed.
    pub transaction: Vec<u8>,
    /// Its id.
    pub txid: Txid,
    /// The coins that it spends.
    pub inputs: Vec<Outpoint>,
    /// The withdrawals that it pays.
    pub payouts: Vec<Payout>,
    /// The output that comes back.
    pub change: Option<Change>,
    /// The network's fee.
    pub fee: Sats,
    /// The sum of its payouts.
    pub total: Sats,
    /// The journal's sequence number of the event that built it: the signer must have witnessed it.
    pub built_seq: u64,
    /// Where it is.
    pub state: BatchState,
}

impl Batch {
    /// The sum of its inputs.
    #[must_use]
    pub fn spent(&self) -> Option<Sats> {
        let change = self.change.as_ref().map_or(Sats::ZERO, |change| change.value);
        Sats::checked_sum([self.total, self.fee, change])
    }
}

#[cfg(test)]
mod tests;

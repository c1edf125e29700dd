//! A deposit's life, from the mempool to the customer's balance.
//!
//! ```text
//! Detected -block-> Confirming -required(value)-> Credited -extra-> Credited (matured)
//!    |                  `-reorg-> Detected           `-reorg-> Adrift -same again-> Credited
//!    `-gone, or impossible-> Orphaned                            `-gone for good-> Orphaned
//!                                       Suspense: too small, or to nobody's address
//! ```
//!
//! Mempool sightings are shown, never posted; one that never was in a block is forgotten
//! [`REORG_MAX`](crate::chain::REORG_MAX) blocks after it has left the mempool. A credited deposit whose block is replaced is not
//! taken back at once: nearly always the next block carries it again. Until then it is adrift and
//! nothing leaves its account; one that had matured must mature again first. If it is gone for good it is reversed by new entries: the available
//! balance first, then withdrawals that no batch carries, the rest is a claim on the customer.

use std::ops::RangeInclusive;

use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{
    AccountId, BlockHeight, Confirmations, DepositId, Outpoint, Sats, Timestamp, Txid,
};

mod apply;
mod decide;
pub mod finality;
mod maturing;
mod payments;

pub(crate) use maturing::Maturing;
pub use payments::SIGHTED_MAX;
pub(crate) use payments::{Payment, Payments};

/// Whether a credited deposit may be withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Maturity {
    /// Not yet: shares of it wait, wherever trades take them.
    Fresh,
    /// It may be.
    Matured,
    /// It might have been; then its block was replaced, and another carries it. What it had funded
    /// until then is not known any more, so nothing leaves its account until it has matured again.
    Again,
}

/// Where a deposit is; each state carries what is true in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum DepositState {
    /// Seen in the mempool.
    Detected,
    /// In a block.
    Confirming {
        /// The block's height.
        height: BlockHeight,
    },
    /// The customer's to trade with.
    Credited {
        /// The block's height.
        height: BlockHeight,
        /// The confirmations that its value needed.
        required: Confirmations,
        /// Whether it may be withdrawn.
        maturity: Maturity,
    },
    /// Credited, and its block was replaced.
    Adrift {
        /// The height of the tip that the reorg gave up: the new chain may carry it until it is
        /// longer than that by some blocks.
        since: BlockHeight,
        /// The confirmations that its value had needed.
        required: Confirmations,
        /// Whether it could be withdrawn.
        maturity: Maturity,
        /// The height of a block that makes it impossible.
        conflict: Option<BlockHeight>,
    },
    /// In a block, and not credited: too small, or to an address that is nobody's.
    Suspense {
        /// The block's height.
        height: BlockHeight,
    },
    /// Gone from mempool and chain.
    Orphaned {
        /// The height of a block that makes it impossible.
        conflict: Option<BlockHeight>,
    },
}

impl DepositState {
    /// The stable name, as in answers.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Detected => "detected",
            Self::Confirming { .. } => "confirming",
            Self::Credited { .. } => "credited",
            Self::Adrift { .. } => "adrift",
            Self::Suspense { .. } => "suspense",
            Self::Orphaned { .. } => "orphaned",
        }
    }

    /// The height of its block, if it is in one.
    #[must_use]
    pub const fn height(&self) -> Option<BlockHeight> {
        match self {
            Self::Confirming { height }
            | Self::Credited { height, .. }
            | Self::Suspense { height } => Some(*height),
            Self::Detected | Self::Adrift { .. } | Self::Orphaned { .. } => None,
        }
    }

    /// Whether a block carries it.
    #[must_use]
    pub const fn is_in_chain(&self) -> bool {
        self.height().is_some()
    }

    /// Whether it may be withdrawn.
    #[must_use]
    pub const fn is_withdrawable(&self) -> bool {
        matches!(self, Self::Credited { maturity: Maturity::Matured, .. })
    }

    /// The height of the block that makes it impossible, if there is one.
    #[must_use]
    pub const fn conflict(&self) -> Option<BlockHeight> {
        match self {
            Self::Adrift { conflict, .. } | Self::Orphaned { conflict } => *conflict,
            Self::Detected
            | Self::Confirming { .. }
            | Self::Credited { .. }
            | Self::Suspense { .. } => None,
        }
    }

    /// Whether it is in no block, and nothing in the chain makes it impossible.
    #[must_use]
    pub const fn is_possible(&self) -> bool {
        match self {
            Self::Detected => true,
            Self::Adrift { conflict, .. } | Self::Orphaned { conflict } => conflict.is_none(),
            Self::Confirming { .. } | Self::Credited { .. } | Self::Suspense { .. } => false,
        }
    }

    /// Whether its coin is ours to spend.
    #[must_use]
    pub const fn counts_at_rest(&self) -> bool {
        match self {
            Self::Credited { .. } | Self::Suspense { .. } | Self::Adrift { .. } => true,
            Self::Detected | Self::Confirming { .. } | Self::Orphaned { .. } => false,
        }
    }

    /// Whether it has matured once: no share of it waits any more.
    #[must_use]
    pub const fn has_matured(&self) -> bool {
        match self {
            Self::Credited { maturity, .. } | Self::Adrift { maturity, .. } => {
                !matches!(maturity, Maturity::Fresh)
            }
            Self::Detected
            | Self::Confirming { .. }
            | Self::Suspense { .. }
            | Self::Orphaned { .. } => false,
        }
    }

    /// Whether nothing leaves its account: a reorg took its block, and it has not come back, or
    /// not matured again.
    #[must_use]
    pub const fn holds_account(&self) -> bool {
        matches!(self, Self::Adrift { .. } | Self::Credited { maturity: Maturity::Again, .. })
    }

    /// Whether it is the customer's money now, though a reorg may have taken its block.
    #[must_use]
    pub const fn is_credited(&self) -> bool {
        matches!(self, Self::Credited { .. } | Self::Adrift { .. })
    }

    /// Whether time and blocks may still change it.
    #[must_use]
    pub const fn is_unsettled(&self) -> bool {
        match self {
            Self::Confirming { .. } | Self::Adrift { .. } => true,
            Self::Credited { maturity, .. } => !matches!(maturity, Maturity::Matured),
            Self::Detected | Self::Suspense { .. } | Self::Orphaned { .. } => false,
        }
    }
}

/// One deposit.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Deposit {
    /// Whose, or nobody's.
    pub account: Option<AccountId>,
    /// Its value.
    pub value: Sats,
    /// When it was first seen.
    pub seen_at: Timestamp,
    /// Whether it is a block's reward.
    pub coinbase: bool,
    /// Where it is.
    pub state: DepositState,
}

impl Deposit {
    /// Its id, from its place in the chain.
    #[must_use]
    pub fn id(&self, outpoint: &Outpoint) -> DepositId {
        let account = self.account.unwrap_or(AccountId::from_u64(0));
        DepositId::new(account, outpoint.txid.0, outpoint.vout)
    }
}

/// Every place that an output of this transaction can have.
pub(crate) const fn outputs_of(txid: Txid) -> RangeInclusive<Outpoint> {
    Outpoint { txid, vout: 0 }..=Outpoint { txid, vout: u32::MAX }
}

#[cfg(test)]
mod tests;

//! A withdrawal's life, from the customer's signed intent to the final payout.
//!
//! ```text
//! Requested -allow-> Queued(releases_at) -> Batched -> Signed -> Broadcast -> Confirmed -> Settled
//!    |-delay--> CoolingDown -time-> judged again
//!    |-review-> InReview -quorum-> Queued | -one denial-> Rejected (hold voided)
//!    `-refuse-> Refused (hold voided)            customer, until Batched: Cancelled (hold voided)
//! Batched -> Queued (signer refused)   Confirmed -> Broadcast (reorg)
//! Signed | Broadcast -> Failed (its pin was finally spent elsewhere; hold voided)
//! Queued again after its batch failed -> Failed (likewise; its pin is kept for it while its
//! intent lives, and spent by the next batch after that)
//! ```
//!
//! `Requested` lasts no longer than one decision: the event that records the request carries the
//! verdict. A freeze is no state but an overlay that every arrow asks.

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};
use ledger::{Hold, HoldId};
use primitives::{AccountId, BatchId, BlockHeight, KeyId, Outpoint, Sats, Timestamp, WithdrawalId};
use signer_protocol::PayoutIntent;

mod apply;
mod decide;
mod judge;

pub(crate) use apply::Place;
pub use decide::WithdrawalRequest;

use crate::books;

/// An operator, by number; 0 is Strongroom itself.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    BorshSchema,
)]
pub struct OperatorId(pub u32);

/// A rule of the simple amount policy. The full policy replaces it later.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    BorshSchema,
)]
pub enum Rule {
    /// The amount is so large that it cools down first.
    AmountCoolDown,
    /// The amount is so large that people look at it.
    AmountReview,
    /// The intent ended before the withdrawal was signed.
    IntentExpired,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::AmountCoolDown, Self::AmountReview, Self::IntentExpired];

    /// The stable name.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::AmountCoolDown => "withdrawal-amount-cool-down",
            Self::AmountReview => "withdrawal-amount-review",
            Self::IntentExpired => "withdrawal-intent-expired",
        }
    }
}

/// What all rules together say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, BorshSchema)]
pub enum Verdict {
    /// It may be batched from then on.
    Allow {
        /// The end of its release window.
        releases_at: Timestamp,
    },
    /// It cools down until then, and is judged again.
    Delay {
        /// The end of its cool-down.
        until: Timestamp,
        /// The rule that fired.
        rule: Rule,
    },
    /// People look at it.
    Review {
        /// The rule that fired.
        rule: Rule,
    },
    /// It ends here.
    Refuse {
        /// The rule that fired.
        rule: Rule,
    },
}

/// Where a withdrawal is; each state carries what is true in it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum WithdrawalState {
    /// Waits for time.
    CoolingDown {
        /// Until then.
        until: Timestamp,
    },
    /// Waits for people.
    InReview {
        /// Those who have approved.
        approvals: Vec<OperatorId>,
    },
    /// Waits for a batch.
    Queued {
        /// The first moment at which it may be batched.
        releases_at: Timestamp,
    },
    /// In a batch that the signer has not answered.
    Batched {
        /// The batch.
        batch: BatchId,
    },
    /// In a signed batch.
    Signed {
        /// The batch.
        batch: BatchId,
    },
    /// In a batch that the node took.
    Broadcast {
        /// The batch.
        batch: BatchId,
    },
    /// In a block.
    Confirmed {
        /// The batch.
        batch: BatchId,
        /// The block's height.
        height: BlockHeight,
    },
    /// Final; its hold is posted.
    Settled {
        /// The batch.
        batch: BatchId,
    },
    /// Policy said no; its hold is voided.
    Refused {
        /// The rule that said no.
        rule: Rule,
    },
    /// An operator said no; its hold is voided.
    Rejected {
        /// Who.
        by: OperatorId,
    },
    /// Taken back; its hold is voided.
    Cancelled,
    /// It can never be paid, since its pin was finally spent elsewhere; its hold is voided.
    Failed {
        /// The last batch.
        batch: BatchId,
    },
}

impl WithdrawalState {
    /// Every name that a state can have.
    pub const NAMES: [&'static str; 12] = [
        "cooling-down",
        "in-review",
        "queued",
        "batched",
        "signed",
        "broadcast",
        "confirmed",
        "settled",
        "refused",
        "rejected",
        "cancelled",
        "failed",
    ];

    /// The stable name, as in answers; one of [`WithdrawalState::NAMES`].
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CoolingDown { .. } => "cooling-down",
            Self::InReview { .. } => "in-review",
            Self::Queued { .. } => "queued",
            Self::Batched { .. } => "batched",
            Self::Signed { .. } => "signed",
            Self::Broadcast { .. } => "broadcast",
            Self::Confirmed { .. } => "confirmed",
            Self::Settled { .. } => "settled",
            Self::Refused { .. } => "refused",
            Self::Rejected { .. } => "rejected",
            Self::Cancelled => "cancelled",
            Self::Failed { .. } => "failed",
        }
    }

    /// Whether the customer's money is still held for it.
    #[must_use]
    pub const fn holds_money(&self) -> bool {
        match self {
            Self::CoolingDown { .. }
            | Self::InReview { .. }
            | Self::Queued { .. }
            | Self::Batched { .. }
            | Self::Signed { .. }
            | Self::Broadcast { .. }
            | Self::Confirmed { .. } => true,
            Self::Settled { .. }
            | Self::Refused { .. }
            | Self::Rejected { .. }
            | Self::Cancelled
            | Self::Failed { .. } => false,
        }
    }

    /// The batch that carries it, if one does.
    #[must_use]
    pub const fn batch(&self) -> Option<BatchId> {
        match self {
            Self::Batched { batch }
            | Self::Signed { batch }
            | Self::Broadcast { batch }
            | Self::Confirmed { batch, .. }
            | Self::Settled { batch }
            | Self::Failed { batch } => Some(*batch),
            Self::CoolingDown { .. }
            | Self::InReview { .. }
            | Self::Queued { .. }
            | Self::Refused { .. }
            | Self::Rejected { .. }
            | Self::Cancelled => None,
        }
    }
}

/// One withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Withdrawal {
    /// Whose money.
    pub account: AccountId,
    /// What the destination receives.
    pub amount: Sats,
    /// What the customer pays for it.
    pub fee: Sats,
    /// The last moment at which it may be signed.
    pub not_after: Timestamp,
    /// The canonical bytes of the payout intent.
    pub intent: Vec<u8>,
    /// The key that asked.
    pub key: Option<KeyId>,
    /// The customer's signature over the intent's hash.
    pub signature: Option<[u8; 64]>,
    /// When it was asked.
    pub requested_at: Timestamp,
    /// The rule that made it wait, if one did.
    pub rule: Option<Rule>,
    /// The outpoint that every transaction naming it spends; set at its first signature, for ever.
    pub pin: Option<Outpoint>,
    /// The most payouts that may travel with it: half of the last batch that carried it and that
    /// the signer refused. One payout that the signer never signs is soon alone and does not hold
    /// up the others. `None` while the signer has refused none.
    pub company_max: Option<u32>,
    /// Where it is.
    pub state: WithdrawalState,
}

impl Withdrawal {
    /// Amount and fee. Both together were held, so that the sum exists.
    #[must_use]
    pub fn total(&self) -> Sats {
        self.amount.checked_add(self.fee).unwrap_or(Sats::MAX)
    }

    /// The script that is paid, from the intent.
    #[must_use]
    pub fn script(&self) -> Vec<u8> {
        PayoutIntent::parse(&self.intent).map(|intent| intent.script).unwrap_or_default()
    }

    /// Whether it may still be taken back: no batch carries it, and no signature ever did.
    #[must_use]
    pub const fn may_be_cancelled(&self) -> bool {
        self.pin.is_none()
            && matches!(
                self.state,
                WithdrawalState::CoolingDown { .. }
                    | WithdrawalState::InReview { .. }
                    | WithdrawalState::Queued { .. }
            )
    }
}

/// The id of the hold behind a withdrawal.
pub(crate) const fn hold_id(withdrawal: WithdrawalId) -> HoldId {
    HoldId(*withdrawal.intent_hash())
}

/// The hold of `total` on an account.
pub(crate) const fn hold(account: AccountId, total: Sats) -> Hold {
    Hold {
        from: books::of(account, books::AVAILABLE),
        held: books::of(account, books::HELD),
        amount: total,
    }
}

#[cfg(test)]
mod tests;

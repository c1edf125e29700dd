//! What the operator configures. The parameters are an event of the journal, so that every decision
//! can be judged again with the ones that were in force.

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};
use primitives::{BlockRef, DeploymentId, FeeRate, Network, Sats, Seconds};

use crate::deposit::finality::ConfirmationTable;

/// The operator's parameters. The first four never change once the journal has begun.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, BorshSchema)]
pub struct Params {
    /// The bitcoin network.
    pub network: Network,
    /// The installation, as the signer names it.
    pub deployment: DeploymentId,
    /// The public multipath descriptor of the hot wallet (BIP-380, BIP-389).
    pub descriptor: String,
    /// The block after which the chain is followed.
    pub start: BlockRef,
    /// How far above the highest external index that was spent the signer lets an input lie:
    /// addresses beyond it are not handed out.
    pub gap_external: u32,
    /// How many confirmations a deposit needs, by value.
    pub confirmations: ConfirmationTable,
    /// Confirmations beyond those of crediting until a deposit may be withdrawn.
    pub withdrawable_extra: u32,
    /// Confirmations after which a payout counts as final and a coin may be spent.
    pub final_confirmations: u32,
    /// Depth of a reorg, in blocks, from which releases stop until a person resumes them.
    pub reorg_stop_depth: u32,
    /// Blocks that may pass without a credited deposit whose block was replaced, before it is
    /// reversed.
    pub adrift_blocks_max: u32,
    /// The smallest deposit that is credited; what is smaller costs more to spend than it is worth.
    pub deposit_min: Sats,
    /// The smallest amount of a withdrawal.
    pub withdrawal_min: Sats,
    /// What a withdrawal costs the customer at least.
    pub withdrawal_fee: Sats,
    /// What an intent may offer at most: more is a slip of the client.
    pub withdrawal_fee_max: Sats,
    /// From acceptance to the first moment at which a withdrawal may be batched.
    pub release_window: Seconds,
    /// Amounts from here on cool down first; [`Sats::MAX`] for never.
    pub cool_down_from: Sats,
    /// How long they cool down.
    pub cool_down: Seconds,
    /// Amounts from here on go to review; [`Sats::MAX`] for never.
    pub review_from: Sats,
    /// Operators who must approve.
    pub review_approvals: u8,
    /// Payouts in one batch.
    pub batch_outputs_max: u32,
    /// Coins in one batch.
    pub batch_inputs_max: u32,
    /// The sum of payouts in one batch; a larger single payout travels alone.
    pub batch_total_max: Sats,
    /// How long a withdrawal waits before it is offered again after the signer refused its batch.
    pub batch_retry: Seconds,
    /// The highest fee rate that is paid; more is refused.
    pub fee_rate_max: FeeRate,
    /// The fund's share of fee income, in hundredths of a percent, `0..=10_000`.
    pub fund_share_bps: u16,
}

impl Params {
    /// The first thing that is wrong with these parameters, if any.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        let refused = [
            (self.confirmations.floor() == 0, "confirmations: the floor is at least 1"),
            (self.gap_external == 0, "gap_external is at least 1"),
            (self.final_confirmations == 0, "final_confirmations is at least 1"),
            (self.reorg_stop_depth == 0, "reorg_stop_depth is at least 1"),
            (self.adrift_blocks_max == 0, "adrift_blocks_max is at least 1"),
            (self.withdrawal_fee > self.withdrawal_fee_max, "withdrawal_fee exceeds its maximum"),
            (self.withdrawal_min.is_zero(), "withdrawal_min is at least 1 sat"),
            (self.review_approvals == 0, "review_approvals is at least 1"),
            (self.batch_outputs_max == 0, "batch_outputs_max is at least 1"),
            (self.batch_inputs_max == 0, "batch_inputs_max is at least 1"),
            (self.fund_share_bps > 10_000, "fund_share_bps is at most 10000"),
        ];
        refused.into_iter().find_map(|(wrong, text)| wrong.then_some(text))
    }

    /// Whether `other` belongs to the same installation: what a journal never changes.
    #[must_use]
    pub fn same_installation(&self, other: &Self) -> bool {
        self.network == other.network
            && self.deployment == other.deployment
            && self.descriptor == other.descriptor
            && self.start == other.start
    }
}

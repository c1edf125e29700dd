use primitives::Sats;

use crate::{HoldId, LedgerAccountId};

/// The named no of the ledger. What was refused has changed nothing.
///
/// The variants stand in the order in which they are looked for: first what is wrong with the
/// hold, then with the shape of any of the transfers, and only then, transfer by transfer, with the
/// balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No such hold is pending. A closed hold is forgotten, so closing it twice says this too.
    #[error(
        "ledger-hold-unknown: {id} is not pending; it was never made, or is posted or voided \
         already"
    )]
    HoldUnknown {
        /// The hold that was to be posted or voided.
        id: HoldId,
    },
    /// A hold of this name is pending.
    #[error(
        "ledger-hold-exists: {id} is pending already, for {pending}; post or void it first, or \
         choose another id"
    )]
    HoldExists {
        /// The name.
        id: HoldId,
        /// What the pending hold stands for.
        pending: Sats,
    },
    /// A hold can only be posted as a whole.
    #[error(
        "ledger-hold-parts: {id} stands for {pending}, but its parts sum to {parts_sats} sat; give \
         parts that sum to the whole"
    )]
    HoldParts {
        /// The hold.
        id: HoldId,
        /// What it stands for.
        pending: Sats,
        /// What the parts sum to, in satoshis.
        parts_sats: u128,
    },
    /// A transfer of nothing.
    #[error(
        "ledger-amount-zero: nothing to transfer from debit {debit} to credit {credit}; leave this \
         transfer out"
    )]
    AmountZero {
        /// The account to debit.
        debit: LedgerAccountId,
        /// The account to credit.
        credit: LedgerAccountId,
    },
    /// A transfer from an account to itself.
    #[error(
        "ledger-same-account: {amount} would go from {account} to itself; name two different \
         accounts"
    )]
    SameAccount {
        /// The account on both sides.
        account: LedgerAccountId,
        /// The amount.
        amount: Sats,
    },
    /// A transfer that would turn one asset into another.
    #[error(
        "ledger-assets-differ: debit {debit} and credit {credit} count different assets; use one \
         transfer for each asset"
    )]
    AssetsDiffer {
        /// The account to debit.
        debit: LedgerAccountId,
        /// The account to credit.
        credit: LedgerAccountId,
    },
    /// An account would fall below zero, or below what pending holds keep in it.
    #[error(
        "ledger-overdraw: {asked} asked of {account}, which has {balance} and keeps {pending} of it \
         for pending holds; ask for less, or bring money in first"
    )]
    Overdraw {
        /// The account that would fall too low.
        account: LedgerAccountId,
        /// What it has, earlier transfers of the same batch included.
        balance: Sats,
        /// How much of this belongs to pending holds.
        pending: Sats,
        /// What was asked.
        asked: Sats,
    },
    /// An account would hold more bitcoin than will ever exist.
    #[error(
        "ledger-overflow: {asked} more for {account}, which has {balance}, passes the most an \
         account can hold; the amount is wrong"
    )]
    Overflow {
        /// The account that would grow too large.
        account: LedgerAccountId,
        /// What it has, earlier transfers of the same batch included.
        balance: Sats,
        /// What was to be added.
        asked: Sats,
    },
}

impl Refusal {
    /// Every id, in the order in which refusals are looked for.
    pub const ALL_IDS: [&'static str; 8] = [
        "ledger-hold-unknown",
        "ledger-hold-exists",
        "ledger-hold-parts",
        "ledger-amount-zero",
        "ledger-same-account",
        "ledger-assets-differ",
        "ledger-overdraw",
        "ledger-overflow",
    ];

    /// The stable name of the rule that said no.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::HoldUnknown { .. } => "ledger-hold-unknown",
            Self::HoldExists { .. } => "ledger-hold-exists",
            Self::HoldParts { .. } => "ledger-hold-parts",
            Self::AmountZero { .. } => "ledger-amount-zero",
            Self::SameAccount { .. } => "ledger-same-account",
            Self::AssetsDiffer { .. } => "ledger-assets-differ",
            Self::Overdraw { .. } => "ledger-overdraw",
            Self::Overflow { .. } => "ledger-overflow",
        }
    }
}

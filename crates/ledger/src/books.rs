//! What must be true of the books as a whole, and the check that it is.

use std::collections::BTreeMap;

use primitives::{AssetId, Sats};

use crate::{Hold, LedgerAccountId, Side};

/// The sums of all balances of one asset, in satoshis, by normal side.
///
/// Equal in sound books: a transfer moves both sums equally, or moves within one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Of all debit-normal accounts.
    pub debits: u128,
    /// Of all credit-normal accounts.
    pub credits: u128,
}

impl Totals {
    pub(crate) fn of(balances: impl IntoIterator<Item = (LedgerAccountId, Sats)>) -> Self {
        balances.into_iter().fold(Self::default(), |sums, (id, balance)| sums.plus(id, balance))
    }

    /// Cannot saturate: an account has less than 2^51 satoshis, so it would take 2^77 accounts.
    fn plus(mut self, id: LedgerAccountId, balance: Sats) -> Self {
        let sum = match id.side() {
            Side::Debit => &mut self.debits,
            Side::Credit => &mut self.credits,
        };
        *sum = sum.saturating_add(u128::from(balance.to_sat()));
        self
    }
}

/// The books are damaged. A fault, never a refusal: no call of this crate can lead here, so memory,
/// a snapshot or the code is broken. Stop, and recover from the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BooksError {
    /// Money of this asset was made or lost.
    #[error(
        "books-balance: asset {} has {} sat of debit balances and {} sat of credit balances, which \
         must be equal; stop and rebuild the state from the journal",
        asset.0, totals.debits, totals.credits
    )]
    Unbalanced {
        /// The asset.
        asset: AssetId,
        /// Its two sums.
        totals: Totals,
    },
    /// The pending holds of an account are not what it keeps for them, or more than it has.
    #[error(
        "books-balance: the pending holds in {account} sum to {holds_sats} sat, while it keeps \
         {pending} for them of the {balance} it has; stop and rebuild the state from the journal"
    )]
    HoldsUncovered {
        /// The account in which the holds wait.
        account: LedgerAccountId,
        /// The sum of its pending holds, in satoshis.
        holds_sats: u128,
        /// What it keeps for them.
        pending: Sats,
        /// What it has.
        balance: Sats,
    },
}

/// Checks that the two sums of every asset are equal. `balances` in the order of accounts or not.
pub(crate) fn check_totals(
    balances: impl IntoIterator<Item = (LedgerAccountId, Sats)>,
) -> Result<(), BooksError> {
    let mut by_asset = BTreeMap::<AssetId, Totals>::new();
    for (id, balance) in balances {
        let totals = by_asset.entry(id.asset).or_default();
        *totals = totals.plus(id, balance);
    }
    match by_asset.into_iter().find(|(_, totals)| totals.debits != totals.credits) {
        Some((asset, totals)) => Err(BooksError::Unbalanced { asset, totals }),
        None => Ok(()),
    }
}

/// The sum of the given holds for each account in which they wait, in satoshis; cannot saturate
/// either.
pub(crate) fn sums_held<'a>(
    holds: impl IntoIterator<Item = &'a Hold>,
) -> BTreeMap<LedgerAccountId, u128> {
    let mut sums = BTreeMap::<LedgerAccountId, u128>::new();
    for hold in holds {
        let sum = sums.entry(hold.held).or_default();
        *sum = sum.saturating_add(u128::from(hold.amount.to_sat()));
    }
    sums
}

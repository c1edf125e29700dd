use std::collections::BTreeMap;

use borsh::BorshSerialize;
use primitives::{AssetId, Sats};

use crate::{BooksError, Code, Hold, HoldId, LedgerAccountId, Refusal, Totals, Transfer, books};
use columns::{Books, Column, Columns, Draft};

mod columns;
mod decode;
#[cfg(test)]
mod tests;

/// The books of one installation: balances and pending holds, for any number of assets.
///
/// The encoding (Borsh) is canonical: equal ledgers have equal bytes, whatever their histories,
/// and bytes that are not the encoding of a sound ledger are not read.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize)]
pub struct Ledger {
    /// Accounts whose balance is not zero: an empty account takes no memory and no bytes.
    columns: Columns,
    /// Pending holds only: a closed one is forgotten.
    holds: BTreeMap<HoldId, Hold>,
}

impl Ledger {
    /// What the account has, on its normal side; zero if it was never touched.
    #[must_use]
    pub fn balance(&self, id: LedgerAccountId) -> Sats {
        self.columns.get(id).balance
    }

    /// How much of the account's balance pending holds keep. Only they can move it.
    #[must_use]
    pub fn pending(&self, id: LedgerAccountId) -> Sats {
        self.columns.get(id).pending
    }

    /// The accounts that have something, in order, each with its balance.
    pub fn accounts(&self) -> impl Iterator<Item = (LedgerAccountId, Sats)> {
        self.columns.iter().map(|(id, column)| (id, column.balance))
    }

    /// The accounts of this code that have something, in order of their owners.
    pub fn accounts_of(
        &self,
        asset: AssetId,
        code: Code,
    ) -> impl Iterator<Item = (LedgerAccountId, Sats)> {
        self.columns.of(asset, code).map(|(id, column)| (id, column.balance))
    }

    /// The sums over all accounts of `asset`, or `None` if none has anything. Reads them all.
    #[must_use]
    pub fn totals(&self, asset: AssetId) -> Option<Totals> {
        let columns = self.columns.iter_unordered().filter(|(id, _)| id.asset == asset);
        let totals = Totals::of(columns.map(|(id, column)| (id, column.balance)));
        (totals != Totals::default()).then_some(totals)
    }

    /// The pending hold of this name.
    #[must_use]
    pub fn pending_hold(&self, id: HoldId) -> Option<&Hold> {
        self.holds.get(&id)
    }

    /// All pending holds, in the order of their names.
    pub fn pending_holds(&self) -> impl Iterator<Item = (HoldId, &Hold)> {
        self.holds.iter().map(|(&id, hold)| (id, hold))
    }

    /// Says what [`Ledger::post`] would say, and changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Ledger::post`].
    pub fn check(&self, transfers: &[Transfer]) -> Result<(), Refusal> {
        check_shapes(transfers.iter().copied())?;
        Draft::of(&self.columns).transfer_all(transfers.iter().copied())
    }

    /// Makes all `transfers`, or none. They are made in order, and no account may be overdrawn in
    /// between: a batch that spends what a later transfer brings is refused.
    ///
    /// # Errors
    ///
    /// `ledger-amount-zero`, `ledger-same-account` or `ledger-assets-differ` for the first
    /// transfer of a wrong shape, and only then `ledger-overdraw` or `ledger-overflow` for the
    /// first that the balances do not allow.
    pub fn post(&mut self, transfers: &[Transfer]) -> Result<(), Refusal> {
        check_shapes(transfers.iter().copied())?;
        self.columns
            .all_or_none(transfers.len(), |books| books.transfer_all(transfers.iter().copied()))
    }

    /// Says what [`Ledger::hold`] would say, and changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Ledger::hold`].
    pub fn check_hold(&self, id: HoldId, hold: Hold) -> Result<(), Refusal> {
        self.check_new(id, hold)?;
        Draft::of(&self.columns).make(hold)
    }

    /// Moves the amount into the account `held` at once, and keeps it there under the name `id`
    /// until [`Ledger::post_hold`] or [`Ledger::void_hold`].
    ///
    /// # Errors
    ///
    /// `ledger-hold-exists` if a hold `id` is pending, else what [`Ledger::post`] says of
    /// [`Hold::transfer`].
    pub fn hold(&mut self, id: HoldId, hold: Hold) -> Result<(), Refusal> {
        self.check_new(id, hold)?;
        self.columns.all_or_none(2, |books| books.make(hold))?;
        // From here on it must succeed.
        self.holds.insert(id, hold);
        Ok(())
    }

    /// Says what [`Ledger::void_hold`] would say, and changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Ledger::void_hold`].
    pub fn check_void_hold(&self, id: HoldId) -> Result<(), Refusal> {
        let hold = self.known(id)?;
        self.check_post_hold(id, &[(hold.from, hold.amount)])
    }

    /// Returns the money of a hold to where it came from, and forgets the hold.
    ///
    /// # Errors
    ///
    /// `ledger-hold-unknown` unless the hold is pending. `ledger-overflow` if the account that it
    /// came from has since grown too large to take it back; `ledger-overdraw` can only happen if
    /// the two accounts of the hold have different normal sides.
    pub fn void_hold(&mut self, id: HoldId) -> Result<(), Refusal> {
        let hold = self.known(id)?;
        self.post_hold(id, &[(hold.from, hold.amount)])
    }

    /// Says what [`Ledger::post_hold`] would say, and changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Ledger::post_hold`].
    pub fn check_post_hold(
        &self,
        id: HoldId,
        to: &[(LedgerAccountId, Sats)],
    ) -> Result<(), Refusal> {
        let hold = self.check_parts(id, to)?;
        Draft::of(&self.columns).close(hold, to)
    }

    /// Gives the money of a hold to the accounts `to`, in order, and forgets the hold. An account
    /// of the other normal side than `held` falls: paying out is a hold that goes to the coins.
    ///
    /// # Errors
    ///
    /// `ledger-hold-unknown` unless the hold is pending; `ledger-hold-parts` unless the parts sum
    /// to its whole amount; else what [`Ledger::post`] says of each [`Hold::part`].
    pub fn post_hold(&mut self, id: HoldId, to: &[(LedgerAccountId, Sats)]) -> Result<(), Refusal> {
        let hold = self.check_parts(id, to)?;
        self.columns.all_or_none(to.len().saturating_add(1), |books| books.close(hold, to))?;
        // From here on it must succeed.
        self.holds.remove(&id);
        Ok(())
    }

    /// Checks the invariant `books-balance` from the ground up: for each asset the balances of the
    /// two sides are equal, and each account has what its pending holds keep. That no balance is
    /// negative needs no check, since [`Sats`] cannot be. Reads everything.
    ///
    /// # Errors
    ///
    /// [`BooksError`] names the first asset or account that is wrong: the books are damaged.
    pub fn check_books(&self) -> Result<(), BooksError> {
        let balances = self.columns.iter_unordered().map(|(id, column)| (id, column.balance));
        books::check_totals(balances)?;
        let mut held = books::sums_held(self.holds.values());
        let kept = self.columns.iter().filter(|(_, column)| !column.pending.is_zero());
        for (account, Column { balance, pending }) in kept {
            let holds_sats = held.remove(&account).unwrap_or_default();
            if holds_sats != u128::from(pending.to_sat()) || pending > balance {
                return Err(BooksError::HoldsUncovered { account, holds_sats, pending, balance });
            }
        }
        match held.pop_first() {
            Some((account, holds_sats)) => {
                let Column { balance, pending } = self.columns.get(account);
                Err(BooksError::HoldsUncovered { account, holds_sats, pending, balance })
            }
            None => Ok(()),
        }
    }

    fn known(&self, id: HoldId) -> Result<Hold, Refusal> {
        self.holds.get(&id).copied().ok_or(Refusal::HoldUnknown { id })
    }

    /// The part of the ladder for a new hold that needs no balance.
    fn check_new(&self, id: HoldId, hold: Hold) -> Result<(), Refusal> {
        // Refusals, cheapest first.
        if let Some(pending) = self.holds.get(&id) {
            return Err(Refusal::HoldExists { id, pending: pending.amount });
        }
        hold.transfer().check_shape()
    }

    /// The part of the ladder for closing a hold that needs no balance.
    fn check_parts(&self, id: HoldId, to: &[(LedgerAccountId, Sats)]) -> Result<Hold, Refusal> {
        // Refusals, cheapest first.
        let hold = self.known(id)?;
        let parts_sats = to.iter().map(|(_, amount)| u128::from(amount.to_sat())).sum();
        if parts_sats != u128::from(hold.amount.to_sat()) {
            return Err(Refusal::HoldParts { id, pending: hold.amount, parts_sats });
        }
        check_shapes(to.iter().map(|&(to, amount)| hold.part(to, amount)))?;
        Ok(hold)
    }
}

fn check_shapes(mut transfers: impl Iterator<Item = Transfer>) -> Result<(), Refusal> {
    transfers.try_for_each(Transfer::check_shape)
}

//! What of the customers' available money stems from deposits that may not be withdrawn yet, and
//! whose money it is now.
//!
//! A credited deposit may be traded before it may be withdrawn. If the buyer could withdraw it,
//! the second threshold would guard nothing: deposit, trade to a friend, let the friend withdraw,
//! spend the deposit twice. So each share of such a deposit travels with the trades and waits
//! wherever it goes until its deposit has matured. Money without such an origin goes first.
//!
//! When the deposit is reversed, what its owner had to give up for it frees the shares of others,
//! and what the owner still owes stays withheld in them until the claim is paid.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{AccountId, Outpoint, Sats, Txid};

use crate::{
    Custody, books,
    event::CustomerTransfer,
    planted::{self, Bug},
};

/// Shares by their holder, and by their deposit.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Maturing {
    by_holder: BTreeMap<(AccountId, Outpoint), Sats>,
    /// Rebuilt, never stored.
    #[borsh(skip)]
    by_deposit: BTreeSet<(Outpoint, AccountId)>,
}

const FIRST: Outpoint = Outpoint { txid: Txid([0; 32]), vout: 0 };
const LAST: Outpoint = Outpoint { txid: Txid([0xff; 32]), vout: u32::MAX };

const fn held_by(account: AccountId) -> RangeInclusive<(AccountId, Outpoint)> {
    (account, FIRST)..=(account, LAST)
}

impl Maturing {
    /// Fills what is not stored, after a snapshot was read.
    pub(crate) fn rebuild(&mut self) {
        let turned = self.by_holder.keys().map(|(account, deposit)| (*deposit, *account));
        self.by_deposit = turned.collect();
    }

    /// Every share: holder, deposit, amount.
    pub(crate) fn shares(&self) -> impl Iterator<Item = (AccountId, Outpoint, Sats)> {
        self.by_holder.iter().map(|((account, deposit), amount)| (*account, *deposit, *amount))
    }

    fn of_holder(&self, account: AccountId) -> impl Iterator<Item = (Outpoint, Sats)> {
        self.by_holder.range(held_by(account)).map(|((_, deposit), amount)| (*deposit, *amount))
    }

    fn of_deposit(&self, deposit: Outpoint) -> Vec<(AccountId, Sats)> {
        let all = (deposit, AccountId::from_u64(0))..=(deposit, AccountId::from_u64(u64::MAX));
        let holders = self.by_deposit.range(all).map(|(_, account)| *account);
        holders.map(|account| (account, self.get(account, deposit))).collect()
    }

    fn get(&self, account: AccountId, deposit: Outpoint) -> Sats {
        self.by_holder.get(&(account, deposit)).copied().unwrap_or_default()
    }

    fn set(&mut self, account: AccountId, deposit: Outpoint, amount: Sats) {
        if amount.is_zero() {
            self.by_holder.remove(&(account, deposit));
            self.by_deposit.remove(&(deposit, account));
        } else {
            self.by_holder.insert((account, deposit), amount);
            self.by_deposit.insert((deposit, account));
        }
    }
}

impl Custody {
    /// A deposit was credited and has to mature: `amount` of its account's available balance waits for it.
    pub(crate) fn begin_maturing(&mut self, deposit: Outpoint, amount: Sats) -> Result<(), String> {
        let owner = self.deposits.get(&deposit).and_then(|deposit| deposit.account);
        let owner = owner.ok_or_else(|| format!("deposit {deposit} is nobody's"))?;
        self.give(owner, deposit, amount)
    }

    /// A deposit has matured: whoever holds a share of it may withdraw it.
    pub(crate) fn end_maturing(&mut self, deposit: Outpoint) -> Result<(), String> {
        for (holder, amount) in self.maturing.of_deposit(deposit) {
            self.take(holder, deposit, amount)?;
        }
        Ok(())
    }

    /// Posts transfers between customers in order, and has shares travel with them.
    pub(crate) fn post_with_shares(
        &mut self,
        transfers: &[CustomerTransfer],
    ) -> Result<(), String> {
        let postings: Vec<_> = transfers.iter().map(CustomerTransfer::posting).collect();
        let nobody = |transfer: &CustomerTransfer| {
            self.maturing.by_holder.range(held_by(transfer.from)).next().is_none()
        };
        if self.maturing.by_holder.is_empty()
            || planted::active(Bug::SharesForgotten)
            || transfers.iter().all(nobody)
        {
            return self.post(&postings);
        }
        for (transfer, posting) in transfers.iter().zip(&postings) {
            let free = self.free_of_maturing(transfer.from)?;
            for (deposit, amount) in
                self.draw(transfer.from, transfer.amount.saturating_sub(free))?
            {
                self.give(transfer.to, deposit, amount)?;
            }
            self.post(std::slice::from_ref(posting))?;
        }
        Ok(())
    }

    /// After a deposit was reversed and `taken` was taken from its owner's available balance.
    pub(crate) fn reverse_shares(
        &mut self,
        deposit: Outpoint,
        owner: AccountId,
        taken: Sats,
    ) -> Result<(), String> {
        let own = self.maturing.get(owner, deposit);
        self.take(owner, deposit, own)?;
        // What was taken beyond it was free, or a share of another deposit.
        let beyond = taken.saturating_sub(own);
        let available = self.ledger.balance(books::of(owner, books::AVAILABLE));
        let excess = self.account(owner).map_err(|refusal| refusal.to_string())?.maturing;
        let pieces = self.draw(owner, excess.saturating_sub(available))?;
        let drawn = Sats::checked_sum(pieces.iter().map(|(_, amount)| *amount));
        let drawn = drawn.ok_or("the shares of one account exceed all satoshis")?;
        self.free_shares(deposit, beyond.saturating_sub(drawn))?;
        self.exchange_shares(deposit, pieces)
    }

    /// A claim on `owner` is paid back by `by`, which is credited and has not matured: shares of
    /// the deposits that made the claim wait for it instead. Its own shares of before, if it was
    /// reversed once, are paid first: they wait for it already.
    pub(crate) fn repay_shares(
        &mut self,
        owner: AccountId,
        by: Outpoint,
        repaid: Sats,
    ) -> Result<(), String> {
        if repaid.is_zero() {
            return Ok(());
        }
        let own = self.maturing.of_deposit(by);
        let own = Sats::checked_sum(own.iter().map(|(_, amount)| *amount)).unwrap_or(Sats::MAX);
        let deposits = self.maturing.by_deposit.iter().map(|(deposit, _)| *deposit);
        // Reversed, whatever became of them since: one may be in the mempool or a block again.
        let is_lost = |deposit: &Outpoint| {
            let known = self.deposits.get(deposit);
            *deposit != by
                && known.is_some_and(|it| it.account == Some(owner) && !it.state.is_credited())
        };
        let mut lost: Vec<Outpoint> = deposits.filter(is_lost).collect();
        lost.dedup();
        let mut left = repaid.saturating_sub(own);
        for deposit in lost {
            let withheld = self.maturing.of_deposit(deposit);
            let withheld = Sats::checked_sum(withheld.iter().map(|(_, amount)| *amount));
            let paid = withheld.unwrap_or(Sats::MAX).min(left);
            left = left.saturating_sub(paid);
            self.exchange_shares(deposit, vec![(by, paid)])?;
        }
        Ok(())
    }

    /// What of an account's available balance waits for nothing.
    fn free_of_maturing(&self, account: AccountId) -> Result<Sats, String> {
        let maturing = self.account(account).map_err(|refusal| refusal.to_string())?.maturing;
        let available = self.ledger.balance(books::of(account, books::AVAILABLE));
        Ok(available.saturating_sub(maturing))
    }

    /// Takes `amount` out of the shares that an account holds, in order of their deposits.
    fn draw(&mut self, holder: AccountId, amount: Sats) -> Result<Vec<(Outpoint, Sats)>, String> {
        let mut left = amount;
        let mut pieces = Vec::new();
        for (deposit, share) in self.maturing.of_holder(holder) {
            if left.is_zero() {
                break;
            }
            let piece = share.min(left);
            left = left.saturating_sub(piece);
            pieces.push((deposit, piece));
        }
        for (deposit, piece) in &pieces {
            self.take(holder, *deposit, *piece)?;
        }
        Ok(pieces)
    }

    /// Lets shares of `deposit` to the sum of `amount` wait no longer.
    fn free_shares(&mut self, deposit: Outpoint, amount: Sats) -> Result<(), String> {
        let mut left = amount;
        for (holder, share) in self.maturing.of_deposit(deposit) {
            let freed = share.min(left);
            left = left.saturating_sub(freed);
            self.take(holder, deposit, freed)?;
        }
        Ok(())
    }

    /// Has shares of `deposit` wait for other deposits instead, to the sum of `pieces`.
    fn exchange_shares(
        &mut self,
        deposit: Outpoint,
        pieces: Vec<(Outpoint, Sats)>,
    ) -> Result<(), String> {
        let mut pieces = pieces.into_iter();
        let (mut other, mut left) = (deposit, Sats::ZERO);
        for (holder, mut share) in self.maturing.of_deposit(deposit) {
            while !share.is_zero() {
                if left.is_zero() {
                    let Some(next) = pieces.next() else { return Ok(()) };
                    (other, left) = next;
                    continue;
                }
                let moved = share.min(left);
                (share, left) = (share.saturating_sub(moved), left.saturating_sub(moved));
                self.take(holder, deposit, moved)?;
                self.give(holder, other, moved)?;
            }
        }
        Ok(())
    }

    fn give(&mut self, holder: AccountId, deposit: Outpoint, amount: Sats) -> Result<(), String> {
        if amount.is_zero() {
            return Ok(());
        }
        let wrong = || format!("{holder} cannot hold {amount} more of {deposit}");
        let account = self.account_mut(holder)?;
        account.maturing = account.maturing.checked_add(amount).ok_or_else(wrong)?;
        let share = self.maturing.get(holder, deposit).checked_add(amount).ok_or_else(wrong)?;
        self.maturing.set(holder, deposit, share);
        Ok(())
    }

    fn take(&mut self, holder: AccountId, deposit: Outpoint, amount: Sats) -> Result<(), String> {
        if amount.is_zero() {
            return Ok(());
        }
        let wrong = || format!("{holder} does not hold {amount} of {deposit}");
        let share = self.maturing.get(holder, deposit).checked_sub(amount).ok_or_else(wrong)?;
        let account = self.account_mut(holder)?;
        account.maturing = account.maturing.checked_sub(amount).ok_or_else(wrong)?;
        self.maturing.set(holder, deposit, share);
        Ok(())
    }
}

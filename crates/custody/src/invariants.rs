//! The invariants of the domain, one function each. The simulator checks them after every step,
//! and reconciliation runs them in a living house.

use std::collections::BTreeMap;

use ledger::{Code, LedgerAccountId};
use primitives::{AccountId, Outpoint, Sats};

use crate::{Custody, DepositState, WithdrawalState, books, payout::BatchState};

/// A broken invariant: its name, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {found}")]
pub struct Broken {
    /// The invariant's name.
    pub invariant: &'static str,
    /// What was found.
    pub found: String,
}

fn broken(invariant: &'static str, found: String) -> Result<(), Broken> {
    Err(Broken { invariant, found })
}

fn add(sums: &mut BTreeMap<LedgerAccountId, Sats>, id: LedgerAccountId, value: Sats) {
    let sum = sums.entry(id).or_default();
    *sum = sum.checked_add(value).unwrap_or(Sats::MAX);
}

impl Custody {
    /// All invariants that can be seen in one state.
    ///
    /// # Errors
    ///
    /// The first that is broken.
    pub fn check_invariants(&self) -> Result<(), Broken> {
        self.books_balance()?;
        self.coins_match_books()?;
        self.states_match_books()?;
        self.accounts_match_deposits()?;
        self.shares_match_deposits()?;
        self.holds_match_withdrawals()?;
        self.never_in_two_batches()
    }

    /// `states-match-books`: what waits in suspense, is adrift, settles or was spent outside the
    /// books is exactly what deposits, batches and unexplained spends say.
    ///
    /// # Errors
    ///
    /// The ledger account, its balance and the sum of what should stand in it.
    pub fn states_match_books(&self) -> Result<(), Broken> {
        let mut sums: BTreeMap<LedgerAccountId, Sats> = BTreeMap::new();
        for deposit in self.deposits.values() {
            match deposit.state {
                DepositState::Confirming { .. } | DepositState::Suspense { .. } => {
                    add(&mut sums, books::suspense(deposit.account), deposit.value);
                }
                DepositState::Adrift { .. } => {
                    add(&mut sums, books::house(books::ADRIFT), deposit.value);
                }
                DepositState::Detected
                | DepositState::Credited { .. }
                | DepositState::Orphaned { .. } => {}
            }
        }
        for (_, batch) in self.live_batches() {
            if matches!(batch.state, BatchState::Confirmed { .. }) {
                add(&mut sums, books::house(books::SETTLING), batch.total);
            }
        }
        for spend in self.unexplained.values() {
            add(&mut sums, books::house(books::UNEXPLAINED), spend.value);
        }
        let codes = [books::SUSPENSE, books::ADRIFT, books::SETTLING, books::UNEXPLAINED];
        let kept: BTreeMap<_, _> =
            self.ledger.accounts().filter(|(id, _)| codes.contains(&id.code)).collect();
        sums.retain(|_, sum| !sum.is_zero());
        if sums == kept {
            return Ok(());
        }
        let wrong = sums.keys().chain(kept.keys()).find(|id| sums.get(id) != kept.get(id));
        let (wanted, balance) = (wrong.map(|id| sums.get(id)), wrong.map(|id| kept.get(id)));
        broken("states-match-books", format!("{wrong:?}: {wanted:?} asked, {balance:?} booked"))
    }

    /// `accounts-match-deposits`: what each account remembers of its deposits is their sum, and a
    /// coin is at rest where its deposit says so.
    ///
    /// # Errors
    ///
    /// The account or coin that does not agree.
    pub fn accounts_match_deposits(&self) -> Result<(), Broken> {
        const NAME: &str = "accounts-match-deposits";
        let mut sums: BTreeMap<_, (Sats, u32)> = BTreeMap::new();
        for (outpoint, deposit) in &self.deposits {
            let at_rest = self.coins.get(outpoint).map(|coin| coin.at_rest);
            if at_rest.is_some_and(|at_rest| at_rest != deposit.state.counts_at_rest()) {
                return broken(NAME, format!("{outpoint} is {}", deposit.state.name()));
            }
            let Some(account) = deposit.account else { continue };
            let (exposed, adrift) = sums.entry(account).or_default();
            if deposit.state.is_unsettled() {
                *exposed = exposed.checked_add(deposit.value).unwrap_or(Sats::MAX);
            }
            let is_adrift = deposit.state.holds_account();
            *adrift = adrift.saturating_add(u32::from(is_adrift));
        }
        for (number, account) in (1..).zip(&self.accounts) {
            let id = AccountId::from_number(number).unwrap_or(AccountId::from_u64(0));
            let wanted = sums.get(&id).copied().unwrap_or_default();
            let found = (account.exposed, account.adrift);
            if wanted != found {
                return broken(NAME, format!("{id}: {wanted:?} by deposits, {found:?} kept"));
            }
        }
        Ok(())
    }

    /// `shares-match-deposits`: nobody holds a share of a deposit that has matured, all shares of
    /// one are not more than it, those of reversed ones are not more than their owner owes, and
    /// what an account remembers of its shares is their sum and available.
    ///
    /// # Errors
    ///
    /// The deposit or account that does not agree.
    pub fn shares_match_deposits(&self) -> Result<(), Broken> {
        const NAME: &str = "shares-match-deposits";
        let plus = |sum: &mut Sats, amount| *sum = sum.checked_add(amount).unwrap_or(Sats::MAX);
        let (mut deposits, mut holders) = (BTreeMap::new(), BTreeMap::new());
        for (holder, deposit, amount) in self.maturing.shares() {
            plus(deposits.entry(deposit).or_default(), amount);
            plus(holders.entry(holder).or_default(), amount);
        }
        let mut lost: BTreeMap<AccountId, Sats> = BTreeMap::new();
        for (outpoint, sum) in deposits {
            let deposit = self.deposits.get(&outpoint);
            if deposit.is_none_or(|deposit| deposit.state.has_matured() || sum > deposit.value) {
                return broken(NAME, format!("{sum} shared of {outpoint}: {deposit:?}"));
            }
            let reversed = deposit.filter(|deposit| !deposit.state.is_credited());
            if let Some(owner) = reversed.and_then(|deposit| deposit.account) {
                plus(lost.entry(owner).or_default(), sum);
            }
        }
        for (owner, sum) in lost {
            let claim = self.ledger.balance(books::of(owner, books::CLAIM));
            if sum > claim {
                let found = format!("{owner} owes {claim}, and others wait for {sum} of it");
                return broken(NAME, found);
            }
        }
        for (number, account) in (1..).zip(&self.accounts) {
            let id = AccountId::from_number(number).unwrap_or(AccountId::from_u64(0));
            let wanted = holders.get(&id).copied().unwrap_or_default();
            let available = self.ledger.balance(books::of(id, books::AVAILABLE));
            if account.maturing != wanted || wanted > available {
                let found = account.maturing;
                let found = format!("{id}: {wanted} shared, {found} kept, {available} available");
                return broken(NAME, found);
            }
        }
        Ok(())
    }

    /// Of `replay-equals-live`: the indexes, which are not stored, are those that a snapshot of
    /// this state would be given. Makes such a snapshot.
    ///
    /// # Errors
    ///
    /// The index that differs.
    pub fn check_indexes(&self) -> Result<(), Broken> {
        let unreadable =
            |error: borsh::io::Error| Broken { invariant: "indexes", found: error.to_string() };
        let bytes = self.to_bytes().map_err(unreadable)?;
        let again = Self::from_bytes(&bytes).map_err(unreadable)?;
        let same = [
            ("descriptor", self.descriptor == again.descriptor),
            ("scripts", self.scripts == again.scripts),
            ("coins", self.coins == again.coins),
            ("maturing", self.maturing == again.maturing),
            ("payments", self.payments == again.payments),
            ("unsettled_deposits", self.unsettled_deposits == again.unsettled_deposits),
            ("live_batches", self.live_batches == again.live_batches),
            ("queue", self.queue == again.queue),
            ("cooling", self.cooling == again.cooling),
            ("expiring", self.expiring == again.expiring),
            ("open", self.open == again.open),
            ("pinned", self.pinned == again.pinned),
        ];
        match same.into_iter().find(|(_, same)| !same) {
            Some((index, _)) => broken("indexes", format!("{index} differs after a snapshot")),
            None => Ok(()),
        }
    }

    /// `books-balance`: debits equal credits, and nothing is negative.
    ///
    /// # Errors
    ///
    /// What does not balance.
    pub fn books_balance(&self) -> Result<(), Broken> {
        self.ledger
            .check_books()
            .map_err(|error| Broken { invariant: "books-balance", found: error.to_string() })
    }

    /// `coins-match-books`: per account of the tier, the coins' sum equals the balance.
    ///
    /// # Errors
    ///
    /// The account, its balance and the sum of its coins.
    pub fn coins_match_books(&self) -> Result<(), Broken> {
        let mut sums: BTreeMap<Code, Sats> = BTreeMap::new();
        for (outpoint, coin) in self.coins.iter() {
            let sum = sums.entry(self.book_of(outpoint, coin)).or_default();
            *sum = sum.checked_add(coin.value).unwrap_or(Sats::MAX);
        }
        for code in [books::INCOMING, books::AT_REST, books::OUTGOING] {
            let coins = sums.get(&code).copied().unwrap_or_default();
            let book = self.ledger.balance(books::house(code));
            if coins != book {
                let name = books::CHART.iter().find(|(known, _)| *known == code);
                let name = name.map_or("?", |(_, name)| name);
                return broken(
                    "coins-match-books",
                    format!("hot {name}: coins {coins}, books {book}"),
                );
            }
        }
        Ok(())
    }

    /// Every withdrawal that is not ended has exactly its hold, and an account's held balance is
    /// the sum of them.
    ///
    /// # Errors
    ///
    /// The withdrawal or account that does not agree.
    pub fn holds_match_withdrawals(&self) -> Result<(), Broken> {
        const NAME: &str = "holds-match-withdrawals";
        let mut held: BTreeMap<u64, Sats> = BTreeMap::new();
        for (id, withdrawal) in &self.withdrawals {
            let pending = self.ledger.pending_hold(crate::withdrawal::hold_id(*id));
            let amount = pending.map(|hold| hold.amount);
            let wanted = withdrawal.state.holds_money().then(|| withdrawal.total());
            if amount != wanted {
                let state = withdrawal.state.name();
                return broken(NAME, format!("{id} is {state}, its hold is {amount:?}"));
            }
            if let Some(total) = wanted {
                let sum = held.entry(withdrawal.account.to_u64()).or_default();
                *sum = sum.checked_add(total).unwrap_or(Sats::MAX);
            }
        }
        for (id, balance) in self.ledger.accounts().filter(|(id, _)| id.code == books::HELD) {
            let wanted = held.get(&id.owner).copied().unwrap_or_default();
            if wanted != balance {
                return broken(
                    NAME,
                    format!("account {:016x}: {balance} held, {wanted} asked", id.owner),
                );
            }
        }
        Ok(())
    }

    /// Of `never-paid-twice`: a withdrawal is in at most one live batch, a coin in at most one, and
    /// a batch that names a pinned withdrawal spends its pin.
    ///
    /// # Errors
    ///
    /// The withdrawal or coin that is in two.
    pub fn never_in_two_batches(&self) -> Result<(), Broken> {
        const NAME: &str = "never-paid-twice";
        let mut withdrawals = BTreeMap::new();
        let mut coins: BTreeMap<Outpoint, primitives::BatchId> = BTreeMap::new();
        for (id, batch) in self.live_batches() {
            for payout in &batch.payouts {
                if let Some(other) = withdrawals.insert(payout.withdrawal, id) {
                    return broken(NAME, format!("{} is in {other} and {id}", payout.withdrawal));
                }
                let withdrawal = self.withdrawals.get(&payout.withdrawal);
                let carried = withdrawal.and_then(|withdrawal| withdrawal.state.batch());
                if carried != Some(id) {
                    let state = withdrawal.map_or("unknown", |known| known.state.name());
                    return broken(NAME, format!("{} is {state} and in {id}", payout.withdrawal));
                }
                let pin = withdrawal.and_then(|withdrawal| withdrawal.pin);
                if pin.is_some_and(|pin| !batch.inputs.contains(&pin)) {
                    return broken(
                        NAME,
                        format!("{id} leaves out the pin of {}", payout.withdrawal),
                    );
                }
            }
            for input in &batch.inputs {
                if let Some(other) = coins.insert(*input, id) {
                    return broken(NAME, format!("coin {input} is in {other} and {id}"));
                }
            }
        }
        let settled_unpinned = self.withdrawals.iter().find(|(_, withdrawal)| {
            matches!(withdrawal.state, WithdrawalState::Settled { .. }) && withdrawal.pin.is_none()
        });
        match settled_unpinned {
            Some((id, _)) => broken(NAME, format!("{id} is settled and was never pinned")),
            None => Ok(()),
        }
    }
}

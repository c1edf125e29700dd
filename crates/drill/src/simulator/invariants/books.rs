//! `nothing-unaccounted`: every account of the books equals the objects that it stands for.

use std::collections::{BTreeMap, BTreeSet};

use custody::{
    Custody, DepositState, WithdrawalState,
    books::{
        ADRIFT, AVAILABLE, CLAIM, FEE_INCOME, FUND, HELD, NETWORK_FEES, SETTLING, SUSPENSE,
        UNEXPLAINED, house, of, suspense,
    },
    payout::BatchState,
};
use ledger::LedgerAccountId;
use primitives::{AccountId, Txid};

use crate::simulator::{
    convert,
    failure::{Check, Found},
    observer::Observer,
};

const NAME: &str = "nothing-unaccounted";

/// Sums by account of the books, in satoshis.
type Sums = BTreeMap<LedgerAccountId, i128>;

fn add(sums: &mut Sums, account: LedgerAccountId, sats: i128) {
    let sum = sums.entry(account).or_default();
    *sum = sum.saturating_add(sats);
}

/// No satoshi is unaccounted for: deposits not credited are in suspense, credited ones and
/// transfers less payouts are what customers have, and so on for every account.
pub(crate) fn nothing_unaccounted(state: &Custody, observer: &Observer) -> Check {
    let mut sums = Sums::new();
    let mut owned = BTreeMap::<AccountId, i128>::new();
    let mut own = |account, sats: i128| {
        let sum = owned.entry(account).or_default();
        *sum = sum.saturating_add(sats);
    };
    for (_, deposit) in state.deposits() {
        let value = i128::from(deposit.value.to_sat());
        match (&deposit.state, deposit.account) {
            (DepositState::Confirming { .. } | DepositState::Suspense { .. }, account) => {
                add(&mut sums, suspense(account), value);
            }
            (DepositState::Credited { .. }, Some(account)) => own(account, value),
            (DepositState::Adrift { .. }, Some(account)) => {
                own(account, value);
                add(&mut sums, house(ADRIFT), value);
            }
            (
                DepositState::Detected
                | DepositState::Orphaned { .. }
                | DepositState::Credited { .. }
                | DepositState::Adrift { .. },
                _,
            ) => {}
        }
    }
    for (_, withdrawal) in state.withdrawals() {
        if let WithdrawalState::Settled { .. } = withdrawal.state {
            let paid = i128::from(withdrawal.total().to_sat());
            own(withdrawal.account, paid.saturating_neg());
            add(&mut sums, house(FEE_INCOME), i128::from(withdrawal.fee.to_sat()));
        }
    }
    observer.transferred.iter().for_each(|(account, sats)| own(*account, *sats));
    payouts(state, observer, &mut sums);
    compare_house(state, &sums)?;
    compare_customers(state, &owned)
}

fn payouts(state: &Custody, observer: &Observer, sums: &mut Sums) {
    let mut explained: BTreeSet<Txid> = BTreeSet::new();
    for (_, batch) in state.batches() {
        let (total, fee) = (i128::from(batch.total.to_sat()), i128::from(batch.fee.to_sat()));
        match batch.state {
            BatchState::Confirmed { .. } => add(sums, house(SETTLING), total),
            BatchState::Final { .. } => {}
            BatchState::Built
            | BatchState::Signed
            | BatchState::Broadcast
            | BatchState::Dissolved
            | BatchState::Failed => continue,
        }
        add(sums, house(NETWORK_FEES), fee);
        explained.insert(batch.txid);
    }
    for (value, by) in observer.mirror.spent().values() {
        if !explained.contains(&convert::txid(*by)) {
            add(sums, house(UNEXPLAINED), i128::from(*value));
        }
    }
}

/// The accounts of the house, and suspense. Fee income and the fund share one sum.
fn compare_house(state: &Custody, sums: &Sums) -> Check {
    let balance = |account| i128::from(state.ledger().balance(account).to_sat());
    let expected = |account: &LedgerAccountId| sums.get(account).copied().unwrap_or(0);
    let differs = |account: LedgerAccountId, found: i128, expected: i128| {
        let name = custody::books::CHART.iter().find(|(code, _)| *code == account.code);
        let name = name.map_or("?", |(_, name)| name);
        let owner = account.owner;
        let text = format!("{name} of {owner:016x} is {found} sat, its objects make {expected}");
        Err(Found::new(NAME, text))
    };
    for code in [ADRIFT, SETTLING, NETWORK_FEES, UNEXPLAINED] {
        let account = house(code);
        if balance(account) != expected(&account) {
            return differs(account, balance(account), expected(&account));
        }
    }
    let income = house(FEE_INCOME);
    let earned = balance(income).saturating_add(balance(house(FUND)));
    if earned != expected(&income) {
        return differs(income, earned, expected(&income));
    }
    let in_books = state.ledger().accounts().filter(|(id, _)| id.code == SUSPENSE);
    let in_objects = sums.keys().copied().filter(|id| id.code == SUSPENSE);
    for account in in_books.map(|(id, _)| id).chain(in_objects) {
        if balance(account) != expected(&account) {
            return differs(account, balance(account), expected(&account));
        }
    }
    Ok(())
}

/// What each customer has, less what they owe, is what came in less what went out.
fn compare_customers(state: &Custody, owned: &BTreeMap<AccountId, i128>) -> Check {
    let count = u64::try_from(state.accounts()).unwrap_or(u64::MAX);
    for account in (1..=count).filter_map(AccountId::from_number) {
        let balance = |code| i128::from(state.ledger().balance(of(account, code)).to_sat());
        let has = balance(AVAILABLE).saturating_add(balance(HELD)).saturating_sub(balance(CLAIM));
        let expected = owned.get(&account).copied().unwrap_or(0);
        if has != expected {
            let found = format!("{account} has {has} sat, its history makes {expected}");
            return Err(Found::new(NAME, found));
        }
    }
    Ok(())
}

//! Damage, in memory and in stored bytes, is found out.

use expect_test::{Expect, expect};

use super::*;

/// What damaged books, built past every rule, say of themselves.
fn damage(damage: impl FnOnce(&mut Ledger), expected: &Expect) {
    let mut ledger = books();
    damage(&mut ledger);
    expected.assert_eq(&ledger.check_books().unwrap_err().to_string());
}

#[test]
fn books_that_made_or_lost_money_are_found_out() {
    let column = |balance, pending| Column { balance: sat(balance), pending: sat(pending) };
    damage(
        |ledger| ledger.columns.set(FEES, column(1, 0)),
        &expect![
            "books-balance: asset 1 has 10 sat of debit balances and 11 sat of credit balances, which must be equal; stop and rebuild the state from the journal"
        ],
    );
    damage(
        |ledger| ledger.columns.set(COINS, Column::default()),
        &expect![
            "books-balance: asset 1 has 0 sat of debit balances and 10 sat of credit balances, which must be equal; stop and rebuild the state from the journal"
        ],
    );
}

#[test]
fn holds_without_their_money_are_found_out() {
    let column = |balance, pending| Column { balance: sat(balance), pending: sat(pending) };
    damage(
        |ledger| ledger.columns.set(HELD, column(4, 3)),
        &expect![
            "books-balance: the pending holds in 1/credit-2/7 sum to 4 sat, while it keeps 3 sat for them of the 4 sat it has; stop and rebuild the state from the journal"
        ],
    );
    damage(
        |ledger| ledger.columns.set(HELD, column(4, 0)),
        &expect![
            "books-balance: the pending holds in 1/credit-2/7 sum to 4 sat, while it keeps 0 sat for them of the 4 sat it has; stop and rebuild the state from the journal"
        ],
    );
    damage(
        |ledger| ledger.holds.clear(),
        &expect![
            "books-balance: the pending holds in 1/credit-2/7 sum to 0 sat, while it keeps 4 sat for them of the 4 sat it has; stop and rebuild the state from the journal"
        ],
    );
    damage(
        |ledger| {
            ledger.columns.set(HELD, column(3, 4));
            ledger.columns.set(BOB, column(1, 0));
        },
        &expect![
            "books-balance: the pending holds in 1/credit-2/7 sum to 4 sat, while it keeps 4 sat for them of the 3 sat it has; stop and rebuild the state from the journal"
        ],
    );
}

type Stored = (Vec<(LedgerAccountId, Sats)>, Vec<(HoldId, Hold)>);

/// Why the stored form of sound books, once changed, is not read.
fn decode(change: impl FnOnce(&mut Stored), expected: &Expect) {
    let ledger = books();
    let mut stored: Stored = (
        ledger.accounts().collect(),
        ledger.pending_holds().map(|(id, hold)| (id, *hold)).collect(),
    );
    assert_eq!(borsh::to_vec(&stored).unwrap(), borsh::to_vec(&ledger).unwrap());
    change(&mut stored);
    let error = borsh::from_slice::<Ledger>(&borsh::to_vec(&stored).unwrap()).unwrap_err();
    let inner = error.get_ref().unwrap();
    let source = inner.source().map(|source| format!(": {source}")).unwrap_or_default();
    expected.assert_eq(&format!("{inner}{source}").replace(&H1.to_string(), "H1"));
}

#[test]
fn bytes_that_are_not_sound_books_are_not_read() {
    decode(
        |(accounts, _)| accounts.swap(0, 1),
        &expect![
            "reading a ledger, found accounts or holds twice or out of order; load another snapshot"
        ],
    );
    decode(
        |(accounts, _)| accounts.push(accounts[2]),
        &expect![
            "reading a ledger, found accounts or holds twice or out of order; load another snapshot"
        ],
    );
    decode(
        |(_, holds)| holds.push(holds[0]),
        &expect![
            "reading a ledger, found accounts or holds twice or out of order; load another snapshot"
        ],
    );
    decode(
        |(accounts, _)| accounts.push((FEES, Sats::ZERO)),
        &expect![
            "reading a ledger, found account 1/credit-3/0 stored with nothing in it; load another snapshot"
        ],
    );
    decode(
        |(_, holds)| holds[0].1.amount = Sats::ZERO,
        &expect![
            "reading a ledger, found H1, which nobody could have made; load another snapshot: ledger-amount-zero: nothing to transfer from debit 1/credit-1/7 to credit 1/credit-2/7; leave this transfer out"
        ],
    );
    decode(
        |(accounts, _)| accounts[0].1 = sat(11),
        &expect![
            "reading a ledger, found damaged books; load another snapshot: books-balance: asset 1 has 11 sat of debit balances and 10 sat of credit balances, which must be equal; stop and rebuild the state from the journal"
        ],
    );
    decode(
        |(_, holds)| holds[0].1.amount = sat(5),
        &expect![
            "reading a ledger, found damaged books; load another snapshot: books-balance: the pending holds in 1/credit-2/7 sum to 5 sat, while it keeps 5 sat for them of the 4 sat it has; stop and rebuild the state from the journal"
        ],
    );
    decode(
        |(_, holds)| holds.push((H2, held_by_alice(1))),
        &expect![
            "reading a ledger, found damaged books; load another snapshot: books-balance: the pending holds in 1/credit-2/7 sum to 5 sat, while it keeps 5 sat for them of the 4 sat it has; stop and rebuild the state from the journal"
        ],
    );
    decode(
        |(_, holds)| {
            holds[0].1.amount = Sats::MAX;
            holds.push((H2, Hold { amount: Sats::MAX, ..held_by_alice(1) }));
        },
        &expect![
            "reading a ledger, found damaged books; load another snapshot: books-balance: the pending holds in 1/credit-2/7 sum to 4200000000000000 sat, while it keeps 0 sat for them of the 4 sat it has; stop and rebuild the state from the journal"
        ],
    );
}

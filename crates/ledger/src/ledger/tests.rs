//! One row per refusal, in ladder order, then what else the books promise.

use std::fmt::Write;

use expect_test::{Expect, expect};

use super::*;
use crate::Side;

mod damage;

const COINS: LedgerAccountId = account(Code::debit_normal(1), 0);
const VAULT: LedgerAccountId = account(Code::debit_normal(2), 0);
const ALICE: LedgerAccountId = account(Code::credit_normal(1), 7);
const BOB: LedgerAccountId = account(Code::credit_normal(1), 8);
const HELD: LedgerAccountId = account(Code::credit_normal(2), 7);
const FEES: LedgerAccountId = account(Code::credit_normal(3), 0);
const OTHER: LedgerAccountId = LedgerAccountId { asset: AssetId(2), ..ALICE };
const H1: HoldId = HoldId([1; 32]);
const H2: HoldId = HoldId([2; 32]);

const fn account(code: Code, owner: u64) -> LedgerAccountId {
    LedgerAccountId { asset: AssetId::BITCOIN, code, owner }
}

fn sat(sats: u64) -> Sats {
    Sats::parse(sats).unwrap()
}

fn transfer(debit: LedgerAccountId, credit: LedgerAccountId, sats: u64) -> Transfer {
    Transfer { debit, credit, amount: sat(sats) }
}

fn held_by_alice(sats: u64) -> Hold {
    Hold { from: ALICE, held: HELD, amount: sat(sats) }
}

/// Alice has 10 sat: 6 available, 4 held.
fn books() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.post(&[transfer(COINS, ALICE, 10)]).unwrap();
    ledger.hold(H1, held_by_alice(4)).unwrap();
    ledger
}

enum Call {
    Post(Vec<Transfer>),
    Hold(HoldId, Hold),
    Void(HoldId),
    PostHold(HoldId, Vec<(LedgerAccountId, Sats)>),
}
use Call::{Post, PostHold, Void};

impl Call {
    fn check(&self, ledger: &Ledger) -> Result<(), Refusal> {
        match self {
            Post(transfers) => ledger.check(transfers),
            Call::Hold(id, hold) => ledger.check_hold(*id, *hold),
            Void(id) => ledger.check_void_hold(*id),
            PostHold(id, to) => ledger.check_post_hold(*id, to),
        }
    }

    fn make(&self, ledger: &mut Ledger) -> Result<(), Refusal> {
        match self {
            Post(transfers) => ledger.post(transfers),
            Call::Hold(id, hold) => ledger.hold(*id, *hold),
            Void(id) => ledger.void_hold(*id),
            PostHold(id, to) => ledger.post_hold(*id, to),
        }
    }
}

/// Each answer, then the balances. On the way: the check before says the same, a refusal changes
/// nothing, and the books stay sound.
fn check(calls: &[Call], expected: &Expect) {
    let mut ledger = books();
    let mut text = String::new();
    for call in calls {
        let before = ledger.clone();
        let said = call.check(&ledger);
        assert_eq!(ledger.clone(), before, "a check changed the books");
        let answer = call.make(&mut ledger);
        assert_eq!(said, answer, "the check said something else");
        ledger.check_books().unwrap();
        match answer {
            Ok(()) => text.push_str("done\n"),
            Err(refusal) => {
                assert_eq!(ledger, before, "a refusal changed the books");
                assert!(refusal.to_string().starts_with(&format!("{}: ", refusal.id())));
                let refusal = refusal.to_string();
                let short = refusal.replace(&H1.to_string(), "H1").replace(&H2.to_string(), "H2");
                writeln!(text, "{short}").unwrap();
            }
        }
    }
    for (id, balance) in ledger.accounts() {
        writeln!(text, "  {id} has {balance}").unwrap();
    }
    expected.assert_eq(&text);
}

#[test]
fn a_hold_that_is_not_pending_is_unknown() {
    check(
        &[Void(H2), PostHold(H2, vec![(COINS, sat(4))]), Void(H1), Void(H1)],
        &expect![[r"
            ledger-hold-unknown: H2 is not pending; it was never made, or is posted or voided already
            ledger-hold-unknown: H2 is not pending; it was never made, or is posted or voided already
            done
            ledger-hold-unknown: H1 is not pending; it was never made, or is posted or voided already
              1/debit-1/0 has 10 sat
              1/credit-1/7 has 10 sat
        "]],
    );
}

#[test]
fn a_hold_is_made_once() {
    check(
        &[Call::Hold(H1, held_by_alice(1)), Call::Hold(H1, held_by_alice(0))],
        &expect![[r"
            ledger-hold-exists: H1 is pending already, for 4 sat; post or void it first, or choose another id
            ledger-hold-exists: H1 is pending already, for 4 sat; post or void it first, or choose another id
              1/debit-1/0 has 10 sat
              1/credit-1/7 has 6 sat
              1/credit-2/7 has 4 sat
        "]],
    );
}

#[test]
fn a_hold_is_posted_as_a_whole() {
    let parts = [vec![], vec![(COINS, sat(3))], vec![(COINS, sat(3)), (FEES, sat(2))]];
    let huge = vec![(COINS, Sats::MAX); 3];
    let mut calls: Vec<_> = parts.into_iter().map(|to| PostHold(H1, to)).collect();
    calls.push(PostHold(H1, huge));
    check(
        &calls,
        &expect![[r"
            ledger-hold-parts: H1 stands for 4 sat, but its parts sum to 0 sat; give parts that sum to the whole
            ledger-hold-parts: H1 stands for 4 sat, but its parts sum to 3 sat; give parts that sum to the whole
            ledger-hold-parts: H1 stands for 4 sat, but its parts sum to 5 sat; give parts that sum to the whole
            ledger-hold-parts: H1 stands for 4 sat, but its parts sum to 6300000000000000 sat; give parts that sum to the whole
              1/debit-1/0 has 10 sat
              1/credit-1/7 has 6 sat
              1/credit-2/7 has 4 sat
        "]],
    );
}

#[test]
fn a_transfer_of_nothing_is_refused() {
    check(
        &[
            Post(vec![transfer(ALICE, BOB, 0)]),
            Call::Hold(H2, held_by_alice(0)),
            PostHold(H1, vec![(COINS, sat(4)), (FEES, sat(0))]),
        ],
        &expect![[r"
            ledger-amount-zero: nothing to transfer from debit 1/credit-1/7 to credit 1/credit-1/8; leave this transfer out
            ledger-amount-zero: nothing to transfer from debit 1/credit-1/7 to credit 1/credit-2/7; leave this transfer out
            ledger-amount-zero: nothing to transfer from debit 1/credit-2/7 to credit 1/credit-3/0; leave this transfer out
              1/debit-1/0 has 10 sat
              1/credit-1/7 has 6 sat
              1/credit-2/7 has 4 sat
        "]],
    );
}

#[test]
fn a_transfer_to_itself_is_refused() {
    check(
        &[
            Post(vec![transfer(ALICE, ALICE, 1)]),
            Call::Hold(H2, Hold { from: ALICE, held: ALICE, amount: sat(1) }),
            PostHold(H1, vec![(HELD, sat(4))]),
        ],
        &expect![[r"
            ledger-same-account: 1 sat would go from 1/credit-1/7 to itself; name two different accounts
            ledger-same-account: 1 sat would go from 1/credit-1/7 to itself; name two different accounts
            ledger-same-account: 4 sat would go from 1/credit-2/7 to itself; name two different accounts
              1/debit-1/0 has 10 sat
              1/credit-1/7 has 6 sat
              1/credit-2/7 has 4 sat
        "]],
    );
}

#[test]
fn a_transfer_never_turns_one_asset_into_another() {
    check(
        &[
            Post(vec![transfer(ALICE, OTHER, 1)]),
            Call::Hold(H2, Hold { from: OTHER, held: HELD, amount: sat(1) }),
            PostHold(H1, vec![(OTHER, sat(4))]),
        ],
        &expect![[r"
            ledger-assets-differ: debit 1/credit-1/7 and credit 2/credit-1/7 count different assets; use one transfer for each asset
            ledger-assets-differ: debit 2/credit-1/7 and credit 1/credit-2/7 count different assets; use one transfer for each asset
            ledger-assets-differ: debit 1/credit-2/7 and credit 2/credit-1/7 count different assets; use one transfer for each asset
              1/debit-1/0 has 10 sat
              1/credit-1/7 has 6 sat
              1/credit-2/7 has 4 sat
        "]],
    );
}

#[test]
fn no_account_falls_below_zero_on_its_normal_side() {
    check(
        &[
            Post(vec![transfer(ALICE, BOB, 7)]),
            Post(vec![transfer(FEES, COINS, 1)]),
            Call::Hold(H2, held_by_alice(7)),
            Post(vec![transfer(ALICE, COINS, 6)]),
        ],
        &expect![[r"
            ledger-overdraw: 7 sat asked of 1/credit-1/7, which has 6 sat and keeps 0 sat of it for pending holds; ask for less, or bring money in first
            ledger-overdraw: 1 sat asked of 1/credit-3/0, which has 0 sat and keeps 0 sat of it for pending holds; ask for less, or bring money in first
            ledger-overdraw: 7 sat asked of 1/credit-1/7, which has 6 sat and keeps 0 sat of it for pending holds; ask for less, or bring money in first
            done
              1/debit-1/0 has 4 sat
              1/credit-2/7 has 4 sat
        "]],
    );
}

#[test]
fn what_a_hold_keeps_can_only_leave_through_the_hold() {
    check(
        &[
            Post(vec![transfer(HELD, COINS, 1)]),
            Post(vec![transfer(ALICE, HELD, 2), transfer(HELD, BOB, 2)]),
            Call::Hold(H2, Hold { from: HELD, held: BOB, amount: sat(1) }),
            PostHold(H1, vec![(COINS, sat(3)), (FEES, sat(1))]),
        ],
        &expect![[r"
            ledger-overdraw: 1 sat asked of 1/credit-2/7, which has 4 sat and keeps 4 sat of it for pending holds; ask for less, or bring money in first
            done
            ledger-overdraw: 1 sat asked of 1/credit-2/7, which has 4 sat and keeps 4 sat of it for pending holds; ask for less, or bring money in first
            done
              1/debit-1/0 has 7 sat
              1/credit-1/7 has 4 sat
              1/credit-1/8 has 2 sat
              1/credit-3/0 has 1 sat
        "]],
    );
}

#[test]
fn a_posted_hold_cannot_overdraw_the_coins() {
    check(
        &[
            Call::Hold(H2, held_by_alice(6)),
            PostHold(H2, vec![(COINS, sat(6))]),
            Post(vec![transfer(VAULT, COINS, 2)]),
            PostHold(H1, vec![(FEES, sat(1)), (COINS, sat(3))]),
        ],
        &expect![[r"
            done
            done
            done
            ledger-overdraw: 3 sat asked of 1/debit-1/0, which has 2 sat and keeps 0 sat of it for pending holds; ask for less, or bring money in first
              1/debit-1/0 has 2 sat
              1/debit-2/0 has 2 sat
              1/credit-2/7 has 4 sat
        "]],
    );
}

#[test]
fn no_account_grows_beyond_all_bitcoin() {
    let most = Sats::MAX.to_sat();
    check(
        &[
            Post(vec![transfer(COINS, BOB, most)]),
            Post(vec![transfer(VAULT, BOB, most)]),
            Post(vec![transfer(ALICE, BOB, 1)]),
            Call::Hold(H2, Hold { from: ALICE, held: BOB, amount: sat(1) }),
            PostHold(H1, vec![(BOB, sat(4))]),
        ],
        &expect![[r"
            ledger-overflow: 2100000000000000 sat more for 1/debit-1/0, which has 10 sat, passes the most an account can hold; the amount is wrong
            done
            ledger-overflow: 1 sat more for 1/credit-1/8, which has 2100000000000000 sat, passes the most an account can hold; the amount is wrong
            ledger-overflow: 1 sat more for 1/credit-1/8, which has 2100000000000000 sat, passes the most an account can hold; the amount is wrong
            ledger-overflow: 4 sat more for 1/credit-1/8, which has 2100000000000000 sat, passes the most an account can hold; the amount is wrong
              1/debit-1/0 has 10 sat
              1/debit-2/0 has 2100000000000000 sat
              1/credit-1/7 has 6 sat
              1/credit-1/8 has 2100000000000000 sat
              1/credit-2/7 has 4 sat
        "]],
    );
}

#[test]
fn a_hold_that_cannot_be_taken_back_stays_pending() {
    let most = Sats::MAX.to_sat() - 6;
    check(
        &[Post(vec![transfer(VAULT, ALICE, most)]), Void(H1)],
        &expect![[r"
            done
            ledger-overflow: 4 sat more for 1/credit-1/7, which has 2100000000000000 sat, passes the most an account can hold; the amount is wrong
              1/debit-1/0 has 10 sat
              1/debit-2/0 has 2099999999999994 sat
              1/credit-1/7 has 2100000000000000 sat
              1/credit-2/7 has 4 sat
        "]],
    );
}

#[test]
fn refusals_come_in_the_order_of_the_ladder() {
    // Each call breaks its own rule and every later one that it can break as well.
    check(
        &[
            PostHold(H2, vec![(OTHER, sat(0))]),
            Call::Hold(H1, Hold { from: OTHER, held: OTHER, amount: sat(0) }),
            PostHold(H1, vec![(HELD, sat(0)), (OTHER, sat(9))]),
            Post(vec![transfer(ALICE, BOB, 99), transfer(OTHER, OTHER, 0)]),
            Post(vec![transfer(ALICE, BOB, 99), transfer(OTHER, OTHER, 1)]),
            Post(vec![transfer(ALICE, BOB, 99), transfer(BOB, OTHER, 1)]),
            Post(vec![transfer(COINS, VAULT, Sats::MAX.to_sat())]),
            Post(vec![transfer(COINS, ALICE, Sats::MAX.to_sat()), transfer(ALICE, BOB, 99)]),
        ],
        &expect![[r"
            ledger-hold-unknown: H2 is not pending; it was never made, or is posted or voided already
            ledger-hold-exists: H1 is pending already, for 4 sat; post or void it first, or choose another id
            ledger-hold-parts: H1 stands for 4 sat, but its parts sum to 9 sat; give parts that sum to the whole
            ledger-amount-zero: nothing to transfer from debit 2/credit-1/7 to credit 2/credit-1/7; leave this transfer out
            ledger-same-account: 1 sat would go from 2/credit-1/7 to itself; name two different accounts
            ledger-assets-differ: debit 1/credit-1/8 and credit 2/credit-1/7 count different assets; use one transfer for each asset
            ledger-overdraw: 2100000000000000 sat asked of 1/debit-2/0, which has 0 sat and keeps 0 sat of it for pending holds; ask for less, or bring money in first
            ledger-overflow: 2100000000000000 sat more for 1/credit-1/7, which has 6 sat, passes the most an account can hold; the amount is wrong
              1/debit-1/0 has 10 sat
              1/credit-1/7 has 6 sat
              1/credit-2/7 has 4 sat
        "]],
    );
}

#[test]
fn a_batch_is_made_in_order_and_cannot_spend_what_comes_later() {
    let (brings, spends) = (transfer(COINS, BOB, 5), transfer(BOB, FEES, 5));
    check(
        &[Post(vec![spends, brings]), Post(vec![brings, spends]), Post(vec![])],
        &expect![[r"
            ledger-overdraw: 5 sat asked of 1/credit-1/8, which has 0 sat and keeps 0 sat of it for pending holds; ask for less, or bring money in first
            done
            done
              1/debit-1/0 has 15 sat
              1/credit-1/7 has 6 sat
              1/credit-2/7 has 4 sat
              1/credit-3/0 has 5 sat
        "]],
    );
}

#[test]
fn a_hold_of_what_came_in_makes_both_sides_grow_and_void_takes_both_back() {
    let pending = account(Code::credit_normal(4), 0);
    let incoming = Hold { from: COINS, held: pending, amount: sat(5) };
    check(
        &[Call::Hold(H2, incoming), Void(H2), Void(H1)],
        &expect![[r"
            done
            done
            done
              1/debit-1/0 has 10 sat
              1/credit-1/7 has 10 sat
        "]],
    );
    check(
        &[Call::Hold(H2, incoming), PostHold(H2, vec![(BOB, sat(5))])],
        &expect![[r"
            done
            done
              1/debit-1/0 has 15 sat
              1/credit-1/7 has 6 sat
              1/credit-1/8 has 5 sat
              1/credit-2/7 has 4 sat
        "]],
    );
}

#[test]
fn debit_normal_accounts_hold_as_well() {
    let hold = Hold { from: COINS, held: VAULT, amount: sat(8) };
    check(
        &[
            Call::Hold(H2, hold),
            Post(vec![transfer(ALICE, VAULT, 1)]),
            PostHold(H2, vec![(COINS, sat(2)), (ALICE, sat(6))]),
        ],
        &expect![[r"
            done
            ledger-overdraw: 1 sat asked of 1/debit-2/0, which has 8 sat and keeps 8 sat of it for pending holds; ask for less, or bring money in first
            done
              1/debit-1/0 has 4 sat
              1/credit-2/7 has 4 sat
        "]],
    );
}

#[test]
fn every_refusal_has_its_own_id() {
    let (id, account, asked) = (H1, ALICE, Sats::ZERO);
    let (balance, pending, amount, debit, credit) = (asked, asked, asked, account, account);
    let all = [
        Refusal::HoldUnknown { id },
        Refusal::HoldExists { id, pending },
        Refusal::HoldParts { id, pending, parts_sats: 0 },
        Refusal::AmountZero { debit, credit },
        Refusal::SameAccount { account, amount },
        Refusal::AssetsDiffer { debit, credit },
        Refusal::Overdraw { account, balance, pending, asked },
        Refusal::Overflow { account, balance, asked },
    ];
    assert_eq!(all.map(|refusal| refusal.id()), Refusal::ALL_IDS);
}

#[test]
fn totals_are_summed_by_asset_and_side() {
    let mut ledger = books();
    assert_eq!(ledger.totals(AssetId(2)), None);
    let coins = LedgerAccountId { asset: AssetId(2), ..COINS };
    ledger.post(&[transfer(coins, OTHER, 3)]).unwrap();
    assert_eq!(ledger.totals(AssetId::BITCOIN), Some(Totals { debits: 10, credits: 10 }));
    assert_eq!(ledger.totals(AssetId(2)), Some(Totals { debits: 3, credits: 3 }));
    ledger.post(&[transfer(OTHER, coins, 3)]).unwrap();
    assert_eq!(ledger.totals(AssetId(2)), None);
}

#[test]
fn pending_holds_can_be_read() {
    let ledger = books();
    assert_eq!(ledger.pending_hold(H1), Some(&held_by_alice(4)));
    assert_eq!(ledger.pending_hold(H2), None);
    assert_eq!(ledger.pending_holds().collect::<Vec<_>>(), [(H1, &held_by_alice(4))]);
    assert_eq!((ledger.pending(HELD), ledger.pending(ALICE)), (sat(4), Sats::ZERO));
}

#[test]
fn a_hold_and_its_parts_are_transfers_of_opposite_directions() {
    let hold = held_by_alice(4);
    assert_eq!(hold.transfer(), transfer(ALICE, HELD, 4));
    assert_eq!(hold.part(COINS, sat(3)), transfer(HELD, COINS, 3));
    assert_eq!((HELD.side(), HELD.side().opposite()), (Side::Credit, Side::Debit));
}

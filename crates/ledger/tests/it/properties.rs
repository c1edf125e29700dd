use std::collections::BTreeMap;

use ledger::{Ledger, LedgerAccountId, Refusal, Transfer};
use primitives::{AssetId, Sats};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

use crate::{
    history::{Step, chart, histories},
    model::Model,
};

fn config() -> Config {
    Config { failure_persistence: None, ..Config::with_cases(512) }
}

/// Both sums of every asset, and that no balance lies beside them.
fn assert_sums_zero(ledger: &Ledger) -> Result<(), TestCaseError> {
    for asset in [AssetId::BITCOIN, AssetId(2)] {
        let totals = ledger.totals(asset).unwrap_or_default();
        prop_assert_eq!(totals.debits, totals.credits);
    }
    Ok(())
}

/// The ledger after a history, refused steps included.
fn after(history: &[Step]) -> Ledger {
    let mut ledger = Ledger::default();
    for step in history {
        let _refused_or_not = step.make(&mut ledger);
    }
    ledger
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_ledger_agrees_with_a_naive_model_after_every_step(history in histories(60)) {
        let (mut ledger, mut model) = (Ledger::default(), Model::default());
        for step in history {
            let step = step.resolve(&ledger);
            let before = ledger.clone();
            let said = step.check(&ledger);
            prop_assert_eq!(&ledger, &before, "a check changed the books");
            let answer = step.make(&mut ledger);
            prop_assert_eq!(said, answer, "the check said something else");
            prop_assert_eq!(answer.map_err(|refusal| refusal.id()), model.make(&step));
            if answer.is_err() {
                prop_assert_eq!(&ledger, &before, "a refusal changed the books");
            }
            ledger.check_books().unwrap();
            assert_sums_zero(&ledger)?;
            model.compare(&ledger).map_err(TestCaseError::fail)?;
            prop_assert_eq!(model.sum(), 0);
        }
    }

    #[test]
    fn a_stored_ledger_is_read_back_the_same(history in histories(60)) {
        let ledger = after(&history);
        let bytes = borsh::to_vec(&ledger).unwrap();
        let read = borsh::from_slice::<Ledger>(&bytes).unwrap();
        prop_assert_eq!(&read, &ledger);
        prop_assert_eq!(borsh::to_vec(&read).unwrap(), bytes);
    }

    /// Another way to the same books: other accounts come and go on the way, and the history has
    /// its refused steps left out.
    #[test]
    fn equal_books_have_equal_bytes_whatever_their_history(history in histories(40)) {
        let straight = after(&history);
        let mut winding = Ledger::default();
        let passing = chart(AssetId(3));
        let one = Sats::parse(1).unwrap();
        let there = Transfer { debit: passing[0], credit: passing[3], amount: one };
        for step in history {
            winding.post(&[there]).unwrap();
            if step.check(&winding).is_ok() {
                step.make(&mut winding).unwrap();
            }
            winding.post(&[there.reversed()]).unwrap();
        }
        prop_assert_eq!(&winding, &straight);
        prop_assert_eq!(borsh::to_vec(&winding).unwrap(), borsh::to_vec(&straight).unwrap());
    }

    /// Whatever bytes are read as books are the encoding of sound books, and the only one.
    #[test]
    fn damaged_bytes_are_refused_or_are_sound_books(
        history in histories(30),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = borsh::to_vec(&after(&history)).unwrap();
        for (at, mask) in damage {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(ledger) = borsh::from_slice::<Ledger>(&bytes) {
            ledger.check_books().unwrap();
            prop_assert_eq!(borsh::to_vec(&ledger).unwrap(), bytes);
        }
    }

    /// The same money, brought in any order, is the same ledger.
    #[test]
    fn transfers_that_are_all_possible_may_come_in_any_order(
        amounts in proptest::collection::vec(1..=1000_u64, 1..40).prop_shuffle(),
    ) {
        let accounts: Vec<LedgerAccountId> = chart(AssetId::BITCOIN);
        let brings = |&sats: &u64| {
            let owner = usize::try_from(sats).unwrap() % 5;
            let amount = Sats::parse(sats).unwrap();
            Transfer { debit: accounts[0], credit: accounts[2 + owner], amount }
        };
        let mut sorted = amounts.clone();
        sorted.sort_unstable();
        let ledger_of = |amounts: &[u64]| {
            let mut ledger = Ledger::default();
            ledger.post(&amounts.iter().map(brings).collect::<Vec<_>>()).unwrap();
            ledger
        };
        prop_assert_eq!(ledger_of(&amounts), ledger_of(&sorted));
    }
}

/// A generator that only ever gets "no" or only ever "yes" would test little.
#[test]
fn random_histories_reach_every_refusal_and_often_succeed() {
    let mut runner = TestRunner::deterministic();
    let mut answers = BTreeMap::<&str, u32>::new();
    for _ in 0..500 {
        let history = histories(60).new_tree(&mut runner).unwrap().current();
        let mut ledger = Ledger::default();
        for step in history {
            let answer = step.make(&mut ledger).map_err(|refusal| refusal.id());
            *answers.entry(answer.err().unwrap_or("done")).or_default() += 1;
        }
    }
    println!("{answers:?}");
    for id in Refusal::ALL_IDS {
        assert!(answers.get(id).is_some_and(|&count| count >= 20), "{id} is rare: {answers:?}");
    }
    let all: u32 = answers.values().sum();
    assert!(answers["done"] * 3 > all, "too few steps succeed: {answers:?}");
}

//! Properties: whatever is asked in whatever order, it folds or is refused, the invariants hold,
//! the journal makes the same state again, and a snapshot behaves like the state it was made of.
//!
//! A failure prints the shortest list of steps that fails; `PROPTEST_CASES` asks for more.

mod world;

use std::collections::{BTreeMap, BTreeSet};

use custody::Event;
use proptest::prelude::*;

use crate::house::House;
use world::{Step, World};

pub(crate) fn config(cases: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if asked { usual.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 4_096, ..usual }
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>());
    let step = step.prop_map(|(what, a, b, c)| Step { what, a, b, c });
    prop::collection::vec(step, 1..most)
}

proptest! {
    #![proptest_config(config(96))]

    /// The harness checks every invariant after every step.
    #[test]
    fn whatever_is_asked_folds_or_is_refused_and_the_invariants_hold(steps in steps(160)) {
        let mut world = World::new();
        for step in &steps {
            world.take(*step);
        }
        let state = &world.house.state;
        prop_assert_eq!(state.check_indexes(), Ok(()));
        let replayed = world.house.replayed();
        prop_assert_eq!(replayed.digest().unwrap(), state.digest().unwrap());
        prop_assert_eq!(replayed.check_indexes(), Ok(()));
    }

    /// One house runs on, the other is read from a snapshot again and again.
    #[test]
    fn a_snapshot_behaves_like_the_state_it_was_made_of(steps in steps(120)) {
        let (mut live, mut restored) = (World::new(), World::new());
        for (number, step) in steps.iter().enumerate() {
            live.take(*step);
            restored.take(*step);
            if number % 3 == 0 {
                restored.house.restore();
            }
        }
        prop_assert_eq!(&live.house.journal, &restored.house.journal);
        prop_assert_eq!(live.house.state.digest().unwrap(), restored.house.state.digest().unwrap());
    }

    /// Deposits only: what a customer does depends on when they see what.
    #[test]
    fn any_path_of_blocks_ends_like_the_straight_one(steps in steps(120)) {
        let mut world = World::poor();
        for step in &steps {
            world.take(step.of_the_chain());
        }
        world.settle_down();
        let mut straight = World::poor();
        straight.same_customers_as(&world);
        for (at, block) in &world.house.chain {
            straight.house.connect(*at, block.clone());
        }
        let what_matters = |house: &House| {
            let coins: Vec<_> =
                house.state.coins().iter().map(|(outpoint, coin)| (*outpoint, *coin)).collect();
            let books: Vec<_> = house.state.ledger().accounts().collect();
            (coins, books)
        };
        prop_assert_eq!(what_matters(&world.house), what_matters(&straight.house));
    }
}

/// The core writes the first beside what is refused; the second needs a day of patience, and has
/// its own stories; the third is asked by whoever saves the state.
const ELSEWHERE: [&str; 3] = ["RefusalRecorded", "WithdrawalFailed", "SnapshotTaken"];

/// A property that never leaves the shallows proves nothing: the same steps reach every kind of
/// event, and incidents of every kind.
#[test]
fn the_steps_reach_everything() {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let mut incidents = BTreeSet::new();
    for run in 0..60_u64 {
        let mut random = Random(run);
        let mut world = World::new();
        for _ in 0..200 {
            let [what, a, b, c, ..] = random.next();
            world.take(Step { what, a, b, c });
        }
        for (_, event) in &world.house.journal {
            *seen.entry(event.name()).or_default() += 1;
        }
        let found = world.house.state.incidents().iter().map(|(_, it)| std::mem::discriminant(it));
        incidents.extend(found.map(|kind| format!("{kind:?}")));
    }
    let missed: Vec<_> = Event::KINDS
        .iter()
        .map(|(_, _, name)| *name)
        .filter(|name| !seen.contains_key(name) && !ELSEWHERE.contains(name))
        .collect();
    assert!(missed.is_empty(), "never reached: {missed:?}; seen {seen:?}");
    assert_eq!(incidents.len(), 4);
}

/// `SplitMix64`: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> [u8; 8] {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()
    }
}

//! Every planted bug is found, or the simulator does not bite.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use custody::planted::Bug;
use drill::{Options, simulate};

use crate::first_seed;

/// Steps of one run.
const STEPS: u32 = 300;
/// Runs after which a bug counts as not found.
const SEEDS_MAX: u64 = 600;

/// The number of runs that it took, and the invariant that was broken.
fn find(bug: Bug) -> Option<(u64, &'static str)> {
    let options = Options { bug: Some(bug), ..Options::default() };
    (1..=SEEDS_MAX).find_map(|tried| {
        let failure = simulate(first_seed().wrapping_add(tried), STEPS, &options).err()?;
        Some((tried, failure.invariant))
    })
}

#[test]
fn the_simulator_finds_every_planted_bug() {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some(bug) = Bug::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = find(*bug);
            found.lock().unwrap().insert(*bug, result);
        }
    };
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    // A bug is planted in one thread only.
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    println!("{:<24} {:>5}  found by", "planted bug", "runs");
    let mut missed = Vec::new();
    for (bug, result) in found.into_inner().unwrap() {
        let name = format!("{bug:?}");
        match result {
            Some((runs, invariant)) => println!("{name:<24} {runs:>5}  {invariant}"),
            None => missed.push(name),
        }
    }
    assert!(missed.is_empty(), "not found in {SEEDS_MAX} runs each: {missed:?}");
}

#[test]
fn a_failure_says_how_to_see_it_again_and_does_so() {
    let options = Options { bug: Some(Bug::CreditedTooEarly), ..Options::default() };
    let failure = (0..100).find_map(|seed| simulate(seed, STEPS, &options).err()).unwrap();
    assert_eq!(failure.invariant, "credited-deep-enough");
    assert!(!failure.trace.is_empty());
    let text = failure.to_string();
    let replay = format!("--seed {} --steps {STEPS} --bug CreditedTooEarly", failure.seed);
    assert!(text.contains(&replay), "{text}");
    assert_eq!(simulate(failure.seed, STEPS, &options).unwrap_err(), failure);
}

#[test]
fn a_bug_that_was_planted_is_taken_out_again() {
    let options = Options { bug: Some(Bug::CreditedTooEarly), ..Options::default() };
    let failed = (0..100).any(|seed| simulate(seed, STEPS, &options).is_err());
    assert!(failed);
    for seed in 0..3 {
        simulate(seed, STEPS, &Options::default()).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

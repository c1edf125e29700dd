//! Every planted bug is found, or the simulator does not bite.

use custody::planted::Bug;
use drill::{Options, simulate};

use crate::first_seed;

/// Steps of one run.
const STEPS: u32 = 300;
/// Runs after which a bug counts as not found.
const SEEDS_MAX: u64 = 600;

#[test]
fn the_simulator_finds_every_planted_bug() {
    let mut missed = Vec::new();
    println!("{:<24} {:>5}  found by", "planted bug", "seeds");
    for bug in Bug::ALL {
        let options = Options { bug: Some(bug), ..Options::default() };
        let found = (1..=SEEDS_MAX).find_map(|tried| {
            let failure = simulate(first_seed().wrapping_add(tried), STEPS, &options).err()?;
            Some((tried, failure))
        });
        let name = format!("{bug:?}");
        match found {
            Some((seeds, failure)) => println!("{name:<24} {seeds:>5}  {}", failure.invariant),
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

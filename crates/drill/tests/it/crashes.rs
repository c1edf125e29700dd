//! Crashes between any two steps, by the hundred thousand.

use std::sync::atomic::{AtomicU64, Ordering};

use drill::{Kind, Options, simulate};

use crate::first_seed;

/// Crashes with recovery that one test run survives.
const RECOVERIES: u64 = 100_000;
/// Short runs: a recovery costs as much as the journal is long.
const STEPS: u32 = 200;

#[test]
fn a_hundred_thousand_crashes_lose_nothing_and_break_no_invariant() {
    let (next, recoveries) = (AtomicU64::new(first_seed()), AtomicU64::new(0));
    let run = || {
        while recoveries.load(Ordering::Relaxed) < RECOVERIES {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            // Every fifth seed makes the world that it wants.
            let kind = (seed % 5 != 0).then_some(Kind::Storm);
            let report = simulate(seed, STEPS, &Options { kind, ..Options::default() });
            let report = report.unwrap_or_else(|failure| panic!("{failure}"));
            recoveries.fetch_add(report.recoveries, Ordering::Relaxed);
        }
    };
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(run);
        }
    });
    let seeds = next.into_inner() - first_seed();
    println!("{} recoveries in {seeds} runs of {STEPS} steps", recoveries.into_inner());
}

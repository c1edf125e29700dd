//! Seeds that once found something. Each was seen to fail before its fix; where the simulator has
//! changed since, the seed is one that finds the same when the fix is taken out.

use drill::{Options, simulate};

fn holds(seed: u64, steps: u32) {
    if let Err(failure) = simulate(seed, steps, &Options::default()) {
        panic!("{failure}");
    }
}

/// The quiet hours ended with a block that made a coin spendable, and asked at once why nobody had
/// spent it: a fault of the simulator.
#[test]
fn who_could_be_paid_only_by_the_very_last_block_is_not_counted_as_forgotten() {
    holds(5_001_963, 400);
}

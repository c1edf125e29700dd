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

/// A refused batch was built again as the very same transaction, which was then signed: the
/// simulator took the signature for one of the refused batch.
#[test]
fn a_batch_that_is_built_again_as_the_same_transaction_is_not_signed_after_its_refusal() {
    holds(7_001_940, 400);
}

/// A reservation counted from the check after it, and not from when it was made: a bucket that was
/// full in between looked overdrawn. A fault of the simulator.
#[test]
fn a_reservation_counts_from_when_it_was_made() {
    holds(7_003_134, 400);
}

/// A withdrawal waited for its pin, which another that shares it had taken into a batch that a
/// freeze held back; the simulator did not know this reason.
#[test]
fn a_pin_that_is_in_a_batch_that_waits_is_a_reason_to_wait() {
    holds(7_005_862, 400);
}

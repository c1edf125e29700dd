//! The simulator's own tests: crashes by the hundred thousand, the same run twice, worlds in which
//! everything happens, seeds that once found a bug, and proof that it bites.
//!
//! A failure prints its seed and how to replay it. `STRONGROOM_SEED` sets the first seed.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on panics, and says what it has counted"
)]

#[cfg(not(feature = "planted-bugs"))]
mod command_line;
#[cfg(not(feature = "planted-bugs"))]
mod crashes;
#[cfg(not(feature = "planted-bugs"))]
mod page;
#[cfg(feature = "planted-bugs")]
mod planted;
#[cfg(not(feature = "planted-bugs"))]
mod regressions;
#[cfg(not(feature = "planted-bugs"))]
mod worlds;

/// The first seed: `STRONGROOM_SEED`, or 0.
fn first_seed() -> u64 {
    std::env::var("STRONGROOM_SEED").map_or(0, |seed| seed.parse().expect("a number"))
}

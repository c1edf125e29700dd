//! The journal, its check, its snapshots and its views on real files, through the public interface.
//!
//! Tests that draw random numbers print their seed; `STRONGROOM_SEED=<seed>` replays one.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on panics, and its numbers are small"
)]

mod audit;
mod child;
mod conformance;
mod faults;
mod flips;
mod golden;
mod kill;
mod model;
mod positions;
mod power;
mod snapshots;
mod sqlite;
mod support;
mod views;

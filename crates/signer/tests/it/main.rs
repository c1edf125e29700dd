//! The signer from outside: every refusal, retries across crashes, the bound on loss, and the
//! signatures under the consensus rules.
#![allow(
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::missing_panics_doc,
    reason = "a test may stop at the first surprise"
)]

mod consensus;
mod disk;
mod ladder;
mod loss_bound;
mod pages;
mod retry;
mod rig;
mod time;

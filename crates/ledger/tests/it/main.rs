//! Random histories: the ledger against a naive model, and its encoding.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod history;
mod model;
mod pages;
mod properties;

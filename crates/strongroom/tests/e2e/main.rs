//! Stories on a whole house: a real bitcoin node on regtest, a real signer process, a real server
//! process. Each test builds a house of its own, waits on conditions and never on time, and ends
//! with [`support::Stage::finish`]: books equal coins, the node agrees, the journal verifies
//! against the head that the signer has witnessed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::doc_markdown,
    clippy::disallowed_methods,
    clippy::similar_names,
    clippy::unused_self,
    missing_docs,
    reason = "tests say by panicking what did not hold"
)]

mod demo;
mod deposits;
mod documents;
mod edge;
mod freezes;
mod kills;
mod limits;
mod lists;
mod operations;
mod parallel;
mod readme;
mod reversals;
mod segwit_v0;
mod snapshots;
mod start;
mod support;
mod verify;
mod witness;

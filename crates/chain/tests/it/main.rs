//! The doors to the node, against made-up nodes and a real one.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test that meets the unexpected should fail there and then"
)]

mod support {
    pub mod fake_http;
    pub mod fake_node;
    pub mod made_up;
    pub mod memory_node;
    pub mod real_node;
}

mod broadcast;
mod follow;
mod lying_node;
mod mempool_and_fees;
mod pages;
mod paths;
mod regtest;
mod rpc;

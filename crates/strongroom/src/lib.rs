//! Floor 4, the house: HTTP, workers, wiring and the command line.
//!
//! A withdrawal's way through it: [`edge`] → [`core`] → [`worker`] (payouts) → the signer's socket
//! → [`worker`] (chain). A block's way: [`worker`] (chain) → [`core`]. This process holds no
//! signing key and does not link the signer.

pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod core;
pub mod demo;
pub mod edge;
pub mod house;
pub mod replica;
pub mod serve;
pub mod signer_client;
pub mod status;
pub mod worker;

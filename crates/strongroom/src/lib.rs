//! Floor 4, the house: HTTP, workers, wiring and the command line.
//!
//! A withdrawal's way through it: [`edge`] → [`core`] → [`worker`] (payouts) → the signer's socket
//! → [`worker`] (chain). A block's way: [`worker`] (chain) → [`core`]. This process holds no
//! signing key and does not link the signer.

pub mod clock;
pub mod config;
pub mod core;
pub mod edge;
pub mod replica;
pub mod signer_client;
pub mod status;
pub mod worker;

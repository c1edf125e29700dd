//! The payout intent and the versioned messages between server and signer.

pub mod merkle;

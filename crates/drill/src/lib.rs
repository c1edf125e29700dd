//! The drill: attacks and accidents, played against the real code.
//!
//! So far it has one room, the simulator: [`simulate`] runs the real domain (`custody`) and the
//! real signer in a made-up world that a seed determines, and checks the [`INVARIANTS`] after every
//! step. `docs/simulator.md` says what is modelled, how to run it and how to replay a failure.

mod simulator;

pub use simulator::{Failure, INVARIANTS, Kind, Options, Reader, Report, simulate};

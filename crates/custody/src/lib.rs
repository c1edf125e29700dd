//! Floor 2: the domain as a pure state machine.
//!
//! [`Custody::decide`] says what a [`Command`] leads to and changes nothing; [`Custody::apply`]
//! folds one recorded [`Event`]. Neither does IO, reads a clock or draws randomness: time and
//! randomness are arguments. One core owns the state, journals the events and only then answers;
//! replay applies the journal and arrives at the same state, byte for byte.
//!
//! A withdrawal's way: [`withdrawal`], [`payout`]. A block's way: [`chain`], [`deposit`]. The
//! books: [`books`], [`coins`], [`invariants`].

// The harness of `tests/it` serves the tests in here too, and speaks of this crate by its name.
#[cfg(test)]
extern crate self as custody;
#[cfg(test)]
#[path = "../tests/it/house/mod.rs"]
mod house;

mod account;
pub mod books;
pub mod chain;
pub mod coins;
mod command;
pub mod deposit;
pub mod descriptor;
pub mod event;
pub mod idempotency;
pub mod incident;
pub mod invariants;
mod params;
pub mod payout;
pub mod planted;
mod refusal;
mod settlement;
mod snapshot;
mod state;
pub mod withdrawal;

pub use account::{ADDRESSES_MAX, Account, Address};
pub use command::Command;
pub use deposit::{Deposit, DepositState};
pub use event::Event;
pub use params::Params;
pub use refusal::{CorruptHistory, Refusal};
pub use settlement::{Settlement, TRANSFERS_MAX};
pub use state::{Custody, STATE_VERSION, Touched};
pub use withdrawal::{Withdrawal, WithdrawalRequest, WithdrawalState};

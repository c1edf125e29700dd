//! Floor 2: the signer. It trusts neither the server nor the PSBT: it examines, reserves, signs.
//!
//! The library is pure: [`Signer`] takes requests, the time and the keys as arguments and keeps
//! what must last in a [`Memory`]. The binary `strongroom-signer` is its shell: sockets, files,
//! clocks, randomness.
//!
//! The order of one signature: a request is examined (`examine`), what it costs is made durable,
//! and only then is there a [`Warrant`], without which [`Keys`] do not sign; the signature is
//! verified, stored, and only then answered.
//!
//! - [`settings`]: what it is, and its limits.
//! - [`descriptor`]: which scripts are its own.
//! - [`clock`]: time that nobody can win by setting a clock.
//! - [`governor`]: the buckets that bound what leaves.
//! - [`record`] and [`memory`]: what it remembers, and where.
//! - [`sample`]: made-up batches for self-test, tests and simulator.

pub mod clock;
mod convert;
pub mod descriptor;
mod examine;
pub mod fault;
mod finish;
pub mod governor;
pub mod keys;
pub mod memory;
pub mod record;
pub mod refusal;
pub mod sample;
mod selftest;
pub mod settings;
mod signer;
mod state;
mod warrant;

pub use clock::{Moment, Now};
pub use descriptor::{DescriptorError, HotDescriptor, Keychain, ScriptKind};
pub use fault::Fault;
pub use keys::{Keys, KeysError, RawSignature, SoftKeys};
pub use memory::Memory;
pub use record::{Head, Record};
pub use refusal::Refusal;
pub use selftest::{SelfTestFailed, selftest};
pub use settings::{BucketLimits, Limits, PerClass, Settings, SettingsError};
pub use signer::{AdminError, Denied, REASON_CHARS_MAX, Signer, Status, refuse_message};
pub use warrant::{SigningTask, Warrant};

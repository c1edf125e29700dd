//! Floor 3, the only SQL: the journal, its offline check, snapshots of the core's state and the
//! plumbing of views.
//!
//! - [`Journal`] is the truth: an append-only, hash-chained sequence of entries. [`SqliteJournal`]
//!   keeps it in one file; [`MemoryJournal`] keeps it on a simulated disk that can crash.
//! - [`verify`](verify()) checks a journal's file without the program that wrote it and without
//!   changing it. `docs/journal-format.md` describes the bytes, so that others can do the same.
//! - [`SnapshotStore`] keeps the core's state beside the journal, so that a start need not replay
//!   everything.
//! - [`Views`] folds the journal into tables for reading, in a database file of their own. They
//!   decide nothing and can be dropped at any time.
//!
//! **What is absent.** Nothing here knows what an entry means, speaks HTTP or asks a node. No
//! function retries: whoever gets a [`Fault`] from an append stops the process and starts again
//! from the journal.

mod database;
mod entry;
mod fault;
mod journal;
mod read_model;
mod snapshot;
mod verify;
mod views;

pub use entry::{BODY_BYTES_MAX, Entry, Problem, Record};
pub use fault::Fault;
pub use journal::{
    APPEND_BYTES_MAX, Appended, CrashPoint, Durability, Followed, Identity, Journal, MemoryJournal,
    Opening, Position, SimDisk, SqliteJournal, Unread, prove_head,
};
pub use read_model::{AddressPage, Learner, PAGE_MAX, Page, PageMark, ReadModel};
pub use snapshot::{SkipReason, Skipped, Snapshot, SnapshotStore, Written};
pub use verify::{Audit, Report, Verdict, verify, verify_and};
pub use views::{CaughtUp, Projection, ProjectionError, Readers, Rebuilt, Views};

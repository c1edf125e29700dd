//! The journal: what every engine promises, and what they share.

mod batch;
mod disk;
mod lookahead;
mod memory;
mod position;
mod prove;
pub(crate) mod sqlite;

pub use disk::SimDisk;
pub use memory::{CrashPoint, MemoryJournal};
pub use position::{Identity, Position};
pub use prove::prove_head;
pub use sqlite::{Followed, Opening, SqliteJournal, Unread};

use std::ops::ControlFlow;

use signer_protocol::merkle::{Frontier, TreeHead};

use crate::{Entry, Fault, Record};

/// The most bytes of one append, 64 MiB: what one command leads to is appended at once, and the
/// largest is a block full of deposits.
pub const APPEND_BYTES_MAX: usize = 64 << 20;

/// Where an entry is when [`Journal::append`] returns. The level is part of an acknowledgement:
/// production demands [`Durability::Quorum`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// In this process only: tests and the simulator.
    Memory,
    /// On this machine's disk, flushed.
    Local,
    /// On the disks of a quorum of machines.
    Quorum,
}

/// What one append added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The shard whose journal this is.
    pub shard: u16,
    /// The sequence number of the first record, or of the next one where there was no record.
    pub first_seq: u64,
    /// The leaf hash of the entry before the first.
    pub previous: [u8; 32],
    /// The leaf hashes of the new entries, in order.
    pub leaves: Vec<[u8; 32]>,
}

impl Appended {
    /// The entries that these records have become, to be handed on (to
    /// [`Views::apply_batch`](crate::Views::apply_batch), for instance) now that they are durable.
    /// `records` must be those that were appended.
    #[must_use]
    pub fn into_entries(self, records: Vec<Record>) -> Vec<Entry> {
        let mut previous = self.previous;
        let mut entries = Vec::with_capacity(records.len());
        for ((seq, leaf), record) in (self.first_seq..).zip(self.leaves).zip(records) {
            entries.push(Entry { shard: self.shard, seq, previous, leaf, record });
            previous = leaf;
        }
        entries
    }
}

/// An append-only, hash-chained sequence of entries with one writer.
pub trait Journal: Send {
    /// Whose journal this is.
    fn identity(&self) -> Identity;

    /// Where it ends.
    fn position(&self) -> &Position;

    /// What an acknowledgement of [`Journal::append`] means.
    fn durability(&self) -> Durability;

    /// Adds `records` as entries `expected_seq` and on, all or none, and returns when they are as
    /// durable as [`Journal::durability`] says. `expected_seq` is what the caller believes to be
    /// [`Journal::next_seq`].
    ///
    /// # Errors
    ///
    /// On any [`Fault`] the process must stop: after most of them nobody knows whether the records
    /// are there, and the next start finds out by reading. Nothing was written on
    /// [`Fault::UnexpectedSeq`], [`Fault::AppendTooLarge`] and [`Fault::JournalFull`]; after any
    /// other the journal answers only [`Fault::JournalPoisoned`].
    fn append(&mut self, expected_seq: u64, records: &[Record]) -> Result<Appended, Fault>;

    /// Hands every entry from `from` (counted from 1) to the end to `visit`, until it breaks.
    ///
    /// An entry is handed out only after its successor, or the known last leaf, has confirmed its
    /// hash, so that bytes that rotted are never acted on. Bytes that were altered on purpose,
    /// together with everything after them, are found at the end of a complete read.
    ///
    /// # Errors
    ///
    /// [`Fault::BadEntry`] names the first entry that is not what was written; [`Fault::Sqlite`]
    /// where the file cannot be read.
    fn read(&self, from: u64, visit: &mut dyn FnMut(Entry) -> ControlFlow<()>)
    -> Result<(), Fault>;

    /// The shard.
    fn shard(&self) -> u16 {
        self.identity().shard
    }

    /// Entries, which is also the sequence number of the last.
    fn size(&self) -> u64 {
        self.position().size()
    }

    /// The sequence number of the next entry.
    fn next_seq(&self) -> u64 {
        self.size().saturating_add(1)
    }

    /// The size and the root over all leaves.
    fn head(&self) -> TreeHead {
        self.frontier().head(self.shard())
    }

    /// What is needed to prove later that the journal only grew.
    fn frontier(&self) -> &Frontier {
        self.position().frontier()
    }

    /// The leaf hash of the last entry; before the first, the hash that names the deployment.
    fn last_leaf(&self) -> [u8; 32] {
        self.position().last_leaf()
    }
}

//! The journal of the shell under test, on a simulated disk: the events of one turn are one frame,
//! so that a turn is durable whole or not at all, as in the real journal's transaction. Entries are
//! chained, and their leaf hashes make the tree whose head the signer witnesses.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use custody::{Event, event::SnapshotTaken};
use primitives::Timestamp;
use signer_protocol::{
    TreeHead,
    merkle::{Frontier, leaf_hash, prove_consistency},
};

use super::{
    disk::{CrashPoint, LogFile},
    failure::Found,
};

/// The one shard of the simulated house.
pub(crate) const SHARD: u16 = 0;
/// The invariant that a journal which cannot be read breaks.
const NAME: &str = "tamper-evident";

/// An event and its time.
pub(crate) type Dated = (Timestamp, Event);

#[derive(BorshSerialize, BorshDeserialize)]
struct Entry {
    seq: u64,
    at: Timestamp,
    kind: u16,
    version: u16,
    previous: [u8; 32],
    body: Vec<u8>,
}

/// Why an append did not return.
#[derive(Debug)]
pub(crate) enum Stopped {
    Crashed,
    Found(Found),
}

/// What is durable, and the tree over it.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    leaves: Vec<[u8; 32]>,
    frontier: Frontier,
}

impl Journal {
    /// Entries that are durable.
    pub(crate) const fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub(crate) fn head(&self) -> TreeHead {
        self.frontier.head(SHARD)
    }

    /// Adds the events of one turn and makes them durable.
    pub(crate) fn append(
        &mut self,
        file: &mut LogFile,
        events: &[Dated],
        crash: Option<CrashPoint>,
    ) -> Result<(), Stopped> {
        let mut entries = Vec::with_capacity(events.len());
        let mut leaves = Vec::with_capacity(events.len());
        let mut previous = self.leaves.last().copied().unwrap_or_default();
        for (seq, (at, event)) in (self.size().saturating_add(1)..).zip(events) {
            let entry = encode(seq, *at, event, previous).map_err(Stopped::Found)?;
            previous = leaf_hash(&entry);
            leaves.push(previous);
            entries.push(entry);
        }
        let frame = borsh::to_vec(&entries).map_err(|error| Stopped::Found(damaged(&error)))?;
        file.append(&frame, crash).map_err(|_| Stopped::Crashed)?;
        leaves.into_iter().try_for_each(|leaf| self.push(leaf)).map_err(Stopped::Found)
    }

    /// Reads what is durable. Events up to `skip` are in a snapshot and are not decoded.
    pub(crate) fn open(file: &mut LogFile, skip: u64) -> Result<(Self, Vec<Dated>), Found> {
        let mut journal = Self::default();
        let mut events = Vec::new();
        for frame in file.open() {
            let entries: Vec<Vec<u8>> = borsh::from_slice(&frame).map_err(|e| damaged(&e))?;
            for bytes in entries {
                let previous = journal.leaves.last().copied().unwrap_or_default();
                journal.push(leaf_hash(&bytes))?;
                let entry: Entry = borsh::from_slice(&bytes).map_err(|e| damaged(&e))?;
                if entry.seq != journal.size() || entry.previous != previous {
                    let found = format!("entry {} stands at {}", entry.seq, journal.size());
                    return Err(Found::new(NAME, found));
                }
                if entry.seq > skip {
                    let event = Event::decode(entry.kind, entry.version, &entry.body);
                    events.push((entry.at, event.map_err(|e| damaged(&e))?));
                }
            }
        }
        Ok((journal, events))
    }

    /// The states that the first `witnessed` entries name: digest, and last entry in it.
    pub(crate) fn names(
        file: &mut LogFile,
        witnessed: u64,
    ) -> Result<BTreeMap<[u8; 32], u64>, Found> {
        let mut names = BTreeMap::new();
        for frame in file.open() {
            let entries: Vec<Vec<u8>> = borsh::from_slice(&frame).map_err(|e| damaged(&e))?;
            for bytes in entries {
                let entry: Entry = borsh::from_slice(&bytes).map_err(|e| damaged(&e))?;
                if entry.seq > witnessed || entry.kind != SnapshotTaken::KIND.0 {
                    continue;
                }
                let event = Event::decode(entry.kind, entry.version, &entry.body);
                if let Event::SnapshotTaken(taken) = event.map_err(|e| damaged(&e))? {
                    names.insert(taken.digest, taken.seq);
                }
            }
        }
        Ok(names)
    }

    /// The proof that the head continues the one of `size`; `None` for a size that never was.
    pub(crate) fn prove_from(&self, size: u64) -> Option<Vec<[u8; 32]>> {
        let known = usize::try_from(size).ok()?;
        let (old, new) = self.leaves.split_at_checked(known)?;
        let mut frontier = Frontier::new();
        old.iter().try_for_each(|leaf| frontier.push(*leaf)).ok()?;
        Some(prove_consistency(&frontier, new))
    }

    fn push(&mut self, leaf: [u8; 32]) -> Result<(), Found> {
        self.leaves.push(leaf);
        self.frontier.push(leaf).map_err(|error| damaged(&error))
    }
}

fn encode(seq: u64, at: Timestamp, event: &Event, previous: [u8; 32]) -> Result<Vec<u8>, Found> {
    let (kind, version) = event.kind();
    let body = event.encode().map_err(|error| damaged(&error))?;
    let entry = Entry { seq, at, kind, version, previous, body };
    borsh::to_vec(&entry).map_err(|error| damaged(&error))
}

fn damaged(error: &dyn std::error::Error) -> Found {
    Found::new(NAME, format!("the journal cannot be read: {error}"))
}

use std::ops::ControlFlow;

use signer_protocol::merkle::leaf_hash;

use crate::{
    Entry, Fault, Journal, Record,
    journal::{
        Appended, Durability, Identity, Position, SimDisk, batch::Batch, lookahead::Lookahead,
    },
};

/// Where an append stops when the simulator asks for a crash. Nobody is answered in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// Before anything is written: the entries are gone.
    BeforeWrite,
    /// Written, not synced: the entries may be there, be gone, or be torn.
    BeforeSync,
    /// Synced: the entries are there, though nobody was told.
    AfterSync,
}

/// A journal in memory, for tests and the simulator. It writes to a [`SimDisk`], from which a later
/// journal is opened after a crash.
///
/// On the disk each entry is its length (4 bytes, little endian), its bytes and its leaf hash.
#[derive(Debug)]
pub struct MemoryJournal {
    identity: Identity,
    position: Position,
    entries: Vec<Vec<u8>>,
    disk: SimDisk,
    disk_end: usize,
    batch: Batch,
    crash: Option<CrashPoint>,
    poisoned: bool,
}

impl MemoryJournal {
    /// An empty journal on a disk of its own.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self {
            position: Position::start(&identity),
            identity,
            entries: Vec::new(),
            disk: SimDisk::new(),
            disk_end: 0,
            batch: Batch::default(),
            crash: None,
            poisoned: false,
        }
    }

    /// Reads what a crash left: everything up to the first entry that is torn, which is cut off
    /// together with what follows. Whether that was acknowledged cannot be seen here: compare
    /// [`Journal::head`] with what a witness keeps.
    ///
    /// # Errors
    ///
    /// [`Fault::BadEntry`] where an entry is whole and does not continue the one before it.
    pub fn open(disk: SimDisk, identity: Identity) -> Result<Self, Fault> {
        let mut journal = Self::new(identity);
        journal.disk = disk;
        journal.disk.flush();
        while let Some((bytes, end)) = entry_at(journal.disk.durable(), journal.disk_end) {
            let seq = journal.position.next_seq();
            journal.position.follow(identity.shard, seq, &bytes)?;
            journal.entries.push(bytes);
            journal.disk_end = end;
        }
        journal.disk.truncate(journal.disk_end);
        Ok(journal)
    }

    /// Lets the next append stop at `point` with [`Fault::SimulatedCrash`].
    pub fn crash_next_append(&mut self, point: CrashPoint) {
        self.crash = Some(point);
    }

    /// The disk after the process was killed: everything that was written is there.
    #[must_use]
    pub fn kill(mut self) -> SimDisk {
        self.disk.flush();
        self.disk
    }

    /// The disk after the power was cut. `choose(n)` draws a number below `n`.
    #[must_use]
    pub fn cut_power(mut self, choose: &mut dyn FnMut(u64) -> u64) -> SimDisk {
        self.disk.crash(choose);
        self.disk
    }

    fn write(&mut self) -> Result<(), Fault> {
        let crash = self.crash.take();
        let stop_at =
            |point| if crash == Some(point) { Err(Fault::SimulatedCrash) } else { Ok(()) };
        stop_at(CrashPoint::BeforeWrite)?;
        let mut bytes = Vec::new();
        for entry in self.batch.entries() {
            let length = u32::try_from(entry.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(entry);
            bytes.extend_from_slice(&leaf_hash(entry));
        }
        let end = self.disk_end.saturating_add(bytes.len());
        self.disk.write(self.disk_end, bytes);
        stop_at(CrashPoint::BeforeSync)?;
        self.disk.sync();
        stop_at(CrashPoint::AfterSync)?;
        self.disk_end = end;
        self.entries.extend(self.batch.entries().map(<[u8]>::to_vec));
        Ok(())
    }
}

impl Journal for MemoryJournal {
    fn identity(&self) -> Identity {
        self.identity
    }

    fn position(&self) -> &Position {
        &self.position
    }

    fn durability(&self) -> Durability {
        Durability::Memory
    }

    fn append(&mut self, expected_seq: u64, records: &[Record]) -> Result<Appended, Fault> {
        if self.poisoned {
            return Err(Fault::JournalPoisoned);
        }
        let sealed = self.batch.seal(self.identity.shard, &self.position, expected_seq, records)?;
        if !records.is_empty() {
            self.poisoned = true; // until it is known that everything was written
            self.write()?;
            self.poisoned = false;
        }
        self.position = sealed.after;
        Ok(sealed.appended)
    }

    fn read(
        &self,
        from: u64,
        visit: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        if self.poisoned {
            return Err(Fault::JournalPoisoned);
        }
        let from = from.max(1);
        if from > self.size() {
            return Ok(());
        }
        let mut lookahead = Lookahead::new(self.identity.shard, from);
        let skipped = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        for (seq, bytes) in (from..).zip(self.entries.iter().skip(skipped)) {
            if let Some(entry) = lookahead.take(seq, bytes)?
                && visit(entry).is_break()
            {
                return Ok(());
            }
        }
        if let Some(entry) = lookahead.finish(&self.position)? {
            let _last = visit(entry);
        }
        Ok(())
    }
}

/// The bytes of the entry that begins at `start` and where it ends, unless it is torn.
fn entry_at(disk: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let (length, rest) = disk.get(start..)?.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (bytes, rest) = rest.split_at_checked(length)?;
    let (leaf, rest) = rest.split_first_chunk()?;
    let end = disk.len().checked_sub(rest.len())?;
    (leaf_hash(bytes) == *leaf).then(|| (bytes.to_vec(), end))
}

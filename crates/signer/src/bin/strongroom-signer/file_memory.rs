//! The signer's memory in files: an append-only log, and a head that is written in two slots by
//! turns.
//!
//! - `log`: every record, hash-chained. A record is durable before anything is built on it.
//! - `head`: how many records there are and the hash of the last, so that a log which was cut
//!   short is noticed; with it what changes often (witnessed journal heads, the signer's time).
//! - `lock`: held while the signer runs, so that one key never runs in two signers of one folder.
//!
//! At the start the log must hold what the head says. One record more is possible, when a crash
//! came between the two writes: a whole one is kept (it may have been counted, never signed), a
//! torn one is dropped. What is kept is written and flushed once more before anything is built on it,
//! since it may be what a failed flush left in the system's memory alone. Everything else is a fault with a name. What files cannot show is that
//! both were replaced by an older copy: that takes a witness on another host.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
};

use signer::{Fault, Head, Memory, Record};

use crate::layout::{create_file, create_folder, sync_folder};

mod disk;
mod log;
mod slots;
#[cfg(test)]
mod tests;

use disk::Disk;
use log::{Log, Tail};
use slots::{Slot, Slots};

/// The memory in one folder.
pub(crate) struct FileMemory<D = File> {
    log: Log<D>,
    slots: Slots<D>,
    /// What the newest slot says.
    newest: Slot,
    /// Held as long as the memory lives.
    _lock: File,
}

impl FileMemory {
    /// A new, empty memory in a new folder.
    pub(crate) fn create(folder: &Path) -> anyhow::Result<Self> {
        create_folder(folder)?;
        let lock = create_file(&folder.join("lock"), &[])?;
        lock_exclusively(&lock, folder)?;
        let log = Log::create(create_file(&folder.join("log"), &log::MAGIC)?);
        let newest = Slot::of(&log, 0, Head::default());
        let mut slots = Slots::new(create_file(&folder.join("head"), &[])?);
        slots.write(&newest)?;
        sync_folder(folder)?;
        Ok(Self { log, slots, newest, _lock: lock })
    }

    /// The memory in a folder, verified.
    ///
    /// # Errors
    ///
    /// [`Fault::StateShorter`], [`Fault::StateDamaged`], [`Fault::StateLocked`], or
    /// [`Fault::Memory`] where a file cannot be read.
    pub(crate) fn open(folder: &Path) -> Result<Self, Fault> {
        let lock = open_file(&folder.join("lock"))?;
        lock_exclusively(&lock, folder)?;
        Self::verify(open_file(&folder.join("log"))?, open_file(&folder.join("head"))?, lock)
    }
}

impl<D: Disk> FileMemory<D> {
    fn verify(log: D, head: D, lock: File) -> Result<Self, Fault> {
        let mut slots = Slots::new(head);
        let newest = slots.newest()?;
        let (log, tail) = Log::open(log, newest.records, newest.log_bytes)?;
        if log.chain_at_head() != newest.chain {
            let what = format!(
                "record {} of the log is not the one that its head names",
                newest.records.saturating_sub(1)
            );
            return Err(Fault::StateDamaged { what });
        }
        // Its flush may have failed, as that of a record may: in its own slot, so that the one
        // before stays until this one is durable.
        slots.write(&newest)?;
        let mut memory = Self { log, slots, newest, _lock: lock };
        memory.settle(&tail)?;
        Ok(memory)
    }

    /// Decides about the record that the head does not know, for good.
    fn settle(&mut self, tail: &Tail) -> Result<(), Fault> {
        match tail {
            Tail::Nothing => return Ok(()),
            Tail::Whole => {
                tracing::warn!(
                    record = self.newest.records,
                    "kept a record that was whole when a crash came; it was never answered"
                );
                self.log.write_tail_again()?;
            }
            Tail::Torn { bytes } => {
                tracing::warn!(
                    bytes,
                    "dropped a record that was not yet durable when a crash came"
                );
                self.log.drop_tail()?;
            }
        }
        self.write_slot(None)
    }

    fn write_slot(&mut self, head: Option<&Head>) -> Result<(), Fault> {
        let head = head.unwrap_or(&self.newest.head).clone();
        let slot = Slot::of(&self.log, self.newest.generation.saturating_add(1), head);
        self.slots.write(&slot)?;
        self.newest = slot;
        Ok(())
    }
}

impl<D: Disk> Memory for FileMemory<D> {
    fn replay(
        &mut self,
        each: &mut dyn FnMut(Record) -> Result<(), Fault>,
    ) -> Result<Option<Head>, Fault> {
        for number in 0..self.log.records() {
            each(self.log.read(number)?)?;
        }
        Ok(Some(self.newest.head.clone()))
    }

    fn append(&mut self, record: &Record) -> Result<(), Fault> {
        self.log.append(record)?;
        self.write_slot(None)
    }

    fn read(&mut self, number: u64) -> Result<Record, Fault> {
        self.log.read(number)
    }

    fn store_head(&mut self, head: &Head) -> Result<(), Fault> {
        self.write_slot(Some(head))
    }
}

fn open_file(path: &Path) -> Result<File, Fault> {
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            return Fault::StateDamaged { what: format!("{} is missing", path.display()) };
        }
        Fault::memory(format!("opening {}", path.display()), error)
    })
}

fn lock_exclusively(lock: &File, folder: &Path) -> Result<(), Fault> {
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => {
            Fault::StateLocked { what: folder.join("lock").display().to_string() }
        }
        TryLockError::Error(error) => Fault::memory("locking the state", error),
    })
}

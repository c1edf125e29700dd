//! A disk that survives the signer, and that can crash it at any step.

use std::{cell::RefCell, rc::Rc};

use signer::{Fault, Head, Memory, Record, sample::RamMemory};

/// Where a crash comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The write does not happen.
    Before,
    /// The write is durable, but nobody hears of it.
    After,
}

#[derive(Default)]
struct Inner {
    memory: RamMemory,
    /// Steps that are left until the crash.
    crash: Option<(u64, Crash)>,
}

/// A handle on the disk; a clone is the same disk.
#[derive(Clone, Default)]
pub(crate) struct Disk(Rc<RefCell<Inner>>);

impl Disk {
    pub(crate) fn crash_at(&self, step: u64, crash: Crash) {
        self.0.borrow_mut().crash = Some((step, crash));
    }

    /// The machine is up again. Says whether it had crashed.
    pub(crate) fn repair(&self) -> bool {
        let left = self.0.borrow_mut().crash.take();
        left.is_some_and(|(steps, _)| steps == 0)
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.0.borrow().memory.records.clone()
    }

    fn write(&self, write: impl FnOnce(&mut RamMemory) -> Result<(), Fault>) -> Result<(), Fault> {
        let mut inner = self.0.borrow_mut();
        let crashed = || Fault::memory("writing", "the machine crashed");
        let crash = match &mut inner.crash {
            None => None,
            Some((0, _)) => return Err(crashed()),
            Some((steps, crash)) => {
                *steps -= 1;
                (*steps == 0).then_some(*crash)
            }
        };
        if crash == Some(Crash::Before) {
            return Err(crashed());
        }
        write(&mut inner.memory)?;
        if crash == Some(Crash::After) { Err(crashed()) } else { Ok(()) }
    }
}

impl Memory for Disk {
    fn replay(
        &mut self,
        each: &mut dyn FnMut(Record) -> Result<(), Fault>,
    ) -> Result<Option<Head>, Fault> {
        self.0.borrow_mut().memory.replay(each)
    }

    fn append(&mut self, record: &Record) -> Result<(), Fault> {
        // Through the encoding, as a real disk would.
        let bytes = borsh::to_vec(record).unwrap();
        self.write(|memory| memory.append(&borsh::from_slice(&bytes).unwrap()))
    }

    fn read(&mut self, number: u64) -> Result<Record, Fault> {
        self.0.borrow_mut().memory.read(number)
    }

    fn store_head(&mut self, head: &Head) -> Result<(), Fault> {
        let bytes = borsh::to_vec(head).unwrap();
        self.write(|memory| memory.store_head(&borsh::from_slice(&bytes).unwrap()))
    }
}

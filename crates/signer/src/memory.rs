//! Where the signer's memory is kept. The binary keeps it in files, the simulator on a made-up
//! disk.

use crate::{
    fault::Fault,
    record::{Head, Record},
};

/// The signer's durable memory: an append-only list of records, and one head.
///
/// Any error is a [`Fault`] after which the process stops: whether a failed write became durable
/// is unknown, so nothing may be built on it. An implementation must say no at
/// [`Memory::replay`] when records that were once acknowledged are missing or changed.
pub trait Memory {
    /// Gives every record in order to `each`, and returns the head that was stored last.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the memory is shorter than it should be, damaged or unreadable, or the first
    /// that `each` returns.
    fn replay(
        &mut self,
        each: &mut dyn FnMut(Record) -> Result<(), Fault>,
    ) -> Result<Option<Head>, Fault>;

    /// Adds a record at the end. When this returns `Ok` the record is durable.
    ///
    /// # Errors
    ///
    /// [`Fault`] if that is in any doubt.
    fn append(&mut self, record: &Record) -> Result<(), Fault>;

    /// The record with this number, counted from 0.
    ///
    /// # Errors
    ///
    /// [`Fault`] if there is none or it cannot be read.
    fn read(&mut self, number: u64) -> Result<Record, Fault>;

    /// Replaces the head. When this returns `Ok` the head is durable.
    ///
    /// # Errors
    ///
    /// [`Fault`] if that is in any doubt.
    fn store_head(&mut self, head: &Head) -> Result<(), Fault>;
}

impl<M: Memory + ?Sized> Memory for Box<M> {
    fn replay(
        &mut self,
        each: &mut dyn FnMut(Record) -> Result<(), Fault>,
    ) -> Result<Option<Head>, Fault> {
        (**self).replay(each)
    }

    fn append(&mut self, record: &Record) -> Result<(), Fault> {
        (**self).append(record)
    }

    fn read(&mut self, number: u64) -> Result<Record, Fault> {
        (**self).read(number)
    }

    fn store_head(&mut self, head: &Head) -> Result<(), Fault> {
        (**self).store_head(head)
    }
}

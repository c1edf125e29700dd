//! The log: `magic 8`, then for each record `length u32 LE | body | chain 32`, where
//! `chain = SHA256(chain of the record before | length | body)` and the first is the hash of
//! [`TAG`].

use std::fs::File;

use sha2::{Digest, Sha256};
use signer::{Fault, Record};

use super::disk::Disk;

/// The first bytes of the file; the last of them is the version.
pub(super) const MAGIC: [u8; 8] = *b"SRSLOG\0\x01";
/// What the chain begins with.
const TAG: &[u8] = b"strongroom/signer-log/v1";
/// The longest body of a record: a transaction of 400,000 weight units and its evidence fit.
const BODY_BYTES_MAX: u32 = 4 << 20;
/// Length and chain.
const FRAME_BYTES: u64 = 36;

/// What lies behind the last record that the head knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tail {
    Nothing,
    /// One whole record.
    Whole,
    /// The beginning of one.
    Torn {
        bytes: u64,
    },
}

pub(super) struct Log<D = File> {
    file: D,
    /// Where each record begins.
    offsets: Vec<u64>,
    /// Where the next record goes.
    end: u64,
    chain: [u8; 32],
    /// The chain at the last record that the head knew at the start.
    chain_at_head: [u8; 32],
}

/// One record as it lies in the file.
struct Framed {
    body: Vec<u8>,
    chain: [u8; 32],
}

impl<D: Disk> Log<D> {
    /// A log in a file that holds only [`MAGIC`].
    pub(super) fn create(file: D) -> Self {
        let chain = first_chain();
        Self { file, offsets: Vec::new(), end: magic_end(), chain, chain_at_head: chain }
    }

    /// The log in a file that must hold `records` records in `bytes` bytes.
    pub(super) fn open(file: D, records: u64, bytes: u64) -> Result<(Self, Tail), Fault> {
        let length = file.length().map_err(|error| Fault::memory("measuring the log", error))?;
        let mut log = Self::create(file);
        let mut magic = [0; MAGIC.len()];
        let short = |found| Fault::StateShorter { found, expected: records };
        if length < bytes {
            return Err(short(log.count_whole(records, length)?));
        }
        log.file
            .read_exact_at(&mut magic, 0)
            .map_err(|error| Fault::memory("reading the log", error))?;
        if magic != MAGIC {
            let what = "the log does not begin as one of this version".to_owned();
            return Err(Fault::StateDamaged { what });
        }
        for number in 0..records {
            if !log.step(bytes)? {
                let what = format!("record {number} of the log is not what was written");
                return Err(Fault::StateDamaged { what });
            }
        }
        if log.end != bytes {
            let what = "the log's records end elsewhere than its head says".to_owned();
            return Err(Fault::StateDamaged { what });
        }
        log.chain_at_head = log.chain;
        let tail = log.take_tail(length)?;
        Ok((log, tail))
    }

    /// Takes up the record at the end, if a whole one lies before `limit`.
    fn step(&mut self, limit: u64) -> Result<bool, Fault> {
        let Some(framed) = self.framed_at(self.end, limit, self.chain)? else { return Ok(false) };
        let length = u64::try_from(framed.body.len()).unwrap_or(u64::MAX);
        self.offsets.push(self.end);
        self.end = self.end.saturating_add(length).saturating_add(FRAME_BYTES);
        self.chain = framed.chain;
        Ok(true)
    }

    /// How many whole records a log that is too short still has, for the operator.
    fn count_whole(&mut self, records: u64, length: u64) -> Result<u64, Fault> {
        let mut found = 0;
        while found < records && length > magic_end() && self.step(length)? {
            found = found.saturating_add(1);
        }
        Ok(found)
    }

    fn take_tail(&mut self, length: u64) -> Result<Tail, Fault> {
        let bytes = length.saturating_sub(self.end);
        if bytes == 0 {
            return Ok(Tail::Nothing);
        }
        // Whoever appends a second record has first written the head after the first.
        let whole = self.step(length)?;
        let torn = !whole && bytes <= u64::from(BODY_BYTES_MAX).saturating_add(FRAME_BYTES);
        if torn {
            return Ok(Tail::Torn { bytes });
        }
        if whole && self.end == length {
            return Ok(Tail::Whole);
        }
        let what = "the log holds more than one record beyond its head".to_owned();
        Err(Fault::StateDamaged { what })
    }

    /// Cuts off what lies behind the last record.
    pub(super) fn drop_tail(&mut self) -> Result<(), Fault> {
        self.file.cut(self.end).map_err(|error| Fault::memory("dropping a torn record", error))
    }

    /// Writes the last record's bytes once more, in place, and makes them durable. A record that is
    /// there whole may be one whose flush failed: the system then shows what it does not keep, and
    /// flushes nothing of it again unless it is written again.
    /// Source: Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020.
    pub(super) fn write_tail_again(&self) -> Result<(), Fault> {
        let failed = |error| Fault::memory("writing a kept record again", error);
        let Some(offset) = self.offsets.last() else { return Ok(()) };
        let length = usize::try_from(self.end.saturating_sub(*offset));
        let mut frame = vec![0; length.unwrap_or(0)];
        self.file.read_exact_at(&mut frame, *offset).map_err(failed)?;
        self.file.write_all_at(&frame, *offset).map_err(failed)?;
        self.file.sync_data().map_err(failed)
    }

    /// Adds a record and makes it durable.
    pub(super) fn append(&mut self, record: &Record) -> Result<(), Fault> {
        let failed = |error| Fault::memory("appending to the log", error);
        let body = borsh::to_vec(record).map_err(failed)?;
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        if length > BODY_BYTES_MAX {
            return Err(Fault::Internal { what: "a record is larger than the log takes" });
        }
        let chain = next_chain(&self.chain, length, &body);
        let frame = [&length.to_le_bytes(), body.as_slice(), &chain].concat();
        self.file.write_all_at(&frame, self.end).map_err(failed)?;
        self.file.sync_data().map_err(failed)?;
        self.offsets.push(self.end);
        self.end = self.end.saturating_add(u64::try_from(frame.len()).unwrap_or(u64::MAX));
        self.chain = chain;
        Ok(())
    }

    /// The record with this number, checked against its own chain.
    pub(super) fn read(&self, number: u64) -> Result<Record, Fault> {
        let offset = usize::try_from(number).ok().and_then(|number| self.offsets.get(number));
        let damaged = || Fault::StateDamaged {
            what: format!("record {number} of the log is not what was written"),
        };
        let offset = *offset.ok_or_else(damaged)?;
        let mut before = first_chain();
        if number > 0 {
            let at = offset.saturating_sub(32);
            self.file
                .read_exact_at(&mut before, at)
                .map_err(|error| Fault::memory("reading the log", error))?;
        }
        let framed = self.framed_at(offset, self.end, before)?.ok_or_else(damaged)?;
        borsh::from_slice(&framed.body).map_err(|_| damaged())
    }

    /// The record at `offset`, if it is whole before `limit` and follows `before`.
    fn framed_at(
        &self,
        offset: u64,
        limit: u64,
        before: [u8; 32],
    ) -> Result<Option<Framed>, Fault> {
        let failed = |error| Fault::memory("reading the log", error);
        let left = limit.saturating_sub(offset);
        if left < FRAME_BYTES {
            return Ok(None);
        }
        let mut length = [0; 4];
        self.file.read_exact_at(&mut length, offset).map_err(failed)?;
        let length = u32::from_le_bytes(length);
        if length > BODY_BYTES_MAX || u64::from(length).saturating_add(FRAME_BYTES) > left {
            return Ok(None);
        }
        let mut body = vec![0; usize::try_from(length).unwrap_or(0)];
        let mut chain = [0; 32];
        let body_at = offset.saturating_add(4);
        let chain_at = body_at.saturating_add(u64::from(length));
        self.file.read_exact_at(&mut body, body_at).map_err(failed)?;
        self.file.read_exact_at(&mut chain, chain_at).map_err(failed)?;
        let follows = next_chain(&before, length, &body) == chain;
        Ok(follows.then_some(Framed { body, chain }))
    }

    pub(super) fn records(&self) -> u64 {
        u64::try_from(self.offsets.len()).unwrap_or(u64::MAX)
    }

    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    pub(super) const fn chain(&self) -> [u8; 32] {
        self.chain
    }

    pub(super) const fn chain_at_head(&self) -> [u8; 32] {
        self.chain_at_head
    }
}

fn magic_end() -> u64 {
    u64::try_from(MAGIC.len()).unwrap_or(u64::MAX)
}

fn first_chain() -> [u8; 32] {
    Sha256::digest(TAG).into()
}

fn next_chain(before: &[u8; 32], length: u32, body: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(before)
        .chain_update(length.to_le_bytes())
        .chain_update(body)
        .finalize()
        .into()
}

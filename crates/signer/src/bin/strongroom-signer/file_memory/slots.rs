//! The head: two slots of 4,096 bytes, written by turns, so that a torn write spoils the one that
//! is written and never the one before it. A slot is `magic 8 | length u32 LE | body | SHA256 of
//! all that`, filled up with zeros.

use std::fs::File;

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};
use signer::{Fault, Head};

use super::{disk::Disk, log::Log};

const MAGIC: [u8; 8] = *b"SRSHEAD\x01";
const SLOT_BYTES: usize = 4096;
const HASH_BYTES: usize = 32;

/// What a slot says.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Slot {
    /// Counts the writes; the higher one is newer.
    pub(super) generation: u64,
    /// How many records the log has.
    pub(super) records: u64,
    /// How many bytes they take.
    pub(super) log_bytes: u64,
    /// The chain at the last of them.
    pub(super) chain: [u8; 32],
    /// What the signer stores beside the log.
    pub(super) head: Head,
}

impl Slot {
    pub(super) fn of(log: &Log<impl Disk>, generation: u64, head: Head) -> Self {
        let (records, log_bytes, chain) = (log.records(), log.end(), log.chain());
        Self { generation, records, log_bytes, chain, head }
    }

    fn encode(&self) -> Option<[u8; SLOT_BYTES]> {
        let body = borsh::to_vec(self).ok()?;
        let length = u32::try_from(body.len()).ok()?;
        let mut bytes = [&MAGIC, &length.to_le_bytes()[..], &body].concat();
        let hash: [u8; HASH_BYTES] = Sha256::digest(&bytes).into();
        bytes.extend_from_slice(&hash);
        let mut slot = [0; SLOT_BYTES];
        slot.get_mut(..bytes.len())?.copy_from_slice(&bytes);
        Some(slot)
    }

    fn decode(slot: &[u8; SLOT_BYTES]) -> Option<Self> {
        let rest = slot.strip_prefix(&MAGIC)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (body, rest) = rest.split_at_checked(length)?;
        let (hash, _) = rest.split_first_chunk::<HASH_BYTES>()?;
        let hashed = slot.get(..MAGIC.len().saturating_add(4).saturating_add(length))?;
        let expected: [u8; HASH_BYTES] = Sha256::digest(hashed).into();
        (*hash == expected).then(|| borsh::from_slice(body).ok())?
    }
}

pub(super) struct Slots<D = File> {
    file: D,
}

impl<D: Disk> Slots<D> {
    pub(super) const fn new(file: D) -> Self {
        Self { file }
    }

    /// The newer of the slots that are whole.
    pub(super) fn newest(&mut self) -> Result<Slot, Fault> {
        let slots = [self.read(0)?, self.read(1)?];
        let newest = slots.into_iter().flatten().max_by_key(|slot| slot.generation);
        newest.ok_or_else(|| Fault::StateDamaged {
            what: "neither slot of the head is what was written".to_owned(),
        })
    }

    /// `None` for a slot that is not whole: a torn write, damage, or never written.
    fn read(&mut self, number: u64) -> Result<Option<Slot>, Fault> {
        let mut slot = [0; SLOT_BYTES];
        match self.file.read_exact_at(&mut slot, offset(number)) {
            Ok(()) => Ok(Slot::decode(&slot)),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(Fault::memory("reading the head", error)),
        }
    }

    /// Writes the slot whose turn it is, durably.
    pub(super) fn write(&mut self, slot: &Slot) -> Result<(), Fault> {
        let bytes = slot.encode().ok_or(Fault::Internal { what: "the head is too large" })?;
        let written = self
            .file
            .write_all_at(&bytes, offset(slot.generation & 1))
            .and_then(|()| self.file.sync_data());
        written.map_err(|error| Fault::memory("writing the head", error))
    }
}

const fn offset(number: u64) -> u64 {
    number.saturating_mul(4096)
}

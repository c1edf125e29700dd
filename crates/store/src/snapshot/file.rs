//! The bytes of a snapshot's file, described in `docs/journal-format.md`.

use std::io::{self, Read, Write};

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};

use crate::{Identity, Position};

pub(super) const MAGIC: [u8; 8] = *b"SRSNAP\r\n";
pub(super) const FORMAT: u16 = 1;
pub(super) const TRAILER_BYTES: usize = 72;

/// What stands before the state.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Header {
    pub(super) identity: Identity,
    pub(super) state_version: u32,
    pub(super) position: Position,
}

impl Header {
    pub(super) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = MAGIC.to_vec();
        FORMAT.serialize(&mut bytes)?;
        self.serialize(&mut bytes)?;
        Ok(bytes)
    }
}

/// What stands behind the state, where its length and hash are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Trailer {
    pub(super) state_bytes: u64,
    pub(super) state_digest: [u8; 32],
    /// SHA-256 of the header, the two fields before, and so of the whole file.
    pub(super) file_digest: [u8; 32],
}

impl Trailer {
    pub(super) fn new(header: &[u8], state_bytes: u64, state_digest: [u8; 32]) -> Self {
        let digest = Sha256::new().chain_update(header).chain_update(state_bytes.to_le_bytes());
        let file_digest = digest.chain_update(state_digest).finalize().into();
        Self { state_bytes, state_digest, file_digest }
    }
}

/// Hashes and counts the state while it goes by, so that it need never be in memory as bytes.
pub(super) struct Hashing<T> {
    inner: T,
    digest: Sha256,
    bytes: u64,
}

impl<T> Hashing<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, digest: Sha256::new(), bytes: 0 }
    }

    pub(super) fn finish(self, header: &[u8]) -> Trailer {
        Trailer::new(header, self.bytes, self.digest.finalize().into())
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.pass(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.pass(bytes.get(..read).unwrap_or_default());
        Ok(read)
    }
}

use borsh::{BorshDeserialize, BorshSerialize};
use primitives::DeploymentId;
use sha2::{Digest, Sha256};
use signer_protocol::merkle::{Frontier, TreeHead};

use crate::{Entry, Fault, Problem, entry};

/// Whose journal it is. The first entry carries a hash of the deployment, and every entry the
/// shard, so that entries of another installation never fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Identity {
    /// The installation.
    pub deployment: DeploymentId,
    /// The shard, counted from 0.
    pub shard: u16,
}

impl Identity {
    /// What stands for the leaf hash before the first entry: SHA-256 of the text
    /// `strongroom/journal/1` and the 32 bytes of the deployment.
    #[must_use]
    pub fn origin(&self) -> [u8; 32] {
        let text = Sha256::new().chain_update(b"strongroom/journal/1");
        text.chain_update(self.deployment.0).finalize().into()
    }
}

/// A place in a journal, with all that is needed to go on from there: a start that trusts it need
/// not read what lies before.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Position {
    last_leaf: [u8; 32],
    frontier: Frontier,
}

impl Position {
    /// The place before the first entry.
    #[must_use]
    pub fn start(identity: &Identity) -> Self {
        Self::start_after(identity.origin())
    }

    /// The place before the first entry, which carries `origin`.
    pub(crate) const fn start_after(origin: [u8; 32]) -> Self {
        Self { last_leaf: origin, frontier: Frontier::new() }
    }

    /// Entries up to here.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The leaf hash of the entry here.
    #[must_use]
    pub const fn last_leaf(&self) -> [u8; 32] {
        self.last_leaf
    }

    /// The Merkle tree up to here.
    #[must_use]
    pub const fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The sequence number after this one.
    pub(crate) const fn next_seq(&self) -> u64 {
        self.size().saturating_add(1)
    }

    /// Goes one entry further.
    ///
    /// # Errors
    ///
    /// [`Fault::JournalFull`] at 2^63 - 1 entries.
    pub fn push(&mut self, leaf: [u8; 32]) -> Result<(), Fault> {
        self.frontier.push(leaf).map_err(|_| Fault::JournalFull)?;
        self.last_leaf = leaf;
        Ok(())
    }

    /// Reads the bytes stored in row `row` of a journal and, if they are the next entry of
    /// `shard`, goes one further.
    pub(crate) fn follow(&mut self, shard: u16, row: u64, bytes: &[u8]) -> Result<Entry, Fault> {
        let seq = self.next_seq();
        let bad = |problem| Fault::BadEntry { seq, problem };
        if row != seq {
            return Err(bad(Problem::Missing { next: row }));
        }
        let entry = entry::decode(shard, seq, bytes).map_err(bad)?;
        if entry.previous != self.last_leaf {
            return Err(bad(Problem::ChainBroken));
        }
        self.push(entry.leaf)?;
        Ok(entry)
    }

    /// Compares with a head that was witnessed, if it is of this very size.
    pub(crate) fn compare(&self, shard: u16, witnessed: &TreeHead) -> Result<(), Fault> {
        let same_size = self.size() == witnessed.size;
        if same_size && self.frontier.head(shard) != *witnessed {
            return Err(Fault::HeadMismatch { witnessed: *witnessed });
        }
        Ok(())
    }
}

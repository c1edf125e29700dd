//! The Merkle tree over the journal (RFC 6962, section 2.1).

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};

/// The head of one shard's journal: how many entries, and the root of the tree over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, BorshSchema)]
pub struct TreeHead {
    /// The shard.
    pub shard: u16,
    /// Entries in the journal.
    pub size: u64,
    /// The root hash of the tree.
    pub root: [u8; 32],
}

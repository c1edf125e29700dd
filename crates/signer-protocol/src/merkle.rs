//! The journal's Merkle tree: how a head is computed, and how a longer journal proves that it
//! only added to what a witness has already seen.
//!
//! A hash chain that was cut short is still a valid chain, so the signer keeps the newest
//! [`TreeHead`] and takes a later one only with a consistency proof.
//!
//! Source: RFC 6962, section 2.1 (tree) and 2.1.2 (consistency proofs); the steps of the check
//! follow RFC 9162, section 2.1.4.2, which describes the same proofs.

mod consistency;
mod frontier;
#[cfg(test)]
mod tests;

pub use consistency::{ConsistencyError, prove_consistency, verify_consistency};
pub use frontier::{Frontier, TreeFull};

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};
use sha2::{Digest, Sha256};

/// How many leaves a journal had and what they were: the whole history in 32 bytes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, BorshSchema,
)]
pub struct TreeHead {
    /// The shard whose journal this is.
    pub shard: u16,
    /// Leaves, which is also the sequence number of the last entry.
    pub size: u64,
    /// The root over these leaves; the hash of nothing when there are none.
    pub root: [u8; 32],
}

impl TreeHead {
    /// The head of a journal that has no entry yet.
    #[must_use]
    pub fn empty(shard: u16) -> Self {
        Self { shard, size: 0, root: empty_root() }
    }
}

/// The hash of one entry: SHA-256 of `0x00` and its bytes. The prefix keeps a leaf from passing
/// for an inner node.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update([0x00]).chain_update(entry).finalize().into()
}

/// The hash of an inner node: SHA-256 of `0x01` and its two children.
#[must_use]
pub fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut bytes = [0x01; 65];
    let (_prefix, children) = bytes.split_at_mut(1);
    let (to_left, to_right) = children.split_at_mut(32);
    to_left.copy_from_slice(left);
    to_right.copy_from_slice(right);
    Sha256::digest(bytes).into()
}

/// The root of a tree without leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> [u8; 32] {
    Sha256::digest([]).into()
}

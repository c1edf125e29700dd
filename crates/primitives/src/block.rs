use std::fmt;

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};

use crate::{HexError, from_hex, to_hex};

/// A block's hash in the order of the wire (the order of digits on screen is reversed).
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, BorshSchema,
)]
pub struct BlockHash(pub [u8; 32]);

impl BlockHash {
    /// Reads the 64 digits that people and nodes use.
    ///
    /// # Errors
    ///
    /// [`HexError`] unless the text is 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, HexError> {
        let mut bytes = from_hex(text)?;
        bytes.reverse();
        Ok(Self(bytes))
    }
}

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.0;
        bytes.reverse();
        f.write_str(&to_hex(&bytes))
    }
}

impl fmt::Debug for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockHash({self})")
    }
}

/// A block's distance from the first block, which has height 0.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    BorshSchema,
)]
pub struct BlockHeight(pub u32);

impl BlockHeight {
    /// The next height, or `None` at the end of 32 bits.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(height) => Some(Self(height)),
            None => None,
        }
    }

    /// How often a block at this height is confirmed when `tip` is the newest: the tip itself
    /// counts 1, a height above the tip 0.
    #[must_use]
    pub const fn confirmations_at(self, tip: Self) -> Confirmations {
        match tip.0.checked_sub(self.0) {
            Some(above) => Confirmations(above.saturating_add(1)),
            None => Confirmations(0),
        }
    }
}

impl fmt::Display for BlockHeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Blocks on top of a transaction, its own block counting 1.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    BorshSchema,
)]
pub struct Confirmations(pub u32);

impl fmt::Display for Confirmations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One block of the chain, by height and hash.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    BorshSchema,
)]
pub struct BlockRef {
    /// Its height.
    pub height: BlockHeight,
    /// Its hash.
    pub hash: BlockHash,
}

impl fmt::Display for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.height, self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tip_counts_as_one_confirmation() {
        let tip = BlockHeight(100);
        assert_eq!(BlockHeight(100).confirmations_at(tip), Confirmations(1));
        assert_eq!(BlockHeight(95).confirmations_at(tip), Confirmations(6));
        assert_eq!(BlockHeight(101).confirmations_at(tip), Confirmations(0));
    }

    #[test]
    fn a_block_hash_is_written_as_nodes_write_it() {
        let genesis = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";
        let hash = BlockHash::parse(genesis).unwrap();
        assert_eq!(hash.0[31], 0);
        assert_eq!(hash.to_string(), genesis);
    }
}

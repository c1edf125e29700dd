use std::fmt;

use bitcoin::{Work, block::Header};
use primitives::{from_hex, to_hex};

/// The expected number of hashes that a whole chain took: what chains are compared by. 256 bits,
/// most significant byte first, so that the order of the bytes is the order of the numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ChainWork([u8; 32]);

/// Why a text is not a chain's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 lower-case hexadecimal digits")]
pub struct WorkError;

impl ChainWork {
    /// No work at all.
    pub const ZERO: Self = Self([0; 32]);

    /// Reads the 64 digits of the node's `chainwork`.
    ///
    /// # Errors
    ///
    /// [`WorkError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, WorkError> {
        from_hex(text).map(Self).map_err(|_| WorkError)
    }

    /// From 32 bytes, most significant first.
    #[must_use]
    pub const fn from_be_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// As 32 bytes, most significant first.
    #[must_use]
    pub const fn to_be_bytes(self) -> [u8; 32] {
        self.0
    }

    /// The work of one header, by the target it claims.
    #[must_use]
    pub fn of(header: &Header) -> Self {
        Self(Work::to_be_bytes(header.work()))
    }

    /// The sum, or `None` above 256 bits. The node's number enters here unchecked, so that a
    /// lying node must not make it overflow.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let mut sum = [0; 32];
        let mut carry = 0_u16;
        for ((sum, a), b) in sum.iter_mut().zip(self.0).zip(other.0).rev() {
            let digit = u16::from(a).checked_add(u16::from(b))?.checked_add(carry)?;
            let [high, low] = digit.to_be_bytes();
            *sum = low;
            carry = u16::from(high);
        }
        (carry == 0).then_some(Self(sum))
    }

    /// The difference, or `None` below zero.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        // a - b = NOT(NOT a + b), and the inner sum overflows exactly where b is larger.
        self.not().checked_add(other).map(Self::not)
    }

    fn not(self) -> Self {
        Self(self.0.map(|byte| !byte))
    }
}

impl fmt::Display for ChainWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for ChainWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainWork({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(low: u64) -> ChainWork {
        let mut bytes = [0; 32];
        bytes[24..].copy_from_slice(&low.to_be_bytes());
        ChainWork(bytes)
    }

    #[test]
    fn work_adds_and_subtracts_with_carry() {
        assert_eq!(work(0xff).checked_add(work(1)), Some(work(0x100)));
        assert_eq!(work(0x0100_0000).checked_sub(work(1)), Some(work(0x00ff_ffff)));
        assert_eq!(
            work(u64::MAX).checked_add(work(1)).unwrap().checked_sub(work(1)),
            Some(work(u64::MAX))
        );
        assert_eq!(work(5).checked_sub(work(5)), Some(ChainWork::ZERO));
    }

    #[test]
    fn work_never_wraps() {
        let all = ChainWork([0xff; 32]);
        assert_eq!(all.checked_add(work(1)), None);
        assert_eq!(work(1).checked_sub(work(2)), None);
        assert!(work(0x0100) > work(0xff));
    }

    #[test]
    fn the_first_block_of_mainnet_took_2_to_the_32_hashes() {
        let genesis = bitcoin::constants::genesis_block(bitcoin::Network::Bitcoin);
        assert_eq!(ChainWork::of(&genesis.header), work(0x0001_0001_0001));
    }
}

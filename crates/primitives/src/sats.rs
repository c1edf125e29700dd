use std::fmt;

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize, io};

/// An amount of bitcoin in satoshis, `0..=2_100_000_000_000_000` (21 million BTC).
///
/// Source: Bitcoin consensus, `MAX_MONEY`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshSchema,
)]
pub struct Sats(u64);

/// Why a number is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmountError {
    /// More than there will ever be.
    #[error("{sats} sat is more than the 2100000000000000 sat that will ever exist")]
    AboveSupply {
        /// The number that was given, in satoshis.
        sats: u64,
    },
}

impl Sats {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// All bitcoin that will ever exist.
    pub const MAX: Self = Self(2_100_000_000_000_000);

    /// Reads a number of satoshis.
    ///
    /// # Errors
    ///
    /// [`AmountError::AboveSupply`] above [`Sats::MAX`].
    pub const fn parse(sats: u64) -> Result<Self, AmountError> {
        if sats > Self::MAX.0 {
            return Err(AmountError::AboveSupply { sats });
        }
        Ok(Self(sats))
    }

    /// The number of satoshis.
    #[must_use]
    pub const fn to_sat(self) -> u64 {
        self.0
    }

    /// Whether this is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` above [`Sats::MAX`].
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) if sum <= Self::MAX.0 => Some(Self(sum)),
            _ => None,
        }
    }

    /// The difference, or `None` below zero.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }

    /// The difference, or zero where `other` is larger.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The sum of all `amounts`, or `None` above [`Sats::MAX`].
    #[must_use]
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }
}

impl fmt::Display for Sats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sat", self.0)
    }
}

impl BorshDeserialize for Sats {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let sats = u64::deserialize_reader(reader)?;
        Self::parse(sats).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_never_exceeds_the_supply() {
        assert_eq!(Sats::parse(2_100_000_000_000_000), Ok(Sats::MAX));
        assert!(Sats::parse(2_100_000_000_000_001).is_err());
        assert_eq!(Sats::MAX.checked_add(Sats(1)), None);
        assert_eq!(Sats(1).checked_sub(Sats(2)), None);
        assert_eq!(Sats::checked_sum([Sats(1), Sats(2)]), Some(Sats(3)));
        assert_eq!(Sats::checked_sum([Sats::MAX, Sats(1)]), None);
    }

    #[test]
    fn stored_bytes_above_the_supply_are_not_an_amount() {
        let stored = borsh::to_vec(&2_100_000_000_000_001_u64).unwrap();
        assert!(borsh::from_slice::<Sats>(&stored).is_err());
        assert_eq!(borsh::from_slice::<Sats>(&borsh::to_vec(&Sats(7)).unwrap()).unwrap(), Sats(7));
    }
}

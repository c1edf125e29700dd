use std::fmt;

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};

use crate::Sats;

/// A fee rate in satoshis per 1,000 weight units (sat/kwu). 250 sat/kwu = 1 sat/vB (BIP-141).
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    BorshSchema,
)]
pub struct FeeRate(u64);

impl FeeRate {
    /// From satoshis per 1,000 weight units.
    #[must_use]
    pub const fn from_sat_per_kwu(sat_per_kwu: u64) -> Self {
        Self(sat_per_kwu)
    }

    /// From whole satoshis per virtual byte, or `None` on overflow.
    #[must_use]
    pub const fn from_sat_per_vb(sat_per_vb: u64) -> Option<Self> {
        match sat_per_vb.checked_mul(250) {
            Some(sat_per_kwu) => Some(Self(sat_per_kwu)),
            None => None,
        }
    }

    /// Satoshis per 1,000 weight units.
    #[must_use]
    pub const fn to_sat_per_kwu(self) -> u64 {
        self.0
    }

    /// The fee of `weight_units`, rounded up to a whole satoshi, or `None` above [`Sats::MAX`].
    #[must_use]
    pub const fn fee_for_weight(self, weight_units: u64) -> Option<Sats> {
        match self.0.checked_mul(weight_units) {
            Some(millis) => match Sats::parse(millis.div_ceil(1000)) {
                Ok(fee) => Some(fee),
                Err(_) => None,
            },
            None => None,
        }
    }
}

impl fmt::Display for FeeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sat/kwu", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_is_rounded_up() {
        let one_sat_per_vb = FeeRate::from_sat_per_vb(1).unwrap();
        assert_eq!(one_sat_per_vb.fee_for_weight(4), Some(Sats::parse(1).unwrap()));
        assert_eq!(one_sat_per_vb.fee_for_weight(5), Some(Sats::parse(2).unwrap()));
        assert_eq!(FeeRate::from_sat_per_kwu(u64::MAX).fee_for_weight(2), None);
    }
}

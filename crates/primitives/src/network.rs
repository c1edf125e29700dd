use std::{fmt, str::FromStr};

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};

use crate::IdError;

/// Which bitcoin network. The number of each is part of the payout intent and never changes.
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
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Network {
    /// The main network: real money.
    Mainnet = 0,
    /// Test network 3.
    Testnet3 = 1,
    /// Test network 4 (BIP-94).
    Testnet4 = 2,
    /// Signed test network (BIP-325).
    Signet = 3,
    /// A private network whose blocks anybody makes at will.
    Regtest = 4,
}

impl Network {
    /// Every network, in order of its number.
    pub const ALL: [Self; 5] =
        [Self::Mainnet, Self::Testnet3, Self::Testnet4, Self::Signet, Self::Regtest];

    /// The number in the payout intent.
    #[must_use]
    pub const fn to_u8(self) -> u8 {
        match self {
            Self::Mainnet => 0,
            Self::Testnet3 => 1,
            Self::Testnet4 => 2,
            Self::Signet => 3,
            Self::Regtest => 4,
        }
    }

    /// The network with this number.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|network| network.to_u8() == number)
    }

    /// The name in configuration files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Testnet3 => "testnet3",
            Self::Testnet4 => "testnet4",
            Self::Signet => "signet",
            Self::Regtest => "regtest",
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Network {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::ALL.into_iter().find(|network| network.name() == text).ok_or_else(|| IdError {
            expected: "mainnet, testnet3, testnet4, signet or regtest",
            found: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_has_one_number_and_one_name() {
        for network in Network::ALL {
            assert_eq!(Network::from_u8(network.to_u8()), Some(network));
            assert_eq!(network.name().parse(), Ok(network));
            assert_eq!(borsh::to_vec(&network).unwrap(), [network.to_u8()]);
        }
        assert_eq!(Network::from_u8(5), None);
    }
}

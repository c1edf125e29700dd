//! Ids. Each has its own type, a stable text form with a prefix, and carries its slot, so that
//! accounts can be spread over shards without renaming anything.

use std::{fmt, str::FromStr};

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};

use crate::{from_hex, to_hex};

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id like `{expected}`, found `{found}`")]
pub struct IdError {
    /// The form of the id that was wanted.
    pub expected: &'static str,
    /// The text that was given.
    pub found: String,
}

/// Twelve bits, `0..4096`, that say where an account lives: configuration maps slots to shards.
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
pub struct Slot(u16);

impl Slot {
    /// Reads a slot from the low twelve bits of `bits`.
    #[must_use]
    pub const fn from_low_bits(bits: u16) -> Self {
        Self(bits & 0x0fff)
    }

    /// The number, below 4096.
    #[must_use]
    pub const fn to_u16(self) -> u16 {
        self.0
    }
}

/// A customer's relation to the exchange: a running number with the slot in the low twelve bits.
/// Its text is `acct_` and 16 hexadecimal digits.
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
pub struct AccountId(u64);

impl AccountId {
    const FORM: &'static str = "acct_0123456789abcdef";
    /// The highest running number.
    pub const NUMBER_MAX: u64 = u64::MAX >> 12;

    /// The account with this running number, counted from 1; its slot is the number's own low
    /// bits, which spreads accounts evenly. `None` above [`AccountId::NUMBER_MAX`].
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        if number > Self::NUMBER_MAX {
            None
        } else {
            Some(Self((number << 12) | (number & 0x0fff)))
        }
    }

    /// From the stored 64 bits.
    #[must_use]
    pub const fn from_u64(id: u64) -> Self {
        Self(id)
    }

    /// The stored 64 bits.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The running number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0 >> 12
    }

    /// The slot.
    #[must_use]
    pub const fn slot(self) -> Slot {
        let [low, high, ..] = self.0.to_le_bytes();
        Slot::from_low_bits(u16::from_le_bytes([low, high]))
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "acct_{:016x}", self.0)
    }
}

impl FromStr for AccountId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix("acct_").and_then(|digits| from_hex::<8>(digits).ok());
        let bytes = digits.ok_or_else(|| wrong(Self::FORM, text))?;
        Ok(Self(u64::from_be_bytes(bytes)))
    }
}

/// A withdrawal: the slot of its account and the hash of its payout intent, so that asking twice
/// is asking once, for ever. Its text is `wd_`, 3 digits of slot and 64 digits of hash.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, BorshSchema,
)]
pub struct WithdrawalId {
    slot: Slot,
    intent_hash: [u8; 32],
}

impl WithdrawalId {
    const FORM: &'static str = "wd_ and 67 hexadecimal digits";

    /// The withdrawal that `account` asks with an intent of this hash.
    #[must_use]
    pub const fn new(account: AccountId, intent_hash: [u8; 32]) -> Self {
        Self { slot: account.slot(), intent_hash }
    }

    /// The hash of its payout intent.
    #[must_use]
    pub const fn intent_hash(&self) -> &[u8; 32] {
        &self.intent_hash
    }

    /// The slot of its account.
    #[must_use]
    pub const fn slot(self) -> Slot {
        self.slot
    }
}

impl fmt::Display for WithdrawalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wd_{:03x}{}", self.slot.0, to_hex(&self.intent_hash))
    }
}

impl fmt::Debug for WithdrawalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WithdrawalId({self})")
    }
}

impl FromStr for WithdrawalId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || wrong(Self::FORM, text);
        let (slot, digits) =
            text.strip_prefix("wd_").and_then(|rest| rest.split_at_checked(3)).ok_or_else(error)?;
        Ok(Self {
            slot: parse_slot(slot).ok_or_else(error)?,
            intent_hash: from_hex(digits).map_err(|_| error())?,
        })
    }
}

/// A deposit: the slot of its account and the transaction output that carries it. Its text is
/// `dep_`, 3 digits of slot, the transaction id as nodes write it and 8 digits of output number.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, BorshSchema,
)]
pub struct DepositId {
    slot: Slot,
    txid: [u8; 32],
    vout: u32,
}

impl DepositId {
    const FORM: &'static str = "dep_ and 75 hexadecimal digits";

    /// The deposit to `account` in output `vout` of the transaction `txid` (order of the wire).
    #[must_use]
    pub const fn new(account: AccountId, txid: [u8; 32], vout: u32) -> Self {
        Self { slot: account.slot(), txid, vout }
    }

    /// The transaction's id in the order of the wire.
    #[must_use]
    pub const fn txid(&self) -> &[u8; 32] {
        &self.txid
    }

    /// The output's number.
    #[must_use]
    pub const fn vout(&self) -> u32 {
        self.vout
    }
}

impl fmt::Display for DepositId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut txid = self.txid;
        txid.reverse();
        write!(f, "dep_{:03x}{}{:08x}", self.slot.0, to_hex(&txid), self.vout)
    }
}

impl fmt::Debug for DepositId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DepositId({self})")
    }
}

impl FromStr for DepositId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || wrong(Self::FORM, text);
        let rest = text.strip_prefix("dep_").ok_or_else(error)?;
        let (slot, rest) = rest.split_at_checked(3).ok_or_else(error)?;
        let (txid, vout) = rest.split_at_checked(64).ok_or_else(error)?;
        let mut txid: [u8; 32] = from_hex(txid).map_err(|_| error())?;
        txid.reverse();
        Ok(Self {
            slot: parse_slot(slot).ok_or_else(error)?,
            txid,
            vout: u32::from_be_bytes(from_hex(vout).map_err(|_| error())?),
        })
    }
}

/// A batch: a running number, counted from 1. Its text is `batch_` and 16 hexadecimal digits.
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
pub struct BatchId(pub u64);

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch_{:016x}", self.0)
    }
}

impl FromStr for BatchId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix("batch_").and_then(|digits| from_hex::<8>(digits).ok());
        let bytes = digits.ok_or_else(|| wrong("batch_0123456789abcdef", text))?;
        Ok(Self(u64::from_be_bytes(bytes)))
    }
}

/// An API key: the Ed25519 public key itself (RFC 8032). Its text is `key_` and 64 digits.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, BorshSchema,
)]
pub struct KeyId(pub [u8; 32]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key_{}", to_hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix("key_").and_then(|digits| from_hex(digits).ok());
        digits.map(Self).ok_or_else(|| wrong("key_ and 64 hexadecimal digits", text))
    }
}

/// One installation: the hash of the signer's root configuration. What is signed for one
/// deployment is worthless on another. Its text is 64 hexadecimal digits.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, BorshSchema,
)]
pub struct DeploymentId(pub [u8; 32]);

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeploymentId({self})")
    }
}

impl FromStr for DeploymentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        from_hex(text).map(Self).map_err(|_| wrong("64 hexadecimal digits", text))
    }
}

fn wrong(expected: &'static str, found: &str) -> IdError {
    IdError { expected, found: found.to_owned() }
}

fn parse_slot(digits: &str) -> Option<Slot> {
    let [high, low] = from_hex::<2>(&format!("0{digits}")).ok()?;
    Some(Slot(u16::from_be_bytes([high, low])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_carries_its_slot_in_its_low_bits() {
        let account = AccountId::from_number(0x5_0007).unwrap();
        assert_eq!((account.number(), account.slot().to_u16()), (0x5_0007, 7));
        assert_eq!(account.to_string(), "acct_0000000050007007");
        assert_eq!("acct_0000000050007007".parse(), Ok(account));
        assert_eq!(AccountId::from_number(AccountId::NUMBER_MAX + 1), None);
    }

    #[test]
    fn every_id_reads_its_own_text_and_no_other() {
        let account = AccountId::from_number(4095).unwrap();
        let withdrawal = WithdrawalId::new(account, [0xab; 32]);
        assert!(withdrawal.to_string().starts_with("wd_fffabab"));
        assert_eq!(withdrawal.to_string().parse(), Ok(withdrawal));
        let deposit = DepositId::new(account, [1; 32], 3);
        assert_eq!(deposit.to_string().parse(), Ok(deposit));
        assert_eq!(BatchId(9).to_string().parse(), Ok(BatchId(9)));
        assert_eq!(KeyId([7; 32]).to_string().parse(), Ok(KeyId([7; 32])));
        for bad in ["wd_", "wd_éé", "dep_fff", "acct_1", "key_00", "ACCT_0000000000000000"] {
            assert!(bad.parse::<AccountId>().is_err(), "{bad}");
            assert!(bad.parse::<WithdrawalId>().is_err(), "{bad}");
            assert!(bad.parse::<DepositId>().is_err(), "{bad}");
            assert!(bad.parse::<KeyId>().is_err(), "{bad}");
        }
    }
}

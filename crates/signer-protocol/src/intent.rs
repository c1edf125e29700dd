//! The payout intent: one withdrawal in canonical bytes, valid in any batch and replacement.
//!
//! Layout, little endian, no padding, nothing behind it:
//!
//! ```text
//! "SRP1" 4 | network u8 | deployment 32 | account u64 | amount_sat u64 | fee_sat u64
//!          | not_after u64 (seconds since 1970) | nonce 16 | script length u16 | script
//! hash = SHA256(T | T | intent)    T = SHA256("strongroom/payout-intent/v1")
//! ```
//!
//! The tag (as in BIP-340) keeps the hash apart from every other hash that anybody signs. A
//! customer signs the 32 bytes of the hash with Ed25519. Published with vectors in
//! `docs/payout-intent.md`.

use std::sync::LazyLock;

use primitives::{AccountId, DeploymentId, Network, Sats, Seconds, Timestamp, WithdrawalId};
use sha2::{Digest, Sha256};

/// The first four bytes of every payout intent.
pub const MAGIC: [u8; 4] = *b"SRP1";
/// The text whose hash is the tag.
pub const TAG: &[u8] = b"strongroom/payout-intent/v1";
/// The longest script that can be paid, in bytes: a witness program of 40 bytes.
/// Source: BIP-141, "Witness program".
pub const SCRIPT_BYTES_MAX: usize = 42;
/// The longest time between now and `not_after`: 72 hours, as `docs/payout-intent.md` publishes it.
pub const VALIDITY_MAX: Seconds = Seconds(72 * 3600);

/// What one customer wants paid: to whom, how much, at what fee, until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayoutIntent {
    /// The bitcoin network.
    pub network: Network,
    /// The installation that may carry it out.
    pub deployment: DeploymentId,
    /// Whose money.
    pub account: AccountId,
    /// What the script receives.
    pub amount: Sats,
    /// What the customer pays the house for it; not the network's fee.
    pub fee: Sats,
    /// The last second at which it may be signed, in seconds since 1970.
    pub not_after: u64,
    /// Sixteen random bytes of the client, so that two equal payments are two withdrawals.
    pub nonce: [u8; 16],
    /// The output script that is paid, 1 to [`SCRIPT_BYTES_MAX`] bytes.
    pub script: Vec<u8>,
}

/// Why bytes are not a payout intent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntentError {
    /// The bytes end early or go on too long.
    #[error("a payout intent with a script of {script} bytes has {expected} bytes, found {found}")]
    Length {
        /// The length of the script, as stated or as far as known.
        script: usize,
        /// The bytes that this makes.
        expected: usize,
        /// The bytes that were given.
        found: usize,
    },
    /// The first bytes are not [`MAGIC`].
    #[error("a payout intent begins with SRP1")]
    Magic,
    /// No network has this number.
    #[error("no bitcoin network has the number {found}")]
    Network {
        /// The number that was given.
        found: u8,
    },
    /// An amount above the supply.
    #[error("{field} is {sats} sat, more than will ever exist")]
    Amount {
        /// `amount` or `fee`.
        field: &'static str,
        /// The number that was given.
        sats: u64,
    },
    /// `not_after` is no moment.
    #[error("not_after is {found} s since 1970, after the year 9999")]
    NotAfter {
        /// The number that was given.
        found: u64,
    },
    /// An empty or too long script.
    #[error("the script has {found} bytes; a payment script has 1 to 42")]
    Script {
        /// The length that was given.
        found: usize,
    },
}

const FIXED_BYTES: usize = 87;

impl PayoutIntent {
    /// The canonical bytes.
    ///
    /// # Errors
    ///
    /// [`IntentError::Script`] for a script that is empty or too long.
    pub fn encode(&self) -> Result<Vec<u8>, IntentError> {
        let script_error = IntentError::Script { found: self.script.len() };
        if self.script.is_empty() || self.script.len() > SCRIPT_BYTES_MAX {
            return Err(script_error);
        }
        let script_length = u16::try_from(self.script.len()).map_err(|_| script_error)?;
        let mut bytes = Vec::with_capacity(FIXED_BYTES.saturating_add(self.script.len()));
        bytes.extend_from_slice(&MAGIC);
        bytes.push(self.network.to_u8());
        bytes.extend_from_slice(&self.deployment.0);
        bytes.extend_from_slice(&self.account.to_u64().to_le_bytes());
        bytes.extend_from_slice(&self.amount.to_sat().to_le_bytes());
        bytes.extend_from_slice(&self.fee.to_sat().to_le_bytes());
        bytes.extend_from_slice(&self.not_after.to_le_bytes());
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(&script_length.to_le_bytes());
        bytes.extend_from_slice(&self.script);
        Ok(bytes)
    }

    /// Reads canonical bytes; one intent has exactly one encoding.
    ///
    /// # Errors
    ///
    /// [`IntentError`] names the first field that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, IntentError> {
        let mut reader = Reader { rest: bytes, found: bytes.len() };
        if reader.take::<4>()? != MAGIC {
            return Err(IntentError::Magic);
        }
        let [number] = reader.take::<1>()?;
        let network = Network::from_u8(number).ok_or(IntentError::Network { found: number })?;
        let deployment = DeploymentId(reader.take()?);
        let account = AccountId::from_u64(reader.take_u64()?);
        let amount = reader.take_sats("amount")?;
        let fee = reader.take_sats("fee")?;
        let not_after = reader.take_u64()?;
        if Timestamp::parse_seconds(not_after).is_err() {
            return Err(IntentError::NotAfter { found: not_after });
        }
        let nonce = reader.take()?;
        let script_length = usize::from(u16::from_le_bytes(reader.take()?));
        if script_length == 0 || script_length > SCRIPT_BYTES_MAX {
            return Err(IntentError::Script { found: script_length });
        }
        if reader.rest.len() != script_length {
            return Err(length_error(script_length, bytes.len()));
        }
        let script = reader.rest.to_vec();
        Ok(Self { network, deployment, account, amount, fee, not_after, nonce, script })
    }

    /// The hash that customers sign and that the withdrawal's id is made of.
    ///
    /// # Errors
    ///
    /// As [`PayoutIntent::encode`].
    pub fn hash(&self) -> Result<[u8; 32], IntentError> {
        Ok(hash_bytes(&self.encode()?))
    }

    /// The id of the withdrawal that this intent asks for.
    ///
    /// # Errors
    ///
    /// As [`PayoutIntent::encode`].
    pub fn withdrawal_id(&self) -> Result<WithdrawalId, IntentError> {
        Ok(WithdrawalId::new(self.account, self.hash()?))
    }

    /// What leaves the customer's balance: amount and fee, or `None` above the supply.
    #[must_use]
    pub fn total(&self) -> Option<Sats> {
        self.amount.checked_add(self.fee)
    }
}

/// The tagged hash of the canonical bytes of an intent.
#[must_use]
pub fn hash_bytes(intent: &[u8]) -> [u8; 32] {
    TAGGED.clone().chain_update(intent).finalize().into()
}

/// SHA-256 after the tag, twice, which fills one block: what every intent's hash begins with.
static TAGGED: LazyLock<Sha256> = LazyLock::new(|| {
    let tag = Sha256::digest(TAG);
    Sha256::new().chain_update(tag).chain_update(tag)
});

struct Reader<'a> {
    rest: &'a [u8],
    found: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], IntentError> {
        let (taken, rest) =
            self.rest.split_first_chunk::<N>().ok_or_else(|| length_error(1, self.found))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn take_u64(&mut self) -> Result<u64, IntentError> {
        self.take().map(u64::from_le_bytes)
    }

    fn take_sats(&mut self, field: &'static str) -> Result<Sats, IntentError> {
        let sats = self.take_u64()?;
        Sats::parse(sats).map_err(|_| IntentError::Amount { field, sats })
    }
}

const fn length_error(script: usize, found: usize) -> IntentError {
    IntentError::Length { script, expected: FIXED_BYTES.saturating_add(script), found }
}

#[cfg(test)]
mod tests;

//! The signer's root settings: what it is, and the limits that it holds whatever it is told.

use primitives::{DeploymentId, FeeRate, Network, Sats, Seconds};
use sha2::{Digest, Sha256};
use signer_protocol::EvidenceClass;

use crate::descriptor::HotDescriptor;

mod file;

pub use file::SettingsError;

/// The text whose hash is the tag of a deployment's id.
pub const DEPLOYMENT_TAG: &[u8] = b"strongroom/deployment/v1";
/// The most shards of a journal that one signer witnesses; bounds its head file.
pub const SHARDS_MAX: u16 = 64;
/// The heaviest transaction that nodes relay, in weight units.
/// Source: Bitcoin Core policy, `MAX_STANDARD_TX_WEIGHT`.
pub const WEIGHT_UNITS_MAX: u64 = 400_000;

/// A token bucket: it starts full and never holds more than `capacity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketLimits {
    /// The most that it holds (beta).
    pub capacity: Sats,
    /// What flows back in each hour that the signer runs (rho).
    pub refill_per_hour: Sats,
}

/// One value for each evidence class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerClass<T> {
    /// For [`EvidenceClass::CustomerSigned`].
    pub customer_signed: T,
    /// For [`EvidenceClass::ServerVouched`].
    pub server_vouched: T,
}

impl<T> PerClass<T> {
    /// The value of `class`.
    pub const fn get(&self, class: EvidenceClass) -> &T {
        match class {
            EvidenceClass::CustomerSigned => &self.customer_signed,
            EvidenceClass::ServerVouched => &self.server_vouched,
        }
    }

    /// The value of `class`, to change it.
    pub const fn get_mut(&mut self, class: EvidenceClass) -> &mut T {
        match class {
            EvidenceClass::CustomerSigned => &mut self.customer_signed,
            EvidenceClass::ServerVouched => &mut self.server_vouched,
        }
    }
}

/// What the signer holds to, whatever the server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most that one transaction may pay the network.
    pub fee_max: Sats,
    /// The highest rate that one transaction may pay.
    pub fee_rate_max: FeeRate,
    /// The most that the house may take from a customer for one withdrawal.
    pub customer_fee_max: Sats,
    /// The most inputs of a transaction.
    pub inputs_max: usize,
    /// The most outputs of a transaction.
    pub outputs_max: usize,
    /// The most weight units of a signed transaction, at most [`WEIGHT_UNITS_MAX`].
    pub weight_units_max: u64,
    /// Whether outputs to witness versions without a meaning yet (2 to 16) are paid.
    pub future_witness_outputs: bool,
    /// How far above the highest index used an input may lie on the external keychain.
    pub gap_external: u32,
    /// How far above the highest change that was paid for an input or change may lie on the
    /// internal keychain.
    pub gap_internal: u32,
    /// How long a customer's key must have been in the list, in running time.
    pub key_cool_down: Seconds,
    /// Shards of the journal, 1 to [`SHARDS_MAX`].
    pub shards: u16,
    /// Counts every external satoshi and every fee.
    pub outer: BucketLimits,
    /// Each counts the external satoshis of one evidence class.
    pub classes: PerClass<BucketLimits>,
}

impl Limits {
    /// Careful limits for an outer bucket of `capacity` that refills in ten hours; whatever only
    /// the server vouches for gets a quarter of it. Everything can be set in the file.
    #[must_use]
    pub fn for_capacity(capacity: Sats) -> Self {
        let share = |amount: Sats, of: u64| {
            Sats::parse(amount.to_sat().checked_div(of).unwrap_or(0)).unwrap_or(Sats::ZERO)
        };
        let bucket = |capacity| BucketLimits { capacity, refill_per_hour: share(capacity, 10) };
        let outer = bucket(capacity);
        let classes =
            PerClass { customer_signed: outer, server_vouched: bucket(share(capacity, 4)) };
        let sats = |sats| Sats::parse(sats).unwrap_or(Sats::MAX);
        Self {
            fee_max: sats(1_000_000),
            fee_rate_max: FeeRate::from_sat_per_kwu(125_000), // 500 sat/vB
            customer_fee_max: sats(100_000),
            inputs_max: 200,
            outputs_max: 200,
            weight_units_max: WEIGHT_UNITS_MAX,
            future_witness_outputs: false,
            gap_external: 1_000_000,
            gap_internal: 20,
            key_cool_down: Seconds(48 * 3600),
            shards: 1,
            outer,
            classes,
        }
    }
}

/// The root settings. Network, descriptor and nonce never change; they make the deployment's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The bitcoin network.
    pub network: Network,
    /// The hot wallet.
    pub descriptor: HotDescriptor,
    /// 32 random bytes, drawn once when the installation was made.
    pub root_nonce: [u8; 32],
    /// The limits.
    pub limits: Limits,
}

impl Settings {
    /// The installation's id:
    /// `SHA256(T | T | network u8 | root nonce 32 | length u16 LE | descriptor without checksum)`
    /// with `T = SHA256("strongroom/deployment/v1")`.
    #[must_use]
    pub fn deployment(&self) -> DeploymentId {
        let tag = Sha256::digest(DEPLOYMENT_TAG);
        let body = self.descriptor.without_checksum().as_bytes();
        // A descriptor of one key has about 150 bytes; longer than 65,535 cannot be parsed.
        let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
        let hash = Sha256::new()
            .chain_update(tag)
            .chain_update(tag)
            .chain_update([self.network.to_u8()])
            .chain_update(self.root_nonce)
            .chain_update(length.to_le_bytes())
            .chain_update(body);
        DeploymentId(hash.finalize().into())
    }

    /// The buckets' limits: outer, then each class.
    pub(crate) fn bucket_limits(&self, class: EvidenceClass) -> &BucketLimits {
        self.limits.classes.get(class)
    }
}

#[cfg(test)]
mod tests;

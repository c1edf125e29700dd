//! `signer.toml`: the root settings as a file.

use primitives::{FeeRate, Network, Sats, Seconds, from_hex, to_hex};
use serde::Deserialize;

use super::{BucketLimits, Limits, PerClass, SHARDS_MAX, Settings, WEIGHT_UNITS_MAX};
use crate::descriptor::{DescriptorError, HotDescriptor};

/// Why a text is not the signer's settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// No TOML, or a field is missing, unknown or of another type.
    #[error("signer.toml cannot be read: {0}")]
    Unreadable(String),
    /// A value that is not what its field wants.
    #[error("signer.toml: {field} is {found}; {wanted}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it says.
        found: String,
        /// What it may say.
        wanted: String,
    },
    /// The descriptor.
    #[error("signer.toml: descriptor: {0}")]
    Descriptor(#[source] DescriptorError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    network: String,
    descriptor: String,
    root_nonce: String,
    fees: Fees,
    batch: Batch,
    gap: Gap,
    keys: Keys,
    journal: Journal,
    tranche: Tranche,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the file's names end in their unit and meaning")]
struct Fees {
    network_sat_max: u64,
    network_sat_per_kwu_max: u64,
    customer_sat_max: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    inputs_max: usize,
    outputs_max: usize,
    weight_units_max: u64,
    future_witness_outputs: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Gap {
    external: u32,
    internal: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    cool_down_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Journal {
    shards: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tranche {
    capacity_sat: u64,
    refill_sat_per_hour: u64,
    customer_signed: Bucket,
    server_vouched: Bucket,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bucket {
    capacity_sat: u64,
    refill_sat_per_hour: u64,
}

impl Settings {
    /// Reads `signer.toml`. Every field must be there and no other may be.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] names the first field that is wrong.
    pub fn parse_toml(text: &str) -> Result<Self, SettingsError> {
        let file: File =
            toml::from_str(text).map_err(|error| SettingsError::Unreadable(error.to_string()))?;
        let network: Network = file.network.parse().map_err(|error: primitives::IdError| {
            value("network", &file.network, format!("expected {}", error.expected))
        })?;
        let descriptor =
            HotDescriptor::parse(&file.descriptor, network).map_err(SettingsError::Descriptor)?;
        let root_nonce = from_hex(&file.root_nonce)
            .map_err(|error| value("root_nonce", &file.root_nonce, error.to_string()))?;
        let limits = file.limits()?;
        Ok(Self { network, descriptor, root_nonce, limits })
    }

    /// The text that [`Settings::parse_toml`] reads, with a comment for each field.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let limits = &self.limits;
        format!(
            r#"# The signer's root settings. Whoever can change this file sets the limits: keep it as
# safe as the key. Changes take effect at the next start. docs/signer.md explains each field.

# These three make the deployment's id. They never change.
network = "{network}"
descriptor = "{descriptor}"
root_nonce = "{nonce}"

[fees]
# The most that one transaction pays the network, in satoshis and in satoshis per 1,000 weight
# units (250 = 1 sat/vB), and the most that the house takes for one withdrawal.
network_sat_max = {fee_max}
network_sat_per_kwu_max = {fee_rate_max}
customer_sat_max = {customer_fee_max}

[batch]
inputs_max = {inputs_max}
outputs_max = {outputs_max}
weight_units_max = {weight_units_max}
# Whether outputs to witness versions 2 to 16, which have no meaning yet, are paid.
future_witness_outputs = {future_witness_outputs}

[gap]
# How far above the highest index used an address of ours may lie: a deposit's, and our change's.
external = {gap_external}
internal = {gap_internal}

[keys]
# How long a customer's key must have been in the list, in time that the signer ran.
cool_down_seconds = {cool_down}

[journal]
shards = {shards}

# Buckets: what they hold when full, and what flows back in each hour that the signer runs.
# The outer one counts every satoshi that leaves, and every fee.
[tranche]
capacity_sat = {outer_capacity}
refill_sat_per_hour = {outer_refill}

[tranche.customer_signed]
capacity_sat = {signed_capacity}
refill_sat_per_hour = {signed_refill}

[tranche.server_vouched]
capacity_sat = {vouched_capacity}
refill_sat_per_hour = {vouched_refill}
"#,
            network = self.network,
            descriptor = self.descriptor,
            nonce = to_hex(&self.root_nonce),
            fee_max = limits.fee_max.to_sat(),
            fee_rate_max = limits.fee_rate_max.to_sat_per_kwu(),
            customer_fee_max = limits.customer_fee_max.to_sat(),
            inputs_max = limits.inputs_max,
            outputs_max = limits.outputs_max,
            weight_units_max = limits.weight_units_max,
            future_witness_outputs = limits.future_witness_outputs,
            gap_external = limits.gap_external,
            gap_internal = limits.gap_internal,
            cool_down = limits.key_cool_down.0,
            shards = limits.shards,
            outer_capacity = limits.outer.capacity.to_sat(),
            outer_refill = limits.outer.refill_per_hour.to_sat(),
            signed_capacity = limits.classes.customer_signed.capacity.to_sat(),
            signed_refill = limits.classes.customer_signed.refill_per_hour.to_sat(),
            vouched_capacity = limits.classes.server_vouched.capacity.to_sat(),
            vouched_refill = limits.classes.server_vouched.refill_per_hour.to_sat(),
        )
    }
}

impl File {
    fn limits(&self) -> Result<Limits, SettingsError> {
        let outer = bucket("tranche", self.tranche.capacity_sat, self.tranche.refill_sat_per_hour)?;
        let inner = |field, inner: &Bucket| {
            let limits = bucket(field, inner.capacity_sat, inner.refill_sat_per_hour)?;
            // An inner bucket larger than the outer one reads like a limit and is none.
            if limits.capacity > outer.capacity || limits.refill_per_hour > outer.refill_per_hour {
                let found = format!("{} and {}", limits.capacity, limits.refill_per_hour);
                return Err(value(field, &found, "an inner bucket is at most the outer one"));
            }
            Ok(limits)
        };
        Ok(Limits {
            fee_max: sats("fees.network_sat_max", self.fees.network_sat_max)?,
            fee_rate_max: FeeRate::from_sat_per_kwu(self.fees.network_sat_per_kwu_max),
            customer_fee_max: sats("fees.customer_sat_max", self.fees.customer_sat_max)?,
            inputs_max: at_least_one("batch.inputs_max", self.batch.inputs_max)?,
            outputs_max: at_least_one("batch.outputs_max", self.batch.outputs_max)?,
            weight_units_max: within(
                "batch.weight_units_max",
                self.batch.weight_units_max,
                WEIGHT_UNITS_MAX,
            )?,
            future_witness_outputs: self.batch.future_witness_outputs,
            gap_external: at_least_one("gap.external", self.gap.external)?,
            gap_internal: at_least_one("gap.internal", self.gap.internal)?,
            key_cool_down: Seconds(self.keys.cool_down_seconds),
            shards: within("journal.shards", self.journal.shards, SHARDS_MAX)?,
            outer,
            classes: PerClass {
                customer_signed: inner("tranche.customer_signed", &self.tranche.customer_signed)?,
                server_vouched: inner("tranche.server_vouched", &self.tranche.server_vouched)?,
            },
        })
    }
}

fn value(field: &'static str, found: &str, wanted: impl Into<String>) -> SettingsError {
    SettingsError::Value { field, found: found.to_owned(), wanted: wanted.into() }
}

fn sats(field: &'static str, found: u64) -> Result<Sats, SettingsError> {
    Sats::parse(found).map_err(|error| value(field, &found.to_string(), error.to_string()))
}

fn bucket(field: &'static str, capacity: u64, refill: u64) -> Result<BucketLimits, SettingsError> {
    Ok(BucketLimits { capacity: sats(field, capacity)?, refill_per_hour: sats(field, refill)? })
}

fn at_least_one<T: Copy + Default + PartialEq + ToString>(
    field: &'static str,
    found: T,
) -> Result<T, SettingsError> {
    if found == T::default() {
        return Err(value(field, &found.to_string(), "at least 1"));
    }
    Ok(found)
}

fn within<T: Copy + Default + PartialOrd + ToString>(
    field: &'static str,
    found: T,
    max: T,
) -> Result<T, SettingsError> {
    if found == T::default() || found > max {
        return Err(value(field, &found.to_string(), format!("1 to {}", max.to_string())));
    }
    Ok(found)
}

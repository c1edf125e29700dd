//! How many confirmations a value needs.
//!
//! Two risks, the stricter counts:
//!
//! - a minority attacker with share `q` of the work double-spends after `z` confirmations with
//!   probability `P(z)`; we accept `P(z) * value <= loss`. Source: Rosenfeld 2012, Grunspan and
//!   Pérez-Marco 2017 (arXiv 1702.02867), the exact formula. Nakamoto's 2008 approximation asks
//!   for too few.
//! - a majority attacker with `A` times the honest work always succeeds; we accept a value of at
//!   most the gross rent of out-mining `z` blocks, `A * t(A, z) * reward`. Source: expected
//!   duration derived from the negative binomial race; the idea is Budish 2025 (QJE 140(1)).
//!
//! Floats live in this file alone, and only to make the table once; the table is stored in the
//! journal and decisions compare integers. Only `+ - * /` are used, which IEEE 754 fixes exactly.
#![expect(
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "probabilities; the result is an integer table and no amount passes through a float \
              afterwards"
)]

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};
use primitives::{Confirmations, Sats};

/// The most confirmations that the table asks for, about a day and a half of blocks.
pub const CONFIRMATIONS_MAX: u32 = 200;

/// What the operator believes about attackers, and what they accept to lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinalityModel {
    /// Share of all work that a minority attacker has, in thousandths, `1..500`.
    pub attacker_permille: u32,
    /// Loss accepted on average for one deposit.
    pub accepted_loss: Sats,
    /// Work of a majority attacker in thousandths of the honest work, above 1,000.
    pub majority_permille: u32,
    /// Subsidy and fees of one block.
    pub block_reward: Sats,
    /// Never fewer than this.
    pub floor: u32,
}

/// Confirmations by value: entry `i` is the largest value for which `floor + i` are enough.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, BorshSchema)]
pub struct ConfirmationTable {
    floor: u32,
    value_max: Vec<Sats>,
}

impl ConfirmationTable {
    /// A table that asks the same of every value; for tests and for private networks.
    #[must_use]
    pub const fn fixed(confirmations: u32) -> Self {
        Self { floor: confirmations, value_max: Vec::new() }
    }

    /// The table of `model`. A share outside `1..500` or a majority of at most 1,000 thousandths
    /// is no attacker that confirmations help against: the table then asks for the maximum.
    #[must_use]
    pub fn new(model: &FinalityModel) -> Self {
        let floor = model.floor.clamp(1, CONFIRMATIONS_MAX);
        let mut value_max = Vec::new();
        let mut last = Sats::ZERO;
        for z in floor..CONFIRMATIONS_MAX {
            let value = minority_value(model, z).min(majority_value(model, z));
            last = last.max(value);
            value_max.push(last);
        }
        Self { floor, value_max }
    }

    /// The operator's floor.
    #[must_use]
    pub const fn floor(&self) -> u32 {
        self.floor
    }

    /// The confirmations that `value` needs.
    #[must_use]
    pub fn required(&self, value: Sats) -> Confirmations {
        let beyond = self.value_max.partition_point(|max| *max < value);
        Confirmations(self.floor.saturating_add(u32::try_from(beyond).unwrap_or(u32::MAX)))
    }
}

/// The probability that an attacker with share `q` of the work double-spends a transaction that
/// has `z` confirmations, `q < 1/2`.
///
/// The published form `1 - sum` loses all digits where it is small. Since the negative binomial
/// probabilities add up to 1, it equals twice a sum of positive terms, which loses none.
#[must_use]
pub fn double_spend_probability(q: f64, z: u32) -> f64 {
    let p = 1.0 - q;
    let mut term = (0..z).fold(1.0, |power, _| power * q); // q^z * C(k+z-1, k) * p^k at k = 0
    let mut sum = 0.0;
    for k in 0..z {
        sum += term;
        term *= p * f64::from(k.saturating_add(z)) / f64::from(k.saturating_add(1));
    }
    (2.0 * sum).min(1.0)
}

/// Expected blocks until an attacker with `a` times the honest work (`a > 1`) is strictly ahead
/// after the honest chain has `z` blocks.
#[must_use]
pub fn majority_duration(a: f64, z: u32) -> f64 {
    let (share, rest) = (a / (1.0 + a), 1.0 / (1.0 + a));
    let mut term = (0..z).fold(1.0, |power, _| power * rest); // C(k+z-1, k) * share^k * rest^z
    let mut behind = 0.0;
    for k in 0..=z {
        behind += term * f64::from(z.saturating_sub(k).saturating_add(1)) / (a - 1.0);
        term *= share * f64::from(k.saturating_add(z)) / f64::from(k.saturating_add(1));
    }
    f64::from(z) + behind
}

fn minority_value(model: &FinalityModel, z: u32) -> Sats {
    if !(1..500).contains(&model.attacker_permille) {
        return Sats::ZERO;
    }
    let probability = double_spend_probability(f64::from(model.attacker_permille) / 1000.0, z);
    whole_sats(model.accepted_loss.to_sat() as f64 / probability)
}

fn majority_value(model: &FinalityModel, z: u32) -> Sats {
    if model.majority_permille <= 1000 {
        return Sats::ZERO;
    }
    let a = f64::from(model.majority_permille) / 1000.0;
    whole_sats(a * majority_duration(a, z) * model.block_reward.to_sat() as f64)
}

fn whole_sats(value: f64) -> Sats {
    // A float above the range becomes the largest u64, which is more than Sats::MAX.
    Sats::parse(value as u64).unwrap_or(Sats::MAX)
}

#[cfg(test)]
mod tests;

//! The governor: token buckets that bound what the signer releases, whatever it is told.
//!
//! One outer bucket counts every external satoshi and every fee, an inner one for each evidence
//! class counts the external satoshis of its class. A bucket starts full with `capacity` (beta)
//! and refills with `refill_per_hour` (rho) by running time only, so that in any W hours of
//! running at most `beta + rho W` leaves. Arithmetic is exact: a level is kept in satoshis times
//! the milliseconds of an hour, so nothing is rounded away or won by asking often.

use borsh::{BorshDeserialize, BorshSerialize};
use primitives::Sats;
use signer_protocol::{EvidenceClass, RefusalTag, message::BucketView};

use crate::{
    refusal::Refusal,
    settings::{BucketLimits, PerClass, Settings},
};

/// Milliseconds of an hour.
const HOUR: u128 = 3_600_000;

/// What a bucket holds, in satoshis times the milliseconds of an hour.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize,
)]
pub struct Level(u128);

impl Level {
    /// The level of a bucket that holds `sats`.
    #[must_use]
    pub fn of(sats: Sats) -> Self {
        // At most 2.1e15 * 3.6e6 < 2^73.
        Self(u128::from(sats.to_sat()).saturating_mul(HOUR))
    }

    /// Whole satoshis in it, rounded down.
    #[must_use]
    pub fn sats(self) -> Sats {
        let whole = self.0.checked_div(HOUR).and_then(|sats| u64::try_from(sats).ok());
        whole.and_then(|sats| Sats::parse(sats).ok()).unwrap_or(Sats::MAX)
    }

    /// What it holds `millis` later: never above the capacity, even where that was lowered.
    fn refilled(self, limits: &BucketLimits, millis: u64) -> Self {
        let refill = u128::from(limits.refill_per_hour.to_sat()).saturating_mul(u128::from(millis));
        Self(self.0.saturating_add(refill)).min(Self::of(limits.capacity))
    }

    fn charged(self, sats: Sats) -> Option<Self> {
        self.0.checked_sub(Self::of(sats).0).map(Self)
    }
}

/// What the buckets hold at one moment of running time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Levels {
    /// The outer bucket.
    pub outer: Level,
    /// The bucket of [`EvidenceClass::CustomerSigned`].
    pub customer_signed: Level,
    /// The bucket of [`EvidenceClass::ServerVouched`].
    pub server_vouched: Level,
}

/// What one transaction costs of the buckets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Charge {
    pub(crate) outer: Sats,
    pub(crate) classes: PerClass<Sats>,
}

impl Levels {
    /// Full buckets.
    pub(crate) fn full(settings: &Settings) -> Self {
        let full = |class| Level::of(settings.bucket_limits(class).capacity);
        Self {
            outer: Level::of(settings.limits.outer.capacity),
            customer_signed: full(EvidenceClass::CustomerSigned),
            server_vouched: full(EvidenceClass::ServerVouched),
        }
    }

    /// The same buckets after `millis` of running time.
    pub(crate) fn refilled(self, settings: &Settings, millis: u64) -> Self {
        let refill = |level: Level, class| level.refilled(settings.bucket_limits(class), millis);
        Self {
            outer: self.outer.refilled(&settings.limits.outer, millis),
            customer_signed: refill(self.customer_signed, EvidenceClass::CustomerSigned),
            server_vouched: refill(self.server_vouched, EvidenceClass::ServerVouched),
        }
    }

    const fn class(&self, class: EvidenceClass) -> Level {
        match class {
            EvidenceClass::CustomerSigned => self.customer_signed,
            EvidenceClass::ServerVouched => self.server_vouched,
        }
    }

    /// What is left after `charge`, or a refusal: all buckets are asked before any is charged.
    pub(crate) fn examine(self, charge: Charge) -> Result<Self, Refusal> {
        let class_left = |class: EvidenceClass| {
            let (asked, level) = (*charge.classes.get(class), self.class(class));
            level
                .charged(asked)
                .ok_or_else(|| tranche(RefusalTag::ClassTranche, class.name(), asked, level))
        };
        let customer_signed = class_left(EvidenceClass::CustomerSigned)?;
        let server_vouched = class_left(EvidenceClass::ServerVouched)?;
        let outer = self
            .outer
            .charged(charge.outer)
            .ok_or_else(|| tranche(RefusalTag::Tranche, "outer", charge.outer, self.outer))?;
        Ok(Self { outer, customer_signed, server_vouched })
    }

    /// As the server may see them: outer first.
    pub(crate) fn views(&self, settings: &Settings) -> Vec<BucketView> {
        let view = |name: &str, limits: &BucketLimits, level: Level| BucketView {
            name: name.to_owned(),
            capacity: limits.capacity,
            left: level.sats(),
            refill_per_hour: limits.refill_per_hour,
        };
        let classes = EvidenceClass::ALL
            .map(|class| view(class.name(), settings.bucket_limits(class), self.class(class)));
        [view("outer", &settings.limits.outer, self.outer)].into_iter().chain(classes).collect()
    }
}

fn tranche(tag: RefusalTag, bucket: &str, asked: Sats, level: Level) -> Refusal {
    Refusal::new(
        tag,
        format!(
            "{asked} asked of the {bucket} bucket, {} left; wait for the refill or send less",
            level.sats()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sats(sats: u64) -> Sats {
        Sats::parse(sats).unwrap()
    }

    #[test]
    fn a_refill_of_many_small_steps_is_a_refill_of_one_large_step() {
        let limits = BucketLimits { capacity: sats(1_000_000), refill_per_hour: sats(7) };
        let small = (0..3600).fold(Level::default(), |level, _| level.refilled(&limits, 999));
        assert_eq!(small, Level::default().refilled(&limits, 999 * 3600));
        assert_eq!(small.sats(), sats(6));
    }

    #[test]
    fn a_bucket_never_holds_more_than_its_capacity() {
        let limits = BucketLimits { capacity: sats(10), refill_per_hour: Sats::MAX };
        assert_eq!(Level::default().refilled(&limits, u64::MAX).sats(), sats(10));
        assert_eq!(Level::of(sats(11)).refilled(&limits, 0).sats(), sats(10));
        assert_eq!(Level::of(Sats::MAX).sats(), Sats::MAX);
    }
}

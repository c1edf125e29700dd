//! `loss-bound`: in no stretch of W hours of running does the signer count more than beta + rho W,
//! in all and for each class of evidence, a conflict set counted by its largest payments and its
//! largest fee.
//!
//! The arithmetic is our own, on the physical time that the process ran: ideal buckets that start
//! full must never fall below nothing.

use std::collections::BTreeMap;

use bitcoin::{Transaction, consensus::encode};
use primitives::{Outpoint, WithdrawalId};
use signer::{BucketLimits, record::Reservation};
use signer_protocol::{EvidenceClass, PayoutIntent};

use crate::simulator::{
    convert,
    failure::{Check, Found},
    installation::house,
};

/// Milliseconds of an hour: a level is kept in satoshis times this, so that nothing is rounded.
const HOUR: i128 = 3_600_000;

/// One ideal bucket.
struct Bucket {
    name: &'static str,
    capacity: i128,
    refill_per_hour: i128,
    level: i128,
}

impl Bucket {
    fn full(name: &'static str, limits: &BucketLimits) -> Self {
        let capacity = i128::from(limits.capacity.to_sat()).saturating_mul(HOUR);
        let refill_per_hour = i128::from(limits.refill_per_hour.to_sat());
        Self { name, capacity, refill_per_hour, level: capacity }
    }

    fn refill(&mut self, millis: u64) {
        let refill = self.refill_per_hour.saturating_mul(i128::from(millis));
        self.level = self.level.saturating_add(refill).min(self.capacity);
    }

    fn charge(&mut self, sats: u64) -> Check {
        self.level = self.level.saturating_sub(i128::from(sats).saturating_mul(HOUR));
        if self.level >= 0 {
            return Ok(());
        }
        let over = self.level.checked_div(-HOUR).unwrap_or(0);
        let found = format!("the signer is {over} sat above its {} limit", self.name);
        Err(Found::new("loss-bound", found))
    }
}

/// What counts under one pin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Payments,
    OfClass(EvidenceClass),
    Fee,
}

/// The ideal buckets, and what was signed under each pin.
pub(crate) struct Governor {
    outer: Bucket,
    classes: [(EvidenceClass, Bucket); 2],
    at_millis: u64,
    pins: BTreeMap<WithdrawalId, Outpoint>,
    /// The largest sum of each kind that one transaction has under each pin, in satoshis.
    largest: BTreeMap<(Outpoint, Kind), u64>,
}

impl Governor {
    pub(crate) fn full() -> Result<Self, Found> {
        let limits = &house()?.settings.limits;
        Ok(Self {
            outer: Bucket::full("outer", &limits.outer),
            classes: EvidenceClass::ALL
                .map(|class| (class, Bucket::full(class.name(), limits.classes.get(class)))),
            at_millis: 0,
            pins: BTreeMap::new(),
            largest: BTreeMap::new(),
        })
    }

    /// The signer has reserved this transaction after `running_millis` of physical running time.
    pub(crate) fn charge(&mut self, reserved: &Reservation, running_millis: u64) -> Check {
        let millis = running_millis.saturating_sub(self.at_millis);
        self.at_millis = self.at_millis.max(running_millis);
        let mut outer = 0_u64;
        let mut by_class = EvidenceClass::ALL.map(|class| (class, 0_u64));
        for ((pin, kind), sum) in self.sums(reserved)? {
            let more = self.grow(pin, kind, sum);
            match kind {
                Kind::Payments | Kind::Fee => outer = outer.saturating_add(more),
                Kind::OfClass(wanted) => {
                    for (_, charged) in by_class.iter_mut().filter(|(class, _)| *class == wanted) {
                        *charged = charged.saturating_add(more);
                    }
                }
            }
        }
        self.outer.refill(millis);
        self.outer.charge(outer)?;
        for ((_, bucket), (_, sats)) in self.classes.iter_mut().zip(by_class) {
            bucket.refill(millis);
            bucket.charge(sats)?;
        }
        Ok(())
    }

    /// What this transaction has under each pin.
    fn sums(&mut self, reserved: &Reservation) -> Result<BTreeMap<(Outpoint, Kind), u64>, Found> {
        let transaction: Transaction = encode::deserialize(&reserved.unsigned)
            .map_err(|error| Found::simulator(error.to_string()))?;
        let inputs: Vec<Outpoint> = transaction
            .input
            .iter()
            .map(|input| convert::outpoint(&input.previous_output))
            .collect();
        let first = *inputs.first().ok_or_else(|| Found::simulator("no inputs are signed"))?;
        let is_pin = |input: &&Outpoint| self.largest.keys().any(|(pin, _)| pin == *input);
        let fee_pin = inputs.iter().find(is_pin).copied().unwrap_or(first);
        let mut sums = BTreeMap::from([((fee_pin, Kind::Fee), reserved.fee.to_sat())]);
        for payment in &reserved.payments {
            let pin = *self.pins.entry(payment.withdrawal).or_insert(first);
            let amount = PayoutIntent::parse(&payment.intent).map(|intent| intent.amount.to_sat());
            let amount = amount.map_err(|error| Found::simulator(error.to_string()))?;
            for kind in [Kind::Payments, Kind::OfClass(payment.class.class())] {
                let sum = sums.entry((pin, kind)).or_default();
                *sum = sum.saturating_add(amount);
            }
        }
        Ok(sums)
    }

    /// By how much the largest of its kind under this pin grows.
    fn grow(&mut self, pin: Outpoint, kind: Kind, sats: u64) -> u64 {
        let before = self.largest.entry((pin, kind)).or_default();
        let more = sats.saturating_sub(*before);
        *before = sats.max(*before);
        more
    }
}

//! `loss-bound`: in no stretch of W hours of running does the signer count more than beta + rho W,
//! a conflict set counted by its largest payments and its largest fee.
//!
//! The arithmetic is our own, on the physical time that the process ran: an ideal bucket that
//! starts full must never fall below nothing.

use std::collections::BTreeMap;

use primitives::{Outpoint, WithdrawalId};
use signer::record::Reservation;
use signer_protocol::PayoutIntent;

use crate::simulator::{
    failure::{Check, Found},
    installation::house,
};

/// Milliseconds of an hour: a level is kept in satoshis times this, so that nothing is rounded.
const HOUR: i128 = 3_600_000;

/// The ideal outer bucket, and what was signed under each pin.
pub(crate) struct Bucket {
    level: i128,
    at_millis: u64,
    pins: BTreeMap<WithdrawalId, Outpoint>,
    paid: BTreeMap<Outpoint, u64>,
    fees: BTreeMap<Outpoint, u64>,
}

impl Bucket {
    pub(crate) fn full() -> Result<Self, Found> {
        Ok(Self {
            level: capacity()?,
            at_millis: 0,
            pins: BTreeMap::new(),
            paid: BTreeMap::new(),
            fees: BTreeMap::new(),
        })
    }

    /// The signer has reserved this transaction after `running_millis` of physical running time.
    pub(crate) fn charge(&mut self, reserved: &Reservation, running_millis: u64) -> Check {
        let rho = i128::from(house()?.settings.limits.outer.refill_per_hour.to_sat());
        let elapsed = i128::from(running_millis.saturating_sub(self.at_millis));
        self.level = self.level.saturating_add(rho.saturating_mul(elapsed)).min(capacity()?);
        self.at_millis = self.at_millis.max(running_millis);
        let sats = i128::from(self.increase(reserved)?);
        self.level = self.level.saturating_sub(sats.saturating_mul(HOUR));
        if self.level >= 0 {
            return Ok(());
        }
        let over = self.level.checked_div(-HOUR).unwrap_or(0);
        let found = format!("{} takes the signer {over} sat above its limit", reserved.txid);
        Err(Found::new("loss-bound", found))
    }

    /// By how much the largest payments and fees of the conflict sets grow.
    fn increase(&mut self, reserved: &Reservation) -> Result<u64, Found> {
        let transaction: bitcoin::Transaction =
            bitcoin::consensus::encode::deserialize(&reserved.unsigned)
                .map_err(|error| Found::simulator(error.to_string()))?;
        let inputs: Vec<Outpoint> = transaction
            .input
            .iter()
            .map(|input| crate::simulator::convert::outpoint(&input.previous_output))
            .collect();
        let first = *inputs.first().ok_or_else(|| Found::simulator("no inputs are signed"))?;
        let fee_pin = inputs.iter().find(|input| {
            self.paid.contains_key(*input) || self.fees.contains_key(*input)
        });
        let fee_pin = fee_pin.copied().unwrap_or(first);
        let mut sums = BTreeMap::<Outpoint, u64>::new();
        for payment in &reserved.payments {
            let pin = *self.pins.entry(payment.withdrawal).or_insert(first);
            let amount = PayoutIntent::parse(&payment.intent).map(|intent| intent.amount.to_sat());
            let amount = amount.map_err(|error| Found::simulator(error.to_string()))?;
            let sum = sums.entry(pin).or_default();
            *sum = sum.saturating_add(amount);
        }
        let mut more = grow(&mut self.fees, fee_pin, reserved.fee.to_sat());
        for (pin, sum) in sums {
            more = more.saturating_add(grow(&mut self.paid, pin, sum));
        }
        Ok(more)
    }
}

fn grow(largest: &mut BTreeMap<Outpoint, u64>, pin: Outpoint, sats: u64) -> u64 {
    let before = largest.entry(pin).or_default();
    let more = sats.saturating_sub(*before);
    *before = sats.max(*before);
    more
}

fn capacity() -> Result<i128, Found> {
    let beta = house()?.settings.limits.outer.capacity.to_sat();
    Ok(i128::from(beta).saturating_mul(HOUR))
}

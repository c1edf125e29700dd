//! Pins and conflict sets: no withdrawal is paid by two confirmed transactions.
//!
//! At its first signature a withdrawal is **pinned** to the first input's outpoint of that
//! transaction, and every later transaction that names it must spend its pin. Of all transactions
//! that spend one outpoint at most one confirms. So of all that was signed for the withdrawals of
//! one pin at most the largest leaves, and that is what is counted: per pin, the largest payment
//! and the largest fee. A replacement is charged only the increase.

use std::collections::BTreeMap;

use primitives::{Outpoint, Sats, WithdrawalId};
use signer_protocol::EvidenceClass;

use crate::{governor::Charge, record::Payment, settings::PerClass};

/// What was signed under one pin: the largest of each kind.
#[derive(Debug, Clone, Copy)]
struct ConflictSet {
    pin: Outpoint,
    payment: Sats,
    classes: PerClass<Sats>,
    fee: Sats,
}

impl ConflictSet {
    const fn new(pin: Outpoint) -> Self {
        let classes = PerClass { customer_signed: Sats::ZERO, server_vouched: Sats::ZERO };
        Self { pin, payment: Sats::ZERO, classes, fee: Sats::ZERO }
    }
}

/// Every withdrawal ever signed, and its pin.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    sets: Vec<ConflictSet>,
    by_pin: BTreeMap<Outpoint, u32>,
    withdrawals: BTreeMap<WithdrawalId, u32>,
    counted: Sats,
}

/// What one transaction adds under one pin.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    payment: Sats,
    classes: PerClass<Sats>,
    fee: Sats,
}

impl Pins {
    /// The pin of a withdrawal that was signed before.
    pub(crate) fn pin(&self, withdrawal: &WithdrawalId) -> Option<Outpoint> {
        let number = self.withdrawals.get(withdrawal)?;
        self.set(*number).map(|set| set.pin)
    }

    /// The outpoint by which the fee of a transaction with these inputs is counted: the first
    /// that is a pin already, so that a replacement meets what it replaces, else the first.
    pub(crate) fn fee_pin(&self, inputs: &[Outpoint]) -> Option<Outpoint> {
        let known = inputs.iter().find(|input| self.by_pin.contains_key(input));
        known.or_else(|| inputs.first()).copied()
    }

    /// What the buckets are charged for a transaction, or `None` above the supply.
    pub(crate) fn charge(
        &self,
        payments: &[Payment],
        fee_pin: Outpoint,
        fee: Sats,
    ) -> Option<Charge> {
        let mut charge = Charge::default();
        for (pin, share) in shares(payments, fee_pin, fee)? {
            let number = self.by_pin.get(&pin).copied();
            let set = number.and_then(|number| self.set(number).copied());
            let set = set.unwrap_or(ConflictSet::new(pin));
            for class in EvidenceClass::ALL {
                let more = share.classes.get(class).saturating_sub(*set.classes.get(class));
                let charged = charge.classes.get_mut(class);
                *charged = charged.checked_add(more)?;
            }
            let payment = share.payment.saturating_sub(set.payment);
            let fee = share.fee.saturating_sub(set.fee);
            charge.outer = charge.outer.checked_add(payment)?.checked_add(fee)?;
        }
        Some(charge)
    }

    /// Remembers a transaction. `None` where the records cannot be true.
    pub(crate) fn record(
        &mut self,
        payments: &[Payment],
        fee_pin: Outpoint,
        fee: Sats,
    ) -> Option<()> {
        let charge = self.charge(payments, fee_pin, fee)?;
        // Only a display: an exchange may turn over more than the supply in its life.
        self.counted = self.counted.checked_add(charge.outer).unwrap_or(Sats::MAX);
        for (pin, share) in shares(payments, fee_pin, fee)? {
            let set = self.set_mut(pin)?;
            set.payment = set.payment.max(share.payment);
            set.fee = set.fee.max(share.fee);
            for class in EvidenceClass::ALL {
                let largest = set.classes.get_mut(class);
                *largest = (*largest).max(*share.classes.get(class));
            }
        }
        for payment in payments {
            let number = *self.by_pin.get(&payment.pin)?;
            let known = *self.withdrawals.entry(payment.withdrawal).or_insert(number);
            if known != number {
                return None;
            }
        }
        Some(())
    }

    /// Every satoshi and fee that was signed, a conflict set counted by its largest.
    pub(crate) const fn counted(&self) -> Sats {
        self.counted
    }

    pub(crate) fn withdrawals(&self) -> usize {
        self.withdrawals.len()
    }

    fn set(&self, number: u32) -> Option<&ConflictSet> {
        self.sets.get(usize::try_from(number).ok()?)
    }

    fn set_mut(&mut self, pin: Outpoint) -> Option<&mut ConflictSet> {
        let next = u32::try_from(self.sets.len()).ok()?;
        let number = *self.by_pin.entry(pin).or_insert(next);
        if number == next {
            self.sets.push(ConflictSet::new(pin));
        }
        self.sets.get_mut(usize::try_from(number).ok()?)
    }
}

fn shares(payments: &[Payment], fee_pin: Outpoint, fee: Sats) -> Option<BTreeMap<Outpoint, Share>> {
    let mut shares: BTreeMap<Outpoint, Share> = BTreeMap::new();
    for payment in payments {
        let share = shares.entry(payment.pin).or_default();
        share.payment = share.payment.checked_add(payment.amount)?;
        let class = share.classes.get_mut(payment.class.class());
        *class = class.checked_add(payment.amount)?;
    }
    shares.entry(fee_pin).or_default().fee = fee;
    Some(shares)
}

#[cfg(test)]
mod tests {
    use primitives::{AccountId, Txid};
    use signer_protocol::ClassEvidence;

    use super::*;

    fn sats(sats: u64) -> Sats {
        Sats::parse(sats).unwrap()
    }

    fn coin(number: u8) -> Outpoint {
        Outpoint { txid: Txid([number; 32]), vout: 0 }
    }

    fn payment(number: u8, amount: u64, pin: u8) -> Payment {
        Payment {
            output: 0,
            withdrawal: WithdrawalId::new(AccountId::from_u64(1), [number; 32]),
            amount: sats(amount),
            intent: Vec::new(),
            class: ClassEvidence::ServerVouched,
            pin: coin(pin),
        }
    }

    fn outer(pins: &Pins, payments: &[Payment], fee_pin: u8, fee: u64) -> u64 {
        pins.charge(payments, coin(fee_pin), sats(fee)).unwrap().outer.to_sat()
    }

    #[test]
    fn a_replacement_is_charged_only_the_increase() {
        let mut pins = Pins::default();
        let both = [payment(1, 100, 1), payment(2, 50, 1)];
        assert_eq!(outer(&pins, &both, 1, 10), 160);
        pins.record(&both, coin(1), sats(10)).unwrap();
        assert_eq!(outer(&pins, &both, 1, 25), 15);
        assert_eq!(outer(&pins, &both[..1], 1, 5), 0);
        assert_eq!(outer(&pins, &[payment(3, 151, 1)], 1, 10), 1);
        assert_eq!(pins.counted(), sats(160));
    }

    #[test]
    fn a_transaction_that_joins_two_conflict_sets_is_counted_in_each() {
        let mut pins = Pins::default();
        pins.record(&[payment(1, 100, 1)], coin(1), sats(10)).unwrap();
        pins.record(&[payment(2, 50, 2)], coin(2), sats(10)).unwrap();
        let joined = [payment(1, 100, 1), payment(2, 50, 2), payment(3, 7, 1)];
        assert_eq!(outer(&pins, &joined, 1, 12), 7 + 2);
        assert_eq!(pins.fee_pin(&[coin(9), coin(2), coin(1)]), Some(coin(2)));
        assert_eq!(pins.fee_pin(&[coin(9), coin(8)]), Some(coin(9)));
    }

    #[test]
    fn a_pin_never_moves() {
        let mut pins = Pins::default();
        pins.record(&[payment(1, 100, 1)], coin(1), sats(10)).unwrap();
        assert_eq!(pins.record(&[payment(1, 100, 2)], coin(2), sats(10)), None);
        assert_eq!(pins.pin(&payment(1, 0, 0).withdrawal), Some(coin(1)));
    }
}

//! A ledger so simple that it can be seen to be right: signed sums, whole copies, no haste.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{Hold, HoldId, Ledger, LedgerAccountId, Side, Transfer};
use primitives::Sats;

use crate::history::Step;

/// Debits count up and credits down, in satoshis, so that all accounts together sum to zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Model {
    sums: BTreeMap<LedgerAccountId, i128>,
    holds: BTreeMap<HoldId, Hold>,
}

type Answer = Result<(), &'static str>;

impl Model {
    /// Makes a resolved step, and answers with the id of the refusal.
    pub(crate) fn make(&mut self, step: &Step) -> Answer {
        let mut next = self.clone();
        match step {
            Step::Post(transfers) => next.post(transfers)?,
            Step::Hold(id, hold) => next.hold(*id, *hold)?,
            Step::Void(id) => {
                let hold = *next.holds.get(id).ok_or("ledger-hold-unknown")?;
                next.close(*id, &[(hold.from, hold.amount)])?;
            }
            Step::PostHold(id, to) => next.close(*id, to)?,
            Step::PostHoldInTwo(..) => unreachable!("resolved"),
        }
        *self = next;
        Ok(())
    }

    fn post(&mut self, transfers: &[Transfer]) -> Answer {
        for transfer in transfers {
            if transfer.amount.is_zero() {
                return Err("ledger-amount-zero");
            } else if transfer.debit == transfer.credit {
                return Err("ledger-same-account");
            } else if transfer.debit.asset != transfer.credit.asset {
                return Err("ledger-assets-differ");
            }
        }
        for transfer in transfers {
            *self.sums.entry(transfer.debit).or_default() += i128::from(transfer.amount.to_sat());
            *self.sums.entry(transfer.credit).or_default() -= i128::from(transfer.amount.to_sat());
            let both = [transfer.debit, transfer.credit];
            if both.iter().any(|&id| self.balance(id) < self.pending(id)) {
                return Err("ledger-overdraw");
            }
            if both.iter().any(|&id| self.balance(id) > i128::from(Sats::MAX.to_sat())) {
                return Err("ledger-overflow");
            }
        }
        Ok(())
    }

    fn hold(&mut self, id: HoldId, hold: Hold) -> Answer {
        if self.holds.contains_key(&id) {
            return Err("ledger-hold-exists");
        }
        let Hold { from, held, amount } = hold;
        let (debit, credit) = if held.side() == Side::Debit { (held, from) } else { (from, held) };
        self.post(&[Transfer { debit, credit, amount }])?;
        self.holds.insert(id, hold);
        Ok(())
    }

    fn close(&mut self, id: HoldId, to: &[(LedgerAccountId, Sats)]) -> Answer {
        let Hold { held, amount, .. } = self.holds.remove(&id).ok_or("ledger-hold-unknown")?;
        let parts: u128 = to.iter().map(|(_, part)| u128::from(part.to_sat())).sum();
        if parts != u128::from(amount.to_sat()) {
            return Err("ledger-hold-parts");
        }
        let part = |&(to, amount)| match held.side() {
            Side::Debit => Transfer { debit: to, credit: held, amount },
            Side::Credit => Transfer { debit: held, credit: to, amount },
        };
        self.post(&to.iter().map(part).collect::<Vec<_>>())
    }

    fn balance(&self, id: LedgerAccountId) -> i128 {
        let sum = self.sums.get(&id).copied().unwrap_or_default();
        if id.side() == Side::Debit { sum } else { -sum }
    }

    fn pending(&self, id: LedgerAccountId) -> i128 {
        let holds = self.holds.values().filter(|hold| hold.held == id);
        holds.map(|hold| i128::from(hold.amount.to_sat())).sum()
    }

    /// Says where `ledger` differs from this.
    pub(crate) fn compare(&self, ledger: &Ledger) -> Result<(), String> {
        let mut ids: BTreeSet<_> = self.sums.keys().copied().collect();
        ids.extend(ledger.accounts().map(|(id, _)| id));
        for id in ids {
            let (expected, found) = (self.balance(id), ledger.balance(id));
            if expected != i128::from(found.to_sat()) {
                return Err(format!("{id} has {found}, the model says {expected}"));
            }
            let (expected, found) = (self.pending(id), ledger.pending(id));
            if expected != i128::from(found.to_sat()) {
                return Err(format!("{id} keeps {found}, the model says {expected}"));
            }
        }
        let holds: BTreeMap<_, _> = ledger.pending_holds().map(|(id, hold)| (id, *hold)).collect();
        if holds == self.holds {
            Ok(())
        } else {
            Err(format!("{holds:?} are pending, the model says {:?}", self.holds))
        }
    }

    /// The sum over all accounts, which is zero in sound books.
    pub(crate) fn sum(&self) -> i128 {
        self.sums.values().sum()
    }
}

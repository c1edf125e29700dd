//! Which withdrawals a batch pays. What does not fit waits, and blocks nobody.

use primitives::{AccountId, Outpoint, Sats, Seconds, Timestamp, WithdrawalId};

use super::{
    build::Wanted,
    purse::{Outputs, Purse, Till},
};
use crate::{Custody, Params, Refusal, Withdrawal};

/// The greatest key of the queue at a moment.
const LAST: WithdrawalId = WithdrawalId::new(AccountId::from_u64(u64::MAX), [0xff; 32]);

/// Waiting withdrawals that one assembly looks at, so that no turn of the core grows without
/// bound; so many frozen or too large ones must wait before they hide another.
const SCAN_MAX: usize = 100_000;

/// How long an intent must still live when a batch is assembled: one that ended before the signer is
/// asked would spoil the batch for all others in it.
const SIGNING_TIME: Seconds = Seconds(60);

/// What a batch may use up.
#[derive(Debug)]
pub(super) struct Limits<'a> {
    /// Its coins.
    pub(super) till: Till<'a>,
    /// What the signer may still release, fees included.
    pub(super) signer_left: Sats,
    /// The size of a change output's script, in bytes.
    pub(super) change_bytes: usize,
    /// What change must be worth at least; less is left to the network as fee.
    pub(super) change_min: Sats,
}

/// What a batch pays, and the coins that it may take for it.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) wanted: Vec<Wanted>,
    pub(super) purse: Purse,
    forced: Vec<Outpoint>,
    outputs: Outputs,
    total: Sats,
}

impl Chosen {
    fn nothing(limits: &Limits<'_>, stale: Vec<Outpoint>) -> Option<Self> {
        let (wanted, outputs, total) = (Vec::new(), Outputs::default(), Sats::ZERO);
        Some(Self { wanted, purse: limits.till.purse(&stale)?, forced: stale, outputs, total })
    }

    /// Takes one more payout, with which they are `total`, if coins and signer allow it.
    fn take(
        &mut self,
        limits: &Limits<'_>,
        id: WithdrawalId,
        withdrawal: &Withdrawal,
        total: Sats,
    ) -> Option<()> {
        // Cheap first: thousands may wait that are too large for now.
        if total > limits.signer_left || (withdrawal.pin.is_none() && total > self.purse.total()) {
            return None;
        }
        let (script, amount) = (withdrawal.script(), withdrawal.amount);
        let outputs = self.outputs.with(script.len());
        let pin = withdrawal.pin.filter(|pin| !self.forced.contains(pin));
        let forced: Vec<_> = self.forced.iter().copied().chain(pin).collect();
        let fuller = if pin.is_some() { Some(limits.till.purse(&forced)?) } else { None };
        let purse = fuller.as_ref().unwrap_or(&self.purse);
        let (coins, _) = purse.cover(limits.till.price, total, outputs)?;
        let fee = limits.till.price.fee(coins.len(), outputs.with(limits.change_bytes));
        let fee = fee.checked_add(limits.change_min)?;
        if total.checked_add(fee)? > limits.signer_left {
            return None;
        }
        (self.total, self.outputs, self.forced) = (total, outputs, forced);
        if let Some(fuller) = fuller {
            self.purse = fuller;
        }
        self.wanted.push(Wanted { withdrawal: id, script, amount });
        Some(())
    }
}

/// The most payouts of a batch with this withdrawal.
fn company_max(outputs_max: usize, withdrawal: &Withdrawal) -> usize {
    let most = withdrawal.company_max.and_then(|most| usize::try_from(most).ok());
    most.unwrap_or(outputs_max).clamp(1, outputs_max.max(1))
}

impl Custody {
    /// The withdrawals whose window has closed, oldest first, as many as fit.
    pub(super) fn choose_withdrawals(
        &self,
        params: &Params,
        now: Timestamp,
        limits: &Limits<'_>,
    ) -> Result<Chosen, Refusal> {
        let outputs_max = usize::try_from(params.batch_outputs_max).unwrap_or(usize::MAX);
        let stale = self.stale_pins(now, &limits.till);
        let chosen = Chosen::nothing(limits, stale);
        let mut chosen =
            chosen.or_else(|| Chosen::nothing(limits, Vec::new())).ok_or(Refusal::NothingToPay)?;
        let mut waits = None;
        let mut company = outputs_max;
        for (_, id) in self.queue.range(..=(now, LAST)).take(SCAN_MAX) {
            let Some(withdrawal) = self.withdrawals.get(id) else { continue };
            let in_company_of = company_max(outputs_max, withdrawal);
            if chosen.wanted.len() >= in_company_of
                || !self.may_leave(withdrawal, now, &limits.till)
            {
                continue;
            }
            let sum = chosen.total.checked_add(withdrawal.amount).unwrap_or(Sats::MAX);
            let fits = sum <= params.batch_total_max || chosen.wanted.is_empty();
            if !fits || chosen.take(limits, *id, withdrawal, sum).is_none() {
                waits.get_or_insert(withdrawal.amount);
                continue;
            }
            company = company.min(in_company_of);
            if chosen.wanted.len() >= company || chosen.total > params.batch_total_max {
                break;
            }
        }
        match (chosen.wanted.is_empty(), waits) {
            (true, None) => Err(Refusal::NothingToPay),
            (true, Some(needed)) => {
                let spendable = chosen.purse.total().min(limits.signer_left);
                Err(Refusal::CoinsInsufficient { needed, spendable })
            }
            (false, _) => Ok(chosen),
        }
    }

    /// The overlay that every arrow asks: freezes, deposits adrift, an intent that will still live
    /// when the signer is asked, a pin that can be spent.
    fn may_leave(&self, withdrawal: &Withdrawal, now: Timestamp, till: &Till<'_>) -> bool {
        let account = self.account(withdrawal.account);
        account.is_ok_and(|account| !account.frozen && account.adrift == 0)
            && withdrawal.not_after > now.saturating_add(SIGNING_TIME)
            && withdrawal.pin.is_none_or(|pin| till.free(&pin).is_some())
    }

    /// Pins of waiting withdrawals whose intent lives: no other batch may take them.
    pub(super) fn living_pins(&self, now: Timestamp) -> impl Iterator<Item = Outpoint> {
        self.pins(move |not_after| not_after > now)
    }

    /// Pins of waiting withdrawals whose intent has ended. The next batch spends them, so that
    /// these withdrawals fail once it is final, and their money is free.
    fn stale_pins(&self, now: Timestamp, till: &Till<'_>) -> Vec<Outpoint> {
        let mut stale: Vec<_> = self.pins(move |not_after| not_after <= now).collect();
        stale.dedup();
        stale.retain(|pin| {
            let worth = till.free(pin).is_some_and(|value| value > till.price.input());
            worth && !till.withheld.contains(pin)
        });
        stale.truncate(till.inputs_max.div_ceil(2));
        stale
    }

    fn pins(&self, counts: impl Fn(Timestamp) -> bool) -> impl Iterator<Item = Outpoint> {
        let pinned = self.pinned.iter().filter(move |(_, id)| {
            self.withdrawals.get(id).is_some_and(|withdrawal| counts(withdrawal.not_after))
        });
        pinned.map(|(pin, _)| *pin)
    }
}

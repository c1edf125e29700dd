use primitives::{AccountId, Outpoint, Timestamp, WithdrawalId};
use signer_protocol::PayoutIntent;

use super::{Rule, Verdict, Withdrawal, WithdrawalState, hold, hold_id};
use crate::{
    Custody, books,
    event::{
        WithdrawalApproved, WithdrawalCancelled, WithdrawalDenied, WithdrawalFailed,
        WithdrawalJudged, WithdrawalRequested,
    },
    payout::Batch,
};

impl Custody {
    pub(crate) fn apply_withdrawal_requested(
        &mut self,
        event: &WithdrawalRequested,
    ) -> Result<(), String> {
        let intent = PayoutIntent::parse(&event.intent).map_err(|error| error.to_string())?;
        let id =
            WithdrawalId::new(intent.account, signer_protocol::intent::hash_bytes(&event.intent));
        if self.withdrawals.contains_key(&id) {
            return Err(format!("{id} was requested before"));
        }
        let total = intent.total().ok_or("amount and fee exceed the supply")?;
        if !crate::planted::active(crate::planted::Bug::SkippedHold) {
            self.ledger
                .hold(hold_id(id), hold(intent.account, total))
                .map_err(|refusal| refusal.to_string())?;
        }
        let account = self.account(intent.account).map_err(|refusal| refusal.to_string())?;
        let available = self.ledger.balance(books::of(intent.account, books::AVAILABLE));
        if available < account.maturing {
            return Err(format!("{id} takes of the {} that waits for deposits", account.maturing));
        }
        let (state, rule) = follows(event.verdict);
        let holds_money = state.holds_money();
        let withdrawal = Withdrawal {
            account: intent.account,
            amount: intent.amount,
            fee: intent.fee,
            not_after: Timestamp::parse_seconds(intent.not_after)
                .map_err(|error| error.to_string())?,
            intent: event.intent.clone(),
            key: event.key,
            signature: event.signature,
            requested_at: self.now,
            rule,
            pin: None,
            company_max: None,
            state,
        };
        self.index_withdrawal(id, Place::of(&withdrawal));
        self.touched.withdrawals.insert(id);
        self.withdrawals.insert(id, withdrawal);
        if holds_money { Ok(()) } else { self.void_hold(id) }
    }

    pub(crate) fn apply_withdrawal_judged(
        &mut self,
        event: &WithdrawalJudged,
    ) -> Result<(), String> {
        let id = event.withdrawal;
        let (state, rule) = follows(event.verdict);
        if !state.holds_money() {
            return self.end_unpaid(id, state);
        }
        let withdrawal = self.withdrawal_mut(id)?;
        // Only time judges again: at the end of a cool-down, or of the intent.
        if !matches!(withdrawal.state, WithdrawalState::CoolingDown { .. }) {
            return Err(format!("{id} is {}, nothing judges it", withdrawal.state.name()));
        }
        withdrawal.rule = rule.or(withdrawal.rule);
        self.set_withdrawal_state(id, state)
    }

    pub(crate) fn apply_withdrawal_approved(
        &mut self,
        event: &WithdrawalApproved,
    ) -> Result<(), String> {
        let id = event.withdrawal;
        let withdrawal = self.withdrawal_mut(id)?;
        let WithdrawalState::InReview { approvals } = &mut withdrawal.state else {
            return Err(format!("{id} is {}, not in review", withdrawal.state.name()));
        };
        if approvals.contains(&event.by) {
            return Err(format!("{id} was approved by operator {} before", event.by.0));
        }
        approvals.push(event.by);
        match event.releases_at {
            Some(releases_at) => {
                self.set_withdrawal_state(id, WithdrawalState::Queued { releases_at })
            }
            None => Ok(()),
        }
    }

    pub(crate) fn apply_withdrawal_denied(
        &mut self,
        event: &WithdrawalDenied,
    ) -> Result<(), String> {
        let id = event.withdrawal;
        let state = &self.withdrawal_mut(id)?.state;
        if !matches!(state, WithdrawalState::InReview { .. }) {
            return Err(format!("{id} is {}, not in review", state.name()));
        }
        self.end_unpaid(id, WithdrawalState::Rejected { by: event.by })
    }

    pub(crate) fn apply_withdrawal_cancelled(
        &mut self,
        event: &WithdrawalCancelled,
    ) -> Result<(), String> {
        self.end_unpaid(event.withdrawal, WithdrawalState::Cancelled)
    }

    pub(crate) fn apply_withdrawal_failed(
        &mut self,
        event: &WithdrawalFailed,
    ) -> Result<(), String> {
        let id = event.withdrawal;
        let withdrawal = self.withdrawal_mut(id)?;
        if !matches!(withdrawal.state, WithdrawalState::Queued { .. }) || withdrawal.pin.is_none() {
            return Err(format!("{id} is {}, it cannot fail", withdrawal.state.name()));
        }
        let carried = |batch: &Batch| batch.payouts.iter().any(|payout| payout.withdrawal == id);
        let last = self.batches.iter().rev().find(|(_, batch)| carried(batch));
        let batch = *last.ok_or_else(|| format!("{id} was in no batch"))?.0;
        self.void_hold(id)?;
        self.set_withdrawal_state(id, WithdrawalState::Failed { batch })
    }

    /// Ends a withdrawal that no signature ever carried, and voids its hold.
    pub(crate) fn end_unpaid(
        &mut self,
        id: WithdrawalId,
        state: WithdrawalState,
    ) -> Result<(), String> {
        let withdrawal = self.withdrawal_mut(id)?;
        if !withdrawal.may_be_cancelled() {
            return Err(format!("{id} is {}, it cannot end unpaid", withdrawal.state.name()));
        }
        self.void_hold(id)?;
        self.set_withdrawal_state(id, state)
    }

    pub(crate) fn void_hold(&mut self, id: WithdrawalId) -> Result<(), String> {
        if crate::planted::active(crate::planted::Bug::ForgottenVoid) {
            return Ok(());
        }
        self.ledger.void_hold(hold_id(id)).map_err(|refusal| refusal.to_string())
    }

    /// Moves a withdrawal to another state and keeps the indexes of what waits in step.
    pub(crate) fn set_withdrawal_state(
        &mut self,
        id: WithdrawalId,
        state: WithdrawalState,
    ) -> Result<(), String> {
        let withdrawal = self.withdrawal_mut(id)?;
        let before = Place::of(withdrawal);
        withdrawal.state = state;
        let after = Place::of(withdrawal);
        self.unindex_withdrawal(id, before);
        self.index_withdrawal(id, after);
        self.touched.withdrawals.insert(id);
        Ok(())
    }

    fn unindex_withdrawal(&mut self, id: WithdrawalId, place: Place) {
        if let Some(until) = place.cools_until {
            self.cooling.remove(&(until, id));
        }
        if let Some(releases_at) = place.releases_at {
            self.queue.remove(&(releases_at, id));
        }
        if let Some(pin) = place.pin {
            self.pinned.remove(&(pin, id));
        }
        if let Some((account, not_after)) = place.open {
            self.expiring.remove(&(not_after, id));
            self.open.remove(&(account, id));
        }
    }

    /// Puts a withdrawal into the indexes that its state belongs in.
    pub(crate) fn index_withdrawal(&mut self, id: WithdrawalId, place: Place) {
        if let Some(until) = place.cools_until {
            self.cooling.insert((until, id));
        }
        if let Some(releases_at) = place.releases_at {
            self.queue.insert((releases_at, id));
        }
        if let Some(pin) = place.pin {
            self.pinned.insert((pin, id));
        }
        if let Some((account, not_after)) = place.open {
            self.expiring.insert((not_after, id));
            self.open.insert((account, id));
        }
    }
}

/// Where a withdrawal stands in the indexes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The end of its cool-down, while it cools down.
    cools_until: Option<Timestamp>,
    /// The end of its release window, while it is queued.
    releases_at: Option<Timestamp>,
    /// Its pin, while it is queued.
    pin: Option<Outpoint>,
    /// Its account and the end of its intent, while no signature has ever carried it.
    open: Option<(AccountId, Timestamp)>,
}

impl Place {
    pub(crate) fn of(withdrawal: &Withdrawal) -> Self {
        let (cools_until, releases_at) = match &withdrawal.state {
            WithdrawalState::CoolingDown { until } => (Some(*until), None),
            WithdrawalState::Queued { releases_at } => (None, Some(*releases_at)),
            WithdrawalState::InReview { .. }
            | WithdrawalState::Batched { .. }
            | WithdrawalState::Signed { .. }
            | WithdrawalState::Broadcast { .. }
            | WithdrawalState::Confirmed { .. }
            | WithdrawalState::Settled { .. }
            | WithdrawalState::Refused { .. }
            | WithdrawalState::Rejected { .. }
            | WithdrawalState::Cancelled
            | WithdrawalState::Failed { .. } => (None, None),
        };
        let open = withdrawal.may_be_cancelled();
        Self {
            cools_until,
            releases_at,
            pin: withdrawal.pin.filter(|_| releases_at.is_some()),
            open: open.then_some((withdrawal.account, withdrawal.not_after)),
        }
    }
}

/// The state that a verdict leads to, and the rule behind it.
fn follows(verdict: Verdict) -> (WithdrawalState, Option<Rule>) {
    match verdict {
        Verdict::Allow { releases_at } => (WithdrawalState::Queued { releases_at }, None),
        Verdict::Delay { until, rule } => (WithdrawalState::CoolingDown { until }, Some(rule)),
        Verdict::Review { rule } => {
            (WithdrawalState::InReview { approvals: Vec::new() }, Some(rule))
        }
        Verdict::Refuse { rule } => (WithdrawalState::Refused { rule }, Some(rule)),
    }
}

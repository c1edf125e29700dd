use primitives::{Timestamp, WithdrawalId};
use signer_protocol::PayoutIntent;

use super::{Verdict, Withdrawal, WithdrawalState, hold, hold_id};
use crate::{
    Custody,
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
            rule: None,
            pin: None,
            refusals: 0,
            state: WithdrawalState::InReview { approvals: Vec::new() },
        };
        self.index_withdrawal(id, &withdrawal);
        self.touched.accounts.insert(intent.account);
        self.withdrawals.insert(id, withdrawal);
        self.follow_verdict(id, event.verdict)
    }

    pub(crate) fn apply_withdrawal_judged(
        &mut self,
        event: &WithdrawalJudged,
    ) -> Result<(), String> {
        let id = event.withdrawal;
        let state = &self.withdrawal_mut(id)?.state;
        let ends = matches!(event.verdict, Verdict::Refuse { .. });
        // Only time judges again: at the end of a cool-down, or of the intent.
        if !ends && !matches!(state, WithdrawalState::CoolingDown { .. }) {
            return Err(format!("{id} is {}, nothing judges it", state.name()));
        }
        self.follow_verdict(id, event.verdict)
    }

    fn follow_verdict(&mut self, id: WithdrawalId, verdict: Verdict) -> Result<(), String> {
        let (state, rule) = match verdict {
            Verdict::Allow { releases_at } => (WithdrawalState::Queued { releases_at }, None),
            Verdict::Delay { until, rule } => (WithdrawalState::CoolingDown { until }, Some(rule)),
            Verdict::Review { rule } => {
                (WithdrawalState::InReview { approvals: Vec::new() }, Some(rule))
            }
            Verdict::Refuse { rule } => {
                return self.end_unpaid(id, WithdrawalState::Refused { rule });
            }
        };
        let withdrawal = self.withdrawal_mut(id)?;
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
        let before = std::mem::replace(&mut withdrawal.state, state);
        let withdrawal = withdrawal.clone();
        self.unindex_withdrawal(id, &withdrawal, &before);
        self.index_withdrawal(id, &withdrawal);
        self.touched.accounts.insert(withdrawal.account);
        self.touched.withdrawals.insert(id);
        Ok(())
    }

    fn unindex_withdrawal(
        &mut self,
        id: WithdrawalId,
        withdrawal: &Withdrawal,
        before: &WithdrawalState,
    ) {
        match before {
            WithdrawalState::CoolingDown { until } => {
                self.cooling.remove(&(*until, id));
            }
            WithdrawalState::Queued { releases_at } => {
                self.queue.remove(&(*releases_at, id));
                if let Some(pin) = withdrawal.pin {
                    self.pinned.remove(&(pin, id));
                }
            }
            WithdrawalState::InReview { .. }
            | WithdrawalState::Batched { .. }
            | WithdrawalState::Signed { .. }
            | WithdrawalState::Broadcast { .. }
            | WithdrawalState::Confirmed { .. }
            | WithdrawalState::Settled { .. }
            | WithdrawalState::Refused { .. }
            | WithdrawalState::Rejected { .. }
            | WithdrawalState::Cancelled
            | WithdrawalState::Failed { .. } => {}
        }
        self.expiring.remove(&(withdrawal.not_after, id));
        self.open.remove(&(withdrawal.account, id));
    }

    /// Puts a withdrawal into the indexes that its state belongs in.
    pub(crate) fn index_withdrawal(&mut self, id: WithdrawalId, withdrawal: &Withdrawal) {
        match &withdrawal.state {
            WithdrawalState::CoolingDown { until } => {
                self.cooling.insert((*until, id));
            }
            WithdrawalState::Queued { releases_at } => {
                self.queue.insert((*releases_at, id));
                if let Some(pin) = withdrawal.pin {
                    self.pinned.insert((pin, id));
                }
            }
            WithdrawalState::InReview { .. }
            | WithdrawalState::Batched { .. }
            | WithdrawalState::Signed { .. }
            | WithdrawalState::Broadcast { .. }
            | WithdrawalState::Confirmed { .. }
            | WithdrawalState::Settled { .. }
            | WithdrawalState::Refused { .. }
            | WithdrawalState::Rejected { .. }
            | WithdrawalState::Cancelled
            | WithdrawalState::Failed { .. } => {}
        }
        if withdrawal.may_be_cancelled() {
            self.expiring.insert((withdrawal.not_after, id));
            self.open.insert((withdrawal.account, id));
        }
    }
}

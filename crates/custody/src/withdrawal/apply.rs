use primitives::{Timestamp, WithdrawalId};
use signer_protocol::PayoutIntent;

use super::{Verdict, Withdrawal, WithdrawalState, hold, hold_id};
use crate::{
    Custody,
    event::{
        WithdrawalApproved, WithdrawalCancelled, WithdrawalDenied, WithdrawalJudged,
        WithdrawalRequested,
    },
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
            state: WithdrawalState::InReview { approvals: Vec::new() },
        };
        self.expiring.insert((withdrawal.not_after, id));
        self.touched.accounts.insert(intent.account);
        self.withdrawals.insert(id, withdrawal);
        self.follow_verdict(id, event.verdict)
    }

    pub(crate) fn apply_withdrawal_judged(
        &mut self,
        event: &WithdrawalJudged,
    ) -> Result<(), String> {
        self.follow_verdict(event.withdrawal, event.verdict)
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
        if !withdrawal.may_be_cancelled() {
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
        self.end_unpaid(event.withdrawal, WithdrawalState::Rejected { by: event.by })
    }

    pub(crate) fn apply_withdrawal_cancelled(
        &mut self,
        event: &WithdrawalCancelled,
    ) -> Result<(), String> {
        self.end_unpaid(event.withdrawal, WithdrawalState::Cancelled)
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
            }
            _ => {}
        }
        self.expiring.remove(&(withdrawal.not_after, id));
    }

    /// Puts a withdrawal into the indexes that its state belongs in.
    pub(crate) fn index_withdrawal(&mut self, id: WithdrawalId, withdrawal: &Withdrawal) {
        match &withdrawal.state {
            WithdrawalState::CoolingDown { until } => {
                self.cooling.insert((*until, id));
            }
            WithdrawalState::Queued { releases_at } => {
                self.queue.insert((*releases_at, id));
            }
            _ => {}
        }
        if withdrawal.may_be_cancelled() {
            self.expiring.insert((withdrawal.not_after, id));
        }
    }
}

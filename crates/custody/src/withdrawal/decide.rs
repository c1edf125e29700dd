use access::{Authenticated, Principal, Scope};
use bitcoin::Script;
use primitives::{KeyId, Sats, Timestamp, WithdrawalId};
use signer_protocol::{PayoutIntent, intent::VALIDITY_MAX};

use super::{OperatorId, Rule, Verdict, Withdrawal, WithdrawalState, judge::judge};
use crate::{
    Custody, Event, Params, Refusal, books,
    event::{
        WithdrawalApproved, WithdrawalCancelled, WithdrawalDenied, WithdrawalJudged,
        WithdrawalRequested,
    },
};

/// What a customer asks: an intent that can be read and, if it is signed, whose signature holds.
/// Only [`WithdrawalRequest::parse`] makes one, so that the core never checks a signature again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithdrawalRequest {
    bytes: Vec<u8>,
    intent: PayoutIntent,
    id: WithdrawalId,
    signed: Option<(KeyId, [u8; 64])>,
}

impl WithdrawalRequest {
    /// Reads the canonical bytes of a payout intent and checks the customer's signature over its
    /// hash. Without a signature the withdrawal is of the class `server-vouched`.
    ///
    /// # Errors
    ///
    /// [`Refusal::IntentUnreadable`] and [`Refusal::IntentSignature`].
    pub fn parse(bytes: Vec<u8>, signed: Option<(KeyId, [u8; 64])>) -> Result<Self, Refusal> {
        let intent = PayoutIntent::parse(&bytes)
            .map_err(|error| Refusal::IntentUnreadable { reason: error.to_string() })?;
        let id = WithdrawalId::new(intent.account, signer_protocol::intent::hash_bytes(&bytes));
        if let Some((key, signature)) = &signed {
            access::verify_intent(key, id.intent_hash(), signature)
                .map_err(|_| Refusal::IntentSignature)?;
        }
        Ok(Self { bytes, intent, id, signed })
    }

    /// The id of the withdrawal that this asks for.
    #[must_use]
    pub const fn id(&self) -> WithdrawalId {
        self.id
    }

    /// The intent.
    #[must_use]
    pub const fn intent(&self) -> &PayoutIntent {
        &self.intent
    }
}

impl Custody {
    /// Asking twice for the same intent is asking once: the second time nothing happens.
    pub(crate) fn request_withdrawal(
        &self,
        now: Timestamp,
        asked: &Authenticated<WithdrawalRequest>,
    ) -> Result<Vec<Event>, Refusal> {
        let params = self.params()?;
        let WithdrawalRequest { bytes, intent, id, signed } = asked.request();
        // Refusals, cheapest first.
        if !asked.scopes().contains(Scope::Withdraw) {
            return Err(Refusal::ScopeMissing { scope: "withdraw" });
        }
        if asked.principal() != Principal::Account(intent.account) {
            return Err(Refusal::NotYourAccount { account: intent.account });
        }
        self.check_key(now, asked.key())?;
        if self.withdrawals.contains_key(id) {
            return Ok(Vec::new());
        }
        check_intent(params, intent, now)?;
        if signed.is_some_and(|(key, _)| key != asked.key()) {
            return Err(Refusal::IntentSignature);
        }
        self.check_funds(intent)?;
        // From here on it must succeed.
        Ok(vec![
            WithdrawalRequested {
                intent: bytes.clone(),
                key: Some(asked.key()),
                signature: signed.map(|(_, signature)| signature),
                verdict: judge(params, intent.amount, now, false),
            }
            .into(),
        ])
    }

    fn check_funds(&self, intent: &PayoutIntent) -> Result<(), Refusal> {
        let account = self.account(intent.account)?;
        if account.frozen {
            return Err(Refusal::AccountFrozen { account: intent.account });
        }
        if crate::planted::active(crate::planted::Bug::NoBalanceCheck) {
            return Ok(());
        }
        let balance = |code| self.ledger.balance(books::of(intent.account, code));
        // A payout that failed gives its money back beside a claim that it would have covered:
        // what the customer owes does not leave.
        let available = balance(books::AVAILABLE).saturating_sub(balance(books::CLAIM));
        let insufficient = |asked| Refusal::FundsInsufficient { asked, available };
        let asked = intent.total().ok_or_else(|| insufficient(Sats::MAX))?;
        if asked > available {
            return Err(insufficient(asked));
        }
        let withdrawable = available.saturating_sub(account.maturing);
        if asked > withdrawable {
            return Err(Refusal::FundsMaturing { asked, withdrawable });
        }
        Ok(())
    }

    pub(crate) fn cancel_withdrawal(
        &self,
        now: Timestamp,
        asked: &Authenticated<WithdrawalId>,
    ) -> Result<Vec<Event>, Refusal> {
        let id = *asked.request();
        let withdrawal = self.withdrawal(id)?;
        // Refusals, cheapest first.
        if asked.principal() != Principal::Account(withdrawal.account) {
            return Err(Refusal::WithdrawalUnknown { withdrawal: id });
        }
        if !asked.scopes().contains(Scope::Withdraw) {
            return Err(Refusal::ScopeMissing { scope: "withdraw" });
        }
        self.check_key(now, asked.key())?;
        if withdrawal.state == WithdrawalState::Cancelled {
            return Ok(Vec::new());
        }
        if !withdrawal.may_be_cancelled() {
            return Err(wrong_state(id, withdrawal, "cancelling"));
        }
        Ok(vec![WithdrawalCancelled { withdrawal: id }.into()])
    }

    pub(crate) fn approve_withdrawal(
        &self,
        now: Timestamp,
        id: WithdrawalId,
        by: OperatorId,
    ) -> Result<Vec<Event>, Refusal> {
        let params = self.params()?;
        let withdrawal = self.withdrawal(id)?;
        let WithdrawalState::InReview { approvals } = &withdrawal.state else {
            return Err(wrong_state(id, withdrawal, "approving"));
        };
        if self.account(withdrawal.account)?.frozen {
            return Err(Refusal::AccountFrozen { account: withdrawal.account });
        }
        if approvals.contains(&by) {
            return Err(Refusal::AlreadyApproved { withdrawal: id, operator: by.0 });
        }
        let enough = approvals.len().saturating_add(1) >= usize::from(params.review_approvals);
        let releases_at = enough.then(|| now.saturating_add(params.release_window));
        Ok(vec![WithdrawalApproved { withdrawal: id, by, releases_at }.into()])
    }

    pub(crate) fn deny_withdrawal(
        &self,
        id: WithdrawalId,
        by: OperatorId,
    ) -> Result<Vec<Event>, Refusal> {
        let withdrawal = self.withdrawal(id)?;
        if !matches!(withdrawal.state, WithdrawalState::InReview { .. }) {
            return Err(wrong_state(id, withdrawal, "denying"));
        }
        Ok(vec![WithdrawalDenied { withdrawal: id, by }.into()])
    }

    /// What time alone brings about: cool-downs end, intents expire. At most `limit` events.
    pub(crate) fn ripen_withdrawals(&self, now: Timestamp, limit: usize) -> Vec<Event> {
        let Ok(params) = self.params() else { return Vec::new() };
        let expired = self.expiring.range(..=(now, LAST)).map(|(_, id)| {
            let verdict = Verdict::Refuse { rule: Rule::IntentExpired };
            WithdrawalJudged { withdrawal: *id, verdict }.into()
        });
        let cooled = self.cooling.range(..=(now, LAST)).filter_map(|(_, id)| {
            let withdrawal = self.withdrawals.get(id)?;
            let waits = self.account(withdrawal.account).is_ok_and(|account| account.frozen)
                || withdrawal.not_after <= now;
            let verdict = judge(params, withdrawal.amount, now, true);
            (!waits).then(|| WithdrawalJudged { withdrawal: *id, verdict }.into())
        });
        expired.chain(cooled).take(limit).collect()
    }
}

/// The greatest withdrawal id, for the end of a range.
const LAST: WithdrawalId = WithdrawalId::new(primitives::AccountId::from_u64(u64::MAX), [0xff; 32]);

fn check_intent(params: &Params, intent: &PayoutIntent, now: Timestamp) -> Result<(), Refusal> {
    // Refusals, cheapest first.
    if intent.network != params.network || intent.deployment != params.deployment {
        return Err(Refusal::IntentElsewhere);
    }
    let not_after = Timestamp::parse_seconds(intent.not_after).unwrap_or(Timestamp::MAX);
    if not_after <= now {
        return Err(Refusal::IntentExpired { not_after, now });
    }
    if not_after > now.saturating_add(VALIDITY_MAX) {
        return Err(Refusal::IntentTooLong { not_after, now });
    }
    if intent.amount < params.withdrawal_min {
        return Err(Refusal::AmountBelowMinimum {
            amount: intent.amount,
            min: params.withdrawal_min,
        });
    }
    if intent.fee < params.withdrawal_fee {
        return Err(Refusal::FeeBelowQuote { fee: intent.fee, quote: params.withdrawal_fee });
    }
    if intent.fee > params.withdrawal_fee_max {
        return Err(Refusal::FeeAboveMaximum { fee: intent.fee, max: params.withdrawal_fee_max });
    }
    let script = Script::from_bytes(&intent.script);
    let standard = script.is_p2pkh()
        || script.is_p2sh()
        || script.is_p2wpkh()
        || script.is_p2wsh()
        || script.is_p2tr();
    if !standard {
        return Err(Refusal::DestinationScript);
    }
    let dust = Sats::parse(script.minimal_non_dust().to_sat()).unwrap_or(Sats::MAX);
    if intent.amount < dust {
        return Err(Refusal::AmountBelowMinimum { amount: intent.amount, min: dust });
    }
    Ok(())
}

const fn wrong_state(id: WithdrawalId, withdrawal: &Withdrawal, asked: &'static str) -> Refusal {
    Refusal::WithdrawalState { withdrawal: id, state: withdrawal.state.name(), asked }
}

use std::collections::BTreeSet;

use primitives::{AccountId, BlockHeight, Confirmations, Outpoint, Sats, WithdrawalId};

use super::{Deposit, DepositState};
use crate::{
    Custody, Event, Params, books,
    coins::COINBASE_MATURITY,
    event::{AccountFrozen, DepositCredited, DepositMatured, DepositReversed, IncidentOpened},
    incident::Incident,
    planted::{self, Bug},
    withdrawal::OperatorId,
};

impl Custody {
    /// What follows for deposits from the newest block; one balance change per account at a time,
    /// since each is decided on the books as they are.
    pub(crate) fn advance_deposits(&self) -> Vec<Event> {
        let Ok(params) = self.params() else { return Vec::new() };
        let mut changed = BTreeSet::new();
        let mut events = Vec::new();
        for outpoint in &self.unsettled_deposits {
            let Some(deposit) = self.deposits.get(outpoint) else { continue };
            let Some(account) = deposit.account else { continue };
            if changed.contains(&account) {
                continue;
            }
            let following = self.advance_deposit(params, outpoint, deposit, account);
            if !following.is_empty() {
                changed.insert(account);
                events.extend(following);
            }
        }
        events
    }

    fn advance_deposit(
        &self,
        params: &Params,
        outpoint: &Outpoint,
        deposit: &Deposit,
        account: AccountId,
    ) -> Vec<Event> {
        let tip = self.tip_height();
        match &deposit.state {
            DepositState::Confirming { height } => {
                let required = self.required_confirmations(outpoint, deposit);
                if !is_deep(*height, tip, required) {
                    return Vec::new();
                }
                let owed = self.ledger.balance(books::of(account, books::CLAIM));
                let repaid = owed.min(deposit.value);
                vec![DepositCredited { deposit: *outpoint, required, repaid }.into()]
            }
            DepositState::Credited { height, required, matured: false } => {
                let needed = required.0.saturating_add(params.withdrawable_extra);
                let deep = is_deep(*height, tip, Confirmations(needed));
                if deep { vec![DepositMatured { deposit: *outpoint }.into()] } else { Vec::new() }
            }
            DepositState::Adrift { since, conflict, .. } => {
                let waited = tip.0.saturating_sub(since.0) >= params.adrift_blocks_max;
                if conflict.is_some() || waited {
                    self.reverse_deposit(outpoint, deposit, account)
                } else {
                    Vec::new()
                }
            }
            DepositState::Detected
            | DepositState::Credited { matured: true, .. }
            | DepositState::Suspense { .. }
            | DepositState::Orphaned { .. } => Vec::new(),
        }
    }

    /// The confirmations that a deposit needs: by the sum of all receipts not yet final of its
    /// transaction and of its account, since one double spend takes them all back.
    #[must_use]
    pub fn required_confirmations(&self, outpoint: &Outpoint, deposit: &Deposit) -> Confirmations {
        let Ok(params) = self.params() else { return Confirmations(u32::MAX) };
        if planted::active(Bug::CreditedTooEarly) {
            return Confirmations(1);
        }
        let by_account = deposit.account.map_or(Sats::ZERO, |account| self.exposure(account));
        let by_transaction = self.exposure_of_transaction(outpoint);
        let value = deposit.value.max(by_account).max(by_transaction);
        let required = params.confirmations.required(value);
        if deposit.coinbase { required.max(Confirmations(COINBASE_MATURITY)) } else { required }
    }

    /// The sum of an account's receipts that are not final yet.
    fn exposure(&self, account: AccountId) -> Sats {
        self.account(account).map_or(Sats::ZERO, |account| account.exposed)
    }

    /// The sum of a transaction's receipts that are not final yet.
    fn exposure_of_transaction(&self, outpoint: &Outpoint) -> Sats {
        let txid = outpoint.txid;
        let outputs = Outpoint { txid, vout: 0 }..=Outpoint { txid, vout: u32::MAX };
        let receipts = self.deposits.range(outputs).map(|(_, deposit)| deposit);
        let exposed = receipts.filter(|deposit| deposit.state.is_unsettled());
        Sats::checked_sum(exposed.map(|deposit| deposit.value)).unwrap_or(Sats::MAX)
    }

    /// Available first, then withdrawals that no batch carries, newest first; the rest is a claim.
    fn reverse_deposit(
        &self,
        outpoint: &Outpoint,
        deposit: &Deposit,
        account: AccountId,
    ) -> Vec<Event> {
        let mut available = self.ledger.balance(books::of(account, books::AVAILABLE));
        let mut cancelled = Vec::new();
        let mut open: Vec<(WithdrawalId, &crate::Withdrawal)> = self.open_withdrawals(account);
        open.sort_by_key(|(id, withdrawal)| (withdrawal.requested_at, *id));
        while available < deposit.value {
            let Some((id, withdrawal)) = open.pop() else { break };
            available = available.checked_add(withdrawal.total()).unwrap_or(Sats::MAX);
            cancelled.push(id);
        }
        let from_available = available.min(deposit.value);
        let claim = deposit.value.saturating_sub(from_available);
        let (deposit, value) = (*outpoint, deposit.value);
        let incident = Incident::DepositReversed { deposit, account, value, claim };
        let mut events = vec![
            DepositReversed { deposit, cancelled, from_available, claim }.into(),
            IncidentOpened { incident }.into(),
        ];
        if !self.account(account).is_ok_and(|account| account.frozen) {
            events.push(AccountFrozen { account, by: OperatorId(0) }.into());
        }
        events
    }
}

const fn is_deep(height: BlockHeight, tip: BlockHeight, required: Confirmations) -> bool {
    height.confirmations_at(tip).0 >= required.0
}

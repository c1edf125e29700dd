use std::collections::{BTreeMap, BTreeSet};

use primitives::{AccountId, BlockHeight, Confirmations, Outpoint, Sats, Txid, WithdrawalId};

use super::{Deposit, DepositState, Maturity, outputs_of};
use crate::{
    Custody, Event, books,
    coins::COINBASE_MATURITY,
    event::{AccountFrozen, DepositCredited, DepositMatured, DepositReversed, IncidentOpened},
    incident::Incident,
    planted::{self, Bug},
    withdrawal::OperatorId,
};

/// Events of one pass at most, so that no turn of the core grows without bound.
const PASS_MAX: usize = 10_000;

/// One pass over the deposits that blocks may still change.
#[derive(Default)]
struct Pass {
    events: Vec<Event>,
    /// What accounts that were credited in this pass still owe us.
    owed: BTreeMap<AccountId, Sats>,
    /// Accounts of which a deposit was taken back in this pass.
    reversed: BTreeSet<AccountId>,
    /// The last transaction and the sum of its receipts that are not final yet: all its outputs
    /// come one after the other, and it is summed up once.
    transaction: Option<(Txid, Sats)>,
}

impl Custody {
    /// What follows for deposits from the newest block. The core asks again until nothing follows,
    /// so one pass may leave work: at most [`PASS_MAX`] events, and per account either any number
    /// of credits or one reversal, since a reversal is decided on the balances as they are.
    pub(crate) fn advance_deposits(&self) -> Vec<Event> {
        let Ok(params) = self.params() else { return Vec::new() };
        let mut pass = Pass::default();
        for outpoint in &self.unsettled_deposits {
            if pass.events.len() >= PASS_MAX {
                break;
            }
            let Some(deposit) = self.deposits.get(outpoint) else { continue };
            let Some(account) = deposit.account else { continue };
            match &deposit.state {
                DepositState::Confirming { height } => {
                    self.advance_confirming(&mut pass, outpoint, deposit, (account, *height));
                }
                DepositState::Credited {
                    height,
                    required,
                    maturity: Maturity::Fresh | Maturity::Again,
                } => {
                    let needed = required.0.saturating_add(params.withdrawable_extra);
                    if is_deep(*height, self.tip_height(), Confirmations(needed)) {
                        pass.events.push(DepositMatured { deposit: *outpoint }.into());
                    }
                }
                DepositState::Adrift { since, conflict, .. } => {
                    let waited = self.tip_height().0.saturating_sub(since.0);
                    let gone = conflict.is_some() || waited >= params.adrift_blocks_max;
                    if gone && !pass.owed.contains_key(&account) && pass.reversed.insert(account) {
                        pass.events.extend(self.reverse_deposit(outpoint, deposit, account));
                    }
                }
                DepositState::Detected
                | DepositState::Credited { maturity: Maturity::Matured, .. }
                | DepositState::Suspense { .. }
                | DepositState::Orphaned { .. } => {}
            }
        }
        pass.events
    }

    fn advance_confirming(
        &self,
        pass: &mut Pass,
        outpoint: &Outpoint,
        deposit: &Deposit,
        (account, height): (AccountId, BlockHeight),
    ) {
        let summed = pass.transaction.filter(|(txid, _)| *txid == outpoint.txid);
        let by_transaction =
            summed.map_or_else(|| self.exposure_of_transaction(outpoint), |(_, sum)| sum);
        pass.transaction = Some((outpoint.txid, by_transaction));
        let required = self.required_for(deposit, by_transaction);
        if !is_deep(height, self.tip_height(), required) || pass.reversed.contains(&account) {
            return;
        }
        let claim = || self.ledger.balance(books::of(account, books::CLAIM));
        let owed = pass.owed.entry(account).or_insert_with(claim);
        let repaid = deposit.value.min(*owed);
        *owed = owed.saturating_sub(repaid);
        pass.events.push(DepositCredited { deposit: *outpoint, required, repaid }.into());
    }

    /// The confirmations that a deposit needs: by the sum of all receipts not yet final of its
    /// transaction and of its account, since one double spend takes them all back.
    #[must_use]
    pub fn required_confirmations(&self, outpoint: &Outpoint, deposit: &Deposit) -> Confirmations {
        self.required_for(deposit, self.exposure_of_transaction(outpoint))
    }

    fn required_for(&self, deposit: &Deposit, by_transaction: Sats) -> Confirmations {
        let Ok(params) = self.params() else { return Confirmations(u32::MAX) };
        if planted::active(Bug::CreditedTooEarly) {
            return Confirmations(1);
        }
        let by_account = deposit.account.map_or(Sats::ZERO, |account| self.exposure(account));
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
        let receipts = self.deposits.range(outputs_of(outpoint.txid)).map(|(_, deposit)| deposit);
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

//! Settlement batches: the exchange's own trading service posts what its customers owe each other.
//! A batch is posted whole or not at all, once, and overdraws nobody.

use std::collections::BTreeMap;

use access::{Authenticated, Principal, Scope};
use ledger::Transfer;
use primitives::{AccountId, AssetId, Sats, Timestamp};
use sha2::{Digest, Sha256};

use crate::{
    Custody, Event, Refusal, books,
    event::{CustomerTransfer, TransfersSettled},
};

/// The most transfers in one settlement.
pub const TRANSFERS_MAX: usize = 10_000;

/// What the trading service asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The service's own id: asking twice is asking once, for ever.
    pub id: [u8; 16],
    /// From whom, to whom, how much; in order.
    pub transfers: Vec<CustomerTransfer>,
}

impl Settlement {
    /// SHA-256 of its content.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for transfer in &self.transfers {
            hash.update(transfer.from.to_u64().to_le_bytes());
            hash.update(transfer.to.to_u64().to_le_bytes());
            hash.update(transfer.amount.to_sat().to_le_bytes());
        }
        hash.finalize().into()
    }
}

impl Custody {
    pub(crate) fn settle_transfers(
        &self,
        now: Timestamp,
        asked: &Authenticated<Settlement>,
    ) -> Result<Vec<Event>, Refusal> {
        let settlement = asked.request();
        // Refusals, cheapest first.
        if asked.principal() != Principal::Service || !asked.scopes().contains(Scope::Settle) {
            return Err(Refusal::ScopeMissing { scope: "settle" });
        }
        self.check_key(now, asked.key())?;
        let found = settlement.transfers.len();
        if found == 0 || found > TRANSFERS_MAX {
            return Err(Refusal::SettlementSize { max: TRANSFERS_MAX, found });
        }
        let fingerprint = settlement.fingerprint();
        match self.settlements.get(&settlement.id) {
            Some(before) if *before == fingerprint => return Ok(Vec::new()),
            Some(_) => return Err(Refusal::SettlementReused),
            None => {}
        }
        for (number, transfer) in settlement.transfers.iter().enumerate() {
            for account in [transfer.from, transfer.to] {
                let account = self.account(account).map_err(|refusal| {
                    Refusal::SettlementTransfer { number, reason: refusal.to_string() }
                })?;
                if account.frozen || account.adrift > 0 {
                    let reason =
                        "the account is frozen, or a reorg took the block of a deposit of it, \
                                  which has not matured again"
                            .to_owned();
                    return Err(Refusal::SettlementTransfer { number, reason });
                }
            }
        }
        let postings = postings(&settlement.transfers);
        self.ledger.check(&postings).map_err(|refusal| {
            let number = self.first_refused(&postings);
            Refusal::SettlementTransfer { number, reason: refusal.to_string() }
        })?;
        self.check_debtors(&settlement.transfers)?;
        Ok(vec![
            TransfersSettled {
                settlement: settlement.id,
                fingerprint,
                key: asked.key(),
                transfers: settlement.transfers.clone(),
            }
            .into(),
        ])
    }

    /// What a customer owes us does not leave by a trade: who owes keeps as much available.
    fn check_debtors(&self, transfers: &[CustomerTransfer]) -> Result<(), Refusal> {
        if self.ledger.accounts_of(AssetId::BITCOIN, books::CLAIM).next().is_none() {
            return Ok(());
        }
        let balance = |account, code| self.ledger.balance(books::of(account, code));
        let mut debtors: BTreeMap<AccountId, (Sats, Sats)> = transfers
            .iter()
            .map(|transfer| (transfer.from, balance(transfer.from, books::CLAIM)))
            .filter(|(_, claim)| !claim.is_zero())
            .map(|(from, claim)| (from, (balance(from, books::AVAILABLE), claim)))
            .collect();
        for (number, CustomerTransfer { from, to, amount }) in transfers.iter().enumerate() {
            if let Some((available, claim)) = debtors.get_mut(from) {
                *available = available.saturating_sub(*amount);
                if available < claim {
                    let reason = format!(
                        "{from} owes {claim} and would keep {available}; \
                         pay the claim first, by a deposit to one of its addresses"
                    );
                    return Err(Refusal::SettlementTransfer { number, reason });
                }
            }
            if let Some((available, _)) = debtors.get_mut(to) {
                *available = available.checked_add(*amount).unwrap_or(Sats::MAX);
            }
        }
        Ok(())
    }

    /// Which transfer it was that could not be made; only on the way to a refusal.
    fn first_refused(&self, postings: &[Transfer]) -> usize {
        // Where a prefix is refused, every longer one is: halve what is in question.
        let (mut good, mut bad) = (0_usize, postings.len());
        while good.saturating_add(1) < bad {
            let middle = good.midpoint(bad);
            let whole = postings.get(..middle).is_some_and(|some| self.ledger.check(some).is_ok());
            (good, bad) = if whole { (middle, bad) } else { (good, middle) };
        }
        good
    }

    pub(crate) fn apply_transfers_settled(
        &mut self,
        event: &TransfersSettled,
    ) -> Result<(), String> {
        if self.settlements.insert(event.settlement, event.fingerprint).is_some() {
            return Err("this settlement was posted before".to_owned());
        }
        self.post_with_shares(&event.transfers)?;
        Ok(())
    }
}

fn postings(transfers: &[CustomerTransfer]) -> Vec<Transfer> {
    transfers.iter().map(CustomerTransfer::posting).collect()
}

impl CustomerTransfer {
    /// As it is posted: from what the one may use to what the other may use.
    pub(crate) const fn posting(&self) -> Transfer {
        Transfer {
            debit: books::of(self.from, books::AVAILABLE),
            credit: books::of(self.to, books::AVAILABLE),
            amount: self.amount,
        }
    }
}

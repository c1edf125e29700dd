//! The chart of accounts: what each ledger account counts, and which side is its normal one.
//!
//! Assets are coins by what may be done with them; liabilities are what we owe. Moving a coin from
//! one state to another is a transfer between two assets, so that at every moment the coins of a
//! tier equal its `incoming`, `at-rest` and `outgoing` accounts (`coins-match-books`).

use std::collections::BTreeMap;

use ledger::{Code, LedgerAccountId, Transfer};
use primitives::{AccountId, AssetId, Sats};

use crate::{Custody, invariants::Broken};

/// Coins in a block whose deposit is not credited yet. Owner: the tier.
pub const INCOMING: Code = Code::debit_normal(1);
/// Coins that are ours and may be spent once they are final. Owner: the tier.
pub const AT_REST: Code = Code::debit_normal(2);
/// Coins that a signed batch spends and no block has confirmed. Owner: the tier.
pub const OUTGOING: Code = Code::debit_normal(3);
/// Payouts that a block has confirmed and that are not final; no coin stands behind them.
pub const SETTLING: Code = Code::debit_normal(4);
/// Credited deposits whose block was disconnected; no coin stands behind them for now.
pub const ADRIFT: Code = Code::debit_normal(5);
/// What a customer owes us because a credited deposit vanished. Owner: the account.
pub const CLAIM: Code = Code::debit_normal(6);
/// Network fees paid.
pub const NETWORK_FEES: Code = Code::debit_normal(7);
/// Coins of ours that somebody spent outside the books: an incident.
pub const UNEXPLAINED: Code = Code::debit_normal(8);

/// What a customer may use. Owner: the account.
pub const AVAILABLE: Code = Code::credit_normal(1);
/// What holds reserve. Owner: the account.
pub const HELD: Code = Code::credit_normal(2);
/// Deposits not credited: too fresh, too small, or nobody's. Owner: the account, or 0.
pub const SUSPENSE: Code = Code::credit_normal(3);
/// Fees that customers paid.
pub const FEE_INCOME: Code = Code::credit_normal(4);
/// The protection fund.
pub const FUND: Code = Code::credit_normal(5);

/// Every ledger account's code with its name, for people.
pub const CHART: [(Code, &str); 13] = [
    (INCOMING, "incoming"),
    (AT_REST, "at-rest"),
    (OUTGOING, "outgoing"),
    (SETTLING, "settling"),
    (ADRIFT, "adrift"),
    (CLAIM, "claim"),
    (NETWORK_FEES, "network-fees"),
    (UNEXPLAINED, "unexplained"),
    (AVAILABLE, "available"),
    (HELD, "held"),
    (SUSPENSE, "suspense"),
    (FEE_INCOME, "fee-income"),
    (FUND, "protection-fund"),
];

impl Custody {
    /// For each code of [`CHART`], by name, the sum over all its ledger accounts. Looks at every
    /// one of them.
    ///
    /// # Errors
    ///
    /// A sum above the money supply: the books are broken.
    pub fn totals(&self) -> Result<BTreeMap<&'static str, Sats>, Broken> {
        let mut totals: BTreeMap<_, _> =
            CHART.iter().map(|(_, name)| (*name, Sats::ZERO)).collect();
        for (id, balance) in self.ledger.accounts() {
            let name = CHART.iter().find(|(code, _)| *code == id.code).map(|(_, name)| *name);
            let broken = |what: &str| Broken {
                invariant: "books-balance",
                found: format!("{id:?} with {balance}: {what}"),
            };
            let name = name.ok_or_else(|| broken("no such code in the chart"))?;
            let total = totals.entry(name).or_default();
            *total = total.checked_add(balance).ok_or_else(|| broken("more than there can be"))?;
        }
        Ok(totals)
    }
}

/// The hot tier's number as an owner of ledger accounts.
pub const HOT: u64 = 0;

/// The hot tier's, or the house's, ledger account of this code.
#[must_use]
pub const fn house(code: Code) -> LedgerAccountId {
    LedgerAccountId { asset: AssetId::BITCOIN, code, owner: HOT }
}

/// A customer's ledger account of this code.
#[must_use]
pub const fn of(account: AccountId, code: Code) -> LedgerAccountId {
    LedgerAccountId { asset: AssetId::BITCOIN, code, owner: account.to_u64() }
}

/// The suspense account of a deposit's owner, or of nobody.
#[must_use]
pub fn suspense(account: Option<AccountId>) -> LedgerAccountId {
    account.map_or(house(SUSPENSE), |account| of(account, SUSPENSE))
}

/// One transfer, or none where there is nothing to move.
pub(crate) fn transfer(
    debit: LedgerAccountId,
    credit: LedgerAccountId,
    amount: Sats,
) -> Option<Transfer> {
    (!amount.is_zero() && debit != credit).then_some(Transfer { debit, credit, amount })
}

use std::fmt;

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};
use primitives::{Sats, to_hex};

use crate::{LedgerAccountId, Refusal, Side};

/// A debit and a credit of equal amount; what happened, and never changed afterwards. A mistake is
/// corrected by the [reverse](Transfer::reversed), so that both stay visible.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, BorshSchema,
)]
pub struct Transfer {
    /// The account that is debited: it grows if it is debit-normal, else it falls.
    pub debit: LedgerAccountId,
    /// The account that is credited: it grows if it is credit-normal, else it falls.
    pub credit: LedgerAccountId,
    /// How much, above zero.
    pub amount: Sats,
}

impl Transfer {
    /// The transfer that undoes this one.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { debit: self.credit, credit: self.debit, amount: self.amount }
    }

    /// Both accounts with the side on which each is moved. One that falls comes before one that
    /// grows, so that a lack of money is named before a lack of room.
    pub(crate) const fn legs(self) -> [(LedgerAccountId, Side); 2] {
        let (debit, credit) = ((self.debit, Side::Debit), (self.credit, Side::Credit));
        match self.debit.side() {
            Side::Debit => [credit, debit],
            Side::Credit => [debit, credit],
        }
    }

    /// What can be said against it without looking at any balance.
    pub(crate) fn check_shape(self) -> Result<(), Refusal> {
        let Self { debit, credit, amount } = self;
        // Refusals, cheapest first.
        if amount.is_zero() {
            return Err(Refusal::AmountZero { debit, credit });
        }
        if debit == credit {
            return Err(Refusal::SameAccount { account: debit, amount });
        }
        if debit.asset != credit.asset {
            return Err(Refusal::AssetsDiffer { debit, credit });
        }
        Ok(())
    }
}

/// The caller's name for a hold, such as the hash of what it is for: asking twice is found out.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, BorshSchema,
)]
pub struct HoldId(pub [u8; 32]);

/// `hold_` and 64 hexadecimal digits.
impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hold_{}", to_hex(&self.0))
    }
}

impl fmt::Debug for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HoldId({self})")
    }
}

/// A pending transfer, which `held` keeps until it is posted or voided.
///
/// `held` grows by the amount. If `from` has the same normal side, as with a customer's available
/// and held balance, it falls; if it has the other, both grow, as when coins came in that are not
/// anybody's yet.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, BorshSchema,
)]
pub struct Hold {
    /// Where the money comes from, and where it returns if the hold is voided.
    pub from: LedgerAccountId,
    /// Where it waits.
    pub held: LedgerAccountId,
    /// How much, above zero.
    pub amount: Sats,
}

impl Hold {
    /// The transfer that making this hold is.
    #[must_use]
    pub const fn transfer(self) -> Transfer {
        self.part(self.from, self.amount).reversed()
    }

    /// The transfer that takes `amount` out of the hold and gives it to `to`.
    #[must_use]
    pub const fn part(self, to: LedgerAccountId, amount: Sats) -> Transfer {
        match self.held.side() {
            Side::Debit => Transfer { debit: to, credit: self.held, amount },
            Side::Credit => Transfer { debit: self.held, credit: to, amount },
        }
    }
}

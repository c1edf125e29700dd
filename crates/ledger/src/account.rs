use std::fmt;

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};
use primitives::AssetId;

/// A side of the books, and so the normal side of a ledger account: the one on which it grows.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    BorshSchema,
)]
pub enum Side {
    /// What we own (coins) and what we spent.
    Debit,
    /// What we owe (customers' balances) and what we earned.
    Credit,
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Debit => Self::Credit,
            Self::Credit => Self::Debit,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debit => "debit",
            Self::Credit => "credit",
        })
    }
}

/// What a ledger account is for: a number of the caller's chart of accounts, `0..=0x7fff`, and
/// the normal side in the high bit, so that no table is needed to know on which side it grows.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    BorshSchema,
)]
pub struct Code(u16);

impl Code {
    /// The highest number in a chart of accounts.
    pub const NUMBER_MAX: u16 = 0x7fff;
    const CREDIT: u16 = 0x8000;

    /// The code of accounts that grow by debits.
    ///
    /// # Panics
    ///
    /// Above [`Code::NUMBER_MAX`]: a chart is made of constants, where this does not compile, and
    /// a number that was cut to fit would put two kinds of money into one account.
    ///
    /// ```compile_fail
    /// const WRONG: ledger::Code = ledger::Code::debit_normal(0x8000);
    /// # println!("{WRONG}");
    /// ```
    #[must_use]
    pub const fn debit_normal(number: u16) -> Self {
        assert!(number <= Self::NUMBER_MAX, "a code's number is at most 0x7fff");
        Self(number)
    }

    /// The code of accounts that grow by credits.
    ///
    /// # Panics
    ///
    /// Above [`Code::NUMBER_MAX`], like [`Code::debit_normal`].
    #[must_use]
    pub const fn credit_normal(number: u16) -> Self {
        assert!(number <= Self::NUMBER_MAX, "a code's number is at most 0x7fff");
        Self(number | Self::CREDIT)
    }

    /// The side on which accounts of this code grow.
    #[must_use]
    pub const fn side(self) -> Side {
        if self.0 & Self::CREDIT == 0 { Side::Debit } else { Side::Credit }
    }

    /// The number in the chart, without the side.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0 & Self::NUMBER_MAX
    }
}

/// Such as `credit-2`.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.side(), self.number())
    }
}

/// One column of the books. It needs no opening: an account never touched is one with zero.
/// Ordered by asset, then code, then owner.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    BorshSchema,
)]
pub struct LedgerAccountId {
    /// What it counts.
    pub asset: AssetId,
    /// What it is for, and its normal side.
    pub code: Code,
    /// Whose it is, in the caller's own numbering (a customer's account, a tier, or 0).
    pub owner: u64,
}

impl LedgerAccountId {
    /// The side on which it grows.
    #[must_use]
    pub const fn side(self) -> Side {
        self.code.side()
    }
}

/// Asset, code and owner, such as `1/credit-2/7`.
impl fmt::Display for LedgerAccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.asset.0, self.code, self.owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_keeps_its_number_and_its_side_apart() {
        for number in [0, 1, Code::NUMBER_MAX] {
            let (debit, credit) = (Code::debit_normal(number), Code::credit_normal(number));
            assert_eq!((debit.number(), debit.side()), (number, Side::Debit));
            assert_eq!((credit.number(), credit.side()), (number, Side::Credit));
            assert_ne!(debit, credit);
        }
    }

    #[test]
    #[should_panic(expected = "a code's number is at most 0x7fff")]
    fn a_number_that_would_hide_the_side_is_not_cut_to_fit() {
        let _code = Code::credit_normal(0x8000);
    }

    #[test]
    fn accounts_are_ordered_by_asset_then_code_then_owner() {
        let edges = [0, 1, u64::MAX >> 1, u64::MAX];
        let codes = [Code(0), Code::debit_normal(1), Code::credit_normal(0), Code(u16::MAX)];
        let mut accounts = Vec::new();
        for asset in [0, 1, u32::MAX].map(AssetId) {
            for code in codes {
                accounts.extend(edges.map(|owner| LedgerAccountId { asset, code, owner }));
            }
        }
        assert!(accounts.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_ledger_account_is_written_as_asset_code_and_owner() {
        let code = Code::credit_normal(2);
        let account = LedgerAccountId { asset: AssetId::BITCOIN, code, owner: 7 };
        assert_eq!(account.to_string(), "1/credit-2/7");
    }
}

//! What a key may do.

use std::fmt;

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize, io};

use crate::Principal;

/// One right of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// See balances, deposits, withdrawals and addresses.
    Read,
    /// Place and cancel orders.
    Trade,
    /// Ask for withdrawals, and cancel them.
    Withdraw,
    /// Book the outcome of trades: the exchange's own trading service, never a customer.
    Settle,
}

impl Scope {
    /// Every scope, in the order of its bit.
    pub const ALL: [Self; 4] = [Self::Read, Self::Trade, Self::Withdraw, Self::Settle];

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Trade => "trade",
            Self::Withdraw => "withdraw",
            Self::Settle => "settle",
        }
    }

    /// The scope of this name, or `None`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// The bit in stored bytes: it never changes.
    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Trade => 2,
            Self::Withdraw => 4,
            Self::Settle => 8,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of [`Scope`]s. No scope implies another: a key that trades cannot read unless it says so.
///
/// Stored as one byte; unknown bits are refused.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshSchema,
)]
pub struct Scopes(u8);

impl Scopes {
    /// No right at all.
    pub const NONE: Self = Self(0);

    /// These and `scope`.
    #[must_use]
    pub const fn with(self, scope: Scope) -> Self {
        Self(self.0 | scope.bit())
    }

    /// Whether `scope` is among them.
    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each scope, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }

    /// What a key of `principal` may have at most. A customer never settles; the trading service
    /// never withdraws, so that its key, if stolen, moves nothing out of the house.
    #[must_use]
    pub const fn allowed_for(principal: Principal) -> Self {
        match principal {
            Principal::Account(_) => {
                Self::NONE.with(Scope::Read).with(Scope::Trade).with(Scope::Withdraw)
            }
            Principal::Service => Self::NONE.with(Scope::Read).with(Scope::Settle),
        }
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().fold(Self::NONE, Self::with)
    }
}

/// The names with blanks between them, or `none`.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let names: Vec<_> = self.iter().map(Scope::name).collect();
        f.write_str(&names.join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

impl BorshDeserialize for Scopes {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let bits = u8::deserialize_reader(reader)?;
        let known = Scope::ALL.into_iter().collect::<Self>();
        if bits & !known.0 != 0 {
            let text = format!("scopes {bits:#04x} have bits outside {:#04x}", known.0);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(Self(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_scope_implies_another() {
        for held in Scope::ALL {
            let scopes = Scopes::NONE.with(held);
            assert_eq!(scopes.iter().collect::<Vec<_>>(), [held]);
        }
    }

    #[test]
    fn scopes_are_written_by_name() {
        let scopes: Scopes = [Scope::Withdraw, Scope::Read].into_iter().collect();
        assert_eq!(
            (scopes.to_string(), Scopes::NONE.to_string()),
            ("read withdraw".into(), "none".into())
        );
        for scope in Scope::ALL {
            assert_eq!(Scope::from_name(scope.name()), Some(scope));
        }
        assert_eq!(Scope::from_name("Read"), None);
    }

    #[test]
    fn stored_scopes_with_unknown_bits_are_not_read() {
        for bits in 0..=u8::MAX {
            let read = borsh::from_slice::<Scopes>(&[bits]);
            assert_eq!(read.is_ok(), bits < 16, "{bits}");
        }
    }
}

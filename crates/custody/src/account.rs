//! Accounts, API keys and deposit addresses.

use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{AccountId, Sats, Timestamp};

mod apply;
mod decide;

/// The most addresses of one account: all accounts together have as many unspent ones as the signer's
/// gap, and none may use that up for the others.
pub const ADDRESSES_MAX: u32 = 1_000;

/// What we remember of a customer besides the books. Names and mail live elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Account {
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Whether nothing leaves it.
    pub frozen: bool,
    /// The sum of its receipts that are not final yet.
    pub exposed: Sats,
    /// What of its available balance may be traded with but not withdrawn yet: the sum of its
    /// shares in deposits that have not matured, its own and those that it was paid with.
    pub maturing: Sats,
    /// Addresses that were handed out to it.
    pub addresses: u32,
    /// Credited deposits whose block was replaced and that have not come back, or not matured
    /// again; nothing leaves while there is one.
    pub adrift: u32,
}

/// One script of the external keychain.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Address {
    /// Whose, once it was handed out.
    pub account: Option<AccountId>,
    /// The script.
    pub script: Vec<u8>,
}

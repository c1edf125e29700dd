//! Floor 1, the books: double entry with holds, as a pure state in memory.
//!
//! A [`Transfer`] debits one ledger account and credits another by the same amount. Every account
//! has a normal side: coins that we own are debit-normal and grow by debits, what we owe customers
//! is credit-normal and grows by credits. Money is therefore never made or lost: over all accounts
//! of an asset, the balances of the one side equal those of the other (`books-balance`), and no
//! balance is ever negative. The chart of accounts belongs to the caller.
//!
//! A [`Hold`] is a pending transfer: its amount moves at once into an account where no ordinary
//! transfer can touch it, until the hold is posted (it goes where it was meant to go) or voided (it
//! goes back).
//!
//! Everything is all or none: what is refused, with a [`Refusal`] that names its rule, has changed
//! nothing. Same history, same state, same bytes: nothing here depends on a seed, a clock or the
//! order of a hash map.
//!
//! Source: the model of debits, credits and two-phase transfers follows Pacioli, *Summa de
//! arithmetica* (1494), and in computers Ellerman, "On Double-Entry Bookkeeping: The Mathematical
//! Treatment" (2014).
//!
//! ```
//! use ledger::{Code, Hold, HoldId, Ledger, LedgerAccountId, Transfer};
//! use primitives::{AssetId, Sats};
//!
//! const COINS: Code = Code::debit_normal(1);
//! const AVAILABLE: Code = Code::credit_normal(1);
//! const HELD: Code = Code::credit_normal(2);
//! let account = |code, owner| LedgerAccountId { asset: AssetId::BITCOIN, code, owner };
//! let (coins, available, held) = (account(COINS, 0), account(AVAILABLE, 7), account(HELD, 7));
//! let [ten, four] = [Sats::parse(10)?, Sats::parse(4)?];
//!
//! let mut ledger = Ledger::default();
//! // A deposit: we own more coins, and owe the customer more.
//! ledger.post(&[Transfer { debit: coins, credit: available, amount: ten }])?;
//! // A withdrawal is asked, then paid.
//! let id = HoldId([1; 32]);
//! ledger.hold(id, Hold { from: available, held, amount: four })?;
//! ledger.post_hold(id, &[(coins, four)])?;
//!
//! assert_eq!(ledger.balance(coins), Sats::parse(6)?);
//! assert_eq!(ledger.balance(available), Sats::parse(6)?);
//! assert_eq!(ledger.balance(held), Sats::ZERO);
//! ledger.check_books()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod books;
mod ledger;
mod refusal;
mod transfer;

pub use account::{Code, LedgerAccountId, Side};
pub use books::{BooksError, Totals};
pub use ledger::Ledger;
pub use refusal::Refusal;
pub use transfer::{Hold, HoldId, Transfer};

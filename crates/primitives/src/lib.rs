//! Floor 0, the words that every other crate speaks: amounts, ids, time and blocks.
//!
//! Nothing here does IO, reads a clock or draws randomness. Every type that can be stored has one
//! encoding, [Borsh](https://borsh.io) (little endian, no padding), and one text form.

mod asset;
mod block;
mod fee_rate;
mod hex;
mod ids;
mod network;
mod sats;
mod time;
mod transaction;

pub use asset::AssetId;
pub use block::{BlockHash, BlockHeight, BlockRef, Confirmations};
pub use fee_rate::FeeRate;
pub use hex::{HexError, from_hex, to_hex};
pub use ids::{AccountId, BatchId, DeploymentId, DepositId, IdError, KeyId, Slot, WithdrawalId};
pub use network::Network;
pub use sats::{AmountError, Sats};
pub use time::{Seconds, TimeError, Timestamp};
pub use transaction::{Outpoint, Txid};

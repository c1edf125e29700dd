//! The calls of the node that we use, typed. One [`Node`] is one connection.

mod chain;
mod decimal;
mod transactions;

use bitcoin::{Network, constants::genesis_block};
use primitives::{BlockHash, BlockHeight, BlockRef};
use serde::de::DeserializeOwned;

pub use self::{
    chain::{Agreement, ChainInfo, Place},
    decimal::{Decimal8, DecimalError},
    transactions::{MempoolInfo, MempoolVerdict, NetworkInfo, SmartFee, Unspent},
};
use crate::{
    Fault,
    rpc::{Call, Endpoint, Rpc, RpcError},
};

/// A bitcoin node, asked over one connection.
pub struct Node {
    rpc: Rpc,
}

impl Node {
    /// The node at `endpoint`, not yet connected.
    #[must_use]
    pub const fn new(endpoint: Endpoint) -> Self {
        Self { rpc: Rpc::new(endpoint) }
    }

    /// Any call, for what has no typed one.
    ///
    /// # Errors
    ///
    /// As [`Rpc::call`].
    pub fn call<T: DeserializeOwned>(&mut self, call: &Call) -> Result<T, Fault> {
        self.rpc.call(call)
    }

    /// As [`Node::call`], but "no such thing" is `None`.
    fn find<T: DeserializeOwned>(&mut self, call: &Call) -> Result<Option<T>, Fault> {
        match self.rpc.call(call) {
            Ok(found) => Ok(Some(found)),
            Err(Fault::Rpc { cause, .. }) if cause.code == RpcError::NOT_FOUND => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// The first block of `network`, where a follower may begin.
#[must_use]
pub fn genesis(network: Network) -> BlockRef {
    BlockRef { height: BlockHeight(0), hash: our_hash(genesis_block(network).block_hash()) }
}

/// The library's block hash as ours: the same 32 bytes in the same order.
#[must_use]
pub fn our_hash(hash: bitcoin::BlockHash) -> BlockHash {
    BlockHash(bitcoin::hashes::Hash::to_byte_array(hash))
}

/// The name that nodes give to `network`. Source: Bitcoin Core, `ChainTypeToString`.
const fn name_of(network: Network) -> &'static str {
    match network {
        Network::Bitcoin => "main",
        Network::Testnet => "test",
        Network::Testnet4 => "testnet4",
        Network::Signet => "signet",
        Network::Regtest => "regtest",
    }
}

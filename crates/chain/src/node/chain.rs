//! Blocks and headers.

use bitcoin::{Block, Network, block::Header, consensus::encode::deserialize_hex};
use primitives::{BlockHash, BlockHeight, BlockRef, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::{Node, genesis, name_of};
use crate::{
    Fault,
    check::ChainWork,
    rpc::{Call, RpcError},
};

/// What the node says of its whole chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainInfo {
    /// Its name for the network: `main`, `test`, `testnet4`, `signet`, `regtest`.
    pub network: String,
    /// Height of its best block.
    pub blocks: u32,
    /// Height of its best header.
    pub headers: u32,
    /// Its best block.
    pub best: BlockHash,
    /// Whether it still downloads history.
    pub initial_block_download: bool,
    /// Work of its best chain, as it claims.
    pub work: ChainWork,
    /// The time in its best block's header.
    pub tip_time: Timestamp,
}

/// Where the node keeps one header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its height.
    pub height: BlockHeight,
    /// Whether it is on the node's best chain.
    pub on_best_chain: bool,
    /// The block on top of it on the best chain.
    pub next: Option<BlockHash>,
    /// Work of the chain that ends in it, as the node claims.
    pub work: ChainWork,
}

/// What a second node thinks of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// It is on its best chain.
    Agrees,
    /// It has not come that far.
    Lags,
    /// It has come that far and has another block there.
    Disagrees,
}

#[derive(Deserialize)]
struct RawChainInfo {
    chain: String,
    blocks: u32,
    headers: u32,
    bestblockhash: String,
    initialblockdownload: bool,
    chainwork: String,
    time: u64,
}

#[derive(Deserialize)]
struct RawPlace {
    height: u32,
    confirmations: i64,
    nextblockhash: Option<String>,
    chainwork: String,
}

#[derive(Deserialize)]
struct RawTip {
    height: u32,
    status: String,
}

impl Node {
    /// `getblockchaininfo`.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn chain_info(&mut self) -> Result<ChainInfo, Fault> {
        let method = "getblockchaininfo";
        let raw: RawChainInfo = self.call(&Call::new(method, json!([])))?;
        let tip_time = Timestamp::parse_seconds(raw.time)
            .map_err(|_| not_understood(method, "time", &raw.time.to_string()))?;
        Ok(ChainInfo {
            network: raw.chain,
            blocks: raw.blocks,
            headers: raw.headers,
            best: hash_in(method, &raw.bestblockhash)?,
            initial_block_download: raw.initialblockdownload,
            work: work_in(method, &raw.chainwork)?,
            tip_time,
        })
    }

    /// Compares the node's network with `network`, by name and by first block.
    ///
    /// All signets share their first block and their name: the challenge of a private signet is
    /// not compared.
    ///
    /// # Errors
    ///
    /// [`Fault::WrongNetwork`], or a fault of the connection.
    pub fn check_network(&mut self, network: Network) -> Result<(), Fault> {
        let wrong = |found| Fault::WrongNetwork { configured: network, found };
        let info = self.chain_info()?;
        if info.network != name_of(network) {
            return Err(wrong(info.network));
        }
        let first = self.block_at(BlockHeight(0))?.map(|first| first.hash);
        if first == Some(genesis(network).hash) {
            return Ok(());
        }
        let found = first.map_or("no first block".to_owned(), |hash| format!("first block {hash}"));
        Err(wrong(found))
    }

    /// `getblockhash`: the block at `height` of its best chain, or `None` above its tip.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn block_at(&mut self, height: BlockHeight) -> Result<Option<BlockRef>, Fault> {
        let method = "getblockhash";
        match self.call::<String>(&Call::new(method, json!([height.0]))) {
            Ok(hash) => Ok(Some(BlockRef { height, hash: hash_in(method, &hash)? })),
            Err(Fault::Rpc { cause, .. }) if cause.code == RpcError::BAD_PARAMETER => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// `getblockheader`, as JSON: where `hash` is, or `None` if the node does not know it.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn place(&mut self, hash: BlockHash) -> Result<Option<Place>, Fault> {
        let method = "getblockheader";
        let call = Call::new(method, json!([hash.to_string(), true]));
        let Some(raw) = self.find::<RawPlace>(&call)? else { return Ok(None) };
        let next = raw.nextblockhash.map(|next| hash_in(method, &next)).transpose()?;
        Ok(Some(Place {
            height: BlockHeight(raw.height),
            on_best_chain: raw.confirmations > 0,
            next,
            work: work_in(method, &raw.chainwork)?,
        }))
    }

    /// `getblockheader`, as bytes. Not compared with `hash` here.
    ///
    /// # Errors
    ///
    /// [`Fault::Rpc`] for an unknown hash, or a fault of the connection.
    pub fn header(&mut self, hash: BlockHash) -> Result<Header, Fault> {
        let method = "getblockheader";
        let hex: String = self.call(&Call::new(method, json!([hash.to_string(), false])))?;
        deserialize_hex(&hex).map_err(|error| not_understood(method, "header", &error.to_string()))
    }

    /// `getblock`, as bytes. Not compared with `hash` here.
    ///
    /// # Errors
    ///
    /// [`Fault::Rpc`] for a block that the node does not have (a pruned node has only the newest
    /// ones), or a fault of the connection.
    pub fn block(&mut self, hash: BlockHash) -> Result<Block, Fault> {
        let method = "getblock";
        let hex: String = self.call(&Call::new(method, json!([hash.to_string(), 0])))?;
        deserialize_hex(&hex).map_err(|error| not_understood(method, "block", &error.to_string()))
    }

    /// `getchaintips`: whether the node calls a branch invalid that reaches `height`.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn has_invalid_branch(&mut self, height: BlockHeight) -> Result<bool, Fault> {
        let tips: Vec<RawTip> = self.call(&Call::new("getchaintips", json!([])))?;
        Ok(tips.iter().any(|tip| tip.status == "invalid" && tip.height >= height.0))
    }

    /// What this node, connected independently of the one that is followed, thinks of `at`.
    ///
    /// # Errors
    ///
    /// Any fault of the connection: then it has no opinion.
    pub fn agrees_on(&mut self, at: BlockRef) -> Result<Agreement, Fault> {
        Ok(match self.block_at(at.height)? {
            Some(theirs) if theirs == at => Agreement::Agrees,
            Some(_) => Agreement::Disagrees,
            None => Agreement::Lags,
        })
    }
}

fn hash_in(method: &str, text: &str) -> Result<BlockHash, Fault> {
    BlockHash::parse(text).map_err(|_| not_understood(method, "block hash", text))
}

fn work_in(method: &str, text: &str) -> Result<ChainWork, Fault> {
    ChainWork::parse(text).map_err(|_| not_understood(method, "chainwork", text))
}

fn not_understood(method: &str, what: &str, found: &str) -> Fault {
    let found: String = found.chars().take(200).collect();
    Fault::NotUnderstood {
        tried: method.to_owned(),
        found: format!("a {what} that is none: {found}"),
    }
}

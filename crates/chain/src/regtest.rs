//! A throw-away node on regtest, for tests and demonstrations. Never for money.

mod find;
mod port;
mod process;
mod wallet;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bitcoin::{Address, Transaction, consensus::encode::serialize_hex};
use primitives::{BlockHash, BlockRef};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use self::process::Process;
pub use self::{find::find_bitcoind, port::ClaimedPort};
use crate::{
    Fault,
    node::Node,
    rpc::{Call, Endpoint, Rpc},
};

const WALLET: &str = "miner";

/// A running `bitcoind -regtest` with a wallet `miner`. Dropping it kills the process; the folder
/// stays.
pub struct RegtestNode {
    process: Process,
    /// Speaks of the wallet `miner`; every other call works there too.
    rpc: Mutex<Rpc>,
}

impl RegtestNode {
    /// Starts a node in `dir` (made if missing; a folder of an earlier run is used again) and
    /// waits until it answers.
    ///
    /// # Errors
    ///
    /// [`Fault::Harness`] with the end of its log where it does not start.
    pub fn start(bitcoind: &Path, dir: &Path) -> Result<Self, Fault> {
        let process = Process::start(bitcoind, dir)?;
        let rpc = Mutex::new(Rpc::new(process.endpoint().wallet(WALLET)));
        let node = Self { process, rpc };
        node.load_wallet()?;
        Ok(node)
    }

    /// Starts it again on the same folder and port, killing it first if it runs. Its cookie is
    /// another one then.
    ///
    /// # Errors
    ///
    /// As [`RegtestNode::start`].
    pub fn restart(&mut self) -> Result<(), Fault> {
        self.process.restart()?;
        self.load_wallet()
    }

    /// Ends it as an operator would, and waits until it has.
    ///
    /// # Errors
    ///
    /// [`Fault::Harness`] where it had to be killed.
    pub fn stop(&mut self) -> Result<(), Fault> {
        let _asked_or_ending_already = self.call::<Value>("stop", json!([]));
        self.process.wait_for_end()
    }

    /// `kill -9`, and waits until the process is gone. The node loses every block since its last
    /// [`RegtestNode::flush`] or clean stop: on regtest nobody gives them back.
    pub fn kill9(&mut self) {
        self.process.kill();
    }

    /// Writes blocks and coins to disk, so that they outlive [`RegtestNode::kill9`].
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn flush(&self) -> Result<(), Fault> {
        // The node writes everything before it counts its coins.
        self.call::<Value>("gettxoutsetinfo", json!(["none"])).map(|_| ())
    }

    /// Where it listens; the same after [`RegtestNode::restart`].
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.process.endpoint()
    }

    /// A client with a connection of its own.
    #[must_use]
    pub fn node(&self) -> Node {
        Node::new(self.endpoint())
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Its data folder.
    #[must_use]
    pub fn dir(&self) -> &PathBuf {
        self.process.dir()
    }

    /// Any call, in the name of the wallet `miner`.
    ///
    /// # Errors
    ///
    /// As [`Rpc::call`].
    pub fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, Fault> {
        self.rpc.lock().unwrap_or_else(PoisonError::into_inner).call(&Call::once(method, params))
    }

    /// Its best block.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn tip(&self) -> Result<BlockRef, Fault> {
        let info = self.node().chain_info()?;
        Ok(BlockRef { height: primitives::BlockHeight(info.blocks), hash: info.best })
    }

    /// Mines `count` blocks to one fresh address of the wallet; 101 give the first coin that may
    /// be spent.
    ///
    /// Always a fresh one: after [`RegtestNode::invalidate_block`] the same address within the
    /// same second would make the invalid block again.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn mine(&self, count: u32) -> Result<Vec<BlockHash>, Fault> {
        let address = self.fresh_address()?;
        self.mine_to(&address, count)
    }

    /// Mines `count` blocks to `address`.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn mine_to(&self, address: &Address, count: u32) -> Result<Vec<BlockHash>, Fault> {
        let method = "generatetoaddress";
        let hashes: Vec<String> = self.call(method, json!([count, address.to_string()]))?;
        hashes.iter().map(|hash| read_hash(method, hash)).collect()
    }

    /// Mines one block with exactly `transactions`, whatever the mempool holds: the way to confirm
    /// a double spend. The reward goes to `address`.
    ///
    /// # Errors
    ///
    /// [`Fault::Rpc`] where the block would be invalid, or a fault of the connection.
    pub fn generate_block(
        &self,
        address: &Address,
        transactions: &[Transaction],
    ) -> Result<BlockHash, Fault> {
        #[derive(Deserialize)]
        struct Generated {
            hash: String,
        }
        let method = "generateblock";
        let hex: Vec<String> = transactions.iter().map(serialize_hex).collect();
        let generated: Generated = self.call(method, json!([address.to_string(), hex]))?;
        read_hash(method, &generated.hash)
    }

    /// Calls a block and all above it invalid; the node falls back to what is best without them.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn invalidate_block(&self, hash: BlockHash) -> Result<(), Fault> {
        self.call("invalidateblock", json!([hash.to_string()]))
    }

    /// Takes [`RegtestNode::invalidate_block`] back.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn reconsider_block(&self, hash: BlockHash) -> Result<(), Fault> {
        self.call("reconsiderblock", json!([hash.to_string()]))
    }
}

fn read_hash(method: &str, text: &str) -> Result<BlockHash, Fault> {
    BlockHash::parse(text).map_err(|_| harness(method, text))
}

fn harness(tried: impl Into<String>, found: impl Into<String>) -> Fault {
    Fault::Harness { tried: tried.into(), found: found.into() }
}

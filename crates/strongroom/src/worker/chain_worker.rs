use std::time::Duration;

use bitcoin::{Network, Txid, hashes::Hash};
use chain::{
    check::ChainWork,
    follow::{Follower, Step},
    mempool::{Mempool, MempoolLimits},
    node::Node,
    rpc::Endpoint,
};
use custody::{Command, Custody, Refusal};
use primitives::{BlockRef, Seconds};

use super::Shared;
use crate::{clock, config::NodeConfig, core::NoAnswer};

/// Follows the node: blocks in order, reorgs as disconnects and connects, mempool sightings.
pub(crate) struct ChainWorker {
    shared: Shared,
    follower: Follower<Node>,
    mempool: Mempool,
    /// Transactions that left the mempool; forgotten only once every block is connected, since
    /// most of them left it for a block.
    left: Vec<Txid>,
    /// Whether the core was asked which transactions an earlier life of this process has seen.
    looked_back: bool,
    pause: Duration,
    stale_after: Seconds,
}

/// Why one round ended early.
enum Halt {
    Node(chain::Fault),
    Refused(Refusal),
    Core(NoAnswer),
}

impl From<chain::Fault> for Halt {
    fn from(fault: chain::Fault) -> Self {
        Self::Node(fault)
    }
}
impl From<NoAnswer> for Halt {
    fn from(error: NoAnswer) -> Self {
        Self::Core(error)
    }
}
impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl ChainWorker {
    pub(crate) fn new(
        shared: Shared,
        endpoint: Endpoint,
        network: Network,
        config: &NodeConfig,
    ) -> Self {
        let stale_after = match config.stale_after_seconds {
            0 => Seconds(u64::MAX),
            seconds => Seconds(seconds),
        };
        Self {
            shared,
            follower: Follower::new(Node::new(endpoint.clone()), network),
            mempool: Mempool::new(Node::new(endpoint), MempoolLimits::default()),
            left: Vec::new(),
            looked_back: false,
            pause: Duration::from_millis(config.poll_millis),
            stale_after,
        }
    }

    pub(crate) fn run(mut self) {
        while !self.shared.ending.is_asked() {
            let reasons = match self.round() {
                Ok(()) => self.unready(),
                Err(Halt::Core(NoAnswer::Stopped)) => return,
                Err(Halt::Core(NoAnswer::Busy)) => vec![NoAnswer::Busy.to_string()],
                Err(Halt::Node(fault)) => vec![format!("chain: {fault}")],
                Err(Halt::Refused(refusal)) => vec![format!("{}: {refusal}", refusal.id())],
            };
            self.shared.status.set("chain", &reasons, self.pause);
            self.shared.ending.pause(self.pause);
        }
    }

    fn unready(&mut self) -> Vec<String> {
        let reasons = self.follower.health().not_ready(clock::now(), self.stale_after);
        reasons.iter().map(ToString::to_string).collect()
    }

    fn round(&mut self) -> Result<(), Halt> {
        self.follow()?;
        let delta = self.mempool.poll()?;
        self.left.extend(delta.removed);
        for transaction in delta.added {
            self.tell(Command::SeeTransaction { transaction })?;
        }
        if !self.looked_back && delta.left_out == 0 {
            self.look_back()?;
        }
        // A block may have come between: what it took from the mempool is not gone.
        self.follow()?;
        while let Some(txid) = self.left.last() {
            let txid = primitives::Txid(txid.to_byte_array());
            self.tell(Command::ForgetTransaction { txid })?;
            self.left.pop();
        }
        Ok(())
    }

    /// What left the mempool while nobody looked would wait for ever: no poll tells of it.
    fn look_back(&mut self) -> Result<(), Halt> {
        let seen = self.shared.core.read(|state| state.detected().collect::<Vec<_>>()).wait()?;
        let seen = seen.into_iter().map(|txid| Txid::from_byte_array(txid.0));
        self.left.extend(seen.filter(|txid| !self.mempool.knows(txid)));
        self.looked_back = true;
        Ok(())
    }

    /// Connects and disconnects until the core stands where the node stands.
    fn follow(&mut self) -> Result<(), Halt> {
        let cursor = self.shared.core.read(|state| {
            state.chain_state().map(|chain| (chain.tip, ChainWork::from_be_bytes(chain.most_work)))
        });
        let (begun, most_work) = cursor.wait()?.ok_or(Refusal::NotConfigured)?;
        // A follower that begins has seen nothing: what an earlier life of the process stood on
        // must still be made up for before anything leaves.
        self.follower.remember_work(most_work);
        let mut tip = begun;
        while !self.shared.ending.is_asked() {
            let command = match self.follower.next(tip)? {
                Step::Idle if tip == begun => return Ok(()),
                Step::Idle => return self.tell(Command::Reconcile).map(drop),
                Step::Connect { block, at, work } => {
                    Command::ConnectBlock { at, work: work.to_be_bytes(), block }
                }
                Step::Disconnect(block) => {
                    tracing::warn!(%block, "the chain was replaced below this block");
                    Command::DisconnectBlock { block }
                }
            };
            tip = self.tell(command)?.ok_or(Refusal::NotConfigured)?;
        }
        Ok(())
    }

    /// Has the core decide, and says where it stands then.
    fn tell(&self, command: Command) -> Result<Option<BlockRef>, Halt> {
        let pending = self.shared.core.execute(command, |state, outcome| (outcome, tip_of(state)));
        let (outcome, tip) = pending.wait()?;
        outcome?;
        Ok(tip)
    }
}

fn tip_of(state: &Custody) -> Option<BlockRef> {
    state.chain_state().map(|chain| chain.tip)
}

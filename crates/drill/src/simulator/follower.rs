//! The follower of the shell under test: it tells the core of blocks and of the mempool.

use custody::{Command, DepositState};
use primitives::BlockRef;

use super::{convert, failure::Check, world::World};

impl World {
    /// The follower tells the core of the next blocks, one at a time.
    pub(crate) fn follow(&mut self) -> Check {
        let most = self.profile.blocks_at_once.saturating_mul(4).max(5);
        for _ in 0..self.random.count(1, most) {
            if !self.follow_one() {
                return Ok(());
            }
            self.maybe_crash()?;
            if self.random.chance(850) {
                self.turn()?;
            }
        }
        Ok(())
    }

    /// Says whether there was a block to tell of.
    pub(crate) fn follow_one(&mut self) -> bool {
        let Some(server) = &self.server else { return false };
        let Some(chain) = server.state.chain_state() else { return false };
        let told = server.waiting.iter().any(|command| {
            matches!(command, Command::ConnectBlock { .. } | Command::DisconnectBlock { .. })
        });
        if told {
            return false;
        }
        let tip = chain.tip;
        let command = if self.node.is_active(tip) {
            let Some((at, block)) = self.node.after(tip) else { return false };
            Command::ConnectBlock { at, work: work_of(at), block }
        } else {
            Command::DisconnectBlock { block: tip }
        };
        self.tell(command);
        true
    }

    /// The follower tells the core what came into the mempool and what left it.
    pub(crate) fn gossip(&mut self) {
        let Some(server) = &mut self.server else { return };
        for tx in self.node.pool.iter() {
            if server.seen.insert(tx.id) {
                let transaction = std::sync::Arc::clone(&tx.body);
                server.waiting.push_back(Command::SeeTransaction { transaction });
            }
        }
        let pool = &self.node.pool;
        let mut gone: Vec<primitives::Txid> =
            server.seen.extract_if(.., |id| !pool.contains(id)).map(convert::txid).collect();
        // What an earlier life of the process saw, and is in the mempool no more.
        let detected = server.state.deposits().filter(|(outpoint, deposit)| {
            deposit.state == DepositState::Detected
                && !pool.contains(&convert::node_txid(outpoint.txid))
        });
        gone.extend(detected.map(|(outpoint, _)| outpoint.txid));
        gone.dedup();
        let forget = gone.into_iter().map(|txid| Command::ForgetTransaction { txid });
        server.waiting.extend(forget);
    }
}

/// Every block of this world took the same work.
fn work_of(at: BlockRef) -> [u8; 32] {
    let mut work = [0; 32];
    if let Some(low) = work.last_chunk_mut() {
        *low = at.height.0.to_be_bytes();
    }
    work
}

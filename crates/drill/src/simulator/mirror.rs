//! What the chain says is ours at the block where custody stands, read from the blocks alone.

use std::collections::{BTreeMap, HashSet};

use bitcoin::{BlockHash, OutPoint, ScriptBuf, Txid};
use primitives::BlockRef;

use super::{
    failure::Found,
    node::{Node, Stored, first_block, node_hash},
};

/// Coins of ours that this branch has, and those that it has spent.
#[derive(Debug)]
pub(crate) struct Mirror {
    tip: BlockHash,
    coins: BTreeMap<OutPoint, u64>,
    spent: BTreeMap<OutPoint, (u64, Txid)>,
}

impl Mirror {
    pub(crate) fn new() -> Self {
        let tip = first_block().block_hash();
        Self { tip, coins: BTreeMap::new(), spent: BTreeMap::new() }
    }

    /// Unspent coins of ours with their values.
    pub(crate) const fn coins(&self) -> &BTreeMap<OutPoint, u64> {
        &self.coins
    }

    /// Spent coins of ours with their values and the transactions that spent them.
    pub(crate) const fn spent(&self) -> &BTreeMap<OutPoint, (u64, Txid)> {
        &self.spent
    }

    /// Moves to the block where custody stands; a crash may have set it back.
    pub(crate) fn follow(
        &mut self,
        node: &Node,
        ours: &HashSet<ScriptBuf>,
        tip: BlockRef,
    ) -> Result<(), Found> {
        let lost = || Found::simulator("custody stands on a block that nobody made");
        let mut ahead = Vec::new();
        let mut wanted = node_hash(tip.hash);
        while wanted != self.tip {
            let new = node.stored(&wanted).ok_or_else(lost)?;
            let old = node.stored(&self.tip).ok_or_else(lost)?;
            if new.height >= old.height {
                ahead.push(wanted);
                wanted = new.block.header.prev_blockhash;
            }
            if old.height >= new.height {
                self.disconnect(old);
            }
        }
        for hash in ahead.into_iter().rev() {
            self.connect(node.stored(&hash).ok_or_else(lost)?, ours);
            self.tip = hash;
        }
        Ok(())
    }

    fn connect(&mut self, stored: &Stored, ours: &HashSet<ScriptBuf>) {
        for tx in &stored.transactions {
            for input in tx.inputs() {
                if let Some(value) = self.coins.remove(&input) {
                    self.spent.insert(input, (value, tx.id));
                }
            }
            for (outpoint, output) in tx.outputs() {
                if ours.contains(&output.script_pubkey) {
                    self.coins.insert(outpoint, output.value.to_sat());
                }
            }
        }
    }

    fn disconnect(&mut self, stored: &Stored) {
        for tx in stored.transactions.iter().rev() {
            for (outpoint, _) in tx.outputs() {
                self.coins.remove(&outpoint);
            }
            for input in tx.inputs() {
                if let Some((value, _)) = self.spent.remove(&input) {
                    self.coins.insert(input, value);
                }
            }
        }
        self.tip = stored.block.header.prev_blockhash;
    }
}

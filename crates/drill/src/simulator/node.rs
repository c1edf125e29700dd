//! A made-up node: a tree of blocks, the unspent outputs of its active branch, and a mempool.
//!
//! It keeps the rules that matter to custody (an output is spent once, a reward rests for 100
//! blocks, a block follows another) and none that do not: there is no work, no signature is
//! checked and no amount, so that a thief can be played without a key.

use std::{collections::BTreeMap, sync::Arc};

use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Txid, Witness, absolute,
    block::{Header, Version},
    hashes::Hash,
    transaction,
};
use primitives::{BlockHeight, BlockRef};

use super::{failure::Found, random::Random};

mod pool;

pub(crate) use pool::{Pool, Rejected};

/// Blocks before a reward may be spent. Source: Bitcoin consensus, `COINBASE_MATURITY`.
const COINBASE_MATURITY: u32 = 100;
/// What a block's reward is, in satoshis; small, so that it looks like other deposits.
const REWARD: u64 = 500_000;

/// A transaction whose id was computed once.
#[derive(Debug, Clone)]
pub(crate) struct Tx {
    pub(crate) id: Txid,
    pub(crate) body: Arc<Transaction>,
}

impl Tx {
    pub(crate) fn new(body: Transaction) -> Self {
        Self { id: body.compute_txid(), body: Arc::new(body) }
    }

    /// A transaction of somebody else: nobody checks its witnesses here.
    pub(crate) fn spend(inputs: &[OutPoint], outputs: Vec<(ScriptBuf, u64)>) -> Self {
        let input = |outpoint: &OutPoint| TxIn {
            previous_output: *outpoint,
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            ..TxIn::default()
        };
        Self::new(Transaction {
            version: transaction::Version::TWO,
            lock_time: absolute::LockTime::ZERO,
            input: inputs.iter().map(input).collect(),
            output: outputs.into_iter().map(|(script, value)| tx_out(script, value)).collect(),
        })
    }

    pub(crate) fn inputs(&self) -> impl Iterator<Item = OutPoint> {
        self.body.input.iter().map(|input| input.previous_output)
    }

    pub(crate) fn outputs(&self) -> impl Iterator<Item = (OutPoint, &TxOut)> {
        (0..).zip(&self.body.output).map(|(vout, output)| (OutPoint::new(self.id, vout), output))
    }
}

const fn tx_out(script_pubkey: ScriptBuf, value: u64) -> TxOut {
    TxOut { value: Amount::from_sat(value), script_pubkey }
}

/// An output that the active branch has and nobody has spent in it.
#[derive(Debug, Clone)]
pub(crate) struct Unspent {
    pub(crate) value: u64,
    pub(crate) script: ScriptBuf,
    pub(crate) height: u32,
    pub(crate) coinbase: bool,
}

/// A block of any branch, with what it takes to undo it.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) block: Arc<Block>,
    pub(crate) height: u32,
    pub(crate) transactions: Vec<Tx>,
    pub(crate) spent: Vec<(OutPoint, Unspent)>,
}

/// The node.
#[derive(Debug)]
pub(crate) struct Node {
    blocks: BTreeMap<BlockHash, Stored>,
    active: Vec<BlockHash>,
    unspent: BTreeMap<OutPoint, Unspent>,
    confirmed: BTreeMap<Txid, u32>,
    pub(crate) pool: Pool,
    made: u64,
}

/// The block after which custody follows the chain: height 0, no transactions.
pub(crate) fn first_block() -> Block {
    Block { header: header(BlockHash::all_zeros(), 0, 0), txdata: Vec::new() }
}

/// The same by height and hash.
pub(crate) fn first_ref() -> BlockRef {
    block_ref(0, first_block().block_hash())
}

fn header(prev_blockhash: BlockHash, time: u32, nonce: u32) -> Header {
    Header {
        version: Version::TWO,
        prev_blockhash,
        // Nobody in the simulated house looks at it: the follower does, outside.
        merkle_root: TxMerkleNode::all_zeros(),
        time,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce,
    }
}

fn block_ref(height: u32, hash: BlockHash) -> BlockRef {
    let hash = primitives::BlockHash(hash.to_byte_array());
    BlockRef { height: BlockHeight(height), hash }
}

/// The simulator's form of a hash of the domain.
pub(crate) fn node_hash(hash: primitives::BlockHash) -> BlockHash {
    BlockHash::from_byte_array(hash.0)
}

impl Node {
    /// A chain of the first block, in which strangers own `funds`.
    pub(crate) fn new(funds: impl IntoIterator<Item = (OutPoint, ScriptBuf, u64)>) -> Self {
        let block = first_block();
        let hash = block.block_hash();
        let stored = Stored {
            block: Arc::new(block),
            height: 0,
            transactions: Vec::new(),
            spent: Vec::new(),
        };
        let unspent = |(outpoint, script, value)| {
            (outpoint, Unspent { value, script, height: 0, coinbase: false })
        };
        Self {
            blocks: BTreeMap::from([(hash, stored)]),
            active: vec![hash],
            unspent: funds.into_iter().map(unspent).collect(),
            confirmed: BTreeMap::new(),
            pool: Pool::default(),
            made: 0,
        }
    }

    pub(crate) fn height(&self) -> u32 {
        u32::try_from(self.active.len()).unwrap_or(u32::MAX).saturating_sub(1)
    }

    pub(crate) fn tip(&self) -> BlockHash {
        self.active.last().copied().unwrap_or_else(BlockHash::all_zeros)
    }

    /// A block of any branch.
    pub(crate) fn stored(&self, hash: &BlockHash) -> Option<&Stored> {
        self.blocks.get(hash)
    }

    /// Whether the active branch has this block.
    pub(crate) fn is_active(&self, block: BlockRef) -> bool {
        self.active_at(block.height.0) == Some(node_hash(block.hash))
    }

    /// The block of the active branch that follows `tip`, if there is one.
    pub(crate) fn after(&self, tip: BlockRef) -> Option<(BlockRef, Arc<Block>)> {
        let height = tip.height.0.checked_add(1)?;
        let hash = self.active_at(height)?;
        Some((block_ref(height, hash), Arc::clone(&self.blocks.get(&hash)?.block)))
    }

    fn active_at(&self, height: u32) -> Option<BlockHash> {
        self.active.get(usize::try_from(height).ok()?).copied()
    }

    pub(crate) fn unspent(&self) -> impl Iterator<Item = (&OutPoint, &Unspent)> {
        self.unspent.iter()
    }

    pub(crate) fn unspent_output(&self, outpoint: &OutPoint) -> Option<&Unspent> {
        self.unspent.get(outpoint)
    }

    pub(crate) fn is_confirmed(&self, id: &Txid) -> bool {
        self.confirmed.contains_key(id)
    }

    /// Whether the chain has this output unspent and old enough for the next block.
    fn is_ripe(&self, outpoint: &OutPoint) -> bool {
        self.unspent.get(outpoint).is_some_and(|found| {
            let ripe_at = found.height.saturating_add(COINBASE_MATURITY);
            !found.coinbase || ripe_at <= self.height().saturating_add(1)
        })
    }

    /// Takes a transaction into the mempool. `replace` pays enough to push out what is in the way.
    pub(crate) fn accept(&mut self, tx: &Tx, replace: bool) -> Result<(), Rejected> {
        if self.is_confirmed(&tx.id) {
            return Err(Rejected::Confirmed);
        }
        if self.pool.contains(&tx.id) {
            return Ok(());
        }
        let missing = tx.inputs().any(|input| !self.is_ripe(&input) && !self.pool.makes(&input));
        if missing {
            return Err(Rejected::InputMissing);
        }
        self.pool.accept(tx, replace)
    }

    /// Mines a block on the tip: its reward, then what of the mempool `includes` says, parents
    /// before children.
    pub(crate) fn mine(
        &mut self,
        time: u32,
        reward_to: ScriptBuf,
        includes: impl FnMut(&Tx) -> bool,
    ) -> Result<(), Found> {
        self.made = self.made.saturating_add(1);
        let reward = Tx::new(reward(self.made, reward_to));
        let ripe = self.pool.choose(|input| self.is_ripe(input), includes);
        let transactions: Vec<Tx> = std::iter::once(reward).chain(ripe).collect();
        // Every block has another nonce, so that two branches never make the same hash.
        let nonce = u32::try_from(self.made).unwrap_or(u32::MAX);
        let block = Block {
            header: header(self.tip(), time, nonce),
            txdata: transactions.iter().map(|tx| Transaction::clone(&tx.body)).collect(),
        };
        let height = self.height().saturating_add(1);
        let mut spent = Vec::new();
        for tx in &transactions {
            self.connect(tx, height, &mut spent)?;
            self.pool.confirm(tx);
        }
        let hash = block.block_hash();
        let stored = Stored { block: Arc::new(block), height, transactions, spent };
        self.blocks.insert(hash, stored);
        self.active.push(hash);
        Ok(())
    }

    fn connect(
        &mut self,
        tx: &Tx,
        height: u32,
        spent: &mut Vec<(OutPoint, Unspent)>,
    ) -> Result<(), Found> {
        let coinbase = tx.body.is_coinbase();
        for input in tx.inputs().filter(|_| !coinbase) {
            let found = self.unspent.remove(&input);
            spent.push((input, found.ok_or_else(|| Found::simulator("a block spends nothing"))?));
        }
        for (outpoint, output) in tx.outputs() {
            let (value, script) = (output.value.to_sat(), output.script_pubkey.clone());
            self.unspent.insert(outpoint, Unspent { value, script, height, coinbase });
        }
        self.confirmed.insert(tx.id, height);
        Ok(())
    }

    /// Takes the newest block back. What it carried goes to the mempool again, unless `loses` it.
    pub(crate) fn disconnect_tip(&mut self, mut loses: impl FnMut() -> bool) {
        if self.active.len() < 2 {
            return;
        }
        let Some(stored) = self.active.pop().and_then(|hash| self.blocks.get(&hash)) else {
            return;
        };
        let (transactions, spent) = (stored.transactions.clone(), stored.spent.clone());
        for tx in &transactions {
            self.confirmed.remove(&tx.id);
            for (outpoint, _) in tx.outputs() {
                self.unspent.remove(&outpoint);
            }
        }
        // An output that was made and spent within the block is in both lists, and is gone.
        let made_here = |outpoint: &OutPoint| transactions.iter().any(|tx| tx.id == outpoint.txid);
        let back = spent.into_iter().filter(|(outpoint, _)| !made_here(outpoint));
        self.unspent.extend(back);
        for tx in transactions.iter().filter(|tx| !tx.body.is_coinbase()) {
            if !loses() {
                let _refused = self.accept(tx, false);
            }
        }
        self.sweep();
    }

    /// Drops from the mempool what cannot be mined any more.
    fn sweep(&mut self) {
        loop {
            let pool = &self.pool;
            let lost = pool
                .iter()
                .find(|tx| tx.inputs().any(|input| !self.is_ripe(&input) && !pool.makes(&input)));
            let Some(id) = lost.map(|tx| tx.id) else { return };
            self.pool.evict(&id);
        }
    }

    /// A transaction leaves the mempool for no reason, with what depends on it.
    pub(crate) fn forget(&mut self, random: &mut Random) {
        let ids: Vec<Txid> = self.pool.iter().map(|tx| tx.id).collect();
        if let Some(id) = random.pick(&ids) {
            self.pool.evict(id);
        }
    }
}

fn reward(number: u64, script: ScriptBuf) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: ScriptBuf::from_bytes(number.to_le_bytes().to_vec()),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![tx_out(script, REWARD)],
    }
}

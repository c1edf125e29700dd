//! The made-up chain. Nobody checks work here: the follower does, before the core sees a block.

use std::sync::Arc;

use bitcoin::{
    Amount, Block, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode,
    TxOut, Witness, absolute, block, hashes::Hash, transaction,
};
use custody::{Command, Event};
use primitives::{BlockHash, BlockRef, Outpoint, Sats, Txid};

use super::House;

/// The output `vout` of a transaction, in our words.
pub(crate) fn outpoint_of(transaction: &Transaction, vout: u32) -> Outpoint {
    Outpoint { txid: Txid(transaction.compute_txid().to_byte_array()), vout }
}

/// A script that is not ours.
pub(crate) fn stranger(number: u8) -> ScriptBuf {
    ScriptBuf::from_bytes([vec![0x00, 0x14], vec![number; 20]].concat())
}

fn input(outpoint: OutPoint) -> TxIn {
    TxIn {
        previous_output: outpoint,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[[1_u8; 64]]),
    }
}

fn transaction(inputs: Vec<TxIn>, outputs: &[(ScriptBuf, Sats)]) -> Transaction {
    let output = outputs.iter().map(|(script, value)| TxOut {
        value: Amount::from_sat(value.to_sat()),
        script_pubkey: script.clone(),
    });
    Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: inputs,
        output: output.collect(),
    }
}

/// Every block of this chain took the same work.
fn work_of(at: BlockRef) -> [u8; 32] {
    let mut work = [0; 32];
    work[28..].copy_from_slice(&at.height.0.to_be_bytes());
    work
}

impl House {
    /// A transaction from outside that pays `outputs`.
    pub(crate) fn pay(&mut self, outputs: &[(ScriptBuf, Sats)]) -> Transaction {
        let coin = self.outside_coin();
        transaction(vec![input(coin)], outputs)
    }

    /// A coin of somebody else.
    pub(crate) fn outside_coin(&mut self) -> OutPoint {
        let stamp = self.stamp().to_le_bytes();
        OutPoint::new(bitcoin::Txid::hash(&[b"outside".as_slice(), &stamp].concat()), 0)
    }

    /// A transaction that spends what `of` spends, and pays `outputs` instead.
    pub(crate) fn instead_of(of: &Transaction, outputs: &[(ScriptBuf, Sats)]) -> Transaction {
        let inputs = of.input.iter().map(|spent| input(spent.previous_output)).collect();
        transaction(inputs, outputs)
    }

    /// A transaction that spends these coins.
    pub(crate) fn spending(coins: &[Outpoint], outputs: &[(ScriptBuf, Sats)]) -> Transaction {
        let inputs = coins.iter().map(|coin| {
            input(OutPoint::new(bitcoin::Txid::from_byte_array(coin.txid.0), coin.vout))
        });
        transaction(inputs.collect(), outputs)
    }

    /// A block's reward that pays `outputs`.
    pub(crate) fn reward(&mut self, outputs: &[(ScriptBuf, Sats)]) -> Transaction {
        let stamp = self.stamp().to_le_bytes();
        let mut coinbase = transaction(vec![input(OutPoint::null())], outputs);
        coinbase.input[0].script_sig = ScriptBuf::from_bytes([vec![4], stamp.to_vec()].concat());
        coinbase
    }

    /// The newest block.
    pub(crate) fn tip(&self) -> BlockRef {
        self.state.chain_state().unwrap().tip
    }

    /// The next block of the chain, not connected yet.
    pub(crate) fn next_block(&mut self, transactions: &[Transaction]) -> (BlockRef, Block) {
        let coinbase = self.reward(&[(stranger(0), Sats::ZERO)]);
        self.next_block_of([&[coinbase], transactions].concat())
    }

    /// The next block with exactly these transactions.
    pub(crate) fn next_block_of(&mut self, txdata: Vec<Transaction>) -> (BlockRef, Block) {
        let tip = self.tip();
        let header = block::Header {
            version: block::Version::TWO,
            prev_blockhash: bitcoin::BlockHash::from_byte_array(tip.hash.0),
            merkle_root: TxMerkleNode::all_zeros(),
            time: 0,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            nonce: self.stamp(),
        };
        let block = Block { header, txdata };
        let hash = BlockHash(block.block_hash().to_byte_array());
        (BlockRef { height: tip.height.next().unwrap(), hash }, block)
    }

    /// Connects a block that carries these transactions.
    pub(crate) fn block(&mut self, transactions: &[Transaction]) -> Vec<Event> {
        let (at, block) = self.next_block(transactions);
        self.connect(at, block)
    }

    /// Connects a block.
    pub(crate) fn connect(&mut self, at: BlockRef, block: Block) -> Vec<Event> {
        let work = work_of(at);
        let events = self.ok(Command::ConnectBlock { at, work, block: Arc::new(block.clone()) });
        self.chain.push((at, block));
        events
    }

    /// Connects `count` blocks that carry nothing.
    pub(crate) fn blocks(&mut self, count: usize) {
        for _ in 0..count {
            self.block(&[]);
        }
    }

    /// Takes back the newest block, and gives its transactions without the reward.
    pub(crate) fn disconnect(&mut self) -> Vec<Transaction> {
        let (at, block) = self.chain.pop().expect("a block to take back");
        self.ok(Command::DisconnectBlock { block: at });
        block.txdata.into_iter().skip(1).collect()
    }

    /// Takes back the newest `depth` blocks; their transactions, oldest block first.
    pub(crate) fn rewind(&mut self, depth: usize) -> Vec<Vec<Transaction>> {
        let mut blocks: Vec<_> = (0..depth).map(|_| self.disconnect()).collect();
        blocks.reverse();
        blocks
    }

    /// Replaces the newest `depth` blocks by as many with the same transactions, and one more.
    pub(crate) fn reorg(&mut self, depth: usize) {
        for transactions in self.rewind(depth) {
            self.block(&transactions);
        }
        self.block(&[]);
    }
}

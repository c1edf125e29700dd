//! Made-up blocks. Nobody checks work here: the follower does, before the core sees a block.

use std::sync::Arc;

use bitcoin::{
    Amount, Block, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode,
    TxOut, Txid, Witness, absolute, block, hashes::Hash, transaction,
};
use custody::Command;
use primitives::{BlockHash, BlockRef};

/// Numbers that look like chance and are the same in every run (splitmix64, by Sebastiano Vigna).
pub struct Numbers(pub u64);

impl Numbers {
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for part in bytes.chunks_exact_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes());
        }
        bytes
    }
}

/// The taproot output script of this key.
pub fn taproot(key: &[u8; 32]) -> Vec<u8> {
    [&[0x51, 0x20], key.as_slice()].concat()
}

/// A transaction that spends `inputs` coins of strangers and pays `outputs`.
pub fn transaction(
    numbers: &mut Numbers,
    inputs: usize,
    outputs: Vec<(Vec<u8>, u64)>,
) -> Transaction {
    let input = (0..inputs).map(|_| TxIn {
        previous_output: OutPoint::new(Txid::from_byte_array(numbers.bytes()), 1),
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[[1_u8; 64]]),
    });
    let input = input.collect();
    let output = outputs.into_iter().map(|(script, value)| TxOut {
        value: Amount::from_sat(value),
        script_pubkey: ScriptBuf::from_bytes(script),
    });
    Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input,
        output: output.collect(),
    }
}

/// A transaction between strangers, of the usual shape: two inputs, two outputs.
pub fn stranger(numbers: &mut Numbers) -> Transaction {
    let outputs = vec![(taproot(&numbers.bytes()), 50_000), (taproot(&numbers.bytes()), 70_000)];
    transaction(numbers, 2, outputs)
}

/// The block after `tip` with these transactions, and its place.
pub fn next_block(tip: BlockRef, txdata: Vec<Transaction>) -> (BlockRef, Block) {
    let header = block::Header {
        version: block::Version::TWO,
        prev_blockhash: bitcoin::BlockHash::from_byte_array(tip.hash.0),
        merkle_root: TxMerkleNode::from_byte_array(Numbers(u64::from(tip.height.0)).bytes()),
        time: 1_790_000_000,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: 0,
    };
    let block = Block { header, txdata };
    let hash = BlockHash(block.block_hash().to_byte_array());
    let height = tip.height.next().expect("few blocks");
    (BlockRef { height, hash }, block)
}

/// The command that connects such a block.
pub fn connect(tip: BlockRef, txdata: Vec<Transaction>) -> (BlockRef, Command) {
    let (at, block) = next_block(tip, txdata);
    (at, Command::ConnectBlock { at, work: [0; 32], block: Arc::new(block) })
}

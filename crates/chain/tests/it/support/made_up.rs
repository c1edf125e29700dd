//! Blocks of a made-up regtest chain, mined here: half of all hashes meet regtest's target.

use bitcoin::{
    Amount, Block, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode,
    TxOut, Witness, absolute,
    block::{Header, Version},
    hashes::Hash,
    script::Builder,
    transaction,
};

/// A block at `height` on top of `parent`. Another `tag` makes another block.
pub fn mine(parent: &Header, height: u32, tag: u64, payments: Vec<Transaction>) -> Block {
    let header = Header {
        version: Version::from_consensus(0x2000_0000),
        prev_blockhash: parent.block_hash(),
        merkle_root: TxMerkleNode::all_zeros(),
        time: parent.time + 60,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: 0,
    };
    let mut txdata = vec![coinbase(height, tag)];
    txdata.extend(payments);
    let mut block = Block { header, txdata };
    commit_to_witnesses(&mut block);
    commit_to_transactions(&mut block);
    grind(&mut block);
    block
}

/// A payment that spends nothing real, with witness data.
pub fn payment(tag: u32) -> Transaction {
    let funding = bitcoin::Txid::from_byte_array([0xfe; 32]);
    Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::new(funding, tag),
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness: Witness::from_slice(&[tag.to_be_bytes()]),
        }],
        output: vec![TxOut { value: Amount::from_sat(1000), script_pubkey: ScriptBuf::new() }],
    }
}

/// Above the limit of a whole block.
#[allow(dead_code, reason = "used by one of the two test binaries that share this file")]
pub fn heavy_payment() -> Transaction {
    let mut heavy = payment(0);
    heavy.output[0].script_pubkey = ScriptBuf::from_bytes(vec![0x6a; 1_000_001]);
    heavy
}

/// Makes the header's root right again.
pub fn commit_to_transactions(block: &mut Block) {
    block.header.merkle_root = block.compute_merkle_root().unwrap();
}

/// Finds a nonce again.
pub fn grind(block: &mut Block) {
    while !block.header.target().is_met_by(block.block_hash()) {
        block.header.nonce += 1;
    }
}

fn coinbase(height: u32, tag: u64) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: Builder::new()
                .push_int(i64::from(height))
                .push_slice(tag.to_be_bytes())
                .into_script(),
            sequence: Sequence::MAX,
            witness: Witness::from_slice(&[[0_u8; 32]]),
        }],
        output: vec![TxOut { value: Amount::from_sat(50), script_pubkey: ScriptBuf::new() }],
    }
}

fn commit_to_witnesses(block: &mut Block) {
    let root = block.witness_root().unwrap();
    let commitment = Block::compute_witness_commitment(&root, &[0; 32]);
    let mut script = vec![0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];
    script.extend_from_slice(commitment.as_byte_array());
    block.txdata[0]
        .output
        .push(TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(script) });
}

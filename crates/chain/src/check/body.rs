//! The rules of a block's transactions that need nothing but the block and its height.

use bitcoin::{
    Block, Transaction, TxMerkleNode, WitnessMerkleNode,
    hashes::{Hash, HashEngine, sha256d},
    script::Builder,
};

use super::{Refusal, Rules};

/// Source: BIP-141, `MAX_BLOCK_WEIGHT`.
const WEIGHT_MAX: u64 = 4_000_000;
/// `OP_RETURN`, a push of 36 bytes, and the tag of the commitment. Source: BIP-141.
const COMMITMENT_TAG: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];
const COMMITMENT_BYTES_MIN: usize = 38;

pub(super) fn check(rules: Rules, height: u32, block: &Block) -> Result<(), Refusal> {
    // Refusals, cheapest first.
    let coinbase = the_coinbase(block)?;
    let weight = block.weight().to_wu();
    if weight > WEIGHT_MAX {
        return Err(Refusal::TooHeavy { weight });
    }
    check_coinbase_height(rules, height, coinbase)?;
    check_merkle_root(block)?;
    check_witness(rules, height, block, coinbase)
}

/// That the first transaction is a coinbase also rules out reading inner nodes of the merkle tree
/// as transactions of 64 bytes (CVE-2017-12842): an inner node that reads as a coinbase would have
/// to be mined.
fn the_coinbase(block: &Block) -> Result<&Transaction, Refusal> {
    let transactions = block.txdata.len();
    let coinbase = block.txdata.first().filter(|first| first.is_coinbase());
    let coinbase = coinbase.ok_or(Refusal::NoCoinbase { transactions })?;
    match block.txdata.iter().skip(1).position(Transaction::is_coinbase) {
        Some(index) => Err(Refusal::SecondCoinbase { index: index.saturating_add(1) }),
        None => Ok(coinbase),
    }
}

/// Source: BIP-34. It also makes coinbases, and so all txids, unique.
fn check_coinbase_height(rules: Rules, height: u32, coinbase: &Transaction) -> Result<(), Refusal> {
    if height < rules.bip34_from {
        return Ok(());
    }
    let expected = Builder::new().push_int(i64::from(height)).into_script();
    let script = coinbase.input.first().map_or(&[][..], |input| input.script_sig.as_bytes());
    if script.starts_with(expected.as_bytes()) {
        return Ok(());
    }
    Err(Refusal::WrongCoinbaseHeight { expected: height })
}

fn check_merkle_root(block: &Block) -> Result<(), Refusal> {
    let leaves = block.txdata.iter().map(|transaction| transaction.compute_txid().to_raw_hash());
    let tree = merkle_tree(leaves.collect());
    if TxMerkleNode::from_raw_hash(tree.root) != block.header.merkle_root {
        return Err(Refusal::WrongMerkleRoot);
    }
    if tree.ambiguous {
        return Err(Refusal::RepeatedTransactions);
    }
    Ok(())
}

struct MerkleTree {
    root: sha256d::Hash,
    /// Two equal neighbours: a shorter list has the same root.
    ambiguous: bool,
}

/// Where a level is odd, its last node is paired with itself. So a list whose tail is written
/// twice has the root of the honest list, and a node that passes it on could make us remember
/// the honest block as bad (CVE-2012-2459).
fn merkle_tree(mut level: Vec<sha256d::Hash>) -> MerkleTree {
    let mut ambiguous = false;
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => {
                    ambiguous |= left == right;
                    parent(left, right)
                }
                [alone, ..] => parent(alone, alone),
                [] => sha256d::Hash::all_zeros(),
            })
            .collect();
    }
    let root = level.first().copied().unwrap_or_else(sha256d::Hash::all_zeros);
    MerkleTree { root, ambiguous }
}

fn parent(left: &sha256d::Hash, right: &sha256d::Hash) -> sha256d::Hash {
    let mut engine = sha256d::Hash::engine();
    engine.input(left.as_ref());
    engine.input(right.as_ref());
    sha256d::Hash::from_engine(engine)
}

/// Source: BIP-141. Stricter than the `bitcoin` library, which lets a block pass whose witness
/// data was stripped off: nodes do not, and a stripped block has another wtxid for each payment.
fn check_witness(
    rules: Rules,
    height: u32,
    block: &Block,
    coinbase: &Transaction,
) -> Result<(), Refusal> {
    let commitment = committed(coinbase).filter(|_| height >= rules.segwit_from);
    let Some(commitment) = commitment else {
        let mut inputs = block.txdata.iter().flat_map(|transaction| &transaction.input);
        if inputs.any(|input| !input.witness.is_empty()) {
            return Err(Refusal::UnexpectedWitness);
        }
        return Ok(());
    };
    let witness = coinbase.input.first().map(|input| &input.witness);
    let reserved =
        witness.filter(|w| w.len() == 1).and_then(|w| w.nth(0)).filter(|r| r.len() == 32);
    let reserved = reserved.ok_or(Refusal::WrongWitnessCommitment)?;
    let root = WitnessMerkleNode::from_raw_hash(witness_root(block));
    let computed = Block::compute_witness_commitment(&root, reserved);
    if computed.as_byte_array().as_slice() == commitment {
        return Ok(());
    }
    Err(Refusal::WrongWitnessCommitment)
}

/// The 32 bytes in the last output that carries the tag.
fn committed(coinbase: &Transaction) -> Option<&[u8]> {
    let scripts = coinbase.output.iter().rev().map(|output| output.script_pubkey.as_bytes());
    let mut tagged = scripts.filter(|script| {
        script.len() >= COMMITMENT_BYTES_MIN && script.starts_with(&COMMITMENT_TAG)
    });
    tagged.next()?.get(COMMITMENT_TAG.len()..COMMITMENT_BYTES_MIN)
}

/// The coinbase stands in this tree as zero, because it holds the commitment itself.
fn witness_root(block: &Block) -> sha256d::Hash {
    let others = block.txdata.iter().skip(1).map(|tx| tx.compute_wtxid().to_raw_hash());
    merkle_tree(std::iter::once(sha256d::Hash::all_zeros()).chain(others).collect()).root
}

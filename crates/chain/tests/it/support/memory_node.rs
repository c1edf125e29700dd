//! A node in memory: blocks, branches, and the choice of the best one by work.

use std::collections::BTreeMap;

use bitcoin::{Block, Network, block::Header, constants::genesis_block};
use chain::{
    Fault,
    check::ChainWork,
    follow::Source,
    node::{ChainInfo, Place, genesis, our_hash},
    rpc::RpcError,
};
use primitives::{BlockHash, BlockHeight, BlockRef, Timestamp};

use super::made_up::{self, mine};

#[derive(Clone)]
struct Kept {
    block: Block,
    height: u32,
    work: ChainWork,
    /// Which came first counts between equals.
    order: usize,
    invalid: bool,
}

#[derive(Clone)]
pub struct MemoryNode {
    blocks: BTreeMap<BlockHash, Kept>,
    best: BlockHash,
}

impl MemoryNode {
    /// A node that has the first block of regtest.
    pub fn new() -> Self {
        let block = genesis_block(Network::Regtest);
        let best = genesis(Network::Regtest).hash;
        let work = ChainWork::of(&block.header);
        let kept = Kept { block, height: 0, work, order: 0, invalid: false };
        Self { blocks: BTreeMap::from([(best, kept)]), best }
    }

    /// Mines a block with one payment on top of `parent`.
    pub fn mine_on(&mut self, parent: BlockHash, tag: u64) -> BlockHash {
        let Kept { block, height, work, invalid, .. } = self.blocks[&parent].clone();
        let payment = made_up::payment(u32::try_from(tag).unwrap());
        let block = mine(&block.header, height + 1, tag, vec![payment]);
        let hash = our_hash(block.block_hash());
        let work = work.checked_add(ChainWork::of(&block.header)).unwrap();
        let order = self.blocks.len();
        let kept = Kept { block, height: height + 1, work, order, invalid };
        self.blocks.entry(hash).or_insert(kept);
        self.choose();
        hash
    }

    pub fn mine(&mut self, count: u64, tag: u64) {
        for n in 0..count {
            self.mine_on(self.best, tag + n);
        }
    }

    /// Marks the block at `height` of the best chain, and all above it, as invalid.
    pub fn invalidate(&mut self, height: u32) {
        let Some(hash) = self.best_at(height).filter(|_| height > 0) else { return };
        let mut marked = vec![hash];
        while let Some(parent) = marked.pop() {
            self.blocks.get_mut(&parent).unwrap().invalid = true;
            let children = self.blocks.iter().filter(|(_, kept)| {
                our_hash(kept.block.header.prev_blockhash) == parent && !kept.invalid
            });
            marked.extend(children.map(|(hash, _)| *hash));
        }
        self.choose();
    }

    /// Loses everything above `height`, as after a crash.
    pub fn forget_above(&mut self, height: u32) {
        self.blocks.retain(|_, kept| kept.height <= height);
        self.choose();
    }

    fn choose(&mut self) {
        let valid = self.blocks.iter().filter(|(_, kept)| !kept.invalid);
        let best = valid.max_by_key(|(_, kept)| (kept.work, std::cmp::Reverse(kept.order)));
        self.best = *best.unwrap().0;
    }

    pub fn best(&self) -> BlockHash {
        self.best
    }

    pub fn height(&self) -> u32 {
        self.blocks[&self.best].height
    }

    /// The best chain, from the first block to the tip.
    pub fn best_chain(&self) -> Vec<BlockRef> {
        let mut chain = Vec::new();
        let mut hash = self.best;
        while let Some(kept) = self.blocks.get(&hash) {
            chain.push(BlockRef { height: BlockHeight(kept.height), hash });
            hash = our_hash(kept.block.header.prev_blockhash);
        }
        chain.reverse();
        chain
    }

    pub fn best_at(&self, height: u32) -> Option<BlockHash> {
        let chain = self.best_chain();
        chain.iter().find(|at| at.height.0 == height).map(|at| at.hash)
    }

    pub fn all(&self) -> Vec<BlockHash> {
        self.blocks.keys().copied().collect()
    }
}

pub fn not_found() -> RpcError {
    RpcError { code: RpcError::NOT_FOUND, message: "Block not found".to_owned() }
}

impl Source for MemoryNode {
    fn check_network(&mut self, network: Network) -> Result<(), Fault> {
        assert_eq!(network, Network::Regtest);
        Ok(())
    }

    fn chain_info(&mut self) -> Result<ChainInfo, Fault> {
        let best = &self.blocks[&self.best];
        Ok(ChainInfo {
            network: "regtest".to_owned(),
            blocks: best.height,
            headers: best.height,
            best: self.best,
            initial_block_download: false,
            work: best.work,
            tip_time: Timestamp::parse_seconds(best.block.header.time.into()).unwrap(),
        })
    }

    fn place(&mut self, hash: BlockHash) -> Result<Option<Place>, Fault> {
        let Some(kept) = self.blocks.get(&hash) else { return Ok(None) };
        let on_best_chain = self.best_at(kept.height) == Some(hash);
        Ok(Some(Place {
            height: BlockHeight(kept.height),
            on_best_chain,
            next: self.best_at(kept.height + 1).filter(|_| on_best_chain),
            work: kept.work,
        }))
    }

    fn header(&mut self, hash: BlockHash) -> Result<Header, Fault> {
        self.block(hash).map(|block| block.header)
    }

    fn block(&mut self, hash: BlockHash) -> Result<Block, Fault> {
        let kept = self.blocks.get(&hash);
        let fault = || Fault::Rpc { tried: "getblock".to_owned(), cause: not_found() };
        kept.map(|kept| kept.block.clone()).ok_or_else(fault)
    }

    fn has_invalid_branch(&mut self, height: BlockHeight) -> Result<bool, Fault> {
        Ok(self.blocks.values().any(|kept| kept.invalid && kept.height >= height.0))
    }
}

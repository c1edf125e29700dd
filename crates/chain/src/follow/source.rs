use bitcoin::{Block, Network, block::Header};
use primitives::{BlockHash, BlockHeight};

use crate::{
    Fault,
    node::{ChainInfo, Node, Place},
};

/// What a follower asks. [`Node`] answers over the wire; the simulator answers from memory.
#[expect(clippy::missing_errors_doc, reason = "each is described at the method of `Node`")]
pub trait Source {
    /// See [`Node::check_network`].
    fn check_network(&mut self, network: Network) -> Result<(), Fault>;
    /// See [`Node::chain_info`].
    fn chain_info(&mut self) -> Result<ChainInfo, Fault>;
    /// See [`Node::place`].
    fn place(&mut self, hash: BlockHash) -> Result<Option<Place>, Fault>;
    /// See [`Node::header`].
    fn header(&mut self, hash: BlockHash) -> Result<Header, Fault>;
    /// See [`Node::block`].
    fn block(&mut self, hash: BlockHash) -> Result<Block, Fault>;
    /// See [`Node::has_invalid_branch`].
    fn has_invalid_branch(&mut self, height: BlockHeight) -> Result<bool, Fault>;
}

impl Source for Node {
    fn check_network(&mut self, network: Network) -> Result<(), Fault> {
        Self::check_network(self, network)
    }

    fn chain_info(&mut self) -> Result<ChainInfo, Fault> {
        Self::chain_info(self)
    }

    fn place(&mut self, hash: BlockHash) -> Result<Option<Place>, Fault> {
        Self::place(self, hash)
    }

    fn header(&mut self, hash: BlockHash) -> Result<Header, Fault> {
        Self::header(self, hash)
    }

    fn block(&mut self, hash: BlockHash) -> Result<Block, Fault> {
        Self::block(self, hash)
    }

    fn has_invalid_branch(&mut self, height: BlockHeight) -> Result<bool, Fault> {
        Self::has_invalid_branch(self, height)
    }
}

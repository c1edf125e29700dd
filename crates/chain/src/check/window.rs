use std::collections::VecDeque;

use bitcoin::{Block, block::Header};
use primitives::{BlockHash, BlockHeight, BlockRef};

use super::{ChainWork, Refusal, Rules, body, header};
use crate::node::our_hash;

/// Kept below what the rules need, so that a reorg of usual depth asks the node for no headers.
const SLACK_BLOCKS: u32 = 144;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    at: BlockRef,
    header: Header,
    /// Work of the chain up to and with this header.
    work: ChainWork,
}

/// A run of headers that ends in the tip: what the rules need to judge the next block.
///
/// Every header in it is fixed by the hash of the tip it was begun with, because each one below is
/// named by the one above. Only the first tip's total work is the node's word.
#[derive(Debug, Clone)]
pub struct Window {
    rules: Rules,
    /// Lowest first, without the tip.
    below: VecDeque<Entry>,
    tip: Entry,
}

/// Equal tips with equal work; how many headers are still held below is a matter of memory.
impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        self.rules.network == other.rules.network && self.tip == other.tip
    }
}

impl Window {
    /// A window that holds the tip alone; `work` is the node's word for the whole chain.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongBlockHash`] if `header` is not `tip`'s.
    pub fn begin(
        rules: Rules,
        tip: BlockRef,
        header: Header,
        work: ChainWork,
    ) -> Result<Self, Refusal> {
        let found = our_hash(header.block_hash());
        if found != tip.hash {
            return Err(Refusal::WrongBlockHash { found });
        }
        Ok(Self { rules, below: VecDeque::new(), tip: Entry { at: tip, header, work } })
    }

    /// The newest block.
    #[must_use]
    pub const fn tip(&self) -> BlockRef {
        self.tip.at
    }

    /// The newest block's header.
    #[must_use]
    pub const fn tip_header(&self) -> &Header {
        &self.tip.header
    }

    /// Work of the chain up to the tip: the node's word for the first tip, and our own sums since.
    #[must_use]
    pub const fn work(&self) -> ChainWork {
        self.tip.work
    }

    /// The header that [`Window::extend_below`] must bring before the next block can be judged, or
    /// `None` when there are enough.
    #[must_use]
    pub fn missing_below(&self) -> Option<BlockHash> {
        let lowest = self.lowest();
        let needed_from = self.rules.needed_from(self.tip.at.height.0);
        (lowest.at.height.0 > needed_from).then(|| our_hash(lowest.header.prev_blockhash))
    }

    /// Adds the parent of the lowest header.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongBlockHash`] if it is not that parent, [`Refusal::ImpossibleWork`] if the
    /// work that the node claimed for the tip is too small for its headers.
    pub fn extend_below(&mut self, header: Header) -> Result<(), Refusal> {
        let lowest = self.lowest();
        let hash = our_hash(header.block_hash());
        let height = lowest.at.height.0.checked_sub(1);
        let (true, Some(height)) = (header.block_hash() == lowest.header.prev_blockhash, height)
        else {
            return Err(Refusal::WrongBlockHash { found: hash });
        };
        let work = lowest.work.checked_sub(ChainWork::of(&lowest.header));
        let work = work.ok_or(Refusal::ImpossibleWork)?;
        let at = BlockRef { height: BlockHeight(height), hash };
        self.below.push_front(Entry { at, header, work });
        Ok(())
    }

    /// Judges `block` as the one on top of the tip; `asked` is the hash it was asked for by.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub fn check(&self, asked: BlockHash, block: &Block) -> Result<(), Refusal> {
        let height = self.next_height()?;
        // Refusals, cheapest first.
        header::check(self, asked, &block.header)?;
        body::check(self.rules, height, block)
    }

    /// Moves the tip onto `header`, whose block was checked.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongParent`] if it does not build on the tip, [`Refusal::ImpossibleWork`] if
    /// the sum of the work leaves 256 bits.
    pub fn push(&mut self, header: Header) -> Result<BlockRef, Refusal> {
        let found = our_hash(header.prev_blockhash);
        if found != self.tip.at.hash {
            return Err(Refusal::WrongParent { expected: self.tip.at.hash, found });
        }
        let work = self.tip.work.checked_add(ChainWork::of(&header));
        let work = work.ok_or(Refusal::ImpossibleWork)?;
        let height = BlockHeight(self.next_height()?);
        let at = BlockRef { height, hash: our_hash(header.block_hash()) };
        self.below.push_back(std::mem::replace(&mut self.tip, Entry { at, header, work }));
        self.forget_what_is_deep();
        Ok(at)
    }

    /// Goes back to `tip`. `false`, and nothing changes, if it is not held.
    #[must_use]
    pub fn rewind_to(&mut self, tip: BlockRef) -> bool {
        if tip == self.tip.at {
            return true;
        }
        let Some(index) = self.below.iter().rposition(|entry| entry.at == tip) else {
            return false;
        };
        self.below.truncate(index.saturating_add(1));
        if let Some(entry) = self.below.pop_back() {
            self.tip = entry;
        }
        true
    }

    pub(super) const fn rules(&self) -> Rules {
        self.rules
    }

    pub(super) fn next_height(&self) -> Result<u32, Refusal> {
        // A chain of 2^32 blocks is 80,000 years away; a node that claims it is lying.
        self.tip.at.height.next().map(|height| height.0).ok_or(Refusal::ImpossibleWork)
    }

    /// The header at `height`, if it is held.
    pub(super) fn at(&self, height: u32) -> Option<&Header> {
        let down = self.tip.at.height.0.checked_sub(height)?;
        self.newest_first().nth(usize::try_from(down).ok()?)
    }

    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Header> {
        let below = self.below.iter().rev().map(|entry| &entry.header);
        std::iter::once(&self.tip.header).chain(below)
    }

    /// Every rule sees the headers it needs, or none decides.
    pub(super) fn require_context(&self) -> Result<(), Refusal> {
        match self.missing_below() {
            None => Ok(()),
            Some(_) => Err(Refusal::MissingContext {
                needed_from: self.rules.needed_from(self.tip.at.height.0),
                lowest: self.lowest().at.height.0,
            }),
        }
    }

    fn lowest(&self) -> &Entry {
        self.below.front().unwrap_or(&self.tip)
    }

    fn forget_what_is_deep(&mut self) {
        let needed_from = self.rules.needed_from(self.tip.at.height.0);
        let keep_from = needed_from.saturating_sub(SLACK_BLOCKS);
        while self.below.front().is_some_and(|entry| entry.at.height.0 < keep_from) {
            self.below.pop_front();
        }
    }
}

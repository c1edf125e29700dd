//! Our coins: what the chain says is ours, and what of it a batch has reserved.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{BatchId, BlockHeight, Outpoint, Sats};

use crate::event::Watched;

/// One unspent output of ours in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Coin {
    /// Its value.
    pub value: Sats,
    /// Which of our scripts it pays.
    pub watched: Watched,
    /// The height of its block.
    pub height: BlockHeight,
    /// Whether it is a block's reward.
    pub coinbase: bool,
    /// Whether it is ours to spend, or belongs to a deposit that is not credited yet.
    pub at_rest: bool,
}

impl Coin {
    /// Whether a batch may spend it when `tip` is the newest block.
    #[must_use]
    pub fn is_spendable(&self, tip: BlockHeight, final_confirmations: u32) -> bool {
        let needed = if self.coinbase {
            COINBASE_MATURITY.max(final_confirmations)
        } else {
            final_confirmations
        };
        self.at_rest && self.height.confirmations_at(tip).0 >= needed
    }
}

/// Confirmations before a block's reward may be spent.
/// Source: Bitcoin consensus, `COINBASE_MATURITY` = 100; a coin is spent in a later block.
pub const COINBASE_MATURITY: u32 = 101;

/// The coins of one tier.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Coins {
    unspent: BTreeMap<Outpoint, Coin>,
    reserved: BTreeMap<Outpoint, BatchId>,
    /// Coins at rest that no batch has reserved, the largest first. Rebuilt, never stored.
    #[borsh(skip)]
    free: BTreeSet<(Reverse<Sats>, Outpoint)>,
}

impl Coins {
    /// The coin at this outpoint, if the chain has it unspent.
    #[must_use]
    pub fn get(&self, outpoint: &Outpoint) -> Option<&Coin> {
        self.unspent.get(outpoint)
    }

    /// Every unspent coin, in order of its outpoint.
    pub fn iter(&self) -> impl Iterator<Item = (&Outpoint, &Coin)> {
        self.unspent.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.unspent.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unspent.is_empty()
    }

    /// The batch that has reserved this outpoint.
    #[must_use]
    pub fn reserved_by(&self, outpoint: &Outpoint) -> Option<BatchId> {
        self.reserved.get(outpoint).copied()
    }

    /// Coins at rest that no batch has reserved, the largest first.
    pub fn free(&self) -> impl Iterator<Item = (Outpoint, &Coin)> {
        self.free.iter().filter_map(|(_, outpoint)| Some((*outpoint, self.unspent.get(outpoint)?)))
    }

    pub(crate) fn insert(&mut self, outpoint: Outpoint, coin: Coin) -> Result<(), String> {
        if self.unspent.insert(outpoint, coin).is_some() {
            return Err(format!("coin {outpoint} exists already"));
        }
        self.index(outpoint);
        Ok(())
    }

    pub(crate) fn remove(&mut self, outpoint: &Outpoint) -> Result<Coin, String> {
        let coin =
            self.unspent.remove(outpoint).ok_or_else(|| format!("coin {outpoint} is not ours"))?;
        self.free.remove(&(Reverse(coin.value), *outpoint));
        Ok(coin)
    }

    pub(crate) fn set_at_rest(&mut self, outpoint: &Outpoint) {
        if let Some(coin) = self.unspent.get_mut(outpoint) {
            coin.at_rest = true;
            self.index(*outpoint);
        }
    }

    pub(crate) fn reserve(&mut self, outpoint: Outpoint, batch: BatchId) -> Result<(), String> {
        if let Some(other) = self.reserved.insert(outpoint, batch)
            && !crate::planted::active(crate::planted::Bug::CoinReservedTwice)
        {
            return Err(format!("coin {outpoint} is reserved by {other} already"));
        }
        self.index(outpoint);
        Ok(())
    }

    pub(crate) fn release(&mut self, outpoint: &Outpoint) {
        self.reserved.remove(outpoint);
        self.index(*outpoint);
    }

    /// Fills what is not stored, after a snapshot was read.
    pub(crate) fn rebuild(&mut self) {
        let all: Vec<Outpoint> = self.unspent.keys().copied().collect();
        for outpoint in all {
            self.index(outpoint);
        }
    }

    fn index(&mut self, outpoint: Outpoint) {
        let Some(coin) = self.unspent.get(&outpoint) else { return };
        let entry = (Reverse(coin.value), outpoint);
        let reserved = self.reserved.contains_key(&outpoint)
            && !crate::planted::active(crate::planted::Bug::CoinReservedTwice);
        if coin.at_rest && !reserved {
            self.free.insert(entry);
        } else {
            self.free.remove(&entry);
        }
    }
}

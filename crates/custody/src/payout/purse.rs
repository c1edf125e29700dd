//! What a batch can pay: its coins in the order in which it takes them, and what they cost.

use std::collections::BTreeSet;

use bitcoin::Script;
use primitives::{BlockHeight, FeeRate, Outpoint, Sats};

use crate::{
    coins::{Coin, Coins},
    event::Watched,
};

/// Number and bytes of a transaction's outputs: all that its weight needs to know of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outputs {
    count: usize,
    bytes: u64,
}

impl Outputs {
    /// These and one more with a script of this length.
    #[must_use]
    pub fn with(self, script_bytes: usize) -> Self {
        // Value 8 bytes, script length 1. Source: BIP-144.
        let bytes = u64::try_from(script_bytes).unwrap_or(u64::MAX).saturating_add(9);
        Self { count: self.count.saturating_add(1), bytes: self.bytes.saturating_add(bytes) }
    }
}

/// The weight of a transaction, in weight units, at most. Source: BIP-141.
#[must_use]
pub fn weight(inputs: usize, input_weight: u64, outputs: Outputs) -> u64 {
    let counts = count_bytes(inputs).saturating_add(count_bytes(outputs.count));
    let fixed = counts.saturating_add(8).saturating_add(outputs.bytes).saturating_mul(4);
    let spends = u64::try_from(inputs).unwrap_or(u64::MAX).saturating_mul(input_weight);
    fixed.saturating_add(spends).saturating_add(2)
}

const fn count_bytes(count: usize) -> u64 {
    match count {
        0..=0xfc => 1,
        0xfd..=0xffff => 3,
        _ => 5,
    }
}

/// What inputs and outputs cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// The fee rate.
    pub fee_rate: FeeRate,
    /// The weight of spending one coin, in weight units.
    pub input_weight: u64,
}

impl Price {
    /// The fee of a transaction, [`Sats::MAX`] above the supply.
    #[must_use]
    pub fn fee(self, inputs: usize, outputs: Outputs) -> Sats {
        let weight = weight(inputs, self.input_weight, outputs);
        self.fee_rate.fee_for_weight(weight).unwrap_or(Sats::MAX)
    }

    /// What spending one coin costs.
    #[must_use]
    pub fn input(self) -> Sats {
        self.fee_rate.fee_for_weight(self.input_weight).unwrap_or(Sats::MAX)
    }

    /// Change below this is worth less than spending it costs at this rate, or is dust.
    #[must_use]
    pub fn change_min(self, script: &Script) -> Sats {
        let dust = Sats::parse(script.minimal_non_dust().to_sat()).unwrap_or(Sats::MAX);
        dust.max(self.input())
    }
}

/// Which coins a batch may take.
#[derive(Debug)]
pub struct Till<'a> {
    /// All coins.
    pub coins: &'a Coins,
    /// The newest block.
    pub tip: BlockHeight,
    /// Confirmations that a coin needs.
    pub final_confirmations: u32,
    /// The first external index from which the signer spends nothing: its gap ends there.
    pub external_end: u32,
    /// The most coins.
    pub inputs_max: usize,
    /// Living pins of withdrawals, which only a batch that pays these may take.
    pub withheld: BTreeSet<Outpoint>,
    /// What a coin must be worth more than.
    pub price: Price,
}

impl Till<'_> {
    /// The value of this coin, if it may be spent now and no batch has reserved it.
    #[must_use]
    pub fn free(&self, outpoint: &Outpoint) -> Option<Sats> {
        let coin = self.coins.get(outpoint)?;
        let free = self.coins.reserved_by(outpoint).is_none() && self.may_be_spent(coin);
        free.then_some(coin.value)
    }

    /// Whether the chain and the signer let this coin be spent now.
    fn may_be_spent(&self, coin: &Coin) -> bool {
        let within = match coin.watched {
            Watched::External(index) => index < self.external_end,
            Watched::Internal(_) => true,
        };
        within && coin.is_spendable(self.tip, self.final_confirmations)
    }

    /// The coins of a batch that must take the `forced` ones, or `None` where one of these cannot
    /// be spent now or they are too many.
    #[must_use]
    pub fn purse(&self, forced: &[Outpoint]) -> Option<Purse> {
        let mut purse = Purse { coins: Vec::new(), sums: Vec::new(), forced: forced.len() };
        for outpoint in forced {
            purse.put(*outpoint, self.free(outpoint)?);
        }
        if forced.len() > self.inputs_max {
            return None;
        }
        let others = self.coins.free().filter(|(outpoint, coin)| {
            self.may_be_spent(coin)
                && !self.withheld.contains(outpoint)
                && !forced.contains(outpoint)
        });
        // The largest come first, so that nothing worth taking comes after the first that is not.
        let worth = others.take_while(|(_, coin)| coin.value > self.price.input());
        for (outpoint, coin) in worth.take(self.inputs_max.saturating_sub(forced.len())) {
            purse.put(outpoint, coin.value);
        }
        Some(purse)
    }
}

/// Coins in the order in which a batch takes them: what pins force in, then the largest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purse {
    coins: Vec<Outpoint>,
    /// One and the value of the first coin, two and the value of the first two, and so on.
    sums: Vec<(usize, Sats)>,
    /// So many of the first coins cannot be left out.
    forced: usize,
}

impl Purse {
    fn put(&mut self, outpoint: Outpoint, value: Sats) {
        let sum = self.total().checked_add(value).unwrap_or(Sats::MAX);
        self.coins.push(outpoint);
        self.sums.push((self.coins.len(), sum));
    }

    /// The value of all coins.
    #[must_use]
    pub fn total(&self) -> Sats {
        self.sums.last().map_or(Sats::ZERO, |(_, sum)| *sum)
    }

    /// The fewest coins that cover `payouts` and the fee, with their value. Every coin that is not
    /// forced is worth more than its own fee, so that one more never covers less.
    #[must_use]
    pub fn cover(
        &self,
        price: Price,
        payouts: Sats,
        outputs: Outputs,
    ) -> Option<(&[Outpoint], Sats)> {
        let falls_short = |(coins, sum): &(usize, Sats)| {
            let needed = payouts.checked_add(price.fee(*coins, outputs));
            needed.is_none_or(|needed| needed > *sum)
        };
        let sums = self.sums.get(self.forced.saturating_sub(1)..)?;
        let (coins, sum) = sums.get(sums.partition_point(falls_short))?;
        Some((self.coins.get(..*coins)?, *sum))
    }
}

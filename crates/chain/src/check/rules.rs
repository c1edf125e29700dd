use bitcoin::{Network, params::Params};

/// The rules of one network, as far as they are checked here.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whose rules.
    pub network: Network,
    /// From this height the coinbase states the height.
    pub(super) bip34_from: u32,
    /// From this height a block may commit to witness data.
    pub(super) segwit_from: u32,
    /// Whether BIP-94 holds: retarget from the first block's bits, and no time warp.
    pub(super) bip94: bool,
}

impl Rules {
    /// The rules of `network`.
    ///
    /// Source: Bitcoin Core 29, `src/kernel/chainparams.cpp`, `BIP34Height` and `SegwitHeight`.
    /// (The `bitcoin` library's own parameters say that regtest never activates BIP-34; today's
    /// nodes do so from block 1.)
    #[must_use]
    pub const fn of(network: Network) -> Self {
        let (bip34_from, segwit_from) = match network {
            Network::Bitcoin => (227_931, 481_824),
            Network::Testnet => (21_111, 834_624),
            Network::Testnet4 | Network::Signet => (1, 1),
            Network::Regtest => (1, 0),
        };
        let bip94 = matches!(network, Network::Testnet4);
        Self { network, bip34_from, segwit_from, bip94 }
    }

    pub(super) fn params(&self) -> &'static Params {
        self.network.params()
    }

    /// Blocks between two changes of difficulty, or `None` where it never changes.
    pub(super) fn period(&self) -> Option<u32> {
        if self.params().no_pow_retargeting {
            return None;
        }
        u32::try_from(self.params().difficulty_adjustment_interval()).ok().filter(|p| *p > 0)
    }

    /// The lowest height that the rules look at for a block on top of `tip`: eleven blocks for the
    /// median time, the whole period for the difficulty.
    pub(super) fn needed_from(&self, tip: u32) -> u32 {
        let for_median = tip.saturating_sub(10);
        let into_period = self.period().and_then(|period| tip.checked_rem(period)).unwrap_or(0);
        for_median.min(tip.saturating_sub(into_period))
    }
}

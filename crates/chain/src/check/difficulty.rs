//! Which difficulty the network asks of the next block.
//!
//! Source: Bitcoin consensus, `GetNextWorkRequired` and `CalculateNextWorkRequired`; BIP-94.

use bitcoin::{CompactTarget, block::Header};

use super::{Refusal, Rules, Window};

/// The compact target that the header on top of `window` must carry.
pub(super) fn required(window: &Window, header: &Header) -> Result<CompactTarget, Refusal> {
    let rules = window.rules();
    let tip = window.tip_header();
    let height = window.next_height()?;
    match rules.period() {
        Some(period) if height.checked_rem(period) == Some(0) => {
            retargeted(window, height.saturating_sub(period))
        }
        _ if !rules.params().allow_min_difficulty_blocks => Ok(tip.bits),
        _ if came_late(rules, tip, header) => Ok(easiest(rules)),
        period => Ok(last_ordinary(window, period)),
    }
}

/// The new difficulty after a whole period, computed from how long the period took.
///
/// The interval runs from the period's first block to its last, one block short of the whole:
/// an old slip that is consensus, and the door of the time-warp attack. Only testnet4 closes it.
fn retargeted(window: &Window, first_height: u32) -> Result<CompactTarget, Refusal> {
    let rules = window.rules();
    let last = window.tip_header();
    let first = window.at(first_height).ok_or(Refusal::MissingContext {
        needed_from: first_height,
        lowest: window.tip().height.0,
    })?;
    // A period may end before it began. Consensus clamps that to a quarter of two weeks, as it
    // does with zero.
    let seconds = u64::from(last.time.saturating_sub(first.time));
    // Testnet4 starts from the first block's bits, which the minimum-difficulty rule cannot touch.
    let bits = if rules.bip94 { first.bits } else { last.bits };
    Ok(CompactTarget::from_next_work_required(bits, seconds, rules.params()))
}

/// The testnets: a block that took more than twenty minutes may be of minimum difficulty.
fn came_late(rules: Rules, tip: &Header, header: &Header) -> bool {
    let twice_the_spacing = rules.params().pow_target_spacing.saturating_mul(2);
    u64::from(header.time) > u64::from(tip.time).saturating_add(twice_the_spacing)
}

fn easiest(rules: Rules) -> CompactTarget {
    rules.params().max_attainable_target.to_compact_lossy()
}

/// The testnets: the difficulty of the newest block that is not of minimum difficulty by
/// exception, looking back to the period's first block.
fn last_ordinary(window: &Window, period: Option<u32>) -> CompactTarget {
    let easiest = easiest(window.rules());
    let mut height = window.tip().height.0;
    for header in window.newest_first() {
        let period_begins = period.is_some_and(|period| height.checked_rem(period) == Some(0));
        if header.bits != easiest || period_begins || height == 0 {
            return header.bits;
        }
        height = height.saturating_sub(1);
    }
    // Where the difficulty never changes (regtest) the window may end before the first block.
    easiest
}

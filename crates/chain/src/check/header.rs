//! The rules of a header on top of the window.

use bitcoin::block::Header;
use primitives::BlockHash;

use super::{Refusal, Window, difficulty};
use crate::node::our_hash;

/// Source: Bitcoin consensus, `nMedianTimeSpan`; BIP-113.
const MEDIAN_BLOCKS: usize = 11;
/// Source: BIP-94, `MAX_TIMEWARP`, in seconds.
const TIME_WARP_SECONDS_MAX: u32 = 600;

pub(super) fn check(window: &Window, asked: BlockHash, header: &Header) -> Result<(), Refusal> {
    // Refusals, cheapest first.
    let found = our_hash(header.block_hash());
    if found != asked {
        return Err(Refusal::WrongBlockHash { found });
    }
    let tip = window.tip().hash;
    let parent = our_hash(header.prev_blockhash);
    if parent != tip {
        return Err(Refusal::WrongParent { expected: tip, found: parent });
    }
    window.require_context()?;
    check_work(window, header)?;
    check_time(window, header)
}

fn check_work(window: &Window, header: &Header) -> Result<(), Refusal> {
    let expected = difficulty::required(window, header)?.to_consensus();
    let bits = header.bits.to_consensus();
    if bits != expected {
        return Err(Refusal::WrongDifficulty { expected, found: bits });
    }
    if !header.target().is_met_by(header.block_hash()) {
        return Err(Refusal::InsufficientWork { bits });
    }
    Ok(())
}

pub(super) fn check_time(window: &Window, header: &Header) -> Result<(), Refusal> {
    let found = header.time;
    let median = median_time_past(window);
    if found <= median {
        return Err(Refusal::TimeTooOld { median, found });
    }
    let rules = window.rules();
    let parent = window.tip_header().time;
    let period_begins = match rules.period() {
        Some(period) => window.next_height()?.checked_rem(period) == Some(0),
        None => false,
    };
    let earliest = parent.saturating_sub(TIME_WARP_SECONDS_MAX);
    if rules.bip94 && period_begins && found < earliest {
        return Err(Refusal::TimeWarp { parent, found });
    }
    Ok(())
}

/// The median of the newest eleven times; of all of them in the first ten blocks of a chain.
fn median_time_past(window: &Window) -> u32 {
    let mut times: Vec<u32> =
        window.newest_first().take(MEDIAN_BLOCKS).map(|header| header.time).collect();
    times.sort_unstable();
    let middle = times.len().div_euclid(2);
    times.get(middle).copied().unwrap_or(0)
}

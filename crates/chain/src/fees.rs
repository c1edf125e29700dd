//! A fee rate for a wished number of blocks: the node's estimate between the operator's limits.

use primitives::FeeRate;

use crate::{Fault, node::Node};

/// In how many blocks a transaction should confirm: `1..=1008`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetBlocks(u16);

/// Between which rates we pay, whatever the node says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeLimits {
    floor: FeeRate,
    cap: FeeRate,
}

/// Why a configured number is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FeeSettingError {
    /// The node estimates for one block to a week.
    #[error("a target of {blocks} blocks is outside 1 to 1008")]
    Target {
        /// The number that was given.
        blocks: u16,
    },
    /// There would be no rate to pay.
    #[error("the fee floor {floor} is above the cap {cap}, or zero")]
    FloorAboveCap {
        /// The floor.
        floor: FeeRate,
        /// The cap.
        cap: FeeRate,
    },
}

impl TargetBlocks {
    /// Reads a number of blocks.
    ///
    /// # Errors
    ///
    /// [`FeeSettingError::Target`] outside `1..=1008`.
    pub const fn parse(blocks: u16) -> Result<Self, FeeSettingError> {
        match blocks {
            1..=1008 => Ok(Self(blocks)),
            _ => Err(FeeSettingError::Target { blocks }),
        }
    }
}

impl FeeLimits {
    /// Reads a floor and a cap.
    ///
    /// # Errors
    ///
    /// [`FeeSettingError::FloorAboveCap`] if nothing lies between them, or the floor is zero.
    pub fn parse(floor: FeeRate, cap: FeeRate) -> Result<Self, FeeSettingError> {
        if floor > cap || floor.to_sat_per_kwu() == 0 {
            return Err(FeeSettingError::FloorAboveCap { floor, cap });
        }
        Ok(Self { floor, cap })
    }
}

/// Which number the rate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeeBasis {
    /// The node's estimate as it is.
    Estimate,
    /// The operator's floor, above the estimate.
    Floor,
    /// The node's mempool is full and takes nothing below this.
    MempoolMinimum,
    /// The operator's cap, below what the node says.
    Cap,
}

/// A rate and how it came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeEstimate {
    /// What to pay.
    pub rate: FeeRate,
    /// Which number it is.
    pub basis: FeeBasis,
    /// What the node estimated; `None` where it has seen too little, so that `rate` is a guess.
    pub estimated: Option<FeeRate>,
    /// The lowest rate that the node's mempool takes now.
    pub mempool_minimum: FeeRate,
}

impl FeeEstimate {
    /// Whether the node had no estimate.
    #[must_use]
    pub const fn is_guess(&self) -> bool {
        self.estimated.is_none()
    }

    /// Whether the node would take it; `false` where the cap lies below the mempool's minimum.
    #[must_use]
    pub fn is_relayed(&self) -> bool {
        self.rate >= self.mempool_minimum
    }
}

/// Asks the node for a rate that confirms within `target`, and keeps it within `limits`.
///
/// # Errors
///
/// Any fault of the connection.
pub fn estimate(
    node: &mut Node,
    target: TargetBlocks,
    limits: FeeLimits,
) -> Result<FeeEstimate, Fault> {
    let estimated = node.smart_fee(target.0)?.rate;
    let mempool = node.mempool_info()?;
    Ok(settle(estimated, mempool.min_fee_rate.max(mempool.min_relay_fee_rate), limits))
}

/// The cap is the operator's last word; below it the mempool's minimum wins, because a rate that
/// is not relayed helps nobody.
fn settle(estimated: Option<FeeRate>, mempool_minimum: FeeRate, limits: FeeLimits) -> FeeEstimate {
    let (mut rate, mut basis) = match estimated {
        Some(rate) if rate >= limits.floor => (rate, FeeBasis::Estimate),
        _ => (limits.floor, FeeBasis::Floor),
    };
    if rate < mempool_minimum {
        (rate, basis) = (mempool_minimum, FeeBasis::MempoolMinimum);
    }
    if rate > limits.cap {
        (rate, basis) = (limits.cap, FeeBasis::Cap);
    }
    FeeEstimate { rate, basis, estimated, mempool_minimum }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(sat_per_kwu: u64) -> FeeRate {
        FeeRate::from_sat_per_kwu(sat_per_kwu)
    }

    fn settled(estimated: Option<u64>, minimum: u64) -> (u64, FeeBasis) {
        let limits = FeeLimits::parse(rate(500), rate(5000)).unwrap();
        let fee = settle(estimated.map(rate), rate(minimum), limits);
        (fee.rate.to_sat_per_kwu(), fee.basis)
    }

    #[test]
    fn the_estimate_stays_between_floor_mempool_minimum_and_cap() {
        assert_eq!(settled(Some(700), 250), (700, FeeBasis::Estimate));
        assert_eq!(settled(Some(500), 250), (500, FeeBasis::Estimate));
        assert_eq!(settled(Some(300), 250), (500, FeeBasis::Floor));
        assert_eq!(settled(None, 250), (500, FeeBasis::Floor));
        assert_eq!(settled(None, 900), (900, FeeBasis::MempoolMinimum));
        assert_eq!(settled(Some(9000), 250), (5000, FeeBasis::Cap));
        assert_eq!(settled(Some(700), 9000), (5000, FeeBasis::Cap));
    }

    #[test]
    fn a_cap_below_the_mempool_minimum_is_said_not_to_be_relayed() {
        let limits = FeeLimits::parse(rate(500), rate(5000)).unwrap();
        assert!(!settle(None, rate(9000), limits).is_relayed());
        assert!(settle(None, rate(5000), limits).is_relayed());
    }

    #[test]
    fn settings_that_leave_nothing_to_pay_are_refused() {
        assert!(FeeLimits::parse(rate(501), rate(500)).is_err());
        assert!(FeeLimits::parse(rate(0), rate(500)).is_err());
        assert!(TargetBlocks::parse(0).is_err());
        assert!(TargetBlocks::parse(1009).is_err());
        assert!(TargetBlocks::parse(1008).is_ok());
    }
}

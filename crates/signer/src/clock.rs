//! Time as the signer counts it.
//!
//! Wall clocks can be set, so nothing is earned by them: buckets refill and keys cool down by the
//! **running time**, the sum of what a monotonic clock counted while the signer ran, over all its
//! runs. Downtime earns nothing. The wall clock only says whether an intent has expired, and for
//! that the latest moment ever seen counts, so that a clock set back revives nothing.

use borsh::{BorshDeserialize, BorshSerialize};
use primitives::Timestamp;

/// What the shell's clocks say at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The wall clock.
    pub wall: Timestamp,
    /// A clock in milliseconds that never falls within one run. Where it starts does not matter.
    pub monotonic_millis: u64,
}

/// One moment of the signer's own time, as it is stored.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize,
)]
pub struct Moment {
    /// The latest wall clock ever seen.
    pub wall: Timestamp,
    /// Milliseconds that this signer has run, over all its runs, as far as they were stored.
    pub running_millis: u64,
}

impl Moment {
    /// The later of two moments, part by part.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            wall: self.wall.max(other.wall),
            running_millis: self.running_millis.max(other.running_millis),
        }
    }
}

/// Turns what the shell's clocks say into the signer's own time.
#[derive(Debug)]
pub(crate) struct Clock {
    /// What the monotonic clock said when it was first looked at in this run.
    origin: Option<u64>,
    /// The running time that was stored before this run.
    before: u64,
    moment: Moment,
}

impl Clock {
    /// A clock that goes on from `moment`, the last that was stored.
    pub(crate) const fn resume(moment: Moment) -> Self {
        Self { origin: None, before: moment.running_millis, moment }
    }

    /// The moment now. It never falls.
    pub(crate) fn observe(&mut self, now: Now) -> Moment {
        let origin = *self.origin.get_or_insert(now.monotonic_millis);
        let ran = now.monotonic_millis.saturating_sub(origin);
        let seen = Moment { wall: now.wall, running_millis: self.before.saturating_add(ran) };
        self.moment = self.moment.max(seen);
        self.moment
    }

    /// Takes the wall clock as it is, also where that is earlier than what was seen.
    pub(crate) fn accept_wall(&mut self, now: Now) -> Moment {
        self.observe(now);
        self.moment.wall = now.wall;
        self.moment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(wall: u64, monotonic_millis: u64) -> Now {
        Now { wall: Timestamp::parse_seconds(wall).unwrap(), monotonic_millis }
    }

    #[test]
    fn running_time_counts_only_what_ran() {
        let mut clock = Clock::resume(Moment { wall: Timestamp::EPOCH, running_millis: 500 });
        assert_eq!(clock.observe(now(10, 7_000)).running_millis, 500);
        assert_eq!(clock.observe(now(10, 7_250)).running_millis, 750);
        assert_eq!(clock.observe(now(10, 1)).running_millis, 750);
    }

    #[test]
    fn a_wall_clock_set_back_changes_nothing_until_it_is_accepted() {
        let mut clock = Clock::resume(Moment::default());
        clock.observe(now(100, 0));
        assert_eq!(clock.observe(now(5, 0)).wall.to_seconds(), 100);
        assert_eq!(clock.accept_wall(now(5, 0)).wall.to_seconds(), 5);
    }
}

//! The only place that looks at clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use primitives::Timestamp;
use signer::Now;

/// The clocks of this process.
#[derive(Clone, Copy)]
pub(crate) struct Clocks {
    started: Instant,
}

impl Clocks {
    pub(crate) fn start() -> Self {
        Self { started: instant() }
    }

    /// The wall clock, and the milliseconds that this process ran. A clock before 1970 or after
    /// 9999 counts as the nearest moment that there is.
    pub(crate) fn now(&self) -> Now {
        let ran = instant().duration_since(self.started).as_millis();
        Now { wall: wall(), monotonic_millis: u64::try_from(ran).unwrap_or(u64::MAX) }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the shell, which passes `now` in")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "this is the shell, which passes `now` in")]
fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    Timestamp::parse_millis(millis).unwrap_or(Timestamp::MAX)
}

//! The only place of this process that reads the clock. Everything below gets the time passed in.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use primitives::Timestamp;

/// The wall clock now. A clock before 1970 or after 9999 counts as that end.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the shell reads the clock here, and nowhere else")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    Timestamp::parse_millis(millis).unwrap_or(Timestamp::MAX)
}

/// A moment to measure lengths of time from; it never jumps.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the shell reads the clock here, and nowhere else")]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Random bytes of the operating system.
///
/// # Errors
///
/// Where the operating system has none to give.
pub fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

use std::{
    thread,
    time::{Duration, Instant},
};

/// The moment after which an answer is no longer waited for.
///
/// The one place of this crate that reads a clock, and only the monotonic one: no decision hangs
/// on it but "give up".
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    start: Instant,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        Self { start: now(), limit }
    }

    /// What is left, never zero (a socket reads zero as "no limit"); `None` when it is over.
    pub(crate) fn left(&self) -> Option<Duration> {
        let spent = now().duration_since(self.start);
        self.limit.checked_sub(spent).filter(|left| !left.is_zero())
    }

    /// Asks `ready` again and again until it answers; `None` when the time is over.
    pub(crate) fn poll<T>(&self, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
        loop {
            if let Some(value) = ready() {
                return Some(value);
            }
            let left = self.left()?;
            thread::sleep(left.min(Duration::from_millis(10)));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a limit on waiting for a socket needs a clock")]
fn now() -> Instant {
    Instant::now()
}

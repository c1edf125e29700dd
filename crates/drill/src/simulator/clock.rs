//! Virtual time. Physical time only goes forward; what a machine's wall clock says may jump.

use primitives::Timestamp;
use signer::{Now, sample};

/// Physical time and what the clocks of the two hosts make of it, in milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    /// Since the beginning of the run.
    elapsed: u64,
    server_offset: i64,
    signer_offset: i64,
    /// Where the signer's monotonic clock began in this run of its host.
    signer_origin: u64,
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Self { elapsed: 0, server_offset: 0, signer_offset: 0, signer_origin: 0 }
    }

    pub(crate) const fn pass(&mut self, millis: u64) {
        self.elapsed = self.elapsed.saturating_add(millis);
    }

    /// Physical milliseconds since the beginning.
    pub(crate) const fn elapsed(&self) -> u64 {
        self.elapsed
    }

    /// What customers' clocks and the miners' say.
    pub(crate) fn physical(&self) -> Timestamp {
        self.shifted(0)
    }

    /// The server's wall clock.
    pub(crate) fn server(&self) -> Timestamp {
        self.shifted(self.server_offset)
    }

    /// What the signer's host says. `wall_drives_it` plants the bug of a signer that takes the
    /// wall clock for a monotonic one.
    pub(crate) fn signer(&self, wall_drives_it: bool) -> Now {
        let wall = self.shifted(self.signer_offset);
        let counted = self.elapsed.saturating_add(self.signer_origin);
        let monotonic_millis = if wall_drives_it { wall.to_millis() } else { counted };
        Now { wall, monotonic_millis }
    }

    pub(crate) const fn set_server_offset(&mut self, millis: i64) {
        self.server_offset = millis;
    }

    pub(crate) const fn set_signer_offset(&mut self, millis: i64) {
        self.signer_offset = millis;
    }

    pub(crate) const fn jumped(&self) -> bool {
        self.server_offset != 0 || self.signer_offset != 0
    }

    /// A restarted host's monotonic clock begins anywhere.
    pub(crate) const fn restart_signer(&mut self, origin: u64) {
        self.signer_origin = origin;
    }

    fn shifted(&self, offset: i64) -> Timestamp {
        let base = sample::NOON.to_millis().saturating_add(self.elapsed);
        let millis = base.saturating_add_signed(offset);
        Timestamp::parse_millis(millis).unwrap_or(Timestamp::MAX)
    }
}

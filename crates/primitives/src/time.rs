use std::fmt;

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};

/// A length of time in whole seconds.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    BorshSchema,
)]
pub struct Seconds(pub u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

/// A moment in milliseconds since 1970-01-01T00:00:00Z (UTC, without leap seconds), up to the end
/// of the year 9999.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    BorshSchema,
)]
pub struct Timestamp(u64);

/// Why a number is not a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{millis} ms since 1970 is after the year 9999")]
pub struct TimeError {
    /// The number that was given, in milliseconds.
    pub millis: u64,
}

impl Timestamp {
    /// The first moment, 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// The last moment, 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// Reads milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// [`TimeError`] after [`Timestamp::MAX`].
    pub const fn parse_millis(millis: u64) -> Result<Self, TimeError> {
        if millis > Self::MAX.0 { Err(TimeError { millis }) } else { Ok(Self(millis)) }
    }

    /// Reads whole seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`TimeError`] after [`Timestamp::MAX`].
    pub const fn parse_seconds(seconds: u64) -> Result<Self, TimeError> {
        Self::parse_millis(seconds.saturating_mul(1000))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn to_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn to_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// This moment and `seconds` more; [`Timestamp::MAX`] at the latest.
    #[must_use]
    pub const fn saturating_add(self, seconds: Seconds) -> Self {
        let millis = self.0.saturating_add(seconds.0.saturating_mul(1000));
        if millis > Self::MAX.0 { Self::MAX } else { Self(millis) }
    }

    /// Milliseconds from `earlier` to this moment, or zero if `earlier` is later.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// RFC 3339 in UTC with milliseconds, such as `2019-05-07T17:15:24.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0 % 1000;
        let seconds_of_day = self.to_seconds() % 86_400;
        let (year, month, day) = civil_from_days(self.to_seconds() / 86_400);
        let (hour, minute, second) =
            (seconds_of_day / 3600, seconds_of_day / 60 % 60, seconds_of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// Year, month and day of the Gregorian calendar for a count of days since 1970-01-01.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "days is at most 2,932,896 (the year 9999), so that no step comes near 2^64"
)]
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // days since 0000-03-01
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_557_249_324, "2019-05-07T17:15:24.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Timestamp::parse_seconds(seconds).unwrap().to_string(), text);
        }
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
        assert!(Timestamp::parse_millis(Timestamp::MAX.to_millis() + 1).is_err());
    }
}

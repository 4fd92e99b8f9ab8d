//! Time: UTC milliseconds inside, IANA zones at the edge, the clock always an argument.

use std::{fmt, ops::Add, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// An instant: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted (Unix time).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The last instant that [`Timestamp::to_utc`] can show (9999-12-31T23:59:59.999Z): what "never" is written as.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// From whole Unix seconds, the resolution of block times and of EVM deadlines.
    pub fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000).min(Self::MAX.0))
    }

    /// Whole Unix seconds, rounded down.
    pub fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// The same instant as a calendar value; instants after [`Timestamp::MAX`] are shown as that.
    pub fn to_utc(self) -> DateTime<Utc> {
        let ms = i64::try_from(self.0.min(Self::MAX.0)).unwrap_or(i64::MAX);
        DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// From a calendar value; `None` before 1970 and after 9999.
    pub fn from_utc(at: DateTime<Utc>) -> Option<Self> {
        let ms = u64::try_from(at.timestamp_millis()).ok()?;
        (ms <= Self::MAX.0).then_some(Self(ms))
    }

    /// RFC 3339, UTC, milliseconds: the only form in which an instant leaves the platform.
    pub fn to_rfc3339(self) -> String {
        self.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// Parses any RFC 3339 instant; `None` where the text is none or lies outside 1970..=9999.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        Self::from_utc(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
    }

    /// So much earlier; never before the first instant there is.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this instant is; zero where it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, d: Duration) -> Self {
        let ms = u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(ms).min(Self::MAX.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

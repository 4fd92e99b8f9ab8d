//! When a time job is due. Instants follow from the schedule and the job's anchor alone; nothing drifts.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A schedule, parsed and checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    /// Every so many seconds (at least 1), counted from the anchor; the first instant is anchor + interval.
    Interval {
        /// Seconds.
        every_secs: u64,
    },
    /// A cron expression in an IANA zone.
    Cron {
        /// As the user wrote it: 5 to 7 fields or an `@` macro.
        expression: String,
        /// Where its hours are counted.
        zone: Tz,
    },
    /// One instant.
    Once {
        /// The instant.
        at: Timestamp,
    },
}

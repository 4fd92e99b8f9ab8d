//! When a time job is due. Instants follow from the schedule and the job's anchor alone; nothing drifts.
//!
//! Where a zone changes its clocks, two rules hold for every calendar schedule:
//!
//! - a local time that is skipped is read with the offset that was in force before the change (RFC 5545, 3.3.5):
//!   `30 2 * * *` runs at 03:30 on that night, once, and `*/5 * * * *` goes on every five minutes;
//! - a local time that comes twice means the first one, except in a cron expression whose second, minute or hour
//!   begins with `*`: that one follows real time and runs in both.

mod cron;
mod instant;

use std::time::Duration;

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

/// Why a schedule is refused. Each message says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSchedule {
    /// Zero, or past the calendar.
    #[error("an interval is a whole number of seconds from 1 to {}", Schedule::EVERY_SECS_MAX)]
    Interval,
    /// No such zone.
    #[error("{0:?} is no IANA time zone: write for example \"Europe/Berlin\" or \"UTC\"")]
    Zone(String),
    /// Not a cron expression of ours.
    #[error("the cron expression cannot be read: {0}")]
    Cron(String),
    /// A cron expression that matches no date, 30 February for one.
    #[error("the cron expression never comes true up to the year 2100")]
    Never,
    /// No instant.
    #[error(
        "{0:?} is no instant: write \"2025-01-31 15:04\", \"2025-01-31 15:04:05\" (in the job's time zone), or RFC 3339"
    )]
    Instant(String),
}

/// The instants of a stretch, as far as they were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missed {
    /// The earliest ones, in order, as many as were asked for.
    pub first: Vec<Timestamp>,
    /// The last one of the whole stretch; `None`: the stretch has none.
    pub latest: Option<Timestamp>,
}

impl Schedule {
    /// Ten thousand years: nothing longer can be told apart from "never".
    pub const EVERY_SECS_MAX: u64 = 315_360_000_000;

    /// Every so many seconds.
    pub fn parse_interval(every_secs: u64) -> Result<Self, BadSchedule> {
        if (1..=Self::EVERY_SECS_MAX).contains(&every_secs) {
            Ok(Self::Interval { every_secs })
        } else {
            Err(BadSchedule::Interval)
        }
    }

    /// A cron expression, checked to come true at least once.
    ///
    /// - 5 fields: minute, hour, day of month, month, day of week, as in crontab(5).
    /// - 6 fields: a second before them. 7 fields: a year (1970 to 2100) after those.
    /// - Days of the week are 0 to 7 in every form, 0 and 7 being Sunday, or names.
    /// - In every form, where day of month and day of week are both restricted (neither begins with `*` or `?`),
    ///   a day that fulfils either counts (Vixie cron); else both must hold.
    /// - `a/n` means from a to the end in steps of n; `?` means `*`.
    /// - `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight`, `@hourly`; `@every 1h30m` is an
    ///   interval counted from the anchor.
    pub fn parse_cron(expression: &str, zone: Tz) -> Result<Self, BadSchedule> {
        if let Some(duration) = expression.trim().strip_prefix("@every ") {
            return Self::parse_interval(cron::parse_every(duration)?);
        }
        let plan = cron::Plan::parse(expression, zone)?;
        plan.next_after(0).ok_or(BadSchedule::Never)?;
        Ok(Self::Cron { expression: expression.trim().to_owned(), zone })
    }

    /// One instant: a local date and time in `zone`, seconds optional, or RFC 3339 with its own offset.
    pub fn parse_once(text: &str, zone: Tz) -> Result<Self, BadSchedule> {
        instant::parse(text, zone)
            .map(|at| Self::Once { at })
            .ok_or_else(|| BadSchedule::Instant(text.chars().take(60).collect()))
    }

    /// A zone by its IANA name; an empty name is UTC.
    pub fn parse_zone(name: &str) -> Result<Tz, BadSchedule> {
        match name.trim() {
            "" => Ok(Tz::UTC),
            name => name.parse().map_err(|_| BadSchedule::Zone(name.chars().take(60).collect())),
        }
    }

    /// The schedule made ready for many questions: a cron expression is read once.
    pub fn plan(&self) -> Plan {
        Plan(match self {
            Self::Interval { every_secs } => Kind::Interval(every_secs.saturating_mul(1000)),
            // One that cannot be read never got past `parse_cron`; it is then never due.
            Self::Cron { expression, zone } => {
                cron::Plan::parse(expression, *zone).map_or(Kind::Never, |plan| Kind::Cron(Box::new(plan)))
            }
            Self::Once { at } => Kind::Once(*at),
        })
    }

    /// See [`Plan::next_after`].
    pub fn next_after(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        self.plan().next_after(anchor, after)
    }

    /// See [`Plan::missed`].
    pub fn missed(&self, anchor: Timestamp, after: Timestamp, until: Timestamp, max: usize) -> Missed {
        self.plan().missed(anchor, after, until, max)
    }

    /// The first `count` due instants of a job accepted at `anchor` whose time ends at `expires_at`.
    pub fn first_instants(&self, anchor: Timestamp, expires_at: Timestamp, count: usize) -> Vec<Timestamp> {
        self.plan().missed(anchor, anchor, expires_at, count).first
    }
}

/// A schedule that answers without reading its expression again.
#[derive(Debug, Clone)]
pub struct Plan(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Interval(u64),
    Cron(Box<cron::Plan>),
    Once(Timestamp),
    Never,
}

impl Plan {
    /// The first due instant strictly after both `anchor` and `after`; `None`: there is none up to 9999 (for cron
    /// expressions, up to 2100).
    pub fn next_after(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        let after = after.max(anchor);
        let next = match &self.0 {
            Kind::Interval(0) | Kind::Never => None,
            Kind::Interval(every_ms) => {
                let passed = (after.0 - anchor.0) / every_ms;
                anchor.0.checked_add(every_ms.checked_mul(passed + 1)?).map(Timestamp)
            }
            Kind::Cron(plan) => {
                let secs = plan.next_after(i64::try_from(after.as_secs()).ok()?)?;
                Some(Timestamp::from_secs(u64::try_from(secs).ok()?))
            }
            Kind::Once(at) => Some(*at).filter(|at| *at > after),
        };
        next.filter(|at| *at <= Timestamp::MAX)
    }

    /// The instants in the stretch from `after`, excluded, to `until`, included: the first `max` and the last.
    pub fn missed(&self, anchor: Timestamp, after: Timestamp, until: Timestamp, max: usize) -> Missed {
        let mut missed = Missed { first: Vec::new(), latest: self.latest(anchor, after, until) };
        let mut at = after;
        while missed.first.len() < max {
            match self.next_after(anchor, at) {
                Some(next) if next <= until => {
                    missed.first.push(next);
                    at = next;
                }
                _ => break,
            }
        }
        missed
    }

    /// The last instant after `after` and at or before `until`. Costs the logarithm of the stretch, however many
    /// instants lie in it.
    pub fn latest(&self, anchor: Timestamp, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let next_within = |from: Timestamp| self.next_after(anchor, from).filter(|next| *next <= until);
        let mut found = next_within(after)?;
        // `next_within` answers for everything before the last instant and for nothing from it on.
        let mut beyond = until;
        while found < beyond {
            let middle = found + Duration::from_millis((beyond.0 - found.0) / 2);
            match next_within(middle) {
                Some(next) => found = next,
                None => beyond = middle,
            }
            if beyond.0 - found.0 <= 1 {
                return Some(next_within(found).unwrap_or(found));
            }
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests;

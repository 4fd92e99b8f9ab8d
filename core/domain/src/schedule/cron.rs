//! Cron expressions: read here, with crontab's meaning, and searched by the `cron` crate.
//!
//! The crate finds local times; it is asked in UTC as if that were local, so that the rules for clock changes are
//! ours. It numbers days from 1 and combines day of month and day of week by "and"; both are translated.

use std::{collections::BTreeSet, str::FromStr};

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

use super::BadSchedule;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// How far is looked at once. Wider than the largest distance between the earliest and the latest instant that a
/// local time can mean (offsets differ by 26 hours at most, and a gap by 24: Samoa left out 2011-12-30).
const WINDOW: i64 = 3 * DAY;
/// A clock change further back than this no longer matters.
const LOOK_BACK: i64 = 2 * DAY;
/// No zone is further from UTC.
const OFFSET_MAX: i64 = 16 * HOUR;
/// Each round either answers or jumps to the next local time that matches: a bound for what cannot happen.
const ROUNDS_MAX: u32 = 32;
/// Longer expressions are refused unread.
const LENGTH_MAX: usize = 1000;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// What a field may hold.
struct FieldKind {
    name: &'static str,
    min: u32,
    max: u32,
    /// Where `*` and `a/n` end: 6 for the day of week, whose 7 is its 0 once more.
    top: u32,
    /// Names of the values from `min` on.
    names: &'static [&'static str],
}

const SECOND: FieldKind = FieldKind { name: "second", min: 0, max: 59, top: 59, names: &[] };
const MINUTE: FieldKind = FieldKind { name: "minute", min: 0, max: 59, top: 59, names: &[] };
const HOURS: FieldKind = FieldKind { name: "hour", min: 0, max: 23, top: 23, names: &[] };
const MONTH_DAY: FieldKind = FieldKind { name: "day of month", min: 1, max: 31, top: 31, names: &[] };
const MONTH: FieldKind = FieldKind { name: "month", min: 1, max: 12, top: 12, names: &MONTHS };
const WEEKDAY: FieldKind = FieldKind { name: "day of week", min: 0, max: 7, top: 6, names: &WEEKDAYS };
const YEAR: FieldKind = FieldKind { name: "year", min: 1970, max: 2100, top: 2100, names: &[] };

impl FieldKind {
    fn is_weekday(&self) -> bool {
        self.top < self.max
    }
}

/// An expression, ready to search.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// One search, or two of which the earlier answer counts.
    searches: Vec<cron::Schedule>,
    /// Whether it runs in both of two equal local hours.
    follows_real_time: bool,
    zone: Tz,
}

/// A stretch of constant offset, seconds.
#[derive(Debug, Clone, Copy)]
struct Segment {
    /// Where it begins, UTC; the first one's is only where the look began.
    start: i64,
    /// First second after it.
    end: i64,
    offset: i64,
    /// The offset before it; the first one's own.
    before: i64,
}

impl Plan {
    pub(super) fn parse(expression: &str, zone: Tz) -> Result<Self, BadSchedule> {
        if expression.len() > LENGTH_MAX {
            return Err(fault(format!("more than {LENGTH_MAX} characters")));
        }
        let expression = expand_macro(expression.trim())?;
        let fields: Vec<&str> = expression.split_whitespace().collect();
        let (second, rest, year) = match fields.as_slice() {
            rest if rest.len() == 5 => ("0", rest, "*"),
            [second, rest @ ..] if rest.len() == 5 => (*second, rest, "*"),
            [second, rest @ .., year] if rest.len() == 5 => (*second, rest, *year),
            _ => {
                return Err(fault(format!(
                    "5 fields (minute hour day month weekday), 6 (second first) or 7 (year last) are needed, not {}",
                    fields.len()
                )));
            }
        };
        let [minute, hour, month_day, month, weekday] = rest else {
            return Err(fault("5 fields are needed".to_owned()));
        };
        let text = |field: &str, kind: &FieldKind| parse_field(field, kind).map(|set| write(&set, kind));
        let clock = [text(second, &SECOND)?, text(minute, &MINUTE)?, text(hour, &HOURS)?].join(" ");
        let (month_days, months) = (text(month_day, &MONTH_DAY)?, text(month, &MONTH)?);
        let (weekdays, years) = (text(weekday, &WEEKDAY)?, text(year, &YEAR)?);
        let expressions = if is_open(month_day) || is_open(weekday) {
            vec![format!("{clock} {month_days} {months} {weekdays} {years}")]
        } else {
            vec![
                format!("{clock} {month_days} {months} * {years}"),
                format!("{clock} * {months} {weekdays} {years}"),
            ]
        };
        let searches = expressions
            .iter()
            .map(|text| cron::Schedule::from_str(text).map_err(|e| fault(e.to_string())))
            .collect::<Result<_, _>>()?;
        let follows_real_time = [second, minute, hour].iter().any(|field| field.starts_with('*'));
        Ok(Self { searches, follows_real_time, zone })
    }

    /// The first due second strictly after `after`, both Unix seconds.
    pub(super) fn next_after(&self, after: i64) -> Option<i64> {
        let mut from = after;
        for _ in 0..ROUNDS_MAX {
            let until = from.checked_add(WINDOW)?;
            if let Some(found) = self.first_within(from, until) {
                return Some(found);
            }
            let local = self.next_local(until + self.offset(until) - LOOK_BACK)?;
            from = until.max(local - OFFSET_MAX);
        }
        None
    }

    /// The first due second after `from` and at or before `until`.
    fn first_within(&self, from: i64, until: i64) -> Option<i64> {
        let mut first: Option<i64> = None;
        for segment in self.segments(from - LOOK_BACK, until) {
            let Segment { start, end, offset, before } = segment;
            // Local times that the clock jumped over, read with the offset before the jump.
            if offset > before && start + (offset - before) > from {
                let gap = self.next_at_offset(from.max(start - 1), before);
                first = earlier(first, gap.filter(|at| *at < start + (offset - before) && *at <= until));
            }
            // Local times that come for the second time.
            let repeated = if before > offset && !self.follows_real_time { before - offset } else { 0 };
            let begin = from.max(start + repeated - 1);
            if begin < end && first.is_none_or(|at| at > begin) {
                let regular = self.next_at_offset(begin, offset);
                first = earlier(first, regular.filter(|at| *at < end && *at <= until));
            }
        }
        first
    }

    /// The stretches of constant offset that make up the time from `from` to `until`.
    fn segments(&self, from: i64, until: i64) -> Vec<Segment> {
        let first = self.offset(from);
        let mut segments = vec![Segment { start: from, end: until + 1, offset: first, before: first }];
        let mut known = (from, first);
        while known.0 < until {
            // Clocks change at most once a day.
            let mut high = (known.0 + DAY).min(until);
            let changed = self.offset(high);
            if changed == known.1 {
                known.0 = high;
                continue;
            }
            let mut low = known.0;
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if self.offset(middle) == known.1 { low = middle } else { high = middle }
            }
            let offset = self.offset(high);
            if let Some(last) = segments.last_mut() {
                last.end = high;
            }
            segments.push(Segment { start: high, end: until + 1, offset, before: known.1 });
            known = (high, offset);
        }
        segments
    }

    fn offset(&self, utc: i64) -> i64 {
        DateTime::from_timestamp(utc, 0).map_or(0, |at| {
            i64::from(self.zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc())
        })
    }

    fn next_at_offset(&self, after: i64, offset: i64) -> Option<i64> {
        self.next_local(after + offset).map(|local| local - offset)
    }

    /// The next matching local time, local times being written as if they were UTC.
    fn next_local(&self, after: i64) -> Option<i64> {
        let after = DateTime::from_timestamp(after, 0)?;
        self.searches.iter().filter_map(|search| search.after(&after).next()).map(|at| at.timestamp()).min()
    }
}

fn earlier(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    a.into_iter().chain(b).min()
}

fn is_open(field: &str) -> bool {
    field.starts_with(['*', '?'])
}

fn fault(reason: String) -> BadSchedule {
    BadSchedule::Cron(reason)
}

fn expand_macro(expression: &str) -> Result<&str, BadSchedule> {
    if !expression.starts_with('@') {
        return Ok(expression);
    }
    match expression.to_ascii_lowercase().as_str() {
        "@yearly" | "@annually" => Ok("0 0 1 1 *"),
        "@monthly" => Ok("0 0 1 * *"),
        "@weekly" => Ok("0 0 * * 0"),
        "@daily" | "@midnight" => Ok("0 0 * * *"),
        "@hourly" => Ok("0 * * * *"),
        _ => Err(fault(
            "the macros are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly and @every 1h30m"
                .to_owned(),
        )),
    }
}

/// Seconds of a duration such as `1h30m` or `90s`.
pub(super) fn parse_every(text: &str) -> Result<u64, BadSchedule> {
    let bad = || {
        fault(format!(
            "@every takes hours, minutes and whole seconds, as in @every 1h30m, not {:?}",
            cut(text)
        ))
    };
    let mut rest = text.trim();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = rest.split_at(digits);
        let factor = match unit.chars().next() {
            Some('h') => 3600,
            Some('m') if !unit.starts_with("ms") => 60,
            Some('s') => 1,
            _ => return Err(bad()),
        };
        let number: u64 = number.parse().map_err(|_| bad())?;
        total = number.checked_mul(factor).and_then(|secs| total.checked_add(secs)).ok_or_else(bad)?;
        rest = &unit[1..];
    }
    if total == 0 { Err(bad()) } else { Ok(total) }
}

/// A field's values.
fn parse_field(text: &str, kind: &FieldKind) -> Result<BTreeSet<u32>, BadSchedule> {
    let mut set = BTreeSet::new();
    for item in text.split(',') {
        let bad = |why: &str| fault(format!("{} {:?}: {why}", kind.name, cut(item)));
        let (base, step) = match item.split_once('/') {
            Some((base, step)) => match step.parse::<u32>() {
                Ok(step) if step >= 1 && step <= kind.max => (base, Some(step)),
                _ => return Err(bad(&format!("a step is a number from 1 to {}", kind.max))),
            },
            None => (item, None),
        };
        let value = |text: &str| {
            parse_value(text, kind).ok_or_else(|| {
                bad(&format!(
                    "write numbers from {} to {}, names where there are some, *, a-b, a/n",
                    kind.min, kind.max
                ))
            })
        };
        let (from, to) = match base {
            "*" | "?" => (kind.min, kind.top),
            _ => match base.split_once('-') {
                Some((from, to)) => {
                    let (from, to) = (value(from)?, value(to)?);
                    // FRI-SUN ends with the Sunday after.
                    (from, if kind.is_weekday() && to == 0 && from > 0 { kind.max } else { to })
                }
                None => {
                    let from = value(base)?;
                    (from, if step.is_some() { kind.top.max(from) } else { from })
                }
            },
        };
        if from > to {
            return Err(bad("a range goes upward; write two of them, as in 22-23,0-5"));
        }
        set.extend((from..=to).step_by(step.unwrap_or(1) as usize));
    }
    if kind.is_weekday() && set.remove(&kind.max) {
        set.insert(0);
    }
    Ok(set)
}

fn parse_value(text: &str, kind: &FieldKind) -> Option<u32> {
    if !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().filter(|n| (kind.min..=kind.max).contains(n));
    }
    let name = text.to_ascii_lowercase();
    let at =
        kind.names.iter().position(|full| name == *full || (name.len() == 3 && full.starts_with(&name)))?;
    u32::try_from(at).ok().map(|at| kind.min + at)
}

/// The field as the `cron` crate reads it: `*`, or numbers; its Sunday is 1.
fn write(set: &BTreeSet<u32>, kind: &FieldKind) -> String {
    if set.len() == (kind.top - kind.min + 1) as usize {
        return "*".to_owned();
    }
    let numbers: Vec<String> = set.iter().map(|n| (n + u32::from(kind.is_weekday())).to_string()).collect();
    numbers.join(",")
}

fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

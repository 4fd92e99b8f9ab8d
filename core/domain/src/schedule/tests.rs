use std::collections::BTreeSet;

use chrono::{Datelike, MappedLocalTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike};
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect(text)
}

fn zone(name: &str) -> Tz {
    Schedule::parse_zone(name).expect(name)
}

#[test]
fn intervals_count_from_the_anchor() {
    let anchor = Timestamp(1_700_000_000_123);
    let check = |every: u64, after: u64, expect: u64| {
        let schedule = Schedule::parse_interval(every).expect("an interval");
        assert_eq!(
            schedule.next_after(anchor, Timestamp(anchor.0 + after)),
            Some(Timestamp(anchor.0 + expect)),
            "{every} s, {after} ms after"
        );
    };
    check(10, 0, 10_000);
    check(10, 9_999, 10_000);
    check(10, 10_000, 20_000);
    check(1, 86_400_000, 86_401_000);
    let schedule = Schedule::parse_interval(10).expect("an interval");
    assert_eq!(schedule.next_after(anchor, Timestamp(0)), Some(Timestamp(anchor.0 + 10_000)));
    assert_eq!(Schedule::parse_interval(0), Err(BadSchedule::Interval));
    assert_eq!(Schedule::parse_interval(u64::MAX), Err(BadSchedule::Interval));
    let end = Timestamp(anchor.0 + 30_000);
    assert_eq!(
        schedule.first_instants(anchor, end, 5),
        [10_000, 20_000, 30_000].map(|ms| Timestamp(anchor.0 + ms)),
        "the last one may fall on the end itself"
    );
}

#[test]
fn cron_next_as_a_table() {
    let check = |expression: &str, in_zone: &str, after: &str, expect: &[&str]| {
        let schedule = Schedule::parse_cron(expression, zone(in_zone)).expect(expression);
        let mut from = at(after);
        for want in expect {
            let next = schedule.next_after(Timestamp(0), from).expect(expression);
            assert_eq!(next.to_rfc3339(), at(want).to_rfc3339(), "{expression} in {in_zone} after {from}");
            from = next;
        }
    };
    check("*/15 * * * *", "UTC", "2025-01-01T00:00:00Z", &["2025-01-01T00:15:00Z", "2025-01-01T00:30:00Z"]);
    check("0 9 * * 1-5", "UTC", "2025-01-03T09:00:00Z", &["2025-01-06T09:00:00Z"]);
    check("0 9 * * 0", "UTC", "2025-01-01T00:00:00Z", &["2025-01-05T09:00:00Z"]);
    check("0 9 * * 7", "UTC", "2025-01-01T00:00:00Z", &["2025-01-05T09:00:00Z"]);
    check("0 9 * * sun", "UTC", "2025-01-01T00:00:00Z", &["2025-01-05T09:00:00Z"]);
    check(
        "0 9 * * fri-sun",
        "UTC",
        "2025-01-01T00:00:00Z",
        &["2025-01-03T09:00:00Z", "2025-01-04T09:00:00Z", "2025-01-05T09:00:00Z", "2025-01-10T09:00:00Z"],
    );
    check(
        "30 */10 * * * *",
        "UTC",
        "2025-01-01T00:00:00Z",
        &["2025-01-01T00:00:30Z", "2025-01-01T00:10:30Z"],
    );
    check("0 0 12 1 1 ? 2030", "UTC", "2025-01-01T00:00:00Z", &["2030-01-01T12:00:00Z"]);
    check("0 0 9 ? * 1", "UTC", "2025-01-01T00:00:00Z", &["2025-01-06T09:00:00Z"]);
    // Both restricted: the 13th, and every Friday.
    check(
        "0 0 13 * 5",
        "UTC",
        "2025-01-04T00:00:00Z",
        &["2025-01-10T00:00:00Z", "2025-01-13T00:00:00Z", "2025-01-17T00:00:00Z"],
    );
    // One begins with *: both must hold (odd days that are Fridays).
    check("0 0 */2 * 5", "UTC", "2025-01-01T00:00:00Z", &["2025-01-03T00:00:00Z", "2025-01-17T00:00:00Z"]);
    check("@daily", "America/New_York", "2025-01-01T00:00:00Z", &["2025-01-01T05:00:00Z"]);
    check("@hourly", "Asia/Kathmandu", "2025-01-01T00:00:00Z", &["2025-01-01T00:15:00Z"]);
    check("0 0 29 2 *", "UTC", "2025-01-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
    check(
        "5/20 * * * *",
        "UTC",
        "2025-01-01T00:00:00Z",
        &["2025-01-01T00:05:00Z", "2025-01-01T00:25:00Z", "2025-01-01T00:45:00Z", "2025-01-01T01:05:00Z"],
    );
    // Berlin loses 02:00 to 03:00 on 2025-03-30 and has it twice on 2025-10-26.
    check(
        "30 2 * * *",
        "Europe/Berlin",
        "2025-03-29T12:00:00Z",
        &["2025-03-30T01:30:00Z", "2025-03-31T00:30:00Z"],
    );
    check(
        "30 2 * * *",
        "Europe/Berlin",
        "2025-10-25T12:00:00Z",
        &["2025-10-26T00:30:00Z", "2025-10-27T01:30:00Z"],
    );
    check(
        "30 * * * *",
        "Europe/Berlin",
        "2025-10-25T23:45:00Z",
        &["2025-10-26T00:30:00Z", "2025-10-26T01:30:00Z", "2025-10-26T02:30:00Z"],
    );
    check(
        "30 * * * *",
        "Europe/Berlin",
        "2025-03-30T00:00:00Z",
        &["2025-03-30T00:30:00Z", "2025-03-30T01:30:00Z"],
    );
    // A half-hour change, and a day that was left out.
    check("15 2 * * *", "Australia/Lord_Howe", "2025-10-04T00:00:00Z", &["2025-10-04T15:45:00Z"]);
    check("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", &["2011-12-30T22:00:00Z"]);
}

#[test]
fn refused_expressions_say_why() {
    let check = |expression: &str, part: &str| {
        let fault = Schedule::parse_cron(expression, Tz::UTC).expect_err(expression).to_string();
        assert!(fault.contains(part), "{expression}: {fault}");
    };
    check("", "5 fields");
    check("* * * *", "not 4");
    check("* * * * * * * *", "not 8");
    check("60 * * * *", "minute");
    check("* 24 * * *", "hour");
    check("* * 0 * *", "day of month");
    check("* * * 13 *", "month");
    check("* * * * 8", "day of week");
    check("*/0 * * * *", "step");
    check("*/x * * * *", "step");
    check("5-1 * * * *", "upward");
    check("1,,2 * * * *", "minute");
    check("* * L * *", "day of month");
    check("* * * * 5#2", "day of week");
    check("@reboot", "macros");
    check("@every 1d", "@every");
    check("@every 500ms", "@every");
    check("@every 0s", "@every");
    check("0 0 30 2 *", "never");
    check("0 0 0 1 1 * 1969", "year");
    check(&"1,".repeat(600), "characters");
    assert_eq!(Schedule::parse_cron("@every 1h30m", Tz::UTC), Ok(Schedule::Interval { every_secs: 5400 }));
}

#[test]
fn instants_as_users_write_them() {
    let check = |text: &str, in_zone: &str, expect: Option<&str>| {
        let parsed = Schedule::parse_once(text, zone(in_zone)).ok();
        assert_eq!(parsed, expect.map(|e| Schedule::Once { at: at(e) }), "{text} in {in_zone}");
    };
    check("2025-06-01 12:30:15", "UTC", Some("2025-06-01T12:30:15Z"));
    check("2025-06-01 12:30", "Europe/Berlin", Some("2025-06-01T10:30:00Z"));
    check("2025-06-01T12:30:15", "America/New_York", Some("2025-06-01T16:30:15Z"));
    check(" 2025-06-01T12:30 ", "UTC", Some("2025-06-01T12:30:00Z"));
    check("2025-06-01T12:30:15.250", "UTC", Some("2025-06-01T12:30:15.250Z"));
    check("2025-06-01T12:30:15+02:00", "Asia/Tokyo", Some("2025-06-01T10:30:15Z"));
    check("2025-06-01T12:30:15Z", "Asia/Tokyo", Some("2025-06-01T12:30:15Z"));
    check("2025-03-30 02:30", "Europe/Berlin", Some("2025-03-30T01:30:00Z"));
    check("2025-10-26 02:30", "Europe/Berlin", Some("2025-10-26T00:30:00Z"));
    check("2011-12-30 12:00", "Pacific/Apia", Some("2011-12-30T22:00:00Z"));
    for text in ["", "tomorrow", "2025-13-01 00:00", "2025-02-30 00:00", "2025-06-01", "1969-12-31 23:00"] {
        check(text, "UTC", None);
    }
    let once = Schedule::parse_once("2025-06-01T00:00:00Z", Tz::UTC).expect("an instant");
    assert_eq!(once.next_after(Timestamp(0), at("2025-05-31T00:00:00Z")), Some(at("2025-06-01T00:00:00Z")));
    assert_eq!(once.next_after(Timestamp(0), at("2025-06-01T00:00:00Z")), None);
    assert_eq!(once.next_after(at("2025-06-02T00:00:00Z"), Timestamp(0)), None);
    assert_eq!(Schedule::parse_zone(""), Ok(Tz::UTC));
    assert!(Schedule::parse_zone("Mars/Olympus").is_err());
}

#[test]
fn what_cannot_be_read_is_never_due() {
    let broken = Schedule::Cron { expression: "nonsense".to_owned(), zone: Tz::UTC };
    assert_eq!(broken.next_after(Timestamp(0), Timestamp(0)), None);
    let late = Schedule::Interval { every_secs: u64::MAX };
    assert_eq!(late.next_after(Timestamp(5), Timestamp(u64::MAX)), None);
}

#[test]
fn a_missed_stretch_is_counted_without_walking_it() {
    let schedule = Schedule::parse_interval(1).expect("an interval");
    let (anchor, until) = (Timestamp(1_000), Timestamp(1_000 + 10 * 365 * 86_400_000));
    let missed = schedule.missed(anchor, anchor, until, 3);
    assert_eq!(missed.first, [2_000, 3_000, 4_000].map(Timestamp));
    assert_eq!(missed.latest, Some(until));
    assert_eq!(schedule.missed(anchor, until, until, 3), Missed::default());
    assert_eq!(schedule.missed(anchor, Timestamp(2_000), Timestamp(2_999), 3), Missed::default());
}

/// A second implementation: every local minute or second of a stretch is tested against the sets, and each that
/// fits is turned into instants by chrono's own mapping.
struct Brute {
    second: BTreeSet<u32>,
    minute: BTreeSet<u32>,
    hour: BTreeSet<u32>,
    month_day: BTreeSet<u32>,
    month: BTreeSet<u32>,
    weekday: BTreeSet<u32>,
    either_day: bool,
    both_hours: bool,
    zone: Tz,
}

impl Brute {
    fn fits(&self, local: NaiveDateTime) -> bool {
        let by_month = self.month_day.contains(&local.day());
        let by_week = self.weekday.contains(&local.weekday().num_days_from_sunday());
        let day = if self.either_day { by_month || by_week } else { by_month && by_week };
        day && self.second.contains(&local.second())
            && self.minute.contains(&local.minute())
            && self.hour.contains(&local.hour())
            && self.month.contains(&local.month())
    }

    fn instants(&self, local: NaiveDateTime) -> Vec<i64> {
        match self.zone.from_local_datetime(&local) {
            MappedLocalTime::Single(one) => vec![one.timestamp()],
            MappedLocalTime::Ambiguous(a, b) if self.both_hours => vec![a.timestamp(), b.timestamp()],
            MappedLocalTime::Ambiguous(a, b) => vec![a.timestamp().min(b.timestamp())],
            MappedLocalTime::None => {
                // Walk back to the last local time that exists: its offset was in force before the jump.
                let mut before = local;
                loop {
                    before -= TimeDelta::minutes(15);
                    if let Some(valid) = self.zone.from_local_datetime(&before).latest() {
                        let offset = i64::from(valid.offset().fix().local_minus_utc());
                        return vec![local.and_utc().timestamp() - offset];
                    }
                }
            }
        }
    }

    fn all(&self, after: i64, until: i64) -> Vec<i64> {
        let step = if self.second.len() == 1 { 60 } else { 1 };
        let second = i64::from(*self.second.first().expect("one"));
        let start = (after - 2 * 86_400).div_euclid(60) * 60 + if step == 60 { second } else { 0 };
        let mut found = BTreeSet::new();
        let mut local = start;
        while local <= until + 2 * 86_400 {
            let naive = chrono::DateTime::from_timestamp(local, 0).expect("in range").naive_utc();
            if self.fits(naive) {
                found.extend(self.instants(naive).into_iter().filter(|at| *at > after && *at <= until));
            }
            local += step;
        }
        found.into_iter().collect()
    }
}

/// A field as text, with the values that it means.
fn field(min: u32, max: u32) -> impl Strategy<Value = (String, BTreeSet<u32>)> {
    let span = move || min..=max;
    prop_oneof![
        3 => Just(("*".to_owned(), span().collect())),
        1 => (1..=max).prop_map(move |n| (format!("*/{n}"), span().step_by(n as usize).collect())),
        2 => span().prop_map(|a| (a.to_string(), BTreeSet::from([a]))),
        2 => (span(), span()).prop_map(|(a, b)| {
            let (a, b) = (a.min(b), a.max(b));
            (format!("{a}-{b}"), (a..=b).collect())
        }),
        1 => (span(), span(), 1..=max).prop_map(|(a, b, n)| {
            let (a, b) = (a.min(b), a.max(b));
            (format!("{a}-{b}/{n}"), (a..=b).step_by(n as usize).collect())
        }),
        2 => proptest::collection::vec(span(), 2..5).prop_map(|list| {
            let text: Vec<String> = list.iter().map(u32::to_string).collect();
            (text.join(","), list.into_iter().collect())
        }),
    ]
}

fn weekday() -> impl Strategy<Value = (String, BTreeSet<u32>)> {
    prop_oneof![
        field(0, 6),
        (0u32..=7).prop_map(|a| (a.to_string(), BTreeSet::from([a % 7]))),
        (1u32..=7).prop_map(|a| (format!("{a}-7"), (a..=7).map(|d| d % 7).collect())),
    ]
}

/// Instants within two days of a change of some clock, and anywhere.
fn instant() -> impl Strategy<Value = (&'static str, i64)> {
    let near = prop::sample::select(vec![
        ("Europe/Berlin", "2025-03-30T01:00:00Z"),
        ("Europe/Berlin", "2025-10-26T01:00:00Z"),
        ("America/New_York", "2025-03-09T07:00:00Z"),
        ("America/New_York", "2025-11-02T06:00:00Z"),
        ("Australia/Lord_Howe", "2025-10-04T15:30:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
        ("Pacific/Apia", "2011-12-30T10:00:00Z"),
        ("Africa/Casablanca", "2026-02-15T02:00:00Z"),
        ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
        ("Asia/Kathmandu", "2024-02-29T00:00:00Z"),
        ("UTC", "2024-02-29T00:00:00Z"),
        ("Antarctica/Troll", "2025-03-30T01:00:00Z"),
    ]);
    (near, prop_oneof![3 => -180_000i64..180_000, 1 => -30_000_000i64..30_000_000]).prop_map(
        |((zone, change), off)| (zone, i64::try_from(at(change).as_secs()).expect("in range") + off),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn minutes_agree_with_the_second_implementation(
        minute in field(0, 59), hour in field(0, 23), month_day in field(1, 31), month in field(1, 12),
        weekday in weekday(), (zone_name, after) in instant(),
    ) {
        let expression = format!("{} {} {} {} {}", minute.0, hour.0, month_day.0, month.0, weekday.0);
        let open = |text: &str| text.starts_with('*');
        let brute = Brute {
            second: BTreeSet::from([0]),
            either_day: !open(&month_day.0) && !open(&weekday.0),
            both_hours: open(&minute.0) || open(&hour.0),
            minute: minute.1, hour: hour.1, month_day: month_day.1, month: month.1, weekday: weekday.1,
            zone: zone(zone_name),
        };
        compare(&expression, &brute, after, after + 4 * 86_400)?;
    }

    #[test]
    fn seconds_agree_with_the_second_implementation(
        second in field(0, 59), minute in field(0, 59), hour in field(0, 23), (zone_name, after) in instant(),
    ) {
        let expression = format!("{} {} {} * * *", second.0, minute.0, hour.0);
        let open = |text: &str| text.starts_with('*');
        let brute = Brute {
            either_day: false,
            both_hours: open(&second.0) || open(&minute.0) || open(&hour.0),
            second: second.1, minute: minute.1, hour: hour.1,
            month_day: (1..=31).collect(), month: (1..=12).collect(), weekday: (0..=6).collect(),
            zone: zone(zone_name),
        };
        // Nearly five days of seconds are walked for each case.
        if after % 10 == 0 {
            compare(&expression, &brute, after, after + 3600)?;
        }
    }

    #[test]
    fn the_latest_is_the_last_of_all(
        every in 1u64..5000, from in 0u64..100_000_000, length in 0u64..10_000_000, anchor in 0u64..100_000_000,
    ) {
        let plan = Schedule::Interval { every_secs: every }.plan();
        let (anchor, after, until) = (Timestamp(anchor), Timestamp(from), Timestamp(from + length));
        let all = plan.missed(anchor, after, until, usize::MAX);
        prop_assert_eq!(all.first.last().copied(), all.latest);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}", stars in "[-*0-9,/?A-Za-z@ ]{0,40}") {
        for text in [text, stars] {
            if let Ok(schedule) = Schedule::parse_cron(&text, Tz::UTC) {
                prop_assert!(schedule.next_after(Timestamp(0), Timestamp(0)).is_some());
            }
            let _ = Schedule::parse_once(&text, Tz::UTC);
            let _ = Schedule::parse_zone(&text);
        }
    }
}

fn compare(expression: &str, brute: &Brute, after: i64, until: i64) -> Result<(), TestCaseError> {
    let schedule = match Schedule::parse_cron(expression, brute.zone) {
        Ok(schedule) => schedule,
        // 30 February.
        Err(BadSchedule::Never) => return Ok(()),
        Err(fault) => return Err(TestCaseError::fail(format!("{expression}: {fault}"))),
    };
    let secs = |at: i64| Timestamp::from_secs(u64::try_from(at).expect("after 1970"));
    let expect: Vec<Timestamp> = brute.all(after, until).into_iter().map(secs).collect();
    let found = schedule.missed(Timestamp(0), secs(after), secs(until), usize::MAX);
    prop_assert_eq!(&found.first, &expect, "{} in {} after {}", expression, brute.zone, secs(after));
    prop_assert_eq!(found.latest, expect.last().copied());
    Ok(())
}

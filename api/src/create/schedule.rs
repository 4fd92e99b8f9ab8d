//! Schedules of time jobs.

use argus_domain::{schedule::Schedule, time::Timestamp};
use chrono_tz::Tz;

use crate::create::{Faults, Fields};

/// The schedule of a job. Its type may be left out where only one kind of field is given.
pub fn parse(fields: &Fields<'_>, accepted_at: Timestamp, faults: &mut Faults) -> Option<Schedule> {
    let known_zone = Schedule::parse_zone(&fields.text("timezone", faults));
    if let Err(e) = &known_zone {
        faults.add(fields.path("timezone"), "TIMEZONE", e.to_string());
    }
    // What else is wrong is told with it.
    let zone = known_zone.as_ref().map_or(Tz::UTC, |zone| *zone);
    let given = fields.text("schedule_type", faults).to_ascii_lowercase();
    let cron = fields.text("cron_expression", faults);
    let specific = fields.text("specific_schedule", faults);
    let has_interval = fields.get("time_interval").is_some_and(|v| crate::json::whole(v) != Some(0));
    let kind = match given.as_str() {
        "" if !has_interval && !cron.is_empty() => "cron",
        "" if !has_interval && !specific.is_empty() => "specific",
        "" => "interval",
        other => other,
    };
    let (name, parsed) = match kind {
        "interval" => {
            if fields.get("time_interval").is_none() {
                faults.add(fields.path("time_interval"), "REQUIRED", "time_interval is needed, in seconds");
                return None;
            }
            let every = fields.whole("time_interval", (1, Schedule::EVERY_SECS_MAX), faults)?;
            ("time_interval", Schedule::parse_interval(every))
        }
        "cron" => ("cron_expression", Schedule::parse_cron(&cron, zone)),
        "specific" => ("specific_schedule", Schedule::parse_once(&specific, zone)),
        _ => {
            let message = "schedule_type is interval, cron or specific";
            faults.add(fields.path("schedule_type"), "SCHEDULE_TYPE", message);
            return None;
        }
    };
    match parsed {
        Ok(_) if known_zone.is_err() => None,
        Ok(Schedule::Once { at }) if at <= accepted_at => {
            faults.add(fields.path(name), "PAST", format!("{at} has passed"));
            None
        }
        Ok(schedule) => Some(schedule),
        Err(e) => {
            faults.add(fields.path(name), "SCHEDULE", e.to_string());
            None
        }
    }
}

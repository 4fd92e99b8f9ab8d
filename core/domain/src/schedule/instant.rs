//! One instant, as users write it.

use chrono::{DateTime, Duration, MappedLocalTime, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

use crate::time::Timestamp;

/// Local forms, tried in order. `%.f` takes an absent fraction too.
const FORMS: [&str; 4] = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];

/// A local time in `zone`, or RFC 3339; `None` where it is neither or lies outside 1970..=9999.
pub(super) fn parse(text: &str, zone: Tz) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Timestamp::from_utc(at.to_utc());
    }
    let local = FORMS.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())?;
    Timestamp::from_utc(resolve(local, zone)?)
}

/// The instant of a local time by the two rules of this module's parent.
fn resolve(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(at) => Some(at.to_utc()),
        MappedLocalTime::Ambiguous(a, b) => Some(a.min(b).to_utc()),
        MappedLocalTime::None => {
            // A day earlier is before the change, whatever the offset: offsets stay below 16 hours, gaps within 24.
            let before = zone.offset_from_utc_datetime(&local.checked_sub_signed(Duration::days(1))?);
            local.checked_sub_offset(before.fix()).map(|utc| utc.and_utc())
        }
    }
}

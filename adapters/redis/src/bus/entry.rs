//! Entries of the stream.

use std::str::FromStr;

use argus_domain::{
    Address,
    ids::{JobId, TaskId},
    time::Timestamp,
};
use argus_ports::{Change, ChangeKind};
use redis::{FromRedisValue, ParsingError, Value};
use serde::{Deserialize, Serialize};

/// The kinds by their names: they stay what they are, because processes of several versions read one stream.
#[derive(Serialize, Deserialize)]
#[serde(remote = "ChangeKind", rename_all = "snake_case")]
enum Kind {
    Created,
    Settled,
    Broadcast,
    Received,
    Revoked,
    Confirmed,
    Lapsed,
}

/// A change in JSON.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Change")]
struct Told {
    job: JobId,
    owner: Address,
    task: TaskId,
    public_id: u64,
    #[serde(with = "Kind")]
    kind: ChangeKind,
    seq: u64,
    at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Line(#[serde(with = "Told")] Change);

/// A change as it lies in an entry.
pub(crate) fn write(change: &Change) -> Vec<u8> {
    // Numbers and texts alone: there is nothing in it that JSON has not.
    serde_json::to_vec(&Line(change.clone())).unwrap_or_default()
}

/// Where an entry stands: the epoch of its stream, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Place {
    epoch: u64,
    number: u64,
}

impl Place {
    /// Whether nothing can lie between the two.
    pub(crate) fn is_next_to(self, before: Self) -> bool {
        let follows = self.epoch == before.epoch && self.number == before.number.wrapping_add(1);
        // The first one after nothing.
        follows || (before == Self::default() && self.number == 1)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(id: &str) -> Result<Self, ()> {
        let (epoch, number) = id.split_once('-').ok_or(())?;
        Ok(Self { epoch: epoch.parse().map_err(drop)?, number: number.parse().map_err(drop)? })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    /// A change was published.
    Change(Change),
    /// Changes were published, and not announced; or it cannot be read here.
    Missed,
}

/// An entry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub place: Place,
    pub from: String,
    pub said: Said,
}

/// Entries as ranges of a stream give them.
pub(crate) struct Entries(pub Vec<Entry>);

impl FromRedisValue for Entries {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let rows: Vec<(String, Vec<Vec<u8>>)> = FromRedisValue::from_redis_value(value)?;
        let read = |(id, fields): (String, Vec<Vec<u8>>)| {
            let mut entry = Entry {
                place: id.parse().map_err(|()| ParsingError::from("an id of another kind"))?,
                from: String::new(),
                said: Said::Missed,
            };
            for pair in fields.chunks_exact(2) {
                match pair {
                    [name, value] if name == b"from" => {
                        entry.from = String::from_utf8_lossy(value).into_owned();
                    }
                    [name, value] if name == b"change" => {
                        let change = serde_json::from_slice(value).map(|Line(change)| Said::Change(change));
                        entry.said = change.unwrap_or(Said::Missed);
                    }
                    _ => {}
                }
            }
            Ok(entry)
        };
        rows.into_iter().map(read).collect::<Result<_, ParsingError>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use argus_conformance::bus::change;

    use super::*;

    fn text(text: impl AsRef<[u8]>) -> Value {
        Value::BulkString(text.as_ref().to_vec())
    }

    fn check(fields: &[&[u8]], expect: Said) {
        let row = Value::Array(vec![text("7-3"), Value::Array(fields.iter().map(text).collect())]);
        let Entries(entries) = Entries::from_redis_value(Value::Array(vec![row])).expect("entries");
        let place = Place { epoch: 7, number: 3 };
        assert_eq!(entries, [Entry { place, from: "me".to_owned(), said: expect }]);
    }

    #[test]
    fn every_kind_is_read_as_it_was_written() {
        use ChangeKind::{Broadcast, Confirmed, Created, Lapsed, Received, Revoked, Settled};
        for kind in [Created, Settled, Broadcast, Received, Revoked, Confirmed, Lapsed] {
            let published = Change { seq: u64::MAX, ..change(u64::MAX, 7, kind, 1_700_000_000_000) };
            check(&[b"from", b"me", b"change", &write(&published)], Said::Change(published));
        }
    }

    #[test]
    fn what_cannot_be_read_may_have_been_anything() {
        check(&[b"from", b"me", b"missed", b""], Said::Missed);
        check(&[b"from", b"me", b"change", b"{}"], Said::Missed);
        check(&[b"from", b"me", b"change", b"\xff"], Said::Missed);
        check(&[b"from", b"me"], Said::Missed);
        assert!(Entries::from_redis_value(text("no rows")).is_err());
    }

    #[test]
    fn places_say_what_is_missing() {
        let place = |id: &str| id.parse::<Place>().expect("a place");
        for (before, after, is_next) in [
            ("5-1", "5-2", true),
            ("5-1", "5-3", false),
            ("5-1", "6-1", false),
            ("0-0", "6-1", true),
            ("0-0", "6-2", false),
        ] {
            assert_eq!(place(after).is_next_to(place(before)), is_next, "{before} {after}");
        }
        assert!(place("5-10") > place("5-9") && place("6-1") > place("5-9"));
        for wrong in ["", "5", "5-", "-1", "a-b"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}

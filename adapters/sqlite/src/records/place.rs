//! Where a page ends, as text: the cells of the last row's key, with `/` between them.

use argus_domain::Bytes;
use rusqlite::{ToSql, types::ToSqlOutput};

use crate::{cell::corrupt, fault::Fault};

/// A cell of a key.
#[derive(Debug, Clone)]
pub(super) enum Key {
    Number(i64),
    Blob(Vec<u8>),
    Text(String),
}

impl ToSql for Key {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Number(n) => n.to_sql(),
            Self::Blob(bytes) => bytes.to_sql(),
            Self::Text(text) => text.to_sql(),
        }
    }
}

impl Key {
    /// Before all others of its type.
    fn least(letter: char) -> Self {
        match letter {
            'n' => Self::Number(i64::MIN),
            'b' => Self::Blob(Vec::new()),
            _ => Self::Text(String::new()),
        }
    }

    fn read(letter: char, text: &str) -> Option<Self> {
        Some(match letter {
            'n' => Self::Number(text.parse().ok()?),
            'b' => Self::Blob(text.parse::<Bytes>().ok()?.to_vec()),
            _ => Self::Text(text.to_owned()),
        })
    }

    fn text(&self) -> String {
        match self {
            Self::Number(n) => n.to_string(),
            Self::Blob(bytes) => Bytes::copy_from_slice(bytes).to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// A place in a table whose key has cells of these types, a letter each: n number, b blob, t text. Text may hold `/` and
/// stands last.
pub(super) fn read(types: &str, place: Option<&str>) -> Result<Vec<Key>, Fault> {
    let Some(place) = place else { return Ok(types.chars().map(Key::least).collect()) };
    let parts = place.splitn(types.len(), '/');
    let keys: Option<Vec<Key>> =
        types.chars().zip(parts).map(|(letter, part)| Key::read(letter, part)).collect();
    keys.filter(|keys| keys.len() == types.len())
        .ok_or_else(|| corrupt("place", &format!("{place:?} is none")))
}

pub(super) fn write(keys: &[Key]) -> String {
    keys.iter().map(Key::text).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_as_a_table() {
        for (types, place) in
            [("n", "-7"), ("nb", "3/0x00ff"), ("bt", "0x/a/b"), ("bnn", "0x01/2/3"), ("t", ""), ("b", "0x")]
        {
            assert_eq!(write(&read(types, Some(place)).expect("a place")), place, "{types}");
        }
        for (types, place) in [("n", "x"), ("nb", "3"), ("b", "zz")] {
            assert!(read(types, Some(place)).is_err(), "{place}");
        }
        assert_eq!(write(&read("nbt", None).expect("the start")), format!("{}/0x/", i64::MIN));
    }
}

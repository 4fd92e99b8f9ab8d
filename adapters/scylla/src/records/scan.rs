//! Partitions of a table in the order of their tokens, and where a reader of them is.

use argus_domain::Bytes;
use argus_ports::StoreError;

use crate::{
    cell::{corrupt, values},
    session::Statement,
    store::ScyllaStore,
};

/// A statement that reads the keys of partitions from a token on.
macro_rules! partitions {
    ($table:literal, $key:literal) => {
        Statement::read(concat!(
            "SELECT DISTINCT ",
            $key,
            ", token(",
            $key,
            ") FROM ",
            $table,
            " WHERE token(",
            $key,
            ") >= ? LIMIT ?"
        ))
    };
}
pub(super) use partitions;

/// A partition with its token, and a place within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub token: i64,
    pub key: Vec<u8>,
    /// What of the partition was read; empty: all of it.
    pub within: String,
}

impl Place {
    pub(super) fn read(text: &str) -> Result<Self, StoreError> {
        let mut parts = text.splitn(3, '/');
        let mut next = || parts.next().ok_or_else(|| corrupt("place", &format!("{text:?} is none")));
        let (token, key, within) = (next()?, next()?, next()?);
        let token = token.parse().map_err(|_| corrupt("place", &format!("{text:?} is none")))?;
        let key: Bytes = key.parse().map_err(|_| corrupt("place", &format!("{text:?} is none")))?;
        Ok(Self { token, key: key.to_vec(), within: within.to_owned() })
    }

    pub(super) fn text(&self) -> String {
        format!("{}/{}/{}", self.token, Bytes::copy_from_slice(&self.key), self.within)
    }
}

/// A key of a partition: text or bytes.
pub(super) trait Key: for<'a> scylla::deserialize::value::DeserializeValue<'a, 'a> + Send {
    /// Its bytes, by which partitions with one token are ordered.
    fn bytes(&self) -> &[u8];
}

impl Key for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl Key for String {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl ScyllaStore {
    /// Keys of partitions behind a place, so many at most, each with its place; and whether there may be more.
    pub(super) async fn partitions<K: Key>(
        &self,
        statement: &Statement,
        after: Option<&Place>,
        limit: u32,
    ) -> Result<(Vec<(K, Place)>, bool), StoreError> {
        let start = after.map_or(i64::MIN, |place| place.token);
        // One more, as the last one is read again: others may have its token.
        let most = limit.saturating_add(1);
        let rows: Vec<(K, i64)> = self.db().rows(statement, values![start, most]).await?;
        let is_more = rows.len() >= most as usize;
        let behind = |(key, token): &(K, i64)| {
            after.is_none_or(|place| (*token, key.bytes()) > (place.token, place.key.as_slice()))
        };
        let mut found = Vec::with_capacity(rows.len());
        for (key, token) in rows.into_iter().filter(behind) {
            let place = Place { token, key: key.bytes().to_vec(), within: String::new() };
            found.push((key, place));
        }
        Ok((found, is_more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        for text in ["-7/0x00ff/", "9/0x/12/a"] {
            assert_eq!(Place::read(text).expect("a place").text(), text);
        }
        for text in ["", "7", "7/0x00", "x/0x00/", "7/z/"] {
            assert!(Place::read(text).is_err(), "{text}");
        }
    }
}

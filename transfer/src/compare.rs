//! Comparing two stores: both are read from the start to the end.

use std::{collections::BTreeMap, fmt};

use argus_domain::B256;
use argus_ports::{RecordKind, records::Page};

use crate::{
    Doing, Options, Progress, Side, Tell, TransferError,
    canon::Canonical,
    digest::{Digest, PARTS, part},
    live::wait_for_beats,
    write::named,
};

/// What both stores hold of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// Of which.
    pub kind: RecordKind,
    /// How many, and what they come to.
    pub digest: Digest,
}

/// How two stores part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Of which kind.
    pub kind: RecordKind,
    /// How many records of it the source has, and the target.
    pub counts: (u64, u64),
    /// The key of one that differs.
    pub key: String,
    /// How it differs.
    pub how: How,
}

/// How a record differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The source alone has it.
    Missing,
    /// The target alone has it.
    Added,
    /// They have different ones.
    Other,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, counts: (from, to), key, how } = self;
        let how = match how {
            How::Missing => "is missing in the target",
            How::Added => "is in the target alone",
            How::Other => "is not the same in both",
        };
        write!(f, "{}: {from} in the source, {to} in the target, and {key} {how}", kind.name())
    }
}

/// Compares two stores that nobody uses, neither of which is changed but for the name that it is given.
///
/// # Errors
/// [`TransferError::Differ`] with the first difference that is found, and where they cannot be compared.
pub async fn verify(
    source: &Side,
    target: &Side,
    options: &Options,
    tell: Tell<'_>,
) -> Result<Vec<Compared>, TransferError> {
    named(source, target, options).await?;
    wait_for_beats(&[source, target]).await?;
    compare(source, target, options, tell).await
}

/// Reads both stores and compares what they hold, kind by kind.
pub(crate) async fn compare(
    source: &Side,
    target: &Side,
    options: &Options,
    tell: Tell<'_>,
) -> Result<Vec<Compared>, TransferError> {
    let mut all = Vec::new();
    let mut read = (0, 0);
    for &kind in RecordKind::ALL {
        let from = parts(source, (kind, Doing::ReadingSource), options, (&mut read.0, tell)).await?;
        let to = parts(target, (kind, Doing::ReadingTarget), options, (&mut read.1, tell)).await?;
        if let Some(part) = from.iter().zip(&to).position(|(from, to)| from != to) {
            let counts = (total(&from).count, total(&to).count);
            let (key, how) = find(source, target, (kind, part), options).await?;
            return Err(TransferError::Differ(Difference { kind, counts, key, how }));
        }
        all.push(Compared { kind, digest: total(&from) });
    }
    Ok(all)
}

/// What a store's records of a kind come to, by part.
async fn parts(
    side: &Side,
    (kind, doing): (RecordKind, Doing),
    options: &Options,
    (read, tell): (&mut u64, Tell<'_>),
) -> Result<Vec<Digest>, TransferError> {
    let mut parts = vec![Digest::default(); PARTS];
    let mut after = None;
    loop {
        let Page { records, next } = side.page(kind, after, options).await?;
        for record in &records {
            let record = Canonical::of(record);
            if let Some(digest) = parts.get_mut(part(&record.key)) {
                digest.add(&record);
            }
        }
        *read += u64::try_from(records.len()).unwrap_or_default();
        tell(Progress { doing, kind, records: *read });
        after = next;
        if after.is_none() {
            return Ok(parts);
        }
    }
}

fn total(parts: &[Digest]) -> Digest {
    let mut total = Digest::default();
    parts.iter().for_each(|part| total.add_all(part));
    total
}

/// The first key of a part that differs.
async fn find(
    source: &Side,
    target: &Side,
    (kind, part): (RecordKind, usize),
    options: &Options,
) -> Result<(String, How), TransferError> {
    let (from, to) =
        (of_part(source, (kind, part), options).await?, of_part(target, (kind, part), options).await?);
    let keys: std::collections::BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let how = |key: &String| match (from.get(key), to.get(key)) {
        (Some(one), Some(other)) if one == other => None,
        (Some(_), Some(_)) => Some(How::Other),
        (Some(_), None) => Some(How::Missing),
        (None, _) => Some(How::Added),
    };
    let first = keys.into_iter().find_map(|key| how(key).map(|how| (key.clone(), how)));
    // Read again they may be equal, where somebody writes.
    Ok(first.unwrap_or_else(|| ("one that changed meanwhile".to_owned(), How::Other)))
}

/// Hashes of the records of a part by their keys: a few of all.
async fn of_part(
    side: &Side,
    (kind, wanted): (RecordKind, usize),
    options: &Options,
) -> Result<BTreeMap<String, Vec<B256>>, TransferError> {
    let mut found: BTreeMap<String, Vec<B256>> = BTreeMap::new();
    let mut after = None;
    loop {
        let Page { records, next } = side.page(kind, after, options).await?;
        for record in &records {
            let record = Canonical::of(record);
            if part(&record.key) == wanted {
                let hash = record.hash();
                found.entry(record.key).or_default().push(hash);
            }
        }
        after = next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

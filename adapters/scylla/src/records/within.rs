//! Reading records of partitions that may be long: a part of one at a time.

use argus_domain::{Bytes, ids::KeeperId};
use argus_ports::{
    StoreError,
    records::{Page, Record},
};

use super::scan::Place;
use crate::{
    cell::{address, task_id, values},
    session::Statement,
    store::ScyllaStore,
};

static FAULTS: Statement = Statement::read("SELECT task FROM faults WHERE keeper = ? AND task > ? LIMIT ?");

/// What lies in a long partition.
#[derive(Debug, Clone, Copy)]
pub(super) enum Inner {
    Faults,
    Entries,
}

impl ScyllaStore {
    /// Rows of partitions that may be long, one partition after the other.
    pub(super) async fn within_partitions(
        &self,
        statement: &Statement,
        (after, limit): (Option<&str>, u32),
        inner: Inner,
    ) -> Result<Page, StoreError> {
        let mut place = after.map(Place::read).transpose()?;
        let mut page = Page::default();
        loop {
            // The one that was left in the middle, then the next.
            let current = match place.take() {
                Some(place) if !place.within.is_empty() => place,
                other => {
                    let (keys, _) = self.partitions::<Vec<u8>>(statement, other.as_ref(), 1).await?;
                    match keys.into_iter().next() {
                        Some((_, place)) => place,
                        None => return Ok(Page { next: None, ..page }),
                    }
                }
            };
            let wanted = limit.saturating_sub(u32::try_from(page.records.len()).unwrap_or(u32::MAX));
            let (records, within) = match inner {
                Inner::Faults => self.faults_after(&current, wanted).await?,
                Inner::Entries => self.entries_after(&current, wanted).await?,
            };
            page.records.extend(records);
            let next = Place { within, ..current };
            page.next = Some(next.text());
            if page.records.len() >= limit as usize {
                return Ok(page);
            }
            place = Some(next);
        }
    }

    async fn faults_after(&self, place: &Place, wanted: u32) -> Result<(Vec<Record>, String), StoreError> {
        let keeper = KeeperId(address("keeper", &place.key)?);
        let after: Bytes = place.within.parse().unwrap_or_default();
        let rows: Vec<(Vec<u8>,)> =
            self.db().rows(&FAULTS, values![&place.key, after.to_vec(), wanted]).await?;
        let last = rows.last().filter(|_| rows.len() >= wanted as usize);
        let within = last.map_or_else(String::new, |(task,)| Bytes::copy_from_slice(task).to_string());
        let read = |(task,): &(Vec<u8>,)| Ok(Record::Fault(keeper, task_id("task", task)?));
        Ok((rows.iter().map(read).collect::<Result<_, StoreError>>()?, within))
    }

    async fn entries_after(&self, place: &Place, wanted: u32) -> Result<(Vec<Record>, String), StoreError> {
        let account = address("account", &place.key)?;
        let after: u64 = place.within.parse().unwrap_or_default();
        let found = self.entries_from(account, after + 1, wanted).await?;
        let is_full = found.len() >= wanted as usize;
        let records: Vec<Record> =
            found.into_iter().zip(after + 1..).map(|(entry, place)| Record::Entry(place, entry)).collect();
        let last = after + u64::try_from(records.len()).unwrap_or_default();
        Ok((records, if is_full { last.to_string() } else { String::new() }))
    }
}

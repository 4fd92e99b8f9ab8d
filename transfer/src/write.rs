//! Writing all records of one store into another.

use argus_ports::{
    RecordKind, StoreError,
    records::{CopyMark, CopyStage, Page},
};
use futures::try_join;

use crate::{
    Compared, Doing, Options, Progress, Side, Tell, TransferError, compare::compare, live::wait_for_beats,
};

/// What became of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Records that were written, before it was resumed, too.
    pub records: u64,
    /// Whether it went on where an earlier one was stopped.
    pub is_resumed: bool,
    /// What both stores hold.
    pub compared: Vec<Compared>,
}

/// Copies all records and compares both stores. Where it was stopped before, it goes on from there.
///
/// # Errors
/// [`TransferError`]. After [`TransferError::Store`] the same call goes on.
pub async fn copy(
    source: &Side,
    target: &Side,
    options: &Options,
    tell: Tell<'_>,
) -> Result<Written, TransferError> {
    let name = named(source, target, options).await?;
    half_source(source).await?;
    wait_for_beats(&[source, target]).await?;
    let known = target.records.copy_mark().await.map_err(|why| target.failed(why))?;
    let is_resumed = known.is_some();
    let mark = match known {
        Some(mark) if mark.source != name => return Err(TransferError::Other(target.name.clone())),
        Some(CopyMark { stage: CopyStage::Done, .. }) => {
            return Err(TransferError::Done(target.name.clone()));
        }
        Some(mark) => mark,
        None => {
            empty(target, options).await?;
            CopyMark { source: name, stage: CopyStage::Writing(RecordKind::Job, None), records: 0 }
        }
    };
    let mark = write(source, target, mark, options, tell).await?;
    let compared = compare(source, target, options, tell).await?;
    // Whoever began to use one of them meanwhile would be found by the next comparison at the latest.
    wait_for_beats(&[source, target]).await?;
    note(target, &CopyMark { stage: CopyStage::Done, ..mark.clone() }).await?;
    Ok(Written { records: mark.records, is_resumed, compared })
}

/// The source's name, which the target must not have.
pub(crate) async fn named(source: &Side, target: &Side, options: &Options) -> Result<String, TransferError> {
    let [one, other] = options.fresh.clone();
    let from = source.records.identity(one).await.map_err(|why| source.failed(why))?;
    let to = target.records.identity(other).await.map_err(|why| target.failed(why))?;
    if from == to { Err(TransferError::Same(source.name.clone())) } else { Ok(from) }
}

async fn half_source(source: &Side) -> Result<(), TransferError> {
    match source.records.copy_mark().await.map_err(|why| source.failed(why))? {
        Some(mark) if mark.stage != CopyStage::Done => Err(TransferError::HalfSource(source.name.clone())),
        Some(_) | None => Ok(()),
    }
}

/// Refuses a target that holds anything.
async fn empty(target: &Side, options: &Options) -> Result<(), TransferError> {
    // Every store has its numbers.
    for &kind in RecordKind::ALL.iter().filter(|kind| **kind != RecordKind::Numbers) {
        let mut after = None;
        loop {
            let page = target.records.export(kind, after, options.now, 1).await;
            let Page { records, next } = page.map_err(|why| target.failed(why))?;
            if !records.is_empty() {
                return Err(TransferError::NotEmpty { name: target.name.clone(), kind: kind.name() });
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(())
}

async fn note(target: &Side, mark: &CopyMark) -> Result<(), TransferError> {
    target.records.set_copy_mark(mark.clone()).await.map_err(|why| target.failed(why))
}

/// From where the mark says to the end: each page is written while the next one is read.
async fn write(
    source: &Side,
    target: &Side,
    mut mark: CopyMark,
    options: &Options,
    tell: Tell<'_>,
) -> Result<CopyMark, TransferError> {
    let CopyStage::Writing(first, mut after) = mark.stage.clone() else { return Ok(mark) };
    note(target, &mark).await?;
    for &kind in RecordKind::ALL.iter().filter(|kind| **kind >= first) {
        let mut page = source.page(kind, after.take(), options).await?;
        loop {
            let Page { records, next } = page;
            let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
            let ahead = async {
                match &next {
                    Some(place) => source.page(kind, Some(place.clone()), options).await,
                    None => Ok(Page::default()),
                }
            };
            let written = async {
                if records.is_empty() {
                    return Ok(());
                }
                let written: Result<(), StoreError> = target.records.import(records, options.now).await;
                written.map_err(|why| target.failed(why))
            };
            ((), page) = try_join!(written, ahead)?;
            mark.records = mark.records.saturating_add(count);
            mark.stage = match (&next, RecordKind::ALL.iter().find(|later| **later > kind)) {
                (Some(place), _) => CopyStage::Writing(kind, Some(place.clone())),
                (None, Some(later)) => CopyStage::Writing(*later, None),
                (None, None) => CopyStage::Comparing,
            };
            note(target, &mark).await?;
            tell(Progress { doing: Doing::Writing, kind, records: mark.records });
            if next.is_none() {
                break;
            }
        }
    }
    Ok(mark)
}

impl Side {
    pub(crate) async fn page(
        &self,
        kind: RecordKind,
        after: Option<String>,
        options: &Options,
    ) -> Result<Page, TransferError> {
        let page = self.records.export(kind, after, options.now, options.page).await;
        page.map_err(|why| self.failed(why))
    }
}

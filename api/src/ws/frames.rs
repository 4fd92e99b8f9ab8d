//! The envelope in both directions: `{type, data, timestamp, request_id?}`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use argus_domain::{Address, ids::JobId, ids::TaskId, job::Job, status::TaskStatus, task::TaskRecord};
use argus_ports::{Change, ChangeKind, Room, StoreError};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use tokio_tungstenite::tungstenite::protocol::frame::{
    Frame,
    coding::{Data, OpCode},
};

use crate::{
    Edge,
    json::address_number,
    shape::{
        task::{shown, status_name},
        task_types::ShownTask,
    },
};

/// A frame that asks for a sign of life: whole, empty and unmasked (RFC 6455, section 5.2).
pub const PING: Bytes = Bytes::from_static(&[0x89, 0]);

/// What a client may ask for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// One job.
    Job(JobId),
    /// One task of a job.
    Task(JobId, TaskId),
    /// All jobs of an owner.
    Owner(Address),
}

impl Topic {
    /// Where its changes are read.
    pub fn room(&self) -> Room {
        match self {
            Self::Job(job) | Self::Task(job, _) => Room::Job(*job),
            Self::Owner(owner) => Room::Owner(*owner),
        }
    }

    /// Whether a change of its room belongs to it.
    pub fn takes(&self, task: TaskId) -> bool {
        match self {
            Self::Task(_, own) => *own == task,
            Self::Job(_) | Self::Owner(_) => true,
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a, D> {
    #[serde(rename = "type")]
    kind: &'a str,
    data: D,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a Value>,
}

/// A frame, encoded.
pub fn frame(edge: &Edge, kind: &str, data: impl Serialize, request_id: Option<&Value>) -> Bytes {
    let mut encoded = Vec::new();
    put_frame(&mut encoded, edge, kind, data, request_id);
    encoded.into()
}

fn put_frame(
    encoded: &mut Vec<u8>,
    edge: &Edge,
    kind: &str,
    data: impl Serialize,
    request_id: Option<&Value>,
) {
    let envelope = Envelope { kind, data, timestamp: edge.ports.clock.now().to_rfc3339(), request_id };
    match serde_json::to_vec(&envelope) {
        Ok(text) => put_text(encoded, text),
        Err(cause) => tracing::error!(%cause, kind, "a frame could not be written"),
    }
}

/// A text as a server sends it: in one frame, and unmasked.
fn put_text(encoded: &mut Vec<u8>, text: Vec<u8>) {
    if let Err(cause) = Frame::message(text, OpCode::Data(Data::Text), true).format(encoded) {
        tracing::error!(%cause, "a frame could not be written");
    }
}

/// Changes of a room as frames, encoded once for all that are told.
pub struct Frames {
    /// In the order of their positions.
    pub shown: Vec<Shown>,
    /// The frames, one behind the other.
    pub encoded: Bytes,
}

/// One change, as all that watch it are told.
pub struct Shown {
    /// Its position in its room.
    pub position: u64,
    /// The task.
    pub task: TaskId,
    /// Where its frame is.
    pub frame: Range<usize>,
}

impl Frames {
    /// The frames of the changes that are wanted, in as few pieces as there are.
    pub fn pieces(&self, mut is_wanted: impl FnMut(&Shown) -> bool) -> Vec<Bytes> {
        let mut pieces: Vec<Range<usize>> = Vec::new();
        for shown in self.shown.iter().filter(|shown| is_wanted(shown)) {
            match pieces.last_mut() {
                Some(last) if last.end == shown.frame.start => last.end = shown.frame.end,
                _ => pieces.push(shown.frame.clone()),
            }
        }
        pieces.into_iter().map(|piece| self.encoded.slice(piece)).collect()
    }
}

/// Changes of a room with their positions, as frames. Those whose task or job is unknown have none.
pub async fn change_frames(edge: &Edge, room: Room, changes: &[(u64, Change)]) -> Result<Frames, StoreError> {
    let ids: BTreeSet<_> = changes.iter().map(|(_, change)| change.task).collect();
    let records = edge.ports.tasks.tasks(&Vec::from_iter(ids)).await?;
    let tasks: BTreeMap<_, _> = records.iter().map(|record| (record.task.id, record)).collect();
    let mut jobs = BTreeMap::new();
    for id in changes.iter().map(|(_, change)| change.job).collect::<BTreeSet<_>>() {
        if let Some(record) = edge.ports.jobs.job(id).await? {
            jobs.insert(id, record);
        }
    }
    let (mut shown, mut encoded) = (Vec::with_capacity(changes.len()), Vec::new());
    for (position, change) in changes {
        let (Some(record), Some(job)) = (tasks.get(&change.task), jobs.get(&change.job)) else { continue };
        if !job.opened(&record.task) {
            continue;
        }
        let begin = encoded.len();
        put_change(&mut encoded, edge, (room, *position, change), record, &job.job);
        shown.push(Shown { position: *position, task: change.task, frame: begin..encoded.len() });
    }
    Ok(Frames { shown, encoded: encoded.into() })
}

#[derive(Serialize)]
struct Changed {
    task_id: u64,
    job_id: String,
    user_id: String,
    task_status: &'static str,
    changes: ShownTask,
    timestamp: String,
    seq: u64,
    /// In an owner's room, whose positions are not those of the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
}

/// The frame of a change: the task as it is now, so that a frame that comes late says nothing outdated.
fn put_change(
    encoded: &mut Vec<u8>,
    edge: &Edge,
    (room, position, change): (Room, u64, &Change),
    record: &TaskRecord,
    job: &Job,
) {
    let status = record.state().status();
    let kind = match change.kind {
        ChangeKind::Created => "TASK_CREATED",
        ChangeKind::Settled | ChangeKind::Revoked | ChangeKind::Confirmed | ChangeKind::Lapsed => {
            "TASK_STATUS_CHANGED"
        }
        ChangeKind::Broadcast => "TASK_UPDATED",
        ChangeKind::Received if status == TaskStatus::Processing => "TASK_FEE_UPDATED",
        ChangeKind::Received => "TASK_STATUS_CHANGED",
    };
    let data = Changed {
        task_id: change.public_id,
        job_id: change.job.to_string(),
        user_id: address_number(change.owner).to_string(),
        task_status: status_name(status),
        changes: shown(edge, record, job),
        timestamp: change.at.to_rfc3339(),
        seq: change.seq,
        since: match room {
            Room::Owner(_) => Some(position.to_string()),
            Room::Job(_) => None,
        },
    };
    put_frame(encoded, edge, kind, data, None);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_what_the_library_writes() {
        let mut encoded = Vec::new();
        Frame::ping(Bytes::new()).format(&mut encoded).unwrap();
        assert_eq!(PING, encoded);
    }

    #[test]
    fn frames_that_lie_together_are_one_piece() {
        let task = |n: u8| TaskId(argus_domain::B256::repeat_byte(n));
        let frames = Frames {
            shown: vec![
                Shown { position: 1, task: task(1), frame: 0..2 },
                Shown { position: 2, task: task(2), frame: 2..3 },
                Shown { position: 3, task: task(1), frame: 3..6 },
            ],
            encoded: Bytes::from_static(b"aabccc"),
        };
        let check = |is_wanted: fn(&Shown) -> bool, expect: &[&[u8]]| {
            assert_eq!(frames.pieces(is_wanted), expect);
        };
        check(|_| true, &[b"aabccc"]);
        check(|shown| shown.position > 1, &[b"bccc"]);
        check(|shown| shown.task != TaskId(argus_domain::B256::repeat_byte(2)), &[b"aa", b"ccc"]);
        check(|_| false, &[]);
    }
}

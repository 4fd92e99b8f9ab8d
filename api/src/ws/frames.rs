//! The envelope in both directions: `{type, data, timestamp, request_id?}`.

use std::collections::{BTreeMap, BTreeSet};

use argus_domain::{Address, ids::JobId, ids::TaskId, job::Job, status::TaskStatus, task::TaskRecord};
use argus_ports::{Change, ChangeKind, Room, StoreError};
use axum::extract::ws::Utf8Bytes;
use serde_json::{Map, Value, json};

use crate::{
    Edge,
    json::address_number,
    shape::task::{shown, status_name},
};

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

/// A frame.
pub fn frame(edge: &Edge, kind: &str, data: Value, request_id: Option<&Value>) -> Utf8Bytes {
    let mut envelope = Map::new();
    envelope.insert("type".to_owned(), json!(kind));
    envelope.insert("data".to_owned(), data);
    envelope.insert("timestamp".to_owned(), json!(edge.ports.clock.now().to_rfc3339()));
    if let Some(id) = request_id {
        envelope.insert("request_id".to_owned(), id.clone());
    }
    Utf8Bytes::from(Value::Object(envelope).to_string())
}

/// One change, as all that watch it are told.
pub struct Shown {
    /// Its position in its room.
    pub position: u64,
    /// The task.
    pub task: TaskId,
    /// The encoded frame.
    pub frame: Utf8Bytes,
}

/// Changes of a room with their positions, as frames. Those whose task or job is unknown have none.
pub async fn change_frames(
    edge: &Edge,
    room: Room,
    changes: &[(u64, Change)],
) -> Result<Vec<Shown>, StoreError> {
    let ids: BTreeSet<_> = changes.iter().map(|(_, change)| change.task).collect();
    let records = edge.ports.tasks.tasks(&Vec::from_iter(ids)).await?;
    let tasks: BTreeMap<_, _> = records.iter().map(|record| (record.task.id, record)).collect();
    let mut jobs = BTreeMap::new();
    for id in changes.iter().map(|(_, change)| change.job).collect::<BTreeSet<_>>() {
        if let Some(record) = edge.ports.jobs.job(id).await? {
            jobs.insert(id, record.job);
        }
    }
    let frames = changes.iter().filter_map(|(position, change)| {
        let (record, job) = (tasks.get(&change.task)?, jobs.get(&change.job)?);
        let frame = change_frame(edge, room, *position, change, record, job);
        Some(Shown { position: *position, task: change.task, frame })
    });
    Ok(frames.collect())
}

/// The frame of a change: the task as it is now, so that a frame that comes late says nothing outdated.
fn change_frame(
    edge: &Edge,
    room: Room,
    position: u64,
    change: &Change,
    record: &TaskRecord,
    job: &Job,
) -> Utf8Bytes {
    let changes = shown(edge, record, job);
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
    let mut data = json!({
        "task_id": change.public_id,
        "job_id": change.job.to_string(),
        "user_id": address_number(change.owner).to_string(),
        "task_status": status_name(status),
        "changes": changes,
        "timestamp": change.at.to_rfc3339(),
        "seq": change.seq,
    });
    if let (Room::Owner(_), Some(map)) = (room, data.as_object_mut()) {
        map.insert("since".to_owned(), json!(position.to_string()));
    }
    frame(edge, kind, data, None)
}

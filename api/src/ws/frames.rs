//! The envelope in both directions: `{type, data, timestamp, request_id?}`.

use argus_domain::{Address, ids::JobId, ids::TaskId, status::TaskStatus};
use argus_ports::{Change, ChangeKind, Room, StoreError};
use axum::extract::ws::Utf8Bytes;
use serde_json::{Map, Value, json};

use crate::{
    Edge,
    json::address_number,
    shape::task::{shown, status_name},
};

/// What a client may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
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
pub fn frame(edge: &Edge, kind: &str, data: &Value, request_id: Option<&Value>) -> Utf8Bytes {
    let mut envelope = Map::new();
    envelope.insert("type".to_owned(), json!(kind));
    envelope.insert("data".to_owned(), data.clone());
    envelope.insert("timestamp".to_owned(), json!(edge.ports.clock.now().to_rfc3339()));
    if let Some(id) = request_id {
        envelope.insert("request_id".to_owned(), id.clone());
    }
    Utf8Bytes::from(Value::Object(envelope).to_string())
}

/// The frame of a change: the task as it is now, so that a frame that comes late says nothing outdated. `None`
/// where task or job are unknown.
pub async fn change_frame(
    edge: &Edge,
    room: Room,
    position: u64,
    change: &Change,
) -> Result<Option<Utf8Bytes>, StoreError> {
    let record = edge.ports.tasks.tasks(&[change.task]).await?.into_iter().next();
    let job = edge.ports.jobs.job(change.job).await?;
    let (Some(record), Some(job)) = (record, job) else { return Ok(None) };
    let changes = shown(edge, &record, &job.job);
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
    Ok(Some(frame(edge, kind, &data, None)))
}

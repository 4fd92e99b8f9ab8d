//! Conversions of what only links know.

use argus_domain::{
    Address, B256, U256,
    attempt::SignedClaim,
    call::Signature,
    difference::Refutation,
    ids::{AttemptNo, JobId, KeeperId, TaskId},
};
use argus_ports::{FromKeeper, LinkError, SignedHello, TaskOf, ToKeeper};
use argus_proto::{Malformed, Wire, v1};

/// What the two ends of a keeper's stream send: a message, or credits for the other side.
pub(crate) enum Item<T> {
    Credits(u32),
    Message(T),
}

/// A message that travels in frames.
pub(crate) trait Framed: Sized + Send + 'static {
    type Frame: prost::Message + Default + 'static;

    fn frame(&self) -> Self::Frame;
    fn credits(credits: u32) -> Self::Frame;
    fn item(frame: Self::Frame) -> Result<Item<Self>, Malformed>;
}

fn missing() -> Malformed {
    Malformed::new("what", "it is missing")
}

pub(crate) fn hash(bytes: &[u8], field: &str) -> Result<B256, Malformed> {
    B256::try_from(bytes).map_err(|_| Malformed::new(field, "no 32 bytes"))
}

fn keeper(bytes: &[u8]) -> Result<KeeperId, Malformed> {
    Address::try_from(bytes).map(KeeperId).map_err(|_| Malformed::new("keeper", "no 20 bytes"))
}

fn attempt_no(n: u32) -> Result<AttemptNo, Malformed> {
    u16::try_from(n).map(AttemptNo).map_err(|_| Malformed::new("attempt", "it is too large"))
}

impl Framed for ToKeeper {
    type Frame = v1::PlatformFrame;

    fn frame(&self) -> v1::PlatformFrame {
        use v1::platform_frame::{AssignWithSecrets, Second, What};
        v1::PlatformFrame {
            what: Some(match self {
                Self::Assign { assignment, secrets: None } => What::Assign(assignment.to_wire()),
                Self::Assign { assignment, secrets: Some(secrets) } => {
                    What::AssignWithSecrets(AssignWithSecrets {
                        assignment: Some(assignment.to_wire()),
                        secrets: secrets.to_vec(),
                    })
                }
                Self::Second { assignment, round } => What::Second(Second {
                    assignment: Some(assignment.to_wire()),
                    round: Some(round.to_wire()),
                }),
                Self::Perform(order) => What::Perform(order.to_wire()),
            }),
        }
    }

    fn credits(credits: u32) -> v1::PlatformFrame {
        v1::PlatformFrame { what: Some(v1::platform_frame::What::Credits(credits)) }
    }

    fn item(frame: v1::PlatformFrame) -> Result<Item<Self>, Malformed> {
        use v1::platform_frame::What;
        Ok(Item::Message(match frame.what.ok_or_else(missing)? {
            What::Credits(credits) => return Ok(Item::Credits(credits)),
            What::Assign(m) => Self::Assign { assignment: Wire::from_wire(m)?, secrets: None },
            What::AssignWithSecrets(m) => Self::Assign {
                assignment: Wire::from_wire(m.assignment.ok_or_else(missing)?)?,
                secrets: Some(m.secrets.into()),
            },
            What::Second(m) => Self::Second {
                assignment: Wire::from_wire(m.assignment.ok_or_else(missing)?)?,
                round: Box::new(Wire::from_wire(m.round.ok_or_else(missing)?)?),
            },
            What::Perform(m) => Self::Perform(Box::new(Wire::from_wire(m)?)),
        }))
    }
}

impl Framed for FromKeeper {
    type Frame = v1::KeeperFrame;

    fn frame(&self) -> v1::KeeperFrame {
        use v1::keeper_frame::{Declined, Refuted, What};
        v1::KeeperFrame {
            what: Some(match self {
                Self::Answer(answer) => What::Answer(answer.to_wire()),
                Self::Signed(claim) => What::Signed(claim.to_wire()),
                Self::Declined { task, attempt, reason, transient } => What::Declined(Declined {
                    task: task.0.to_vec(),
                    attempt: u32::from(attempt.0),
                    reason: reason.clone(),
                    transient: *transient,
                }),
                Self::Refuted { task, attempt, keeper, found } => What::Refuted(Refuted {
                    task: task.0.to_vec(),
                    attempt: u32::from(attempt.0),
                    keeper: keeper.0.to_vec(),
                    finding: found.finding.clone(),
                    came_to: found.came_to.clone(),
                    fuel: found.fuel,
                    call: found.call.as_ref().map(Wire::to_wire),
                    argument: found.argument.as_ref().map(Wire::to_wire),
                }),
                Self::Performed(event) => What::Performed(event.to_wire()),
                Self::Heartbeat { load } => What::Heartbeat(*load),
            }),
        }
    }

    fn credits(credits: u32) -> v1::KeeperFrame {
        v1::KeeperFrame { what: Some(v1::keeper_frame::What::Credits(credits)) }
    }

    fn item(frame: v1::KeeperFrame) -> Result<Item<Self>, Malformed> {
        use v1::keeper_frame::What;
        Ok(Item::Message(match frame.what.ok_or_else(missing)? {
            What::Hello(_) => return Err(Malformed::new("hello", "a session says it once")),
            What::Credits(credits) => return Ok(Item::Credits(credits)),
            What::Answer(m) => Self::Answer(Box::new(Wire::from_wire(m)?)),
            What::Signed(m) => Self::Signed(Box::new(SignedClaim::from_wire(m)?)),
            What::Declined(m) => Self::Declined {
                task: TaskId(hash(&m.task, "task")?),
                attempt: attempt_no(m.attempt)?,
                reason: m.reason,
                transient: m.transient,
            },
            What::Refuted(m) => Self::Refuted {
                task: TaskId(hash(&m.task, "task")?),
                attempt: attempt_no(m.attempt)?,
                keeper: keeper(&m.keeper)?,
                found: Box::new(Refutation {
                    finding: m.finding,
                    came_to: m.came_to,
                    fuel: m.fuel,
                    call: m.call.map(Wire::from_wire).transpose()?,
                    argument: m.argument.map(Wire::from_wire).transpose()?,
                }),
            },
            What::Performed(m) => Self::Performed(Wire::from_wire(m)?),
            What::Heartbeat(load) => Self::Heartbeat { load },
        }))
    }
}

pub(crate) fn hello_to_wire(hello: &SignedHello) -> v1::SignedHello {
    v1::SignedHello {
        hello: Some(hello.hello.to_wire()),
        nonce: hello.nonce.to_vec(),
        signature: hello.signature.0.to_vec(),
    }
}

pub(crate) fn hello_from_wire(m: v1::SignedHello) -> Result<SignedHello, Malformed> {
    let hello = m.hello.ok_or_else(|| Malformed::new("hello", "it is missing"))?;
    let signature = m.signature.try_into().map_err(|_| Malformed::new("signature", "no 65 bytes"))?;
    Ok(SignedHello {
        hello: Wire::from_wire(hello)?,
        nonce: hash(&m.nonce, "nonce")?,
        signature: Signature(signature),
    })
}

pub(crate) fn tasks_to_wire(tasks: &[TaskOf]) -> v1::TaskIds {
    let of = |job: &Option<JobId>| job.map(|job| job.0.to_be_bytes::<32>().to_vec()).unwrap_or_default();
    v1::TaskIds {
        ids: tasks.iter().map(|of| of.task.0.to_vec()).collect(),
        jobs: tasks.iter().map(|task| of(&task.job)).collect(),
    }
}

/// Programs that know nothing of shards name no jobs.
pub(crate) fn tasks_from_wire(m: &v1::TaskIds) -> Result<Vec<TaskOf>, Malformed> {
    if !m.jobs.is_empty() && m.jobs.len() != m.ids.len() {
        return Err(Malformed::new("jobs", "not as many as tasks"));
    }
    let job = |n: usize| match m.jobs.get(n).filter(|id| !id.is_empty()) {
        Some(id) => hash(id, "jobs").map(|id| Some(JobId(U256::from_be_bytes(id.0)))),
        None => Ok(None),
    };
    let ids = m.ids.iter().enumerate();
    ids.map(|(n, id)| Ok(TaskOf { task: TaskId(hash(id, "ids")?), job: job(n)? })).collect()
}

pub(crate) fn jobs_to_wire(jobs: &[JobId]) -> v1::JobIds {
    v1::JobIds { ids: jobs.iter().map(|job| job.0.to_be_bytes::<32>().to_vec()).collect() }
}

pub(crate) fn jobs_from_wire(m: &v1::JobIds) -> Result<Vec<JobId>, Malformed> {
    m.ids.iter().map(|id| hash(id, "ids").map(|id| JobId(U256::from_be_bytes(id.0)))).collect()
}

pub(crate) fn attempt_ended_from_wire(
    m: v1::AttemptEnded,
) -> Result<(TaskId, AttemptNo, argus_ports::AttemptOutcome), Malformed> {
    let outcome = m.outcome.ok_or_else(|| Malformed::new("outcome", "it is missing"))?;
    Ok((TaskId(hash(&m.task, "task")?), attempt_no(m.attempt)?, Wire::from_wire(outcome)?))
}

pub(crate) fn fault_to_wire(e: LinkError) -> v1::LinkFault {
    use v1::link_fault::Kind;
    let (kind, reason) = match e {
        LinkError::Busy => (Kind::Busy, String::new()),
        LinkError::Gone(reason) => (Kind::Gone, reason),
        LinkError::Refused(reason) => (Kind::Refused, reason),
    };
    v1::LinkFault { kind: kind.into(), reason }
}

pub(crate) fn fault_from_wire(m: v1::LinkFault) -> LinkError {
    use v1::link_fault::Kind;
    match m.kind() {
        Kind::Busy => LinkError::Busy,
        Kind::Refused => LinkError::Refused(m.reason),
        Kind::Gone | Kind::Unspecified => LinkError::Gone(m.reason),
    }
}

/// A status that stands for a link's error, and back.
pub(crate) fn status_of(e: LinkError) -> tonic::Status {
    match e {
        LinkError::Busy => tonic::Status::resource_exhausted("busy"),
        LinkError::Gone(reason) => tonic::Status::unavailable(reason),
        LinkError::Refused(reason) => tonic::Status::permission_denied(reason),
    }
}

pub(crate) fn error_of(status: &tonic::Status) -> LinkError {
    use tonic::Code as C;
    match status.code() {
        C::ResourceExhausted => LinkError::Busy,
        C::Unauthenticated
        | C::PermissionDenied
        | C::InvalidArgument
        | C::FailedPrecondition
        | C::Unimplemented => LinkError::Refused(status.message().to_owned()),
        _ => LinkError::Gone(told(status)),
    }
}

/// What h2 makes of TLS: an alert's first bytes as a frame's length.
const TLS_AS_FRAME: &str = "frame with invalid size";

/// A failure with the cause at the bottom of it: what lies above says only that there was one.
fn told(status: &tonic::Status) -> String {
    let first = std::error::Error::source(status);
    let Some(last) = std::iter::successors(first, |cause| cause.source()).last() else {
        return status.message().to_owned();
    };
    let (message, last) = (status.message(), last.to_string());
    if last.contains(TLS_AS_FRAME) {
        format!("{message}: the other side speaks TLS, so that its URL begins with https://")
    } else if message.contains(&last) {
        message.to_owned()
    } else {
        format!("{message}: {last}")
    }
}

//! The contracts of the links: whatever carries a conversation, its other end hears what was said, and the caller
//! hears what became of it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use argus_domain::{
    B256,
    attempt::{Answer, Assignment, SecondRound, SignedAssignment},
    difference::{CallDifference, MadeCall, Refutation},
    ids::{AttemptNo, ChainId, JobId, TaskId},
    keeper::{KeeperHello, LiveKeeper},
    module::EngineId,
    run::Transcript,
    seal::Seal,
};
use argus_ports::{
    Aggregate, AttemptOutcome, Dispatch, FromKeeper, HandoffOrder, KeeperGate, KeeperLink, KeeperSession,
    LinkError, Nudge, Outcomes, PerformEvent, SignedHello, TaskOf, ToKeeper,
};
use async_trait::async_trait;
use futures::future::join_all;
use tokio::{sync::mpsc, time::timeout};

use crate::samples::{NOW, agreed, assignment, claim, job, keeper, observation, order, signature, state};

/// What a service was told.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the variants are the verbs of the links, which say what they are")]
pub enum Heard {
    JobsChanged(Vec<JobId>),
    Submitted(Vec<TaskOf>),
    Touched(Vec<TaskOf>),
    Began(Arc<Assignment>),
    HandedOff(Box<HandoffOrder>),
    Ended(TaskId, AttemptNo, Box<AttemptOutcome>),
    Performed(PerformEvent),
    KeepersChanged,
}

/// A service that notes what it is told, and answers as it was told to.
#[derive(Default)]
pub struct Recorder {
    heard: Mutex<Vec<Heard>>,
    answer: Mutex<Option<LinkError>>,
}

impl Recorder {
    fn hear(&self, what: Heard) -> Result<(), LinkError> {
        self.heard.lock().unwrap().push(what);
        self.answer.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    fn answer_with(&self, e: Option<LinkError>) {
        *self.answer.lock().unwrap() = e;
    }
}

#[async_trait]
impl Nudge for Recorder {
    async fn jobs_changed(&self, jobs: &[JobId]) -> Result<(), LinkError> {
        self.hear(Heard::JobsChanged(jobs.to_vec()))
    }
}

#[async_trait]
impl Dispatch for Recorder {
    async fn submit(&self, tasks: &[TaskOf]) -> Result<(), LinkError> {
        self.hear(Heard::Submitted(tasks.to_vec()))
    }

    async fn touched(&self, tasks: &[TaskOf]) -> Result<(), LinkError> {
        self.hear(Heard::Touched(tasks.to_vec()))
    }
}

#[async_trait]
impl Aggregate for Recorder {
    async fn begin(&self, assignment: Arc<Assignment>) -> Result<(), LinkError> {
        self.hear(Heard::Began(assignment))
    }

    async fn hand_off(&self, order: HandoffOrder) -> Result<(), LinkError> {
        self.hear(Heard::HandedOff(Box::new(order)))
    }

    async fn live(&self) -> Result<Vec<LiveKeeper>, LinkError> {
        self.answer.lock().unwrap().clone().map_or(Ok(live()), Err)
    }
}

#[async_trait]
impl Outcomes for Recorder {
    async fn attempt_ended(
        &self,
        task: TaskId,
        attempt: AttemptNo,
        outcome: AttemptOutcome,
    ) -> Result<(), LinkError> {
        self.hear(Heard::Ended(task, attempt, Box::new(outcome)))
    }

    async fn performed(&self, event: PerformEvent) -> Result<(), LinkError> {
        self.hear(Heard::Performed(event))
    }

    async fn keepers_changed(&self) -> Result<(), LinkError> {
        self.hear(Heard::KeepersChanged)
    }
}

fn hello() -> KeeperHello {
    KeeperHello {
        keeper: keeper(1),
        engines: [EngineId(B256::repeat_byte(9))].into(),
        chains: [ChainId(1)].into(),
        capacity: 4,
        version: "0.1.0".to_owned(),
        box_key: None,
    }
}

/// What a keeper says that the gate lets in.
pub fn signed_hello() -> SignedHello {
    SignedHello { hello: hello(), nonce: B256::repeat_byte(0x77), signature: signature(27) }
}

fn live() -> Vec<LiveKeeper> {
    vec![LiveKeeper { hello: hello(), load: 1, heard_at: NOW, stake: u128::MAX, faults: 2 }]
}

fn task() -> TaskId {
    TaskId(B256::repeat_byte(1))
}

/// The ends of all conversations between services, as a caller has them.
pub trait Services: Nudge + Dispatch + Aggregate + Outcomes {}
impl<T: Nudge + Dispatch + Aggregate + Outcomes> Services for T {}

/// Between services: `link` leads to `other`.
pub async fn services(link: &dyn Services, other: &Recorder) {
    let ids = [job(1).id, job(2).id];
    let broadcast =
        PerformEvent::Broadcast { task: task(), keeper: keeper(1), transaction: B256::repeat_byte(3) };
    let declined = PerformEvent::Declined { task: task(), keeper: keeper(1), reason: "no gas".to_owned() };
    link.jobs_changed(&ids).await.expect("jobs_changed");
    link.submit(&[TaskOf::job(ids[0], task()), task().into()]).await.expect("submit");
    link.touched(&[]).await.expect("touched");
    link.begin(assignment(2)).await.expect("begin");
    link.hand_off(order()).await.expect("hand_off");
    assert_eq!(link.live().await, Ok(live()));
    let outcomes = [
        AttemptOutcome::Agreed(agreed()),
        AttemptOutcome::Skipped("not now".to_owned()),
        AttemptOutcome::Failed("why".to_owned()),
        AttemptOutcome::Disagreed("here".to_owned()),
        AttemptOutcome::Short { why: "gone".to_owned(), transient: false },
        AttemptOutcome::Short { why: "busy".to_owned(), transient: true },
    ];
    for outcome in outcomes.clone() {
        link.attempt_ended(task(), AttemptNo(u16::MAX), outcome).await.expect("attempt_ended");
    }
    link.performed(broadcast.clone()).await.expect("performed");
    link.performed(declined.clone()).await.expect("performed");
    link.keepers_changed().await.expect("keepers_changed");
    let mut expected = vec![
        Heard::JobsChanged(ids.to_vec()),
        Heard::Submitted(vec![TaskOf::job(job(1).id, task()), task().into()]),
        Heard::Touched(vec![]),
        Heard::Began(assignment(2)),
        Heard::HandedOff(Box::new(order())),
    ];
    expected.extend(outcomes.map(|outcome| Heard::Ended(task(), AttemptNo(u16::MAX), Box::new(outcome))));
    expected.extend([Heard::Performed(broadcast), Heard::Performed(declined), Heard::KeepersChanged]);
    assert_eq!(other.take(), expected, "the other side hears what was said");

    let refused = LinkError::Refused("not you".to_owned());
    for error in [LinkError::Busy, refused, LinkError::Gone("stopping".to_owned())] {
        other.answer_with(Some(error.clone()));
        assert_eq!(
            link.submit(&[task().into()]).await,
            Err(error.clone()),
            "the caller hears what became of it"
        );
        assert_eq!(link.live().await, Err(error));
    }
    other.answer_with(None);
    other.take();

    let many = join_all((0..2000u16).map(|n| link.begin(assignment(n)))).await;
    assert!(many.iter().all(Result::is_ok), "many calls at once");
    let mut numbers: Vec<u16> = other
        .take()
        .iter()
        .map(|heard| match heard {
            Heard::Began(assignment) => assignment.attempt.no.0,
            other => panic!("{other:?}"),
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..2000).collect::<Vec<_>>(), "each is heard once");
}

/// A keeper's stream at the platform.
pub type PlatformEnd = Box<dyn KeeperSession<ToKeeper, FromKeeper>>;

/// A gate that hands the sessions it admits to the test; it refuses keeper 2.
pub struct Gate(mpsc::Sender<(SignedHello, PlatformEnd)>);

impl Gate {
    /// A gate, and where its sessions come out.
    pub fn new() -> (Arc<Self>, mpsc::Receiver<(SignedHello, PlatformEnd)>) {
        let (sessions, admitted) = mpsc::channel(8);
        (Arc::new(Self(sessions)), admitted)
    }
}

#[async_trait]
impl KeeperGate for Gate {
    async fn nonce(&self) -> Result<B256, LinkError> {
        Ok(B256::repeat_byte(0x77))
    }

    async fn admit(&self, hello: SignedHello, session: PlatformEnd) -> Result<(), LinkError> {
        if hello.hello.keeper == keeper(2) {
            return Err(LinkError::Refused("not registered".to_owned()));
        }
        self.0.send((hello, session)).await.map_err(|_| LinkError::Gone("the test is over".to_owned()))
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), what).await.expect("in time")
}

/// Between a keeper and the platform: `link` leads to the gate whose sessions come out of `admitted`. The link's
/// deadline for credits should be short.
pub async fn keepers(link: &dyn KeeperLink, admitted: &mut mpsc::Receiver<(SignedHello, PlatformEnd)>) {
    let nonce = soon(link.nonce()).await.expect("nonce");
    assert_eq!(nonce, B256::repeat_byte(0x77));
    let signed = signed_hello();
    let mut stranger = signed.clone();
    stranger.hello.keeper = keeper(2);
    let refused = soon(link.connect(stranger)).await.map(|_| ());
    assert_eq!(refused, Err(LinkError::Refused("not registered".to_owned())));

    let here = soon(link.connect(signed.clone())).await.expect("connect");
    let (said, there) = soon(admitted.recv()).await.expect("a session");
    assert_eq!(said, signed, "the hello arrives as it was signed");

    let order = order();
    let second = SecondRound {
        task: task(),
        attempt: AttemptNo(1),
        observations: vec![observation(task(), 1)],
        chosen: keeper(1),
        transcript: Transcript::default(),
        refuted: vec![keeper(2), keeper(3)],
    };
    let seal = Seal { path: vec![B256::repeat_byte(6); 2], signature: signature(28) };
    let assignment = SignedAssignment { assignment: assignment(1), seal, state: Some(state()) };
    let down = [
        ToKeeper::Assign { assignment: assignment.clone(), secrets: None },
        ToKeeper::Assign { assignment: assignment.clone(), secrets: Some(vec![1, 2, 3].into()) },
        ToKeeper::Second { assignment, round: Box::new(second) },
        ToKeeper::Perform(Box::new(order)),
    ];
    for message in &down {
        soon(there.send(message.clone())).await.expect("send");
    }
    for message in down {
        assert_eq!(soon(here.receive()).await, Some(message), "in order");
    }
    let answer = Answer {
        observation: observation(task(), 1),
        claim: Some(claim(task(), 1)),
        transcript: Transcript::default(),
        log: "a line\n".to_owned(),
        state: Some(state()),
    };
    let up = [
        FromKeeper::Answer(Box::new(answer)),
        FromKeeper::Signed(Box::new(claim(task(), 1))),
        FromKeeper::Declined {
            task: task(),
            attempt: AttemptNo(3),
            reason: "busy".to_owned(),
            transient: true,
        },
        FromKeeper::Refuted {
            task: task(),
            attempt: AttemptNo(3),
            keeper: keeper(2),
            found: Box::new(Refutation::diverged(CallDifference {
                sequence: 3,
                one: Some(MadeCall::asked("http_fetch", "{}", 7).answered("1")),
                other: None,
            })),
        },
        FromKeeper::Performed(PerformEvent::Declined {
            task: task(),
            keeper: keeper(1),
            reason: "no gas".to_owned(),
        }),
        FromKeeper::Heartbeat { load: 0 },
    ];
    for message in &up {
        soon(here.send(message.clone())).await.expect("send");
    }
    for message in up {
        assert_eq!(soon(there.receive()).await, Some(message), "in order");
    }
    credits(&*here, &*there).await;

    drop(there);
    assert_eq!(soon(here.receive()).await, None, "the stream ends with its other end");
    let again = soon(link.connect(signed)).await.expect("a keeper connects again");
    let (_, there) = soon(admitted.recv()).await.expect("a session");
    drop(again);
    assert_eq!(soon(there.receive()).await, None);
    let gone = soon(async {
        loop {
            match there.send(ToKeeper::Perform(Box::new(crate::links::order()))).await {
                Ok(()) | Err(LinkError::Busy) => {}
                Err(e) => return e,
            }
        }
    });
    assert!(matches!(gone.await, LinkError::Gone(_)));
}

/// Who does not take its messages is not sent more and more of them; once it takes them all arrive.
async fn credits(here: &dyn KeeperSession<FromKeeper, ToKeeper>, there: &PlatformEndRef) {
    let mut sent = 0u32;
    let busy = soon(async {
        loop {
            match here.send(FromKeeper::Heartbeat { load: sent }).await {
                Ok(()) => sent += 1,
                Err(e) => return e,
            }
        }
    });
    assert_eq!(busy.await, LinkError::Busy, "credits end");
    for load in 0..sent {
        assert_eq!(soon(there.receive()).await, Some(FromKeeper::Heartbeat { load }));
    }
    let more = 10 * sent;
    let send = async {
        for load in 0..more {
            here.send(FromKeeper::Heartbeat { load }).await.expect("credits come back");
        }
    };
    let receive = async {
        for load in 0..more {
            assert_eq!(there.receive().await, Some(FromKeeper::Heartbeat { load }));
        }
    };
    soon(async { tokio::join!(send, receive) }).await;
}

type PlatformEndRef = dyn KeeperSession<ToKeeper, FromKeeper>;

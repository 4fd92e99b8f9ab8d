//! Statements that are carried out and whose answers never come: what became of them is read, and never guessed.

use argus_conformance::{
    lossy::{Loses, Lossy},
    samples::settled,
};
use argus_domain::{
    lease::{Fence, Live, MemberId, SHARDS, ServiceKind, Session, Shard, Token},
    task::{Fact, Verdict},
};
use argus_ports::LeaseStore;

use super::*;

/// Short, because each lost answer is waited for so long.
const DEADLINE: Duration = Duration::from_millis(700);
/// How often a repeat may find a busy node away.
const REPEATS: usize = 20;

/// Jobs of their own, beside those that are created.
const OPENED: u64 = 1001;
const DECIDED: u64 = 1002;

/// A process behind a way on which answers get lost, and one beside it.
struct Remote {
    way: Lossy,
    behind: ScyllaStore,
    beside: ScyllaStore,
    _two: Two,
}

async fn remote(keyspace: &str) -> Option<Remote> {
    let two = two(keyspace).await?;
    let way = Lossy::to(&two.options.nodes[0]).await;
    let options = Options { nodes: vec![way.address.clone()], deadline: DEADLINE, ..two.options.clone() };
    let behind = ScyllaStore::open(&options).await.expect("opens");
    Some(Remote { way, behind, beside: two.other.clone(), _two: two })
}

impl Remote {
    /// Makes a call whose n-th answer is lost, and all after it or that one alone, for every n that there is. `judge` gets
    /// what the call said, when answers arrive again.
    async fn at_every_answer<T: std::fmt::Debug>(
        &self,
        mut call: impl AsyncFnMut(u64) -> Result<T, StoreError>,
        mut judge: impl AsyncFnMut(u64, Option<T>),
    ) {
        let mut n = 0;
        for which in [Loses::One, Loses::AllFrom] {
            for nth in 1.. {
                n += 1;
                self.way.loses(which, nth);
                let outcome = call(n).await;
                let lost = self.way.heals();
                let told = match outcome {
                    Ok(answer) => Some(answer),
                    Err(StoreError::Unavailable(_)) => None,
                    Err(other) => panic!("{which:?} {nth}: {other}"),
                };
                assert!(which == Loses::One || lost == 0 || told.is_none(), "{nth}: guessed {told:?}");
                judge(n, told).await;
                if lost == 0 {
                    assert!(nth > 1, "there are answers to lose");
                    break;
                }
            }
        }
    }
}

/// The same call again until it is answered.
async fn again<T>(mut call: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    for _ in 0..REPEATS {
        match call().await {
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(100)).await,
            outcome => return outcome.expect("a store that is away for a moment"),
        }
    }
    panic!("{REPEATS} times unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_call_whose_answers_are_lost_is_read_and_never_guessed() {
    let Some(remote) = remote("lost").await else { return };
    creations_make_one_job(&remote).await;
    openings_make_one_task(&remote).await;
    the_first_verdict_counts(&remote).await;
    leases_are_taken_once(&remote).await;
}

async fn creations_make_one_job(remote: &Remote) {
    let judge = async |n: u64, told: Option<CreateOutcome>| {
        let before = remote.beside.job(job(n).id).await.expect("job").map(|record| record.job.serial);
        let repeated = again(async || remote.behind.create(vec![new_job(n)]).await).await;
        let record = remote.beside.job(job(n).id).await.expect("job").expect("it is there");
        let serials = vec![record.job.serial];
        assert!(before.is_none_or(|before| serials == [before]), "{n}: it is the one that was made first");
        match told {
            Some(told) => {
                assert_eq!(told, CreateOutcome::Created(serials.clone()), "{n}: what was said is what is");
                assert_eq!(repeated, CreateOutcome::Same(serials), "{n}");
            }
            None => assert!(
                [CreateOutcome::Created(serials.clone()), CreateOutcome::Same(serials)].contains(&repeated),
                "{n}: {repeated:?}"
            ),
        }
        let listed =
            JobStore::list(&remote.beside, JobQuery::Owner(owner(1)), None, 1000).await.expect("list");
        let due = remote.beside.due(TriggerKind::Time, ShardSet::ALL, at(1000), 1000).await.expect("due");
        assert_eq!((listed.len() as u64, due.len() as u64), (n, n), "each once");
    };
    remote.at_every_answer(async |n| remote.behind.create(vec![new_job(n)]).await, judge).await;
}

async fn openings_make_one_task(remote: &Remote) {
    // One that has no tasks yet.
    remote.beside.create(vec![new_job(OPENED)]).await.expect("create");
    let next = async || {
        let record = remote.beside.job(job(OPENED).id).await.expect("job").expect("there");
        next_task(&record)
    };
    let current = Mutex::new(next().await);
    let opening = || {
        let (task, cursor) = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Opening::unfenced(task, cursor)
    };
    let judge = async |n: u64, told: Option<Vec<OpenOutcome>>| {
        let id = opening().task.id;
        let before = !remote.beside.tasks(&[id]).await.expect("tasks").is_empty();
        let repeated = again(async || remote.behind.open(vec![opening()]).await).await;
        match told {
            Some(told) => {
                assert_eq!((told, &repeated), (vec![OpenOutcome::Opened], &vec![OpenOutcome::Already]))
            }
            None if before => assert_eq!(repeated, [OpenOutcome::Already]),
            None => assert!(matches!(repeated[..], [OpenOutcome::Opened | OpenOutcome::Already])),
        }
        let listed =
            TaskStore::list(&remote.beside, TaskQuery::Job(job(OPENED).id), None, 1000).await.expect("list");
        assert_eq!(listed.len() as u64, n, "each once");
        assert_eq!(listed[0].task.id, id);
        *current.lock().unwrap_or_else(PoisonError::into_inner) = next().await;
    };
    remote.at_every_answer(async |_| remote.behind.open(vec![opening()]).await, judge).await;
}

async fn the_first_verdict_counts(remote: &Remote) {
    remote.beside.create(vec![new_job(DECIDED)]).await.expect("create");
    let mut tasks = Vec::new();
    for _ in 0..30 {
        tasks.push(open_next(&remote.beside, job(DECIDED).id).await.0);
    }
    let task = |n: u64| tasks[usize::try_from(n).expect("few")];
    let judge = async |n: u64, told: Option<Vec<Recorded>>| {
        let verdicts =
            async || -> Vec<Fact> { remote.beside.tasks(&[task(n)]).await.expect("tasks")[0].facts.clone() };
        let before = verdicts().await;
        // Somebody decides otherwise meanwhile: too late, where the first one was written.
        let other = settled(task(n), Verdict::Failed("otherwise".to_owned()));
        let repeated = again(async || remote.behind.record(vec![other.clone()]).await).await;
        let after = verdicts().await;
        assert_eq!(after.len(), 1, "{n}: {after:?}");
        assert!(before.is_empty() || before == after, "{n}: the first one counts");
        if let Some(told) = told {
            assert_eq!((told, &before[..]), (vec![Recorded::New], &[settled_agreed(task(n))][..]), "{n}");
        }
        match &repeated[..] {
            [Recorded::New] => assert_eq!((before, after), (vec![], vec![other])),
            [Recorded::Already(known)] => assert_eq!(after, [*known.clone()], "{n}"),
            unexpected => panic!("{n}: {unexpected:?}"),
        }
    };
    remote.at_every_answer(async |n| remote.behind.record(vec![settled_agreed(task(n))]).await, judge).await;
}

async fn leases_are_taken_once(remote: &Remote) {
    let session = Session { member: MemberId([1; 16]), no: 1 };
    let kind = ServiceKind::Scheduler;
    let live = Live { session, beats: 0, ttl: Duration::from_secs(3), shards: SHARDS };
    assert_eq!(remote.beside.join(kind, live).await, Ok(true));
    let fence = |n: u64| Fence { shard: Shard { kind, no: u16::try_from(n).expect("few") }, token: Token(0) };
    let judge = async |n: u64, told: Option<Vec<bool>>| {
        assert!(told.is_none_or(|told| told == [true]), "{n}: nobody else wants it");
        let repeated = again(async || remote.behind.claim(session, vec![fence(n)]).await).await;
        assert_eq!(repeated, [true], "{n}: it is ours, whoever of us took it");
        let view = remote.beside.look(kind).await.expect("look");
        let lease = view.leases.iter().find(|lease| lease.shard == fence(n).shard).expect("it is taken");
        assert_eq!(lease.token, Token(1), "{n}: once");
    };
    remote.at_every_answer(async |n| remote.behind.claim(session, vec![fence(n)]).await, judge).await;
}

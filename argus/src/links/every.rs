//! Several processes that have one role and share its work: what is said to the role is said to each of them, and whoever
//! the matter is of acts on it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use argus_domain::ids::{AttemptNo, JobId, TaskId};
use argus_ports::{AttemptOutcome, Dispatch, LinkError, Nudge, Outcomes, PerformEvent, TaskOf};
use async_trait::async_trait;
use futures::future::{BoxFuture, join_all};
use tokio::{task::JoinSet, time::timeout};

/// How long one that answered last time may take. Its work is to put what it is told into a queue.
const PATIENCE: Duration = Duration::from_secs(1);

/// All processes with a role. Told is what one of them took while none was busy: those that cannot be reached have no
/// shards for long, and find what they missed in the store if they come back.
pub struct Every<T: ?Sized> {
    peers: Vec<Arc<Peer<T>>>,
    /// One of each that is away at most.
    trials: Mutex<JoinSet<()>>,
}

struct Peer<T: ?Sized> {
    /// Where it is.
    place: String,
    end: Arc<T>,
    /// It did not answer the last time. Nobody waits for it then, and what it is told finds out whether it is back.
    is_away: AtomicBool,
    /// It is away and being told something.
    is_tried: AtomicBool,
}

impl<T: ?Sized + Send + Sync + 'static> Every<T> {
    /// These, each with where it is.
    pub fn new(ends: impl IntoIterator<Item = (String, Arc<T>)>) -> Self {
        let peer = |(place, end)| {
            Arc::new(Peer { place, end, is_away: AtomicBool::new(false), is_tried: AtomicBool::new(false) })
        };
        Self { peers: ends.into_iter().map(peer).collect(), trials: Mutex::default() }
    }

    async fn tell(
        &self,
        call: impl Fn(Arc<T>) -> BoxFuture<'static, Result<(), LinkError>>,
    ) -> Result<(), LinkError> {
        // Where there is but one, it has as long as its link gives it.
        if let [only] = &self.peers[..] {
            return call(only.end.clone()).await;
        }
        let (away, present): (Vec<_>, Vec<_>) =
            self.peers.iter().partition(|peer| peer.is_away.load(Ordering::Relaxed));
        if present.is_empty() {
            return said(&join_all(away.into_iter().map(|peer| peer.tell(call(peer.end.clone())))).await);
        }
        for peer in away.into_iter().filter(|peer| !peer.is_tried.swap(true, Ordering::Relaxed)) {
            let (peer, call) = (peer.clone(), call(peer.end.clone()));
            let mut trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
            while trials.try_join_next().is_some() {}
            trials.spawn(async move {
                let _found = peer.tell(call).await;
                peer.is_tried.store(false, Ordering::Relaxed);
            });
        }
        said(&join_all(present.into_iter().map(|peer| peer.tell(call(peer.end.clone())))).await)
    }
}

impl<T: ?Sized> Peer<T> {
    async fn tell(&self, call: BoxFuture<'static, Result<(), LinkError>>) -> Result<(), LinkError> {
        let late = || LinkError::Gone(format!("no answer within {} s", PATIENCE.as_secs()));
        let told = timeout(PATIENCE, call).await.unwrap_or_else(|_| Err(late()));
        let place = &self.place;
        match &told {
            Ok(()) | Err(LinkError::Busy) => {
                if self.is_away.swap(false, Ordering::Relaxed) {
                    tracing::info!(place, "it takes calls again");
                }
            }
            Err(error @ (LinkError::Gone(_) | LinkError::Refused(_))) => {
                if !self.is_away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(place, %error, "it takes no calls: the others with its role are told");
                }
            }
        }
        told
    }
}

/// What became of telling several.
fn said(all: &[Result<(), LinkError>]) -> Result<(), LinkError> {
    if all.contains(&Err(LinkError::Busy)) {
        return Err(LinkError::Busy);
    }
    match all.iter().find(|told| told.is_err()) {
        Some(error) if all.iter().all(Result::is_err) => error.clone(),
        _ => Ok(()),
    }
}

#[async_trait]
impl Nudge for Every<dyn Nudge> {
    async fn jobs_changed(&self, jobs: &[JobId]) -> Result<(), LinkError> {
        let jobs: Arc<[JobId]> = jobs.into();
        self.tell(|end| {
            let jobs = jobs.clone();
            Box::pin(async move { end.jobs_changed(&jobs).await })
        })
        .await
    }
}

#[async_trait]
impl Dispatch for Every<dyn Dispatch> {
    async fn submit(&self, tasks: &[TaskOf]) -> Result<(), LinkError> {
        let tasks: Arc<[TaskOf]> = tasks.into();
        self.tell(|end| {
            let tasks = tasks.clone();
            Box::pin(async move { end.submit(&tasks).await })
        })
        .await
    }

    async fn touched(&self, tasks: &[TaskOf]) -> Result<(), LinkError> {
        let tasks: Arc<[TaskOf]> = tasks.into();
        self.tell(|end| {
            let tasks = tasks.clone();
            Box::pin(async move { end.touched(&tasks).await })
        })
        .await
    }
}

#[async_trait]
impl Outcomes for Every<dyn Outcomes> {
    async fn attempt_ended(
        &self,
        task: TaskId,
        attempt: AttemptNo,
        outcome: AttemptOutcome,
    ) -> Result<(), LinkError> {
        self.tell(|end| {
            let outcome = outcome.clone();
            Box::pin(async move { end.attempt_ended(task, attempt, outcome).await })
        })
        .await
    }

    async fn performed(&self, event: PerformEvent) -> Result<(), LinkError> {
        self.tell(|end| {
            let event = event.clone();
            Box::pin(async move { end.performed(event).await })
        })
        .await
    }

    async fn keepers_changed(&self) -> Result<(), LinkError> {
        self.tell(|end| Box::pin(async move { end.keepers_changed().await })).await
    }
}

#[cfg(test)]
mod tests {
    use argus_domain::U256;
    use tokio::time::{Instant, sleep};

    use super::*;

    /// One that notes what it is told, and answers as it is set to; `None`: never.
    struct Told {
        answer: Mutex<Option<Result<(), LinkError>>>,
        jobs: Mutex<Vec<JobId>>,
    }

    #[async_trait]
    impl Nudge for Told {
        async fn jobs_changed(&self, jobs: &[JobId]) -> Result<(), LinkError> {
            self.jobs.lock().expect("whole").extend(jobs);
            let answer = self.answer.lock().expect("whole").clone();
            match answer {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        }
    }

    fn every() -> ([Arc<Told>; 2], Every<dyn Nudge>) {
        let told =
            [(); 2].map(|()| Arc::new(Told { answer: Mutex::new(Some(Ok(()))), jobs: Mutex::default() }));
        let ends = told.iter().map(|end| (String::new(), end.clone() as Arc<dyn Nudge>));
        (told.clone(), Every::new(ends))
    }

    fn answers(told: &Told, answer: Option<Result<(), LinkError>>) {
        *told.answer.lock().expect("whole") = answer;
    }

    fn heard(told: &Told) -> usize {
        told.jobs.lock().expect("whole").len()
    }

    const JOB: [JobId; 1] = [JobId(U256::ONE)];

    #[tokio::test]
    async fn each_is_told_and_one_is_enough() {
        let gone = || Some(Err(LinkError::Gone("away".to_owned())));
        let ([a, b], every) = every();
        assert_eq!(every.jobs_changed(&JOB).await, Ok(()));
        assert_eq!([heard(&a), heard(&b)], [1, 1]);
        answers(&b, Some(Err(LinkError::Busy)));
        assert_eq!(every.jobs_changed(&JOB).await, Err(LinkError::Busy), "whoever is busy may be the one");
        answers(&b, gone());
        assert_eq!(every.jobs_changed(&JOB).await, Ok(()));
        answers(&a, gone());
        assert!(matches!(every.jobs_changed(&JOB).await, Err(LinkError::Gone(_))), "nobody was told");
        answers(&b, Some(Ok(())));
        assert_eq!(every.jobs_changed(&JOB).await, Ok(()), "where all are away all are waited for");
    }

    #[tokio::test]
    async fn one_that_hangs_is_waited_for_once_and_found_when_it_is_back() {
        let ([a, b], every) = every();
        answers(&b, None);
        let began = Instant::now();
        for _ in 0..100 {
            assert_eq!(every.jobs_changed(&JOB).await, Ok(()));
        }
        assert!(began.elapsed() < PATIENCE * 20, "a hundred would be waited for, were it each time");
        assert!(heard(&b) < 5, "what waits for it is bounded: {}", heard(&b));
        answers(&b, Some(Ok(())));
        timeout(PATIENCE * 20, async {
            while every.peers[1].is_away.load(Ordering::Relaxed) {
                assert_eq!(every.jobs_changed(&JOB).await, Ok(()));
                sleep(PATIENCE / 10).await;
            }
        })
        .await
        .expect("it is found");
        let before = [heard(&a), heard(&b)];
        assert_eq!(every.jobs_changed(&JOB).await, Ok(()));
        assert_eq!([heard(&a), heard(&b)], before.map(|count| count + 1));
    }
}

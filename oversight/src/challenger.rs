//! Samples settled tasks and replays the runs that were signed. A replay is the only judge: it needs no network and
//! no keeper, and gives the same result, fuel and root on any machine.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use argus_domain::{
    answer::{Outcome, outcome_of_run},
    attempt::{Attempt, Observation, run_input},
    ids::TaskId,
    job::{Args, Job},
    limits::WASI_COMMAND_BYTES_MAX,
    run::Transcript,
    task::{Challenge, Fact, Task, TaskRecord},
};
use argus_ports::{
    Archive, ChangeKind, Clock, ContentStore, EventBus, JobStore, KeeperStore, ModuleRunner, RunnerError,
    TaskStore, store::watch::Received,
};

/// Settings of the challenger.
#[derive(Debug, Clone)]
pub struct Config {
    /// One task in so many is replayed, chosen by its id: everyone who samples alike samples the same.
    pub one_in: u64,
    /// Tasks that wait to be replayed; more are not sampled.
    pub waiting_max: usize,
    /// Pause between two replays, so that checking leaves the processor to those who serve.
    pub pause: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { one_in: 10, waiting_max: 1_000, pause: Duration::from_millis(50) }
    }
}

/// What the challenger needs.
#[derive(Clone)]
pub struct Ports {
    /// Tasks are read here, disputes recorded.
    pub tasks: Arc<dyn TaskStore>,
    /// Jobs.
    pub jobs: Arc<dyn JobStore>,
    /// Where a fault is counted: it lowers the keeper's rank at once.
    pub keepers: Arc<dyn KeeperStore>,
    /// Transcripts.
    pub archive: Arc<dyn Archive>,
    /// Scripts.
    pub content: Arc<dyn ContentStore>,
    /// Where they are replayed.
    pub runner: Arc<dyn ModuleRunner>,
    /// Tells of settled tasks.
    pub bus: Arc<dyn EventBus>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// What became of one observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The replay gave what was signed.
    Equal,
    /// It did not: what differs, in words.
    Differs(String),
    /// It cannot be told: no script ran, another engine, or something is not to be had.
    Unknown(String),
}

/// Samples and replays until dropped.
pub async fn run(config: Config, ports: Ports) {
    let mut settled = ports.bus.subscribe();
    let mut waiting: BTreeSet<TaskId> = BTreeSet::new();
    let mut next = ports.clock.now() + config.pause;
    loop {
        let received = if waiting.is_empty() {
            Some(settled.next().await)
        } else {
            tokio::select! {
                received = settled.next() => Some(received),
                () = ports.clock.sleep_until(next) => None,
            }
        };
        match received {
            Some(Received::Change(change)) => {
                let sampled = change.kind == ChangeKind::Settled && is_sampled(change.task, config.one_in);
                if sampled && waiting.len() < config.waiting_max {
                    waiting.insert(change.task);
                }
            }
            // What was missed is not sampled: a sample is a sample.
            Some(Received::Lagged) => {}
            Some(Received::Closed) => return,
            None => {
                if let Some(task) = waiting.pop_first() {
                    check_task(&ports, task).await;
                }
                // From here and not from the last change: a busy bus would put it off for ever.
                next = ports.clock.now() + config.pause;
            }
        }
    }
}

fn is_sampled(task: TaskId, one_in: u64) -> bool {
    let mut low = [0; 8];
    low.copy_from_slice(&task.0[24..]);
    u64::from_be_bytes(low) % one_in.max(1) == 0
}

/// Replays every run of a task that was reported, and records what disagrees.
pub async fn check_task(ports: &Ports, task: TaskId) {
    let record = match ports.tasks.tasks(&[task]).await {
        Ok(mut found) => found.pop(),
        Err(error) => {
            tracing::debug!(%error, %task, "a sampled task could not be read");
            None
        }
    };
    let Some(record) = record else { return };
    let Ok(Some(job)) = ports.jobs.version(record.task.job, record.task.job_version).await else { return };
    for (attempt, observation) in runs(&record) {
        match check(ports, &job, &record.task, attempt, observation).await {
            Finding::Equal => tracing::debug!(%task, keeper = %observation.keeper, "a replay agrees"),
            Finding::Unknown(why) => {
                tracing::debug!(%task, keeper = %observation.keeper, why, "not replayed")
            }
            Finding::Differs(finding) => dispute(ports, observation, finding).await,
        }
    }
}

/// The reported runs with the attempts that they belong to.
fn runs(record: &TaskRecord) -> Vec<(&Attempt, &Observation)> {
    let attempts: Vec<_> = record
        .facts
        .iter()
        .filter_map(|f| match f {
            Fact::Attempted(attempt) => Some(attempt),
            _ => None,
        })
        .collect();
    let observed = record.facts.iter().filter_map(|f| match f {
        Fact::Observed(observation) => Some(observation),
        _ => None,
    });
    let mut runs = Vec::new();
    for observation in observed {
        let attempt = attempts.iter().copied().find(|a| a.no == observation.attempt);
        runs.extend(attempt.map(|a| (a.as_ref(), observation.as_ref())));
    }
    runs
}

/// Replays one reported run.
pub async fn check(
    ports: &Ports,
    job: &Job,
    task: &Task,
    attempt: &Attempt,
    observation: &Observation,
) -> Finding {
    let unknown = |why: String| Finding::Unknown(why);
    let Args::Computed { module, .. } = &job.args else { return unknown("no script ran".to_owned()) };
    if observation.engine != ports.runner.engine() {
        return unknown("it ran on an engine that is not ours".to_owned());
    }
    let state = match attempt.state {
        None => None,
        Some(named) => match ports.archive.state(named.root).await {
            Ok(state) => Some(Arc::new(state)),
            Err(error) => return unknown(error.to_string()),
        },
    };
    let input = run_input(job, task, attempt, state.clone());
    let stated = [
        ("the module", observation.module, module.digest()),
        ("the input", observation.input, input.digest(&attempt.limits)),
    ];
    if let Some((what, signed, ours)) = stated.into_iter().find(|(_, signed, ours)| signed != ours) {
        return Finding::Differs(format!("{what} is {ours}, signed was {signed}"));
    }
    let transcript = match ports.archive.get(observation.transcript_root).await {
        Ok(Some(bytes)) => match serde_json::from_slice::<Transcript>(&bytes) {
            Ok(transcript) => transcript,
            Err(error) => return unknown(format!("the transcript cannot be read: {error}")),
        },
        Ok(None) => return unknown("the transcript is not there".to_owned()),
        Err(error) => return unknown(error.to_string()),
    };
    if transcript.root() != observation.transcript_root {
        return unknown("the archived transcript is another one".to_owned());
    }
    let source = match ports.content.get(&module.source, WASI_COMMAND_BYTES_MAX).await {
        Ok(source) => source,
        Err(error) => return unknown(error.to_string()),
    };
    let replay =
        ports.runner.replay(source, module.language, Arc::new(input), attempt.limits, Arc::new(transcript));
    let report = match replay.await {
        Ok(report) => report,
        Err(error @ RunnerError::Diverged(_)) => return Finding::Differs(error.to_string()),
        Err(error) => return unknown(error.to_string()),
    };
    if report.fuel != observation.fuel {
        return Finding::Differs(format!(
            "the replay used fuel {}, signed was {}",
            report.fuel, observation.fuel
        ));
    }
    match outcome_of_run(job, report.end, state.as_ref(), report.state) {
        Some(Outcome { output, .. }) if output != observation.output => {
            Finding::Differs(format!("the replay gives {output:?}, signed was {:?}", observation.output))
        }
        Some(Outcome { state, .. }) => {
            let (root, signed) = (state.map(|state| state.root()), observation.state);
            if root == signed {
                Finding::Equal
            } else {
                Finding::Differs(format!("the replay gives the state {root:?}, signed was {signed:?}"))
            }
        }
        None => unknown("the replay was inconclusive".to_owned()),
    }
}

/// Records a dispute and counts it against the keeper. Both are idempotent.
async fn dispute(ports: &Ports, observation: &Observation, finding: String) {
    let (task, keeper) = (observation.task, observation.keeper);
    tracing::warn!(%task, %keeper, finding, "a replay disagrees with what was signed");
    let fact = Fact::Challenged(Challenge { task, keeper, finding, at: ports.clock.now() });
    let recorded = ports.tasks.record(vec![fact]).await.map(|_| ());
    let counted = ports.keepers.fault(keeper, task).await;
    if let Err(error) = recorded.and(counted) {
        tracing::warn!(%error, %task, %keeper, "the dispute could not be recorded");
    }
}

//! Sources in, modules out: each is built once, one at a time, whoever asks and whoever is still there at the end.

use std::{
    collections::VecDeque,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argus_domain::{B256, module::Language};
use argus_ports::{BuildError, Built, ModuleBuilder};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use crate::{
    go::{Go, sha256},
    kept::{Kept, Ports},
    lay::Program,
};

/// Sources that wait for their turn: the last of them waits for minutes.
const WAITING_MAX: usize = 8;
/// Refusals that nobody waited for, kept until the same source comes again. Good builds are kept anyway.
const UNHEARD_MAX: usize = 32;

type Outcome = Result<Built, BuildError>;

/// Has sources built.
pub struct Builder {
    kept: Arc<Kept>,
    orders: mpsc::Sender<Order>,
    /// Builds that are to come, under way, or ended unheard, oldest first.
    open: Mutex<VecDeque<Open>>,
    patience: Duration,
}

struct Order {
    source: Bytes,
    source_hash: B256,
    outcome: watch::Sender<Option<Outcome>>,
}

struct Open {
    source_hash: B256,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// A builder, and what builds for it, to be polled by whoever owns it: that ends when the builder is dropped. Modules
/// are kept in `folder`, which is made; who asks waits for as long as `patience` and is then told to ask again.
///
/// # Errors
/// Where the folder cannot be made.
pub fn new(
    go: Go,
    folder: PathBuf,
    ports: Ports,
    patience: Duration,
) -> io::Result<(Builder, impl Future<Output = ()>)> {
    let kept = Arc::new(Kept::open(folder, ports)?);
    let (orders, taken) = mpsc::channel(WAITING_MAX);
    let life = build_all(go, kept.clone(), taken);
    Ok((Builder { kept, orders, open: Mutex::default(), patience }, life))
}

/// One build after the other: each takes two cores.
async fn build_all(go: Go, kept: Arc<Kept>, mut orders: mpsc::Receiver<Order>) {
    while let Some(Order { source, source_hash, outcome }) = orders.recv().await {
        let made = async {
            // It may have been built between the asking and the order.
            match kept.find(source_hash).await? {
                Some(built) => Ok(built),
                None => kept.put(source_hash, go.build(&Program::File(source)).await?).await,
            }
        };
        outcome.send_replace(Some(made.await));
    }
}

impl Builder {
    /// The build of this source that is to come or has ended unheard; ordered, if there is none.
    fn join(&self, source: Bytes, source_hash: B256) -> Result<watch::Receiver<Option<Outcome>>, BuildError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = open.iter().find(|open| open.source_hash == source_hash) {
            return Ok(same.outcome.clone());
        }
        tidy(&mut open);
        let place = self.orders.try_reserve().map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(()) => BuildError::Busy { waiting: WAITING_MAX },
            mpsc::error::TrySendError::Closed(()) => stopped(),
        })?;
        let (sender, outcome) = watch::channel(None);
        place.send(Order { source, source_hash, outcome: sender });
        open.push_back(Open { source_hash, outcome: outcome.clone() });
        Ok(outcome)
    }

    /// Whoever heard an outcome has it: the next one who asks has it built anew, or finds it kept.
    fn heard(&self, outcome: &watch::Receiver<Option<Outcome>>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|open| !open.outcome.same_channel(outcome));
    }
}

/// Forgets unheard outcomes that say nothing lasting about their source, and the oldest of too many refusals.
fn tidy(open: &mut VecDeque<Open>) {
    let is_refusal = |open: &Open| matches!(&*open.outcome.borrow(), Some(Err(BuildError::Refused(_))));
    open.retain(|open| open.outcome.borrow().is_none() || is_refusal(open));
    if open.iter().filter(|open| is_refusal(open)).count() >= UNHEARD_MAX
        && let Some(oldest) = open.iter().position(is_refusal)
    {
        open.remove(oldest);
    }
}

fn stopped() -> BuildError {
    BuildError::Failed("it has stopped".to_owned())
}

#[async_trait]
impl ModuleBuilder for Builder {
    fn builds(&self, language: Language) -> bool {
        language == Language::Go
    }

    async fn build(&self, source: Bytes, language: Language) -> Outcome {
        if !self.builds(language) {
            return Err(BuildError::Failed(format!("{language} is not built here")));
        }
        let source_hash = sha256(&source);
        if let Some(built) = self.kept.find(source_hash).await? {
            return Ok(built);
        }
        let mut outcome = self.join(source, source_hash)?;
        let ended = match timeout(self.patience, outcome.wait_for(Option::is_some)).await {
            Ok(Ok(ended)) => ended.clone().unwrap_or_else(|| Err(stopped())),
            Ok(Err(_)) => Err(stopped()),
            Err(_) => return Err(BuildError::Underway),
        };
        self.heard(&outcome);
        ended
    }
}

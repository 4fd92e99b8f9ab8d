//! Asking, hearing, and showing what is held.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argus_domain::lease::{MemberId, ServiceKind};
use argus_machine::lease::{Answer, Ask, Config, Moment, Request, Shards};
use argus_ports::{LeaseStore, StoreError};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::held::Held;

pub(crate) struct Life {
    machine: Shards,
    kind: ServiceKind,
    store: Arc<dyn LeaseStore>,
    held: watch::Sender<Held>,
    /// Where the member's clock begins.
    began: Instant,
    patience: Duration,
    asked: JoinSet<Heard>,
    is_leaving: bool,
    is_failing: bool,
    is_odd: bool,
}

/// What came of a request: nothing, where no answer came in time.
struct Heard {
    no: u64,
    answer: Option<Result<Answer, StoreError>>,
}

impl Life {
    pub(crate) fn new(
        config: Config,
        kind: ServiceKind,
        id: MemberId,
        store: Arc<dyn LeaseStore>,
        held: watch::Sender<Held>,
    ) -> Self {
        Self {
            machine: Shards::new(config, kind, id),
            kind,
            store,
            held,
            began: Instant::now(),
            patience: config.patience,
            asked: JoinSet::new(),
            is_leaving: false,
            is_failing: false,
            is_odd: false,
        }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut out = Vec::new();
        self.machine.tick(self.now(), &mut out);
        loop {
            // What is given up is shown as such before the store hears of it.
            self.show();
            out.drain(..).for_each(|request| self.ask(request));
            let Some(wake) = self.machine.next_wake() else { return };
            let wake = self.began + wake.0;
            tokio::select! {
                () = stop.cancelled(), if !self.is_leaving => {
                    self.is_leaving = true;
                    self.machine.leave(self.now(), &mut out);
                }
                Some(heard) = self.asked.join_next() => match heard {
                    Ok(heard) => self.hear(heard, &mut out),
                    Err(error) => tracing::error!(service = self.kind.name(), %error, "a request ended abruptly"),
                },
                () = sleep_until(wake) => self.machine.tick(self.now(), &mut out),
            }
        }
    }

    fn now(&self) -> Moment {
        Moment(self.began.elapsed())
    }

    fn ask(&mut self, Request { no, kind, ask }: Request) {
        let (store, patience) = (self.store.clone(), self.patience);
        self.asked.spawn(async move {
            let answer = timeout(patience, asked(&*store, kind, ask)).await.ok();
            Heard { no, answer }
        });
    }

    fn hear(&mut self, Heard { no, answer }: Heard, out: &mut Vec<Request>) {
        let fault = match &answer {
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(error.to_string()),
            None => Some("no answer".to_owned()),
        };
        let service = self.kind.name();
        match &fault {
            Some(fault) if !self.is_failing => tracing::warn!(service, fault, "leases cannot be kept up"),
            None if self.is_failing => tracing::info!(service, "leases are kept up again"),
            Some(_) | None => {}
        }
        self.is_failing = fault.is_some();
        let answer = answer.and_then(Result::ok).unwrap_or(Answer::Failed);
        self.machine.answer(self.now(), no, answer, out);
    }

    /// Wakes those who wait for a change where other leases are held than before.
    fn show(&mut self) {
        let held = self.machine.held().map(|(until, leases)| (self.began + until.0, leases.clone()));
        let is_over = held.is_none() && !self.is_leaving;
        let (until, leases) = held.unwrap_or((self.began, BTreeMap::new()));
        let count = leases.len();
        let is_other = self.held.send_if_modified(|held| {
            let is_other = held.leases != leases;
            let losses = held.losses + u64::from(is_over && is_other);
            *held = Held { until, leases, losses };
            is_other
        });
        let service = self.kind.name();
        if is_other {
            tracing::info!(service, count, "holds other shards");
        }
        let was_odd = std::mem::replace(&mut self.is_odd, self.machine.is_odd());
        if self.is_odd && !was_odd {
            tracing::error!(
                service,
                "another replica has another number of shards: nothing is taken until they agree"
            );
        }
    }
}

async fn asked(store: &dyn LeaseStore, kind: ServiceKind, ask: Ask) -> Result<Answer, StoreError> {
    Ok(match ask {
        Ask::Join(live) => Answer::Alive(store.join(kind, live).await?),
        Ask::Beat { session, beats } => Answer::Alive(store.beat(kind, session, beats).await?),
        Ask::End { session, beats } => {
            store.end(kind, session, beats).await?;
            Answer::Done
        }
        Ask::Look => Answer::Seen(store.look(kind).await?),
        Ask::Claim { session, leases } => Answer::Claimed(store.claim(session, leases).await?),
        Ask::Release { session, leases } => {
            store.release(session, leases).await?;
            Answer::Done
        }
    })
}

//! The stream between two services, at the side that is called.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use argus_ports::LinkError;
use argus_proto::{Malformed, Wire, v1};
use futures::{Stream, StreamExt};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tonic::{Request, Response, Status, Streaming};

use crate::{
    batch::batches,
    frames::{attempt_ended_from_wire, fault_to_wire, jobs_from_wire, tasks_from_wire},
    server::{Served, was_cut},
    wire::services_server::Services,
};

/// Requests of one caller that are carried out at once; the rest waits in its stream.
const WINDOW: usize = 256;

pub(crate) struct Talk {
    pub served: Arc<Served>,
    pub cutting: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl Services for Talk {
    type TalkStream = ReplyStream;

    async fn talk(&self, request: Request<Streaming<v1::Requests>>) -> Result<Response<ReplyStream>, Status> {
        let (replies, waiting) = mpsc::channel(WINDOW);
        let mut reader = JoinSet::new();
        reader.spawn(read(self.served.clone(), request.into_inner(), replies));
        let replies = batches(waiting, |items| v1::Replies { items });
        let replies = replies.take_until(Box::pin(was_cut(self.cutting.clone())));
        Ok(Response::new(ReplyStream { replies: Box::pin(replies), _reader: reader }))
    }
}

/// The replies, with the task that makes them: it ends with the stream.
pub(crate) struct ReplyStream {
    replies: Pin<Box<dyn Stream<Item = v1::Replies> + Send>>,
    _reader: JoinSet<()>,
}

impl Stream for ReplyStream {
    type Item = Result<v1::Replies, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.replies.poll_next_unpin(cx).map(|next| next.map(Ok))
    }
}

async fn read(served: Arc<Served>, mut requests: Streaming<v1::Requests>, replies: mpsc::Sender<v1::Reply>) {
    let window = Arc::new(Semaphore::new(WINDOW));
    let mut carried_out = JoinSet::new();
    while let Some(Ok(batch)) = requests.next().await {
        for request in batch.items {
            let Ok(place) = window.clone().acquire_owned().await else { return };
            let (served, replies) = (served.clone(), replies.clone());
            carried_out.spawn(async move {
                let reply = answer(&served, request).await;
                // A caller that is gone misses it.
                let _ = replies.send(reply).await;
                drop(place);
            });
        }
        while carried_out.try_join_next().is_some() {}
    }
    while carried_out.join_next().await.is_some() {}
}

async fn answer(served: &Served, request: v1::Request) -> v1::Reply {
    use v1::reply::What;
    let patience = Duration::from_millis(u64::from(request.patience_ms));
    let outcome = timeout(patience, carry_out(served, request.what)).await.unwrap_or(Err(LinkError::Busy));
    let what = match outcome {
        Ok(what) => what,
        Err(e) => What::Fault(fault_to_wire(e)),
    };
    v1::Reply { number: request.number, what: Some(what) }
}

fn unreadable(e: Malformed) -> LinkError {
    LinkError::Refused(e.to_string())
}

/// A role of this process.
fn role<'a, T: ?Sized>(role: &'a Option<Arc<T>>, name: &str) -> Result<&'a T, LinkError> {
    role.as_deref().ok_or_else(|| LinkError::Refused(format!("this process is no {name}")))
}

async fn carry_out(served: &Served, what: Option<v1::request::What>) -> Result<v1::reply::What, LinkError> {
    use v1::request::What;
    let scheduler = || role(&served.nudge, "scheduler");
    let dispatcher = || role(&served.dispatch, "dispatcher");
    let aggregator = || role(&served.aggregate, "aggregator");
    let outcomes = || role(&served.outcomes, "dispatcher");
    match what.ok_or_else(|| LinkError::Refused("a request that this program does not know".to_owned()))? {
        What::JobsChanged(m) => {
            scheduler()?.jobs_changed(&jobs_from_wire(&m).map_err(unreadable)?).await?;
        }
        What::Submit(m) => dispatcher()?.submit(&tasks_from_wire(&m).map_err(unreadable)?).await?,
        What::Touched(m) => dispatcher()?.touched(&tasks_from_wire(&m).map_err(unreadable)?).await?,
        What::Begin(m) => aggregator()?.begin(Wire::from_wire(m).map_err(unreadable)?).await?,
        What::HandOff(m) => aggregator()?.hand_off(Wire::from_wire(m).map_err(unreadable)?).await?,
        What::Live(_) => {
            let live = aggregator()?.live().await?;
            let keepers = live.iter().map(Wire::to_wire).collect();
            return Ok(v1::reply::What::Live(v1::LiveKeepers { keepers }));
        }
        What::AttemptEnded(m) => {
            let (task, attempt, outcome) = attempt_ended_from_wire(m).map_err(unreadable)?;
            outcomes()?.attempt_ended(task, attempt, outcome).await?;
        }
        What::Performed(m) => outcomes()?.performed(Wire::from_wire(m).map_err(unreadable)?).await?,
        What::KeepersChanged(_) => outcomes()?.keepers_changed().await?,
    }
    Ok(v1::reply::What::Done(v1::Nothing {}))
}

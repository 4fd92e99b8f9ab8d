//! Sends what has to be sent. One change at a time to each receiver, in their order; receivers wait for none but
//! themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use argus_domain::{
    Address,
    time::Timestamp,
    webhook::{DeadLetter, Failure, Progress, Webhook},
};
use argus_machine::backoff::Backoff;
use argus_ports::{
    Change, EgressRequest, Method, Room, StoreError,
    store::watch::{Received, Receiver},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serde_json::{Value, json};

use super::{kind_name, reach, secret_place};
use crate::{Edge, mac::hmac, shape::task};

/// Webhooks, and changes, that are read at once.
const PAGE: u32 = 256;
/// Most of a receiver's answer that is taken, bytes; nobody looks at it.
const ANSWER_MAX: u64 = 64 * 1024;
/// Most that is kept of why a try failed, characters.
const REASON_MAX: usize = 200;

/// When a webhook is to be looked at again; `None`: once there is something new.
type Next = Option<Timestamp>;

/// Sends until the bus is closed.
pub async fn deliver(edge: Arc<Edge>, mut changes: Receiver) {
    let mut courier = Courier {
        edge: Arc::clone(&edge),
        owned: BTreeMap::new(),
        due: BTreeMap::new(),
        queue: BTreeSet::new(),
        busy: BTreeMap::new(),
        under_way: FuturesUnordered::new(),
    };
    let clock = &edge.ports.clock;
    let mut reread_at = clock.now();
    loop {
        if clock.now() >= reread_at {
            courier.reread().await;
            reread_at = clock.now() + edge.config.webhooks.reread;
        }
        courier.start();
        let wake = courier.next_due().map_or(reread_at, |due| due.min(reread_at));
        tokio::select! {
            received = changes.next() => match received {
                Received::Change(change) => courier.hear(change.owner),
                Received::Lagged => reread_at = clock.now(),
                Received::Closed => return,
            },
            () = edge.webhooks_changed.notified() => reread_at = clock.now(),
            Some((id, next)) = courier.under_way.next(), if !courier.under_way.is_empty() => courier.done(id, next),
            () = clock.sleep_until(wake) => {}
        }
    }
}

/// Who is to be told, and who is being told.
struct Courier {
    edge: Arc<Edge>,
    /// Webhooks by their owners.
    owned: BTreeMap<Address, Vec<String>>,
    /// When each webhook is to be looked at that has, or may have, something to be told.
    due: BTreeMap<String, Timestamp>,
    /// The same, earliest first.
    queue: BTreeSet<(Timestamp, String)>,
    /// Those that are being told, and whether something new came meanwhile.
    busy: BTreeMap<String, bool>,
    under_way: FuturesUnordered<BoxFuture<'static, (String, Next)>>,
}

impl Courier {
    /// Reads who there is. All of them are looked at: what they missed is on the bus.
    async fn reread(&mut self) {
        match all(&self.edge).await {
            Ok(webhooks) => {
                self.owned.clear();
                self.due.clear();
                self.queue.clear();
                let now = self.edge.ports.clock.now();
                for webhook in webhooks {
                    self.owned.entry(webhook.owner).or_default().push(webhook.id.clone());
                    self.look_at(webhook.id, now);
                }
            }
            Err(cause) => tracing::warn!(%cause, "webhooks could not be read; trying again"),
        }
    }

    fn hear(&mut self, owner: Address) {
        let now = self.edge.ports.clock.now();
        for id in self.owned.get(&owner).cloned().unwrap_or_default() {
            self.look_at(id, now);
        }
    }

    /// One that waits after a failure is looked at no sooner for it: its own place says when.
    fn look_at(&mut self, id: String, at: Timestamp) {
        match self.busy.get_mut(&id) {
            Some(again) => *again = true,
            None if self.due.contains_key(&id) => {}
            None => {
                self.due.insert(id.clone(), at);
                self.queue.insert((at, id));
            }
        }
    }

    fn next_due(&self) -> Option<Timestamp> {
        let is_full = self.under_way.len() >= self.edge.config.webhooks.at_once;
        self.queue.first().map(|(at, _)| *at).filter(|_| !is_full)
    }

    /// Begins with those that are due, longest first, as far as there is room.
    fn start(&mut self) {
        let now = self.edge.ports.clock.now();
        while self.under_way.len() < self.edge.config.webhooks.at_once
            && self.queue.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, id)) = self.queue.pop_first()
        {
            self.due.remove(&id);
            self.busy.insert(id.clone(), false);
            let edge = Arc::clone(&self.edge);
            self.under_way.push(async move { (id.clone(), tell(&edge, &id).await) }.boxed());
        }
    }

    fn done(&mut self, id: String, next: Next) {
        let came = self.busy.remove(&id).unwrap_or_default();
        let now = self.edge.ports.clock.now();
        if let Some(at) = next.or(came.then_some(now)) {
            self.look_at(id, at);
        }
    }
}

async fn all(edge: &Edge) -> Result<Vec<Webhook>, StoreError> {
    let mut found: Vec<Webhook> = Vec::new();
    loop {
        let after = found.last().map(|webhook| webhook.id.clone());
        let page = edge.ports.webhooks.webhooks(after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        found.extend(page);
        if is_last {
            return Ok(found);
        }
    }
}

/// One step of one receiver: the next change that it asked for, once.
async fn tell(edge: &Edge, id: &str) -> Next {
    match step(edge, id).await {
        Ok(next) => next,
        Err(cause) => {
            tracing::warn!(%cause, webhook = id, "a webhook's place could not be read or noted; trying again");
            Some(edge.ports.clock.now() + edge.config.webhooks.retry_first)
        }
    }
}

async fn step(edge: &Edge, id: &str) -> Result<Next, StoreError> {
    let Some(webhook) = edge.ports.webhooks.webhook(id).await? else { return Ok(None) };
    let (progress, now) = (webhook.progress, edge.ports.clock.now());
    if progress.next_at > now {
        return Ok(Some(progress.next_at));
    }
    let changes = edge.ports.bus.since(Room::Owner(webhook.owner), progress.position, PAGE).await?;
    let is_asked =
        |(_, change): &&(u64, Change)| webhook.kinds.iter().any(|kind| kind == kind_name(change.kind));
    let Some((position, change)) = changes.iter().find(is_asked) else {
        let Some((position, _)) = changes.last() else { return Ok(None) };
        // As long as a page holds it, what nobody asked for is read again, and costs no write.
        let is_full = changes.len() >= PAGE as usize;
        if is_full {
            let skipped = Progress { position: *position, failures: 0, next_at: now };
            edge.ports
                .webhooks
                .move_webhook(id, skipped, (None, None), edge.config.webhooks.dead_letters)
                .await?;
        }
        return Ok(is_full.then_some(now));
    };
    // Another process may have seen the same: one of them makes the try. Longer than a try takes, so that it is made
    // again only where its maker is gone.
    if !edge.ports.webhooks.take_webhook(id, progress, now + 2 * edge.config.webhooks.timeout).await? {
        return Ok(Some(now));
    }
    let sent = send(edge, &webhook, change).await?;
    note(edge, &webhook, *position, change, sent).await
}

/// Notes how far a receiver came with a try.
async fn note(
    edge: &Edge,
    webhook: &Webhook,
    position: u64,
    change: &Change,
    sent: Result<(), String>,
) -> Result<Next, StoreError> {
    let (rules, now) = (&edge.config.webhooks, edge.ports.clock.now());
    let through = Progress { position, failures: 0, next_at: now };
    let failure = sent.err().map(|reason| Failure { at: now, reason: short(&reason) });
    let (progress, dead) = match &failure {
        None => (through, None),
        Some(Failure { reason, .. }) => {
            let reason = reason.clone();
            let failures = webhook.progress.failures.saturating_add(1);
            tracing::debug!(webhook = webhook.id, reason, failures, "a webhook did not take a change");
            if failures >= rules.failures_max {
                let (event, kind) = (event_id(change), kind_name(change.kind).to_owned());
                (through, Some(DeadLetter { event, kind, task: change.task, at: now, reason }))
            } else {
                let backoff = Backoff::new(rules.retry_first, rules.retry_max);
                let next_at = now + backoff.after(failures, change.public_id);
                (Progress { position: webhook.progress.position, failures, next_at }, None)
            }
        }
    };
    let result = match (&failure, &dead) {
        (None, _) => "delivered",
        (Some(_), None) => "failed",
        (Some(_), Some(_)) => "given_up",
    };
    edge.ports.webhooks.move_webhook(&webhook.id, progress, (failure, dead), rules.dead_letters).await?;
    edge.metrics.webhooks.of(&[result]).inc();
    Ok(Some(progress.next_at))
}

/// One line: what other people's servers and libraries say may be long, and may be anything.
fn short(reason: &str) -> String {
    reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REASON_MAX).collect()
}

/// The same at every delivery of a change.
fn event_id(change: &Change) -> String {
    format!("{}-{}", change.job, change.seq)
}

/// One try. The inner error says why the receiver has not taken it.
async fn send(edge: &Edge, webhook: &Webhook, change: &Change) -> Result<Result<(), String>, StoreError> {
    let Some(body) = body(edge, change).await? else {
        return Ok(Err("the task is not known".to_owned()));
    };
    let (body, at) = (body.to_string(), edge.ports.clock.now().as_secs());
    let secret = signing_secret(edge, &webhook.id).await?;
    let Some(signature) = secret.and_then(|secret| signature(&secret, at, &body)) else {
        return Ok(Err("its signing secret is gone: remove the webhook and make another".to_owned()));
    };
    let request = EgressRequest {
        method: Method::Post,
        url: webhook.url.clone(),
        headers: vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("argus-event".to_owned(), event_id(change)),
            ("argus-signature".to_owned(), signature),
        ],
        body: Some(body.into()),
        timeout: edge.config.webhooks.timeout,
        max_body: ANSWER_MAX,
        reach: reach(edge),
    };
    Ok(match edge.ports.egress.fetch(request).await {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
        Ok(answer) => Err(format!("it answered with status {}", answer.status)),
        Err(error) => Err(error.to_string()),
    })
}

async fn signing_secret(edge: &Edge, id: &str) -> Result<Option<String>, StoreError> {
    let Some(secrets) = &edge.ports.secrets else { return Ok(None) };
    let Ok((place, name)) = secret_place(id) else { return Ok(None) };
    let kept = secrets.store.of_job(place).await?;
    let opened =
        kept.iter().find(|(of, _)| *of == name).map(|(_, sealed)| secrets.vault.open(place, &name, sealed));
    match opened {
        Some(Ok(value)) => Ok(Some(value.expose().to_owned())),
        Some(Err(cause)) => {
            tracing::warn!(%cause, webhook = id, "the signing secret of a webhook does not open");
            Ok(None)
        }
        None => Ok(None),
    }
}

/// HMAC-SHA256 over the instant and the body, so that a receiver can refuse what is old.
fn signature(secret: &str, at_secs: u64, body: &str) -> Option<String> {
    let mac = hmac(secret.as_bytes(), format!("{at_secs}.{body}").as_bytes()).ok()?;
    Some(format!("t={at_secs},v1={}", mac.to_string().split_off(2)))
}

/// What is sent: the task as it is now, so that what comes late says nothing outdated.
async fn body(edge: &Edge, change: &Change) -> Result<Option<Value>, StoreError> {
    let record = edge.ports.tasks.tasks(&[change.task]).await?.into_iter().next();
    let job = edge.ports.jobs.job(change.job).await?;
    let (Some(record), Some(job)) = (record, job) else { return Ok(None) };
    if !job.opened(&record.task) {
        return Ok(None);
    }
    Ok(Some(json!({
        "id": event_id(change),
        "type": kind_name(change.kind),
        "created_at": change.at.to_rfc3339(),
        "user_address": change.owner,
        "job_id": change.job.to_string(),
        "task": task::shown(edge, &record, &job.job),
    })))
}

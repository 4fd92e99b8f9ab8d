//! Which conversation goes where: to a role in this process, or over gRPC to another one.
//!
//! Roles refer to each other in a circle, so each conversation begins as a [`Late`] link that is joined to its other
//! end once both exist. Until then it answers as a peer that has not come up yet, which every caller has to bear anyway.

mod every;
mod leading;

use std::{
    future::Future,
    net::SocketAddr,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::{Context, bail};
use argus_domain::{
    B256,
    attempt::Assignment,
    ids::{AttemptNo, JobId, TaskId},
    keeper::LiveKeeper,
};
use argus_ports::{
    Aggregate, AttemptOutcome, Dispatch, FromKeeper, HandoffOrder, KeeperGate, KeeperLink, KeeperSession,
    LinkError, Nudge, Outcomes, PerformEvent, SignedHello, TaskOf, ToKeeper,
};
use argus_tls::Role;
use async_trait::async_trait;
use secrecy::SecretString;

use crate::{cli::keygen::read_secret, config, metrics::Calls};

pub use every::Every;
pub use leading::{Leading, LeadingGate};

/// A link whose other end comes later.
pub struct Late<T: ?Sized> {
    end: OnceLock<Arc<T>>,
    calls: Calls,
}

impl<T: ?Sized> Late<T> {
    /// Without its other end; calls are counted.
    pub fn new(calls: &Calls) -> Arc<Self> {
        Arc::new(Self { end: OnceLock::new(), calls: calls.clone() })
    }

    /// Joins it; a second end is ignored.
    pub fn join(&self, end: Arc<T>) {
        let _ = self.end.set(end);
    }

    fn end(&self) -> Result<&T, LinkError> {
        self.end.get().map(|t| &**t).ok_or_else(|| LinkError::Gone("still starting".to_owned()))
    }
}

#[async_trait]
impl Nudge for Late<dyn Nudge> {
    async fn jobs_changed(&self, jobs: &[JobId]) -> Result<(), LinkError> {
        self.calls.call(&["nudge"], async { self.end()?.jobs_changed(jobs).await }).await
    }
}

#[async_trait]
impl Dispatch for Late<dyn Dispatch> {
    async fn submit(&self, tasks: &[TaskOf]) -> Result<(), LinkError> {
        self.calls.call(&["dispatch"], async { self.end()?.submit(tasks).await }).await
    }

    async fn touched(&self, tasks: &[TaskOf]) -> Result<(), LinkError> {
        self.calls.call(&["dispatch"], async { self.end()?.touched(tasks).await }).await
    }
}

#[async_trait]
impl Aggregate for Late<dyn Aggregate> {
    async fn begin(&self, assignment: Arc<Assignment>) -> Result<(), LinkError> {
        self.calls.call(&["aggregate"], async { self.end()?.begin(assignment).await }).await
    }

    async fn hand_off(&self, order: HandoffOrder) -> Result<(), LinkError> {
        self.calls.call(&["aggregate"], async { self.end()?.hand_off(order).await }).await
    }

    async fn live(&self) -> Result<Vec<LiveKeeper>, LinkError> {
        self.calls.call(&["aggregate"], async { self.end()?.live().await }).await
    }
}

#[async_trait]
impl Outcomes for Late<dyn Outcomes> {
    async fn attempt_ended(
        &self,
        task: TaskId,
        attempt: AttemptNo,
        outcome: AttemptOutcome,
    ) -> Result<(), LinkError> {
        self.calls
            .call(&["outcomes"], async { self.end()?.attempt_ended(task, attempt, outcome).await })
            .await
    }

    async fn performed(&self, event: PerformEvent) -> Result<(), LinkError> {
        self.calls.call(&["outcomes"], async { self.end()?.performed(event).await }).await
    }

    async fn keepers_changed(&self) -> Result<(), LinkError> {
        self.calls.call(&["outcomes"], async { self.end()?.keepers_changed().await }).await
    }
}

/// Keepers of this process: a stream in memory to a gate in memory.
pub struct LocalKeepers(pub Arc<dyn KeeperGate>);

/// Messages on their way in one direction of a local stream.
const LOCAL_CREDITS: usize = 256;
/// How long a sender waits for room in a local stream.
const LOCAL_DEADLINE: Duration = Duration::from_secs(10);

#[async_trait]
impl KeeperLink for LocalKeepers {
    async fn nonce(&self) -> Result<B256, LinkError> {
        self.0.nonce().await
    }

    async fn connect(
        &self,
        hello: SignedHello,
    ) -> Result<Box<dyn KeeperSession<FromKeeper, ToKeeper>>, LinkError> {
        let (platform, keeper) = argus_memory::session(LOCAL_CREDITS, LOCAL_DEADLINE);
        self.0.admit(hello, Box::new(platform)).await?;
        Ok(Box::new(keeper))
    }
}

/// How long a call to another process waits for its answer, connecting included.
const REMOTE_DEADLINE: Duration = Duration::from_secs(5);

/// The roles of other processes, each with its URL. One of this process's own is left out: one list may serve for all of
/// those that are in it.
pub fn remotes(
    urls: &[String],
    shown: (&Path, Role),
    links: &config::Links,
) -> anyhow::Result<Vec<(String, Arc<argus_grpc::Client>)>> {
    let others = urls.iter().filter(|url| !links.listen.is_some_and(|own| is_at(url, own)));
    others.map(|url| Ok((url.clone(), remote(url, shown, links)?))).collect()
}

/// Whether a URL names just this address.
fn is_at(url: &str, address: SocketAddr) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host.parse() == Ok(address.ip()) && url.port_or_known_default() == Some(address.port())
}

/// The roles of another process.
pub fn remote(
    url: &str,
    (token_file, role): (&Path, Role),
    links: &config::Links,
) -> anyhow::Result<Arc<argus_grpc::Client>> {
    // One in clear goes to this machine: the configuration allows no other where there are certificates.
    let is_tls = url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
    let tls = if is_tls { mutual(links, role)? } else { None };
    let config = argus_grpc::ClientConfig {
        url: url.to_owned(),
        token: token(token_file)?,
        tls,
        deadline: REMOTE_DEADLINE,
    };
    Ok(Arc::new(argus_grpc::Client::new(&config).with_context(|| format!("the link to {url}"))?))
}

/// Binds, so that a port that is taken is said at once; the future serves.
pub async fn serve(
    served: argus_grpc::Served,
    address: SocketAddr,
    links: &config::Links,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + Send + 'static> {
    let tokens =
        argus_grpc::Tokens { services: token(&links.token_file)?, keepers: token(&links.keeper_token_file)? };
    let server = argus_grpc::Server::new(served, &tokens, mutual(links, Role::Service)?, REMOTE_DEADLINE)?;
    if links.tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!(%address, "links are in clear, tokens and secrets included: `argus pki` makes certificates");
    }
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("the links cannot listen on {address}: choose another [links] listen"))?;
    Ok(async move { server.run(listener, std::future::pending()).await.map_err(Into::into) })
}

/// The certificates that links show and take, where there are any, of whoever this end is. Another one's would be
/// refused by every peer, one after the other.
fn mutual(links: &config::Links, role: Role) -> anyhow::Result<Option<argus_tls::Mutual>> {
    let Some(files) = &links.tls else { return Ok(None) };
    let _closed = read_secret(&files.key, "the key of the links' certificate")?;
    let mutual = argus_tls::Mutual::open(files).context("the links have no TLS")?;
    if mutual.role() != role {
        let file = files.certificate.display();
        bail!(
            "{file} is the certificate of a {}, and this end of a link is a {role}: give one that `argus pki issue \
            --role {role}` made, and roles that need different ones processes of their own",
            mutual.role()
        );
    }
    Ok(Some(mutual))
}

fn token(path: &Path) -> anyhow::Result<SecretString> {
    read_secret(path, "the token").context("a link needs its token, any random text of 16 characters or more")
}

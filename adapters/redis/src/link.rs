//! The one connection that every use shares, and whether it is worth asking.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, Script,
    ServerErrorKind, aio::MultiplexedConnection,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::Notify, task::JoinSet, time::timeout};

use crate::prober;

/// Where Redis is and how long it is waited for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `redis://[user:password@]host:port[/database]`, or `unix:///path`.
    pub url: SecretString,
    /// What every key begins with, so that several platforms can share one Redis.
    pub prefix: String,
    /// Longest that anybody waits for an answer.
    pub timeout: Duration,
}

/// What Redis is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Rate limits.
    Limits,
    /// News of changes.
    Bus,
    /// Rows that were looked up.
    Cache,
}

impl Use {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Limits, Self::Bus, Self::Cache];

    /// One word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::Bus => "bus",
            Self::Cache => "cache",
        }
    }
}

/// Redis cannot be used with these settings.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The text is no URL that the driver takes. It is not repeated: it may hold a password.
    #[error(
        "the URL of Redis must be like redis://host:6379/0 or unix:///path (TLS is not spoken: use a tunnel)"
    )]
    Url,
}

/// A Redis that may be away. Clones share one connection and one opinion.
#[derive(Clone)]
pub struct Redis {
    pub(crate) shared: Arc<Shared>,
    _prober: Arc<JoinSet<()>>,
}

pub(crate) struct Shared {
    client: Client,
    prefix: String,
    pub(crate) timeout: Duration,
    link: Mutex<Link>,
    /// Somebody has a reason to doubt that Redis answers.
    pub(crate) doubted: Notify,
    limits: AtomicU64,
    bus: AtomicU64,
    cache: AtomicU64,
    losses: AtomicU64,
}

#[derive(Default)]
struct Link {
    /// Counts connections, so that what fails late on an old one says nothing of the new one.
    number: u64,
    connection: Option<MultiplexedConnection>,
    was_lost: bool,
}

/// What became of a question.
pub(crate) enum Failure {
    /// Redis does not answer, or refuses everybody.
    Away(String),
    /// It answers, but not to this.
    Refused(RedisError),
}

impl Redis {
    /// Connects, or begins to try. A Redis that is away is no error.
    ///
    /// # Errors
    /// [`OpenError`] where the settings can never work.
    pub async fn open(settings: &Settings) -> Result<Self, OpenError> {
        let url = settings.url.expose_secret();
        // The driver knows these schemes too, and says only at the first connection that they are not built in.
        if url.starts_with("rediss:") || url.starts_with("valkeys:") {
            return Err(OpenError::Url);
        }
        let client = Client::open(url).map_err(|_| OpenError::Url)?;
        let shared = Arc::new(Shared {
            client,
            prefix: settings.prefix.clone(),
            timeout: settings.timeout,
            link: Mutex::default(),
            doubted: Notify::new(),
            limits: AtomicU64::new(0),
            bus: AtomicU64::new(0),
            cache: AtomicU64::new(0),
            losses: AtomicU64::new(0),
        });
        match shared.connect().await {
            Ok(connection) => shared.join(connection),
            Err(why) => shared.lose(0, &why),
        }
        let mut prober = JoinSet::new();
        prober.spawn(prober::run(Arc::clone(&shared)));
        Ok(Self { shared, _prober: Arc::new(prober) })
    }

    /// Whether it answered lately.
    pub fn is_up(&self) -> bool {
        self.shared.lock().connection.is_some()
    }

    /// How often this use had to do without.
    pub fn fallbacks(&self, of: Use) -> u64 {
        self.shared.counter(of).load(Ordering::Relaxed)
    }

    /// How often it went away.
    pub fn losses(&self) -> u64 {
        self.shared.losses.load(Ordering::Relaxed)
    }

    /// A key of ours.
    pub(crate) fn key(&self, kind: &str, name: &str) -> String {
        format!("{}:{kind}:{name}", self.shared.prefix)
    }

    /// Asks. `None`: it is away, or did not answer this; the caller does without.
    pub(crate) async fn ask<T, F>(
        &self,
        of: Use,
        question: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Option<T>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let answer = self.shared.ask(question).await;
        if answer.is_none() {
            self.missed(of);
        }
        answer
    }

    /// This use has to do without.
    pub(crate) fn missed(&self, of: Use) {
        self.shared.counter(of).fetch_add(1, Ordering::Relaxed);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counter(&self, of: Use) -> &AtomicU64 {
        match of {
            Use::Limits => &self.limits,
            Use::Bus => &self.bus,
            Use::Cache => &self.cache,
        }
    }

    async fn ask<T, F>(&self, question: impl FnOnce(MultiplexedConnection) -> F) -> Option<T>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let (number, connection) = {
            let link = self.lock();
            (link.number, link.connection.clone()?)
        };
        match within(self.timeout, question(connection)).await {
            Ok(answer) => Some(answer),
            Err(Failure::Refused(error)) => {
                tracing::debug!(%error, "Redis refused something");
                None
            }
            Err(Failure::Away(why)) => {
                self.lose(number, &why);
                None
            }
        }
    }

    /// A connection that has just shown that it can write, within a bounded time.
    pub(crate) async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let connection = self.dial(Some(self.timeout)).await?;
        self.probe(connection.clone()).await?;
        Ok(connection)
    }

    /// A new connection. `response`: how long each answer is waited for; `None`: whoever asks says so.
    pub(crate) async fn dial(&self, response: Option<Duration>) -> Result<MultiplexedConnection, String> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(response);
        // Looking a name up, connecting and greeting each take their time.
        let dialled =
            timeout(3 * self.timeout, self.client.get_multiplexed_async_connection_with_config(&config));
        match dialled.await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it takes no connection in time".to_owned()),
        }
    }

    /// Writes something that ends by itself: one that only reads, or is full, is of no use.
    pub(crate) async fn probe(&self, mut connection: MultiplexedConnection) -> Result<(), String> {
        let mut write = Cmd::new();
        write.arg("SET").arg(format!("{}:probe", self.prefix)).arg("").arg("PX").arg(1_000);
        match within(self.timeout, async move { write.exec_async(&mut connection).await }).await {
            Ok(()) => Ok(()),
            Err(Failure::Refused(error)) => Err(error.to_string()),
            Err(Failure::Away(why)) => Err(why),
        }
    }

    /// The connection that stands, with its number.
    pub(crate) fn standing(&self) -> Option<(u64, MultiplexedConnection)> {
        let link = self.lock();
        link.connection.clone().map(|connection| (link.number, connection))
    }

    /// It answers.
    pub(crate) fn join(&self, connection: MultiplexedConnection) {
        let was_lost = {
            let mut link = self.lock();
            link.number += 1;
            link.connection = Some(connection);
            std::mem::take(&mut link.was_lost)
        };
        if was_lost {
            tracing::info!("Redis is back");
        }
    }

    /// It did not answer on the connection with this number.
    pub(crate) fn lose(&self, number: u64, why: &str) {
        {
            let mut link = self.lock();
            if link.number != number || link.was_lost {
                return;
            }
            link.connection = None;
            link.was_lost = true;
        }
        self.losses.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(why, "Redis is away: limits, live updates and cache go on without it");
        self.doubted.notify_one();
    }
}

/// An answer in time.
pub(crate) async fn within<T>(
    time: Duration,
    answer: impl Future<Output = RedisResult<T>>,
) -> Result<T, Failure> {
    match timeout(time, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) if is_about_one_key(&error) => Err(Failure::Refused(error)),
        Ok(Err(error)) => Err(Failure::Away(error.to_string())),
        Err(_) => Err(Failure::Away(format!("no answer within {} ms", time.as_millis()))),
    }
}

/// Somebody else's value under a key of ours is no reason to leave all the others.
fn is_about_one_key(error: &RedisError) -> bool {
    error.kind() == ErrorKind::UnexpectedReturnType || error.code() == Some("WRONGTYPE")
}

/// Runs a script as one step, by its hash; a Redis that does not know it gets its text.
pub(crate) async fn run_script<T: FromRedisValue>(
    mut connection: MultiplexedConnection,
    (script, code): (&Script, &str),
    keys: &[String],
    arguments: &[Vec<u8>],
) -> RedisResult<T> {
    let call = |verb: &str, script: &str| {
        let mut call = Cmd::new();
        call.arg(verb).arg(script).arg(keys.len()).arg(keys).arg(arguments);
        call
    };
    match call("EVALSHA", script.get_hash()).query_async(&mut connection).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            call("EVAL", code).query_async(&mut connection).await
        }
        answer => answer,
    }
}

//! Reads what other processes announce, from this one's own position in the stream.

use std::{sync::Arc, time::Duration};

use redis::{Cmd, FromRedisValue, ParsingError, RedisResult, Value, aio::MultiplexedConnection};
use tokio::time::{Instant, sleep};

use super::{
    entry::{Entries, Entry, Place, Said},
    teller::Teller,
};
use crate::link::{Failure, Redis, Use, within};

/// How long Redis holds a question that has no answer yet; then the stream is looked at.
const BLOCK: Duration = Duration::from_millis(500);
/// Entries read at a time.
const PAGE: usize = 512;
/// Between two tries to reach a Redis that is away.
const PAUSE: Duration = Duration::from_millis(250);
/// While Redis is away, subscribers are told this often that they may miss something.
const AWAY_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Listener {
    pub redis: Redis,
    pub teller: Arc<Teller>,
    pub stream: String,
    pub origin: String,
    /// Subscribers are told this often that they may have missed something, whatever seems to be.
    pub sweep: Duration,
}

/// A connection of its own, because it waits, and how far it was read.
pub(crate) struct Reading {
    connection: MultiplexedConnection,
    place: Place,
}

impl Listener {
    /// Begins at the stream's end. `None`: Redis is away.
    pub(crate) async fn begin(&self) -> Option<Reading> {
        if !self.redis.is_up() {
            return None;
        }
        let connection = self.redis.shared.dial(None).await.ok()?;
        let place = self.end(connection.clone()).await?;
        Some(Reading { connection, place })
    }

    /// Listens until dropped.
    pub(crate) async fn run(self, mut reading: Option<Reading>) {
        let mut told = Instant::now();
        loop {
            match reading.take() {
                Some(mut open) => {
                    self.listen(&mut open, &mut told).await;
                    self.redis.missed(Use::Bus);
                    self.redis.shared.doubted.notify_one();
                    // One that takes everything but this would otherwise be connected to as fast as it refuses.
                    sleep(PAUSE).await;
                }
                None => {
                    reading = self.begin().await;
                    // Read from here on; what came before is in the store.
                    if reading.is_some() || told.elapsed() >= AWAY_EVERY {
                        self.lagged(&mut told);
                    }
                    if reading.is_none() {
                        sleep(PAUSE).await;
                    }
                }
            }
        }
    }

    /// Until the connection fails.
    async fn listen(&self, reading: &mut Reading, told: &mut Instant) {
        loop {
            if told.elapsed() >= self.sweep {
                self.lagged(told);
            }
            let answer = within(BLOCK + self.redis.shared.timeout, self.next(reading)).await;
            match answer {
                Ok(Next(entries)) if entries.is_empty() => {
                    let Some(end) = self.end(reading.connection.clone()).await else { return };
                    // It was emptied, or holds an earlier state: what comes there is before this place.
                    if end < reading.place {
                        reading.place = end;
                        self.lagged(told);
                    }
                }
                Ok(Next(entries)) => entries.into_iter().for_each(|entry| self.hear(reading, entry, told)),
                Err(Failure::Away(why)) => {
                    tracing::debug!(why, "changes of other processes are not read");
                    return;
                }
                Err(Failure::Refused(error)) => {
                    tracing::debug!(%error, "changes of other processes are not read");
                    sleep(AWAY_EVERY).await;
                    return;
                }
            }
        }
    }

    async fn next(&self, reading: &Reading) -> RedisResult<Next> {
        let mut read = Cmd::new();
        read.arg("XREAD").arg("COUNT").arg(PAGE).arg("BLOCK").arg(BLOCK.as_millis().to_string());
        read.arg("STREAMS").arg(&self.stream).arg(reading.place.to_string());
        read.query_async(&mut reading.connection.clone()).await
    }

    fn hear(&self, reading: &mut Reading, entry: Entry, told: &mut Instant) {
        let is_next = entry.place.is_next_to(reading.place);
        reading.place = entry.place;
        if !is_next {
            self.lagged(told);
        }
        if entry.from == self.origin {
            return;
        }
        match entry.said {
            Said::Change(change) => self.teller.tell(std::slice::from_ref(&change)),
            Said::Missed => self.lagged(told),
        }
    }

    /// The place of the newest entry; none: the beginning.
    async fn end(&self, mut connection: MultiplexedConnection) -> Option<Place> {
        let mut ask = Cmd::new();
        ask.arg("XREVRANGE").arg(&self.stream).arg("+").arg("-").arg("COUNT").arg(1);
        let answer = async move { ask.query_async::<Entries>(&mut connection).await };
        let Entries(newest) = within(self.redis.shared.timeout, answer).await.ok()?;
        Some(newest.first().map_or_else(Place::default, |entry| entry.place))
    }

    fn lagged(&self, told: &mut Instant) {
        *told = Instant::now();
        self.teller.lagged();
    }
}

/// The answer to a reading of one stream.
struct Next(Vec<Entry>);

impl FromRedisValue for Next {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let streams: Option<Vec<(Value, Entries)>> = FromRedisValue::from_redis_value(value)?;
        Ok(Self(streams.into_iter().flatten().flat_map(|(_, Entries(entries))| entries).collect()))
    }
}

//! Calls to the store are made until they are answered: nothing may leave before what it rests on is durable.

use std::{future::Future, time::Duration};

use argus_ports::StoreError;
use tokio::time::{sleep, timeout};

use crate::config::Config;

/// Repeats a call to the store, waiting longer each time.
pub(crate) struct Retry {
    timeout: Duration,
    wait: Duration,
    longest: Duration,
}

impl Retry {
    pub fn new(config: &Config) -> Self {
        let (wait, longest) = config.store_backoff;
        Self { timeout: config.store_timeout, wait, longest }
    }

    /// The call's answer; only an error that no repeat can mend is returned.
    pub async fn run<T, F>(mut self, what: &'static str, call: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        loop {
            let error = match timeout(self.timeout, call()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) if !error.is_retryable() => return Err(error),
                Ok(Err(error)) => error,
                Err(_) => StoreError::Unavailable("no answer in time".to_owned()),
            };
            tracing::warn!(what, %error, wait_ms = self.wait.as_millis(), "the store fails: asking again");
            sleep(self.wait).await;
            self.wait = (self.wait * 2).min(self.longest);
        }
    }
}

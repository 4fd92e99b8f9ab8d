//! Calls that are counted by how they end, and timed.

use std::{future::Future, time::Instant};

use argus_metrics::{Counters, Figures, Metric, Times, Unregistered};
use argus_ports::{ChainError, ContentError, LinkError, SignerError, StoreError};

/// How a call ended that nobody waited for until its end.
const ABANDONED: &str = "abandoned";

/// Counts calls by names and result, and times them.
#[derive(Clone)]
pub struct Calls {
    ended: Counters,
    took: Option<Times>,
}

impl Calls {
    /// By a counter whose last label is the result, and a histogram with the labels before it.
    pub fn timed(
        figures: &Figures,
        ended: &'static Metric,
        took: &'static Metric,
    ) -> Result<Self, Unregistered> {
        Ok(Self { ended: figures.counters(ended)?, took: Some(figures.times(took)?) })
    }

    /// By a counter whose last label is the result.
    pub fn counted(figures: &Figures, ended: &'static Metric) -> Result<Self, Unregistered> {
        Ok(Self { ended: figures.counters(ended)?, took: None })
    }

    /// Makes a call and counts it, also where its caller does not wait for its end.
    pub async fn call<T, E: Ended>(
        &self,
        names: &[&str],
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut under_way = UnderWay { calls: self, names, result: ABANDONED, began: Instant::now() };
        let answer = call.await;
        under_way.result = match &answer {
            Ok(_) => "ok",
            Err(error) => error.name(),
        };
        answer
    }
}

struct UnderWay<'a> {
    calls: &'a Calls,
    names: &'a [&'a str],
    result: &'static str,
    began: Instant,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.calls.ended.of(&[self.names, &[self.result]].concat()).inc();
        if let Some(took) = &self.calls.took {
            took.observe(self.names, self.began.elapsed());
        }
    }
}

/// An error that has a word in the table.
pub trait Ended {
    /// The word.
    fn name(&self) -> &'static str;
}

impl Ended for StoreError {
    fn name(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::ReadOnly(_) => "read_only",
            Self::Corrupt(_) => "corrupt",
        }
    }
}

impl Ended for ContentError {
    fn name(&self) -> &'static str {
        match self {
            Self::BadCid(_) => "bad_cid",
            Self::Absent(_) => "absent",
            Self::Mismatch(_) => "mismatch",
            Self::TooLarge { .. } => "too_large",
            Self::Lost(_) => "lost",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

impl Ended for LinkError {
    fn name(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Gone(_) => "gone",
            Self::Refused(_) => "refused",
        }
    }
}

impl Ended for SignerError {
    fn name(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Refused(_) => "refused",
            Self::Wrong(_) => "wrong",
        }
    }
}

impl Ended for ChainError {
    fn name(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::UnknownBlock(_) => "unknown_block",
            Self::Reverted { .. } => "reverted",
            Self::AlreadyKnown => "already_known",
            Self::NonceTooLow => "nonce_too_low",
            Self::Underpriced => "underpriced",
            Self::InsufficientFunds => "insufficient_funds",
            Self::Refused(_) => "refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use argus_metrics::table;

    use super::*;

    #[tokio::test]
    async fn a_call_that_is_abandoned_is_counted_as_that() {
        let figures = Figures::default();
        let calls = Calls::counted(&figures, &table::LINK_CALLS).expect("in the table");
        calls.call(&["nudge"], async { Ok::<_, LinkError>(()) }).await.expect("ok");
        calls.call(&["nudge"], async { Err::<(), _>(LinkError::Busy) }).await.expect_err("busy");
        let never = calls.call(&["nudge"], std::future::pending::<Result<(), LinkError>>());
        tokio::time::timeout(std::time::Duration::from_millis(1), never).await.expect_err("no answer");
        let text = figures.text().expect("text");
        for result in ["ok", "busy", "abandoned"] {
            let line = format!("argus_link_calls_total{{link=\"nudge\",result=\"{result}\"}} 1\n");
            assert!(text.contains(&line), "{line}{text}");
        }
    }
}

//! Where answers come from and go to: recorded while a run is live, read back while it is replayed.

use std::sync::Arc;

use argus_domain::{
    keccak256,
    run::{HostCall, Transcript},
};

use crate::{error::Stop, reply::Reply, text};

/// Longest part of a request or reply that a report of a divergence shows.
const SHOWN: usize = 300;

/// A call that was made and waits for its answer.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub import: &'static str,
    pub request: String,
    /// Fuel used when it was made.
    pub fuel: u64,
    /// The script's clock when it was made, nanoseconds.
    pub at_ns: u64,
}

/// The run's calls so far, and for a replay those that must come.
pub(crate) struct Tape {
    calls: Vec<HostCall>,
    expected: Option<Arc<Transcript>>,
}

impl Tape {
    pub fn recording() -> Self {
        Self { calls: Vec::new(), expected: None }
    }

    pub fn replaying(transcript: Arc<Transcript>) -> Self {
        Self { calls: Vec::new(), expected: Some(transcript) }
    }

    pub fn is_replay(&self) -> bool {
        self.expected.is_some()
    }

    /// Keeps a live call's answer.
    pub fn record(&mut self, made: Made, reply: &Reply, elapsed_ms: u64) {
        self.calls.push(HostCall {
            sequence: self.next(),
            import: made.import.to_owned(),
            request_hash: keccak256(made.request.as_bytes()),
            request: made.request,
            reply: reply.text(),
            fuel: made.fuel,
            elapsed_ms,
        });
    }

    /// The recorded answer to this call. `own` is the answer that the replay itself comes to, where it can.
    ///
    /// # Errors
    /// [`Stop::Diverged`] where another call was recorded here, or none, or it had used other fuel, or its answer is
    /// not the replay's own.
    pub fn replay(&mut self, made: Made, is_http: bool, own: Option<Reply>) -> Result<(Reply, u64), Stop> {
        let sequence = self.next();
        let recorded = self.expected.as_ref().and_then(|t| t.calls.get(self.calls.len()));
        let now = shown(made.import, &made.request, made.fuel);
        let Some(call) = recorded else {
            return Err(Stop::Diverged { sequence, recorded: "none".to_owned(), now });
        };
        let same = call.sequence == sequence
            && call.import == made.import
            && call.request_hash == keccak256(made.request.as_bytes())
            && call.fuel == made.fuel;
        if !same {
            let recorded = shown(&call.import, &call.request, call.fuel);
            return Err(Stop::Diverged { sequence, recorded, now });
        }
        let Some(reply) = Reply::parse(&call.reply, is_http) else {
            let recorded = format!("an answer that is none: {}", text::quoted(&call.reply, SHOWN));
            return Err(Stop::Diverged { sequence, recorded, now });
        };
        if let Some(own) = own.filter(|own| *own != reply) {
            let answered = |text: &str| format!("{} answered {}", call.import, text::shown(text, SHOWN));
            let (recorded, now) = (answered(&call.reply), answered(&own.text()));
            return Err(Stop::Diverged { sequence, recorded, now });
        }
        let (call, elapsed_ms) = (call.clone(), call.elapsed_ms);
        self.calls.push(call);
        Ok((reply, elapsed_ms))
    }

    /// The recorded call that a finished replay never made, if any.
    pub fn left_over(&self) -> Option<Stop> {
        let call = self.expected.as_ref()?.calls.get(self.calls.len())?;
        Some(Stop::Diverged {
            sequence: self.next(),
            recorded: shown(&call.import, &call.request, call.fuel),
            now: "none".to_owned(),
        })
    }

    pub fn into_transcript(self) -> Transcript {
        Transcript { calls: self.calls }
    }

    fn next(&self) -> u32 {
        u32::try_from(self.calls.len()).unwrap_or(u32::MAX)
    }
}

fn shown(import: &str, request: &str, fuel: u64) -> String {
    format!("{}({}) at fuel {fuel}", text::shown(import, 40), text::shown(request, SHOWN))
}

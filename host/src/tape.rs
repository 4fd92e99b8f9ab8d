//! Where answers come from and go to: recorded while a run is live, read back while it is replayed.

use std::sync::Arc;

use argus_domain::{
    difference::{CallDifference, MadeCall},
    keccak256,
    run::{HostCall, Transcript},
};

use crate::{error::Stop, reply::Reply};

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
    /// Whether a replayed call must have used the recorded fuel: not where other code is run on the answers.
    is_bound_to_fuel: bool,
}

impl Tape {
    pub fn recording() -> Self {
        Self { calls: Vec::new(), expected: None, is_bound_to_fuel: false }
    }

    /// The same code once more: everything is as it was.
    pub fn replaying(transcript: Arc<Transcript>) -> Self {
        Self { calls: Vec::new(), expected: Some(transcript), is_bound_to_fuel: true }
    }

    /// Other code on the recorded answers: it may compute what it likes, and has to ask for the same.
    pub fn answering(transcript: Arc<Transcript>) -> Self {
        Self { is_bound_to_fuel: false, ..Self::replaying(transcript) }
    }

    pub fn is_replay(&self) -> bool {
        self.expected.is_some()
    }

    /// Keeps a live call's answer.
    pub fn record(&mut self, made: Made, reply: &Reply, elapsed_ms: u64) {
        self.keep(made, reply.text(), elapsed_ms);
    }

    /// The recorded answer to this call. `own` is the answer that the replay itself comes to, where it can.
    ///
    /// # Errors
    /// [`Stop::Diverged`] where another call was recorded here, or none, or it had used other fuel, or what is recorded
    /// is no answer, or not the replay's own.
    pub fn replay(&mut self, made: Made, is_http: bool, own: Option<Reply>) -> Result<(Reply, u64), Stop> {
        let expected = self.expected.clone();
        let recorded = expected.as_ref().and_then(|t| t.calls.get(self.calls.len()));
        let same = |call: &&HostCall| {
            call.sequence == self.next()
                && call.import == made.import
                && call.request_hash == keccak256(made.request.as_bytes())
                && (call.fuel == made.fuel || !self.is_bound_to_fuel)
        };
        let call = recorded.filter(same);
        let reply = call.and_then(|call| Reply::parse(&call.reply, is_http));
        let reply = reply.filter(|reply| own.as_ref().is_none_or(|own| own == reply));
        let (Some(call), Some(reply)) = (call, reply) else {
            let asked = MadeCall::asked(made.import, &made.request, made.fuel);
            return Err(Stop::Diverged(Box::new(CallDifference {
                sequence: self.next(),
                one: recorded.map(MadeCall::of),
                other: Some(match own {
                    Some(own) => asked.answered(&own.text()),
                    None => asked,
                }),
            })));
        };
        self.keep(made, call.reply.clone(), call.elapsed_ms);
        Ok((reply, call.elapsed_ms))
    }

    /// The recorded call that a finished replay never made, if any.
    pub fn left_over(&self) -> Option<Box<CallDifference>> {
        let call = self.expected.as_ref()?.calls.get(self.calls.len())?;
        let one = Some(MadeCall::of(call));
        Some(Box::new(CallDifference { sequence: self.next(), one, other: None }))
    }

    pub fn into_transcript(self) -> Transcript {
        Transcript { calls: self.calls }
    }

    fn keep(&mut self, made: Made, reply: String, elapsed_ms: u64) {
        self.calls.push(HostCall {
            sequence: self.next(),
            import: made.import.to_owned(),
            request_hash: keccak256(made.request.as_bytes()),
            request: made.request,
            reply,
            fuel: made.fuel,
            elapsed_ms,
        });
    }

    fn next(&self) -> u32 {
        u32::try_from(self.calls.len()).unwrap_or(u32::MAX)
    }
}

//! What one run has and has used: the data of its store.

use std::{
    collections::BTreeMap,
    pin::Pin,
    time::{Duration, Instant},
};

use argus_domain::{digest::digest_of, limits::Limits, run::RunInput, secret::RunSecrets, state::State};
use futures::stream::{FuturesUnordered, StreamExt};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};
use std::sync::Arc;
use wasmtime::{Memory, ResourceLimiter, TypedFunc, component::ResourceTable};

use crate::{
    calls::Op,
    component_wasi::POLLABLES_MAX,
    config::World,
    engine,
    error::Stop,
    meter::{Meter, Metered},
    reply::{ErrorKind, Reply},
    secrets::Secrets,
    tape::{Made, Tape},
    text,
};

/// A call on its way out.
pub(crate) type Flight = Pin<Box<dyn Future<Output = Reply> + Send>>;
/// A call on its way out, with its ticket and how long it took.
type Timed = Pin<Box<dyn Future<Output = (u32, Reply, Duration)> + Send>>;

const NS_PER_MS: u64 = 1_000_000;
/// The monotonic clock when a run starts: Go takes zero for a broken clock.
const MONOTONIC_START_NS: u64 = 1_000_000_000;

/// Data of a run's store.
pub(crate) struct Run {
    pub meter: Meter,
    pub limits: Limits,
    pub input: Arc<RunInput>,
    pub secrets: Arc<Secrets>,
    pub world: Arc<World>,
    pub used: Used,
    pub output: Output,
    /// The job's state with the script's writes in it; `None`: the job has no storage.
    pub state: Option<Arc<State>>,
    /// The script's clock, nanoseconds since 1970.
    pub now_ns: u64,
    /// The script's randomness, once it has asked for some.
    random: Option<ChaCha20Rng>,
    /// What a command reads: the context.
    pub stdin: Vec<u8>,
    pub stdin_read: usize,
    /// `NAME=value` strings that a command or script may see.
    pub environment: Vec<(String, String)>,
    /// The guest's memory and allocator, once its instance exists.
    pub memory: Option<Memory>,
    pub alloc: Option<TypedFunc<u32, u32>>,
    /// What a component may wait for.
    pub pollables: ResourceTable,
    tape: Tape,
    made: BTreeMap<u32, (Op, Made)>,
    /// Calls that are out, once there was one.
    in_flight: Option<FuturesUnordered<Timed>>,
    landed: BTreeMap<u32, (Reply, Duration)>,
    tickets: u32,
}

/// Counters against the limits.
#[derive(Debug, Default)]
pub(crate) struct Used {
    pub host_calls: u32,
    pub http_calls: u32,
    pub evm_calls: u32,
    /// Time that the script's clock advanced while it waited for HTTP.
    pub http_wait_ms: u64,
}

/// What a guest wrote.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub result: Vec<u8>,
    pub log: Vec<u8>,
    pub log_cut: bool,
}

impl Run {
    pub fn new(
        world: Arc<World>,
        input: Arc<RunInput>,
        limits: Limits,
        tape: Tape,
        secrets: &RunSecrets,
    ) -> Self {
        let mut pollables = ResourceTable::new();
        pollables.set_max_capacity(POLLABLES_MAX);
        Self {
            meter: Meter::new(&limits),
            secrets: Arc::new(Secrets::new(&input, secrets)),
            limits,
            world,
            used: Used::default(),
            output: Output::default(),
            state: input.state.clone(),
            now_ns: input.due.0.saturating_mul(NS_PER_MS),
            random: None,
            stdin: Vec::new(),
            stdin_read: 0,
            environment: Vec::new(),
            memory: None,
            alloc: None,
            pollables,
            tape,
            made: BTreeMap::new(),
            in_flight: None,
            landed: BTreeMap::new(),
            tickets: 0,
            input,
        }
    }

    pub fn now_ms(&self) -> u64 {
        self.now_ns / NS_PER_MS
    }

    /// A clock that counts from the run's start and never goes back.
    pub fn monotonic_ns(&self) -> u64 {
        let start = self.input.due.0.saturating_mul(NS_PER_MS);
        self.now_ns.saturating_sub(start).saturating_add(MONOTONIC_START_NS)
    }

    /// Moves the clock on; it never goes back.
    pub fn advance_to_ns(&mut self, ns: u64) {
        self.now_ns = self.now_ns.max(ns);
    }

    pub fn fill_random(&mut self, into: &mut [u8]) {
        let input = &self.input;
        let seeded = || ChaCha20Rng::from_seed(digest_of("argus/random/1", &(input.job, input.task)).0);
        self.random.get_or_insert_with(seeded).fill_bytes(into);
    }

    /// Adds to the result.
    ///
    /// # Errors
    /// [`Stop::Limit`] past the output limit.
    pub fn print(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let max = self.limits.output_bytes;
        if (self.output.result.len() + bytes.len()) as u64 > max {
            return Err(Stop::limit("output", text::bytes(max), "print only the result, and less of it"));
        }
        self.output.result.extend_from_slice(bytes);
        Ok(())
    }

    /// Adds to the log, which is cut at its limit.
    pub fn log(&mut self, bytes: &[u8]) {
        let room = (self.limits.log_bytes as usize).saturating_sub(self.output.log.len());
        if bytes.len() > room {
            self.output.log_cut = true;
        }
        self.output.log.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Adds a message to the log.
    pub fn log_line(&mut self, level: Option<&str>, message: &str) {
        let level = level.map(|level| format!("[{level}] ")).unwrap_or_default();
        self.log(format!("{level}{message}\n").as_bytes());
    }

    /// Counts a call and sends it off. The ticket asks for its answer.
    ///
    /// # Errors
    /// [`Stop::Limit`] where the call is one too many.
    pub fn issue(&mut self, op: Op, request: String, fuel: u64) -> Result<u32, Stop> {
        self.count(op, 1)?;
        let ticket = self.tickets;
        self.tickets = self.tickets.saturating_add(1);
        if !self.tape.is_replay() || op.is_own() {
            let flight = op.start(self, &request);
            let issued = Instant::now();
            self.in_flight.get_or_insert_default().push(Box::pin(async move {
                let reply = flight.await;
                (ticket, reply, issued.elapsed())
            }));
        }
        self.made.insert(ticket, (op, Made { import: op.name(), request, fuel, at_ns: self.now_ns }));
        Ok(ticket)
    }

    /// Waits for a call's answer, records it and moves the clock. All calls that are out make progress meanwhile.
    ///
    /// # Errors
    /// [`Stop::Limit`] where the answer is a limit, [`Stop::Diverged`] in a replay, [`Stop::Trap`] for a ticket
    /// that was never given.
    pub async fn finish(&mut self, ticket: u32) -> Result<Reply, Stop> {
        let (op, made) = self
            .made
            .remove(&ticket)
            .ok_or_else(|| Stop::Trap(format!("no call has the ticket {ticket}")))?;
        let at_ns = made.at_ns;
        let (reply, elapsed_ms) = if self.tape.is_replay() {
            let own = if op.is_own() { Some(self.landing(ticket).await?.0) } else { None };
            self.tape.replay(made, op.is_http(), own)?
        } else {
            let (reply, took) = self.landing(ticket).await?;
            let elapsed_ms = if op.waits() { u64::try_from(took.as_millis()).unwrap_or(u64::MAX) } else { 0 };
            self.tape.record(made, &reply, elapsed_ms);
            (reply, elapsed_ms)
        };
        let before = self.now_ns;
        self.advance_to_ns(at_ns.saturating_add(elapsed_ms.saturating_mul(NS_PER_MS)));
        if let Err(error) = &reply.result
            && error.kind == ErrorKind::Limit
        {
            return Err(Stop::Limit(error.message.clone()));
        }
        if op.is_http() {
            self.count(op, reply.hops)?;
            self.used.http_wait_ms += (self.now_ns - before) / NS_PER_MS;
            if self.used.http_wait_ms > self.limits.http_wall_ms {
                return Err(http_time_used_up(self.limits.http_wall_ms));
            }
        }
        Ok(reply)
    }

    async fn landing(&mut self, ticket: u32) -> Result<(Reply, Duration), Stop> {
        loop {
            if let Some(landed) = self.landed.remove(&ticket) {
                return Ok(landed);
            }
            let next = match &mut self.in_flight {
                Some(flights) => flights.next().await,
                None => None,
            };
            let Some((other, reply, took)) = next else {
                return Err(Stop::Trap(format!("the call with ticket {ticket} is not under way")));
            };
            self.landed.insert(other, (reply, took));
        }
    }

    /// HTTP calls that a call may still make besides itself: its redirect hops.
    pub fn hops_left(&self) -> u32 {
        let http = self.limits.http_calls.saturating_sub(self.used.http_calls);
        http.min(self.limits.host_calls.saturating_sub(self.used.host_calls))
    }

    fn count(&mut self, op: Op, n: u32) -> Result<(), Stop> {
        let used = &mut self.used;
        let limits = &self.limits;
        used.host_calls = used.host_calls.saturating_add(n);
        if used.host_calls > limits.host_calls {
            return Err(Stop::limit("host call", limits.host_calls, "make fewer calls in one run"));
        }
        if op.is_http() {
            used.http_calls = used.http_calls.saturating_add(n);
            if used.http_calls > limits.http_calls {
                let remedy = "ask for more in one request, and name the final URL (each redirect counts)";
                return Err(Stop::limit("HTTP call", limits.http_calls, remedy));
            }
        }
        if op.is_evm() {
            used.evm_calls = used.evm_calls.saturating_add(n);
            if used.evm_calls > limits.evm_calls {
                return Err(Stop::limit("EVM call", limits.evm_calls, "read through one multicall contract"));
            }
        }
        Ok(())
    }

    /// The transcript and, for a replay, the first call that was recorded but not made.
    pub fn take_tape(&mut self) -> Tape {
        std::mem::replace(&mut self.tape, Tape::recording())
    }
}

/// All HTTP waits of a run together took too long.
pub(crate) fn http_time_used_up(max_ms: u64) -> Stop {
    let remedy = "ask faster services, or ask them at the same time";
    Stop::limit("HTTP time", format_args!("{max_ms} ms in all"), remedy)
}

impl Metered for Run {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

impl Metered for Meter {
    fn meter(&mut self) -> &mut Meter {
        self
    }
}

impl ResourceLimiter for Run {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        max: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.meter.memory_growing(current, desired, max)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.meter.memory_grow_failed(error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        max: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.meter.table_growing(current, desired, max)
    }

    fn instances(&self) -> usize {
        engine::INSTANCES_PER_RUN as usize
    }

    fn memories(&self) -> usize {
        engine::MEMORIES_PER_RUN as usize
    }

    fn tables(&self) -> usize {
        engine::TABLES_PER_RUN as usize
    }
}

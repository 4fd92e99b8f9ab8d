//! Settings of the edge, with the defaults that a fresh installation has.

use std::{collections::BTreeMap, time::Duration};

use argus_domain::{U256, ids::ChainId, limits::Limits, tariff::Tariff};
use argus_ports::Failpoint;

/// Most static arguments of one job, where nothing else is configured.
pub const ARGUMENTS_MAX: usize = 1_000;

/// Settings of the edge.
#[derive(Debug, Clone)]
pub struct Config {
    /// Origins that browsers may call from; `*` allows any.
    pub cors_origins: Vec<String>,
    /// Largest request body, bytes.
    pub body_max: usize,
    /// Largest body that publishes a module, bytes: the largest module as base64 and some.
    pub module_body_max: usize,
    /// Time for the whole head of a connection's next request to arrive, after which the connection is closed.
    pub head_timeout: Duration,
    /// Time for a whole body to arrive.
    pub body_timeout: Duration,
    /// Most of a refused body that is still taken, bytes, so that its sender sees why: one 86 MB module and some.
    pub drain_max: usize,
    /// Time for one answer; creation may compile and run a script, and clients wait 120 s.
    pub answer_timeout: Duration,
    /// Longest request target, bytes; the HTTP library itself ends at 65,534.
    pub uri_max: usize,
    /// Most headers of one request. The HTTP library ends, without a word, at 256 of them.
    pub headers_max: usize,
    /// Longest head of one request without its target, bytes; the HTTP library itself ends at about 400 KiB in all.
    pub header_bytes_max: usize,
    /// Most jobs in one creation.
    pub jobs_per_create_max: usize,
    /// Most static arguments of one job.
    pub arguments_max: usize,
    /// Requests per minute from one address to routes that need no key.
    pub open_per_minute: u32,
    /// Requests per minute from one address to routes that need a key, whatever keys it shows.
    pub keyed_per_minute: u32,
    /// Refused keys per minute from one address, after which it gets 429.
    pub bad_keys_per_minute: u32,
    /// Whether the last element of X-Forwarded-For is the client: only behind a proxy of one's own.
    pub behind_proxy: bool,
    /// Default requests per minute of a new user key.
    pub user_rate: u32,
    /// Default requests per minute of every other new key.
    pub app_rate: u32,
    /// Whether a job must be in its chain's registry.
    pub job_registry: RegistryRule,
    /// What new jobs get that say nothing.
    pub policy: PolicyDefaults,
    /// Scripts at creation.
    pub scripts: ScriptRules,
    /// Hosts that scripts and sources may reach besides public ones.
    pub operator_reach: Vec<String>,
    /// What a task costs beside its gas.
    pub tariff: Tariff,
    /// What gas costs.
    pub prices: PriceRules,
    /// WebSocket limits.
    pub rooms: RoomLimits,
    /// How long a job may be on its way here after its registration before it is an orphan.
    pub registration_grace: Duration,
    /// Domains that users may sign in to with a message of EIP-4361, with their port where it is none of the usual;
    /// empty: nobody signs in.
    pub sign_in_domains: Vec<String>,
    /// Under which hosts the keepers' board shows only some of them.
    pub boards: BoardHosts,
    /// Webhooks.
    pub webhooks: WebhookRules,
    /// What the faucet gives, and where.
    pub faucet: FaucetRules,
    /// Where a test has this process die.
    pub failpoint: Failpoint,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cors_origins: vec!["*".to_owned()],
            body_max: 2 * 1024 * 1024,
            module_body_max: 86 * 1024 * 1024,
            // Longer than clients keep an idle connection for their next request: Node's agent 5 s.
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(15),
            drain_max: 96 * 1024 * 1024,
            answer_timeout: Duration::from_secs(110),
            uri_max: 65_000,
            headers_max: 100,
            header_bytes_max: 64 * 1024,
            jobs_per_create_max: 100,
            arguments_max: ARGUMENTS_MAX,
            open_per_minute: 120,
            // Twice what one front end's key may do.
            keyed_per_minute: 12_000,
            bad_keys_per_minute: 60,
            behind_proxy: false,
            user_rate: 120,
            app_rate: 6_000,
            job_registry: RegistryRule::Optional,
            policy: PolicyDefaults::default(),
            scripts: ScriptRules::default(),
            operator_reach: Vec::new(),
            tariff: Tariff::DEFAULT,
            prices: PriceRules::default(),
            rooms: RoomLimits::default(),
            registration_grace: Duration::from_secs(60),
            sign_in_domains: Vec::new(),
            boards: BoardHosts::default(),
            webhooks: WebhookRules::default(),
            faucet: FaucetRules::default(),
            failpoint: Failpoint::NONE,
        }
    }
}

/// Hosts of front ends, each of which shows its own keepers; any other host shows all of them.
#[derive(Debug, Clone)]
pub struct BoardHosts {
    /// Those that show keepers on imua alone.
    pub imua: Vec<String>,
    /// Those that show the others.
    pub others: Vec<String>,
}

impl Default for BoardHosts {
    fn default() -> Self {
        Self {
            imua: vec!["imua.triggerx.network".to_owned()],
            others: vec!["app.triggerx.network".to_owned()],
        }
    }
}

/// Whether a job must be in its chain's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryRule {
    /// A registered job must have the same owner; an unregistered one is accepted.
    Optional,
    /// A job that its chain's registry does not know with this owner is refused.
    Required,
}

/// What new jobs get that say nothing.
#[derive(Debug, Clone)]
pub struct PolicyDefaults {
    /// Keepers of an attempt where the target chain has an executor.
    pub keepers: u8,
    /// How many of them must agree.
    pub threshold: u8,
    /// Most that any job may let its owner be charged per task, wei.
    pub fee_cap_max: U256,
    /// Gas that the call gets.
    pub gas_limit: u64,
    /// Relative difference that two observations may have, as a decimal.
    pub tolerance: &'static str,
    /// Blocks on top of an event's own before it counts.
    pub confirmations: u64,
    /// Budgets of scripts.
    pub limits: Limits,
}

impl Default for PolicyDefaults {
    fn default() -> Self {
        Self {
            keepers: 3,
            threshold: 2,
            fee_cap_max: U256::from(1_000_000_000_000_000_000u64),
            gas_limit: 1_000_000,
            tolerance: "0.01",
            confirmations: 0,
            limits: Limits::DEFAULT,
        }
    }
}

/// Scripts at creation.
#[derive(Debug, Clone)]
pub struct ScriptRules {
    /// Whether a script may be named by an http or https URL without a CID.
    pub allow_http: bool,
    /// Time for fetching one.
    pub fetch_timeout: Duration,
    /// Dry runs that are remembered.
    pub dry_runs_kept: usize,
    /// How long a dry run is believed by the fee quote.
    pub dry_run_age: Duration,
}

impl Default for ScriptRules {
    fn default() -> Self {
        Self {
            allow_http: false,
            fetch_timeout: Duration::from_secs(20),
            dry_runs_kept: 1_000,
            dry_run_age: Duration::from_secs(300),
        }
    }
}

/// How old a price of gas may be.
#[derive(Debug, Clone)]
pub struct PriceRules {
    /// A younger one is not asked for again.
    pub fresh: Duration,
    /// An older one is not believed: where the node is silent for longer, there is no quote.
    pub stale_max: Duration,
}

impl Default for PriceRules {
    fn default() -> Self {
        Self { fresh: Duration::from_secs(3), stale_max: Duration::from_secs(60) }
    }
}

/// WebSocket limits.
#[derive(Debug, Clone)]
pub struct RoomLimits {
    /// Connections of one key.
    pub connections_per_key: usize,
    /// Rooms of one connection.
    pub rooms_per_connection: usize,
    /// Frames that wait for one slow reader before it is dropped.
    pub queue: usize,
    /// Largest frame from a client, bytes.
    pub frame_max: usize,
    /// Time between our pings.
    pub ping_every: Duration,
    /// Without any frame from the client for so long, the connection is closed.
    pub idle_max: Duration,
    /// Time for what was gathered for one write to leave.
    pub write_timeout: Duration,
    /// Tasks in a snapshot.
    pub snapshot_tasks: u32,
    /// Changes that a resuming client gets at most; past it a fresh snapshot says so.
    pub resume_max: u32,
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self {
            connections_per_key: 10_000,
            rooms_per_connection: 1_000,
            queue: 1_024,
            frame_max: 8 * 1024,
            ping_every: Duration::from_secs(30),
            idle_max: Duration::from_secs(75),
            write_timeout: Duration::from_secs(10),
            snapshot_tasks: 1_000,
            resume_max: 10_000,
        }
    }
}

/// Webhooks.
#[derive(Debug, Clone)]
pub struct WebhookRules {
    /// Most that one owner has.
    pub per_owner: u32,
    /// Time for a receiver to answer.
    pub timeout: Duration,
    /// Wait after the first failure; it doubles with each further one.
    pub retry_first: Duration,
    /// Longest wait between two tries.
    pub retry_max: Duration,
    /// Failures of one change after which it is given up.
    pub failures_max: u16,
    /// Dead letters that are kept of one webhook, the newest.
    pub dead_letters: u32,
    /// Receivers that are told at once.
    pub at_once: usize,
    /// Between two full readings of the list: what a process learns late of webhooks that another one made.
    pub reread: Duration,
}

impl Default for WebhookRules {
    fn default() -> Self {
        Self {
            per_owner: 20,
            timeout: Duration::from_secs(10),
            retry_first: Duration::from_secs(1),
            retry_max: Duration::from_secs(600),
            failures_max: 12,
            dead_letters: 100,
            at_once: 256,
            reread: Duration::from_secs(30),
        }
    }
}

/// What the faucet gives, and where.
#[derive(Debug, Clone, Default)]
pub struct FaucetRules {
    /// Per claim, wei.
    pub amount: U256,
    /// Chains by the names that clients have for them.
    pub networks: BTreeMap<String, ChainId>,
}

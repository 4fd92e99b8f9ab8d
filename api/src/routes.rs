//! Every route with its policy, in one table: the router, the authorization test and openapi.json come from it.
//! All fields must be given, so that a route without a policy does not compile.

use axum::{http::Method, response::Response};
use futures::future::BoxFuture;

use QueryKind::{Flag, Text, Whole};
use argus_domain::access::Role::{self, Admin, App, Keeper, User};

use crate::{
    bundle, call::Call, errors::ApiError, fees, health, jobs, keepers, keys, modules, secrets, tasks, users,
    ws,
};

/// What carries a request out, once policy has let it through.
pub type Handler = fn(Call) -> BoxFuture<'static, Result<Response, ApiError>>;

/// One route.
pub struct Route {
    /// Method.
    pub method: Method,
    /// Path; `{name}` is a parameter.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Whose things its path names.
    pub subject: Subject,
    /// What its query may say; handlers see nothing else of a query.
    pub query: &'static [Query],
    /// Whether a body is read.
    pub body: Body,
    /// Carries it out.
    pub handler: Handler,
    /// One line for people.
    pub summary: &'static str,
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone, unlimited: for probes of the operator's own.
    Open,
    /// Anyone, limited per address.
    Limited,
    /// Holders of a key with one of these roles.
    Keyed(&'static [Role]),
}

/// Whose things a path names. Things that are absent and things of somebody else get the same 404; an address gets
/// 403 when the key may not act for it, known or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Nobody's. What the handler shows is public, or the caller's own, for the reason given.
    Nobody(&'static str),
    /// A job, in this parameter.
    Job(&'static str),
    /// A task, in this parameter.
    Task(&'static str),
    /// An address, in this parameter.
    Address(&'static str),
    /// An address, and a job that must be its own.
    AddressAndJob(&'static str, &'static str),
    /// A Safe, in this parameter: of those who own it, or who have jobs with it.
    Safe(&'static str),
}

/// One parameter of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// Its name.
    pub name: &'static str,
    /// What its text is.
    pub kind: QueryKind,
    /// Whether the route refuses to work without it.
    pub is_required: bool,
    /// One line for people.
    pub summary: &'static str,
}

/// What the text of a query's parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryKind {
    /// Any text.
    Text,
    /// A whole number.
    Whole,
    /// `true` or `false`.
    Flag,
}

/// Whether a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// It is left alone.
    None,
    /// Up to the configured size.
    Read,
    /// Up to the size that the largest module has as base64.
    ReadModule,
}

const ANYONE: &[Role] = &[User, App, Keeper, Admin];
const OWNERS: &[Role] = &[User, App, Admin];
const ADMINS: &[Role] = &[Admin];

const fn keyed(roles: &'static [Role]) -> Access {
    Access::Keyed(roles)
}

macro_rules! route {
    ($method:ident $path:literal, $access:expr, $subject:expr, $body:expr, $handler:path, $summary:literal $(, $query:expr)*) => {
        Route {
            method: Method::$method,
            path: $path,
            access: $access,
            subject: $subject,
            query: &[$($query),*],
            body: $body,
            handler: |call| Box::pin($handler(call)),
            summary: $summary,
        }
    };
}

const PUBLIC: Subject = Subject::Nobody("public");
const OWN: Subject = Subject::Nobody("shows what the key may act for");
const CHECKED: Subject = Subject::Nobody("the handler checks the address in the body");

const fn may_say(name: &'static str, kind: QueryKind, summary: &'static str) -> Query {
    Query { name, kind, is_required: false, summary }
}

const fn has_to_say(name: &'static str, kind: QueryKind, summary: &'static str) -> Query {
    Query { name, kind, is_required: true, summary }
}

const SOURCE: Query =
    may_say("source", Flag, "true: with the script itself, as source or wasm_base64, as publishing takes it");
const LIMIT: Query = may_say("limit", Whole, "Most tasks that are shown");
const BEFORE: Query = may_say("before", Whole, "Tasks before this one, by its task_id");
const AMONG_OWNERS: Query = may_say("owner", Text, "Whose key it is, where the path names it masked");
const SOCKET_KEY: Query = may_say("api_key", Text, "The API key, for browsers, which set no header here");
const FEE_KIND: Query = has_to_say("task_definition_id", Whole, "1 to 7");
const FEE_CHAIN: Query = has_to_say("target_chain_id", Whole, "The chain of the call");
const FEE_TARGET: Query = may_say("target_contract_address", Text, "The contract; not for kind 7");
const FEE_FUNCTION: Query = may_say("target_function", Text, "Its name or signature; not for kind 7");
const FEE_ABI: Query = may_say("abi", Text, "The contract's ABI, where the function is given by its name");
const FEE_ARGS: Query = may_say("args", Text, "The arguments, a JSON array; for kinds 1, 3 and 5");
const FEE_OWNER: Query = may_say("job_owner_address", Text, "Who the job will belong to");
const FEE_SCRIPT: Query =
    may_say("ipfs_url", Text, "The script, or several with commas between; for kinds 2, 4, 6 and 7");
const FEE_LANGUAGE: Query = may_say("language", Text, "The script's language; guessed where it is absent");

/// The table.
pub static ROUTES: &[Route] = &[
    route!(GET "/health", Access::Open, PUBLIC, Body::None, health::health, "Component checks"),
    route!(GET "/ready", Access::Open, PUBLIC, Body::None, health::ready, "Whether requests are taken"),
    route!(GET "/api/health", Access::Open, PUBLIC, Body::None, health::health, "Component checks, where older clients look"),
    route!(GET "/api/ready", Access::Open, PUBLIC, Body::None, health::ready, "Whether requests are taken, where older clients look"),
    route!(GET "/metrics", Access::Open, PUBLIC, Body::None, health::metrics, "Metrics as Prometheus text"),
    route!(GET "/openapi.json", Access::Limited, PUBLIC, Body::None, health::openapi, "This API, described"),
    route!(POST "/api/jobs", keyed(OWNERS), CHECKED, Body::Read, jobs::create, "Create jobs, all or none"),
    route!(POST "/api/jobs/dry-run", keyed(OWNERS), CHECKED, Body::Read, jobs::dry_run, "Check jobs as creation does, and store nothing"),
    route!(GET "/api/jobs/by-apikey", keyed(ANYONE), OWN, Body::None, jobs::of_key, "Jobs of the key's owner"),
    route!(GET "/api/jobs/user/{address}", keyed(ANYONE), Subject::Address("address"), Body::None, jobs::of_user, "Jobs of a user"),
    route!(GET "/api/jobs/user/{address}/chain/{chain}", keyed(ANYONE), Subject::Address("address"), Body::None, jobs::of_user_on_chain, "Jobs of a user registered on one chain"),
    route!(GET "/api/jobs/user/{address}/{id}", keyed(ANYONE), Subject::AddressAndJob("address", "id"), Body::None, jobs::of_user_by_id, "One job of a user"),
    route!(GET "/api/jobs/safe-address/{address}", keyed(ANYONE), Subject::Safe("address"), Body::None, jobs::of_safe, "Jobs that act through a Safe"),
    route!(PUT "/api/jobs/update/{id}", keyed(OWNERS), Subject::Job("id"), Body::Read, jobs::update, "Change a job: its next version"),
    route!(PUT "/api/jobs/delete/{id}", keyed(OWNERS), Subject::Job("id"), Body::Read, jobs::delete, "Delete a job for good"),
    route!(PUT "/api/jobs/{id}/status/{status}", keyed(OWNERS), Subject::Job("id"), Body::Read, jobs::set_status, "Pause, resume or delete a job"),
    route!(PUT "/api/jobs/{id}/lastexecuted", keyed(OWNERS), Subject::Job("id"), Body::Read, jobs::last_executed, "Acknowledge an execution; what the chain shows counts"),
    route!(GET "/api/jobs/{id}/secrets", keyed(OWNERS), Subject::Job("id"), Body::None, secrets::list, "Names of a job's secrets, and since when each has a value"),
    route!(PUT "/api/jobs/{id}/secrets/{name}", keyed(OWNERS), Subject::Job("id"), Body::Read, secrets::set, "Set a secret that a job is granted; it is never shown again"),
    route!(DELETE "/api/jobs/{id}/secrets/{name}", keyed(OWNERS), Subject::Job("id"), Body::None, secrets::unset, "Remove the value of a job's secret"),
    route!(GET "/api/jobs/{id}/task-fees", keyed(ANYONE), Subject::Job("id"), Body::None, jobs::task_fees, "What each task of a job cost"),
    route!(GET "/api/jobs/{id}/storage", keyed(ANYONE), Subject::Job("id"), Body::None, jobs::storage, "What a job's script remembers, as the chain has confirmed it"),
    route!(GET "/api/tasks/recent", keyed(ANYONE), OWN, Body::None, tasks::recent, "Newest tasks", LIMIT),
    route!(GET "/api/tasks/job/{id}", keyed(ANYONE), Subject::Job("id"), Body::None, tasks::of_job, "Tasks of a job, newest first", LIMIT, BEFORE),
    route!(GET "/api/tasks/user/{address}", keyed(ANYONE), Subject::Address("address"), Body::None, tasks::of_user, "Tasks of a user, by job", LIMIT),
    route!(GET "/api/tasks/by-apikey/{key}", keyed(ANYONE), OWN, Body::None, tasks::of_key, "Tasks of a key's owner, by job", LIMIT),
    route!(GET "/api/tasks/safe-address/{address}", keyed(ANYONE), Subject::Safe("address"), Body::None, tasks::of_safe, "Tasks that act through a Safe, by job", LIMIT),
    route!(GET "/api/tasks/{id}", keyed(ANYONE), Subject::Task("id"), Body::None, tasks::one, "One task"),
    route!(GET "/api/tasks/{id}/bundle", keyed(ANYONE), Subject::Task("id"), Body::None, bundle::show, "A task in one file: script, runs and what keepers signed; argus replay checks it offline"),
    route!(GET "/api/fees", Access::Limited, PUBLIC, Body::None, fees::quote, "What one task would cost", FEE_KIND, FEE_CHAIN, FEE_TARGET, FEE_FUNCTION, FEE_ABI, FEE_ARGS, FEE_OWNER, FEE_SCRIPT, FEE_LANGUAGE),
    route!(POST "/api/code/validate", keyed(OWNERS), PUBLIC, Body::Read, modules::validate, "Run a script once and say whether it fits"),
    route!(POST "/api/modules", keyed(OWNERS), PUBLIC, Body::ReadModule, modules::publish, "Publish a script"),
    route!(GET "/api/modules/{cid}", keyed(ANYONE), PUBLIC, Body::None, modules::show, "What is known of a published script", SOURCE),
    route!(POST "/api/modules/{cid}/run", keyed(OWNERS), PUBLIC, Body::Read, modules::run, "Run a published script once"),
    route!(GET "/api/users/{address}", keyed(ANYONE), Subject::Address("address"), Body::None, users::show, "A user"),
    route!(GET "/api/users/safe-addresses/{address}", keyed(ANYONE), Subject::Address("address"), Body::None, users::safes, "Safes that a user's jobs act through"),
    route!(GET "/api/keepers/performers", keyed(ANYONE), PUBLIC, Body::None, keepers::performers, "Registered keepers"),
    route!(POST "/api/admin/api-keys", keyed(ADMINS), PUBLIC, Body::Read, keys::create, "Make an API key; it is shown once"),
    route!(GET "/api/admin/api-keys/{id}", keyed(ADMINS), PUBLIC, Body::None, keys::list, "API keys of an owner, masked"),
    route!(PUT "/api/admin/api-keys/{id}", keyed(ADMINS), PUBLIC, Body::Read, keys::change, "Change or revoke an API key", AMONG_OWNERS),
    route!(DELETE "/api/admin/api-keys/{id}", keyed(ADMINS), PUBLIC, Body::None, keys::revoke, "Revoke an API key", AMONG_OWNERS),
    route!(GET "/api/ws/tasks", keyed(ANYONE), OWN, Body::None, ws::connect, "Changes of tasks, over a WebSocket", SOCKET_KEY),
    route!(GET "/api/ws/stats", keyed(ADMINS), PUBLIC, Body::None, ws::stats, "Connections and rooms"),
    route!(GET "/api/ws/health", keyed(ANYONE), PUBLIC, Body::None, ws::health, "Whether changes are being followed"),
];

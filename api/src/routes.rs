//! Every route with its policy, in one table of one part per family: the router, the authorization test and
//! openapi.json come from it.
//! All fields must be given, so that a route without a policy does not compile.

mod admin;
mod bodies;
mod body;
mod jobs;
mod live;
mod new_job;
mod people;
mod probes;
mod scripts;
mod tasks;
mod webhooks;

use argus_domain::access::Role::{self, Admin, App, Keeper, User};
use axum::{http::Method, response::Response};
use futures::future::BoxFuture;
use schemars::SchemaGenerator;

pub use body::{Body, Case, Field, Form, Kind, Object};

use crate::{
    call::Call,
    errors::ApiError,
    reply::{Answer, Described},
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
    /// Whether a body is read, and what it says; handlers see nothing else of it.
    pub body: Body,
    /// Whether a request that is sent again under the same `Idempotency-Key` gets the first one's answer.
    pub is_once: bool,
    /// Carries it out.
    pub handler: Handler,
    /// Its answers, from the handler's own type.
    pub answers: fn(&mut SchemaGenerator) -> Vec<Described>,
    /// Statuses of its refusals, besides those that follow from all of the above.
    pub refusals: &'static [u16],
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
    /// A keeper's contact data, by its number or address in this parameter: its own and the operator's alone.
    Keeper(&'static str),
    /// A webhook, in this parameter.
    Webhook(&'static str),
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
    /// A whole number from one to another.
    Between(u64, u64),
    /// How many elements are asked for: a whole number from 1.
    Count,
    /// `true` or `false`.
    Flag,
}

const ANYONE: &[Role] = &[User, App, Keeper, Admin];
const OWNERS: &[Role] = &[User, App, Admin];
const KEEPERS: &[Role] = &[Keeper, Admin];
const ADMINS: &[Role] = &[Admin];

/// What a handler answers, by its type.
const fn answers<H, F, A>(_: &H) -> fn(&mut SchemaGenerator) -> Vec<Described>
where
    H: Fn(Call) -> F,
    F: Future<Output = Result<A, ApiError>>,
    A: Answer,
{
    A::described
}

/// Calls a handler, and writes what it answers.
async fn written<A: Answer>(answer: impl Future<Output = Result<A, ApiError>>) -> Result<Response, ApiError> {
    Ok(answer.await?.into_response())
}

const fn keyed(roles: &'static [Role]) -> Access {
    Access::Keyed(roles)
}

macro_rules! route {
    ($method:ident $path:literal, $($rest:tt)*) => {
        route!(@ $method false $path, $($rest)*)
    };
    ($method:ident once $path:literal, $($rest:tt)*) => {
        route!(@ $method true $path, $($rest)*)
    };
    (@ $method:ident $once:literal $path:literal, $access:expr, $subject:expr, $body:expr, $handler:path, [$($refusal:literal),*], $summary:literal $(, $query:expr)*) => {
        Route {
            method: axum::http::Method::$method,
            path: $path,
            access: $access,
            subject: $subject,
            query: &[$($query),*],
            body: $body,
            is_once: $once,
            handler: |call| Box::pin(super::written($handler(call))),
            answers: super::answers(&$handler),
            refusals: &[$($refusal),*],
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

use route;

/// The table, by families with their headings.
pub static FAMILIES: &[(&str, &[Route])] = &[
    ("Jobs", jobs::ROUTES),
    ("Tasks", tasks::ROUTES),
    ("Scripts", scripts::ROUTES),
    ("People", people::ROUTES),
    ("Live changes", live::ROUTES),
    ("Webhooks", webhooks::ROUTES),
    ("Administration", admin::ROUTES),
    ("This process", probes::ROUTES),
];

/// Every route.
pub fn all() -> impl Iterator<Item = &'static Route> {
    FAMILIES.iter().flat_map(|(_, routes)| routes.iter())
}

//! What became of triggers.

use super::{
    ANYONE, Body, OWN, Query,
    QueryKind::{Count, Whole},
    Route, Subject, keyed, may_say, route,
};
use crate::{bundle, tasks, timeline};

const LIMIT: Query = may_say("limit", Count, "Most tasks that are shown");
const BEFORE: Query = may_say("before", Whole, "Tasks before this one, by its task_id");

pub(super) static ROUTES: &[Route] = &[
    route!(GET "/api/tasks/recent", keyed(ANYONE), OWN, Body::None, tasks::recent, [], "Newest tasks", LIMIT, BEFORE),
    route!(GET "/api/tasks/job/{id}", keyed(ANYONE), Subject::Job("id"), Body::None, tasks::of_job, [], "Tasks of a job, newest first", LIMIT, BEFORE),
    route!(GET "/api/tasks/user/{address}", keyed(ANYONE), Subject::Address("address"), Body::None, tasks::of_user, [], "Tasks of a user, by job", LIMIT, BEFORE),
    route!(GET "/api/tasks/by-apikey/{key}", keyed(ANYONE), OWN, Body::None, tasks::of_key, [404], "Tasks of a key's owner, by job", LIMIT, BEFORE),
    route!(GET "/api/tasks/safe-address/{address}", keyed(ANYONE), Subject::Safe("address"), Body::None, tasks::of_safe, [], "Tasks that act through a Safe, by job", LIMIT, BEFORE),
    route!(GET "/api/tasks/{id}", keyed(ANYONE), Subject::Task("id"), Body::None, tasks::one, [], "One task"),
    route!(GET "/api/tasks/{id}/timeline", keyed(ANYONE), Subject::Task("id"), Body::None, timeline::show, [], "What happened to a task and when, fact by fact, in words"),
    route!(GET "/api/tasks/{id}/bundle", keyed(ANYONE), Subject::Task("id"), Body::None, bundle::show, [413, 422], "A task in one file: script, runs and what keepers signed; argus replay checks it offline"),
];

//! Jobs, and what they would cost.

use super::{
    ANYONE, Access, Body, CHECKED, Form, OWN, OWNERS, PUBLIC, Query,
    QueryKind::{Between, Count, Text, Whole},
    Route, Subject,
    bodies::SECRET,
    has_to_say, keyed, may_say,
    new_job::{JOB_CHANGE, NEW_JOB},
    route,
};
use crate::{
    create::{GAS_LIMIT, KEEPERS_MAX},
    decisions, dry_run, fees, jobs, secrets,
};

const LIMIT: Query =
    may_say("limit", Count, "Most elements that are shown; where there are more, a Link leads on");
const BEFORE: Query = may_say("before", Text, "Jobs before this one, by its job_id");
const BEFORE_TASK: Query = may_say("before", Whole, "Tasks before this one, by its task_id");
const FEE_KIND: Query = has_to_say("task_definition_id", Between(1, 7), "The kind of job");
const FEE_CHAIN: Query = has_to_say("target_chain_id", Whole, "The chain of the call");
const FEE_TARGET: Query = may_say("target_contract_address", Text, "The contract; not for kind 7");
const FEE_FUNCTION: Query = may_say("target_function", Text, "Its name or signature; not for kind 7");
const FEE_ABI: Query = may_say("abi", Text, "The contract's ABI, where the function is given by its name");
const FEE_ARGS: Query = may_say("args", Text, "The arguments, a JSON array; for kinds 1, 3 and 5");
const FEE_OWNER: Query = may_say("job_owner_address", Text, "Who the job will belong to");
const FEE_SCRIPT: Query =
    may_say("ipfs_url", Text, "The script, or several with commas between; for kinds 2, 4, 6 and 7");
const FEE_LANGUAGE: Query = may_say("language", Text, "The script's language; guessed where it is absent");
const FEE_KEEPERS: Query = may_say("keepers", Between(1, KEEPERS_MAX), "Keepers of an attempt");
const FEE_THRESHOLD: Query = may_say("threshold", Between(1, KEEPERS_MAX), "How many of them must agree");
const FEE_GAS: Query = may_say("gas_limit", Between(GAS_LIMIT.0, GAS_LIMIT.1), "Gas that the call gets");
const FEE_CAP: Query = may_say("fee_cap", Whole, "Most that the job will say that a task may cost, wei");
const FEE_QUOTED_CAP: Query = may_say("fee_cap_wei", Whole, "The same, as the quote calls it");

const DECISIONS: Query = may_say("limit", Count, "Most rows that are shown");

pub(super) static ROUTES: &[Route] = &[
    route!(POST once "/api/jobs", keyed(OWNERS), CHECKED, Body::Json(Form::Many, &NEW_JOB), jobs::create, [409, 422], "Create jobs, all or none"),
    route!(POST "/api/jobs/dry-run", keyed(OWNERS), CHECKED, Body::Json(Form::Tried, &NEW_JOB), dry_run::dry_run, [422], "What creation would say of a job, when it would run, what it would call and what that costs; nothing is stored"),
    route!(GET "/api/jobs/by-apikey", keyed(ANYONE), OWN, Body::None, jobs::of_key, [], "Jobs of the key's owner", LIMIT, BEFORE),
    route!(GET "/api/jobs/user/{address}", keyed(ANYONE), Subject::Address("address"), Body::None, jobs::of_user, [], "Jobs of a user", LIMIT, BEFORE),
    route!(GET "/api/jobs/user/{address}/chain/{chain}", keyed(ANYONE), Subject::Address("address"), Body::None, jobs::of_user_on_chain, [], "Jobs of a user registered on one chain", LIMIT, BEFORE),
    route!(GET "/api/jobs/user/{address}/{id}", keyed(ANYONE), Subject::AddressAndJob("address", "id"), Body::None, jobs::of_user_by_id, [], "One job of a user"),
    route!(GET "/api/jobs/safe-address/{address}", keyed(ANYONE), Subject::Safe("address"), Body::None, jobs::of_safe, [], "Jobs that act through a Safe", LIMIT, BEFORE),
    route!(PUT "/api/jobs/update/{id}", keyed(OWNERS), Subject::Job("id"), Body::Json(Form::OneOrWrapped, &JOB_CHANGE), jobs::update, [409, 422], "Change a job: its next version"),
    route!(PUT "/api/jobs/delete/{id}", keyed(OWNERS), Subject::Job("id"), Body::Unread, jobs::delete, [], "Delete a job for good"),
    route!(PUT "/api/jobs/{id}/status/{status}", keyed(OWNERS), Subject::Job("id"), Body::Unread, jobs::set_status, [409, 422], "Pause, resume or delete a job"),
    route!(PUT "/api/jobs/{id}/lastexecuted", keyed(OWNERS), Subject::Job("id"), Body::Unread, jobs::last_executed, [], "Acknowledge an execution; what the chain shows counts"),
    route!(GET "/api/jobs/{id}/secrets", keyed(OWNERS), Subject::Job("id"), Body::None, secrets::list, [], "Names of a job's secrets, and since when each has a value"),
    route!(PUT "/api/jobs/{id}/secrets/{name}", keyed(OWNERS), Subject::Job("id"), Body::Json(Form::One, &SECRET), secrets::set, [409, 422], "Set a secret that a job is granted; it is never shown again"),
    route!(DELETE "/api/jobs/{id}/secrets/{name}", keyed(OWNERS), Subject::Job("id"), Body::None, secrets::unset, [422], "Remove the value of a job's secret"),
    route!(GET "/api/jobs/{id}/task-fees", keyed(ANYONE), Subject::Job("id"), Body::None, jobs::task_fees, [], "What each task of a job cost", LIMIT, BEFORE_TASK),
    route!(GET "/api/jobs/{id}/storage", keyed(ANYONE), Subject::Job("id"), Body::None, jobs::storage, [], "What a job's script remembers, as the chain has confirmed it"),
    route!(GET "/api/jobs/{id}/decisions", keyed(ANYONE), Subject::Job("id"), Body::None, decisions::of_job, [], "Why a job fired or did not, newest first", DECISIONS),
    route!(GET "/api/fees", Access::Limited, PUBLIC, Body::None, fees::quote, [422], "What one task would cost", FEE_KIND, FEE_CHAIN, FEE_TARGET, FEE_FUNCTION, FEE_ABI, FEE_ARGS, FEE_OWNER, FEE_SCRIPT, FEE_LANGUAGE, FEE_KEEPERS, FEE_THRESHOLD, FEE_GAS, FEE_CAP, FEE_QUOTED_CAP),
];

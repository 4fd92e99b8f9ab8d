//! What operators do.

use super::{
    ADMINS, Body, Form, PUBLIC, Query,
    QueryKind::{Count, Text},
    Route,
    bodies::{KEY_CHANGE, NEW_KEY},
    keyed, may_say, route,
};
use crate::{keys, registrations};

const AMONG_OWNERS: Query = may_say("owner", Text, "Whose key it is, where the path names it masked");

const LIMIT: Query = may_say("limit", Count, "Most registrations that are shown");
const AFTER: Query = may_say("after", Text, "Those after this one: next of the page before");

pub(super) static ROUTES: &[Route] = &[
    route!(POST "/api/admin/api-keys", keyed(ADMINS), PUBLIC, Body::Json(Form::One, &NEW_KEY), keys::create, [422], "Make an API key; it is shown once"),
    route!(GET "/api/admin/api-keys/{id}", keyed(ADMINS), PUBLIC, Body::None, keys::list, [], "API keys of an owner, masked"),
    route!(PUT "/api/admin/api-keys/{id}", keyed(ADMINS), PUBLIC, Body::Json(Form::One, &KEY_CHANGE), keys::change, [404, 409, 422], "Change or revoke an API key", AMONG_OWNERS),
    route!(DELETE "/api/admin/api-keys/{id}", keyed(ADMINS), PUBLIC, Body::None, keys::revoke, [404, 409], "Revoke an API key", AMONG_OWNERS),
    route!(GET "/api/admin/reconciliation", keyed(ADMINS), PUBLIC, Body::None, registrations::list, [400], "Jobs that the chains' registries know otherwise than they are stored", LIMIT, AFTER),
];

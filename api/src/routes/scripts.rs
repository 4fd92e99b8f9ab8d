//! Scripts, published and tried.

use super::{ANYONE, Body, OWNERS, PUBLIC, Query, QueryKind::Flag, Route, keyed, may_say, route};
use crate::modules;

const SOURCE: Query =
    may_say("source", Flag, "true: with the script itself, as source or wasm_base64, as publishing takes it");

pub(super) static ROUTES: &[Route] = &[
    route!(POST "/api/code/validate", keyed(OWNERS), PUBLIC, Body::Read, modules::validate, "Run a script once and say whether it fits"),
    route!(POST once "/api/modules", keyed(OWNERS), PUBLIC, Body::ReadModule, modules::publish, "Publish a script"),
    route!(GET "/api/modules/{cid}", keyed(ANYONE), PUBLIC, Body::None, modules::show, "What is known of a published script", SOURCE),
    route!(POST "/api/modules/{cid}/run", keyed(OWNERS), PUBLIC, Body::Read, modules::run, "Run a published script once"),
];

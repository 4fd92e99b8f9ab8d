//! Scripts, published and tried.

use super::{
    ANYONE, Body, Form, OWNERS, PUBLIC, Query,
    QueryKind::Flag,
    Route,
    bodies::{CODE, NEW_MODULE, RUN},
    keyed, may_say, route,
};
use crate::modules;

const SOURCE: Query =
    may_say("source", Flag, "true: with the script itself, as source or wasm_base64, as publishing takes it");

pub(super) static ROUTES: &[Route] = &[
    route!(POST "/api/code/validate", keyed(OWNERS), PUBLIC, Body::Json(Form::One, &CODE), modules::validate, [422], "Run a script once and say whether it fits"),
    route!(POST once "/api/modules", keyed(OWNERS), PUBLIC, Body::Module(&NEW_MODULE), modules::publish, [422], "Publish a script"),
    route!(GET "/api/modules/{cid}", keyed(ANYONE), PUBLIC, Body::None, modules::show, [404, 422], "What is known of a published script", SOURCE),
    route!(POST "/api/modules/{cid}/run", keyed(OWNERS), PUBLIC, Body::Json(Form::OneOrNone, &RUN), modules::run, [404, 422], "Run a published script once"),
];

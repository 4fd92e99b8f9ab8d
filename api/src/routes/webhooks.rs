//! Changes of tasks, sent to whom their owner names.

use super::{
    Body, CHECKED, Form, OWNERS, Route, Subject,
    bodies::{NEW_WEBHOOK, WEBHOOK_CHANGE},
    keyed, route,
};
use crate::webhooks;

pub(super) static ROUTES: &[Route] = &[
    route!(POST "/api/webhooks", keyed(OWNERS), CHECKED, Body::Json(Form::One, &NEW_WEBHOOK), webhooks::create, [409, 422], "Have changes of an owner's tasks sent to a URL; the signing secret is shown once"),
    route!(GET "/api/webhooks/user/{address}", keyed(OWNERS), Subject::Address("address"), Body::None, webhooks::list, [], "Webhooks of a user"),
    route!(GET "/api/webhooks/{id}", keyed(OWNERS), Subject::Webhook("id"), Body::None, webhooks::show, [], "A webhook, and how far it has come"),
    route!(PUT "/api/webhooks/{id}", keyed(OWNERS), Subject::Webhook("id"), Body::Json(Form::One, &WEBHOOK_CHANGE), webhooks::change, [422], "Change where a webhook leads, or what it is told"),
    route!(DELETE "/api/webhooks/{id}", keyed(OWNERS), Subject::Webhook("id"), Body::None, webhooks::remove, [], "Send nothing more to a webhook"),
    route!(GET "/api/webhooks/{id}/dead-letters", keyed(OWNERS), Subject::Webhook("id"), Body::None, webhooks::dead_letters, [], "Changes that a webhook did not take"),
];

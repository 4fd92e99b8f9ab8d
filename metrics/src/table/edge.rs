//! REST and WebSocket.

use super::listed;
use crate::metric::{
    Kind::{Counter, Gauge, Histogram},
    Label, Role, Values,
};

const API: &[Role] = &[Role::Api];
const ROUTE: Label = Label { name: "route", values: Values::Of("the paths of openapi.json") };
const METHOD: Label = Label { name: "method", values: Values::Of("the methods of openapi.json") };
const STATUS: Label = Label { name: "status", values: Values::Of("the statuses of openapi.json") };

super::rows! { EDGE_ROWS:
    API_ANSWERS = Counter, Count, "argus_api_answers_total", [ROUTE, METHOD, STATUS], API,
        "Answers by route, method and status.";
    API_SECONDS = Histogram(super::SLOW), Seconds, "argus_api_answer_seconds", [ROUTE, METHOD], API,
        "Time to an answer by route.";
    API_SOCKETS = Gauge, Count, "argus_api_sockets", [], API,
        "Open WebSockets.";
    API_SLOW_READERS = Counter, Count, "argus_api_slow_readers_total", [], API,
        "WebSockets dropped because they read too slowly.";
    API_JOBS_CREATED = Counter, Count, "argus_api_jobs_created_total", [], API,
        "Jobs stored.";
    API_WEBHOOKS = Counter, Count, "argus_api_webhook_tries_total",
        [listed("result", &["delivered", "failed", "given_up"])], API,
        "Tries at telling a webhook of a change: a failed one is repeated, a given up one is a dead letter.";
}

//! Whether this process works, and what it speaks.

use super::{Access, Body, PUBLIC, Route, route};
use crate::{docs, health};

pub(super) static ROUTES: &[Route] = &[
    route!(GET "/health", Access::Open, PUBLIC, Body::None, health::health, [], "Component checks"),
    route!(GET "/ready", Access::Open, PUBLIC, Body::None, health::ready, [], "Whether requests are taken"),
    route!(GET "/api/health", Access::Open, PUBLIC, Body::None, health::health, [], "Component checks, where older clients look"),
    route!(GET "/api/ready", Access::Open, PUBLIC, Body::None, health::ready, [], "Whether requests are taken, where older clients look"),
    route!(GET "/metrics", Access::Open, PUBLIC, Body::None, health::metrics, [], "Metrics as Prometheus text"),
    route!(GET "/openapi.json", Access::Limited, PUBLIC, Body::None, health::openapi, [], "This API, described for programs"),
    route!(GET "/docs", Access::Limited, PUBLIC, Body::None, docs::page, [], "This API, described for people"),
];

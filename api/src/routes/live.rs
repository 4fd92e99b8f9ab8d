//! Changes as they happen.

use super::{ADMINS, ANYONE, Body, OWN, PUBLIC, Query, QueryKind::Text, Route, keyed, may_say, route};
use crate::ws;

const SOCKET_KEY: Query = may_say("api_key", Text, "The API key, for browsers, which set no header here");

pub(super) static ROUTES: &[Route] = &[
    route!(GET "/api/ws/tasks", keyed(ANYONE), OWN, Body::None, ws::connect, [426], "Changes of tasks, over a WebSocket", SOCKET_KEY),
    route!(GET "/api/ws/stats", keyed(ADMINS), PUBLIC, Body::None, ws::stats, [], "Connections and rooms"),
    route!(GET "/api/ws/health", keyed(ANYONE), PUBLIC, Body::None, ws::health, [], "Whether changes are being followed"),
];

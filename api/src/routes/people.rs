//! Users and keepers.

use super::{ANYONE, Body, PUBLIC, Route, Subject, keyed, route};
use crate::{keepers, users};

pub(super) static ROUTES: &[Route] = &[
    route!(GET "/api/users/{address}", keyed(ANYONE), Subject::Address("address"), Body::None, users::show, "A user"),
    route!(GET "/api/users/safe-addresses/{address}", keyed(ANYONE), Subject::Address("address"), Body::None, users::safes, "Safes that a user's jobs act through"),
    route!(GET "/api/keepers/performers", keyed(ANYONE), PUBLIC, Body::None, keepers::performers, "Registered keepers"),
];

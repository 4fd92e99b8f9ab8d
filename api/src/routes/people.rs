//! Users and keepers, and how users come by a key.

use argus_domain::access::Role::{self, Admin, Keeper, User};

use super::{
    ANYONE, Access, Body, CHECKED, Form, KEEPERS, OWNERS, PUBLIC, Query,
    QueryKind::Text,
    Route, Subject,
    bodies::{CHAT, CLAIM, KEEPER_FORM, NEW_EMAIL, NEW_KEEPER, SIGN_IN},
    keyed, may_say, route,
};
use crate::{faucet, keepers, leaderboard, sign_in, users};

/// Those who may be told how to reach a keeper, where it is theirs: a front end is not among them.
const CONTACTS: &[Role] = &[User, Keeper, Admin];

const KEEPER_ADDRESS: Query = may_say("keeper_address", Text, "By its address");
const KEEPER_NAME: Query = may_say("keeper_name", Text, "By its name, where no address is given");
const USER_ADDRESS: Query = super::has_to_say("user_address", Text, "By their address");

pub(super) static ROUTES: &[Route] = &[
    route!(GET "/api/users/{address}", keyed(ANYONE), Subject::Address("address"), Body::None, users::show, [404], "A user"),
    route!(POST "/api/users/email", keyed(ANYONE), CHECKED, Body::Json(Form::One, &NEW_EMAIL), users::set_email, [422], "Where mail reaches a user; empty: nowhere"),
    route!(GET "/api/users/safe-addresses/{address}", keyed(ANYONE), Subject::Address("address"), Body::None, users::safes, [], "Safes that a user's jobs act through"),
    route!(GET "/api/keepers/performers", keyed(ANYONE), PUBLIC, Body::None, keepers::performers, [], "Registered keepers"),
    route!(POST "/api/keepers", keyed(KEEPERS), CHECKED, Body::Json(Form::One, &NEW_KEEPER), keepers::create, [422], "Ask to become a keeper"),
    route!(POST "/api/keepers/form", keyed(KEEPERS), CHECKED, Body::Json(Form::One, &KEEPER_FORM), keepers::form, [422], "Ask to become a keeper, or change what one said"),
    route!(POST "/api/keepers/update-chat-id", keyed(KEEPERS), CHECKED, Body::Json(Form::One, &CHAT), keepers::set_chat, [404, 422], "Where chat messages reach a keeper"),
    route!(GET "/api/keepers/com-info/{id}", keyed(CONTACTS), Subject::Keeper("id"), Body::None, keepers::contact, [], "Where a keeper is reached"),
    route!(GET "/api/keepers/{id}", keyed(ANYONE), PUBLIC, Body::None, keepers::show, [404], "A keeper, by its number or address"),
    route!(GET "/api/keepers/{id}/task-count", keyed(ANYONE), PUBLIC, Body::None, keepers::task_count, [404], "How many tasks a keeper performed"),
    route!(GET "/api/keepers/{id}/points", keyed(ANYONE), PUBLIC, Body::None, keepers::points, [404], "A keeper's points"),
    route!(GET "/api/leaderboard/keepers", keyed(ANYONE), PUBLIC, Body::None, leaderboard::keepers, [], "Keepers by rank"),
    route!(GET "/api/leaderboard/keepers/search", keyed(ANYONE), PUBLIC, Body::None, leaderboard::search_keeper, [404, 422], "One keeper's place", KEEPER_ADDRESS, KEEPER_NAME),
    route!(GET "/api/leaderboard/users", keyed(ANYONE), PUBLIC, Body::None, leaderboard::users, [], "Users by rank"),
    route!(GET "/api/leaderboard/users/search", keyed(ANYONE), PUBLIC, Body::None, leaderboard::search_user, [404, 422], "One user's place", USER_ADDRESS),
    route!(GET "/api/auth/nonce", Access::Limited, PUBLIC, Body::None, sign_in::nonce, [404], "What a message to sign in with has to hold; good once, for five minutes"),
    route!(POST "/api/auth/sign-in", Access::Limited, PUBLIC, Body::Json(Form::One, &SIGN_IN), sign_in::sign_in, [401, 404, 422], "A user's key for a message of EIP-4361 and its signature; it is shown once"),
    route!(POST "/api/claim-fund", keyed(OWNERS), CHECKED, Body::Json(Form::One, &CLAIM), faucet::claim, [403, 404, 422, 429], "Coins for trying things out, where the operator gives some"),
];

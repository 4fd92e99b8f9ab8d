//! Who has the most points.

use argus_domain::fees::{Board, Standing};
use axum::http::{header, uri::Authority};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    call::Call,
    errors::ApiError,
    json::{self, address_number},
    keepers::{Known, known},
    reply::Reply,
    shape::formats::{Account, Ether},
};

/// Most entries of one answer.
const SHOWN_MAX: u32 = 1_000;

/// A keeper's place.
#[derive(Serialize, JsonSchema)]
pub struct RankedKeeper {
    keeper_id: u64,
    keeper_address: Account,
    keeper_name: String,
    no_executed_tasks: u64,
    no_attested_tasks: u64,
    keeper_points: Ether,
    on_imua: bool,
}

/// A user's place.
#[derive(Serialize, JsonSchema)]
pub struct RankedUser {
    user_id: u64,
    user_address: Account,
    total_jobs: u64,
    total_tasks: u64,
    user_points: Ether,
}

fn keeper_entry(keeper: Option<&Known>, standing: &Standing) -> RankedKeeper {
    RankedKeeper {
        keeper_id: address_number(standing.account),
        keeper_address: Account(standing.account),
        keeper_name: keeper.map(Known::name).unwrap_or_default().to_owned(),
        no_executed_tasks: standing.tasks,
        no_attested_tasks: standing.attested,
        keeper_points: Ether(standing.points),
        on_imua: keeper.is_some_and(|keeper| keeper.profile.on_imua),
    }
}

fn user_entry(standing: &Standing) -> RankedUser {
    RankedUser {
        user_id: address_number(standing.account),
        user_address: Account(standing.account),
        total_jobs: standing.jobs,
        total_tasks: standing.tasks,
        user_points: Ether(standing.points),
    }
}

/// Whether the host that was asked shows keepers on imua, or the others; `None`: all.
fn shown_on(call: &Call) -> Option<bool> {
    let told = || call.parts.headers.get(header::HOST)?.to_str().ok();
    let host = call.parts.uri.authority().map(Authority::as_str).or_else(told)?;
    let host = host.rsplit_once(':').map_or(host, |(host, _port)| host);
    let boards = &call.edge.config.boards;
    [(&boards.imua, true), (&boards.others, false)].into_iter().find_map(|(hosts, is_imua)| {
        hosts.iter().any(|own| own.eq_ignore_ascii_case(host)).then_some(is_imua)
    })
}

/// `GET /api/leaderboard/keepers`: those with points, and those registered without any behind them.
pub async fn keepers(call: Call) -> Result<Reply<Vec<RankedKeeper>>, ApiError> {
    let known = known(&call.edge).await?;
    let mut standings = call.edge.ports.ledger.standings(Board::Keepers, SHOWN_MAX).await?;
    if standings.len() < SHOWN_MAX as usize {
        let registered = known.values().filter(|keeper| keeper.record.is_some()).map(|keeper| keeper.account);
        let without = registered.filter(|account| standings.iter().all(|ranked| ranked.account != *account));
        let without: Vec<Standing> = without.map(Standing::none).collect();
        standings.extend(without);
        standings.sort_by_cached_key(Standing::rank);
        standings.truncate(SHOWN_MAX as usize);
    }
    let shown = shown_on(&call);
    let entries = standings.iter().map(|standing| keeper_entry(known.get(&standing.account), standing));
    Ok(Reply::of(entries.filter(|entry| shown.is_none_or(|is_imua| entry.on_imua == is_imua)).collect()))
}

/// `GET /api/leaderboard/users`
pub async fn users(call: Call) -> Result<Reply<Vec<RankedUser>>, ApiError> {
    let standings = call.edge.ports.ledger.standings(Board::Users, SHOWN_MAX).await?;
    Ok(Reply::of(standings.iter().map(user_entry).collect()))
}

/// `GET /api/leaderboard/keepers/search?keeper_address=|keeper_name=`
pub async fn search_keeper(call: Call) -> Result<Reply<RankedKeeper>, ApiError> {
    let query = call.query();
    let known = known(&call.edge).await?;
    let keeper = match (query.get("keeper_address"), query.get("keeper_name")) {
        (Some(text), _) => {
            let account = json::address(text).ok_or_else(ApiError::absent)?;
            known.get(&account)
        }
        (None, Some(name)) => known.values().find(|keeper| keeper.name().eq_ignore_ascii_case(name)),
        (None, None) => {
            let message = "say whom you look for: keeper_address or keeper_name";
            return Err(ApiError::unprocessable("MISSING_QUERY", message));
        }
    };
    let keeper = keeper.ok_or_else(ApiError::absent)?;
    let standing = call.edge.ports.ledger.standing(Board::Keepers, keeper.account).await?;
    Ok(Reply::of(keeper_entry(Some(keeper), &standing)))
}

/// `GET /api/leaderboard/users/search?user_address=`
pub async fn search_user(call: Call) -> Result<Reply<RankedUser>, ApiError> {
    let query = call.query();
    let Some(text) = query.get("user_address") else {
        return Err(ApiError::unprocessable("MISSING_QUERY", "say whom you look for: user_address"));
    };
    let account = json::address(text).ok_or_else(ApiError::absent)?;
    let standing = call.edge.ports.ledger.standing(Board::Users, account).await?;
    if standing == Standing::none(account) {
        return Err(ApiError::absent());
    }
    Ok(Reply::of(user_entry(&standing)))
}

//! Keepers: what the registry, the ledger and they themselves say of them.
//!
//! Whether somebody is a keeper is the registry's to say; what is asked for here makes nobody one. Performed tasks and
//! points follow from the ledger, and no route changes them.

use std::collections::BTreeMap;

use argus_domain::{
    Address,
    fees::{Board, Standing},
    keeper::KeeperRecord,
    profile::{Profile, ProfileChange},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Edge,
    call::Call,
    contact,
    create::Faults,
    errors::ApiError,
    json::{self, address_number},
    reply::{Done, Either, Reply},
    shape::formats::{Account, ChainNumber, Ether, Instant},
};

/// Most of those who asked to become keepers that one answer looks at.
const APPLICANTS_MAX: u32 = 10_000;

/// One that is a keeper, or asked to become one.
pub struct Known {
    /// Who.
    pub account: Address,
    /// What the registry says.
    pub record: Option<KeeperRecord>,
    /// What they say.
    pub profile: Profile,
}

impl Known {
    /// By which name people know it.
    pub fn name(&self) -> &str {
        let registered = || self.record.as_ref().map(|record| record.name.as_str());
        self.profile.name.as_deref().or_else(registered).unwrap_or_default()
    }
}

/// All of them, by address.
pub async fn known(edge: &Edge) -> Result<BTreeMap<Address, Known>, ApiError> {
    let applicants = edge.ports.profiles.applicants(APPLICANTS_MAX).await?;
    let mut known: BTreeMap<Address, Known> = applicants
        .into_iter()
        .map(|profile| (profile.account, Known { account: profile.account, record: None, profile }))
        .collect();
    for record in edge.ports.keepers.all().await? {
        let account = record.keeper.0;
        let silent = || Known { account, record: None, profile: Profile::silent(account) };
        known.entry(account).or_insert_with(silent).record = Some(record);
    }
    Ok(known)
}

/// The keeper that a path names by number or address.
async fn named(edge: &Edge, text: &str) -> Result<Known, ApiError> {
    let mut known = known(edge).await?;
    let account = match json::address(text) {
        Some(account) => Some(account),
        None => {
            let number: u64 = text.parse().map_err(|_| ApiError::absent())?;
            known.keys().find(|account| address_number(**account) == number).copied()
        }
    };
    account.and_then(|account| known.remove(&account)).ok_or_else(ApiError::absent)
}

/// The account of the keeper that a path names by number or address.
pub async fn account(edge: &Edge, text: &str) -> Result<Address, ApiError> {
    Ok(named(edge, text).await?.account)
}

/// The keeper of the path, and its standing.
async fn with_standing(call: &Call) -> Result<(Known, Standing), ApiError> {
    let known = named(&call.edge, call.param("id")).await?;
    let standing = call.edge.ports.ledger.standing(Board::Keepers, known.account).await?;
    Ok((known, standing))
}

/// A registered keeper.
#[derive(Serialize, JsonSchema)]
pub struct Performer {
    keeper_id: u64,
    keeper_address: Account,
    keeper_name: String,
}

/// `GET /api/keepers/performers`
pub async fn performers(call: Call) -> Result<Reply<Vec<Performer>>, ApiError> {
    let known = known(&call.edge).await?;
    let registered = known.values().filter(|keeper| keeper.record.is_some());
    let shown = registered.map(|keeper| Performer {
        keeper_id: address_number(keeper.account),
        keeper_address: Account(keeper.account),
        keeper_name: keeper.name().to_owned(),
    });
    Ok(Reply::of(shown.collect()))
}

/// What registry, ledger and they themselves say of a keeper.
#[derive(Serialize, JsonSchema)]
pub struct Keeper {
    keeper_id: u64,
    keeper_address: Account,
    keeper_name: String,
    rewards_address: Option<Account>,
    registered: bool,
    status: Membership,
    #[schemars(regex(pattern = "^[0-9]+$"))]
    voting_power: String,
    chain_ids: Option<Vec<ChainNumber>>,
    faults: u32,
    keeper_points: Ether,
    no_executed_tasks: u64,
    no_attested_tasks: u64,
    on_imua: bool,
    registered_at: Option<Instant>,
    applied_at: Option<Instant>,
}

/// Whether the registry has it yet.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Membership {
    Registered,
    Applied,
}

/// `GET /api/keepers/{id}`
pub async fn show(call: Call) -> Result<Reply<Keeper>, ApiError> {
    let (keeper, standing) = with_standing(&call).await?;
    let record = keeper.record.as_ref();
    Ok(Reply::of(Keeper {
        keeper_id: address_number(keeper.account),
        keeper_address: Account(keeper.account),
        keeper_name: keeper.name().to_owned(),
        rewards_address: keeper.profile.rewards.map(Account),
        registered: record.is_some(),
        status: membership(&keeper),
        voting_power: record.map_or(0, |record| record.stake).to_string(),
        chain_ids: record.map(|record| record.chains.iter().copied().map(ChainNumber).collect()),
        faults: record.map_or(0, |record| record.faults),
        keeper_points: Ether(standing.points),
        no_executed_tasks: standing.tasks,
        no_attested_tasks: standing.attested,
        on_imua: keeper.profile.on_imua,
        registered_at: record.map(|record| Instant(record.registered_at)),
        applied_at: keeper.profile.applied_at.map(Instant),
    }))
}

fn membership(keeper: &Known) -> Membership {
    if keeper.record.is_some() { Membership::Registered } else { Membership::Applied }
}

/// How many tasks a keeper performed.
#[derive(Serialize, JsonSchema)]
pub struct TaskCount {
    no_executed_tasks: u64,
}

/// `GET /api/keepers/{id}/task-count`
pub async fn task_count(call: Call) -> Result<Reply<TaskCount>, ApiError> {
    let (_, standing) = with_standing(&call).await?;
    Ok(Reply::of(TaskCount { no_executed_tasks: standing.tasks }))
}

/// A keeper's points.
#[derive(Serialize, JsonSchema)]
pub struct Points {
    keeper_points: Ether,
}

/// `GET /api/keepers/{id}/points`
pub async fn points(call: Call) -> Result<Reply<Points>, ApiError> {
    let (_, standing) = with_standing(&call).await?;
    Ok(Reply::of(Points { keeper_points: Ether(standing.points) }))
}

/// Where a keeper is reached.
#[derive(Serialize, JsonSchema)]
pub struct Contact {
    keeper_name: String,
    /// Empty: nobody said.
    email_id: String,
    /// 0: nobody said.
    chat_id: i64,
}

/// `GET /api/keepers/com-info/{id}`: policy lets its owner and the operator through.
pub async fn contact(call: Call) -> Result<Reply<Contact>, ApiError> {
    let keeper = named(&call.edge, &call.address()?.to_string()).await?;
    Ok(Reply::of(Contact {
        keeper_name: keeper.name().to_owned(),
        chat_id: keeper.profile.chat.unwrap_or_default(),
        email_id: keeper.profile.email.unwrap_or_default(),
    }))
}

/// What became of somebody's wish to be a keeper.
#[derive(Serialize, JsonSchema)]
pub struct Application {
    keeper_id: u64,
    status: Membership,
}

/// A keeper that was known already; nothing was changed.
#[derive(Serialize, JsonSchema)]
pub struct Existing {
    message: &'static str,
    keeper_id: u64,
    #[schemars(extend("const" = "existing"))]
    status: &'static str,
}

/// `POST /api/keepers {"keeper_name", "keeper_address", "email_id"}`: 200 and no change for one that is known.
pub async fn create(call: Call) -> Result<Either<Reply<Existing>, Reply<Application, 201>>, ApiError> {
    let (account, change) = application(&call, false)?;
    let keeper_id = address_number(account);
    if known(&call.edge).await?.contains_key(&account) {
        let message = "this keeper is known already; POST /api/keepers/form changes what it said";
        return Ok(Either::One(Reply::of(Existing { message, keeper_id, status: "existing" })));
    }
    call.edge.ports.profiles.change_profile(account, change).await?;
    Ok(Either::Other(Reply::of(Application { keeper_id, status: Membership::Applied })))
}

/// `POST /api/keepers/form {"keeper_address", "rewards_address", "keeper_name", "email_id", "on_imua"}`
pub async fn form(call: Call) -> Result<Reply<Application, 201>, ApiError> {
    let (account, change) = application(&call, true)?;
    call.edge.ports.profiles.change_profile(account, change).await?;
    let keeper = named(&call.edge, &account.to_string()).await?;
    Ok(Reply::of(Application { keeper_id: address_number(account), status: membership(&keeper) }))
}

/// What one says of itself who asks to become a keeper.
fn application(call: &Call, with_rewards: bool) -> Result<(Address, ProfileChange), ApiError> {
    let body = call.json()?;
    let mut faults = Faults::default();
    let account = contact::address(&body, "keeper_address", &mut faults);
    let name = contact::keeper_name(&body, &mut faults);
    let email = contact::email(&body, &mut faults);
    let rewards = with_rewards.then(|| contact::address(&body, "rewards_address", &mut faults)).flatten();
    let on_imua = body.get("on_imua").filter(|value| !value.is_null()).map(json::flag);
    if on_imua == Some(None) {
        faults.add("on_imua", "TYPE", "on_imua is true or false");
    }
    let Some(account) = account.filter(|_| faults.is_empty()) else { return Err(faults.into_error()) };
    if !call.key()?.may_act_for(account) {
        return Err(ApiError::not_yours());
    }
    let change = ProfileChange {
        email,
        chat: None,
        name,
        rewards,
        on_imua: on_imua.flatten(),
        applied_at: Some(call.now),
    };
    Ok((account, change))
}

/// `POST /api/keepers/update-chat-id {"keeper_address", "chat_id"}`
pub async fn set_chat(call: Call) -> Result<Reply<Done>, ApiError> {
    let body = call.json()?;
    let mut faults = Faults::default();
    let Some(account) = contact::address(&body, "keeper_address", &mut faults) else {
        return Err(faults.into_error());
    };
    if !call.key()?.may_act_for(account) {
        return Err(ApiError::not_yours());
    }
    let chat = contact::chat(&body)?;
    named(&call.edge, &account.to_string()).await?;
    let change = ProfileChange { chat: Some(chat), ..ProfileChange::default() };
    call.edge.ports.profiles.change_profile(account, change).await?;
    Ok(Reply::of(Done { message: "the chat id is kept" }))
}

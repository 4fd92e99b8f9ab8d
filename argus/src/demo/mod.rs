//! `argus demo`: the whole story on this machine, told as it happens. It is a client like any other: it starts
//! `argus dev` as a process of its own and speaks REST, WebSocket and JSON-RPC with it.

mod chain;
mod next;
mod platform;
mod report;
mod source;
mod watch;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::{Context, bail, ensure};
use argus_domain::U256;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cli::show;
use platform::Platform;
use report::Row;

/// Everything has to have happened within this time after the platform is up.
const DEADLINE: Duration = Duration::from_secs(50);
/// The price before and after it crosses the alarm's limit of 2000.
const CALM_PRICE: &str = "1985.50";
const HIGH_PRICE: &str = "2011.25";
/// What the ping event is about.
const TOPIC: u64 = 7;

/// Arguments of `argus demo`.
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// Keep the platform's folder here instead of in a temporary one
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Run each role in a process of its own
    #[arg(long)]
    pub processes: bool,
}

/// One of the demo's jobs: how it is made, and what its script has to come to.
struct Plan {
    name: &'static str,
    trigger: &'static str,
    source: &'static str,
    expected: U256,
    occurrences: usize,
}

fn plans() -> [Plan; 3] {
    [
        Plan {
            name: "median",
            trigger: "every 2 s",
            source: include_str!("median.ts"),
            // The middle one of the three quotes, in thousandths.
            expected: U256::from(1_834_271),
            occurrences: 3,
        },
        Plan {
            name: "ping",
            trigger: "event Pinged",
            source: include_str!("ping.ts"),
            // The first ping has amount 1: its square plus the topic.
            expected: U256::from(1 + TOPIC),
            occurrences: 1,
        },
        Plan {
            name: "alarm",
            trigger: "price > 2000",
            source: include_str!("alarm.ts"),
            // 2011.25 - 2000, in hundredths.
            expected: U256::from(1_125),
            occurrences: 1,
        },
    ]
}

/// Tells the story; `Ok` only if the chain shows exactly what the scripts computed, once per occurrence.
pub async fn run(args: &Demo) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let data = args.data.clone().unwrap_or_else(|| temporary.path().join("argus"));

    say("1. A data source: a small HTTP server with prices, on this machine");
    let prices = source::Prices::default();
    prices.set(CALM_PRICE);
    let (address, serving) = source::serve(prices.clone()).await?;
    let story = story(args, data, address, prices);
    tokio::select! {
        ended = serving => bail!("the data source ended: {ended:?}"),
        told = story => told,
    }
}

async fn story(
    args: &Demo,
    data: PathBuf,
    source: std::net::SocketAddr,
    prices: source::Prices,
) -> anyhow::Result<()> {
    detail(&format!("http://{source}/price says {CALM_PRICE}"));
    say("2. `argus dev`: a chain, contracts, the platform and three keepers");
    let platform = Platform::start(&data, source, args.processes).await?;
    let started = Instant::now();
    let chain = chain::Chain::connect(&platform.ready).await?;
    detail(&format!(
        "API {}   chain {} at {}",
        platform.api(),
        chain.id,
        platform.ready["rpc"].as_str().unwrap_or("-")
    ));

    say("3. Three TypeScript scripts are published under the hash of their bytes");
    let plans = plans();
    let mut cids = BTreeMap::new();
    for plan in &plans {
        let text = plan.source.replace("__SOURCE__", &format!("http://{source}"));
        let reply = platform.post("/modules", &json!({ "source": text, "language": "ts" })).await?;
        let cid = reply["cid"].as_str().context("publishing gave no CID")?.to_owned();
        detail(&format!("{:<7} {cid}", plan.name));
        cids.insert(plan.name, cid);
    }

    say("4. Three jobs are created over REST; each one's arguments come from its script");
    let mut ids = BTreeMap::new();
    for plan in &plans {
        let job = job(plan, &cids[plan.name], &platform, &chain, source)?;
        let reply = platform.post("/jobs", &json!([job])).await?;
        let id = reply["job_ids"][0]
            .as_str()
            .with_context(|| format!("job {} was refused: {reply}", plan.name))?;
        detail(&format!("{:<7} {:<20} job {}", plan.name, plan.trigger, short(id)));
        ids.insert(plan.name, id.to_owned());
    }

    say("5. A WebSocket joins the three jobs' rooms; then things happen");
    let mut watcher =
        watch::Watcher::join(&platform, ids.iter().map(|(n, id)| (id.clone(), (*n).to_owned())).collect())
            .await?;
    chain.ping(U256::from(TOPIC)).await?;
    detail("on the chain: Pinged is emitted");
    prices.set(HIGH_PRICE);
    detail(&format!("at the source: the price goes to {HIGH_PRICE}"));

    let wanted: usize = plans.iter().map(|p| p.occurrences).sum();
    let done = watcher.until_completed(wanted, started + DEADLINE).await?;
    detail(&format!(
        "{wanted} tasks have completed, {:.1} s after the platform was up",
        started.elapsed().as_secs_f64()
    ));
    // Whatever would come a second time has the time to come.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    drop(done);

    say("6. What the chain says");
    let mut rows = Vec::new();
    let mut faults = Vec::new();
    for plan in &plans {
        check_job(plan, &ids[plan.name], &platform, &chain, &mut rows, &mut faults).await?;
    }
    show::line(report::table(&rows));
    platform.stop().await;
    ensure!(faults.is_empty(), "the chain does not show what it should:\n  - {}", faults.join("\n  - "));
    show::line(format!(
        "\n{} occurrences, {} calls on the chain, every value as its script computed it. Frames seen: {}.\n",
        wanted,
        rows.len(),
        watcher.frames
    ));
    show::line(next::steps(&std::env::current_exe()?));
    Ok(())
}

/// The body of POST /api/jobs, as any client writes it.
fn job(
    plan: &Plan,
    cid: &str,
    platform: &Platform,
    chain: &chain::Chain,
    source: std::net::SocketAddr,
) -> anyhow::Result<Value> {
    let mut body = json!({
        "job_id": platform.fresh_job_id()?,
        "user_address": platform.user(),
        "ether_balance": 0,
        "token_balance": 0,
        "job_title": format!("demo {}", plan.name),
        "custom": true,
        "language": "ts",
        "time_frame": 300,
        "recurring": false,
        "job_cost_prediction": 0.001,
        "timezone": "UTC",
        "created_chain_id": chain.id.to_string(),
        "target_chain_id": chain.id.to_string(),
        "target_contract_address": chain.target.to_string(),
        "target_function": "record(string,uint256)",
        "abi": chain::TARGET_ABI,
        "arg_type": 2,
        "arguments": [],
        "dynamic_arguments_script_url": format!("ipfs://{cid}"),
        "is_imua": false,
        "is_safe": false,
    });
    let trigger = match plan.name {
        "median" => {
            json!({ "task_definition_id": 2, "schedule_type": "interval", "time_interval": 2, "time_frame": 7 })
        }
        "ping" => json!({
            "task_definition_id": 4,
            "trigger_chain_id": chain.id.to_string(),
            "trigger_contract_address": chain.target.to_string(),
            "trigger_event": "Pinged(address,uint256,uint256)",
            "event_filter_para_name": "topic2",
            "event_filter_value": format!("{:#066x}", TOPIC),
        }),
        _ => json!({
            "task_definition_id": 6,
            "condition_type": "greater_than",
            "upper_limit": 2000,
            "lower_limit": 0,
            "value_source_type": "api",
            "value_source_url": format!("http://{source}/price"),
            "selected_key_route": "market.price",
        }),
    };
    if let (Some(body), Value::Object(trigger)) = (body.as_object_mut(), trigger) {
        body.extend(trigger);
    }
    Ok(body)
}

/// Compares what the API tells of a job's tasks with what the chain shows, and both with what had to come.
async fn check_job(
    plan: &Plan,
    id: &str,
    platform: &Platform,
    chain: &chain::Chain,
    rows: &mut Vec<Row>,
    faults: &mut Vec<String>,
) -> anyhow::Result<()> {
    let tasks = platform.get(&format!("/tasks/job/{id}")).await?;
    let mut tasks = tasks.as_array().cloned().unwrap_or_default();
    tasks.reverse();
    let (stored, calls) = chain.recorded(plan.name).await?;
    if tasks.len() != plan.occurrences {
        faults.push(format!("{}: {} tasks for {} occurrences", plan.name, tasks.len(), plan.occurrences));
    }
    if calls != U256::from(plan.occurrences) {
        faults
            .push(format!("{}: {calls} calls on the chain for {} occurrences", plan.name, plan.occurrences));
    }
    if stored != plan.expected {
        faults.push(format!("{}: the chain holds {stored}, expected {}", plan.name, plan.expected));
    }
    for task in &tasks {
        let row = Row::read(plan.name, plan.trigger, task, stored);
        if row.computed != plan.expected.to_string() {
            faults.push(format!(
                "{}: task {} computed {}, expected {}",
                plan.name, row.task, row.computed, plan.expected
            ));
        }
        if task["task_status"] != "completed" {
            faults.push(format!("{}: task {} is {}", plan.name, row.task, task["task_status"]));
        }
        rows.push(row);
    }
    Ok(())
}

fn say(text: &str) {
    show::line(format!("\n{text}"));
}

fn detail(text: &str) {
    show::line(format!("   {text}"));
}

/// A long number by its ends.
fn short(id: &str) -> String {
    if id.len() <= 16 { id.to_owned() } else { format!("{}..{}", &id[..6], &id[id.len() - 6..]) }
}

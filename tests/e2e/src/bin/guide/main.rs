//! What docs/api-guide.md shows in Rust, a function for each of its headings: the test holds the text there against
//! the text here, and runs it.

use std::{fmt::Display, pin::pin, time::Duration};

use argus_client::{Action, Client, Error, Event, Method, NewJob, Room, Script, Trigger, verify_signature};
use futures::TryStreamExt;
use serde_json::json;

fn given(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

#[allow(clippy::print_stdout, reason = "what it prints is what the guide shows")]
fn print(answer: impl Display) {
    println!("{answer}");
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let client = Client::builder(given("API")).key(given("KEY")).build()?;
    match std::env::args().nth(1).unwrap_or_default().as_str() {
        "jobs" => jobs(&client).await?,
        "tasks" => tasks(&client).await?,
        "scripts" => scripts(&client).await?,
        "people" => people(&client).await?,
        "webhooks" => webhooks(&client).await?,
        "administration" => administration().await?,
        "the process" => the_process(&client).await?,
        other => anyhow::bail!("the guide has no heading {other:?}"),
    }
    Ok(())
}

async fn jobs(client: &Client) -> Result<(), Error> {
    let (owner, trigger) = (given("OWNER"), Trigger::every(Duration::from_secs(2)));
    let action = Action::call(&given("TARGET"), "record(string,uint256)", ["guide", "7"]);
    let job = NewJob::new(&given("JOB"), &owner, "guide", 31337, trigger, action);
    let fees = client.fees(&job).await?;
    let tried = client.dry_run(&job).await?;
    let created = client.create_jobs(&[job]).await?;
    let newest = pin!(client.jobs_of(&owner, Some(1))).try_next().await?.expect("the job");
    print(json!({
        "fee": fees.current, "would_do": tried.calldata, "job_ids": created.job_ids, "status": newest.status,
    }));
    Ok(())
}

async fn tasks(client: &Client) -> Result<(), Error> {
    let job = given("JOB");
    let mut live = client.live(Room::Job(job.clone()), None);
    let task = loop {
        match live.next().await? {
            Event::Changed(change) if change.task.task_status == "completed" => break change.task,
            Event::Changed(_) | Event::Snapshot(_) => {}
        }
    };
    let bundle = client.bundle(task.task_id, 64 << 20).await?;
    let fees: Vec<_> = client.task_fees(&job, None).try_collect().await?;
    let why = client.decisions(&job, Some(1)).await?;
    client.pause_job(&job).await?;
    let ended = client.delete_job(&job).await?;
    print(json!({
        "arguments": task.converted_arguments, "bundle": bundle.len(), "fees": fees, "says": why.now.says,
        "status": ended.status,
    }));
    Ok(())
}

async fn scripts(client: &Client) -> Result<(), Error> {
    let source = r#"console.log(JSON.stringify(["guide", "8"]))"#;
    let module = client.publish(Script::Source(source, "ts")).await?;
    let run = client.run_module(&module.cid).await?;
    print(json!({"cid": module.cid, "arguments": run.arguments, "fuel": run.fuel}));
    Ok(())
}

async fn people(client: &Client) -> Result<(), Error> {
    let user = client.user(&given("OWNER")).await?;
    let ranked = client.ranked_users().await?;
    let place = ranked.iter().position(|one| one.user_address == user.user_address).map(|at| at + 1);
    let keepers = client.keepers().await?;
    let keeper = client.keeper(&keepers[0].keeper_id.to_string()).await?;
    print(json!({
        "jobs": user.total_jobs, "deposited": user.deposited, "place": place, "registered": keeper.registered,
    }));
    Ok(())
}

async fn webhooks(client: &Client) -> Result<(), Error> {
    let owner = given("OWNER");
    let refused = client.create_webhook(&owner, "https://10.0.0.1/hook", &["task.confirmed"]).await;
    let code = refused.as_ref().err().and_then(Error::refusal).map(|refusal| refusal.code.as_str());
    // In a receiver: the secret that the creation showed, the header Argus-Signature, the body's bytes, the time.
    let (now, age_max) = (Duration::from_secs(1_700_000_000), Duration::from_secs(300));
    let is_genuine = verify_signature("whsec_1", "t=1700000000,v1=00", b"{}", now, age_max);
    print(
        json!({"code": code, "is_genuine": is_genuine, "webhooks": client.webhooks_of(&owner).await?.len()}),
    );
    Ok(())
}

async fn administration() -> Result<(), Error> {
    let client = Client::builder(given("API")).key(given("ADMIN_KEY")).build()?;
    let key = client.create_key(&given("OWNER"), "user", Some(20)).await?;
    client.revoke_key(&key.id).await?;
    let keys = client.keys_of(&given("OWNER")).await?;
    let revoked = keys.iter().find(|one| one.id == key.id).expect("the key");
    print(json!({"key": key.key, "shown_as": revoked.masked, "is_active": revoked.is_active}));
    Ok(())
}

async fn the_process(client: &Client) -> Result<(), Error> {
    print(client.call(Method::GET, "/ready", None).await?);
    Ok(())
}

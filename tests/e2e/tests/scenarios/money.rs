//! What a job owner's deposit pays for, and what is said where it does not.

use argus_domain::U256;
use argus_e2e::{Start, Topology, jobs, stays, story, until};
use serde_json::json;

use crate::everywhere;

/// An account that the platform never heard of, and that nobody deposited for.
fn stranger(n: u8) -> String {
    format!("0x{}", format!("{n:02x}").repeat(20))
}

#[test]
fn a_deposit_of_what_was_quoted_pays_for_the_runs() {
    everywhere(runs_on_what_was_quoted);
}

async fn runs_on_what_was_quoted(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(folder.path(), topology).run().await;
    let (chain, registry) = (platform.chain(), platform.said("/contracts/gas_registry"));
    let owner = stranger(0x51);
    let quote = platform
        .get(&format!(
            "/fees?task_definition_id=1&target_chain_id={}&target_contract_address={}&target_function=record(string,uint256)\
             &abi=%5B%5D&args=%5B%22quoted%22%2C%221%22%5D",
            platform.chain_id(),
            platform.said("/contracts/demo_target"),
        ))
        .await;
    let per_run: U256 =
        quote["current_total_fee_wei"].as_str().and_then(|wei| wei.parse().ok()).expect("a quote");
    let deposit = per_run * U256::from(5);
    // Far from the most that a run may cost, which is what the platform's cap says.
    assert!(deposit < U256::from(10).pow(U256::from(16)), "{deposit}");
    chain.deposit(platform.account(0), registry, &owner, deposit).await;
    let job = jobs::with(jobs::interval(&platform, "quoted", 1, 2, 10), json!({ "user_address": owner }));
    let job = platform.create(&job).await;
    let tasks = story::completed(&platform, &job, 5, 30).await;
    story::on_chain(&platform, "quoted", 1, &tasks).await;
    let charged: U256 = tasks
        .iter()
        .map(|task| {
            task["task_opx_cost_wei"].as_str().and_then(|wei| wei.parse::<U256>().ok()).expect("a cost")
        })
        .sum();
    assert_eq!(chain.credit(registry, &owner).await, deposit - charged, "to the wei");
    platform.stop().await;
}

#[test]
fn who_cannot_pay_is_told_soon_what_is_missing_and_runs_once_it_is_there() {
    everywhere(tells_what_is_missing);
}

async fn tells_what_is_missing(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(folder.path(), topology).run().await;
    let (chain, registry) = (platform.chain(), platform.said("/contracts/gas_registry"));
    // The second one has something, and less than a call costs.
    for (n, deposit) in [(0x61, 0u64), (0x62, 50_000_000_000_000)] {
        let owner = stranger(n);
        if deposit > 0 {
            chain.deposit(platform.account(0), registry, &owner, U256::from(deposit)).await;
        }
        let key = format!("poor {n}");
        let job = jobs::with(jobs::interval(&platform, &key, 1, 8, 60), json!({ "user_address": owner }));
        let job = platform.create(&job).await;
        let failed = until("the task has failed", 25, async || {
            platform.tasks(&job).await.into_iter().next().filter(story::has_ended)
        })
        .await;
        assert_eq!(
            (&failed["task_status"], &failed["is_accepted"]),
            (&json!("failed"), &json!(false)),
            "{failed:#}"
        );
        let said = failed["error"].as_str().unwrap_or_default().to_lowercase();
        for part in [
            "the deposit of",
            &owner,
            &format!("is {deposit} wei"),
            "needs about",
            "depositeth",
            &registry.to_lowercase(),
        ] {
            assert!(said.contains(part), "{said}, without {part}");
        }
        assert_eq!(chain.credit(registry, &owner).await, U256::from(deposit), "nothing was charged");

        chain.deposit(platform.account(0), registry, &owner, U256::from(10).pow(U256::from(16))).await;
        until("a task runs once there is a deposit", 25, async || {
            platform.tasks(&job).await.iter().any(|task| task["task_status"] == "completed").then_some(())
        })
        .await;
        platform.put(&format!("/jobs/delete/{job}")).await;
        stays("the failed one stays as it is", 500, async || {
            platform.tasks(&job).await.first() == Some(&failed)
        })
        .await;
    }
    platform.stop().await;
}

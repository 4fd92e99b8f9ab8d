//! The development chain's process: it keeps its state, it is found or its absence is explained, and it dies with
//! whoever started it.

use std::{process::Stdio, time::Duration};

use alloy::primitives::U256;
use argus_contracts_tests::{anvil_program, dev, keeper_id};
use argus_domain::{
    chain::LogQuery,
    contracts::{decode_keepers, encode_balance, encode_keepers},
    ids::ChainId,
};
use argus_evm::{
    ChainConfig, EvmChain,
    anvil::{Anvil, AnvilConfig, AnvilError, DEV_CHAIN},
    deploy::{CREATE2_PROXY, Plan, ensure},
};
use argus_ports::{ChainReader, ChainWriter, Signer, chain::At};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    process::Command,
};

fn plan() -> Plan {
    Plan {
        keepers: vec![(dev(1).address(), 5), (dev(2).address(), 6)],
        quorum: 2,
        fee: U256::from(7),
        deposits: vec![(dev(5).address(), U256::from(9))],
        demo: true,
        safes: false,
    }
}

async fn connect(anvil: &Anvil) -> EvmChain {
    EvmChain::connect(&ChainConfig::new(ChainId(DEV_CHAIN), vec![anvil.http_url()])).await.expect("connected")
}

#[tokio::test]
async fn the_chain_and_its_contracts_survive_a_restart() {
    let Some(program) = anvil_program() else { return };
    let folder = tempfile::tempdir().expect("folder");
    let mut config = AnvilConfig::new(program);
    config.state = Some(folder.path().join("state.json"));
    let admin = dev(0);

    let anvil = Anvil::start(&config).await.expect("anvil");
    let chain = connect(&anvil).await;
    let deployed = ensure(&chain, &admin, &plan()).await.expect("deployed");
    let sent = chain.nonce(admin.address()).await.expect("nonce");
    assert_eq!(ensure(&chain, &admin, &plan()).await.expect("again"), deployed);
    assert_eq!(chain.nonce(admin.address()).await.expect("nonce"), sent, "nothing was left to do");
    let head = chain.block(At::Head).await.expect("head").expect("a block");
    let query = LogQuery { from: 0, to: head.number, addresses: vec![], topic0: vec![] };
    let logs = chain.logs(query.clone()).await.expect("logs");
    let receipt = chain.receipt(logs[0].transaction).await.expect("a receipt");
    anvil.stop().await;

    let anvil = Anvil::start(&config).await.expect("anvil");
    let chain = connect(&anvil).await;
    assert_eq!(chain.block(At::Head).await.expect("head"), Some(head));
    assert_eq!(chain.logs(query).await.expect("logs"), logs, "events of before are found again");
    assert_eq!(chain.receipt(logs[0].transaction).await.expect("a receipt"), receipt);
    // anvil keeps blocks, but the state of the newest alone: an older pin has to be given up, which is retryable.
    let old = chain.balance(admin.address(), At::Number(2)).await.expect_err("no state");
    assert!(old.is_retryable(), "{old}");
    chain.balance(admin.address(), At::Hash(head.hash)).await.expect("the newest block can be pinned");
    let changed = Plan { keepers: vec![(dev(2).address(), 6), (dev(3).address(), 1)], quorum: 1, ..plan() };
    assert_eq!(ensure(&chain, &admin, &changed).await.expect("after a restart"), deployed);
    // Register one, remove one, change the quorum.
    assert_eq!(chain.nonce(admin.address()).await.expect("nonce"), sent + 3);
    let registry = deployed.contracts.keeper_registry;
    let data = chain.call(None, registry, encode_keepers(), At::Head).await.expect("a view");
    let mut listed = decode_keepers(&data).expect("addresses");
    listed.sort();
    assert_eq!(listed, [dev(2), dev(3)].map(|keeper| keeper_id(&keeper)));
    let balance = encode_balance(dev(5).address());
    let data = chain.call(None, deployed.contracts.gas_registry, balance, At::Head).await;
    assert_eq!(U256::from_be_slice(&data.expect("a view")), U256::from(9));
}

#[tokio::test]
async fn a_chain_without_the_deployment_proxy_gets_it() {
    let Some(program) = anvil_program() else { return };
    let mut config = AnvilConfig::new(program);
    config.extra = vec!["--disable-default-create2-deployer".to_owned()];
    let anvil = Anvil::start(&config).await.expect("anvil");
    let chain = connect(&anvil).await;
    assert!(chain.code(CREATE2_PROXY).await.expect("code").is_empty());
    let deployed = ensure(&chain, &dev(0), &plan()).await.expect("deployed");
    assert!(!chain.code(deployed.contracts.executor).await.expect("code").is_empty());
}

#[tokio::test]
async fn what_went_wrong_is_said() {
    let mut config = AnvilConfig::new("/nowhere/anvil".into());
    assert!(matches!(Anvil::start(&config).await, Err(AnvilError::NotUp { .. })));
    let Some(program) = anvil_program() else { return };
    config.program = program;
    config.extra = vec!["--no-such-option".to_owned()];
    assert!(matches!(Anvil::start(&config).await, Err(AnvilError::NotUp { .. })));
    let mut running = Anvil::start(&AnvilConfig::new(config.program.clone())).await.expect("anvil");
    let ended = tokio::time::timeout(Duration::from_millis(200), running.ended()).await;
    assert!(ended.is_err(), "it runs");
}

// Not a test by itself: the process that `it_dies_with_its_parent` kills.
#[tokio::test]
#[ignore = "started by another test"]
async fn parent_to_be_killed() {
    let mut config = AnvilConfig::new(anvil_program().expect("anvil"));
    config.state = std::env::var_os("ARGUS_TEST_STATE").map(Into::into);
    let anvil = Anvil::start(&config).await.expect("anvil");
    println!("\nPORT {}", anvil.port());
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn it_dies_with_its_parent() {
    if anvil_program().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let state = folder.path().join("state.json");
    let mut parent = Command::new(std::env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", "--nocapture", "parent_to_be_killed"])
        .env("ARGUS_TEST_STATE", &state)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("started");
    let mut lines = BufReader::new(parent.stdout.take().expect("output")).lines();
    let port: u16 = loop {
        let line = lines.next_line().await.expect("read").expect("a port before the end");
        if let Some(port) = line.strip_prefix("PORT ") {
            break port.parse().expect("a number");
        }
    };
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
    // Not in the first instant, when anvil listens but would not yet save anything on SIGTERM.
    tokio::time::sleep(Duration::from_millis(500)).await;
    // SIGKILL: nothing of it gets to clean up.
    parent.kill().await.expect("killed");
    for _ in 0..100 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            // It closes its port first and saves then.
            tokio::time::sleep(Duration::from_millis(500)).await;
            let text = std::fs::read(&state).expect("the state it saved on its way out");
            assert!(serde_json::from_slice::<serde_json::Value>(&text).is_ok());
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("anvil outlived its parent by five seconds");
}

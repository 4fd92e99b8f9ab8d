//! The chain ports on a real anvil: what is read, what is refused and how it is called, and what happens when nodes
//! are down, slow or of another chain.

use std::time::Duration;

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::{SolCall, SolEvent},
};
use argus_contracts_tests::{World, anvil_program, dev};
use argus_domain::{
    chain::{LogQuery, TxDraft},
    ids::{ChainId, JobId},
};
use argus_evm::{
    ChainConfig, ConnectError, EvmChain,
    anvil::{Anvil, AnvilConfig, DEV_CHAIN},
    contracts::Target,
    deploy::transact,
};
use argus_ports::{ChainError, ChainReader, ChainWriter, Signer, chain::At};
use tokio::net::TcpListener;

async fn start(extra: &[&str]) -> Option<Anvil> {
    let mut config = AnvilConfig::new(anvil_program()?);
    config.extra = extra.iter().map(|argument| (*argument).to_owned()).collect();
    Some(Anvil::start(&config).await.expect("anvil"))
}

async fn connect(urls: Vec<String>) -> Result<EvmChain, ConnectError> {
    let mut config = ChainConfig::new(ChainId(DEV_CHAIN), urls);
    config.timeout = Duration::from_secs(2);
    EvmChain::connect(&config).await
}

fn draft(nonce: u64, max_fee: u128) -> TxDraft {
    TxDraft {
        chain: ChainId(DEV_CHAIN),
        nonce,
        to: Address::repeat_byte(1),
        value: U256::from(1),
        data: Bytes::new(),
        gas_limit: 21_000,
        max_fee_per_gas: max_fee,
        max_priority_fee_per_gas: max_fee / 2,
    }
}

#[tokio::test]
async fn logs_stand_where_the_domain_counts_them() {
    let Some(world) = World::start().await else { return };
    // An execution has the registry's log first and the target's among others; three pings follow.
    let data = world.record(5);
    let claim = world.claim(JobId(U256::ZERO), &data);
    let (_, receipt) = world.execute(&claim, &data).await;
    assert!(receipt.logs.len() >= 3);
    for (position, log) in (0u32..).zip(&receipt.logs) {
        assert_eq!((log.index_in_transaction, log.transaction), (position, receipt.transaction));
    }
    for topic in 0..3u64 {
        let ping = Target::pingCall { topic: U256::from(topic) };
        world.tell(&world.owner, world.target, U256::ZERO, &ping).await.expect("pinged");
    }
    let head = world.chain.block(At::Head).await.expect("head").expect("a block");
    assert_eq!(
        head.parent,
        world.chain.block(At::Number(head.number - 1)).await.expect("b").expect("b").hash
    );

    // In one request, and block by block.
    for log_range in [1, 1_000] {
        let mut config = ChainConfig::new(ChainId(DEV_CHAIN), vec![world.anvil.http_url()]);
        config.log_range = log_range;
        let chain = EvmChain::connect(&config).await.expect("connected");
        let query = |topic0| LogQuery { from: 0, to: head.number, addresses: vec![world.target], topic0 };
        let pings = chain.logs(query(vec![Target::Pinged::SIGNATURE_HASH])).await.expect("logs");
        let found: Vec<U256> = pings.iter().map(|log| log.topics[2].into()).collect();
        assert_eq!(found, [0u64, 1, 2].map(U256::from));
        let records = chain.logs(query(vec![Target::Recorded::SIGNATURE_HASH])).await.expect("logs");
        let same = receipt.logs.iter().find(|log| log.address == world.target).expect("the target's");
        assert_eq!(&records[0], same, "as the receipt has it, time and position included");
        assert_eq!(chain.logs(query(vec![])).await.expect("logs").len(), 4);
        let none = LogQuery { from: 5, to: 4, addresses: vec![], topic0: vec![] };
        assert!(chain.logs(none).await.expect("an empty range").is_empty());
    }
}

#[tokio::test]
async fn a_pinned_block_is_read_and_not_the_newest() {
    let Some(world) = World::start().await else { return };
    let total: Bytes = Target::totalCall {}.abi_encode().into();
    let pin = world.chain.block(At::Head).await.expect("head").expect("a block");
    let record = Target::recordCall { key: "k".to_owned(), value: U256::from(1) };
    world.tell(&world.owner, world.target, U256::ZERO, &record).await.expect("recorded");
    for (at, expect) in [(At::Hash(pin.hash), 0u64), (At::Number(pin.number), 0), (At::Head, 1)] {
        let found = world.chain.call(None, world.target, total.clone(), at).await.expect("a view");
        assert_eq!(U256::from_be_slice(&found), U256::from(expect), "{at:?}");
    }
    let owner = world.owner.address();
    let before = world.chain.balance(owner, At::Hash(pin.hash)).await.expect("balance");
    assert!(before > world.chain.balance(owner, At::Head).await.expect("balance"));

    let gone = B256::repeat_byte(7);
    assert_eq!(world.chain.block(At::Hash(gone)).await, Ok(None));
    assert_eq!(world.chain.block(At::Number(1_000_000)).await, Ok(None));
    let error = world.chain.call(None, world.target, total.clone(), At::Hash(gone)).await;
    assert_eq!(error, Err(ChainError::UnknownBlock(gone)));
    assert_eq!(world.chain.receipt(gone).await, Ok(None));
    assert!(world.chain.code(owner).await.expect("code").is_empty());
    assert!(!world.chain.code(world.target).await.expect("code").is_empty());
}

#[tokio::test]
async fn refusals_have_their_names() {
    // Nothing is mined, so that a nonce stays open.
    let Some(anvil) = start(&["--no-mining"]).await else { return };
    let chain = connect(vec![anvil.http_url()]).await.expect("connected");
    let signer = dev(1);
    let price = chain.gas_price().await.expect("a price");
    assert!(price.base_fee > 0);
    let first = signer.sign_transaction(&draft(0, 10_000_000_000)).await.expect("signed");
    chain.send(&first).await.expect("sent");
    assert_eq!(chain.send(&first).await, Err(ChainError::AlreadyKnown), "the same bytes again");
    assert_eq!(chain.nonce(signer.address()).await, Ok(0), "mined ones alone count");
    let rival = signer.sign_transaction(&draft(0, 9_000_000_000)).await.expect("signed");
    assert_eq!(chain.send(&rival).await, Err(ChainError::Underpriced));
    let poor = argus_evm::LocalSigner::from_hex(&"11".repeat(32).into()).expect("a key");
    let broke = poor.sign_transaction(&draft(0, 10_000_000_000)).await.expect("signed");
    assert_eq!(chain.send(&broke).await, Err(ChainError::InsufficientFunds));
    let junk = argus_domain::chain::SignedTx { hash: B256::ZERO, raw: vec![2, 0].into() };
    assert!(matches!(chain.send(&junk).await, Err(ChainError::Refused(_))));
    anvil.stop().await;

    let Some(world) = World::start().await else { return };
    let chain = &world.chain;
    let signed = signer.sign_transaction(&draft(0, 10_000_000_000)).await.expect("signed");
    chain.send(&signed).await.expect("mined at once");
    assert_eq!(chain.nonce(signer.address()).await, Ok(1));
    assert_eq!(chain.send(&signed).await, Err(ChainError::NonceTooLow), "once it is mined");
    let fail: Bytes = Target::failCall { why: "because".to_owned() }.abi_encode().into();
    let estimate = chain.estimate(signer.address(), world.target, U256::ZERO, fail.clone()).await;
    let call = chain.call(None, world.target, fail, At::Head).await.map(|_| 0);
    for refused in [estimate, call] {
        let Err(ChainError::Reverted { data, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(data[..4], keccak256("Refused(string)")[..4]);
    }
}

#[tokio::test]
async fn http_and_websocket_give_the_same() {
    let Some(world) = World::start().await else { return };
    let ws = connect(vec![world.anvil.ws_url()]).await.expect("connected");
    assert_eq!(ws.block(At::Number(1)).await, world.chain.block(At::Number(1)).await);
    let head = ws.block(At::Head).await.expect("head").expect("a block").number;
    let query = LogQuery { from: 0, to: head, addresses: vec![], topic0: vec![] };
    let over_ws = ws.logs(query.clone()).await.expect("logs");
    assert!(over_ws.len() > 5);
    assert_eq!(over_ws, world.chain.logs(query).await.expect("logs"));
    let receipt = transact(&ws, &world.stranger, world.target, U256::ZERO, world.record(1)).await;
    assert!(receipt.expect("mined").success);
}

#[tokio::test]
async fn another_node_steps_in() {
    let Some(anvil) = start(&[]).await else { return };
    // One port that refuses, one that accepts and never answers.
    let dead = TcpListener::bind("127.0.0.1:0").await.expect("bound").local_addr().expect("address");
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let mute = silent.local_addr().expect("address");
    for bad in
        [format!("http://{dead}"), format!("ws://{dead}"), format!("http://{mute}"), format!("ws://{mute}")]
    {
        let chain = connect(vec![bad.clone(), anvil.http_url()]).await.expect(&bad);
        assert!(chain.block(At::Head).await.expect("an answer").is_some(), "{bad}");
    }
    let error =
        connect(vec![format!("http://{dead}/v2/SECRET")]).await.err().expect("nobody there").to_string();
    assert!(error.contains(&dead.to_string()) && !error.contains("SECRET"), "{error}");

    // The node that is asked goes away; the other takes over.
    let second = start(&[]).await.expect("anvil");
    let chain = connect(vec![second.http_url(), anvil.ws_url()]).await.expect("connected");
    second.stop().await;
    assert!(chain.block(At::Head).await.expect("the other").is_some());
    anvil.stop().await;
    let error = chain.block(At::Head).await.expect_err("nobody left");
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn a_node_that_lags_behind_is_not_believed_about_logs() {
    let Some(world) = World::start().await else { return };
    let behind = start(&[]).await.expect("anvil");
    let chain = connect(vec![behind.http_url(), world.anvil.http_url()]).await.expect("connected");
    let head = world.chain.block(At::Head).await.expect("head").expect("a block").number;
    assert_eq!(
        chain.block(At::Head).await.expect("head").expect("a block").number,
        0,
        "asks the one behind first"
    );
    let query = |to| LogQuery { from: 0, to, addresses: vec![], topic0: vec![] };
    let expect = world.chain.logs(query(head)).await.expect("logs");
    assert!(!expect.is_empty());
    assert_eq!(chain.logs(query(head)).await.expect("logs"), expect);
    let error = chain.logs(query(head + 1)).await.expect_err("a block that nobody has");
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn a_node_of_another_chain_is_a_mistake() {
    let Some(anvil) = start(&[]).await else { return };
    let mut other = AnvilConfig::new(anvil_program().expect("anvil"));
    other.chain_id = 5;
    let other = Anvil::start(&other).await.expect("anvil");
    let found = connect(vec![anvil.http_url(), other.http_url()]).await;
    assert!(matches!(found, Err(ConnectError::WrongChain { found: 5, .. })));
    for (urls, bad) in
        [(vec![], true), (vec!["ftp://x".to_owned()], true), (vec!["not a url".to_owned()], true)]
    {
        assert_eq!(connect(urls).await.is_err(), bad);
    }
}

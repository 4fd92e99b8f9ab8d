//! Hostile targets and owners: re-entrance, return bombs, burnt gas, money that runs away, caps.

use alloy::{
    primitives::{Address, Bytes, U256, keccak256},
    sol_types::{SolCall, SolError, SolValue},
};
use argus_contracts_tests::{CALL_GAS, DEPOSIT, TX_GAS, World};
use argus_domain::{call::Claim, contracts::encode_execute, ids::JobId};
use argus_evm::contracts::{Executor, GasRegistry, KeeperRegistry, Target};
use argus_ports::{ChainReader, Signer, chain::At};

const UNKNOWN: JobId = JobId(U256::ZERO);

alloy::sol! {
    interface Hostile {
        function load(address to, bytes input) external;
        function run() external;
        function give() external;
        function fail() external;
        function burn() external;
        function grab() external;
        function jobId() external view returns (uint256);
    }
}

// What the gas registry has is what it owes, whatever happened.
async fn sums_hold(world: &World, others: &[Address]) {
    let mut owed = U256::ZERO;
    for keeper in &world.keepers {
        owed += world.credit(keeper.address()).await;
    }
    owed += world.credit(world.owner.address()).await;
    for other in others {
        owed += world.credit(*other).await;
    }
    let has = world.chain.balance(world.contracts.gas_registry, At::Head).await.expect("balance");
    assert_eq!(has, owed);
}

#[tokio::test]
async fn a_target_cannot_come_back_in() {
    let Some(world) = World::start().await else { return };
    let evil = world.deploy(include_str!("../../../contracts/out/Reenterer.json"), &[]).await;
    // Even if the target itself is a keeper, so that only the guard stands in its way.
    let register = KeeperRegistry::registerKeeperCall { keeper_: evil, stake: Default::default() };
    world
        .tell(&world.admin, world.contracts.keeper_registry, U256::ZERO, &register)
        .await
        .expect("registered");

    let inner_data = world.record(1);
    let inner = world.claim(UNKNOWN, &inner_data);
    let again = encode_execute(&inner, &inner_data, &world.quorum(&inner));
    let owner = world.owner.address();
    let amount = U256::from(1);
    for (to, input, expect) in [
        (world.contracts.executor, again, Executor::Reentered::SELECTOR),
        (
            world.contracts.gas_registry,
            GasRegistry::settleCall { owner_: owner, keeper: evil, amount }.abi_encode().into(),
            GasRegistry::NotExecutor::SELECTOR,
        ),
        (
            world.contracts.gas_registry,
            GasRegistry::holdCall { owner_: owner, amount }.abi_encode().into(),
            GasRegistry::NotExecutor::SELECTOR,
        ),
    ] {
        let load = Hostile::loadCall { to, input };
        world.tell(&world.stranger, evil, U256::ZERO, &load).await.expect("loaded");
        let data: Bytes = Hostile::runCall {}.abi_encode().into();
        let claim = Claim { target: evil, gas_limit: 1_000_000, ..world.claim(UNKNOWN, &data) };
        let (done, receipt) = world.execute(&claim, &data).await;
        assert!(!done.success);
        assert_eq!(world.returned(&receipt)[..4], expect);
        assert!(!world.is_used(inner.task).await, "the inner claim did nothing");
    }
    sums_hold(&world, &[evil]).await;
    // What was refused on the way in is as good as new.
    assert!(world.execute(&inner, &inner_data).await.0.success);
}

#[tokio::test]
async fn bombs_and_burners_are_charged_and_do_no_harm() {
    let Some(world) = World::start().await else { return };
    let bomb = world.deploy(include_str!("../../../contracts/out/ReturnBomb.json"), &[]).await;
    let burner = world.deploy(include_str!("../../../contracts/out/GasBurner.json"), &[]).await;
    for (target, data, success, returned) in [
        (bomb, Hostile::giveCall {}.abi_encode(), true, 256),
        (bomb, Hostile::failCall {}.abi_encode(), false, 256),
        (burner, Hostile::burnCall {}.abi_encode(), false, 0),
    ] {
        let data: Bytes = data.into();
        let before = world.balances().await;
        let claim = Claim { target, ..world.claim(UNKNOWN, &data) };
        let (done, receipt) = world.execute(&claim, &data).await;
        assert_eq!((done.success, world.returned(&receipt).len()), (success, returned));
        assert!(receipt.gas_used < CALL_GAS + 200_000, "{}", receipt.gas_used);
        let after = world.balances().await;
        assert_eq!((before[0] - after[0], after[1] - before[1]), (done.charged, done.charged));
    }
    sums_hold(&world, &[]).await;
}

#[tokio::test]
async fn an_owner_cannot_withdraw_what_its_running_call_costs() {
    let Some(world) = World::start().await else { return };
    let arguments = (world.contracts.gas_registry, world.contracts.job_registry).abi_encode_params();
    let greedy = world.deploy(include_str!("../../../contracts/out/GreedyOwner.json"), &arguments).await;
    let job = JobId(world.view(greedy, &Hostile::jobIdCall {}).await);
    let data: Bytes = Hostile::grabCall {}.abi_encode().into();
    // It may take what the cap leaves; and nothing, where the cap leaves nothing.
    for deposit in [DEPOSIT / 5, DEPOSIT / 20].map(U256::from) {
        let fill = GasRegistry::depositForCall { account: greedy };
        world.tell(&world.stranger, world.contracts.gas_registry, deposit, &fill).await.expect("deposited");
        let (has, had) =
            (world.credit(greedy).await, world.chain.balance(greedy, At::Head).await.expect("balance"));
        let claim = Claim {
            owner: greedy,
            target: greedy,
            fee_cap: U256::from(DEPOSIT / 10),
            ..world.claim(job, &data)
        };
        let keeper_before = world.credit(world.keepers[0].address()).await;
        let (done, _) = world.execute(&claim, &data).await;
        assert!(done.success, "it may take the rest");
        assert!(!done.charged.is_zero());
        assert_eq!(world.credit(world.keepers[0].address()).await, keeper_before + done.charged);
        let held = claim.fee_cap.min(has);
        assert_eq!(world.credit(greedy).await, held - done.charged);
        let taken = world.chain.balance(greedy, At::Head).await.expect("balance") - had;
        assert_eq!(taken, has - held);
        world.tell(&world.stranger, greedy, U256::ZERO, &Hostile::grabCall {}).await.expect("emptied");
    }
    sums_hold(&world, &[greedy]).await;
}

#[tokio::test]
async fn nobody_is_charged_above_the_cap() {
    let Some(world) = World::start().await else { return };
    let data = world.record(1);
    let before = world.balances().await;
    // Far below what the gas costs: the keeper's own mistake.
    let low = Claim { fee_cap: U256::from(12_345), ..world.claim(UNKNOWN, &data) };
    assert_eq!(world.execute(&low, &data).await.0.charged, low.fee_cap);
    let nothing = Claim { fee_cap: U256::ZERO, ..world.claim(UNKNOWN, &data) };
    assert_eq!(world.execute(&nothing, &data).await.0.charged, U256::ZERO);
    // A fee that nobody foresaw.
    let fee = Executor::setFeeCall { value: U256::MAX };
    world.tell(&world.admin, world.contracts.executor, U256::ZERO, &fee).await.expect("set");
    let capped = world.claim(UNKNOWN, &data);
    assert_eq!(world.execute(&capped, &data).await.0.charged, capped.fee_cap);
    let sum = low.fee_cap + capped.fee_cap;
    let after = world.balances().await;
    assert_eq!((before[0] - after[0], after[1] - before[1]), (sum, sum));
    sums_hold(&world, &[]).await;
}

#[tokio::test]
async fn a_deposit_below_the_cap_is_charged_and_an_empty_one_refused_before_the_call() {
    let Some(world) = World::start().await else { return };
    let data = world.record(1);
    let claim =
        |cap| Claim { owner: world.admin.address(), fee_cap: U256::from(cap), ..world.claim(UNKNOWN, &data) };
    let empty = claim(DEPOSIT);
    let input = encode_execute(&empty, &data, &world.quorum(&empty));
    let reason = world.refused(&world.keepers[0], &empty, input.clone(), TX_GAS).await;
    assert!(reason.contains("InsufficientBalance"), "{reason}");
    assert_eq!(world.view(world.target, &Target::totalCall {}).await, U256::ZERO);
    // Enough for the call, and far from the cap: what the call costs, and the rest stays.
    let fill = GasRegistry::depositForCall { account: empty.owner };
    let registry = world.contracts.gas_registry;
    world.tell(&world.stranger, registry, U256::from(DEPOSIT / 100), &fill).await.expect("deposited");
    assert!(world.send(&world.keepers[0], input, TX_GAS).await.success);
    let left = world.credit(empty.owner).await;
    assert!(left > U256::from(DEPOSIT / 200), "{left}");
    // Less than the call costs: all of it, and not a wei of anybody else's.
    let take = GasRegistry::withdrawETHBalanceCall { amount: left - U256::from(777) };
    world.tell(&world.admin, registry, U256::ZERO, &take).await.expect("withdrawn");
    let before = world.balances().await;
    assert_eq!(world.execute(&claim(DEPOSIT), &data).await.0.charged, U256::from(777));
    let after = world.balances().await;
    assert_eq!((before[0], before[1] + U256::from(777)), (after[0], after[1]));
    assert_eq!(world.credit(empty.owner).await, U256::ZERO);
    sums_hold(&world, &[empty.owner]).await;
}

#[tokio::test]
async fn padding_the_input_earns_a_keeper_nothing() {
    let Some(world) = World::start().await else { return };
    let data = world.record(1);
    let mut charged = Vec::new();
    for padding in [0usize, 5_000] {
        // The first credit of a keeper costs more, so let that be over.
        let warm = world.claim(UNKNOWN, &data);
        world.execute(&warm, &data).await;
        let claim = world.claim(UNKNOWN, &data);
        let mut input = encode_execute(&claim, &data, &world.quorum(&claim)).to_vec();
        input.extend(std::iter::repeat_n(0u8, padding));
        let receipt = world.send(&world.keepers[0], input.into(), TX_GAS).await;
        let event = world.reported(&receipt);
        charged.push((event.charged - U256::from(1_000)) / receipt.gas_price);
    }
    assert!(charged[1].abs_diff(charged[0]) < U256::from(200), "{charged:?}");
    assert_eq!(keccak256(&data), world.claim(UNKNOWN, &data).calldata_hash);
}

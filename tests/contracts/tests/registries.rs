//! The registries by themselves: who may do what, and the exact rules.

use alloy::{
    primitives::{Address, B256, Bytes, U256, aliases::U96},
    sol_types::SolValue,
};
use argus_contracts_tests::{DEPOSIT, World};
use argus_domain::{
    contracts::{
        decode_job, decode_keeper, decode_keepers, decode_uint, encode_job, encode_keeper, encode_keepers,
        encode_quorum,
    },
    ids::{JobId, KeeperId},
};
use argus_evm::contracts::{GasRegistry, JobRegistry, KeeperRegistry};
use argus_ports::{ChainReader, Signer, chain::At};

#[tokio::test]
async fn keepers_come_and_go() {
    let Some(world) = World::start().await else { return };
    let at = world.contracts.keeper_registry;
    let [a, b, c] = [0, 1, 2].map(|n| world.keepers[n].address());
    assert_eq!(decode_uint(&world.ask(at, encode_quorum()).await), Some(U256::from(2)));
    let register = |keeper_, stake| KeeperRegistry::registerKeeperCall { keeper_, stake };

    let error =
        world.tell(&world.stranger, at, U256::ZERO, &register(world.stranger.address(), U96::from(1))).await;
    assert!(error.expect_err("no").contains("NotOwner"));
    let error = world.tell(&world.admin, at, U256::ZERO, &register(Address::ZERO, U96::from(1))).await;
    assert!(error.expect_err("no").contains("ZeroAddress"));

    // Again: the stake changes, the list does not.
    world.tell(&world.admin, at, U256::ZERO, &register(a, U96::MAX)).await.expect("changed");
    let found = world.ask(at, encode_keeper(KeeperId(a))).await;
    assert_eq!(decode_keeper(&found), Some(U96::MAX.to()));
    assert_eq!(world.view(at, &KeeperRegistry::keeperCountCall {}).await, U256::from(3));

    // The one in the middle, then each of the others: what is left stays right.
    let mut left = vec![a, b, c];
    for gone in [b, a, c] {
        let remove = KeeperRegistry::removeKeeperCall { keeper_: gone };
        world.tell(&world.admin, at, U256::ZERO, &remove).await.expect("removed");
        let error = world.tell(&world.admin, at, U256::ZERO, &remove).await.expect_err("gone");
        assert!(error.contains("UnknownKeeper"), "{error}");
        left.retain(|keeper| *keeper != gone);
        let mut listed = decode_keepers(&world.ask(at, encode_keepers()).await).expect("addresses");
        listed.sort();
        assert_eq!(listed, left.iter().copied().map(KeeperId).collect::<Vec<_>>());
        for keeper in [a, b, c] {
            let is = world.view(at, &KeeperRegistry::isKeeperCall { account: keeper }).await;
            assert_eq!(is, left.contains(&keeper));
        }
    }
    let zero = KeeperRegistry::setQuorumCall { value: U256::ZERO };
    assert!(world.tell(&world.admin, at, U256::ZERO, &zero).await.expect_err("no").contains("ZeroQuorum"));
}

#[tokio::test]
async fn jobs_are_checked_by_kind() {
    let Some(world) = World::start().await else { return };
    let at = world.contracts.job_registry;
    let word = |n: u64| U256::from(n).abi_encode();
    let scripted = |first: u64, hash: B256| (U256::from(first), hash).abi_encode_params();
    let hash = B256::repeat_byte(1);
    let language = (U256::from(1), hash, "ts".to_owned()).abi_encode_params();
    let target = world.target;
    let none = Address::ZERO;
    for (name, kind, frame, target, data, expect) in [
        ("j", 1u8, 60u64, target, word(1), Ok(())),
        ("j", 1, 60, target, word(0), Ok(())),
        ("j", 1, 60, target, vec![], Err("DataTooShort")),
        ("j", 1, 60, none, word(1), Err("MissingTarget")),
        ("", 1, 60, target, word(1), Err("EmptyJobName")),
        ("j", 1, 0, target, word(1), Err("MissingTimeFrame")),
        ("j", 0, 60, target, word(1), Err("InvalidJobType")),
        ("j", 8, 60, target, word(1), Err("InvalidJobType")),
        ("j", 2, 60, target, scripted(1, hash), Ok(())),
        ("j", 2, 60, target, scripted(0, hash), Ok(())),
        ("j", 2, 60, target, scripted(1, B256::ZERO), Err("MissingScriptHash")),
        ("j", 2, 60, target, word(1), Err("DataTooShort")),
        ("j", 3, 60, target, word(0), Ok(())),
        ("j", 3, 60, target, vec![0; 31], Err("DataTooShort")),
        ("j", 4, 60, target, scripted(0, hash), Ok(())),
        ("j", 4, 60, target, scripted(1, B256::ZERO), Err("MissingScriptHash")),
        ("j", 5, 60, target, word(1), Ok(())),
        ("j", 6, 60, target, scripted(1, hash), Ok(())),
        ("j", 7, 60, none, language.clone(), Ok(())),
        ("j", 7, 60, none, scripted(0, hash), Err("MissingTimeInterval")),
        ("j", 7, 60, none, scripted(1, B256::ZERO), Err("MissingScriptHash")),
    ] {
        let call = JobRegistry::createJobCall {
            name: name.to_owned(),
            jobType: kind,
            timeFrame: U256::from(frame),
            target,
            data: data.into(),
        };
        let what = format!("{kind} {:?}", call.data);
        match (world.tell(&world.owner, at, U256::ZERO, &call).await, expect) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(expect)) => assert!(error.contains(expect), "{what}: {error}"),
            (found, expect) => panic!("{what}: {found:?}, not {expect:?}"),
        }
    }
}

#[tokio::test]
async fn a_job_id_is_packed_and_its_hash_covers_the_job() {
    let Some(world) = World::start().await else { return };
    let at = world.contracts.job_registry;
    let first = world.job(1, world.target).await;
    let second = world.job(5, world.target).await;
    let mask = (U256::from(1) << 160) - U256::from(1);
    assert_eq!((first.0 & mask, second.0 & mask), (U256::from(1), U256::from(2)));
    assert_eq!(first.0 >> 224, U256::from(world.anvil.chain_id()));
    let head = world.chain.block(At::Head).await.expect("head").expect("a block");
    let seconds = (second.0 >> 160) & U256::from(u64::MAX);
    assert_eq!(seconds, U256::from(head.time.as_secs()), "the block of the job");

    let job = async |id: JobId| decode_job(&world.ask(at, encode_job(id)).await);
    let found = job(second).await.expect("a job");
    assert_eq!((found.owner, found.target), (world.owner.address(), world.target));
    assert_eq!((found.job_type, found.active), (5, true));
    assert_eq!(job(JobId(U256::from(1))).await, None);

    let delete = JobRegistry::deleteJobCall { jobId: first.0 };
    world.tell(&world.owner, at, U256::ZERO, &delete).await.expect("deleted");
    assert!(job(first).await.is_some_and(|job| !job.active));
    let error = world.tell(&world.owner, at, U256::ZERO, &delete).await.expect_err("twice");
    assert!(error.contains("JobNotActive"), "{error}");
}

#[tokio::test]
async fn money_goes_in_and_out_to_the_wei() {
    let Some(world) = World::start().await else { return };
    let at = world.contracts.gas_registry;
    let owner = world.owner.address();
    let amount = U256::from(12_345_678_901u64);
    let deposit = GasRegistry::depositETHCall { amount };
    world.tell(&world.owner, at, amount, &deposit).await.expect("deposited");
    assert_eq!(world.credit(owner).await, U256::from(DEPOSIT) + amount);
    let error = world.tell(&world.owner, at, amount - U256::from(1), &deposit).await.expect_err("unequal");
    assert!(error.contains("AmountMismatch"), "{error}");

    let ether = world.chain.balance(owner, At::Head).await.expect("balance");
    let withdraw = GasRegistry::withdrawETHBalanceCall { amount };
    let receipt = world.tell(&world.owner, at, U256::ZERO, &withdraw).await.expect("withdrawn");
    let paid = U256::from(receipt.gas_used) * receipt.gas_price;
    assert_eq!(world.chain.balance(owner, At::Head).await.expect("balance"), ether + amount - paid);
    let more = GasRegistry::withdrawETHBalanceCall { amount: U256::from(DEPOSIT) + U256::from(1) };
    let error = world.tell(&world.owner, at, U256::ZERO, &more).await.expect_err("too much");
    assert!(error.contains("InsufficientBalance"), "{error}");

    // Nobody but the executor charges, and nobody at all names another executor.
    let settle = GasRegistry::settleCall { owner_: owner, keeper: world.admin.address(), amount };
    let error = world.tell(&world.admin, at, U256::ZERO, &settle).await.expect_err("no");
    assert!(error.contains("NotExecutor"), "{error}");
    let replace = GasRegistry::setExecutorCall { executor_: world.admin.address() };
    let error = world.tell(&world.admin, at, U256::ZERO, &replace).await.expect_err("no");
    assert!(error.contains("ExecutorAlreadySet"), "{error}");

    // Plain ether has no owner, so it is not taken.
    let none = argus_evm::deploy::transact(&world.chain, &world.owner, at, amount, Bytes::new()).await;
    assert!(none.is_err());
    assert_eq!(world.chain.balance(at, At::Head).await.expect("balance"), U256::from(DEPOSIT));
}

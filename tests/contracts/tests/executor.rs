//! The executor against a hostile keeper: what it refuses, and what everybody has afterwards, to the wei.

use alloy::{
    primitives::{Address, Bytes, U256, b256, keccak256},
    sol_types::SolCall,
};
use argus_contracts_tests::{CALL_GAS, TX_GAS, World, keeper_id};
use argus_domain::{
    call::{Claim, Signature},
    contracts::encode_execute,
    ids::{JobId, TaskId},
    job::Mode,
    tariff::{Measured, Tariff, Work},
    time::Timestamp,
};
use argus_evm::contracts::{Executor, JobRegistry, KeeperRegistry, Target};
use argus_ports::{ChainReader, ChainWriter, Signer, chain::At};

// A job that the registry does not know: quorum-bound.
const UNKNOWN: JobId = JobId(U256::ZERO);

#[tokio::test]
async fn the_claim_s_digest_is_the_one_that_the_domain_computes() {
    let Some(world) = World::start().await else { return };
    let plain = world.claim(UNKNOWN, &world.record(1));
    let extreme = Claim {
        task: TaskId(U256::MAX.into()),
        job: JobId(U256::MAX),
        owner: Address::repeat_byte(0xff),
        target: Address::repeat_byte(0xff),
        value: U256::MAX,
        calldata_hash: U256::MAX.into(),
        gas_limit: u64::MAX,
        fee_cap: U256::MAX,
        valid_until: Timestamp::MAX,
    };
    for claim in [plain, extreme] {
        // The claim is the first argument of both: nine words behind the selector.
        let selector = keccak256(
            "claimDigest((bytes32,uint256,address,address,uint256,bytes32,uint256,uint256,uint64))",
        );
        let words = &encode_execute(&claim, &Bytes::new(), &[])[4..][..9 * 32];
        let input = [&selector[..4], words].concat();
        assert_eq!(world.ask(world.contracts.executor, input.into()).await[..], world.digest(&claim)[..]);
    }
}

#[tokio::test]
async fn a_good_call_costs_what_the_event_says_and_not_a_wei_more() {
    let Some(world) = World::start().await else { return };
    let job = world.job(1, world.target).await;
    let keeper = world.keepers[0].address();
    let mut over = Vec::new();
    for n in 1..=3u64 {
        let data = world.record(n);
        let claim = world.claim(job, &data);
        let (owner_before, keeper_before) = (world.credit(claim.owner).await, world.credit(keeper).await);
        let ether_before = world.chain.balance(keeper, At::Head).await.expect("balance");
        let (done, receipt) = world.execute(&claim, &data).await;

        assert!(done.success);
        assert_eq!((done.task, done.job, done.keeper), (claim.task, job, keeper_id(&world.keepers[0])));
        let call = Executor::overheadCall {
            dataLength: U256::from(data.len()),
            signaturesLength: U256::from(2 * 65),
        };
        let overhead = world.view(world.contracts.executor, &call).await;
        assert_eq!(
            done.charged,
            (U256::from(done.gas_used) + overhead) * receipt.gas_price + U256::from(1_000)
        );
        assert_eq!(world.credit(claim.owner).await, owner_before - done.charged);
        assert_eq!(world.credit(keeper).await, keeper_before + done.charged);
        let paid = U256::from(receipt.gas_used) * receipt.gas_price;
        assert_eq!(world.chain.balance(keeper, At::Head).await.expect("balance"), ether_before - paid);
        assert_eq!(world.view(world.target, &Target::totalCall {}).await, U256::from(n));
        over.push(
            i128::try_from(U256::from(done.gas_used) + overhead).expect("gas") - i128::from(receipt.gas_used),
        );
    }
    // A keeper must not lose by acting, and an owner must not pay for much that was not spent. Only the first credit
    // of a keeper costs it up to 17,100 gas: its balance comes into being.
    println!("gas charged above gas used: {over:?}");
    assert!((-17_100..0).contains(&over[0]), "{over:?}");
    assert!(over[1..].iter().all(|gas| (0..8_000).contains(gas)), "{over:?}");
}

/// What is quoted of a plain call covers what the executor then charges, and not much more; for every quorum, whether the
/// registry knows the job or not.
#[tokio::test]
async fn a_quote_is_a_little_above_the_charge() {
    let Some(world) = World::start().await else { return };
    let registered = world.job(1, world.target).await;
    // From the second call on, storage of target and keeper is there: what a job's calls meet but for its first.
    let first = world.record(1);
    world.execute(&world.claim(UNKNOWN, &first), &first).await;
    for threshold in 1..=3u8 {
        let quorum = KeeperRegistry::setQuorumCall { value: U256::from(threshold) };
        world.tell(&world.admin, world.contracts.keeper_registry, U256::ZERO, &quorum).await.expect("set");
        for job in [registered, UNKNOWN] {
            let data = world.record(7);
            let claim = world.claim(job, &data);
            let executor = world.contracts.executor;
            let inner = world.chain.estimate(executor, world.target, U256::ZERO, data.clone()).await;
            let signers: Vec<_> = world.keepers.iter().take(threshold.into()).collect();
            let input = encode_execute(&claim, &data, &world.sign(&claim, &signers));
            let receipt = world.send(&world.keepers[0], input, TX_GAS).await;
            let charged = world.reported(&receipt).charged;
            let quote = Tariff::DEFAULT.quote(&Measured {
                work: Work::Fixed,
                fuel: 0,
                mode: Mode::Quorum { keepers: 3, threshold },
                gas: inner.expect("gas"),
                calldata: data.len(),
                gas_price: receipt.gas_price,
                executor_fee: U256::from(1_000),
            });
            let hundred = U256::from(100);
            println!(
                "quorum of {threshold}: charged {charged}, quoted {} and {}",
                quote.current, quote.total
            );
            assert!(quote.current >= charged, "{quote:?} for {charged}");
            assert!(quote.total * hundred <= charged * U256::from(125), "{quote:?} for {charged}");
        }
    }
}

#[tokio::test]
async fn the_binding_holds() {
    let Some(world) = World::start().await else { return };
    let job = world.job(1, world.target).await;
    let data = world.record(1);
    let good = world.claim(job, &data);
    let keeper = &world.keepers[0];
    let own = world.contracts;
    let elsewhere = Address::repeat_byte(7);

    let mut table: Vec<(Claim, String)> = vec![
        (Claim { target: elsewhere, ..good.clone() }, "TargetMismatch".to_owned()),
        (Claim { owner: world.admin.address(), ..good.clone() }, "OwnerMismatch".to_owned()),
        (Claim { value: U256::from(1), ..good.clone() }, "ValueNotSupported".to_owned()),
        (Claim { valid_until: Timestamp::from_secs(1), ..good.clone() }, "Expired".to_owned()),
        (Claim { calldata_hash: keccak256("other"), ..good.clone() }, "CalldataMismatch".to_owned()),
        (
            Claim { job: UNKNOWN, owner: world.stranger.address(), ..good.clone() },
            "InsufficientBalance".to_owned(),
        ),
        (Claim { gas_limit: u64::MAX, ..good.clone() }, "GasTooLow".to_owned()),
    ];
    let reserved = [0u64, 1, 9, 0xff, 0x100, 0xffff].map(|n| Address::left_padding_from(&n.to_be_bytes()));
    let ours = [own.executor, own.gas_registry, own.job_registry, own.keeper_registry];
    for target in reserved.into_iter().chain(ours) {
        // Of a job that the registry does not know, so that only this rule can refuse it.
        table.push((Claim { job: UNKNOWN, target, ..good.clone() }, "TargetRefused".to_owned()));
    }
    for (claim, expect) in table {
        let input = encode_execute(&claim, &data, &world.quorum(&claim));
        let reason = world.refused(keeper, &claim, input, TX_GAS).await;
        assert!(reason.contains(&expect), "{expect}: {reason}");
    }
    // The same claim, signed and then changed.
    let changed = Claim { fee_cap: good.fee_cap + U256::from(1), ..good.clone() };
    let input = encode_execute(&changed, &data, &world.quorum(&good));
    let reason = world.refused(keeper, &changed, input, TX_GAS).await;
    assert!(reason.contains("Signer"), "{reason}");

    assert!(world.execute(&good, &data).await.0.success, "and the good one goes through");
}

#[tokio::test]
async fn kind_seven_and_unknown_jobs_choose_their_target() {
    let Some(world) = World::start().await else { return };
    let data = world.record(1);
    let seven = world.job(7, Address::ZERO).await;
    for job in [seven, UNKNOWN] {
        let claim = world.claim(job, &data);
        assert!(world.execute(&claim, &data).await.0.success);
    }
    let claim = Claim { owner: world.admin.address(), ..world.claim(seven, &data) };
    let reason = world
        .refused(&world.keepers[0], &claim, encode_execute(&claim, &data, &world.quorum(&claim)), TX_GAS)
        .await;
    assert!(reason.contains("OwnerMismatch"), "{reason}");
}

#[tokio::test]
async fn a_task_is_used_once_and_a_deleted_job_never() {
    let Some(world) = World::start().await else { return };
    let job = world.job(1, world.target).await;
    let data = world.record(1);
    let claim = world.claim(job, &data);
    world.execute(&claim, &data).await;
    // The same again, by another keeper, and with another agreed call: the id is what counts.
    let other = world.record(2);
    let second = Claim { calldata_hash: keccak256(&other), ..claim.clone() };
    for (claim, data) in [(&claim, &data), (&second, &other)] {
        let input = encode_execute(claim, data, &world.quorum(claim));
        let reason = world.refused(&world.keepers[2], claim, input, TX_GAS).await;
        assert!(reason.contains("TaskUsed"), "{reason}");
    }
    // A call that failed inside used its id as well.
    let failing: Bytes = Target::failCall { why: "no".to_owned() }.abi_encode().into();
    let failed = world.claim(job, &failing);
    let (done, receipt) = world.execute(&failed, &failing).await;
    assert!(!done.success && !done.charged.is_zero());
    assert_eq!(world.returned(&receipt), Target::Refused { why: "no".to_owned() }.abi_encode_for_test());
    let input = encode_execute(&failed, &failing, &world.quorum(&failed));
    assert!(world.refused(&world.keepers[0], &failed, input, TX_GAS).await.contains("TaskUsed"));

    let delete = JobRegistry::deleteJobCall { jobId: job.0 };
    let registry = world.contracts.job_registry;
    assert!(world.tell(&world.stranger, registry, U256::ZERO, &delete).await.is_err(), "not the owner");
    world.tell(&world.owner, registry, U256::ZERO, &delete).await.expect("deleted");
    let late = world.claim(job, &data);
    let input = encode_execute(&late, &data, &world.quorum(&late));
    assert!(world.refused(&world.keepers[0], &late, input, TX_GAS).await.contains("JobNotActive"));
    assert_eq!(world.view(world.target, &Target::totalCall {}).await, U256::from(1));
}

#[tokio::test]
async fn only_a_quorum_of_distinct_registered_keepers_counts() {
    let Some(world) = World::start().await else { return };
    let job = world.job(1, world.target).await;
    let data = world.record(1);
    let claim = world.claim(job, &data);
    let [a, b, c] = [0, 1, 2].map(|n| &world.keepers[n]);
    let stranger = &world.stranger;
    let sign = |who: &[&argus_evm::LocalSigner]| world.sign(&claim, who);
    let mut outsider = vec![a, stranger];
    outsider.sort_by_key(|signer| signer.address());
    let malleable = {
        let mut two = sign(&[a, b]);
        two[1] = second_form(two[1]);
        two
    };
    let v_zero = {
        let mut two = sign(&[a, b]);
        two[0].0[64] = 0;
        two
    };
    for (what, signatures, expect) in [
        ("none", vec![], "QuorumNotMet"),
        ("too few", sign(&[a]), "QuorumNotMet"),
        ("one twice", sign(&[a, a]), "SignersNotAscending"),
        ("unsorted", sign(&[b, a]), "SignersNotAscending"),
        ("one twice beside a quorum", sign(&[a, b, b]), "SignersNotAscending"),
        ("a stranger's", sign(&outsider), "SignerNotKeeper"),
        ("second form", malleable, "MalleableSignature"),
        ("odd v", v_zero, "InvalidSignature"),
        ("nothing in them", vec![Signature([0; 65]); 2], "InvalidSignature"),
    ] {
        let reason = world.refused(a, &claim, encode_execute(&claim, &data, &signatures), TX_GAS).await;
        assert!(reason.contains(expect), "{what}: {reason}");
    }
    // The last argument is a length and 130 bytes in five words.
    let mut cut = encode_execute(&claim, &data, &sign(&[a, b])).to_vec();
    let length = cut.len() - 5 * 32 - 1;
    assert_eq!(std::mem::replace(&mut cut[length], 129), 130);
    let reason = world.refused(a, &claim, cut.into(), TX_GAS).await;
    assert!(reason.contains("SignatureLength"), "{reason}");

    // A good quorum in the hands of somebody who is no keeper.
    let reason = world.refused(stranger, &claim, encode_execute(&claim, &data, &sign(&[a, b])), TX_GAS).await;
    assert!(reason.contains("CallerNotKeeper"), "{reason}");

    // More than a quorum is fine.
    let receipt = world.send(b, encode_execute(&claim, &data, &sign(&[a, b, c])), TX_GAS).await;
    assert!(receipt.success);
}

// n - s with the other v: the same signature as far as mathematics goes (EIP-2).
fn second_form(signature: Signature) -> Signature {
    let order =
        U256::from_be_bytes(b256!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").0);
    let mut other = signature;
    let s = U256::from_be_slice(&signature.0[32..64]);
    other.0[32..64].copy_from_slice(&(order - s).to_be_bytes::<32>());
    other.0[64] = 27 + 28 - signature.0[64];
    other
}

trait EncodeForTest {
    fn abi_encode_for_test(&self) -> Bytes;
}

impl<T: alloy::sol_types::SolError> EncodeForTest for T {
    fn abi_encode_for_test(&self) -> Bytes {
        self.abi_encode().into()
    }
}

#[tokio::test]
async fn the_inner_call_gets_its_gas_or_nothing_happens() {
    let Some(world) = World::start().await else { return };
    let burner = world.deploy(include_str!("../../../contracts/out/GasBurner.json"), &[]).await;
    // available(): selector from the interface below.
    let data: Bytes = keccak256("available()")[..4].to_vec().into();
    let (mut refused, mut done) = (0, 0);
    for gas_limit in (100_000..600_000).step_by(12_345) {
        let claim = Claim { target: burner, ..world.claim(UNKNOWN, &data) };
        let input = encode_execute(&claim, &data, &world.quorum(&claim));
        let receipt = world.send(&world.keepers[0], input, gas_limit).await;
        assert_eq!(world.is_used(claim.task).await, receipt.success);
        if !receipt.success {
            refused += 1;
            continue;
        }
        done += 1;
        let had = U256::from_be_slice(&world.returned(&receipt));
        // What the target used before it looked: its dispatch.
        assert!(had > U256::from(CALL_GAS - 1_000), "{had} of {CALL_GAS} with {gas_limit}");
    }
    assert!(refused > 5 && done > 5, "both happen: {refused} refused, {done} done");
}

#[tokio::test]
async fn a_call_that_burns_all_it_was_given_is_still_settled() {
    let Some(world) = World::start().await else { return };
    let burner = world.deploy(include_str!("../../../contracts/out/GasBurner.json"), &[]).await;
    let data: Bytes = keccak256("burn()")[..4].to_vec().into();
    let attempt = async |keeper: usize, gas_limit: u64| {
        let claim = Claim { target: burner, ..world.claim(UNKNOWN, &data) };
        let input = encode_execute(&claim, &data, &world.quorum(&claim));
        world.send(&world.keepers[keeper], input, gas_limit).await
    };
    // The least gas with which it is executed.
    let (mut low, mut high) = (100_000, 600_000);
    while high - low > 500 {
        let middle = (low + high) / 2;
        if attempt(0, middle).await.success { high = middle } else { low = middle }
    }
    // Just below, it is refused by name and not by running dry, which would take all the gas; just above, even a
    // keeper's first and dearest credit is paid.
    for below in [500, 5_000, 20_000] {
        let receipt = attempt(0, low - below).await;
        assert!(!receipt.success && receipt.gas_used < low - below - 50_000, "{}", receipt.gas_used);
    }
    // (It did not sign, so the registry is read once more for it: 2,700 gas.)
    let receipt = attempt(2, high + 3_500).await;
    assert!(receipt.success);
    let event = world.reported(&receipt);
    assert!(!event.success && event.gas_used > CALL_GAS);
    assert_eq!(world.credit(world.keepers[2].address()).await, event.charged);
}

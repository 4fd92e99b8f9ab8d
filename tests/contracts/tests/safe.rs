//! Safes: made for their owner, and acting for the jobs of their owner alone.

use alloy::{
    primitives::{Address, B256, Bytes, U256, address},
    sol_types::{SolCall, SolError, SolEvent, SolValue},
};
use argus_contracts_tests::{TX_GAS, World, dev};
use argus_domain::{
    call::Claim,
    contracts::{TaskExecuted, encode_execute},
    ids::JobId,
};
use argus_evm::{
    LocalSigner,
    contracts::{JobRegistry, SafeFactory, SafeModule, Target, revert_reason},
    deploy::{SafeContracts, transact},
};
use argus_ports::{ChainReader, Signer, chain::At};

alloy::sol! {
    interface Safe {
        function getOwners() external view returns (address[] memory);
        function getThreshold() external view returns (uint256);
        function isModuleEnabled(address module) external view returns (bool);
        function enableModule(address module) external;
        function disableModule(address previous, address module) external;
        function addOwnerWithThreshold(address owner, uint256 threshold) external;
        function execTransaction(address to, uint256 value, bytes data, uint8 operation, uint256 safeTxGas, uint256 baseGas, uint256 gasPrice, address gasToken, address refundReceiver, bytes signatures) external payable returns (bool);
    }

    interface Proxies {
        function createProxyWithNonce(address singleton, bytes initializer, uint256 saltNonce) external returns (address);
    }

    function multiSend(bytes transactions) external payable;
}

/// First in a Safe's list of modules.
const SENTINEL: Address = address!("0000000000000000000000000000000000000001");
const NONE: Address = Address::ZERO;
const UNKNOWN: JobId = JobId(U256::ZERO);

/// A world with a Safe of the owner's that has the module, and a job of the owner's that calls it.
struct Yard {
    world: World,
    contracts: SafeContracts,
    safe: Address,
    job: JobId,
}

impl Yard {
    async fn start() -> Option<Self> {
        let world = World::start().await?;
        let contracts = world.safes;
        let safe = make(&world, &world.owner).await;
        as_safe(&world, &world.owner, safe, &Safe::enableModuleCall { module: contracts.module }).await;
        let job = world.job(1, contracts.module).await;
        Some(Self { world, contracts, safe, job })
    }

    /// The Safe records a value, as the SDK asks for it: with the owner that the job was written for.
    fn record(&self, value: u64) -> SafeModule::execJobFromHub_1Call {
        SafeModule::execJobFromHub_1Call {
            safe: self.safe,
            target: self.world.target,
            value: U256::ZERO,
            data: self.world.record(value),
            operation: 0,
            jobOwner: self.world.owner.address(),
        }
    }

    fn claim(&self, job: JobId, data: &Bytes) -> Claim {
        Claim { target: self.contracts.module, gas_limit: 500_000, ..self.world.claim(job, data) }
    }

    /// Has the executor make the call; whether it ran through, and with which reason it did not.
    async fn execute(&self, job: JobId, call: &impl SolCall) -> (TaskExecuted, String) {
        let data = call.abi_encode().into();
        let (done, receipt) = self.world.execute(&self.claim(job, &data), &data).await;
        let reason = revert_reason(&self.world.returned(&receipt));
        (done, reason)
    }

    async fn refused(&self, job: JobId, call: &impl SolCall, part: &str) {
        let before = self.total().await;
        let (done, reason) = self.execute(job, call).await;
        assert!(!done.success && reason.contains(part), "{reason}, not {part}");
        assert_eq!(self.total().await, before, "{part}: it acted");
    }

    /// How often the demo target was told something.
    async fn total(&self) -> U256 {
        self.world.view(self.world.target, &Target::totalCall {}).await
    }
}

/// A Safe of an account, made by our factory.
async fn make(world: &World, owner: &LocalSigner) -> Address {
    let call = SafeFactory::createSafeWalletCall { user: owner.address() };
    let receipt = world.tell(owner, world.safes.factory, U256::ZERO, &call).await.expect("a Safe");
    let mut made = receipt.logs.iter().filter(|log| log.address == world.safes.factory);
    let event = made.find_map(|log| {
        SafeFactory::SafeWalletCreated::decode_raw_log(log.topics.iter().copied(), &log.data).ok()
    });
    event.expect("SafeWalletCreated").safeWallet
}

/// A transaction of the Safe to itself, sent by its only owner: the owner's approval is that it sends it.
async fn as_safe(world: &World, owner: &LocalSigner, safe: Address, call: &impl SolCall) {
    let approved = [B256::left_padding_from(owner.address().as_slice()).as_slice(), &[0; 32], &[1]].concat();
    let call = Safe::execTransactionCall {
        to: safe,
        value: U256::ZERO,
        data: call.abi_encode().into(),
        operation: 0,
        safeTxGas: U256::ZERO,
        baseGas: U256::ZERO,
        gasPrice: U256::ZERO,
        gasToken: NONE,
        refundReceiver: NONE,
        signatures: approved.into(),
    };
    world.tell(owner, safe, U256::ZERO, &call).await.expect("a transaction of the Safe");
}

#[tokio::test]
async fn a_safe_belongs_to_whom_it_is_made_for_and_nobody_can_be_in_the_way() {
    let Some(world) = World::start().await else { return };
    let factory = world.safes.factory;
    let user = dev(6).address();
    let predicted = async || world.view(factory, &SafeFactory::predictSafeAddressCall { user }).await;
    let first = predicted().await;
    assert_eq!(make(&world, &dev(6)).await, first);
    assert_eq!(world.view(first, &Safe::getOwnersCall {}).await, [user]);
    assert_eq!(world.view(first, &Safe::getThresholdCall {}).await, U256::from(1));
    let module = world.safes.module;
    assert!(!world.view(first, &Safe::isModuleEnabledCall { module }).await, "that is its owner's decision");

    // A stranger makes the second one, by repeating what the factory sent for the first with the next number.
    let second = predicted().await;
    assert_ne!(second, first);
    let made = world.chain.code(second).await.expect("code");
    assert!(made.is_empty());
    let (proxies, input) = proxy_call(&world, user).await;
    world.tell(&world.stranger, proxies, U256::ZERO, &input).await.expect("made");
    assert!(
        !world.chain.code(second).await.expect("code").is_empty(),
        "it stands where the factory will want it"
    );
    assert_eq!(make(&world, &dev(6)).await, second);
    assert_eq!(world.view(second, &Safe::getOwnersCall {}).await, [user]);
    assert_eq!(world.view(factory, &SafeFactory::latestSafeWalletCall { user }).await, second);
    assert_eq!(world.view(factory, &SafeFactory::getSafeWalletsCall { user }).await, [first, second]);

    let nobody = SafeFactory::createSafeWalletCall { user: NONE };
    let error = world.tell(&world.stranger, factory, U256::ZERO, &nobody).await.expect_err("no owner");
    assert!(error.contains("ZeroAddress"), "{error}");
}

/// What the factory would send for the user's second Safe.
async fn proxy_call(world: &World, user: Address) -> (Address, Proxies::createProxyWithNonceCall) {
    alloy::sol! {
        interface Made {
            function proxyFactory() external view returns (address);
            function singleton() external view returns (address);
            function fallbackHandler() external view returns (address);
            function setup(address[] owners, uint256 threshold, address to, bytes data, address fallbackHandler, address paymentToken, uint256 payment, address paymentReceiver) external;
        }
    }
    let factory = world.safes.factory;
    let initializer = Made::setupCall {
        owners: vec![user],
        threshold: U256::from(1),
        to: NONE,
        data: Bytes::new(),
        fallbackHandler: world.view(factory, &Made::fallbackHandlerCall {}).await,
        paymentToken: NONE,
        payment: U256::ZERO,
        paymentReceiver: NONE,
    };
    let call = Proxies::createProxyWithNonceCall {
        singleton: world.view(factory, &Made::singletonCall {}).await,
        initializer: initializer.abi_encode().into(),
        saltNonce: U256::from(1),
    };
    (world.view(factory, &Made::proxyFactoryCall {}).await, call)
}

#[tokio::test]
async fn a_registered_job_acts_in_its_owner_s_safe() {
    let Some(yard) = Yard::start().await else { return };
    let (done, reason) = yard.execute(yard.job, &yard.record(5)).await;
    assert!(done.success, "{reason}");
    let value = Target::valueOfCall { key: "k".to_owned() };
    assert_eq!(yard.world.view(yard.world.target, &value).await, U256::from(5));
    // Without the owner in it, as scripts give it.
    let SafeModule::execJobFromHub_1Call { safe, target, value, data, operation, .. } = yard.record(6);
    let short = SafeModule::execJobFromHub_0Call { safe, target, value, data, operation };
    assert!(yard.execute(yard.job, &short).await.0.success);
    // A batch, and a job that chooses its target.
    let batch = multiSendCall { transactions: [packed(&yard, 7), packed(&yard, 8)].concat().into() };
    let batch = SafeModule::execJobFromHub_1Call {
        target: yard.contracts.multi_send_call_only,
        data: batch.abi_encode().into(),
        operation: 1,
        ..yard.record(0)
    };
    let seven = yard.world.job(7, NONE).await;
    for job in [yard.job, seven] {
        let (done, reason) = yard.execute(job, &batch).await;
        assert!(done.success, "{reason}");
    }
    assert_eq!(yard.total().await, U256::from(6));
    // Money of the Safe's own, and nobody else's.
    let to = Address::repeat_byte(9);
    let pay = SafeModule::execJobFromHub_1Call {
        target: to,
        value: U256::from(3),
        data: Bytes::new(),
        ..yard.record(0)
    };
    assert!(!yard.execute(yard.job, &pay).await.0.success, "the Safe has none");
    let (world, wei) = (&yard.world, U256::from(3));
    transact(&world.chain, &world.stranger, yard.safe, wei, Bytes::new()).await.expect("received");
    assert!(yard.execute(yard.job, &pay).await.0.success);
    assert_eq!(yard.world.chain.balance(to, At::Head).await.expect("balance"), U256::from(3));
}

/// One call of a batch: operation, target, value, length, data.
fn packed(yard: &Yard, value: u64) -> Vec<u8> {
    let data = yard.world.record(value);
    let length = U256::from(data.len()).abi_encode();
    [&[0u8][..], yard.world.target.as_slice(), &[0; 32], &length, &data].concat()
}

#[tokio::test]
async fn nobody_s_job_acts_in_another_s_safe() {
    let Some(yard) = Yard::start().await else { return };
    let world = &yard.world;
    let good = yard.record(1);
    let with = |change: fn(&mut SafeModule::execJobFromHub_1Call, &Yard)| {
        let mut call = yard.record(1);
        change(&mut call, &yard);
        call
    };
    // A Safe that another owns, with the module.
    let foreign = make(world, &world.stranger).await;
    as_safe(world, &world.stranger, foreign, &Safe::enableModuleCall { module: yard.contracts.module }).await;
    let at_foreign = SafeModule::execJobFromHub_1Call { safe: foreign, ..good.clone() };
    let seven = world.job(7, NONE).await;
    for job in [yard.job, seven] {
        yard.refused(job, &at_foreign, "NotSafeOwner").await;
    }
    // Where the quorum alone vouches for the owner.
    yard.refused(UNKNOWN, &good, "JobNotRegistered").await;
    yard.refused(yard.job, &with(|call, _| call.jobOwner = dev(4).address()), "JobOwnerMismatch").await;
    yard.refused(yard.job, &with(|call, _| call.operation = 1), "OperationRefused").await;
    yard.refused(yard.job, &with(|call, _| call.operation = 2), "OperationRefused").await;
    let own_call = |call: &mut SafeModule::execJobFromHub_1Call, yard: &Yard| {
        (call.target, call.operation) = (yard.contracts.module, 1);
    };
    yard.refused(yard.job, &with(own_call), "OperationRefused").await;
    // Past the executor: a keeper, and the owner itself.
    for caller in [&world.keepers[0], &world.owner] {
        let error = world.tell(caller, yard.contracts.module, U256::ZERO, &good).await.expect_err("refused");
        assert!(error.contains("NotExecutor"), "{error}");
    }
    // A target of the owner's own job that goes on to the module.
    let relay = world.deploy(include_str!("../../../contracts/out/Reenterer.json"), &[]).await;
    alloy::sol! {
        interface Relay {
            function load(address to, bytes input) external;
            function run() external;
        }
    }
    let load = Relay::loadCall { to: yard.contracts.module, input: good.abi_encode().into() };
    world.tell(&world.owner, relay, U256::ZERO, &load).await.expect("loaded");
    let run: Bytes = Relay::runCall {}.abi_encode().into();
    let claim = Claim { target: relay, ..yard.claim(seven, &run) };
    let (done, receipt) = world.execute(&claim, &run).await;
    let reason = revert_reason(&world.returned(&receipt));
    assert!(!done.success && reason.contains("NotExecutor"), "{reason}");
    // Deleted.
    let delete = JobRegistry::deleteJobCall { jobId: yard.job.0 };
    world.tell(&world.owner, world.contracts.job_registry, U256::ZERO, &delete).await.expect("deleted");
    let data = good.abi_encode().into();
    let claim = yard.claim(yard.job, &data);
    let input = encode_execute(&claim, &data, &world.quorum(&claim));
    let reason = world.refused(&world.keepers[0], &claim, input, TX_GAS).await;
    assert!(reason.contains("JobNotActive"), "{reason}");
    assert_eq!(yard.total().await, U256::ZERO);
}

#[tokio::test]
async fn an_owner_s_job_can_do_no_more_than_the_owner() {
    let Some(yard) = Yard::start().await else { return };
    let world = &yard.world;
    assert!(yard.execute(yard.job, &yard.record(1)).await.0.success);
    // Without the module.
    let disable = Safe::disableModuleCall { previous: SENTINEL, module: yard.contracts.module };
    as_safe(world, &world.owner, yard.safe, &disable).await;
    yard.refused(yard.job, &yard.record(2), "GS104").await;
    as_safe(world, &world.owner, yard.safe, &Safe::enableModuleCall { module: yard.contracts.module }).await;
    assert!(yard.execute(yard.job, &yard.record(3)).await.0.success);
    // Where two have to agree.
    let second = Safe::addOwnerWithThresholdCall { owner: dev(6).address(), threshold: U256::from(2) };
    as_safe(world, &world.owner, yard.safe, &second).await;
    yard.refused(yard.job, &yard.record(4), "OwnersMustAgree").await;
    // A call that fails fails as it does without a Safe.
    let safe = make(world, &world.owner).await;
    as_safe(world, &world.owner, safe, &Safe::enableModuleCall { module: yard.contracts.module }).await;
    let data = Target::failCall { why: "because".to_owned() }.abi_encode().into();
    let failing = SafeModule::execJobFromHub_1Call { safe, data, ..yard.record(0) };
    let (done, receipt) = {
        let data: Bytes = failing.abi_encode().into();
        world.execute(&yard.claim(yard.job, &data), &data).await
    };
    let said = Target::Refused { why: "because".to_owned() };
    assert!(!done.success);
    assert_eq!(world.returned(&receipt), Bytes::from(said.abi_encode()));
}

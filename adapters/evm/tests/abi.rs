//! Our contracts, as this crate and `argus_domain::contracts` write them out, are those of the committed build.

use std::collections::BTreeSet;

use alloy::{
    primitives::{Address, B256, Bytes, U256, address, keccak256},
    sol_types::{SolError, SolInterface},
};
use alloy_json_abi::JsonAbi;
use argus_domain::{
    call::Claim,
    contracts as domain,
    ids::{JobId, KeeperId, TaskId},
    time::Timestamp,
};
use argus_evm::{
    artefacts::Contract,
    contracts::{Executor, GasRegistry, JobRegistry, KeeperRegistry, SafeFactory, SafeModule, Target},
};

fn abi(contract: Contract) -> JsonAbi {
    #[derive(serde::Deserialize)]
    struct Artefact {
        abi: JsonAbi,
    }
    serde_json::from_str::<Artefact>(contract.artefact()).expect("an artefact").abi
}

fn subset<T: Ord + std::fmt::Debug>(
    contract: Contract,
    ours: impl IntoIterator<Item = T>,
    built: impl IntoIterator<Item = T>,
) {
    let built: BTreeSet<T> = built.into_iter().collect();
    for item in ours {
        assert!(built.contains(&item), "{contract:?} has no {item:?}");
    }
}

fn functions(abi: &JsonAbi) -> impl Iterator<Item = [u8; 4]> {
    abi.functions().map(|f| f.selector().0)
}

macro_rules! check {
    ($contract:ident, $calls:ident, $events:ident, $errors:ident) => {{
        let abi = abi(Contract::$contract);
        subset(Contract::$contract, $contract::$calls::SELECTORS.iter().copied(), functions(&abi));
        subset(
            Contract::$contract,
            $contract::$events::SELECTORS.iter().copied(),
            abi.events().map(|e| e.selector().0),
        );
        subset(Contract::$contract, $contract::$errors::selectors(), abi.errors().map(|e| e.selector().0));
    }};
}

#[test]
fn the_interfaces_are_those_of_the_build() {
    check!(KeeperRegistry, KeeperRegistryCalls, KeeperRegistryEvents, KeeperRegistryErrors);
    let jobs = abi(Contract::JobRegistry);
    subset(Contract::JobRegistry, JobRegistry::JobRegistryCalls::SELECTORS.iter().copied(), functions(&jobs));
    let refusals = jobs.errors().map(|e| e.selector().0);
    subset(Contract::JobRegistry, JobRegistry::JobRegistryErrors::selectors(), refusals);
    check!(GasRegistry, GasRegistryCalls, GasRegistryEvents, GasRegistryErrors);
    check!(Executor, ExecutorCalls, ExecutorEvents, ExecutorErrors);
    check!(Target, TargetCalls, TargetEvents, TargetErrors);
    check!(SafeFactory, SafeFactoryCalls, SafeFactoryEvents, SafeFactoryErrors);
    let module = abi(Contract::SafeModule);
    let refusals = module.errors().map(|e| e.selector().0);
    subset(Contract::SafeModule, SafeModule::SafeModuleErrors::selectors(), refusals);
    subset(Contract::SafeModule, SafeModule::SafeModuleCalls::SELECTORS.iter().copied(), functions(&module));
}

#[test]
fn every_refusal_of_the_executor_is_named_here() {
    let ours: BTreeSet<[u8; 4]> = Executor::ExecutorErrors::selectors().collect();
    let foreign = ["NotOwner", "ZeroAddress"];
    for error in abi(Contract::Executor).errors().filter(|error| !foreign.contains(&error.name.as_str())) {
        assert!(ours.contains(&error.selector().0), "{} is missing", error.name);
    }
}

#[test]
fn the_refusal_of_a_deleted_job_is_known_by_its_data() {
    let job = U256::from(7);
    let data = Executor::JobNotActive { jobId: job }.abi_encode();
    assert!(domain::is_job_not_active(&data.into()));
    for other in [Executor::TaskUsed { taskId: B256::ZERO }.abi_encode(), vec![], vec![0; 36]] {
        assert!(!domain::is_job_not_active(&other.into()));
    }
}

#[test]
fn each_build_holds_creation_code() {
    for contract in [
        Contract::KeeperRegistry,
        Contract::JobRegistry,
        Contract::GasRegistry,
        Contract::Executor,
        Contract::Target,
        Contract::SafeFactory,
        Contract::SafeModule,
    ] {
        let code = contract.creation_code(&[]);
        assert!(code.len() > 100, "{contract:?}");
        // EIP-170 and EIP-3860 leave room; a contract near the limit would fail to deploy.
        assert!(code.len() < 20_000, "{contract:?}: {}", code.len());
    }
}

/// Safe's contracts have the same addresses on every chain because they follow from their code. So this is that code.
#[test]
fn safe_s_contracts_are_those_of_every_chain() {
    let deployer = address!("914d7Fec6aaC8cd542e72Bca78B30650d45643d7");
    for (contract, known) in [
        (Contract::SafeSingleton, address!("41675C099F32341bf84BFc5382aF534df5C7461a")),
        (Contract::SafeProxyFactory, address!("4e1DCf7AD4e460CfD30791CCC4F9c8a4f820ec67")),
        (Contract::SafeFallbackHandler, address!("fd0732Dc9E303f09fCEf3a7388Ad10A83459Ec99")),
        (Contract::MultiSendCallOnly, address!("9641d764fc13c8B624c04430C7356C1C7C8102e2")),
    ] {
        assert_eq!(
            deployer.create2(B256::ZERO, keccak256(contract.creation_code(&[]))),
            known,
            "{contract:?}"
        );
    }
}

#[test]
fn what_services_speak_is_in_the_build() {
    let (task, job, account) = (TaskId(B256::ZERO), JobId(U256::ZERO), Address::ZERO);
    let claim = Claim {
        task,
        job,
        owner: account,
        target: account,
        value: U256::ZERO,
        calldata_hash: B256::ZERO,
        gas_limit: 0,
        fee_cap: U256::ZERO,
        valid_until: Timestamp(0),
    };
    for (contract, name, input) in [
        (Contract::Executor, "execute", domain::encode_execute(&claim, &Bytes::new(), &[])),
        (Contract::Executor, "isUsed", domain::encode_is_used(task)),
        (Contract::Executor, "fee", domain::encode_fee()),
        (Contract::KeeperRegistry, "keepers", domain::encode_keepers()),
        (Contract::KeeperRegistry, "keeper", domain::encode_keeper(KeeperId(account))),
        (Contract::KeeperRegistry, "quorum", domain::encode_quorum()),
        (Contract::JobRegistry, "job", domain::encode_job(job)),
        (Contract::GasRegistry, "getBalance", domain::encode_balance(account)),
    ] {
        let abi = abi(contract);
        let function = abi.function(name).and_then(|all| all.first()).expect(name);
        assert_eq!(input[..4], function.selector().0, "{contract:?}.{name}");
    }
    for (contract, name, topic) in [
        (Contract::Executor, "TaskExecuted", domain::TASK_EXECUTED),
        (Contract::JobRegistry, "JobCreated", domain::JOB_CREATED),
        (Contract::JobRegistry, "JobDeleted", domain::JOB_DELETED),
    ] {
        let abi = abi(contract);
        let event = abi.event(name).and_then(|all| all.first()).expect(name);
        assert_eq!(topic, event.selector(), "{contract:?}.{name}");
    }
}

#[test]
fn topics_that_clients_rely_on() {
    let abi = abi(Contract::JobRegistry);
    let created = abi.event("JobCreated").and_then(|events| events.first()).expect("the event");
    assert_eq!(created.signature(), "JobCreated(uint256,address,bytes32,uint256)");
    // The first four bytes that the original registry's clients know for this refusal.
    let missing = abi.error("MissingTimeInterval").and_then(|errors| errors.first()).expect("the error");
    assert_eq!(missing.selector().0, [0x84, 0x85, 0x99, 0x57]);
}

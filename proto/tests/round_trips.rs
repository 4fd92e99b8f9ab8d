//! Whatever is written is read back as it was, and whatever bytes come, reading ends with a value or a fault that
//! names its field.

mod strategies;

use std::fmt::Debug;

use argus_domain::{
    Address, B256, U256,
    access::{ApiKey, Role},
    act::{AttemptOutcome, HandoffOrder, Intent, PerformEvent},
    attempt::{Answer, SecondRound, SignedAssignment},
    decision::Decision,
    fees::{LedgerEntry, LedgerReason},
    ids::{ChainId, KeeperId},
    job::{Cursor, Job},
    keeper::{KeeperHello, KeeperRecord, LiveKeeper},
    limits::Limits,
    module::{Cid, EngineId, Language, ModuleRecord, ModuleRef, Shape, WasmHash},
    run::Transcript,
    task::{Fact, Task},
    time::Timestamp,
};
use argus_proto::{Malformed, Wire, decode, encode, v1};
use proptest::prelude::*;
use strategies as s;

fn check<T: Wire + PartialEq + Debug>(value: &T) {
    let bytes = encode(value);
    assert_eq!(decode::<T>(&bytes).as_ref(), Ok(value));
    // A torn tail is a fault or another value, and never a panic.
    for length in [bytes.len() / 3, bytes.len() / 2, bytes.len().saturating_sub(1)] {
        let _ = decode::<T>(&bytes[..length]);
    }
}

/// What was stored before a limit was thought of has its default.
#[test]
fn limits_of_old_have_the_default_of_what_they_do_not_name() {
    let old = v1::Limits { command_bytes: 0, ..Limits::CEILING.to_wire() };
    let command_bytes = Limits::DEFAULT.command_bytes;
    assert_eq!(Limits::from_wire(old), Ok(Limits { command_bytes, ..Limits::CEILING }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn jobs(value in s::job()) { check(&value); }

    #[test]
    fn cursors(value in s::cursor()) { check(&value); }

    #[test]
    fn decisions(value in s::decision()) { check(&value); }

    #[test]
    fn tasks(value in s::task()) { check(&value); }

    #[test]
    fn facts(value in s::fact()) { check(&value); }

    #[test]
    fn assignments(value in s::assignment()) { check(&value); }

    #[test]
    fn answers(value in s::answer()) { check(&value); }

    #[test]
    fn second_rounds(value in s::second_round()) { check(&value); }

    #[test]
    fn intents(value in s::intent()) { check(&value); }

    #[test]
    fn orders(value in s::order()) { check(&value); }

    #[test]
    fn outcomes(value in s::outcome()) { check(&value); }

    #[test]
    fn perform_events(value in s::perform_event()) { check(&value); }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (decode::<Job>(&bytes), decode::<Cursor>(&bytes), decode::<Task>(&bytes));
        let _ = (decode::<Fact>(&bytes), decode::<SignedAssignment>(&bytes), decode::<Answer>(&bytes));
        let _ = (decode::<SecondRound>(&bytes), decode::<Intent>(&bytes), decode::<HandoffOrder>(&bytes));
        let _ = (decode::<AttemptOutcome>(&bytes), decode::<PerformEvent>(&bytes), decode::<Transcript>(&bytes));
        let _ = decode::<Decision>(&bytes);
        let _ = (decode::<KeeperHello>(&bytes), decode::<LiveKeeper>(&bytes), decode::<ApiKey>(&bytes));
    }

    #[test]
    fn bytes_with_one_changed(value in s::fact(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = encode(&value);
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = decode::<Fact>(&bytes);
    }
}

#[test]
fn people_and_modules() {
    let keeper = KeeperId(Address::repeat_byte(7));
    let hello = KeeperHello {
        keeper,
        engines: [EngineId(B256::repeat_byte(1))].into(),
        chains: [ChainId(1), ChainId(u64::MAX)].into(),
        capacity: 3,
        version: "0.1.0".to_owned(),
        box_key: Some(B256::repeat_byte(8)),
    };
    check(&hello);
    check(&LiveKeeper { hello, load: 2, heard_at: Timestamp(9), stake: u128::MAX, faults: 1 });
    check(&KeeperRecord {
        keeper,
        name: "one".to_owned(),
        stake: 5,
        chains: [ChainId(2)].into(),
        faults: 0,
        registered_at: Timestamp(4),
    });
    use LedgerReason::{Attested, Charged, Earned, JobCreated};
    for reason in [Charged, Earned, JobCreated, Attested] {
        let account = Address::ZERO;
        check(&LedgerEntry { key: B256::ZERO, reason, account, amount: U256::MAX });
    }
    for role in [Role::User, Role::App, Role::Keeper, Role::Admin] {
        check(&ApiKey {
            id: "k1".to_owned(),
            hash: B256::ZERO,
            masked: "TGRX…1234".to_owned(),
            owner: Address::ZERO,
            role,
            rate_limit: 60,
            created_at: Timestamp(1),
            revoked_at: (role == Role::App).then_some(Timestamp(0)),
            expires_at: (role == Role::User).then_some(Timestamp(2)),
            last_used: (role == Role::Admin).then_some(Timestamp(3)),
        });
    }
    for shape in [Shape::Script, Shape::Reactor, Shape::Command, Shape::Component] {
        check(&ModuleRecord {
            module: ModuleRef { source: Cid("bafk".to_owned()), language: Language::Go },
            wasm_hash: WasmHash(B256::repeat_byte(3)),
            source_bytes: 1,
            module_bytes: u64::MAX,
            shape,
            published_at: Timestamp::MAX,
        });
    }
}

#[test]
fn a_fault_names_its_field() {
    fn fault<T: Wire + Debug>(message: T::Message) -> String {
        T::from_wire(message).expect_err("it is malformed").field
    }
    assert_eq!(fault::<Job>(v1::Job::default()), "id");
    assert_eq!(fault::<Fact>(v1::Fact::default()), "kind");
    assert_eq!(fault::<Task>(v1::Task { id: vec![0; 32], job: vec![0; 31], ..Default::default() }), "job");
    let observation = v1::Observation { task: vec![1; 32], attempt: 70_000, ..Default::default() };
    let kind = Some(v1::fact::Kind::Observed(observation));
    assert_eq!(fault::<Fact>(v1::Fact { kind }), "observed.attempt");
    let module = v1::ModuleRef { source_cid: "bafk".to_owned(), language: 0 };
    assert_eq!(fault::<ModuleRef>(module), "language");
    let Err(Malformed { field, reason }) = decode::<Job>(&[0xff; 9]) else { panic!("it was read") };
    assert!(field.is_empty() && reason.starts_with("no protobuf"), "{field} {reason}");
}

//! Strategies for domain values.

use std::sync::Arc;

use argus_domain::{
    Address, B256, Bytes, U256, Value,
    act::{AttemptOutcome, HandoffOrder, Intent, PerformEvent},
    attempt::{
        Answer, Assignment, Attempt, Observation, Output, Priority, SecondRound, SignedAssignment,
        SignedClaim, TraceId,
    },
    call::{Call, Signature},
    chain::{Log, Pin, SignedTx, TxDraft},
    decimal::Decimal,
    decision::{Compared, Decision, Outcome, Unmatched},
    difference::{CallDifference, Disagreement, MadeCall, Remedy, Side, ValueDifference},
    event::{EventFilter, ParameterPlace, ParameterTest},
    ids::{AttemptNo, ChainId, JobId, KeeperId, Occurrence, Round, Serial, TaskId, TaskNumber},
    job::{
        Action, Agreement, Args, Crossing, Cursor, Job, Link, Misfire, Mode, Policy, Position, Remarks, Safe,
        Target, Trigger,
    },
    limits::Limits,
    module::{Cid, EngineId, Language, ModuleRef},
    rule::{Comparison, KeyRoute, Rule, SourceKind, ValueSource},
    run::{HostCall, Transcript},
    schedule::Schedule,
    seal::{PATH_MAX, Seal},
    secret::SecretName,
    state::{State, StateRef},
    task::{
        Agreed, AgreedHow, Broadcast, Challenge, Fact, Handoff, Receipt, Settlement, Task, TriggerFact,
        Verdict,
    },
    time::Timestamp,
};
use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::*,
};

pub fn hash() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::new)
}

pub fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::new)
}

pub fn word() -> impl Strategy<Value = U256> {
    prop_oneof![any::<[u8; 32]>().prop_map(U256::from_be_bytes::<32>), any::<u64>().prop_map(U256::from)]
}

pub fn blob() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

pub fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}

pub fn at() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp)
}

pub fn keeper() -> impl Strategy<Value = KeeperId> {
    address().prop_map(KeeperId)
}

pub fn task_id() -> impl Strategy<Value = TaskId> {
    hash().prop_map(TaskId)
}

pub fn job_id() -> impl Strategy<Value = JobId> {
    word().prop_map(JobId)
}

pub fn chain() -> impl Strategy<Value = ChainId> {
    any::<u64>().prop_map(ChainId)
}

pub fn attempt_no() -> impl Strategy<Value = AttemptNo> {
    any::<u16>().prop_map(AttemptNo)
}

pub fn signature() -> impl Strategy<Value = Signature> {
    any::<[u8; 65]>().prop_map(Signature)
}

pub fn decimal() -> impl Strategy<Value = Decimal> {
    "-?[0-9]{1,30}(\\.[0-9]{1,30})?".prop_map(|text| text.parse().expect("a decimal"))
}

pub fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "-?[1-9][0-9]{0,40}(\\.[0-9]{1,9})?".prop_map(|n| serde_json::from_str(&n).expect("a number")),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::Array),
            vec((text(), inner), 0..3).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

pub fn schedule() -> impl Strategy<Value = Schedule> {
    prop_oneof![
        any::<u64>().prop_map(|every_secs| Schedule::Interval { every_secs }),
        (text(), prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("America/Argentina/Buenos_Aires")])
            .prop_map(|(expression, zone)| Schedule::Cron {
                expression,
                zone: zone.parse().expect("a zone")
            }),
        at().prop_map(|at| Schedule::Once { at }),
    ]
}

pub fn event_filter() -> impl Strategy<Value = EventFilter> {
    let place = prop_oneof![
        (any::<u8>(), hash()).prop_map(|(index, word)| ParameterPlace::Topic { index, word }),
        (vec(text(), 0..3), any::<u32>(), blob()).prop_map(|(types, index, encoded)| {
            ParameterPlace::Data { types, index: index as usize, encoded }
        }),
    ];
    let test = (text(), text(), place).prop_map(|(name, value, place)| ParameterTest { name, value, place });
    (chain(), address(), text(), hash(), option::of(test), any::<u64>()).prop_map(
        |(chain, contract, signature, topic0, test, confirmations)| EventFilter {
            chain,
            contract,
            signature,
            topic0,
            test,
            confirmations,
        },
    )
}

fn comparison() -> impl Strategy<Value = Comparison> {
    prop_oneof![
        decimal().prop_map(Comparison::GreaterThan),
        decimal().prop_map(Comparison::LessThan),
        (decimal(), decimal()).prop_map(|(a, b)| Comparison::Between(a, b)),
        decimal().prop_map(Comparison::Equals),
        decimal().prop_map(Comparison::NotEquals),
        decimal().prop_map(Comparison::GreaterEqual),
        decimal().prop_map(Comparison::LessEqual),
    ]
}

pub fn decision() -> impl Strategy<Value = Decision> {
    let compared =
        || (decimal(), comparison()).prop_map(|(value, comparison)| Compared { value, comparison });
    let misfire = prop_oneof![Just(Misfire::RunOnce), Just(Misfire::Skip), Just(Misfire::CatchUp)];
    let unmatched = (any::<u64>(), hash(), text(), text(), text()).prop_map(
        |(block, transaction, parameter, expected, found)| Unmatched {
            block,
            transaction,
            parameter,
            expected,
            found,
        },
    );
    let outcome = prop_oneof![
        (at(), misfire).prop_map(|(from, misfire)| Outcome::PassedOver { from, misfire }),
        job_id().prop_map(|by| Outcome::Held { by }),
        at().prop_map(|since| Outcome::Paused { since }),
        Just(Outcome::Expired),
        compared().prop_map(Outcome::Unfulfilled),
        compared().prop_map(Outcome::StillFulfilled),
        (compared(), at()).prop_map(|(compared, until)| Outcome::Cooling { compared, until }),
        text().prop_map(|reason| Outcome::Unread { reason }),
        unmatched.prop_map(Outcome::Unmatched),
    ];
    (any::<u32>(), outcome, any::<u64>(), at(), at()).prop_map(|(task, outcome, count, first_at, last_at)| {
        Decision { task: TaskNumber(task), outcome, count, first_at, last_at }
    })
}

pub fn rule() -> impl Strategy<Value = Rule> {
    let kind = prop_oneof![
        Just(SourceKind::Api),
        Just(SourceKind::Oracle),
        Just(SourceKind::Static),
        Just(SourceKind::WebSocket)
    ];
    let route = vec(text(), 0..3).prop_map(|steps| KeyRoute { steps });
    (comparison(), kind, text(), option::of(route), any::<u64>()).prop_map(
        |(comparison, kind, url, route, cooldown_secs)| Rule {
            comparison,
            source: ValueSource { kind, url, route },
            cooldown_secs,
        },
    )
}

pub fn module() -> impl Strategy<Value = ModuleRef> {
    let language = prop_oneof![
        Just(Language::TypeScript),
        Just(Language::JavaScript),
        Just(Language::Go),
        Just(Language::Python),
        Just(Language::Wasm)
    ];
    ("[a-z2-7]{1,20}", language).prop_map(|(source, language)| ModuleRef { source: Cid(source), language })
}

pub fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![
        (any::<u8>(), any::<u8>()).prop_map(|(keepers, threshold)| Mode::Quorum { keepers, threshold }),
        Just(Mode::Solo)
    ]
}

pub fn agreement() -> impl Strategy<Value = Agreement> {
    prop_oneof![
        decimal().prop_map(|tolerance| Agreement::Median { tolerance }),
        Just(Agreement::Exact),
        Just(Agreement::TrustPerformer)
    ]
}

pub fn limits() -> impl Strategy<Value = Limits> {
    (any::<[u64; 7]>(), any::<[u32; 4]>()).prop_map(|(a, b)| Limits {
        fuel_max: a[0],
        memory_bytes: a[1],
        wall_ms: a[2],
        output_bytes: a[3],
        log_bytes: a[4],
        http_body_bytes: a[5],
        http_wall_ms: a[6],
        host_calls: b[0],
        http_calls: b[1],
        evm_calls: b[2],
        json_depth: b[3],
        table_elements: a[0] ^ a[1],
        command_bytes: (a[2] ^ a[3]).max(1),
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    let misfire = prop_oneof![Just(Misfire::RunOnce), Just(Misfire::Skip), Just(Misfire::CatchUp)];
    (mode(), agreement(), misfire, word(), any::<u64>()).prop_map(
        |(mode, agreement, misfire, fee_cap, gas_limit)| Policy {
            mode,
            agreement,
            misfire,
            fee_cap,
            gas_limit,
        },
    )
}

fn secret_name() -> impl Strategy<Value = SecretName> {
    "[B-Z_][A-Za-z0-9_]{0,20}".prop_filter_map("it is free", |name| name.parse().ok())
}

pub fn job() -> impl Strategy<Value = Job> {
    let trigger = prop_oneof![
        schedule().prop_map(Trigger::Time),
        event_filter().prop_map(Trigger::Event),
        rule().prop_map(Trigger::Condition)
    ];
    let args = prop_oneof![
        vec(json(), 0..3).prop_map(Args::Fixed),
        (
            (module(), text(), vec(text(), 0..3), vec(json(), 0..3)),
            any::<bool>(),
            btree_set(secret_name(), 0..3)
        )
            .prop_map(|((module, url, allow_hosts, given), storage, secrets)| {
                Args::Computed { module, url, allow_hosts, given, storage, secrets }
            })
    ];
    let target = (chain(), address(), text(), text(), text()).prop_map(
        |(chain, contract, signature, function, abi)| Target { chain, contract, signature, function, abi },
    );
    let action =
        prop_oneof![target.prop_map(Action::Call), chain().prop_map(|chain| Action::Script { chain })];
    let link = (any::<u32>(), option::of(job_id()), option::of(job_id()))
        .prop_map(|(position, previous, next)| Link { position, previous, next });
    let remarks = (any::<bool>(), text(), any::<bool>(), option::of(decimal()), text()).prop_map(
        |(custom, language, is_imua, cost_prediction, timezone)| Remarks {
            custom,
            language,
            is_imua,
            cost_prediction,
            timezone,
        },
    );
    let safe = (address(), text()).prop_map(|(address, name)| Safe { address, name });
    let head = (job_id(), any::<u32>(), any::<u32>(), address(), text(), at(), at(), any::<bool>());
    let body = (trigger, args, action, policy(), limits());
    (head, body, option::of(link), chain(), option::of(safe), remarks).prop_map(
        |(head, body, link, created_chain, safe, remarks)| Job {
            id: head.0,
            version: head.1,
            serial: Serial(head.2),
            owner: head.3,
            title: head.4,
            accepted_at: head.5,
            expires_at: head.6,
            recurring: head.7,
            trigger: body.0,
            args: body.1,
            action: body.2,
            policy: body.3,
            limits: body.4,
            link,
            created_chain,
            safe,
            remarks,
        },
    )
}

pub fn cursor() -> impl Strategy<Value = Cursor> {
    let crossing = (any::<u64>(), decimal(), at(), any::<bool>())
        .prop_map(|(ordinal, value, at, opened)| Crossing { ordinal, value, at, opened });
    let position = prop_oneof![
        Just(Position::Time),
        any::<u64>().prop_map(|block| Position::Event { block }),
        (any::<u64>(), option::of(any::<bool>()), option::of(crossing))
            .prop_map(|(crossings, held, last)| Position::Condition { crossings, held, last })
    ];
    (job_id(), any::<u64>(), option::of(at()), any::<u32>(), position, any::<bool>()).prop_map(
        |(job, revision, next_due, opened, position, finished)| Cursor {
            job,
            revision,
            next_due,
            opened: TaskNumber(opened),
            position,
            finished,
        },
    )
}

fn log() -> impl Strategy<Value = Log> {
    (chain(), address(), vec(hash(), 0..4), blob(), any::<[u64; 2]>(), hash(), hash(), any::<[u32; 2]>())
        .prop_map(|(chain, address, topics, data, n, block_hash, transaction, i)| Log {
            chain,
            address,
            topics,
            data,
            block_number: n[0],
            block_hash,
            block_time: Timestamp(n[1]),
            transaction,
            index_in_block: i[0],
            index_in_transaction: i[1],
        })
}

pub fn task() -> impl Strategy<Value = Task> {
    let occurrence = prop_oneof![
        at().prop_map(Occurrence::Time),
        (chain(), hash(), any::<u32>()).prop_map(|(c, t, p)| Occurrence::Event(c, t, p)),
        any::<u64>().prop_map(Occurrence::Condition)
    ];
    let trigger = prop_oneof![
        Just(TriggerFact::Due),
        log().prop_map(TriggerFact::Log),
        (decimal(), at()).prop_map(|(value, at)| TriggerFact::Value { value, at }),
        Just(TriggerFact::Manual)
    ];
    (task_id(), job_id(), any::<[u32; 3]>(), occurrence, at(), at(), trigger).prop_map(
        |(id, job, n, occurrence, due, opened_at, trigger)| Task {
            id,
            job,
            job_version: n[0],
            serial: Serial(n[1]),
            number: TaskNumber(n[2]),
            occurrence,
            due,
            opened_at,
            trigger,
        },
    )
}

pub fn attempt() -> impl Strategy<Value = Attempt> {
    let pin = (any::<u64>(), hash()).prop_map(|(number, hash)| Pin { number, hash });
    let priority = prop_oneof![Just(Priority::Reaction), Just(Priority::OnTime), Just(Priority::Late)];
    let pins = proptest::collection::btree_map(chain(), pin, 0..3);
    let what = (task_id(), attempt_no(), vec(keeper(), 0..4), mode(), agreement(), pins, hash(), limits());
    let when = (at(), at(), at(), word(), any::<u64>(), any::<u128>(), priority, option::of(state_ref()));
    (what, when).prop_map(|(what, when)| Attempt {
        task: what.0,
        no: what.1,
        keepers: what.2,
        mode: what.3,
        agreement: what.4,
        pins: what.5,
        engine: EngineId(what.6),
        limits: what.7,
        begun_at: when.0,
        deadline: when.1,
        valid_until: when.2,
        fee_cap: when.3,
        gas_limit: when.4,
        trace: TraceId(when.5),
        priority: when.6,
        state: when.7,
    })
}

fn call() -> impl Strategy<Value = Call> {
    (chain(), address(), word(), blob(), vec(json(), 0..3)).prop_map(
        |(chain, target, value, calldata, arguments)| Call { chain, target, value, calldata, arguments },
    )
}

pub fn observation() -> impl Strategy<Value = Observation> {
    let output = prop_oneof![
        call().prop_map(Output::Call),
        text().prop_map(Output::Skip),
        text().prop_map(Output::Fail)
    ];
    let last = (output, option::of(hash()), seal());
    (task_id(), attempt_no(), keeper(), [hash(), hash(), hash(), hash()], any::<u64>(), last).prop_map(
        |(task, attempt, keeper, h, fuel, (output, state, seal))| Observation {
            task,
            attempt,
            keeper,
            module: h[0],
            engine: EngineId(h[1]),
            input: h[2],
            transcript_root: h[3],
            fuel,
            output,
            state,
            seal,
        },
    )
}

pub fn state() -> impl Strategy<Value = Arc<State>> {
    vec(("[a-z]{1,4}", blob()), 0..3).prop_map(|entries| {
        let mut state = State::default();
        for (key, value) in entries {
            state.set(&key, value).expect("small");
        }
        Arc::new(state)
    })
}

fn state_ref() -> impl Strategy<Value = StateRef> {
    (hash(), any::<u32>()).prop_map(|(root, version)| StateRef { root, version: TaskNumber(version) })
}

pub fn claim() -> impl Strategy<Value = SignedClaim> {
    (task_id(), attempt_no(), any::<u8>(), keeper(), hash(), signature()).prop_map(
        |(task, attempt, round, keeper, digest, signature)| SignedClaim {
            task,
            attempt,
            round: Round(round),
            keeper,
            digest,
            signature,
        },
    )
}

pub fn seal() -> impl Strategy<Value = Seal> {
    (vec(hash(), 0..=PATH_MAX), signature()).prop_map(|(path, signature)| Seal { path, signature })
}

pub fn transcript() -> impl Strategy<Value = Transcript> {
    let call = (any::<u32>(), text(), hash(), text(), text(), any::<[u64; 2]>()).prop_map(
        |(sequence, import, request_hash, request, reply, n)| HostCall {
            sequence,
            import,
            request_hash,
            request,
            reply,
            fuel: n[0],
            elapsed_ms: n[1],
        },
    );
    vec(call, 0..3).prop_map(|calls| Transcript { calls })
}

pub fn answer() -> impl Strategy<Value = Answer> {
    (observation(), option::of(claim()), transcript(), text(), option::of(state())).prop_map(
        |(observation, claim, transcript, log, state)| Answer {
            observation: observation.into(),
            claim,
            transcript,
            log,
            state,
        },
    )
}

pub fn second_round() -> impl Strategy<Value = SecondRound> {
    let observations = vec(observation().prop_map(Arc::new), 0..3);
    (task_id(), attempt_no(), observations, keeper(), transcript(), vec(keeper(), 0..3)).prop_map(
        |(task, attempt, observations, chosen, transcript, refuted)| SecondRound {
            task,
            attempt,
            observations,
            chosen,
            transcript,
            refuted,
        },
    )
}

pub fn assignment() -> impl Strategy<Value = SignedAssignment> {
    (job(), task(), attempt(), seal(), option::of(state())).prop_map(|(job, task, attempt, seal, state)| {
        let assignment = Assignment { job: job.into(), task: task.into(), attempt: attempt.into() };
        SignedAssignment { assignment: Arc::new(assignment), seal, state }
    })
}

pub fn agreed() -> impl Strategy<Value = Agreed> {
    let how = prop_oneof![
        Just(AgreedHow::Equal),
        Just(AgreedHow::Median),
        Just(AgreedHow::Tolerance),
        Just(AgreedHow::Performer),
        Just(AgreedHow::Solo)
    ];
    let signed = vec((keeper(), signature()), 0..3);
    let rest = (word(), any::<u64>(), vec(keeper(), 0..3), option::of(hash()), option::of(hash()));
    (attempt_no(), any::<u8>(), call(), how, signed, at(), rest).prop_map(
        |(attempt, round, call, how, signatures, valid_until, rest)| Agreed {
            attempt,
            round: Round(round),
            call,
            how,
            signatures,
            valid_until,
            fee_cap: rest.0,
            gas_limit: rest.1,
            performers: rest.2,
            transcript_root: rest.3,
            state: rest.4,
        },
    )
}

pub fn handoff() -> impl Strategy<Value = Handoff> {
    (task_id(), any::<u16>(), keeper(), at(), at(), option::of(text())).prop_map(
        |(task, number, keeper, patience_until, at, declined)| Handoff {
            task,
            number,
            keeper,
            patience_until,
            at,
            declined,
        },
    )
}

fn disagreement() -> impl Strategy<Value = Disagreement> {
    fn side() -> impl Strategy<Value = Side> {
        (keeper(), text(), any::<u64>()).prop_map(|(keeper, came_to, fuel)| Side { keeper, came_to, fuel })
    }
    let made = || {
        let parts = (text(), text(), option::of(text()), any::<u64>());
        let made = |(import, request, reply, fuel)| MadeCall { import, request, reply, fuel };
        option::of(parts.prop_map(made))
    };
    let call = (any::<u32>(), made(), made());
    let call = call.prop_map(|(sequence, one, other)| CallDifference { sequence, one, other });
    let argument = (text(), option::of(text()), option::of(text()));
    let argument = argument.prop_map(|(path, one, other)| ValueDifference { path, one, other });
    let remedy = prop_oneof![
        Just(Remedy::Median),
        decimal().prop_map(Remedy::Tolerance),
        Just(Remedy::TrustPerformer)
    ];
    let of = (task_id(), attempt_no(), side(), option::of(side()), vec(keeper(), 0..3), text());
    (of, option::of(call), option::of(argument), vec(remedy, 0..3)).prop_map(
        |((task, attempt, one, other, refuted_by, finding), call, argument, remedies)| Disagreement {
            task,
            attempt,
            one,
            other,
            refuted_by,
            finding,
            call,
            argument,
            remedies,
        },
    )
}

pub fn fact() -> impl Strategy<Value = Fact> {
    let verdict = prop_oneof![
        agreed().prop_map(|agreed| Verdict::Agreed(agreed.into())),
        text().prop_map(Verdict::Skipped),
        text().prop_map(Verdict::Failed),
        text().prop_map(Verdict::Withdrawn),
        text().prop_map(Verdict::Exhausted)
    ];
    let receipt = (task_id(), any::<u16>(), chain(), [hash(), hash()], keeper(), any::<bool>(), word());
    prop_oneof![
        attempt().prop_map(|attempt| Fact::Attempted(attempt.into())),
        observation().prop_map(|observation| Fact::Observed(observation.into())),
        claim().prop_map(Fact::Claimed),
        (task_id(), at(), verdict).prop_map(|(task, at, verdict)| Fact::Settled(Settlement {
            task,
            at,
            verdict
        })),
        handoff().prop_map(Fact::HandedOff),
        (task_id(), keeper(), hash(), at()).prop_map(|(task, keeper, transaction, at)| Fact::Broadcast(
            Broadcast { task, keeper, transaction, at }
        )),
        (receipt, any::<[u64; 3]>()).prop_map(|(r, n)| Fact::Received(Receipt {
            task: r.0,
            sighting: r.1,
            chain: r.2,
            transaction: r.3[0],
            block_number: n[0],
            block_hash: r.3[1],
            block_time: Timestamp(n[1]),
            keeper: r.4,
            success: r.5,
            gas_used: n[2],
            charged: r.6,
        })),
        (task_id(), any::<u16>(), hash(), at()).prop_map(|(task, sighting, block_hash, at)| Fact::Revoked {
            task,
            sighting,
            block_hash,
            at
        }),
        (task_id(), hash(), at()).prop_map(|(task, block_hash, at)| Fact::Confirmed { task, block_hash, at }),
        (task_id(), at(), option::of(text())).prop_map(|(task, at, because)| Fact::Lapsed {
            task,
            at,
            because
        }),
        (task_id(), at()).prop_map(|(task, at)| Fact::Announced { task, at }),
        (task_id(), at()).prop_map(|(task, at)| Fact::TriggerLost { task, at }),
        (task_id(), keeper(), text(), at()).prop_map(|(task, keeper, finding, at)| Fact::Challenged(
            Challenge { task, keeper, finding, at }
        )),
        disagreement().prop_map(|disagreement| Fact::Disagreed(disagreement.into())),
    ]
}

pub fn intent() -> impl Strategy<Value = Intent> {
    let draft = (chain(), any::<[u64; 2]>(), address(), word(), blob(), any::<[u128; 2]>()).prop_map(
        |(chain, n, to, value, data, fees)| TxDraft {
            chain,
            nonce: n[0],
            to,
            value,
            data,
            gas_limit: n[1],
            max_fee_per_gas: fees[0],
            max_priority_fee_per_gas: fees[1],
        },
    );
    let signed = (hash(), blob()).prop_map(|(hash, raw)| SignedTx { hash, raw });
    (task_id(), any::<u16>(), draft, signed, at(), at()).prop_map(
        |(task, number, draft, signed, valid_until, at)| Intent {
            task,
            number,
            draft,
            signed,
            valid_until,
            at,
        },
    )
}

pub fn order() -> impl Strategy<Value = HandoffOrder> {
    (handoff(), job(), task(), agreed()).prop_map(|(handoff, job, task, agreed)| HandoffOrder {
        handoff,
        job: job.into(),
        task: task.into(),
        agreed: agreed.into(),
    })
}

pub fn outcome() -> impl Strategy<Value = AttemptOutcome> {
    prop_oneof![
        agreed().prop_map(|agreed| AttemptOutcome::Agreed(agreed.into())),
        text().prop_map(AttemptOutcome::Skipped),
        text().prop_map(AttemptOutcome::Failed),
        text().prop_map(AttemptOutcome::Disagreed),
        (text(), any::<bool>()).prop_map(|(why, transient)| AttemptOutcome::Short { why, transient })
    ]
}

pub fn perform_event() -> impl Strategy<Value = PerformEvent> {
    prop_oneof![
        (task_id(), keeper(), hash()).prop_map(|(task, keeper, transaction)| PerformEvent::Broadcast {
            task,
            keeper,
            transaction
        }),
        (task_id(), keeper(), text()).prop_map(|(task, keeper, reason)| PerformEvent::Declined {
            task,
            keeper,
            reason
        })
    ]
}

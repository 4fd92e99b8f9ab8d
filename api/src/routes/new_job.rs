//! What a job says when it is created, changed or tried.

use argus_domain::{limits::Limits, schedule::Schedule, secret::SECRETS_MAX};

use super::body::{
    Case, Field,
    Kind::{Address, Any, Decimal, Digits, Flag, Json, List, Loose, Object as Nested, Text, Whole, Word},
    Object, needs, object, takes,
};
use crate::{
    config::ARGUMENTS_MAX,
    create::{CONFIRMATIONS_MAX, COOLDOWN_MAX, GAS_LIMIT, HOSTS_MAX, KEEPERS_MAX, TIME_FRAME_MAX},
};

const ANY_LENGTH: usize = usize::MAX;
const ANY_TEXT: super::Kind = Loose(0, ANY_LENGTH);
const CHAIN: super::Kind = Whole(0, u64::MAX);

const CEILING: Limits = Limits::CEILING;
pub(super) static LIMITS: Object = object(
    "Limits",
    &[
        takes("fuel_max", Whole(1, CEILING.fuel_max), "Most fuel of one run"),
        takes("memory_bytes", Whole(1, CEILING.memory_bytes), "Most memory"),
        takes("wall_ms", Whole(1, CEILING.wall_ms), "Longest run by the clock, milliseconds"),
        takes("command_bytes", Whole(1, CEILING.command_bytes), "Largest compiled program"),
    ],
);

pub(super) const LANGUAGE: Field = takes("language", ANY_TEXT, "Of the script; guessed where it is absent");
pub(super) const ALLOW_HOSTS: Field =
    takes("allow_hosts", List(HOSTS_MAX, &Text(1, ANY_LENGTH)), "Hosts that the script may reach");
pub(super) const RUN_LIMITS: Field = takes(
    "limits",
    Nested(&LIMITS),
    "Budgets of the script's runs; one that is not named is as it was, at first the default",
);
pub(super) const ARGUMENTS: Field =
    takes("arguments", List(ARGUMENTS_MAX, &Any), "Static arguments: of the call, or for the script");

macro_rules! job {
    ($name:literal, $always:ident $(, $more:expr)*) => {
        Object {
            name: $name,
            cases: CASES,
            fields: &[
                $always("job_id", Digits, "Its number: a uint256 that nobody used before"),
                $always("user_address", Address, "Whose it is"),
                $always("job_title", Loose(3, 100), "For people"),
                $always(
                    "task_definition_id",
                    Whole(1, 7),
                    "1 and 2 time, 3 and 4 event, 5 and 6 condition (even: a script \
                gives the arguments), 7 a script that decides what to call",
                ),
                $always("time_frame", Whole(1, TIME_FRAME_MAX), "Seconds for which it lives"),
                $always("target_chain_id", CHAIN, "Chain of its calls"),
                takes("created_chain_id", CHAIN, "Chain of its registration; that of its calls"),
                takes("timezone", ANY_TEXT, "IANA name of the schedule's zone; UTC"),
                takes("custom", Flag, "Whether it is marked as custom"),
                takes("recurring", Flag, "Whether an event or a condition opens more than one task"),
                takes("is_imua", Flag, "Recorded, and nothing follows from it"),
                takes("job_cost_prediction", Decimal, "In ether; recorded, and nothing follows from it"),
                takes("is_safe", Flag, "Whether it acts through a Safe"),
                takes(
                    "dynamic_arguments_script_url",
                    ANY_TEXT,
                    "The script: ipfs://CID or a gateway's URL with /ipfs/CID",
                ),
                takes("execution_script_url", ANY_TEXT, "The same, as newer clients call it"),
                LANGUAGE,
                takes("execution_script_language", ANY_TEXT, "The same, as newer clients call it"),
                ARGUMENTS,
                ALLOW_HOSTS,
                RUN_LIMITS,
                takes("storage", Flag, "Whether the script remembers anything; absent: if it turns out to"),
                takes(
                    "secrets",
                    List(SECRETS_MAX, &Text(1, 64)),
                    "Names of the secrets that the script may use",
                ),
                takes("keepers", Whole(1, KEEPERS_MAX), "Keepers of an attempt"),
                takes("threshold", Whole(1, KEEPERS_MAX), "How many of them must agree"),
                takes("agreement", Loose(0, ANY_LENGTH), "median, exact or trust-performer"),
                takes(
                    "tolerance",
                    Decimal,
                    "Relative difference that two observations may have, from 0 to 1",
                ),
                takes(
                    "misfire",
                    Loose(0, ANY_LENGTH),
                    "What becomes of missed instants: run_once, skip or catch_up",
                ),
                takes(
                    "fee_cap",
                    Digits,
                    "Most that its owner is charged per task, wei; as GET /api/fees says",
                ),
                takes("gas_limit", Whole(GAS_LIMIT.0, GAS_LIMIT.1), "Gas that its call gets"),
                $($more,)*
            ],
        }
    };
}

const CASES: &[Case] = &[
    Case {
        when: &[("task_definition_id", &["1", "2", "7"])],
        fields: &[
            takes(
                "schedule_type",
                Word(&["interval", "cron", "specific"]),
                "Absent: by the field that is given",
            ),
            takes("cron_expression", ANY_TEXT, "5 to 7 fields, or a macro like @hourly"),
            takes("specific_schedule", ANY_TEXT, "YYYY-MM-DD HH:MM:SS in the zone, or RFC 3339"),
        ],
    },
    Case {
        when: &[("task_definition_id", &["1", "2", "7"]), ("schedule_type", &["interval"])],
        fields: &[takes(
            "time_interval",
            Whole(0, Schedule::EVERY_SECS_MAX),
            "Seconds between two runs, 1 at least",
        )],
    },
    Case {
        when: &[("task_definition_id", &["3", "4"])],
        fields: &[
            needs("trigger_chain_id", CHAIN, "Chain of the event"),
            needs("trigger_contract_address", Address, "Contract of the event"),
            needs("trigger_event", ANY_TEXT, "Its name, with an ABI, or its signature"),
            takes("trigger_abi", ANY_TEXT, "ABI of the event's contract; that of the target"),
            takes("event_filter_para_name", ANY_TEXT, "The parameter that is compared, or topic1 to topic3"),
            takes("event_filter_value", ANY_TEXT, "What it has to be"),
            takes("confirmations", Whole(0, CONFIRMATIONS_MAX), "Blocks on top of the event's own"),
        ],
    },
    Case {
        when: &[("task_definition_id", &["5", "6"])],
        fields: &[
            needs(
                "condition_type",
                Word(&[
                    "greater_than",
                    "less_than",
                    "between",
                    "equals",
                    "not_equals",
                    "greater_equal",
                    "less_equal",
                ]),
                "How the value is compared",
            ),
            takes("upper_limit", Decimal, "The limit; of between the upper one"),
            takes(
                "lower_limit",
                Decimal,
                "Of between the lower one; else the limit where upper_limit is absent or 0",
            ),
            needs(
                "value_source_type",
                Word(&["api", "oracle", "static", "websocket"]),
                "What gives the value",
            ),
            needs("value_source_url", ANY_TEXT, "Where it is read"),
            takes("selected_key_route", ANY_TEXT, "Where in the answer it stands: keys joined by dots"),
            takes("cooldown", Whole(0, COOLDOWN_MAX), "Seconds between two crossings that count"),
        ],
    },
    Case {
        when: &[("task_definition_id", &["1", "2", "3", "4", "5", "6"])],
        fields: &[
            needs("target_contract_address", Address, "The contract that is called"),
            needs("target_function", ANY_TEXT, "Its function's name, with an ABI, or its signature"),
            takes("abi", Json, "The contract's ABI"),
        ],
    },
    Case {
        when: &[("is_safe", &["true"])],
        fields: &[
            needs("safe_address", Address, "The Safe"),
            takes("safe_name", ANY_TEXT, "What its owner calls it"),
        ],
    },
];

// Of a new job alone: what is laid over one goes by the names that it is shown with, and keeps its kind.
const ARG_TYPE: Field =
    takes("arg_type", Whole(0, 2), "1 static arguments, 2 a script's; its kind says which");
// A change that has it is told that it is ignored: one member more, and schemathesis makes no requests of its schema.
const QUOTED_CAP: Field = takes("fee_cap_wei", Digits, "fee_cap, as the quote calls it");

pub(super) static NEW_JOB: Object = job!("NewJob", needs, ARG_TYPE, QUOTED_CAP);
pub(super) static JOB_CHANGE: Object = job!("JobChange", takes);

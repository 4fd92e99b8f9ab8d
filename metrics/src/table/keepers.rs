//! Scripts and those who run them.

use super::{RUNNERS, listed};
use crate::metric::{
    Kind::{Counter, Gauge, Histogram},
    Label, Role,
};

const KEEPER: &[Role] = &[Role::Keeper];
const KIND: Label = listed("kind", &["run", "replay"]);
const OUTCOME: Label = listed(
    "outcome",
    &[
        "value",
        "skipped",
        "script",
        "limit",
        "inconclusive",
        "refused",
        "uncompiled",
        "busy",
        "diverged",
        "host",
    ],
);

super::rows! { KEEPERS_ROWS:
    RUNS = Counter, Count, "argus_runs_total", [KIND, OUTCOME], RUNNERS,
        "Runs and replays of scripts, by how they ended.";
    RUN_SECONDS = Histogram(super::SLOW), Seconds, "argus_run_seconds", [KIND], RUNNERS,
        "Time of runs and replays, compiling and what they waited for included.";
    RUN_FUEL = Counter, Fuel, "argus_run_fuel_total", [KIND], RUNNERS,
        "Fuel that runs and replays used.";
    RUN_HOST_CALLS = Counter, Count, "argus_run_host_calls_total", [KIND], RUNNERS,
        "Host calls of runs and replays that count against the limit.";
    ADMISSIONS = Counter, Count, "argus_admissions_total",
        [listed("outcome", &["admitted", "refused", "uncompiled", "busy", "diverged", "host"])], RUNNERS,
        "Scripts compiled or checked for their authors, by what came of it.";
    ADMISSION_SECONDS = Histogram(super::SLOW), Seconds, "argus_admission_seconds", [], RUNNERS,
        "Time to compile or check a script for its author.";

    KEEPER_KEYS = Gauge, Count, "argus_keeper_keys", [], KEEPER,
        "Keepers that this process runs.";
    KEEPER_CONNECTED = Gauge, Count, "argus_keeper_connected", [], KEEPER,
        "Keepers of this process whose stream to the platform is up.";
    KEEPER_DIALS_FAILED = Counter, Count, "argus_keeper_dials_failed_total", [], KEEPER,
        "Tries at connecting to the platform that failed.";
    KEEPER_RUNS = Gauge, Count, "argus_keeper_runs_in_hand", [], KEEPER,
        "Runs that keepers of this process have in hand.";
    KEEPER_CAPACITY = Gauge, Count, "argus_keeper_capacity", [], KEEPER,
        "Runs that keepers of this process take at once.";
    KEEPER_ANSWERS = Counter, Count, "argus_keeper_answers_total", [], KEEPER,
        "Assignments and second rounds that were answered.";
    KEEPER_DECLINES = Counter, Count, "argus_keeper_declines_total",
        [listed("reason", &[
            "objection", "busy", "content", "secrets", "short", "inconclusive", "signed", "round", "diverged",
            "refuted", "own",
        ])], KEEPER,
        "Assignments and second rounds that were declined, by the reason.";
    KEEPER_ORDERS = Counter, Count, "argus_keeper_orders_total",
        [listed("outcome", &[
            "taken", "inconsistent", "no_quorum", "not_ours", "reverts", "deleted", "short", "used", "late",
            "unreachable",
        ])], KEEPER,
        "Calls that were handed to keepers of this process, by whether they act: short is a call that deposit and cap do not cover at the price of gas.";
    KEEPER_INTENTS = Gauge, Count, "argus_keeper_intents_pending", [super::CHAIN], KEEPER,
        "Transactions in the keepers' journals whose end is not noted yet.";
    KEEPER_DROPPED = Counter, Count, "argus_keeper_dropped_total", [], KEEPER,
        "Messages to the platform that were dropped because too many waited.";
}

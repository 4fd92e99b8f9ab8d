//! Tasks, and the roles that bring them forward.

use super::{WRITERS, listed};
use crate::metric::{
    Kind::{Counter, Gauge, Histogram},
    Label, Role,
};

const SCHEDULER: &[Role] = &[Role::Scheduler];
const DISPATCHER: &[Role] = &[Role::Dispatcher];
const AGGREGATOR: &[Role] = &[Role::Aggregator];
const OVERSIGHT: &[Role] = &[Role::Oversight];
const TRIGGER: Label = listed("trigger", &["time", "event", "condition"]);

super::rows! { TASKS_ROWS:
    TASKS_OPENED = Counter, Count, "argus_tasks_opened_total", [], WRITERS,
        "Tasks opened.";
    TASK_LATENESS = Histogram(super::SLOW), Seconds, "argus_task_lateness_seconds", [TRIGGER], SCHEDULER,
        "Time from what set a task off (its instant, its log's block, its observation) to its opening.";
    ATTEMPTS = Counter, Count, "argus_attempts_total", [], WRITERS,
        "Tries at a task that were begun: those of one task beyond the first are retries.";
    OBSERVATIONS = Counter, Count, "argus_observations_total", [], WRITERS,
        "Keepers' signed reports of their runs that count for an attempt.";
    CLAIMS = Counter, Count, "argus_claims_total", [], WRITERS,
        "Keepers' signatures over a call that count for an attempt.";
    DISAGREEMENTS = Counter, Count, "argus_disagreements_total", [], WRITERS,
        "Attempts whose keepers did not agree, and runs that other keepers refuted.";
    VERDICTS = Counter, Count, "argus_verdicts_total",
        [listed("verdict", &["agreed", "skipped", "failed", "withdrawn", "exhausted"])], WRITERS,
        "Tasks decided, by verdict: exhausted ones are given up.";
    HANDOFFS = Counter, Count, "argus_handoffs_total", [], WRITERS,
        "Permissions to act that were given to a keeper.";
    BROADCASTS = Counter, Count, "argus_broadcasts_total", [], WRITERS,
        "Transactions that a keeper said it sent.";
    RECEIPTS = Counter, Count, "argus_receipts_total", [listed("success", &["true", "false"])], WRITERS,
        "Calls that the chain showed, by whether the target took them.";
    RECEIPTS_REVOKED = Counter, Count, "argus_receipts_revoked_total", [], WRITERS,
        "Calls that a reorg took back.";
    TASKS_CONFIRMED = Counter, Count, "argus_tasks_confirmed_total", [], WRITERS,
        "Tasks whose call is as deep as its job asks.";
    TASKS_LAPSED = Counter, Count, "argus_tasks_lapsed_total", [], WRITERS,
        "Agreed tasks whose time passed without a call.";
    CHALLENGES = Counter, Count, "argus_challenges_total", [], WRITERS,
        "Replays that disagreed with what a keeper signed.";

    SCHEDULER_REPEATED = Counter, Count, "argus_scheduler_repeated_total", [], SCHEDULER,
        "Openings of tasks that were open.";
    SCHEDULER_STALE = Counter, Count, "argus_scheduler_stale_total", [], SCHEDULER,
        "Openings that another write forestalled.";
    SCHEDULER_FENCED = Counter, Count, "argus_scheduler_fenced_total", [], SCHEDULER,
        "Jobs whose write was refused because another process had their shard by then.";
    SCHEDULER_SUBMIT_FAILED = Counter, Count, "argus_scheduler_submit_failed_total", [], SCHEDULER,
        "Tasks that the dispatcher did not take at once.";
    SCHEDULER_FAILED_CYCLES = Counter, Count, "argus_scheduler_failed_cycles_total", [], SCHEDULER,
        "Cycles given up because a store or a chain failed.";
    SCHEDULER_READINGS = Counter, Count, "argus_scheduler_readings_total", [], SCHEDULER,
        "Readings of value sources.";
    SCHEDULER_FAILED_READINGS = Counter, Count, "argus_scheduler_failed_readings_total", [], SCHEDULER,
        "Readings that gave no value.";
    SCHEDULER_DECISIONS_DROPPED = Counter, Count, "argus_scheduler_decisions_dropped_total", [], SCHEDULER,
        "Looks at triggers that opened no task and of which nothing is kept.";
    SCHEDULER_REORGS = Counter, Count, "argus_scheduler_reorgs_total", [], SCHEDULER,
        "Reorgs seen.";
    SCHEDULER_DUE = Gauge, Count, "argus_scheduler_due_jobs", [], SCHEDULER,
        "Jobs whose instant had come at the last look at the store, counted up to a thousand.";

    DISPATCHER_TASKS = Gauge, Count, "argus_dispatcher_tasks", [], DISPATCHER,
        "Tasks in hand: open, or decided and not finished.";
    DISPATCHER_FENCED = Counter, Count, "argus_dispatcher_fenced_total", [], DISPATCHER,
        "Facts that were refused because another process led their task by then.";
    DISPATCHER_OLDEST = Gauge, Seconds, "argus_dispatcher_oldest_task_seconds", [], DISPATCHER,
        "How long ago the oldest task in hand was opened.";
    DISPATCHER_ATTEMPTS = Gauge, Count, "argus_dispatcher_attempts", [listed("state", &["under_way", "waiting"])],
        DISPATCHER,
        "Attempts under way, and tasks that wait for one.";

    AGGREGATOR_SESSIONS = Gauge, Count, "argus_aggregator_sessions", [], AGGREGATOR,
        "Keepers that are connected and were heard lately.";
    AGGREGATOR_RUNS = Gauge, Count, "argus_aggregator_runs_in_hand", [], AGGREGATOR,
        "Runs that connected keepers said they have in hand.";
    AGGREGATOR_CAPACITY = Gauge, Count, "argus_aggregator_capacity", [], AGGREGATOR,
        "Runs that connected keepers take at once, together.";
    AGGREGATOR_ADMISSIONS = Counter, Count, "argus_aggregator_admissions_total",
        [listed("result", &["ok", "busy", "gone", "refused"])], AGGREGATOR,
        "Keepers that asked for a session, by the answer.";
    AGGREGATOR_MESSAGES = Counter, Count, "argus_aggregator_messages_total",
        [listed("message", &["answer", "signed", "declined", "refuted", "performed", "heartbeat"])], AGGREGATOR,
        "Messages of keepers, as they came.";
    AGGREGATOR_FULL = Counter, Count, "argus_aggregator_credits_exhausted_total", [], AGGREGATOR,
        "Assignments that a keeper was not given, because too many waited for it.";
    AGGREGATOR_FAULTS = Counter, Count, "argus_aggregator_faults_total", [], AGGREGATOR,
        "Messages with which a keeper broke a rule.";
    AGGREGATOR_DROPPED = Counter, Count, "argus_aggregator_dropped_total",
        [listed("message", &["to_keeper", "to_dispatcher"])], AGGREGATOR,
        "Messages dropped because a stream or the errands were full.";

    KEEPERS_REGISTERED = Gauge, Count, "argus_keepers_registered", [], OVERSIGHT,
        "Keepers in the registries.";
    KEEPERS_CONNECTED = Gauge, Count, "argus_keepers_connected", [], OVERSIGHT,
        "Registered keepers that were heard lately.";
    KEEPERS_RUNS = Gauge, Count, "argus_keepers_runs_in_hand", [], OVERSIGHT,
        "Runs that registered keepers said they have in hand.";
    REGISTRATIONS = Gauge, Count, "argus_registrations",
        [listed("reason", &["orphan", "deleted_on_chain", "owner_differs"])], OVERSIGHT,
        "Jobs that a chain's registry knows otherwise than they are stored, by how.";
    REGISTRY_READ = Gauge, Blocks, "argus_registry_read_block", [super::CHAIN], OVERSIGHT,
        "The block to which the chain's job registry was read.";
}

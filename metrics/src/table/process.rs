//! What every process has.

use super::listed;
use crate::metric::{
    Kind::{Counter, Gauge},
    Label, Role, Values,
};

const QUEUE: Label = listed(
    "queue",
    &[
        "scheduler_nudges",
        "dispatcher_inbox",
        "dispatcher_effects",
        "aggregator_inbox",
        "aggregator_errands",
        "keeper_outbox",
        "keeper_orders",
        "store_writes",
    ],
);

/// Those whose processes share their work.
const SERVICE: Label = listed("service", &["scheduler", "dispatcher", "aggregator", "monitor"]);
const SHARING: &[Role] = &[Role::Scheduler, Role::Dispatcher, Role::Aggregator, Role::Oversight];

super::rows! { PROCESS_ROWS:
    BUILD_INFO = Gauge, Info, "argus_build_info",
        [Label { name: "version", values: Values::Of("the one version of the program") }], Role::ALL,
        "The program's version, as a label.";
    ROLE_INFO = Gauge, Info, "argus_role_info",
        [listed("role", &["api", "scheduler", "dispatcher", "aggregator", "oversight", "builder", "keeper"])], Role::ALL,
        "A role that this process runs.";
    PROCESS_START = Gauge, Instant, "process_start_time_seconds", [], Role::ALL,
        "When the process began.";
    PROCESS_CPU = Counter, Seconds, "process_cpu_seconds_total", [], Role::ALL,
        "Processor time that the process has used.";
    PROCESS_MEMORY = Gauge, Bytes, "process_resident_memory_bytes", [], Role::ALL,
        "Memory of the machine that the process occupies.";
    PROCESS_FILES = Gauge, Count, "process_open_fds", [], Role::ALL,
        "Files and sockets that the process has open.";
    PROCESS_FILES_MAX = Gauge, Count, "process_max_fds", [], Role::ALL,
        "Files and sockets that the process may have open.";
    QUEUE_LENGTH = Gauge, Count, "argus_queue_length", [QUEUE], Role::ALL,
        "What waits in a queue of this process.";
    QUEUE_BOUND = Gauge, Count, "argus_queue_bound", [QUEUE], Role::ALL,
        "What a queue of this process holds at most, before whoever adds to it waits or comes again.";
    LINK_CALLS = Counter, Count, "argus_link_calls_total",
        [listed("link", &["nudge", "dispatch", "aggregate", "outcomes"]), listed("result", &["ok", "busy", "gone", "refused", "abandoned"])],
        Role::ALL,
        "Calls to another role, in this process or another one, by how they ended: abandoned ones were not answered in time.";
    SPANS = Counter, Count, "argus_spans_total", [listed("result", &["sent", "lost"])], Role::ALL,
        "Spans told to the collector of traces, where one is configured; lost ones did not fit into the queue, or the collector did not take them.";
    LEASE_SHARDS = Gauge, Count, "argus_lease_shards_held", [SERVICE], SHARING,
        "Shards of a service's work that this process holds, of those that all its processes hold together: 64 of the scheduler and of the dispatcher, one of the others, whose holder leads.";
    LEASE_LOSSES = Counter, Count, "argus_lease_losses_total", [SERVICE], SHARING,
        "How often a process lost all its shards without giving them up: the store did not answer it in time, or it stood still.";
}

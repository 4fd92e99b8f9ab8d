//! The platform's store, Redis beside it, and keepers' journals.

use super::{PLATFORM, listed};
use crate::metric::{
    Kind::{Counter, Gauge, Histogram},
    Label, Role, Values,
};

const PORT: Label = Label { name: "port", values: Values::Of("the store's ports in core/ports") };
const VERB: Label = Label { name: "verb", values: Values::Of("the verbs of the port") };

super::rows! { STORE_ROWS:
    STORE_CALLS = Counter, Count, "argus_store_calls_total",
        [PORT, VERB, listed("result", &["ok", "unavailable", "read_only", "corrupt", "abandoned"])], Role::ALL,
        "Calls to the store or a journal, by port, verb and how they ended.";
    STORE_SECONDS = Histogram(super::QUICK), Seconds, "argus_store_call_seconds", [PORT, VERB], Role::ALL,
        "Time of calls to the store or a journal, waiting for a place in the queue included.";
    STORE_COMMITS = Counter, Count, "argus_store_commits_total", [listed("how", &["in_place", "group"])], PLATFORM,
        "Commits to the store's file: by whoever wrote alone, and by the thread that commits what comes meanwhile.";
    STORE_OPERATIONS = Counter, Count, "argus_store_operations_total", [listed("how", &["in_place", "group"])],
        PLATFORM,
        "Operations in these commits: by a group's commits, how large groups are.";
    STORE_REDONE = Counter, Count, "argus_store_groups_redone_total", [], PLATFORM,
        "Groups that were undone because an operation failed, and whose operations were done again one by one.";
    REDIS_UP = Gauge, Count, "argus_redis_up", [], PLATFORM,
        "Whether Redis answers: 1, or 0; absent where none is configured.";
    REDIS_LOSSES = Counter, Count, "argus_redis_losses_total", [], PLATFORM,
        "How often Redis went away.";
    REDIS_FALLBACKS = Counter, Count, "argus_redis_fallbacks_total", [listed("use", &["limits", "bus", "cache"])],
        PLATFORM,
        "Questions that went on without Redis, by what it is used for.";
}

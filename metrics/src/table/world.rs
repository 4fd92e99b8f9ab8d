//! Chains and other people's hosts.

use super::{CHAIN, listed};
use crate::metric::{
    Kind::{Counter, Gauge, Histogram},
    Label, Role, Values,
};

const METHOD: Label = listed(
    "method",
    &[
        "block",
        "call",
        "balance",
        "logs",
        "receipt",
        "code",
        "inclusion",
        "nonce",
        "gas_price",
        "estimate",
        "send",
    ],
);
const ENDPOINT: Label =
    Label { name: "endpoint", values: Values::Of("the places of the URLs in the chain's `rpc`, from 1") };

super::rows! { WORLD_ROWS:
    CHAIN_CALLS = Counter, Count, "argus_chain_calls_total",
        [CHAIN, METHOD, listed("result", &[
            "ok", "unreachable", "unknown_block", "reverted", "already_known", "nonce_too_low", "underpriced",
            "insufficient_funds", "refused", "abandoned",
        ])], Role::ALL,
        "Calls to a chain, by method and how they ended.";
    CHAIN_SECONDS = Histogram(super::QUICK), Seconds, "argus_chain_call_seconds", [CHAIN, METHOD], Role::ALL,
        "Time of calls to a chain, with all nodes that were asked.";
    CHAIN_HEAD = Gauge, Blocks, "argus_chain_head_block", [CHAIN], Role::ALL,
        "The newest block that this process has seen.";
    CHAIN_HEAD_TIME = Gauge, Instant, "argus_chain_head_timestamp_seconds", [CHAIN], Role::ALL,
        "The time in the newest block that this process has seen.";
    CHAIN_HEAD_SEEN = Gauge, Instant, "argus_chain_head_seen_timestamp_seconds", [CHAIN], Role::ALL,
        "When a node last told this process the newest block.";
    CHAIN_ENDPOINT_FAILURES = Counter, Count, "argus_chain_endpoint_failures_total", [CHAIN, ENDPOINT], Role::ALL,
        "Requests that a node did not answer, so that the next one was asked.";
    CHAIN_ENDPOINT_FIRST = Gauge, Info, "argus_chain_endpoint_first", [CHAIN, ENDPOINT], Role::ALL,
        "Whether this node answered last and is asked first: 1 or 0.";
    EGRESS_REQUESTS = Counter, Count, "argus_egress_requests_total",
        [listed("result", &["answered", "denied", "timeout", "too_large", "transport"])], Role::ALL,
        "Requests of scripts, sources, gateways and webhooks to other people's hosts, by how they ended.";
    EGRESS_SECONDS = Histogram(super::SLOW), Seconds, "argus_egress_seconds", [], Role::ALL,
        "Time of requests to other people's hosts.";
    SOURCE_READINGS = Counter, Count, "argus_source_readings_total",
        [listed("result", &["value", "fetch", "status", "shape"])], &[Role::Scheduler],
        "Readings of value sources, by what came of them: no answer, an answer of no success, an answer without a number.";
    SIGNER_CALLS = Counter, Count, "argus_signer_calls_total",
        [
            listed("kind", &["claim", "transaction", "digest"]),
            listed("result", &["ok", "unreachable", "refused", "wrong", "abandoned"])
        ], Role::ALL,
        "Signatures asked of a remote signer, by what was to be signed and how that ended: an answer of the wrong key counts as wrong.";
    SIGNER_SECONDS = Histogram(super::QUICK), Seconds, "argus_signer_call_seconds",
        [listed("kind", &["claim", "transaction", "digest"])], Role::ALL,
        "Time of signatures of a remote signer, with all that was tried again.";
    CONTENT_CALLS = Counter, Count, "argus_content_calls_total",
        [
            listed("verb", &["put", "get", "resolve"]),
            listed("result", &["ok", "bad_cid", "absent", "mismatch", "too_large", "lost", "unavailable", "abandoned"])
        ], Role::ALL,
        "Scripts published and fetched, by how that ended.";
}

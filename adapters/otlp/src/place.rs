//! Which span of which trace.

use argus_domain::{ids::TaskId, keccak256};
use opentelemetry::trace::{SpanId, TraceId};

/// A span's place: the same for everybody who knows what the span is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
}

impl Place {
    /// A task's own span, above all others of its trace. The trace's id is the first 16 bytes of the task's.
    pub fn of_task(task: TaskId) -> Self {
        Self::in_task(task, "task", &[])
    }

    /// The span of a step of a task's life, told apart from others of its name by a key.
    pub fn in_task(task: TaskId, name: &str, key: &[&[u8]]) -> Self {
        let [trace, _] = halves(task.0.0);
        let mut bytes = b"argus/span/1".to_vec();
        for part in [task.0.as_slice(), name.as_bytes()].iter().chain(key) {
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        Self { trace: TraceId::from_bytes(trace), span: span_id(&bytes) }
    }

    /// The span of a request, in the trace that its client named: one of 32 hex digits is the id itself, and of any
    /// other text it is made. `fresh` tells requests of one trace apart.
    pub fn of_request(trace: &str, fresh: [u8; 16]) -> Self {
        let named = TraceId::from_hex(trace).ok().filter(|id| trace.len() == 32 && *id != TraceId::INVALID);
        let [made, _] = halves(keccak256(trace.as_bytes()).0);
        Self { trace: named.unwrap_or(TraceId::from_bytes(made)), span: span_id(&fresh) }
    }

    /// A span of the same trace that somebody else has named.
    #[must_use]
    pub fn beside(&self, span: [u8; 8]) -> Self {
        Self { trace: self.trace, span: SpanId::from_bytes(span) }
    }

    /// The trace's id, as collectors show it: 32 hex digits.
    pub fn trace_id(&self) -> String {
        self.trace.to_string()
    }

    /// Whether a trace is among those that are told, where one in so many is.
    pub(crate) fn is_one_in(&self, of: u64) -> bool {
        let [_, low] = halves(self.trace.to_bytes());
        of <= 1 || u64::from_be_bytes(low) % of == 0
    }
}

fn span_id(bytes: &[u8]) -> SpanId {
    let [a, b, c, d, e, f, g, h, ..] = keccak256(bytes).0;
    SpanId::from_bytes([a, b, c, d, e, f, g, h])
}

fn halves<const WHOLE: usize, const HALF: usize>(bytes: [u8; WHOLE]) -> [[u8; HALF]; 2] {
    const { assert!(WHOLE == 2 * HALF, "two halves are the whole") };
    let (mut first, mut second) = ([0; HALF], [0; HALF]);
    first.copy_from_slice(&bytes[..HALF]);
    second.copy_from_slice(&bytes[HALF..]);
    [first, second]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use argus_domain::B256;

    use super::*;

    #[test]
    fn whoever_knows_the_step_knows_its_span() {
        let task = TaskId(B256::repeat_byte(0xab));
        let attempt = Place::in_task(task, "attempt", &[&[1]]);
        assert_eq!(attempt, Place::in_task(task, "attempt", &[&[1]]));
        assert_eq!(attempt.trace_id(), "ab".repeat(16), "the first half of the task's id");
        let others = [
            Place::of_task(task),
            attempt,
            Place::in_task(task, "attempt", &[&[2]]),
            Place::in_task(task, "attempt", &[&[1], &[]]),
            Place::in_task(task, "attemp", &[b"t", &[1]]),
            Place::in_task(TaskId(B256::repeat_byte(0xac)), "attempt", &[&[1]]),
        ];
        assert_eq!(others.iter().map(|place| place.span).collect::<HashSet<_>>().len(), others.len());
    }

    #[test]
    fn a_request_is_in_the_trace_that_its_client_named() {
        let hex = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(Place::of_request(hex, [1; 16]).trace_id(), hex);
        for text in ["", "mine", &hex[1..], &"0".repeat(32), &"z".repeat(32)] {
            let (one, other) = (Place::of_request(text, [1; 16]), Place::of_request(text, [2; 16]));
            assert!(one.trace == other.trace && one.span != other.span && one.trace != TraceId::INVALID);
        }
    }

    #[test]
    fn one_in_so_many_is_told_and_all_agree_on_which() {
        let told = |of| {
            let tasks = (0..10_000u32).map(|n| TaskId(keccak256(n.to_be_bytes())));
            tasks.filter(|task| Place::of_task(*task).is_one_in(of)).count()
        };
        assert_eq!((told(0), told(1)), (10_000, 10_000));
        assert!((850..1150).contains(&told(10)), "{}", told(10));
        let task = TaskId(keccak256(b"any"));
        assert_eq!(Place::of_task(task).is_one_in(7), Place::in_task(task, "run", &[]).is_one_in(7));
    }
}

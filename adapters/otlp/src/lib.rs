//! Spans, sent to an OpenTelemetry collector over OTLP (gRPC).
//!
//! A task's trace needs no context that travels: its id is the first half of the task's id, and the id of each span
//! follows from the task and from what the span is of ([`Place`]). So every process that touches a task tells its own
//! spans, with the right parents, of things that other processes tell, and all of them agree which traces are told at
//! all, by the id alone.
//!
//! Telling never waits: a span goes into a bounded queue, and one that does not fit is lost and counted. So is what the
//! collector does not take in time; nothing is sent twice.

mod place;
mod sender;
mod span;

pub use place::Place;
pub use sender::{Counts, OpenError, Options, Tracer, open};
pub use span::{Begun, Kind, Span, instant};

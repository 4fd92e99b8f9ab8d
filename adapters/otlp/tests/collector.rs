//! Spans at a collector that speaks OTLP over gRPC: what arrives, and what a collector that is away or slow costs.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, UNIX_EPOCH},
};

use argus_domain::{B256, ids::TaskId};
use argus_otlp::{Begun, Kind, Options, Place, Span, Tracer, open};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::span::SpanKind,
};
use tokio::{net::TcpListener, task::JoinSet, time::sleep};
use tonic::{Request, Response, Status, transport::Server};

/// Keeps what it gets, after a while.
#[derive(Clone, Default)]
struct Collector {
    got: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    delay: Duration,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        sleep(self.delay).await;
        self.got.lock().unwrap_or_else(PoisonError::into_inner).push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn port() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

fn serve(collector: &Collector, listener: TcpListener, tasks: &mut JoinSet<()>) {
    let server = Server::builder().add_service(TraceServiceServer::new(collector.clone()));
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tasks.spawn(async move { server.serve_with_incoming(incoming).await.expect("serves") });
}

fn told_to(address: SocketAddr, one_in: u64, tasks: &mut JoinSet<()>) -> Tracer {
    let process = vec![("service.name", "argus".to_owned())];
    let options = Options { endpoint: format!("http://{address}"), one_in, process };
    let (tracer, sending) = open(options).expect("an endpoint");
    tasks.spawn(sending);
    tracer
}

fn some(n: u8) -> Span {
    let task = TaskId(B256::repeat_byte(n));
    let (whole, run) = (Place::of_task(task), Place::in_task(task, "run", &[&[n]]));
    Span::new("run", run, Some(whole), Begun::now().until_now()).with("argus.keeper", "0x01")
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_arrives_as_it_was_told() {
    let mut tasks = JoinSet::new();
    let (listener, address) = port().await;
    let collector = Collector::default();
    serve(&collector, listener, &mut tasks);
    let tracer = told_to(address, 1, &mut tasks);
    let request = Place::of_request("4bf92f3577b34da6a3ce929d0e0e4736", [1; 16]);
    let time = (UNIX_EPOCH + Duration::from_micros(1_500), UNIX_EPOCH + Duration::from_micros(1_000));
    tracer.tell(some(7));
    tracer.tell(Span::new("request", request, None, time).on(Kind::Server).failed(Some("500".into())));
    until("both are sent", || tracer.counts().sent() == 2).await;

    let got = collector.got.lock().expect("sound").clone();
    let resource = &got[0].resource_spans[0];
    let about = resource.resource.as_ref().expect("a resource");
    let name = Value::StringValue("argus".to_owned());
    assert!(about.attributes.iter().any(|a| a.value.as_ref().is_some_and(|v| v.value == Some(name.clone()))));
    let spans: Vec<_> = got
        .iter()
        .flat_map(|message| &message.resource_spans)
        .flat_map(|of| &of.scope_spans)
        .flat_map(|of| &of.spans)
        .collect();
    let run = spans.iter().find(|span| span.name == "run").expect("the run");
    assert_eq!(run.trace_id, [7; 16]);
    assert_eq!(run.parent_span_id.len(), 8, "the task's own span, which another process tells");
    assert_eq!(run.attributes[0].key, "argus.keeper");
    let request = spans.iter().find(|span| span.name == "request").expect("the request");
    assert_eq!(request.trace_id[..2], [0x4b, 0xf9]);
    assert_eq!(request.kind(), SpanKind::Server);
    assert!(request.parent_span_id.iter().all(|byte| *byte == 0));
    assert_eq!(request.status.as_ref().map(|status| status.message.as_str()), Some("500"));
    assert_eq!((request.start_time_unix_nano, request.end_time_unix_nano), (1_500_000, 1_500_001));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_does_not_take_is_lost_and_counted_until_it_does() {
    let mut tasks = JoinSet::new();
    let (listener, address) = port().await;
    drop(listener);
    let tracer = told_to(address, 1, &mut tasks);
    tracer.tell(some(1));
    until("it is lost", || tracer.counts().lost() == 1).await;
    assert_eq!(tracer.counts().sent(), 0);

    let collector = Collector::default();
    let listener = TcpListener::bind(address).await.expect("the same port");
    serve(&collector, listener, &mut tasks);
    until("it takes spans again", || {
        tracer.tell(some(2));
        std::thread::sleep(Duration::from_millis(50));
        tracer.counts().sent() > 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_slow_collector() {
    let mut tasks = JoinSet::new();
    let (listener, address) = port().await;
    let collector = Collector { delay: Duration::from_secs(60), ..Collector::default() };
    serve(&collector, listener, &mut tasks);
    let tracer = told_to(address, 1, &mut tasks);
    let begun = Instant::now();
    for _ in 0..20_000 {
        tracer.tell(some(3));
    }
    // The queue is bounded: what is beyond it is gone at once, and long before the collector's deadline.
    assert!(tracer.counts().lost() > 10_000, "{}", tracer.counts().lost());
    assert!(begun.elapsed() < Duration::from_secs(5), "nothing waited for the collector");
    let lost = tracer.counts().lost();
    until("an answer that does not come is given up", || tracer.counts().lost() >= lost + 512).await;
    assert_eq!(tracer.counts().sent(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_ask_there_is_room_for_tasks() {
    let mut tasks = JoinSet::new();
    let (listener, address) = port().await;
    let collector = Collector { delay: Duration::from_secs(60), ..Collector::default() };
    serve(&collector, listener, &mut tasks);
    let tracer = told_to(address, 1, &mut tasks);
    (0..20_000).for_each(|_| tracer.tell(some(4).on(Kind::Server)));
    let lost = tracer.counts().lost();
    assert!(lost > 15_000, "requests have half of the queue: {lost}");
    (0..1_000).for_each(|_| tracer.tell(some(5)));
    assert_eq!(tracer.counts().lost(), lost, "tasks have the rest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_is_not_among_those_told_is_not_sent() {
    let mut tasks = JoinSet::new();
    let (listener, address) = port().await;
    let collector = Collector::default();
    serve(&collector, listener, &mut tasks);
    let tracer = told_to(address, 10, &mut tasks);
    let wanted = (0..=255).filter(|n| tracer.wants(some(*n).place)).count() as u64;
    assert!((5..100).contains(&wanted), "{wanted}");
    (0..=255).for_each(|n| tracer.tell(some(n)));
    until("those are sent", || tracer.counts().sent() == wanted).await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!((tracer.counts().sent(), tracer.counts().lost()), (wanted, 0));
}

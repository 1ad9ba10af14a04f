//! What a peer may cost us, and how we part.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Router, body::Body};
use flowhook::server::{Answers, Arriving, Ended, Limits, serve};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::wire::{self, Wire};

const SHORT: Duration = Duration::from_millis(200);
/// Longer than any test: a deadline that plays no part.
const NEVER: Duration = Duration::from_secs(3_600);
const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const GATED: &str = "GET /gated HTTP/1.1\r\nhost: x\r\n\r\n";

/// A server with a few ways to answer.
struct Serving {
    addr: SocketAddr,
    shutdown: CancellationToken,
    ended: JoinHandle<Ended>,
    /// One permit for each request to `/gated` that has arrived.
    arrived: Arc<Semaphore>,
    /// One permit for each request to `/gated` that may be answered.
    gate: Arc<Semaphore>,
}

impl Serving {
    async fn under(limits: Limits) -> Self {
        let (arrived, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let gated = {
            let (arrived, gate) = (arrived.clone(), gate.clone());
            move || async move {
                arrived.add_permits(1);
                gate.acquire().await.expect("the gate is open").forget();
                "through"
            }
        };
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/gated", get(gated))
            .route("/read", post(|body: String| async { body }))
            .route("/unread", post(|_: Request| async { "not for me" }))
            .route("/long", get(|| async { Body::from(vec![b'x'; 32 * 1024 * 1024]) }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(serve(listener, router, limits, shutdown.clone()));
        Self { addr, shutdown, ended, arrived, gate }
    }

    async fn connect(&self) -> Wire {
        Wire::connect(self.addr).await
    }

    /// Waits until a request to `/gated` is in flight.
    async fn arrival(&self) {
        self.arrived.acquire().await.expect("the semaphore is open").forget();
    }

    async fn shut_down(self) -> Ended {
        self.shutdown.cancel();
        self.ended.await.expect("serving does not panic")
    }
}

#[tokio::test]
async fn a_connection_carries_many_requests() {
    let serving = Serving::under(Limits::default()).await;
    let mut wire = serving.connect().await;
    for _ in 0..3 {
        wire.send(GET).await;
        assert_eq!(wire.answer().await.body, "hello");
    }
}

#[tokio::test]
async fn who_has_closed_its_side_is_answered_all_the_same_and_let_go_then() {
    let limits = Limits { header_read: NEVER, half_close: true, ..Limits::default() };
    let serving = Serving::under(limits).await;
    let mut wire = serving.connect().await;
    wire.send(GATED).await;
    serving.arrival().await;
    wire.finish().await;
    // What another says afterwards is heard, so that is too.
    let mut other = serving.connect().await;
    other.send(GET).await;
    assert_eq!(other.answer().await.body, "hello");
    serving.gate.add_permits(1);
    assert_eq!(wire.answer().await.body, "through");
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn who_is_gone_keeps_no_place_where_that_is_looked_for() {
    let limits = Limits { connections: 1, header_read: NEVER, ..Limits::default() };
    let serving = Serving::under(limits).await;
    let mut gone = serving.connect().await;
    gone.send(GATED).await;
    serving.arrival().await;
    drop(gone);
    let mut next = serving.connect().await;
    next.send(GET).await;
    assert_eq!(next.answer().await.body, "hello");
}

#[tokio::test]
async fn who_answers_knows_the_peer() {
    #[derive(Clone)]
    struct TellsPeer;

    impl Answers for TellsPeer {
        async fn answer(&self, _: hyper::Request<Arriving>, peer: SocketAddr) -> Response {
            peer.to_string().into_response()
        }
    }

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener, TellsPeer, Limits::default(), stop.clone()));
    let _stop = stop.drop_guard();
    let mut wire = Wire::connect(addr).await;
    wire.send(GET).await;
    let peer: SocketAddr = wire.answer().await.body.parse().expect("an address");
    assert!(peer.ip().is_loopback() && peer != addr);
}

#[tokio::test]
async fn a_peer_that_does_not_finish_its_head_is_let_go() {
    let serving = Serving::under(Limits { header_read: SHORT, ..Limits::default() }).await;
    let mut silent = serving.connect().await;
    let mut slow = serving.connect().await;
    slow.send("GET / HTTP/1.1\r\nhost:").await;
    assert!(silent.is_closed().await);
    assert!(slow.is_closed().await);
}

#[tokio::test]
async fn an_idle_connection_is_let_go() {
    let serving = Serving::under(Limits { header_read: SHORT, ..Limits::default() }).await;
    let mut wire = serving.connect().await;
    wire.send(GET).await;
    assert_eq!(wire.answer().await.status, 200);
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn a_long_head_is_refused() {
    let serving = Serving::under(Limits { header_bytes: 1_024, ..Limits::default() }).await;
    let mut wire = serving.connect().await;
    wire.send(format!("GET / HTTP/1.1\r\nhost: x\r\nfiller: {}\r\n\r\n", "x".repeat(1_024))).await;
    assert_eq!(wire.answer().await.status, 431);
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn who_finds_no_place_waits_while_we_are_at_work_for_all_others() {
    let serving = Serving::under(Limits { connections: 1, ..Limits::default() }).await;
    let mut first = serving.connect().await;
    first.send(GATED).await;
    serving.arrival().await;
    let mut second = serving.connect().await;
    second.send(GET).await;
    // The place is taken for as long as we like; a moment of it has to do.
    assert!(tokio::time::timeout(SHORT, second.answer()).await.is_err());

    serving.gate.add_permits(1);
    assert_eq!(first.answer().await.body, "through");
    drop(first);
    assert_eq!(second.answer().await.body, "hello");
}

#[tokio::test]
async fn whoever_keeps_us_waiting_longest_gives_way() {
    async fn check(request: &str) {
        let limits = Limits { connections: 2, header_read: NEVER, write_stall: NEVER, ..Limits::default() };
        let serving = Serving::under(limits).await;
        let mut slow = serving.connect().await;
        slow.send(request).await;
        let mut good = serving.connect().await;
        good.send(GET).await;
        assert_eq!(good.answer().await.body, "hello");
        let mut next = serving.connect().await;
        next.send(GET).await;
        assert_eq!(next.answer().await.body, "hello");
        assert!(slow.is_cut().await, "{request}");
        good.send(GET).await;
        assert_eq!(good.answer().await.body, "hello");
    }
    check("").await;
    check("GET / HTTP/1.1\r\nhost:").await;
    check("POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc").await;
    check("POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    check("GET /long HTTP/1.1\r\nhost: x\r\n\r\n").await;
}

#[tokio::test]
async fn refusals_make_nobody_younger() {
    let limits = Limits { connections: 2, header_read: NEVER, ..Limits::default() };
    let serving = Serving::under(limits).await;
    let mut old = serving.connect().await;
    old.send("GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(old.answer().await.status, 404);
    let mut young = serving.connect().await;
    young.send(GET).await;
    assert_eq!(young.answer().await.body, "hello");
    old.send("GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(old.answer().await.status, 404);
    let mut next = serving.connect().await;
    next.send(GET).await;
    assert_eq!(next.answer().await.body, "hello");
    assert!(old.is_cut().await);
}

#[tokio::test]
async fn a_peer_that_does_not_take_its_answer_is_let_go() {
    let limits = Limits { write_stall: SHORT, ..Limits::default() };
    let serving = Serving::under(limits).await;
    let mut deaf = serving.connect().await;
    deaf.send("GET /long HTTP/1.1\r\nhost: x\r\n\r\n").await;
    serving.shutdown.cancel();
    // It ends though nobody reads.
    assert_eq!(serving.shut_down().await, Ended::Drained);
    drop(deaf);
}

#[tokio::test]
async fn an_answer_reaches_a_peer_that_is_still_sending() {
    let serving = Serving::under(Limits::default()).await;
    let mut wire = serving.connect().await;
    let length = 4 * 1_024 * 1_024;
    wire.send(format!("POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n")).await;
    wire.send(vec![b'x'; length]).await;
    assert_eq!(wire.answer().await.body, "not for me");
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn at_shutdown_requests_in_flight_finish_and_no_others_begin() {
    let serving = Serving::under(Limits::default()).await;
    let mut busy = serving.connect().await;
    busy.send(GATED).await;
    serving.arrival().await;
    let mut idle = serving.connect().await;
    idle.send(GET).await;
    assert_eq!(idle.answer().await.status, 200);

    serving.shutdown.cancel();
    assert!(idle.is_closed().await);
    drop(idle);
    wire::refused(serving.addr).await;
    serving.gate.add_permits(1);
    let last = busy.answer().await;
    assert_eq!((last.body.as_str(), last.header("connection")), ("through", Some("close")));
    assert!(busy.is_closed().await);
    drop(busy);
    assert_eq!(serving.shut_down().await, Ended::Drained);
}

#[tokio::test]
async fn at_the_deadline_what_is_still_busy_is_cut() {
    let serving = Serving::under(Limits { drain: SHORT, ..Limits::default() }).await;
    let mut busy = serving.connect().await;
    busy.send(GATED).await;
    serving.arrival().await;
    assert_eq!(serving.shut_down().await, Ended::Cut { connections: 1 });
    assert!(busy.is_closed().await);
}

#[tokio::test]
async fn a_peer_that_stays_after_the_farewell_does_not_hold_up_the_end() {
    let serving = Serving::under(Limits { farewell: SHORT, ..Limits::default() }).await;
    let mut staying = serving.connect().await;
    staying.send(GET).await;
    assert_eq!(staying.answer().await.status, 200);
    assert_eq!(serving.shut_down().await, Ended::Drained);
    drop(staying);
}

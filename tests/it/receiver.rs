//! `POST /hooks/{source}`, as a sender sees it.

use std::net::SocketAddr;
use std::time::Duration;

use flowhook::clock::Clock;
use flowhook::journal::{DeliveryView, Journal, Location, Reader, Tally, Writer};
use flowhook::live::Live;
use flowhook::queue::{self, Writing};
use flowhook::receiver::{Hooks, Intake, Receiver, SHORT_BODY_BYTES, Settings};
use flowhook::route::{self, Routes};
use flowhook::server::{self, Limits};
use flowhook::source::{Scheme, Secret, Source, Sources, Terms};
use hyper::HeaderMap;
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::log::Log;
use crate::wire::{Answer, Wire};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const WANTED: &str = r#"{"type":"config.updated","data":{"flow_id":"f1","node_id":"n1",
    "config":{"routing_priority":"high","queue_target":"vip","max_wait_time_seconds":30}}}"#;
const UNFIT: &str = r#"{"type":"config.updated","data":{"flow_id":"f1","node_id":"n1","config":{"max_wait_time_seconds":"soon"}}}"#;
const UNWANTED: &str = r#"{"type":"nobody.asked"}"#;

fn source() -> Source {
    let secret = Secret::parse(&Scheme::standard_webhooks(), SECRET).expect("a good secret");
    Source::new("config", Scheme::standard_webhooks(), vec![secret]).expect("a good source")
}

fn now() -> Timestamp {
    Timestamp::from_second(1_780_000_000).expect("a time of our age")
}

/// A receiver on a socket, and the journal behind it.
struct Service {
    addr: SocketAddr,
    shutting_down: CancellationToken,
    journal: Reader,
    _file: TempDir,
    _serving: DropGuard,
}

impl Service {
    async fn start(settings: Settings) -> Self {
        let (service, writing) = Self::without_writer(settings, queue::Settings::default()).await;
        tokio::spawn(writing.run());
        service
    }

    /// With room for so many pending changes.
    async fn with_room_for(capacity: usize) -> Self {
        let (service, writing) =
            Self::without_writer(Settings::default(), queue::Settings { capacity }).await;
        tokio::spawn(writing.run());
        service
    }

    /// With bodies of at most so many bytes.
    async fn with_bodies_of(body_bytes: usize) -> Self {
        let source = source().on(Terms { body_bytes, ..Terms::default() });
        let (service, writing) = Self::of(source, Settings::default(), queue::Settings::default()).await;
        tokio::spawn(writing.run());
        service
    }

    /// Nothing is committed until the writer runs.
    async fn without_writer(settings: Settings, bounds: queue::Settings) -> (Self, Writing<Writer>) {
        Self::of(source(), settings, bounds).await
    }

    async fn of(source: Source, settings: Settings, bounds: queue::Settings) -> (Self, Writing<Writer>) {
        let file = tempfile::tempdir().expect("a directory");
        let location = Location::sqlite(file.path().join("journal.db"));
        let Journal { writer, reader } = Journal::open(&location).await.expect("a new journal");
        let clock = Clock::from_fn(now);
        let (queue, _ledger, writing) = queue::open(bounds, writer, clock.clone(), Tally::default());
        let shutting_down = CancellationToken::new();
        let hooks = Hooks::new(Receiver {
            intake: Live::new(Intake {
                sources: Sources::new([source]).expect("one source"),
                routes: Routes::new(route::Settings::default()),
            }),
            queue,
            clock,
            settings,
            shutting_down: shutting_down.clone(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let stop = CancellationToken::new();
        tokio::spawn(server::serve(listener, hooks, Limits::default(), stop.clone()));
        let service = Self { addr, shutting_down, journal: reader, _file: file, _serving: stop.drop_guard() };
        (service, writing)
    }

    /// What the journal holds under that id.
    async fn kept(&self, id: &str) -> Option<DeliveryView> {
        self.journal.delivery("config", id).await.expect("the journal can be read")
    }

    async fn connect(&self) -> Wire {
        Wire::connect(self.addr).await
    }

    /// Sends a request as it stands and reads the answer.
    async fn send(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut wire = self.connect().await;
        wire.send(request).await;
        wire.answer().await
    }

    /// Delivers `body`, signed and all.
    async fn deliver(&self, id: &str, body: &str) -> Answer {
        let headers = source().sign(id, now(), body.as_bytes()).expect("it can be signed");
        self.send(Post::of(body).with(&headers).text()).await
    }
}

/// A request to the source `config`, to be spoilt.
struct Post {
    line: String,
    headers: String,
    body: String,
}

impl Post {
    fn of(body: &str) -> Self {
        let headers = format!("host: x\r\ncontent-length: {}\r\n", body.len());
        Self { line: "POST /hooks/config HTTP/1.1".into(), headers, body: body.into() }
    }

    fn with(mut self, headers: &HeaderMap) -> Self {
        for (name, value) in headers {
            self = self.header(name.as_str(), value.to_str().expect("ASCII"));
        }
        self
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }

    fn text(self) -> String {
        format!("{}\r\n{}\r\n{}", self.line, self.headers, self.body)
    }
}

fn post(line: &str) -> String {
    Post { line: line.into(), ..Post::of(UNWANTED) }.text()
}

/// Checks all that every refusal has in common.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(answer.body.len() < 500);
    let problem = answer.json();
    assert_eq!((&problem["type"], &problem["status"]), (&json!("about:blank"), &json!(status)));
    assert!(problem["title"].is_string() && problem["detail"].is_string());
}

#[tokio::test]
async fn a_delivery_that_no_route_wants_is_ignored() {
    let service = Service::start(Settings::default()).await;
    let answer = service.deliver("msg_1", UNWANTED).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"status": "ignored"})));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(service.kept("msg_1").await.is_none());
}

#[tokio::test]
async fn an_accepted_delivery_is_on_disk() {
    let service = Service::start(Settings::default()).await;
    let answer = service.deliver("msg_1", WANTED).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json(), json!({"status": "accepted", "id": "msg_1", "changes": 1}));
    let kept = service.kept("msg_1").await.expect("it is on disk");
    assert_eq!((kept.state.as_str(), kept.changes.len()), ("accepted", 1));
}

#[tokio::test]
async fn a_delivery_that_comes_again_is_a_duplicate() {
    let service = Service::start(Settings::default()).await;
    assert_eq!(service.deliver("msg_1", WANTED).await.status, 202);
    let again = service.deliver("msg_1", WANTED).await;
    assert_eq!((again.status, again.json()), (200, json!({"status": "duplicate", "id": "msg_1"})));
    assert_eq!(service.journal.pending().total(), 1);
    assert_eq!(service.deliver("msg_2", WANTED).await.status, 202);
}

#[tokio::test]
async fn what_cannot_be_carried_out_is_refused_with_its_reason_and_kept() {
    async fn check(body: &str, status: u16) {
        let service = Service::start(Settings::default()).await;
        let answer = service.deliver("msg_1", body).await;
        assert_refused(&answer, status);
        let kept = service.kept("msg_1").await.expect("it is kept");
        assert_eq!((kept.state.as_str(), kept.body.as_deref()), ("rejected", Some(body)));
        assert_eq!(answer.json()["detail"].as_str(), kept.reason.as_deref());
    }
    check("routing_priority=high", 400).await;
    check("", 400).await;
    check(UNFIT, 422).await;
}

#[tokio::test]
async fn a_rejected_delivery_that_comes_again_is_judged_anew() {
    let service = Service::start(Settings::default()).await;
    assert_eq!(service.deliver("msg_1", UNFIT).await.status, 422);
    assert_eq!(service.deliver("msg_1", UNFIT).await.status, 422);
    assert_eq!(service.deliver("msg_1", WANTED).await.status, 202);
}

#[tokio::test]
async fn what_was_accepted_stays_accepted_whatever_comes_under_its_id() {
    let service = Service::start(Settings::default()).await;
    assert_eq!(service.deliver("msg_1", WANTED).await.status, 202);
    for body in [UNFIT, "not JSON"] {
        let answer = service.deliver("msg_1", body).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"status": "duplicate", "id": "msg_1"})));
    }
    assert_eq!(service.kept("msg_1").await.expect("it is on disk").state, "accepted");
}

#[tokio::test]
async fn with_a_full_backlog_everything_that_would_be_stored_is_to_come_back() {
    let service = Service::with_room_for(1).await;
    assert_eq!(service.deliver("msg_1", WANTED).await.status, 202);
    for (id, body) in [("msg_2", WANTED), ("msg_1", WANTED), ("msg_3", UNFIT), ("msg_4", "not JSON")] {
        assert_come_back(&service.deliver(id, body).await);
    }
    assert!(service.kept("msg_2").await.is_none());
    assert_eq!(service.deliver("msg_5", UNWANTED).await.status, 200);
}

#[tokio::test]
async fn what_is_not_committed_in_time_is_to_come_back_and_is_not_stored_behind_the_senders_back() {
    let settings = Settings { commit_wait: Duration::from_millis(50), ..Settings::default() };
    let (service, writing) = Service::without_writer(settings, queue::Settings::default()).await;
    assert_come_back(&service.deliver("msg_1", WANTED).await);
    assert_come_back(&service.deliver("msg_2", UNFIT).await);

    tokio::spawn(writing.run());
    while service.deliver("msg_3", WANTED).await.status == 503 {} // a slow disk may take longer, too
    assert!(service.kept("msg_1").await.is_none() && service.kept("msg_2").await.is_none());
}

#[tokio::test]
async fn when_the_journal_is_closed_everything_that_would_be_stored_is_to_come_back() {
    let (service, writing) = Service::without_writer(Settings::default(), queue::Settings::default()).await;
    drop(writing);
    assert_come_back(&service.deliver("msg_1", WANTED).await);
    assert_come_back(&service.deliver("msg_2", UNFIT).await);
}

#[tokio::test]
async fn what_is_not_verified_gets_one_uniform_401() {
    let service = Service::start(Settings::default()).await;
    let sign =
        |at: i64| source().sign("msg_1", Timestamp::from_second(at).expect("a time"), UNWANTED.as_bytes());
    let fresh = sign(now().as_second()).expect("it can be signed");
    let stale = sign(now().as_second() - 301).expect("it can be signed");

    let unsigned = service.send(Post::of(UNWANTED).text()).await;
    assert_refused(&unsigned, 401);
    assert_eq!(unsigned.json()["detail"], "The request could not be verified.");
    for request in [
        Post::of(UNWANTED).with(&stale),
        Post::of(r#"{"type":"nobody asked"}"#).with(&fresh),
        Post::of(UNWANTED).with(&fresh).header("webhook-id", "msg_1"),
        Post::of(UNWANTED).header("webhook-signature", "v1,"),
    ] {
        let answer = service.send(request.text()).await;
        assert_refused(&answer, 401);
        assert_eq!(answer.body, unsigned.body);
        assert_eq!(answer.header("www-authenticate"), unsigned.header("www-authenticate"));
    }
}

#[tokio::test]
async fn there_is_nothing_but_hooks_of_known_sources() {
    let service = Service::start(Settings::default()).await;
    for path in [
        "/hooks/other",
        "/hooks/Config",
        "/hooks/%ff",
        "/hooks/%2e%2e",
        "/hooks/",
        "/hooks",
        "/",
        "/hooks/config/",
    ] {
        assert_refused(&service.send(post(&format!("POST {path} HTTP/1.1"))).await, 404);
    }
}

#[tokio::test]
async fn deliveries_come_by_post() {
    let service = Service::start(Settings::default()).await;
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let answer = service.send(post(&format!("{method} /hooks/config HTTP/1.1"))).await;
        assert_refused(&answer, 405);
        assert_eq!(answer.header("allow"), Some("POST"));
    }
}

#[tokio::test]
async fn a_body_comes_without_a_content_encoding() {
    let service = Service::start(Settings::default()).await;
    let headers = source().sign("msg_1", now(), UNWANTED.as_bytes()).expect("it can be signed");
    let with = |coding: &str| Post::of(UNWANTED).with(&headers).header("Content-Encoding", coding);
    for coding in ["gzip", "identity, gzip", "br", ""] {
        assert_refused(&service.send(with(coding).text()).await, 415);
    }
    assert_refused(&service.send(with("identity").header("content-encoding", "gzip").text()).await, 415);
    for coding in ["identity", "Identity"] {
        assert_eq!(service.send(with(coding).text()).await.status, 200);
    }
}

#[tokio::test]
async fn a_body_that_declares_too_great_a_length_is_refused_unread() {
    let service = Service::start(Settings::default()).await;
    let mut wire = service.connect().await;
    let declared = "POST /hooks/config HTTP/1.1\r\nhost: x\r\ncontent-length: 1048577\r\n";
    wire.send(format!("{declared}expect: 100-continue\r\n\r\n")).await;
    let answer = wire.answer().await; // not a 100, and no byte of the body was sent
    assert_refused(&answer, 413);
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn a_chunked_body_is_refused_as_soon_as_it_passes_the_limit() {
    let service = Service::with_bodies_of(8).await;
    let mut wire = service.connect().await;
    wire.send("POST /hooks/config HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    wire.send("4\r\nabcd\r\n4\r\nefgh\r\n1\r\ni\r\n").await; // and no end
    assert_refused(&wire.answer().await, 413);
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn a_chunked_body_is_as_good_as_any() {
    let service = Service::with_bodies_of(UNWANTED.len()).await;
    let mut request = Post::of(UNWANTED);
    let (first, second) = UNWANTED.split_at(7);
    request.headers = "host: x\r\ntransfer-encoding: chunked\r\n".into();
    request.body = format!("7\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", second.len());
    let headers = source().sign("msg_1", now(), UNWANTED.as_bytes()).expect("it can be signed");
    assert_eq!(service.send(request.with(&headers).text()).await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_given_up() {
    let body_read = Duration::from_millis(50);
    let service = Service::start(Settings { body_read, ..Settings::default() }).await;
    let mut wire = service.connect().await;
    wire.send("POST /hooks/config HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc").await;
    let answer = wire.answer().await;
    assert_refused(&answer, 408);
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn a_long_body_that_dawdles_is_to_come_back_when_another_comes() {
    let service = Service::start(Settings { pieces: 1, ..Settings::default() }).await;
    let mut dawdling = service.connect().await;
    let head = "POST /hooks/config HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
    dawdling.send(format!("{head}{}", " ".repeat(2 * SHORT_BODY_BYTES))).await;
    let answer = tokio::spawn(async move { (dawdling.answer().await, dawdling.is_closed().await) });
    let long = format!("{UNWANTED}{}", " ".repeat(2 * SHORT_BODY_BYTES));
    // Until the dawdling one has arrived, nobody has to give way.
    while !answer.is_finished() {
        assert_eq!(service.deliver("msg_1", &long).await.status, 200);
    }
    let (answer, is_closed) = answer.await.expect("it is answered");
    assert_come_back(&answer);
    assert!(is_closed);
}

#[tokio::test]
async fn a_connection_goes_on_after_a_refusal() {
    let service = Service::start(Settings::default()).await;
    let mut wire = service.connect().await;
    for line in ["POST /hooks/config HTTP/1.1", "GET /hooks/config HTTP/1.1", "POST / HTTP/1.1"] {
        wire.send(post(line)).await;
        assert!(wire.answer().await.status >= 400);
    }
    let headers = source().sign("msg_1", now(), UNWANTED.as_bytes()).expect("it can be signed");
    wire.send(Post::of(UNWANTED).with(&headers).text()).await;
    assert_eq!(wire.answer().await.status, 200);
}

#[tokio::test]
async fn each_request_is_logged_once_without_what_it_carried() {
    let log = Log::of_this_thread();
    let service = Service::start(Settings::default()).await;
    assert_eq!(service.deliver("msg_1", UNWANTED).await.status, 200);
    let forged = Post::of(UNWANTED).with(&source().sign("msg_2", now(), b"other").expect("it can be signed"));
    assert_eq!(service.send(forged.text()).await.status, 401);

    let text = log.text();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("http.status")).collect();
    let [ignored, forged] = lines[..] else { panic!("{lines:#?}") };
    for part in
        ["INFO", "the delivery was ignored", "source.name=\"config\"", "delivery.id=\"msg_1\"", "status=200"]
    {
        assert!(ignored.contains(part), "no {part} in {ignored}");
    }
    for part in
        ["WARN", "the request was refused", "source.name=\"config\"", "status=401", "no signature matches"]
    {
        assert!(forged.contains(part), "no {part} in {forged}");
    }
    for carried in ["msg_2", "nobody.asked", "v1,", &SECRET[6..]] {
        assert!(!text.contains(carried), "{carried} in {text}");
    }
}

#[tokio::test]
async fn whatever_comes_is_logged_once() {
    let log = Log::of_this_thread();
    let service = Service::start(Settings::default()).await;
    for line in [
        "POST /?secret=x HTTP/1.1",
        "POST /hooks/other?secret=x HTTP/1.1",
        "POST /hooks/%ff HTTP/1.1",
        "PUT /hooks/config HTTP/1.1",
    ] {
        service.send(post(line)).await;
    }
    for _ in 0..2 {
        service.deliver("msg_1", WANTED).await;
    }
    service.deliver("msg_2", UNFIT).await;
    service.shutting_down.cancel();
    service.deliver("msg_3", WANTED).await;

    let text = log.text();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("http.status")).collect();
    let expected = [
        (404, "/", "there is no such path"),
        (404, "/hooks/other", "there is no such source"),
        (404, "/hooks/%ff", "there is no such source"),
        (405, "/hooks/config", "a method that its source does not use"),
        (202, "/hooks/config", "the delivery was accepted"),
        (200, "/hooks/config", "the delivery had been accepted before"),
        (422, "/hooks/config", "its route refused it"),
        (503, "/hooks/config", "the service is shutting down"),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, (status, path, why)) in lines.into_iter().zip(expected) {
        let status = format!("http.status={status} ");
        let path = format!("http.path=\"{path}\" ");
        for part in [&status, &path, why, "http.took_us=", "client.address=127.0.0.1:"] {
            assert!(line.contains(part), "no {part} in {line}");
        }
        assert!(!line.contains("secret"), "{line}");
    }
}

#[tokio::test]
async fn while_shutting_down_everything_is_to_come_back() {
    let service = Service::start(Settings::default()).await;
    service.shutting_down.cancel();
    let signed = service.deliver("msg_1", UNWANTED).await;
    let unknown = service.send(post("GET /hooks/other HTTP/1.1")).await;
    for answer in [signed, unknown] {
        assert_come_back(&answer);
    }
}

#[track_caller]
fn assert_come_back(answer: &Answer) {
    assert_refused(answer, 503);
    let seconds: u64 = answer.header("retry-after").expect("a time to come back").parse().expect("seconds");
    assert!((1..=5).contains(&seconds));
}

//! The contract's status table, row by row, by the real `curl` against the real program.

use std::collections::BTreeSet;
use std::time::Duration;

use flowhook::receiver::STATUSES;
use flowhook::sandbox::{Sandbox, Settings};
use flowhook::server::HEADER_BYTES;
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{Addresses, Program, Running, fail, signed, signed_at};

const EVENT: &str = r#"{"type":"config.updated","data":{"flow_id":"f","node_id":"node_set_vars","config":{"routing_priority":"high","queue_target":"vip","max_wait_time_seconds":30}}}"#;
const UNWANTED: &str = r#"{"type":"nobody.asked"}"#;
/// What the HTTP library answers by itself.
const HEAD_TOO_LONG: u16 = 431;
/// One more than the body limit.
const TOO_LONG: usize = 1024 * 1024 + 1;

/// What `curl` got.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| fail(&format!("{error}: {self:?}")))
    }
}

/// A request to be made by `curl`.
struct Curl {
    arguments: Vec<String>,
    url: String,
    body: String,
    folder: TempDir,
}

impl Curl {
    fn to(addresses: Addresses) -> Self {
        Self {
            arguments: Vec::new(),
            url: format!("http://{}/hooks/config", addresses.public),
            body: EVENT.to_owned(),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// A delivery of `body`, signed now.
    fn delivery(addresses: Addresses, id: &str, body: &str) -> Self {
        Self { body: body.to_owned(), ..Self::to(addresses) }.signed(id, Timestamp::now())
    }

    fn signed(mut self, id: &str, at: Timestamp) -> Self {
        for (name, value) in &signed_at(id, at, &self.body) {
            self = self.header(name.as_str(), value.to_str().expect("ASCII"));
        }
        self
    }

    fn header(self, name: &str, value: &str) -> Self {
        let line = format!("{name}: {value}");
        self.with(&["-H", &line])
    }

    fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    fn path(self, addresses: Addresses, path: &str) -> Self {
        Self { url: format!("http://{}{path}", addresses.public), ..self }
    }

    async fn send(self) -> Answer {
        let file = |name: &str| self.folder.path().join(name).to_str().expect("UTF-8").to_owned();
        let (given, head, answer) = (file("given"), file("head"), file("answer"));
        std::fs::write(&given, &self.body).expect("the folder is ours");
        let given = format!("@{given}");
        let mut arguments = vec!["-sS", "--max-time", "20", "--path-as-is", "-D", &head, "-o", &answer];
        arguments.extend(["--data-binary", &given]);
        arguments.extend(self.arguments.iter().map(String::as_str));
        arguments.push(&self.url);
        let output = Program::named("curl", &arguments).output().await;
        assert_eq!(output.code, Some(0), "{output:?}");
        let [heads, body] = [head, answer].map(|file| std::fs::read_to_string(file).unwrap_or_default());
        // A 100 may come before the head that counts.
        let head = heads.split("\r\n\r\n").filter(|head| !head.is_empty()).last().unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| fail(&format!("no answer: {heads}")));
        assert!(documented().contains(&status), "{status} is not in the README's table");
        Answer { status, head: head.to_owned(), body }
    }
}

/// The statuses of the README's table.
fn documented() -> BTreeSet<u16> {
    let readme = include_str!("../../README.md");
    let table = readme.split("## What senders are answered").nth(1).unwrap_or_default();
    let rows =
        table.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| cell.split(", "))
        .filter_map(|code| code.trim().parse().ok())
        .collect()
}

#[test]
fn the_readme_has_every_status_and_no_other() {
    let all = STATUSES.iter().map(StatusCode::as_u16).chain([HEAD_TOO_LONG]).collect();
    assert_eq!(documented(), all);
}

async fn serving(program: Program) -> (Running, Addresses) {
    let mut service = program.start();
    let addresses = service.ready().await;
    (service, addresses)
}

#[track_caller]
fn assert_taken(answer: &Answer, status: u16, body: &Value) {
    assert_eq!((answer.status, &answer.json()), (status, body), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.body.len() < 500);
}

#[track_caller]
fn assert_refused(what: &str, answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}: {answer:?}");
    assert!(answer.body.len() < 500, "{what}: {answer:?}");
    assert_eq!(answer.json()["status"], json!(status), "{what}: {answer:?}");
    assert!(answer.json()["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{what}: {answer:?}");
}

#[tokio::test]
async fn what_is_taken() {
    let (_tenant, _service, at) = Program::serving().await;
    let accepted = Curl::delivery(at, "msg_1", EVENT).send().await;
    assert_taken(&accepted, 202, &json!({"status": "accepted", "id": "msg_1", "changes": 1}));
    let again = Curl::delivery(at, "msg_1", EVENT).send().await;
    assert_taken(&again, 200, &json!({"status": "duplicate", "id": "msg_1"}));
    let ignored = Curl::delivery(at, "msg_2", UNWANTED).send().await;
    assert_taken(&ignored, 200, &json!({"status": "ignored"}));
    // The content type is not looked at: curl's own is that of a form.
    for kind in ["application/json", "text/plain", ""] {
        let answer = Curl::delivery(at, &format!("msg_{}", kind.len()), EVENT).header("content-type", kind);
        assert_eq!(answer.send().await.status, 202, "{kind}");
    }
}

#[tokio::test]
async fn what_is_not_verified() {
    let (_tenant, _service, at) = Program::serving().await;
    let now = Timestamp::now();
    let signature = |value: &str| {
        let mut headers = signed("msg_1", EVENT);
        headers.insert("webhook-signature", value.parse().expect("a header"));
        headers.iter().fold(Curl::to(at), |curl, (name, value)| {
            // `name;` is how curl sends an empty one.
            let value = value.to_str().expect("ASCII");
            let line = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
            curl.with(&["-H", &line])
        })
    };
    let of_other_body = || {
        let headers = signed("msg_1", UNWANTED);
        headers.iter().fold(Curl::to(at), |curl, (name, value)| {
            curl.header(name.as_str(), value.to_str().expect("ASCII"))
        })
    };
    let mut bodies = Vec::new();
    for (what, curl) in [
        ("missing", Curl::to(at)),
        ("malformed", signature("v1,***")),
        ("of no version", signature("AAAA")),
        ("wrong", signature("v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")),
        ("of another body", of_other_body()),
        ("empty", signature("")),
        ("empty after its version", signature("v1,")),
        ("stale", Curl::to(at).signed("msg_1", now - Duration::from_secs(310))),
        ("ahead", Curl::to(at).signed("msg_1", now + Duration::from_secs(310))),
    ] {
        let answer = curl.send().await;
        assert_refused(what, &answer, 401);
        assert!(answer.header("www-authenticate").is_some(), "{what}");
        bodies.push(answer.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "nothing in the body tells which: {bodies:?}");
    assert_eq!(at.changes().await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_cannot_be_carried_out() {
    let (_tenant, _service, at) = Program::serving().await;
    let ahead = Timestamp::now() + Duration::from_secs(400);
    let ahead = EVENT.replace(r#","data""#, &format!(r#","timestamp":"{ahead}","data""#));
    for (what, body, status, says) in [
        ("no JSON", "routing_priority=high".to_owned(), 400, "not JSON"),
        ("nothing", String::new(), 400, "not JSON"),
        ("half a body", EVENT[..EVENT.len() - 1].to_owned(), 400, "not JSON"),
        ("type", EVENT.replace("30", "\"soon\""), 422, "`max_wait_time_seconds`"),
        ("missing variable", EVENT.replace(r#""queue_target":"vip","#, ""), 422, "`queue_target`"),
        ("missing flow", EVENT.replace(r#""flow_id":"f","#, ""), 422, "CXONE_FLOW_ID"),
        ("missing node", EVENT.replace(r#""node_id":"node_set_vars","#, ""), 422, "TARGET_NODE_ID"),
        ("flow id", EVENT.replace(r#""f""#, r#""..""#), 422, "`..`"),
        ("time ahead", ahead, 422, "300 s ahead"),
    ] {
        let id = format!("msg_{}", what.replace(' ', "_"));
        let answer = Curl::delivery(at, &id, &body).send().await;
        assert_refused(what, &answer, status);
        let told = answer.json()["detail"].clone();
        assert!(told.as_str().is_some_and(|told| told.contains(says)), "{what}: {told}");
        let kept = at.ask(&format!("/api/deliveries/config/{id}")).await;
        assert_eq!((&kept["state"], &kept["reason"]), (&json!("rejected"), &told), "{what}");
        assert_eq!(kept["body"], json!(body), "{what}");
    }
}

#[tokio::test]
async fn what_is_no_delivery_at_all() {
    let (_tenant, _service, at) = Program::serving().await;
    let delivery = || Curl::delivery(at, "msg_1", EVENT);
    let long = || Curl::delivery(at, "msg_1", &" ".repeat(TOO_LONG));
    for (what, curl, status) in [
        ("no such source", delivery().path(at, "/hooks/other"), 404),
        ("no source", delivery().path(at, "/hooks/"), 404),
        ("around a corner", delivery().path(at, "/hooks/x/../config"), 404),
        ("no such path", delivery().path(at, "/"), 404),
        ("the admin API", delivery().path(at, "/api/changes"), 404),
        ("GET", delivery().with(&["-X", "GET"]), 405),
        ("PUT", delivery().with(&["-X", "PUT"]), 405),
        ("too long, declared", long(), 413),
        ("too long, declared, unasked", long().with(&["-H", "Expect:"]), 413),
        ("too long, chunked", long().with(&["-H", "Transfer-Encoding: chunked"]), 413),
        (
            "too long, chunked, unasked",
            long().with(&["-H", "Transfer-Encoding: chunked", "-H", "Expect:"]),
            413,
        ),
        ("gzip", delivery().header("Content-Encoding", "gzip"), 415),
    ] {
        let answer = curl.send().await;
        assert_refused(what, &answer, status);
        assert_eq!(answer.header("allow"), (status == 405).then_some("POST"), "{what}");
    }
    let long_head = delivery().header("X-Long", &"x".repeat(HEADER_BYTES)).send().await;
    assert_eq!(long_head.status, HEAD_TOO_LONG, "{long_head:?}");
    assert_eq!(at.changes().await, Vec::<Value>::new());
    let chunked = delivery().with(&["-H", "Transfer-Encoding: chunked"]).send().await;
    assert_eq!(chunked.status, 202, "chunks are no fault of their own");
}

#[tokio::test]
async fn with_a_full_backlog_everything_is_to_come_back() {
    // Nobody listens there, so nothing is ever published.
    let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
    let program = Program::serve(&tenant).env("FLOWHOOK_QUEUE_CAPACITY", "1");
    tenant.shutdown().await;
    let (_service, at) = serving(program).await;
    assert_eq!(Curl::delivery(at, "msg_1", EVENT).send().await.status, 202);
    for (what, id, body) in
        [("new", "msg_2", EVENT), ("duplicate", "msg_1", EVENT), ("rejected", "msg_3", "no JSON")]
    {
        let answer = Curl::delivery(at, id, body).send().await;
        assert_refused(what, &answer, 503);
        let wait: u64 = answer.header("retry-after").and_then(|s| s.parse().ok()).expect("seconds");
        assert!((1..=5).contains(&wait), "{what}: {wait}");
    }
    assert_eq!(Curl::delivery(at, "msg_4", UNWANTED).send().await.status, 200);
    let unready = Curl::to(at).path(Addresses { public: at.admin, ..at }, "/readyz").with(&["-X", "GET"]);
    assert_refused("readiness", &unready.send().await, 503);
    assert_eq!(at.changes().await.len(), 1);
}

//! `flowhook send`: what it posts, what it follows, what it tells, how it exits.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{any, get};
use flowhook::sandbox::{Canned, Fault, FaultKind, Sandbox, Settings};
use serde_json::{Value, json};

use crate::elsewhere::{Nowhere, server};
use crate::program::{Addresses, Output, Program, Running, WEBHOOK_SECRET};
use crate::senders::{add_flows, flows};

const NOT_JSON: &str = "not JSON";
const OTHER_TYPE: &str = r#"{"type":"something.else","data":{}}"#;
const WRONG_TYPES: &str = r#"{"type":"config.updated","data":{"flow_id":"flow-0","node_id":"node_set_vars","config":{"routing_priority":7,"queue_target":"q","max_wait_time_seconds":1}}}"#;

/// The event that brings a number to a flow; without a time of its own, so that the later one wins.
pub(crate) fn event(flow: &str, number: usize) -> String {
    format!(
        r#"{{"type":"config.updated","data":{{"flow_id":"{flow}","node_id":"node_set_vars","config":{{"routing_priority":"p{number}","queue_target":"q{number}","max_wait_time_seconds":{number}}}}}}}"#
    )
}

pub(crate) struct Site {
    pub(crate) tenant: Sandbox,
    pub(crate) service: Running,
    pub(crate) addresses: Addresses,
}

impl Site {
    /// A service and a practice tenant with ten flows.
    pub(crate) async fn begin() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
        add_flows(&tenant, &flows(10));
        let mut service = Program::serve(&tenant).envs(settings).start();
        let addresses = service.ready().await;
        Self { tenant, service, addresses }
    }

    /// `send` with these arguments, pointed at the service by its settings.
    pub(crate) fn send(&self, arguments: &[&str]) -> Program {
        send(arguments).envs(&[
            ("FLOWHOOK_LISTEN", &self.addresses.public.to_string()),
            ("FLOWHOOK_ADMIN_LISTEN", &self.addresses.admin.to_string()),
        ])
    }
}

/// `send` with these arguments, and files of every kind in its folder.
pub(crate) fn send(arguments: &[&str]) -> Program {
    Program::flowhook(&[&["send"], arguments].concat())
        .env("FLOWHOOK_WEBHOOK_SECRET", WEBHOOK_SECRET)
        .file("good.json", &event("flow-0", 1))
        .file("better.json", &event("flow-1", 2))
        .file("not-json.txt", NOT_JSON)
        .file("wrong-types.json", WRONG_TYPES)
        .file("ignored.json", OTHER_TYPE)
        .file("no-such-flow.json", &event("nowhere", 3))
}

/// An exit code, no more than one error, which has these words in it.
#[track_caller]
pub(crate) fn assert_ends(output: &Output, code: i32, says: &[&str]) {
    assert_eq!(output.code, Some(code), "{output:?}");
    assert_eq!(output.stderr.matches("error:").count(), usize::from(code != 0), "{output:?}");
    for words in says {
        assert!(output.stderr.contains(words), "{words:?} in {output:?}");
    }
    assert!(!output.stderr.contains(WEBHOOK_SECRET) && !output.stdout.contains(WEBHOOK_SECRET), "{output:?}");
}

/// The lines of standard output, sorted but for the summary at the end.
fn lines(output: &Output) -> (Vec<&str>, &str) {
    let mut lines: Vec<&str> = output.stdout.lines().collect();
    let summary = lines.pop().unwrap_or_default();
    lines.sort_unstable();
    (lines, summary)
}

#[tokio::test]
async fn a_file_is_followed_under_the_id_that_the_service_has_for_it() {
    let own = event("flow-0", 1).replacen('{', r#"{"_id":"of the body's own?","#, 1).replace(' ', "_");
    for (scheme, file) in
        [("flagsmith", event("flow-0", 1)), ("launchdarkly", own), ("configcat", event("flow-0", 2))]
    {
        let scheme = [("FLOWHOOK_WEBHOOK_SCHEME", scheme)];
        let site = Site::with(&scheme).await;
        let output = site.send(&["event.json"]).envs(&scheme).file("event.json", &file).output().await;
        assert_ends(&output, 0, &[]);
        assert!(output.stdout.contains("published"), "{scheme:?}: {output:?}");
    }
}

#[tokio::test]
async fn a_file_is_followed_until_it_is_published() {
    let site = Site::begin().await;
    let output = site.send(&["good.json"]).output().await;
    assert_ends(&output, 0, &[]);
    assert_eq!(output.stderr, "", "no progress where there is no terminal");
    let (lines, summary) = lines(&output);
    let [line] = lines.as_slice() else { panic!("{output:?}") };
    assert!(line.starts_with("good.json  202  published as version 15, ") && line.ends_with(" ms"), "{line}");
    assert!(summary.starts_with("1 file in ") && summary.ends_with(" s: 1 published"), "{summary}");
    let value = site.tenant.variable("flow-0", "node_set_vars", "queue_target");
    assert_eq!(value.as_deref(), Some(r#""q1""#));

    let again = site.send(&["--json", "-"]).input(&event("flow-0", 1)).output().await;
    assert_ends(&again, 0, &[]);
    let delivery = &again.json()["deliveries"][0];
    assert_eq!((&delivery["file"], &delivery["status"]), (&json!("-"), &json!(202)));
    assert_eq!(delivery["answer"]["id"], delivery["id"]);
    assert_eq!(delivery["changes"][0]["state"], "unchanged");
    assert_eq!(delivery["changes"][0]["delivery"], delivery["id"]);
}

#[tokio::test]
async fn a_hundred_files_have_a_hundred_endings_and_the_last_of_each_flow_wins() {
    let site = Site::begin().await;
    let names: Vec<String> = (0..100).map(|number| format!("{number:03}.json")).collect();
    let mut arguments: Vec<&str> = names.iter().map(String::as_str).collect();
    arguments.push("--json");
    let with_files = names.iter().enumerate().fold(site.send(&arguments), |program, (number, name)| {
        program.file(name, &event(&format!("flow-{}", number % 10), number))
    });
    let output = with_files.output().await;
    assert_ends(&output, 0, &[]);
    let json = output.json();
    let deliveries = json["deliveries"].as_array().expect("a list");
    let told: Vec<&str> = deliveries.iter().filter_map(|delivery| delivery["file"].as_str()).collect();
    assert_eq!(told, names, "in the order given");
    assert!(deliveries.iter().all(|delivery| delivery["changes"][0]["settled_at"].is_string()), "{json}");
    let count = |name: &str| json["summary"][name].as_u64().expect("a number");
    assert_eq!((count("files"), count("published") + count("superseded")), (100, 100), "{json}");
    for at in 0..10 {
        let value = site.tenant.variable(&format!("flow-{at}"), "node_set_vars", "max_wait_time_seconds");
        assert_eq!(value, Some((90 + at).to_string()));
    }
}

#[tokio::test]
async fn good_and_bad_files_are_told_apart_and_the_first_bad_one_gives_the_code() {
    let site = Site::begin().await;
    let files = ["good.json", "ignored.json", "wrong-types.json", "no-such-flow.json", "better.json"];
    let output = site.send(&files).output().await;
    assert_ends(&output, 65, &["`wrong-types.json`", "routing_priority", "(1 more", "mend"]);
    let (lines, summary) = lines(&output);
    for (line, begins) in lines.iter().zip([
        "better.json  202  published as version 15",
        "good.json  202  published as version 15",
        "ignored.json  200  ignored",
        "no-such-flow.json  202  failed",
        "wrong-types.json  422  refused: ",
    ]) {
        assert!(line.starts_with(begins), "{begins}: {line}");
    }
    assert!(summary.starts_with("5 files in "), "{summary}");
    assert!(summary.ends_with(": 2 published, 1 failed, 1 ignored, 1 refused"), "{summary}");

    let output = site.send(&["no-such-flow.json", "not-json.txt", "--json"]).output().await;
    assert_ends(&output, 1, &["`no-such-flow.json`", "`nowhere` failed", "(1 more"]);
    let json = output.json();
    assert_eq!((&json["summary"]["failed"], &json["summary"]["refused"]), (&json!(1), &json!(1)));
    assert_eq!(json["deliveries"][1]["status"], 400);
    assert_eq!(json["deliveries"][1]["answer"]["title"], "Bad Request");
    assert!(
        json["deliveries"][0]["problem"].as_str().is_some_and(|text| text.contains("send the file again"))
    );
}

#[tokio::test]
async fn a_file_over_the_body_limit_is_sent_as_it_is_and_refused_by_the_service() {
    let site = Site::begin().await;
    for mebibytes in [2, 64] {
        let output = site.send(&["huge.json", "good.json"]).file("huge.json", &"x".repeat(mebibytes << 20));
        let output = output.output().await;
        assert_ends(&output, 65, &["`huge.json`", "1048576 bytes", "smaller"]);
        assert!(output.stdout.contains("huge.json  413  refused: "), "{output:?}");
        assert!(output.stdout.contains("good.json  202  "), "{output:?}");
    }
}

#[tokio::test]
async fn a_wrong_secret_is_77() {
    let site = Site::begin().await;
    let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let output = site.send(&["good.json"]).env("FLOWHOOK_WEBHOOK_SECRET", other).output().await;
    assert_ends(&output, 77, &["`good.json`", "FLOWHOOK_WEBHOOK_SECRET", "clocks", "5 minutes"]);
    assert!(output.stdout.starts_with("good.json  401  refused"), "{output:?}");
    assert!(!output.stderr.contains(other), "{output:?}");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_69_and_nothing_more_is_sent() {
    let nowhere = Nowhere::take();
    let Nowhere { address, url, .. } = &nowhere;
    let here = || send(&["good.json", "better.json", "--json"]).env("FLOWHOOK_LISTEN", address);
    let flagged = send(&["good.json", "better.json", "--json", "--url", url]);
    for (program, named_by) in [(here(), "FLOWHOOK_LISTEN"), (flagged, "--url")] {
        let output = program.output().await;
        assert_ends(&output, 69, &["nothing answers", address, "refused", "flowhook serve", named_by]);
        let json = output.json();
        assert_eq!(json["deliveries"][0]["status"], Value::Null);
        let counts = [&json["summary"]["unanswered"], &json["summary"]["unsent"]];
        assert_eq!(counts, [&json!(1), &json!(1)], "{json}");
    }
    let text = send(&["good.json", "better.json"]).env("FLOWHOOK_LISTEN", address).output().await;
    assert!(text.stdout.contains("better.json  -  not sent: "), "{text:?}");
}

#[tokio::test]
async fn an_admin_api_that_does_not_tell_is_reported_with_what_was_accepted() {
    let site = Site::with(&[("FLOWHOOK_ADMIN_TOKEN", "tell-nobody-4711")]).await;
    let check = async |program: Program, code: i32, says: &[&str]| {
        let output = program.output().await;
        assert_ends(&output, code, says);
        assert!(output.stdout.contains("good.json  202  accepted, and cannot be followed: "), "{output:?}");
        assert!(output.stdout.contains(": 2 accepted and not followed"), "{output:?}");
        assert!(!output.stderr.contains("4711") && !output.stdout.contains("4711"), "{output:?}");
    };
    let send = || site.send(&["good.json", "better.json"]);
    check(send(), 77, &["set FLOWHOOK_ADMIN_TOKEN here"]).await;
    check(
        send().env("FLOWHOOK_ADMIN_TOKEN", "other-4711"),
        77,
        &["FLOWHOOK_ADMIN_TOKEN", "not the service's"],
    )
    .await;
    let nowhere = Nowhere::take();
    let admin = ("FLOWHOOK_ADMIN_LISTEN", nowhere.address.as_str());
    // It might be on its way up, so that is asked to the end of the wait.
    let briefly = site.send(&["good.json", "better.json", "--wait", "1"]).envs(&[admin]);
    check(briefly, 69, &[&nowhere.address, "FLOWHOOK_ADMIN_LISTEN", "--wait 0"]).await;
    // Some other program: here the service's own public listener.
    let public = format!("http://{}", site.addresses.public);
    let other = site.send(&["good.json", "better.json", "--admin-url", &public]);
    check(other, 69, &[&public, "--admin-url"]).await;

    let known = send().env("FLOWHOOK_ADMIN_TOKEN", "tell-nobody-4711").output().await;
    assert_ends(&known, 0, &[]);
}

#[tokio::test]
async fn no_more_is_looked_at_than_is_needed() {
    let site = Site::begin().await;
    let url = format!("http://{}/", site.addresses.public);
    let broken = [("FLOWHOOK_LISTEN", "x"), ("FLOWHOOK_ADMIN_LISTEN", "x"), ("CXONE_BASE_URL", "x")];
    let output = send(&["--wait", "0", "--url", &url, "good.json"]).envs(&broken).output().await;
    assert_ends(&output, 0, &[]);
    assert!(output.stdout.starts_with("good.json  202  accepted, not followed\n"), "{output:?}");
    let output = send(&["good.json"]).envs(&broken).output().await;
    assert_ends(&output, 64, &["FLOWHOOK_LISTEN", "FLOWHOOK_ADMIN_LISTEN"]);
    assert!(!output.stderr.contains("CXONE"), "{output:?}");
}

#[tokio::test]
async fn what_is_pending_at_the_end_is_75() {
    let site = Site::begin().await;
    site.tenant.fault(Fault::get(FaultKind::Status(Canned::status(429).retry_after("60"))).forever());
    let output = site.send(&["good.json", "--wait", "1"]).output().await;
    assert_ends(&output, 75, &["`good.json`", "`flow-0` is still pending", "429", "--wait"]);
    assert!(output.stdout.starts_with("good.json  202  pending: "), "{output:?}");
    assert!(output.stdout.contains(": 1 pending"), "{output:?}");
}

#[tokio::test]
async fn a_service_that_cannot_take_it_now_is_75() {
    let site = Site::with(&[("FLOWHOOK_QUEUE_CAPACITY", "1")]).await;
    let hold = site.tenant.hold("flow-0");
    let first = site.send(&["good.json", "--wait", "0"]).output().await;
    assert_ends(&first, 0, &[]);
    let output = site.send(&["better.json"]).output().await;
    assert_ends(&output, 75, &["`better.json`", "send it again in ", " s"]);
    assert!(output.stdout.starts_with("better.json  503  refused: "), "{output:?}");
    drop(hold);
    site.addresses.settled().await;
    assert_ends(&site.send(&["better.json"]).output().await, 0, &[]);
    site.service.signal("TERM");
    assert_eq!(site.service.exit().await.code, Some(0));
}

#[tokio::test]
async fn what_answers_and_is_not_flowhook_is_told() {
    let check = async |router: Router, code: i32, says: &[&str]| {
        let url = format!("http://{}", server(router).await);
        let output = send(&["good.json", "--url", &url, "--json"]).output().await;
        assert_ends(&output, code, says);
        output.json()
    };
    let page = Router::new().fallback(any(|| async { "<html>hello" }));
    let json = check(page, 69, &["200 OK", "flowhook's words", "--url"]).await;
    assert_eq!(json["deliveries"][0]["answer"], "<html>hello");
    check(Router::new(), 69, &["404 Not Found", "flowhook's words", "/hooks/config", "--url"]).await;
    let moved = [("location", "https://example.com/")];
    let redirect = Router::new().fallback(any(move || async move { (StatusCode::FOUND, moved) }));
    check(redirect, 69, &["302 Found", "redirects are not followed"]).await;
    let broken = Router::new().fallback(any(|| async { StatusCode::BAD_GATEWAY }));
    check(broken, 69, &["502 Bad Gateway", "log"]).await;

    // What is accepted by one service cannot be followed at another one's admin API.
    let one = Site::begin().await;
    let other = Site::begin().await;
    let admin_url = format!("http://{}", other.addresses.admin);
    let output = one.send(&["good.json", "--admin-url", &admin_url]).output().await;
    assert_ends(&output, 69, &["has sent no delivery", "--admin-url"]);
}

#[tokio::test]
async fn an_admin_api_that_is_busy_for_a_moment_is_asked_again() {
    let site = Site::begin().await;
    let told =
        r#"{"changes":[{"seq":1,"flow":"f","state":"superseded","received_at":"2026-01-05T06:00:00Z"}]}"#;
    let times = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let busy = get(move || async move {
        match times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0..3 => (StatusCode::SERVICE_UNAVAILABLE, ""),
            _ => (StatusCode::OK, told),
        }
    });
    let admin = server(Router::new().route("/api/deliveries/config/{id}", busy)).await;
    let output = site.send(&["good.json", "--admin-url", &format!("http://{admin}")]).output().await;
    assert_ends(&output, 0, &[]);
    assert!(output.stdout.starts_with("good.json  202  superseded\n"), "{output:?}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_reported_before_anything_is_sent() {
    let site = Site::begin().await;
    let output = site.send(&["good.json", "missing.json", ".", "--json"]).output().await;
    assert_ends(&output, 65, &["`missing.json`", "No such file", "`.`", "directory", "nothing was sent"]);
    assert_eq!(output.json()["exit_code"], 65);
    assert_eq!(site.addresses.changes().await, Vec::<Value>::new());
}

#[tokio::test]
async fn bad_usage_is_64() {
    let check = async |arguments: &[&str], says: &[&str]| {
        let output = send(arguments).output().await;
        assert_ends(&output, 64, says);
        assert_eq!(output.stdout, "");
    };
    check(&[], &["<FILE>", "--help"]).await;
    check(&["--url", "localhost:8080", "good.json"], &["--url", "localhost:8080", "http"]).await;
    check(&["--url", "http://x/?key=1", "good.json"], &["--url", "query"]).await;
    check(&["--admin-url", "ftp://x", "good.json"], &["--admin-url", "http"]).await;
    check(&["--wait", "soon", "good.json"], &["--wait"]).await;
    check(&["--wait", "86401", "good.json"], &["--wait", "86400"]).await;
    check(&["--source", "git", "good.json"], &["`git`", "`config`"]).await;
    check(&["-", "good.json", "-"], &["`-`", "once"]).await;
}

#[tokio::test]
async fn on_a_terminal_a_line_tells_how_far_it_has_come() {
    let site = Site::begin().await;
    let script = "script -qec 'flowhook send good.json better.json' /dev/null";
    let output = Program::named("bash", &["-c", script])
        .envs(&[
            ("FLOWHOOK_WEBHOOK_SECRET", WEBHOOK_SECRET),
            ("FLOWHOOK_LISTEN", &site.addresses.public.to_string()),
            ("FLOWHOOK_ADMIN_LISTEN", &site.addresses.admin.to_string()),
        ])
        .file("good.json", &event("flow-0", 1))
        .file("better.json", &event("flow-1", 2))
        .output()
        .await;
    assert_eq!(output.code, Some(0), "{output:?}");
    for part in ["\r\u{1b}[Ksent 0 of 2, 0 settled", "\r\u{1b}[Ksent 2 of 2, 2 settled\r\u{1b}[K2 files in "]
    {
        assert!(output.stdout.contains(part), "{part:?} in {output:?}");
    }
    assert!(output.stdout.contains("\r\u{1b}[Kgood.json  202  published as version 15"), "{output:?}");
}

/// What a terminal shows after all that was written to it.
fn shown(written: &str) -> Vec<&str> {
    let lines = written.lines().map(|line| line.trim_end_matches('\r'));
    lines.filter_map(|line| line.rsplit("\r\u{1b}[K").next()).filter(|line| !line.is_empty()).collect()
}

#[tokio::test]
async fn a_hundred_files_on_a_terminal_leave_a_line_each_and_a_summary() {
    let site = Site::begin().await;
    let program = Program::named("bash", &["-c", "script -qec 'flowhook send *.json' /dev/null"]).envs(&[
        ("FLOWHOOK_WEBHOOK_SECRET", WEBHOOK_SECRET),
        ("FLOWHOOK_LISTEN", &site.addresses.public.to_string()),
        ("FLOWHOOK_ADMIN_LISTEN", &site.addresses.admin.to_string()),
    ]);
    let output = (0..100).fold(program, |program, number| {
        program.file(&format!("{number:03}.json"), &event(&format!("flow-{}", number % 10), number))
    });
    let output = output.output().await;
    assert_eq!(output.code, Some(0), "{output:?}");
    for sent in 0..=100 {
        let progress = format!("\r\u{1b}[Ksent {sent} of 100, ");
        assert!(output.stdout.contains(&progress), "{progress:?} in {output:?}");
    }
    assert!(output.stdout.contains("sent 100 of 100, 100 settled\r\u{1b}[K"), "{output:?}");
    let mut lines = shown(&output.stdout);
    let summary = lines.pop().unwrap_or_default();
    assert!(summary.starts_with("100 files in ") && summary.contains(" published"), "{summary}");
    lines.sort_unstable();
    assert_eq!(lines.len(), 100, "{lines:?}");
    for (number, line) in lines.iter().enumerate() {
        assert!(line.starts_with(&format!("{number:03}.json  202  ")) && line.ends_with(" ms"), "{line}");
    }
}

#[tokio::test]
async fn secrets_never_appear_however_much_is_logged() {
    let site = Site::with(&[("FLOWHOOK_ADMIN_TOKEN", "tell-nobody-4711")]).await;
    let send = site.send(&["good.json"]).env("FLOWHOOK_ADMIN_TOKEN", "tell-nobody-4711");
    let output = send.env("FLOWHOOK_LOG", "trace").output().await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.stderr.contains("DEBUG"), "{output:?}");
    for secret in ["4711", WEBHOOK_SECRET.trim_start_matches("whsec_")] {
        let line = output.stderr.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}

//! `flowhook explain`: offline, what would become of a request, and which check it fails.

use flowhook::source::{Scheme, Secret};
use jiff::Timestamp;
use serde_json::json;

use crate::program::{Output, Program, WEBHOOK_SECRET, signed_at};

const SETTINGS: &str = r#"
[sources.config]
scheme = "standard-webhooks"
secrets = ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]

[sources.other]
scheme = "standard-webhooks"
secrets = ["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"]

[routes.wait]
source = "config"
when = [{ at = "/type", is = "config.updated" }]
flow = ["f-1", "f-2"]
node = "node_set_vars"
order_by = { at = "/timestamp", as = "time" }
variables = { max_wait_time_seconds = { at = "/wait", type = "integer" } }

[routes.x]
source = "config"
when = [{ at = "/type", is = "config.gone" }]
flow = "f-1"
node = "n"
variables_from = "/all"
"#;

const BODY: &str = r#"{"type":"config.updated","timestamp":"2026-01-05T06:00:00Z","wait":30}"#;
const SENT_AT: &str = "2026-01-05T06:00:00Z";

/// What the sender's library sent along.
fn headers(body: &str) -> String {
    let at: Timestamp = SENT_AT.parse().expect("a time");
    let lines = signed_at("msg_1", at, body);
    let lines =
        lines.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().expect("it is ASCII")));
    lines.collect()
}

async fn explained(body: &str, headers: &str, more: &[&str]) -> Output {
    let arguments =
        ["--config", "flowhook.toml", "explain", "body.json", "--source", "config", "-H", "@headers"];
    let arguments = [&arguments[..], more].concat();
    let program = Program::flowhook(&arguments).file("flowhook.toml", SETTINGS);
    program.file("body.json", body).file("headers", headers).output().await
}

#[tokio::test]
async fn of_a_good_request_it_shows_each_check_and_the_changes() {
    let told = explained(BODY, &headers(BODY), &["--at", SENT_AT]).await;
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""), "{told:?}");
    let expected = "\
source config, scheme standard-webhooks
ok       the delivery's id: it is `msg_1`
ok       the time of signing: it is 1767592800
ok       the signatures: 1 could be ours
ok       the secret: number 2 of 2 made one of them
ok       freshness: it was signed 0 s ago, and 300 s either way are allowed
route wait makes 2 changes of it:
  flow f-1, node node_set_vars, ordered by 2026-01-05T06:00:00Z
    max_wait_time_seconds = 30
  flow f-2, node node_set_vars, ordered by 2026-01-05T06:00:00Z
    max_wait_time_seconds = 30
route x does not want it: `/type` is `\"config.updated\"`, and must be `\"config.gone\"`
";
    assert!(told.stdout.starts_with(expected), "{}", told.stdout);
    assert!(told.stdout.ends_with("answer: 202 Accepted\n"), "{}", told.stdout);
}

#[tokio::test]
async fn it_names_the_check_that_fails_and_what_may_be_the_cause() {
    #[track_caller]
    fn check(told: &Output, failed: &str, cause: &str) {
        assert_eq!(told.code, Some(65), "{told:?}");
        assert!(
            told.stdout.lines().any(|line| line.starts_with(&format!("failed   {failed}: "))),
            "{told:?}"
        );
        assert!(told.stdout.contains(cause), "{cause}: {}", told.stdout);
        assert!(told.stdout.contains("route wait makes 2 changes of it"), "{told:?}");
        assert!(told.stdout.ends_with("answer: 401 Unauthorized\n"), "{told:?}");
    }
    let good = headers(BODY);
    let at = ["--at", SENT_AT];

    check(
        &explained(BODY, &good, &["--at", "2026-01-05T06:05:01Z"]).await,
        "freshness",
        "it was signed 301 s ago",
    );
    let without =
        |name: &str| good.lines().filter(|line| !line.starts_with(name)).collect::<Vec<_>>().join("\n");
    check(
        &explained(BODY, &without("webhook-id"), &at).await,
        "the delivery's id",
        "`webhook-id` is missing",
    );
    let unsigned = without("webhook-signature");
    check(&explained(BODY, &unsigned, &at).await, "the signatures", "`webhook-signature` is missing");

    // A wrong key and an altered body make the same mismatch; what can be told apart is.
    let scheme = Scheme::standard_webhooks();
    let by = |secret: &str| {
        let secret = Secret::parse(&scheme, secret).expect("a secret");
        let signed = scheme.sign(&secret, "msg_1", SENT_AT.parse().expect("a time"), BODY.as_bytes());
        let signed = signed.expect("it can be signed");
        let line = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
            format!("{name}: {}\n", value.to_str().expect("it is ASCII"))
        };
        signed.iter().map(line).collect::<String>()
    };
    let nobodys = by("whsec_CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC");
    check(&explained(BODY, &nobodys, &at).await, "the secret", "compare the secret with the sender's");
    let others = by("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
    check(
        &explained(BODY, &others, &at).await,
        "the secret",
        "it fits source `other`: have it sent to /hooks/other",
    );
    let altered = [
        (format!("{BODY}\n"), "without the line end behind it"),
        (BODY.replace("\":", "\": "), "without the white space of its JSON"),
        (format!("\u{feff}{BODY}"), "without the byte order mark before it"),
    ];
    for (body, fits) in altered {
        // With a mark before it, it is no JSON either.
        let told = explained(&body, &good, &at).await;
        assert!(told.stdout.contains("failed   the secret"), "{told:?}");
        assert!(told.stdout.contains(&format!("altered in transit: it fits {fits}")), "{told:?}");
    }
}

#[tokio::test]
async fn what_a_route_refuses_is_told_with_its_answer() {
    let body = BODY.replace("30", "\"30\"");
    let told = explained(&body, &headers(&body), &["--at", SENT_AT]).await;
    assert_eq!(told.code, Some(65), "{told:?}");
    assert!(
        told.stdout
            .contains("failed   route wait: `max_wait_time_seconds` must be a whole number, not `\"30\"`"),
        "{}",
        told.stdout
    );
    assert!(told.stdout.ends_with("answer: 422 Unprocessable Entity\n"), "{}", told.stdout);
    let told = explained("no JSON", &headers("no JSON"), &["--at", SENT_AT]).await;
    assert!(told.stdout.ends_with("answer: 400 Bad Request\n"), "{}", told.stdout);
}

#[tokio::test]
async fn a_body_that_is_too_long_or_encoded_is_turned_away_before_its_signature_is_looked_at() {
    let check = |told: &Output, why: &str, answer: &str| {
        assert_eq!(told.code, Some(65), "{told:?}");
        assert!(told.stdout.contains(&format!("\nfailed   the body has {why}")), "{told:?}");
        assert!(told.stdout.ends_with(&format!("answer: {answer}\n")), "{told:?}");
        assert!(!told.stdout.contains("route") && !told.stdout.contains("secret"), "{told:?}");
    };
    let encoded = explained(BODY, &headers(BODY), &["--at", SENT_AT, "-H", "Content-Encoding: gzip"]).await;
    check(&encoded, "a `Content-Encoding`", "415 Unsupported Media Type");
    let long = format!("{BODY}{}", " ".repeat(1_048_577 - BODY.len()));
    let told = explained(&long, &headers(&long), &["--at", SENT_AT]).await;
    check(&told, "1048577 bytes, and its source may send 1048576", "413 Payload Too Large");
    let told = explained(&long, &headers(&long), &["--at", SENT_AT, "--json"]).await.json();
    assert_eq!(told["status"], 413, "{told}");
    assert!(told["turned_away"].as_str().is_some_and(|why| why.contains("1048576")), "{told}");
}

#[tokio::test]
async fn a_route_is_given_the_headers_without_the_token() {
    let settings = r#"
[sources.token]
scheme = "gitlab-token"
secrets = ["hunter2-hunter2-hunter2-hunter2"]

[routes.wait]
source = "token"
when = [{ header = "x-gitlab-token", is = "another" }]
flow = "f-1"
node = "node_set_vars"
variables = { wait = "/wait" }
"#;
    let arguments = ["--config", "flowhook.toml", "explain", "-", "--source", "token", "-H", "@headers"];
    let program = Program::flowhook(&arguments).file("flowhook.toml", settings).input(BODY);
    let told = program.file("headers", "X-Gitlab-Token: hunter2-hunter2-hunter2-hunter2").output().await;
    assert!(told.stdout.contains("number 1 of 1 made one of them"), "{told:?}");
    assert!(!format!("{told:?}").contains("hunter2"), "{told:?}");
}

#[tokio::test]
async fn in_json_it_tells_the_same() {
    let told = explained(BODY, &headers(BODY), &["--at", SENT_AT, "--json"]).await.json();
    assert_eq!((&told["status"], &told["checks"][4]["check"]), (&json!(202), &json!("freshness")), "{told}");
    let change = &told["routes"][0]["changes"][1];
    assert_eq!((&change["flow"], &change["variables"][0]["value"]), (&json!("f-2"), &json!(30)), "{told}");
    assert_eq!(told["routes"][1]["verdict"], "unwanted", "{told}");
    let stale = explained(BODY, &headers(BODY), &["--json"]).await;
    let told = stale.json();
    assert_eq!(
        (stale.code, &told["status"], &told["checks"][4]["ok"]),
        (Some(65), &json!(401), &json!(false))
    );
}

#[tokio::test]
async fn without_headers_only_the_routes_are_asked_and_without_settings_it_says_what_it_needs() {
    let arguments = ["--config", "flowhook.toml", "explain", "-", "--source", "config"];
    let told = Program::flowhook(&arguments).file("flowhook.toml", SETTINGS).input(BODY).output().await;
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stdout.contains("no headers were given: the signature is not looked at"), "{told:?}");
    assert!(told.stdout.contains("route wait makes 2 changes"), "{told:?}");

    let told = Program::flowhook(&["explain", "-"]).output().await;
    assert_eq!(told.code, Some(64), "{told:?}");
    assert!(
        told.stderr.contains("FLOWHOOK_WEBHOOK_SECRET") && !told.stderr.contains(WEBHOOK_SECRET),
        "{told:?}"
    );
}

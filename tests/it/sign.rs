//! `flowhook sign`: what it prints makes a file a delivery.

use flowhook::sandbox::SAMPLE_NODE;
use flowhook::source::{Scheme, Secret, Source};
use hyper::HeaderMap;
use hyper::header::HeaderName;
use jiff::Timestamp;
use serde_json::Value;

use crate::program::{Output, Program, WEBHOOK_SECRET};

const EVENT: &str = r#"{"type":"config.updated","data":{"flow_id":"f","node_id":"node_set_vars","config":{"routing_priority":"high","queue_target":"vip","max_wait_time_seconds":30}}}
"#;

/// `sign` with these arguments and `event.json` in its folder.
fn sign(arguments: &[&str]) -> Program {
    Program::flowhook(&[&["sign"], arguments].concat())
        .env("FLOWHOOK_WEBHOOK_SECRET", WEBHOOK_SECRET)
        .file("event.json", EVENT)
}

#[track_caller]
fn assert_failed(output: &Output, code: i32, says: &[&str]) {
    assert_eq!((output.code, output.stdout.as_str()), (Some(code), ""), "{output:?}");
    assert_eq!(output.stderr.matches("error:").count(), 1, "{output:?}");
    for words in says {
        assert!(output.stderr.contains(words), "{words:?} in {output:?}");
    }
    assert!(!output.stderr.contains(WEBHOOK_SECRET), "{output:?}");
}

#[tokio::test]
async fn what_it_prints_is_piped_into_curl_and_accepted() {
    let (tenant, _service, addresses) = Program::serving().await;
    for (from, fed) in [("event.json", ""), ("-", " < event.json")] {
        let script = format!(
            "set -euo pipefail; flowhook sign {from}{fed} |
             curl -sS -i -H @- --data-binary @event.json http://{}/hooks/config",
            addresses.public
        );
        let piped = Program::named("bash", &["-c", &script])
            .env("FLOWHOOK_WEBHOOK_SECRET", WEBHOOK_SECRET)
            .file("event.json", EVENT);
        let output = piped.output().await;
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
        assert!(output.stdout.starts_with("HTTP/1.1 202 Accepted"), "{output:?}");
        addresses.settled().await;
    }
    assert_eq!(tenant.variable("f", SAMPLE_NODE, "queue_target").as_deref(), Some(r#""vip""#));
    assert_eq!(addresses.changes().await.len(), 2, "each had an id of its own");
}

#[tokio::test]
async fn it_prints_a_header_a_line_or_json() {
    let output = sign(&["--id", "msg_7", "event.json"]).output().await;
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    let names: Vec<&str> = output.stdout.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    assert_eq!(names, ["webhook-id", "webhook-timestamp", "webhook-signature"], "{output:?}");
    assert!(output.stdout.starts_with("webhook-id: msg_7\n"), "{output:?}");

    let json = sign(&["--json", "--source", "config", "event.json"]).output().await.json();
    assert_eq!(json["source"], "config");
    assert_eq!(json["headers"]["webhook-id"], json["id"]);
    assert!(json["id"].as_str().is_some_and(|id| id.starts_with("msg_")), "{json}");
    let signature = json["headers"]["webhook-signature"].as_str();
    assert!(signature.is_some_and(|text| text.starts_with("v1,")), "{json}");
    let again: Value = sign(&["--json", "event.json"]).output().await.json();
    assert_ne!(again["id"], json["id"]);
}

#[tokio::test]
async fn it_signs_in_every_scheme() {
    for scheme in Scheme::all() {
        // With the time where one of them has it.
        let body = format!(r#"{{"timestamp":{}}}"#, Timestamp::now().as_millisecond());
        let program = sign(&["--json", "timed.json"]).file("timed.json", &body);
        let json = program.env("FLOWHOOK_WEBHOOK_SCHEME", scheme.name()).output().await.json();
        let line = |(name, value): (&String, &Value)| {
            let value = value.as_str().expect("text").parse().expect("a value");
            (name.parse::<HeaderName>().expect("a name"), value)
        };
        let headers: HeaderMap = json["headers"].as_object().expect("headers").iter().map(line).collect();
        let secret = Secret::parse(&scheme, WEBHOOK_SECRET).expect("a good secret");
        let source = Source::new("config", scheme.clone(), vec![secret]).expect("a good source");
        let outcome = source.verify(headers, body.into(), Timestamp::now());
        assert!(outcome.is_ok(), "{scheme:?}: {json} {outcome:?}");
    }
}

#[tokio::test]
async fn what_it_cannot_sign_it_says_with_the_next_step() {
    assert_failed(&sign(&["--source", "git", "event.json"]).output().await, 64, &["`git`", "`config`"]);
    assert_failed(&sign(&["--id", "a.b", "event.json"]).output().await, 64, &["delivery's id"]);
    assert_failed(&sign(&[]).output().await, 64, &["<FILE>", "--help"]);
    let no_secret = Program::flowhook(&["sign", "event.json"]).output().await;
    assert_failed(&no_secret, 64, &["FLOWHOOK_WEBHOOK_SECRET"]);
    assert!(!no_secret.stderr.contains("CXONE"), "it needs nothing else: {no_secret:?}");
    assert_failed(&sign(&["missing.json"]).output().await, 65, &["`missing.json`", "No such file"]);
    assert_failed(&sign(&["."]).output().await, 65, &["`.`", "directory"]);
}

#[tokio::test]
async fn it_signs_for_the_one_source_that_there_is_and_asks_which_of_several() {
    let source = |name: &str| {
        format!("[sources.{name}]\nscheme = \"github\"\nsecrets = [\"0123456789012345678901234\"]\n")
    };
    let sign = async |sources: &[&str]| {
        let tables: String = sources.iter().map(|name| source(name)).collect();
        let program = Program::flowhook(&["--config", "flowhook.toml", "sign", "--json", "event.json"]);
        program.file("event.json", EVENT).file("flowhook.toml", &tables).output().await
    };
    assert_eq!(sign(&["git"]).await.json()["source"], "git");
    assert_eq!(sign(&["git", "config"]).await.json()["source"], "config");
    let several = sign(&["git", "hub"]).await;
    assert_eq!(several.code, Some(64), "{several:?}");
    assert!(several.stderr.contains("give --source one of `git`, `hub`"), "{several:?}");
}

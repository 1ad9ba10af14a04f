//! The fixture events, sent to the real program: each is answered as `fixtures/README.md` says.

use std::collections::BTreeSet;
use std::path::Path;

use flowhook::source::{Scheme, Secret};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::config_api::ConfigApi;
use crate::patience::patiently;
use crate::practising::practising;
use crate::program::{Addresses, Program, client, fail};

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/events");

/// A row of the table of events.
struct Row {
    file: String,
    status: u16,
    change: String,
}

fn table() -> Vec<Row> {
    let page = include_str!("../../fixtures/README.md");
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let file = cells.next()?.trim_end_matches('`').to_owned();
        let status = cells.next()?.parse().ok()?;
        Some(Row { file, status, change: cells.next()?.to_owned() })
    };
    page.lines().filter_map(row).collect()
}

/// The paths of all files below a folder, as in `several-flows/1.json`.
fn files(folder: &Path, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("a folder of ours") {
        let path = entry.expect("it can be read").path();
        let name = format!("{prefix}{}", path.file_name().expect("a name").to_string_lossy());
        if path.is_dir() { found.extend(files(&path, &format!("{name}/"))) } else { _ = found.insert(name) }
    }
    found
}

/// Delivers a fixture and waits for its change: the status of the answer, and how the change ended.
async fn delivered(service: Addresses, secret: &Secret, file: &str, id: &str) -> (u16, String) {
    let body = std::fs::read(format!("{EVENTS}/{file}")).expect("a fixture");
    let headers =
        Scheme::standard_webhooks().sign(secret, id, Timestamp::now(), &body).expect("it can be signed");
    let url = format!("http://{}/hooks/config", service.public);
    let answer = patiently(client().post(url).headers(headers).body(body).send()).await.expect("it answers");
    let status = answer.status().as_u16();
    service.settled().await;
    let delivery = service.ask(&format!("/api/deliveries/config/{id}")).await;
    let change = delivery["changes"][0]["state"].as_str().unwrap_or("none").to_owned();
    (status, change)
}

/// What `serve --sandbox` printed that it signs with.
fn secret(printed: &str) -> Secret {
    let word = printed.split_whitespace().find_map(|word| word.strip_prefix("FLOWHOOK_WEBHOOK_SECRET="));
    Secret::parse(&Scheme::standard_webhooks(), word.unwrap_or_else(|| fail(printed))).expect("a good secret")
}

#[tokio::test]
async fn every_fixture_event_is_answered_and_ends_as_the_table_says() {
    let table = table();
    let listed: BTreeSet<String> = table.iter().map(|row| row.file.clone()).collect();
    let there = files(Path::new(EVENTS), "");
    assert_eq!(there, listed, "the files, and those in the table");

    let (_service, addresses, printed) = practising(Program::flowhook(&["serve", "--sandbox"])).await;
    let secret = secret(&printed);
    for Row { file, status, change } in &table {
        let id = file.replace(['/', '.'], "-");
        let ended = delivered(addresses, &secret, file, &id).await;
        assert_eq!(ended, (*status, change.clone()), "{file}");
    }
    for (id, wanted) in [("msg_again", "published"), ("msg_once_more", "unchanged")] {
        let ended = delivered(addresses, &secret, "full.json", id).await;
        assert_eq!(ended, (202, wanted.to_owned()), "{id}");
    }
}

#[tokio::test]
async fn the_thin_event_is_accepted_where_its_variables_can_be_fetched() {
    let api = ConfigApi::start().await;
    api.says(&json!({"routing_priority": "low", "queue_target": "fetched", "max_wait_time_seconds": 1}));
    let program = Program::flowhook(&["serve", "--sandbox"]).env("EXTERNAL_API_URL", &api.url);
    let (_service, addresses, printed) = practising(program).await;
    let ended = delivered(addresses, &secret(&printed), "thin.json", "msg_thin").await;
    assert_eq!(ended, (202, "published".to_owned()));
}

#[test]
fn the_times_in_the_events_are_past() {
    let past: Timestamp = "2026-06-01T00:00:00Z".parse().expect("a time");
    for file in files(Path::new(EVENTS), "") {
        let text = std::fs::read_to_string(format!("{EVENTS}/{file}")).expect("a fixture");
        let Ok(event) = serde_json::from_str::<Value>(&text) else { continue };
        let time: Timestamp = event["timestamp"].as_str().and_then(|time| time.parse().ok()).expect("a time");
        assert!(time < past, "{file}");
    }
}

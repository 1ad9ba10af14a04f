//! Merge patches of a node's configuration, from the journal to the tenant and back; and thin changes whose route is
//! gone.

use std::path::Path;
use std::sync::Arc;

use flowhook::change::{FlowId, Mode, NewChange, NodeId, Values};
use flowhook::journal::{Journal, Location};
use flowhook::sandbox::SAMPLE_NODE;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::config_api::ConfigApi;
use crate::deliveries::{change, delivery, now};
use crate::patience::{eventually, patiently};
use crate::program::{Addresses, Program, client};

/// A journal in which these changes of the flow `f` wait.
async fn waiting(path: &Path, changes: &[NewChange]) {
    let Journal { mut writer, reader } = Journal::open(&Location::sqlite(path)).await.expect("a new journal");
    let mut commit = writer.begin(now()).expect("a commit");
    commit.admit(&delivery("first", changes)).expect("it is admitted");
    commit.finish().expect("it is on disk");
    reader.close().await;
}

fn patch(text: &str) -> NewChange {
    let values = Values::Patch(RawValue::from_string(text.to_owned()).expect("JSON"));
    NewChange { mode: Mode::Patch, values, ..change("f", SAMPLE_NODE, &[]) }
}

async fn ended(addresses: &Addresses, seq: i64) -> Value {
    eventually(async || {
        let change = addresses.ask(&format!("/api/changes/{seq}")).await;
        (change["state"] != "pending").then_some(change)
    })
    .await
}

#[tokio::test]
async fn a_patch_is_published_beside_a_variable_and_rolled_back_to_the_byte() {
    let (tenant, service, _) = Program::serving().await;
    service.kill().await;
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal.db");
    let text = r#"{"limits" : {"calls":1.10,"none":null},"added":[null]}"#;
    let wait = change("f", SAMPLE_NODE, &[("max_wait_time_seconds", "77")]);
    waiting(&journal, &[patch(text), wait]).await;
    let before = tenant.flow("f").expect("it is there");

    let mut service = Program::serve(&tenant).journal(&journal).start();
    let addresses = service.ready().await;
    let change = ended(&addresses, 1).await;
    let shown = (&change["state"], &change["mode"], &change["patch"]["limits"]["none"], &change["variables"]);
    assert_eq!(shown, (&json!("published"), &json!("patch"), &Value::Null, &Value::Null), "{change}");
    assert_eq!(
        (ended(&addresses, 2).await["version"].clone(), tenant.calls().put),
        (change["version"].clone(), 1)
    );
    let after = tenant.flow("f").expect("it is there");
    assert!(after.contains(r#","limits":{"calls":1.10},"added":[null]"#), "{after}");
    assert_eq!(tenant.variable("f", SAMPLE_NODE, "max_wait_time_seconds").as_deref(), Some("77"));

    for seq in [2, 1] {
        let url = format!("http://{}/api/changes/{seq}/rollback", addresses.admin);
        let told = patiently(client().post(url).send()).await.expect("it answers");
        assert_eq!(told.status(), 200);
    }
    for seq in [3, 4] {
        let change = ended(&addresses, seq).await;
        assert_eq!(change["state"], "published", "{change}");
    }
    let version = |text: &str| {
        text.replace("\"version\": 17", "\"version\": 14").replace("\"version\": 16", "\"version\": 14")
    };
    assert_eq!(version(&tenant.flow("f").expect("it is there")), before);
    service.kill().await;
}

#[tokio::test]
async fn a_token_for_one_host_is_not_sent_to_the_one_that_the_route_asked_before() {
    let (tenant, service, _) = Program::serving().await;
    service.kill().await;
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal.db");
    let old = ConfigApi::start().await;
    let values = Values::Fetch(format!("{}/f", old.url));
    let (flow, node) = (FlowId::parse("f").expect("an id"), NodeId::parse(SAMPLE_NODE).expect("an id"));
    let thin = NewChange { route: Arc::from("moved"), flow, node, mode: Mode::Merge, values, ..patch("{}") };
    waiting(&journal, &[thin]).await;
    let settings = format!(
        "[routes.moved]\nsource = \"config\"\nflow = \"f\"\nnode = \"{SAMPLE_NODE}\"\nvariables_from = \"\"\n\
         fetch = {{ url = \"http://127.0.0.1:9/f\", headers = {{ Authorization = \"Bearer new\" }} }}\n"
    );
    let serve = Program::serve(&tenant).journal(&journal).env("FLOWHOOK_CONFIG", "a.toml");
    let mut service = serve.file("a.toml", &settings).start();
    let addresses = service.ready().await;
    let change = eventually(async || {
        let change = addresses.ask("/api/changes/1").await;
        change["reason"].is_string().then_some(change)
    })
    .await;
    let reason = change["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("route `moved` asks another host now"), "{change}");
    assert_eq!((&change["state"], old.asked().len()), (&json!("failed"), 0), "{change}");
    service.kill().await;
}

#[tokio::test]
async fn a_thin_change_whose_route_is_gone_waits_and_says_so() {
    let (tenant, service, _) = Program::serving().await;
    service.kill().await;
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal.db");
    let values = Values::Fetch("http://127.0.0.1:9/".to_owned());
    let (flow, node) = (FlowId::parse("f").expect("an id"), NodeId::parse(SAMPLE_NODE).expect("an id"));
    let thin = NewChange { route: Arc::from("gone"), flow, node, values, ..patch("{}") };
    waiting(&journal, &[thin]).await;
    let mut service = Program::serve(&tenant).journal(&journal).start();
    let addresses = service.ready().await;
    let change = eventually(async || {
        let change = addresses.ask("/api/changes/1").await;
        change["reason"].is_string().then_some(change)
    })
    .await;
    let reason =
        "no route `gone` that fetches is in the settings any more: put it back, or discard the change";
    assert_eq!((&change["state"], &change["reason"]), (&json!("pending"), &json!(reason)));
    service.kill().await;
}

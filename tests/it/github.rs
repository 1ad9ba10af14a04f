//! A git host as the configuration system: GitHub's webhook, and the repository that is fetched from.

use std::net::SocketAddr;

use flowhook::sandbox::{SAMPLE_NODE, Sandbox, sample_flow};
use flowhook::source::{Scheme, Secret, Source};
use hyper::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::config_api::ConfigApi;
use crate::event::{config, event};
use crate::harness::{IVR, World};
use crate::program::{self, Program, client};

/// The secret of GitHub's published example.
const SECRET: &str = "It's a Secret to Everybody";
pub(crate) const COMMIT: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";
const LATER: &str = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c";

/// A world whose configuration system is a repository.
async fn repository() -> World {
    World::with(&[
        ("FLOWHOOK_WEBHOOK_SCHEME", "github"),
        ("FLOWHOOK_WEBHOOK_SECRET", SECRET),
        ("CXONE_FLOW_ID", IVR),
        ("TARGET_NODE_ID", SAMPLE_NODE),
        ("EXTERNAL_API_URL", "{config}/OWNER/REPO/{revision}/config.json"),
    ])
    .await
}

/// The path under which the repository is asked for its configuration.
fn path(revision: &str) -> String {
    format!("/OWNER/REPO/{revision}/config.json")
}

/// What GitHub says of a push to the branch `main`, less what nobody reads.
pub(crate) fn push(commit: &str) -> Value {
    json!({
        "ref": "refs/heads/main",
        "before": "0".repeat(40),
        "after": commit,
        "created": false,
        "deleted": false,
        "forced": false,
        "head_commit": {"id": commit, "message": "More patience", "timestamp": "2026-11-22T06:00:00Z"},
        "repository": {"full_name": "OWNER/REPO", "default_branch": "main", "master_branch": "main"},
    })
}

fn github() -> Scheme {
    Scheme::parse("github").expect("it is a preset")
}

fn signed(secret: &str, id: &str, body: &str) -> HeaderMap {
    let secret = Secret::parse(&github(), secret).expect("a good secret");
    let source = Source::new("config", github(), vec![secret]).expect("a good source");
    source.sign(id, Timestamp::now(), body.as_bytes()).expect("it can be signed")
}

/// Posts a request as it stands; the status and the body of the answer.
async fn post(to: SocketAddr, headers: HeaderMap, body: &str) -> (u16, Value) {
    let url = format!("http://{to}/hooks/config");
    let answer = client().post(url).headers(headers).body(body.to_owned()).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

async fn deliver(world: &World, id: &str, body: &str) -> (u16, Value) {
    post(world.address(), signed(SECRET, id, body), body).await
}

/// GitHub's published example of a signed delivery.
fn published() -> (HeaderMap, &'static str) {
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let headers =
        [("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"), ("x-hub-signature-256", signature)];
    let line =
        |(name, value): (&str, &str)| (name.parse().expect("a name"), value.parse().expect("a header value"));
    (headers.into_iter().map(line).collect(), "Hello, World!")
}

#[tokio::test]
async fn githubs_published_delivery_is_verified_and_is_not_json() {
    let world = repository().await;
    let (headers, body) = published();
    let (status, problem) = post(world.address(), headers.clone(), body).await;
    assert_eq!(status, 400, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("not JSON")), "{problem}");
    assert_eq!(post(world.address(), headers, "Hello, World?").await.0, 401);
}

#[tokio::test]
async fn octokits_published_delivery_is_verified_without_an_id() {
    let github = ("FLOWHOOK_WEBHOOK_SCHEME", "github");
    let world = World::with(&[github, ("FLOWHOOK_WEBHOOK_SECRET", "mysecret")]).await;
    let signature = "sha256=4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3";
    let mut headers = HeaderMap::new();
    headers.insert("x-hub-signature-256", signature.parse().expect("a header value"));
    let told = post(world.address(), headers, r#"{"foo":"bar"}"#).await;
    assert_eq!(told, (200, json!({"status": "ignored"})));
}

#[tokio::test]
async fn a_delivery_under_another_secret_is_refused() {
    let world = repository().await;
    let body = push(COMMIT).to_string();
    let (status, problem) = post(world.address(), signed("another secret", "d-1", &body), &body).await;
    assert_eq!((status, &problem["detail"]), (401, &json!("The request could not be verified.")));
    assert!(world.changes().await.is_empty() && world.config_api.asked().is_empty());
}

#[tokio::test]
async fn a_push_brings_the_configuration_of_its_commit_into_the_flow() {
    let world = repository().await;
    world.config_api.says(&config(7));
    let told = deliver(&world, "d-1", &push(COMMIT).to_string()).await;
    assert_eq!(told, (202, json!({"status": "accepted", "id": "d-1", "changes": 1})));
    let change = world.ended("d-1").await;
    assert_eq!((change.state.as_str(), world.value(IVR).as_str()), ("published", "7"));
    assert!(change.order_key.is_none());
    assert_eq!(world.config_api.asked(), [path(COMMIT)]);
    world.judge().await;
}

#[tokio::test]
async fn of_two_pushes_the_one_that_arrives_later_wins() {
    let world = repository().await;
    for (value, commit) in [(1, COMMIT), (2, LATER)] {
        world.config_api.says(&config(value));
        assert_eq!(deliver(&world, commit, &push(commit).to_string()).await.0, 202);
        assert_eq!(world.ended(commit).await.state, "published");
    }
    assert_eq!(world.config_api.asked(), [path(COMMIT), path(LATER)]);
    assert_eq!(world.value(IVR), "2");
    world.judge().await;
}

#[tokio::test]
async fn a_push_that_is_delivered_again_is_a_duplicate() {
    let world = repository().await;
    world.config_api.says(&config(7));
    let body = push(COMMIT).to_string();
    assert_eq!(deliver(&world, "d-1", &body).await.0, 202);
    assert_eq!(world.ended("d-1").await.state, "published");
    assert_eq!(deliver(&world, "d-1", &body).await, (200, json!({"status": "duplicate", "id": "d-1"})));
    assert_eq!((world.changes().await.len(), world.config_api.asked().len()), (1, 1));
}

#[tokio::test]
async fn a_push_without_an_id_is_accepted_each_time_under_an_id_of_ours() {
    let world = repository().await;
    world.config_api.says(&config(7));
    let body = push(COMMIT).to_string();
    let mut headers = signed(SECRET, "d-1", &body);
    headers.remove("x-github-delivery");
    let mut ids = Vec::new();
    for expected in ["published", "unchanged"] {
        let (status, told) = post(world.address(), headers.clone(), &body).await;
        let id = told["id"].as_str().unwrap_or_default().to_owned();
        assert_eq!(status, 202, "{told}");
        assert_eq!(world.ended(&id).await.state, expected);
        ids.push(id);
    }
    assert_ne!(ids[0], ids[1]);
    world.judge().await;
}

#[tokio::test]
async fn what_is_no_push_to_the_default_branch_is_ignored() {
    let world = repository().await;
    let check = async |body: Value| {
        let told = deliver(&world, "d-1", &body.to_string()).await;
        assert_eq!(told, (200, json!({"status": "ignored"})), "{body}");
    };
    let with = |name: &str, value: Value| {
        let mut body = push(COMMIT);
        body[name] = value;
        body
    };
    check(with("ref", json!("refs/heads/feature"))).await;
    check(with("ref", json!("refs/tags/v1"))).await;
    check(with("after", json!("0".repeat(40)))).await;
    check(with("repository", json!({"default_branch": "live"}))).await;
    check(with("type", json!("push"))).await;
    check(json!({"zen": "Keep it logically awesome.", "hook_id": 1, "hook": {"type": "Repository"}})).await;
    assert!(world.changes().await.is_empty() && world.config_api.asked().is_empty());
}

#[tokio::test]
async fn an_old_push_that_comes_again_under_another_id_changes_nothing() {
    let world = repository().await;
    let pushed = |commit: &str, at: i64| {
        let mut body = push(commit);
        body["repository"]["pushed_at"] = json!(at);
        body.to_string()
    };
    let old = pushed(COMMIT, 1_767_225_600);
    world.config_api.says(&config(1));
    assert_eq!(deliver(&world, "d-1", &old).await.0, 202);
    assert_eq!(world.ended("d-1").await.state, "published");
    world.config_api.says(&config(2));
    assert_eq!(deliver(&world, "d-2", &pushed(&"a".repeat(40), 1_767_225_601)).await.0, 202);
    assert_eq!(world.ended("d-2").await.state, "published");
    world.config_api.says(&config(1));
    assert_eq!(deliver(&world, "d-3", &old).await.0, 202);
    assert_eq!(world.ended("d-3").await.state, "superseded");
    assert_eq!(world.value(IVR), "2");
    world.judge().await;
}

#[tokio::test]
async fn pushes_are_ignored_where_the_settings_name_no_flow() {
    let world =
        World::with(&[("FLOWHOOK_WEBHOOK_SCHEME", "github"), ("FLOWHOOK_WEBHOOK_SECRET", SECRET)]).await;
    let told = deliver(&world, "d-1", &push(COMMIT).to_string()).await;
    assert_eq!(told, (200, json!({"status": "ignored"})));
}

#[tokio::test]
async fn native_events_may_be_signed_as_github_signs_too() {
    let world = repository().await;
    let full = json!({"type": "config.updated", "timestamp": "2026-01-05T06:00:00Z",
        "data": {"config": config(1)}});
    assert_eq!(deliver(&world, "d-1", &full.to_string()).await.0, 202);
    assert_eq!(world.ended("d-1").await.state, "published");
    world.config_api.says(&config(2));
    assert_eq!(deliver(&world, "d-2", r#"{"type":"config.updated"}"#).await.0, 202);
    assert_eq!(world.ended("d-2").await.state, "published");
    assert_eq!(world.config_api.asked(), [path("HEAD")]);
    assert_eq!(world.value(IVR), "2");
    world.judge().await;
}

#[tokio::test]
async fn a_push_need_not_be_signed_as_github_signs() {
    let world = World::with(&[
        ("CXONE_FLOW_ID", IVR),
        ("TARGET_NODE_ID", SAMPLE_NODE),
        ("EXTERNAL_API_URL", "{config}/OWNER/REPO/{revision}/config.json"),
    ])
    .await;
    world.config_api.says(&config(7));
    let id = world.deliver(event(IVR, 1).saying(&push(COMMIT))).await;
    assert_eq!(world.ended(&id).await.state, "published");
    assert_eq!(world.config_api.asked(), [path(COMMIT)]);
    world.judge().await;
}

#[tokio::test]
async fn a_form_is_refused_with_the_content_type_to_choose() {
    let world = repository().await;
    let (status, problem) =
        deliver(&world, "d-1", "payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D").await;
    assert_eq!(status, 400, "{problem}");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("choose the content type application/json"), "{detail}");
}

#[tokio::test]
async fn who_cannot_be_set_to_send_forms_is_not_told_of_them() {
    let world = World::start().await;
    let body = "payload=%7B%7D";
    let headers = program::signed("msg_1", body);
    let (status, problem) = post(world.address(), headers, body).await;
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(status == 400 && detail.starts_with("the body is not JSON: "), "{status} {detail}");
}

#[tokio::test]
async fn the_scheme_comes_from_the_environment_from_dot_env_and_from_the_file() {
    let tenant = Sandbox::start(flowhook::sandbox::Settings::default()).await.expect("a free port");
    let check = async |program: Program, named: &str| {
        let mut service = program.at(&tenant).on_free_ports().start();
        let warning = service.logged("signs no time").await;
        assert!(warning.contains("WARN") && warning.contains(&format!("{named}: `github`")), "{warning}");
        let addresses = service.ready().await;
        let (headers, body) = published();
        assert_eq!(post(addresses.public, headers, body).await.0, 400, "it is verified, and not JSON");
    };
    let serve = || Program::flowhook(&["serve"]);
    check(
        serve().envs(&[("FLOWHOOK_WEBHOOK_SCHEME", "github"), ("FLOWHOOK_WEBHOOK_SECRET", SECRET)]),
        "FLOWHOOK_WEBHOOK_SCHEME",
    )
    .await;
    let dot_env = format!("FLOWHOOK_WEBHOOK_SCHEME=github\nFLOWHOOK_WEBHOOK_SECRET=\"{SECRET}\"\n");
    check(serve().file(".env", &dot_env), "FLOWHOOK_WEBHOOK_SCHEME").await;
    let toml = format!("[source]\nscheme = \"github\"\nsecret = \"{SECRET}\"\n");
    check(
        Program::flowhook(&["--config", "a.toml", "serve"]).file("a.toml", &toml),
        "source.scheme in a.toml",
    )
    .await;
}

#[tokio::test]
async fn apply_fetches_the_newest_commit_that_the_host_knows() {
    let tenant = Sandbox::start(flowhook::sandbox::Settings::default()).await.expect("a free port");
    tenant.add_flow(IVR, &sample_flow(IVR, "Support line")).expect("a flow");
    let api = ConfigApi::start().await;
    api.says(&config(7));
    let url = format!("{}/OWNER/REPO/{{revision}}/config.json", api.url);
    let settings =
        [("CXONE_FLOW_ID", IVR), ("TARGET_NODE_ID", SAMPLE_NODE), ("EXTERNAL_API_URL", url.as_str())];
    let output = Program::flowhook(&["apply"]).at(&tenant).envs(&settings).output().await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(api.asked(), [path("HEAD")]);
    assert_eq!(tenant.variable(IVR, SAMPLE_NODE, "max_wait_time_seconds").as_deref(), Some("7"));
}

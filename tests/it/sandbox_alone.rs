//! `flowhook sandbox`: the practice tenant as a program of its own.

use flowhook::sandbox::{SAMPLE_NODE, SCOPES, sample_flow};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::patience::{eventually, patiently};
use crate::practising::{FLOW, bash};
use crate::program::{Output, Program, Running, client};

/// The practice tenant as a process on a free port.
struct Tenant {
    running: Running,
    /// What `--json` printed.
    told: Value,
    token: Option<String>,
}

impl Tenant {
    async fn start(arguments: &[&str]) -> Self {
        let arguments = [&["sandbox", "--listen", "127.0.0.1:0", "--json"], arguments].concat();
        let mut running = Program::flowhook(&arguments).start();
        let line = running.printed("base_url").await;
        Self { running, told: serde_json::from_str(&line).expect("JSON"), token: None }
    }

    /// With a token, for which it may be asked once.
    async fn with_token(arguments: &[&str]) -> Self {
        let mut tenant = Self::start(arguments).await;
        let answer = tenant.ask_for_token().await.expect("a token");
        tenant.token = answer["access_token"].as_str().map(str::to_owned);
        tenant
    }

    /// The answer to a token request, or the status of a refusal.
    async fn ask_for_token(&self) -> Result<Value, String> {
        let text = |name: &str| self.told[name].as_str().expect("text").to_owned();
        let form = [
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", text("client_id")),
            ("client_secret", text("client_secret")),
            ("scope", SCOPES.to_owned()),
        ];
        let url = format!("{}/oauth/token", text("base_url"));
        let answer = whole(client().post(url).form(&form)).await?;
        if answer.0 == "200" { Ok(serde_json::from_str(&answer.1).expect("JSON")) } else { Err(answer.0) }
    }

    fn url(&self) -> String {
        format!("{}/api/v2/flows/{FLOW}", self.told["base_url"].as_str().expect("text"))
    }

    async fn get(&self) -> Result<(String, String), String> {
        let token = self.token.as_deref().unwrap_or_default();
        whole(client().get(self.url()).bearer_auth(token)).await
    }

    /// Puts the sample, at the version that it has when nobody has changed it.
    async fn put(&self) -> Result<(String, String), String> {
        let token = self.token.as_deref().unwrap_or_default();
        let text = sample_flow(FLOW, "Inbound sales");
        whole(client().put(self.url()).bearer_auth(token).body(text)).await
    }
}

/// The answer's status, its `Retry-After` behind a slash, and its body; `broken` if it did not come whole.
async fn whole(request: RequestBuilder) -> Result<(String, String), String> {
    let broken = |_| "broken".to_owned();
    let answer: Response = patiently(request.send()).await.map_err(broken)?;
    let mut status = answer.status().as_u16().to_string();
    if let Some(wait) = answer.headers().get("retry-after") {
        status = format!("{status}/{}", wait.to_str().expect("ASCII"));
    }
    Ok((status, patiently(answer.text()).await.map_err(broken)?))
}

/// The version in a flow's text.
fn version(text: &str) -> Value {
    let document: Value = serde_json::from_str(text).expect("JSON");
    document["flow"]["version"].clone()
}

#[track_caller]
fn assert_failed(output: &Output, code: i32, says: &[&str]) {
    assert_eq!((output.code, output.stdout.as_str()), (Some(code), ""), "{output:?}");
    for words in says {
        assert!(output.stderr.contains(words), "{words:?} in {output:?}");
    }
}

#[tokio::test]
async fn what_it_prints_points_other_commands_at_it_and_it_tells_what_it_answers() {
    let mut tenant = Program::flowhook(&["sandbox", "--listen", "0.0.0.0:0"]).start();
    tenant.logged("the practice tenant is ready").await;
    tenant.printed("TARGET_NODE_ID=node_set_vars").await;
    let exports = tenant.stdout();
    assert!(exports.lines().all(|line| line.starts_with("export ")), "{exports}");
    assert!(exports.contains("CXONE_BASE_URL=http://127.0.0.1:"), "{exports}");
    let pasted =
        format!("{exports}flowhook apply --set routing_priority=high\nflowhook nodes \"$CXONE_FLOW_ID\"");
    let printed = bash(&pasted).await;
    assert!(printed.contains(&format!("flow {FLOW} is published as version 15")), "{printed}");
    assert!(printed.contains("routing_priority = \"high\""), "{printed}");

    let line = tenant.logged("http.method=PUT").await;
    assert!(line.contains(&format!("http.path=/api/v2/flows/{FLOW} http.status=200")), "{line}");
    tenant.logged("http.method=POST http.path=/oauth/token http.status=200").await;
    tenant.signal("INT");
    let output = tenant.exit().await;
    assert_eq!((output.code, output.left), (Some(0), vec![]));
    assert!(!output.stderr.contains("sandbox-secret"), "{}", output.stderr);
}

#[tokio::test]
async fn json_tells_where_it_is_in_one_line() {
    let tenant = Tenant::start(&["--flows", "2"]).await;
    let second = "a1b2c3d4-0002-4000-8000-000000000002";
    assert_eq!((&tenant.told["flows"], &tenant.told["node"]), (&json!([FLOW, second]), &json!(SAMPLE_NODE)));
    assert_eq!(tenant.running.stdout().lines().count(), 1);
    tenant.running.signal("TERM");
    assert_eq!(tenant.running.exit().await.code, Some(0));
}

#[tokio::test]
async fn each_fault_does_what_its_name_says() {
    // What GET and PUT get, and the version that the flow has afterwards; it began with 14.
    async fn check(fault: &str, wanted: &str) {
        let tenant = Tenant::with_token(&["--fault", fault]).await;
        let get = tenant.get().await.map_or_else(|broken| broken, |answer| answer.0);
        let put = tenant.put().await.map_or_else(|broken| broken, |answer| answer.0);
        let after = tenant.get().await.map_or_else(|broken| broken, |answer| version(&answer.1).to_string());
        assert_eq!(format!("{get} {put} {after}"), wanted, "{fault}");
    }
    check("get=404", "404 200 15").await;
    check("flow=500x2", "500 500 14").await;
    check("put=429:5x3", "200 429/5 14").await;
    check("put=503:Sun, 06 Nov 1994 08:49:37 GMTx*", "200 503/Sun, 06 Nov 1994 08:49:37 GMT 14").await;
    check("put=503-after-save:x", "200 503/x 15").await;
    check("put=500-after-save", "200 500 15").await;
    check("put=hang:0", "200 broken 14").await;
    check("put=hang-after-save:0", "200 broken 15").await;
    check("put=reset", "200 broken 14").await;
    check("flow=reset", "broken 200 15").await;
    check("put=reset-after-save", "200 broken 15").await;
    check("put=late:3600", "200 broken 14").await;
    check("put=truncated", "200 broken 15").await;
    check("put=not-json", "200 200 14").await;
    check("put=empty", "200 204 15").await;
    check("put=accepted", "200 202 15").await;
    check("put=accepted-late", "200 202 14").await;
    check("put=accepted-never", "200 202 14").await;
    check("get=chunked", "200 200 15").await;
    check("put=trickle:0", "200 200 15").await;
    check("put=parse", "200 200 15").await;
    check("put=locked", "200 409 14").await;
    check("put=rewrite", "200 200 15").await;
    check("flow=dropx2", "200 200 15").await;
    check("get=stalex*", "200 200 14").await;
}

#[tokio::test]
async fn a_fault_of_the_token_endpoint_keeps_everybody_out() {
    for (fault, wanted) in [("token=503:9", "503/9"), ("any=reset", "broken")] {
        let tenant = Tenant::start(&["--fault", fault]).await;
        assert_eq!(tenant.ask_for_token().await.err().as_deref(), Some(wanted), "{fault}");
    }
}

#[tokio::test]
async fn a_fault_that_cannot_be_understood_is_refused_with_the_grammar() {
    let all = [
        "put",
        "=500",
        "post=500",
        "put=",
        "put=99",
        "put=600",
        "put=boom",
        "put=hang:soon",
        "put=hang:3601",
    ];
    let more = ["put=reset:5", "put=500:5", "put=500x0", "put=resetx4294967296", "get=drop", "put=stale"];
    for fault in all.into_iter().chain(more) {
        let output = Program::flowhook(&["sandbox", "--fault", fault]).output().await;
        assert_failed(&output, 64, &[&format!("`{fault}`"), "CALL=KIND[:VALUE][xTIMES]", "--help"]);
    }
}

#[tokio::test]
async fn help_lists_every_kind_of_fault() {
    let help = Program::flowhook(&["sandbox", "--help"]).output().await;
    assert_eq!(help.code, Some(0));
    let kinds = [
        "STATUS",
        "STATUS-after-save",
        "hang",
        "hang-after-save",
        "reset",
        "reset-after-save",
        "late",
        "truncated",
        "chunked",
        "trickle",
        "not-json",
        "empty",
        "accepted",
        "accepted-late",
        "accepted-never",
        "locked",
        "rewrite",
        "parse",
        "drop",
        "stale",
    ];
    for kind in kinds {
        let is_there = help.stdout.lines().any(|line| line.trim_start().starts_with(&format!("{kind} ")));
        assert!(is_there, "{kind} in {}", help.stdout);
    }
}

#[tokio::test]
async fn limit_scope_token_lifetime_and_size_are_as_asked() {
    let tenant = Tenant::with_token(&["--limit", "60", "--burst", "1"]).await;
    let [first, second] = [tenant.get().await, tenant.get().await].map(|answer| answer.expect("an answer").0);
    assert_eq!((first.as_str(), second.as_str()), ("200", "429/1"));

    let tenant = Tenant::with_token(&["--scope", "flow:flows:read", "--nodes", "5000"]).await;
    let text = tenant.get().await.expect("an answer").1;
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["flow"]["nodes"].as_array().map(Vec::len), Some(5000));
    assert!(text.contains("\"node_set_vars\""));
    assert_eq!(tenant.put().await.expect("an answer").0, "403");

    let tenant = Tenant::start(&["--token-lifetime", "7", "--latency", "20"]).await;
    assert_eq!(tenant.ask_for_token().await.expect("a token")["expires_in"], json!(7));
}

#[tokio::test]
async fn a_designer_edits_every_flow() {
    let tenant = Tenant::with_token(&["--designer", "1"]).await;
    eventually(async || {
        let text = tenant.get().await.expect("an answer").1;
        (text.contains("designer_note") && version(&text) != json!(14)).then_some(())
    })
    .await;
    let put = tenant.put().await.expect("an answer").0;
    assert_eq!(put, "409", "somebody else has saved meanwhile");
}

#[tokio::test]
async fn a_flow_of_ones_own_is_served_as_it_is() {
    let odd = include_str!("../../fixtures/flows/odd.json");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/flows/odd.json");
    let tenant = Tenant::with_token(&["--flow-file", path]).await;
    assert_eq!((&tenant.told["flows"], &tenant.told["node"]), (&json!([FLOW]), &json!(SAMPLE_NODE)));
    assert_eq!(tenant.get().await.expect("an answer").1, odd);

    let elsewhere = r#"{"flow":{"id":"f.1","version":7,"nodes":[{"id":"a","configuration":{}},
        {"id":"it's b","configuration":{"variables":[{"name":"x","value":1}]}}]}}"#;
    let program = Program::flowhook(&["sandbox", "--listen", "127.0.0.1:0", "--flow-file", "mine.json"]);
    let mut served = program.file("mine.json", elsewhere).start();
    let line = served.printed("TARGET_NODE_ID").await;
    assert_eq!(line, r"export CXONE_FLOW_ID=f.1 TARGET_NODE_ID='it'\''s b'");
}

#[tokio::test]
async fn a_file_that_is_no_flow_is_bad_input() {
    async fn check(text: &str, says: &str) {
        let arguments =
            ["sandbox", "--listen", "127.0.0.1:0", "--flow-file", "a.json", "--flow-file", "b.json"];
        let good = sample_flow("b", "Mine");
        let output = Program::flowhook(&arguments).file("b.json", &good).file("a.json", text).output().await;
        assert_failed(&output, 65, &[says]);
    }
    check("", "`a.json`").await;
    check("[]", "`a.json`").await;
    check(r#"{"flow":{"version":1,"nodes":[]}}"#, "`a.json` cannot be served as a flow: its flow.id").await;
    check(r#"{"flow":{"id":"../x","version":1,"nodes":[]}}"#, "`../x`").await;
    check(r#"{"id":"bare","version":1,"nodes":[]}"#, "`bare`").await;
    check(&sample_flow("b", "Twin"), "flow `b` is there twice").await;
    let output = Program::flowhook(&["sandbox", "--flow-file", "missing.json"]).output().await;
    assert_failed(&output, 65, &["`missing.json`", "No such file"]);
}

#[tokio::test]
async fn what_cannot_be_had_is_told_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let output = Program::flowhook(&["sandbox", "--listen", &address]).output().await;
    assert_failed(&output, 1, &[&address, "--listen", "because: "]);
    for (arguments, says) in [
        (["--scope", "flow:flows:admin"], "`flow:flows:admin`"),
        (["--flows", "0"], "0"),
        (["--listen", "8090"], "8090"),
        (["--burst", "3"], "--limit"),
    ] {
        let output = Program::flowhook(&[&["sandbox"], &arguments[..]].concat()).output().await;
        assert_failed(&output, 64, &[says]);
    }
    let output = Program::flowhook(&["sandbox", "--flows", "9999", "--nodes", "5000"]).output().await;
    assert_failed(&output, 64, &["`49995000` nodes are too many", "1000000"]);
}

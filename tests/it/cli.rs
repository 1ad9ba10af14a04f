//! The commands, against the practice tenant: what they do, what they print, how they exit.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use flowhook::sandbox::{Canned, Fault, FaultKind, SAMPLE_NODE, Sandbox, Settings, sample_flow};
use serde_json::json;
use tokio::net::TcpListener;

use crate::elsewhere::server;
use crate::program::{Output, Program, WEBHOOK_SECRET};

/// A client secret that nothing else in the output could be mistaken for.
const CLIENT_SECRET: &str = "tell-nobody-4711";

/// A tenant with the flow `f` at version 14.
async fn tenant() -> Sandbox {
    let settings = Settings { client_secret: CLIENT_SECRET.to_owned(), ..Settings::default() };
    let tenant = Sandbox::start(settings).await.expect("a free port");
    tenant.add_flow("f", &sample_flow("f", "Support")).expect("the sample is a flow");
    tenant
}

/// The command with the flow and node of the tenant as its defaults.
fn at(tenant: &Sandbox, arguments: &[&str]) -> Program {
    Program::flowhook(arguments).at(tenant).env("CXONE_FLOW_ID", "f").env("TARGET_NODE_ID", SAMPLE_NODE)
}

/// `apply` with these arguments.
async fn apply(tenant: &Sandbox, arguments: &[&str]) -> Output {
    at(tenant, &[&["apply"], arguments].concat()).output().await
}

fn value(tenant: &Sandbox, name: &str) -> String {
    tenant.variable("f", SAMPLE_NODE, name).unwrap_or_else(|| "nothing".to_owned())
}

#[track_caller]
fn assert_done(output: &Output, says: &str) {
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    assert!(output.stdout.contains(says), "{says} in {output:?}");
}

/// A failure: its code, nothing on standard output, and one message with all of these words in it.
#[track_caller]
fn assert_failed(output: &Output, code: i32, says: &[&str]) {
    assert_eq!(output.code, Some(code), "{output:?}");
    assert_eq!(output.stdout, "", "{output:?}");
    assert_eq!(output.stderr.matches("error:").count(), 1, "{output:?}");
    for words in says {
        assert!(output.stderr.contains(words), "{words:?} in {output:?}");
    }
    assert!(!output.stderr.contains(CLIENT_SECRET) && !output.stderr.contains(WEBHOOK_SECRET), "{output:?}");
}

#[tokio::test]
async fn nodes_lists_a_flows_nodes_and_variables() {
    let tenant = tenant().await;
    let text = at(&tenant, &["nodes", "f"]).output().await;
    assert_done(&text, "flow f \"Support\", version 14\n");
    assert!(text.stdout.contains("node_set_vars  (SetVariables)\n    routing_priority = \"normal\"\n"));
    assert!(text.stdout.contains("opening_hours = [\"08:00\", \"18:30\"]"), "{}", text.stdout);
    let json = at(&tenant, &["nodes", "f", "--json"]).output().await;
    assert_done(&json, "");
    let flow = json.json();
    assert_eq!((&flow["flow"], &flow["version"]), (&json!("f"), &json!(14)));
    assert_eq!(flow["nodes"][1]["id"], json!(SAMPLE_NODE));
    assert_eq!(flow["nodes"][1]["variables"][2], json!({"name": "max_wait_time_seconds", "value": 120}));
}

#[tokio::test]
async fn nodes_needs_no_more_than_the_tenant_and_bears_a_reader_that_goes_away() {
    let tenant = tenant().await;
    let script = "set -o pipefail; flowhook nodes f | head -1; flowhook nodes f | true";
    let output = Program::named("bash", &["-c", script]).at(&tenant).output().await;
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    assert_eq!(output.stdout, "flow f \"Support\", version 14\n");
}

#[tokio::test]
async fn an_event_is_not_taken_for_variables() {
    let tenant = tenant().await;
    let event = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/events/full.json");
    let output = apply(&tenant, &["--from", event]).await;
    assert_failed(&output, 65, &["is an event, not an object of variables", "`data.config`"]);
    assert_eq!(tenant.version("f").as_deref(), Some("14"));
}

#[tokio::test]
async fn set_gives_each_value_its_type() {
    let tenant = tenant().await;
    let arguments = [
        "--set",
        "routing_priority=7",
        "--set",
        "max_wait_time_seconds=45",
        "--set",
        "note=30",
        "--set",
        "retries:=3",
        "--set",
        "hours:=[\"08:00\", 1.50]",
        "--set",
        "formula=a=b:=c",
        "--set",
        "empty=",
    ];
    assert_done(&apply(&tenant, &arguments).await, "flow f is published as version 15\n");
    for (name, wanted) in [
        ("routing_priority", r#""7""#),
        ("max_wait_time_seconds", "45"),
        ("note", r#""30""#),
        ("retries", "3"),
        ("hours", r#"["08:00", 1.50]"#),
        ("formula", r#""a=b:=c""#),
        ("empty", r#""""#),
        ("queue_target", r#""general""#),
    ] {
        assert_eq!(value(&tenant, name), wanted, "{name}");
    }
    assert_eq!(tenant.record().collateral(), Vec::<String>::new());
}

#[tokio::test]
async fn from_reads_a_file_or_standard_input() {
    let tenant = tenant().await;
    let file = at(&tenant, &["apply", "--from", "values.json"]);
    let file = file.file("values.json", r#"{"queue_target": "vip", "max_wait_time_seconds": 5, "x": null}"#);
    assert_done(&file.output().await, "version 15");
    assert_eq!(value(&tenant, "queue_target"), r#""vip""#);
    assert_eq!(value(&tenant, "x"), "null");
    let piped = at(&tenant, &["apply", "--from", "-", "--json"]).input(r#"{"queue_target": "gold"}"#);
    let piped = piped.output().await;
    assert_done(&piped, "");
    assert_eq!(piped.json(), json!({"flow": "f", "status": "published", "version": 16}));
    assert_eq!(value(&tenant, "queue_target"), r#""gold""#);
}

/// A configuration API on a free port; its address.
async fn config_api() -> String {
    let config = r#"{"routing_priority":"high","queue_target":"vip","max_wait_time_seconds":30}"#;
    let router = Router::new()
        .route("/f/node_set_vars", get(move || async move { config }))
        .route("/partly", get(|| async { r#"{"queue_target":"vip"}"# }))
        .route("/page", get(|| async { "<!doctype html>" }))
        .route("/gone", get(|| async { StatusCode::GONE }));
    format!("http://{}", server(router).await)
}

#[tokio::test]
async fn apply_alone_fetches_and_publishes_as_the_tutorials_script_does() {
    let (tenant, api) = (tenant().await, config_api().await);
    let alone = || at(&tenant, &["apply"]).env("EXTERNAL_API_URL", &format!("{api}/{{flow_id}}/{{node_id}}"));
    assert_done(&alone().output().await, "flow f is published as version 15\n");
    assert_eq!(value(&tenant, "routing_priority"), r#""high""#);
    assert_eq!(value(&tenant, "max_wait_time_seconds"), "30");
    assert_done(&alone().output().await, "flow f has these values already, in version 15\n");
    let named = apply(&tenant, &["--from", &format!("{api}/f/node_set_vars"), "--json"]).await;
    assert_eq!(named.json(), json!({"flow": "f", "status": "unchanged", "version": 15}));
    assert_eq!(tenant.calls().put, 1);

    // What stands for a thin event's values must be whole; what is named on the command line is taken as it is.
    let partly = format!("{api}/partly");
    let alone = at(&tenant, &["apply"]).env("EXTERNAL_API_URL", &partly).output().await;
    assert_failed(&alone, 65, &["`routing_priority` is missing"]);
    assert_done(
        &apply(&tenant, &["--from", &partly]).await,
        "flow f has these values already, in version 15\n",
    );
    for (path, says) in [("/page", "not JSON"), ("/gone", "410")] {
        let url = format!("{api}{path}");
        assert_failed(&apply(&tenant, &["--from", &url]).await, 69, &[says]);
    }
    assert_failed(&apply(&tenant, &["--from", "http://127.0.0.1:9/"]).await, 69, &["http://127.0.0.1:9/"]);
    assert_eq!(tenant.calls().put, 1);
}

#[tokio::test]
async fn a_dry_run_prints_a_diff_and_changes_nothing() {
    let tenant = tenant().await;
    let before = tenant.flow("f");
    let output = apply(&tenant, &["--set", "queue_target=vip", "--dry-run"]).await;
    assert_done(&output, "");
    let changed: Vec<&str> = output
        .stdout
        .lines()
        .filter(|line| line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---"))
        .map(|line| line.trim_start_matches(['+', '-']).trim())
        .collect();
    assert_eq!(changed.len(), 2, "{}", output.stdout);
    assert!(changed[0].contains("general") && changed[1].contains("vip"), "{}", output.stdout);
    let json = apply(&tenant, &["--set", "queue_target=vip", "--dry-run", "--json"]).await.json();
    assert_eq!((&json["status"], &json["changes"]), (&json!("dry-run"), &json!(true)));
    let same = apply(&tenant, &["--set", "queue_target=general", "--dry-run"]).await;
    assert_done(&same, "nothing would change");
    assert_eq!((tenant.flow("f"), tenant.calls().put), (before, 0));
}

#[tokio::test]
async fn replace_swaps_the_whole_list() {
    let tenant = tenant().await;
    assert_done(&apply(&tenant, &["--replace", "--set", "queue_target=vip"]).await, "version 15");
    assert_eq!(value(&tenant, "queue_target"), r#""vip""#);
    assert_eq!(value(&tenant, "routing_priority"), "nothing");
    assert_done(&apply(&tenant, &["--replace", "--set", "queue_target=vip"]).await, "already");
    assert_eq!(tenant.calls().put, 1);
}

#[tokio::test]
async fn flow_and_node_may_be_named() {
    let tenant = tenant().await;
    let arguments = ["--flow", "f", "--node", "node_hours", "--set", "holiday:=true"];
    let output = Program::flowhook(&[&["apply"], &arguments[..]].concat()).at(&tenant).output().await;
    assert_done(&output, "version 15");
    assert_eq!(tenant.variable("f", "node_hours", "holiday").as_deref(), Some("true"));
}

#[tokio::test]
async fn a_conflict_with_a_designer_is_tried_again() {
    let tenant = tenant().await;
    let hold = tenant.hold("f");
    let running = at(&tenant, &["apply", "--set", "queue_target=vip"]).start();
    tenant.wait_until(|tenant| tenant.calls().put == 1).await.expect("it PUTs");
    let edit = flowhook::sandbox::Human::set("node_hours", "holiday", "true");
    tenant.edit("f", &edit).expect("a person may");
    drop(hold);
    assert_done(&running.exit().await, "flow f is published as version 16\n");
    assert_eq!((tenant.calls().conflicts, tenant.calls().commits), (1, 1));
    assert_eq!(tenant.variable("f", "node_hours", "holiday").as_deref(), Some("true"));
    assert_eq!(tenant.record().collateral(), Vec::<String>::new());
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_and_not_put_again() {
    for what in [
        FaultKind::ResetAfterCommit,
        FaultKind::TruncatedBody,
        FaultKind::Empty,
        FaultKind::CommitThen(Canned::status(500)),
    ] {
        let tenant = tenant().await;
        tenant.fault(Fault::put(what.clone()));
        assert_done(&apply(&tenant, &["--set", "queue_target=vip"]).await, "is published as version 15\n");
        assert_eq!((tenant.calls().put, tenant.calls().commits), (1, 1), "{what:?}");
    }
    let tenant = tenant().await;
    tenant.fault(Fault::put(FaultKind::ResetBefore));
    assert_done(&apply(&tenant, &["--set", "queue_target=vip"]).await, "is published as version 15\n");
    assert_eq!((tenant.calls().put, tenant.calls().commits), (2, 1));
}

#[tokio::test]
async fn what_became_of_the_last_try_is_looked_up_too() {
    let tenant = tenant().await;
    tenant.fault(Fault::put(FaultKind::ResetBefore).times(4));
    tenant.fault(Fault::put(FaultKind::ResetAfterCommit));
    assert_done(&apply(&tenant, &["--set", "queue_target=vip"]).await, "is published as version 15\n");
    assert_eq!((tenant.calls().put, tenant.calls().commits), (5, 1));

    tenant.fault(Fault::put(FaultKind::ResetBefore).forever());
    let base_url = tenant.base_url();
    assert_failed(&apply(&tenant, &["--set", "queue_target=gold"]).await, 69, &[&base_url]);
    assert_eq!((tenant.calls().put, tenant.calls().commits), (10, 1));
}

#[tokio::test]
async fn a_document_that_comes_back_without_the_values_is_not_called_published() {
    let tenant = tenant().await;
    let without = FaultKind::Status(Canned::status(200).json(sample_flow("f", "Support")));
    tenant.fault(Fault::put(without).forever());
    let output = apply(&tenant, &["--set", "routing_priority=high"]).await;
    assert_failed(&output, 75, &["flow `f` without it", "look at the flow"]);
    assert_eq!(tenant.calls().put, 1);
}

#[tokio::test]
async fn bad_usage_is_64() {
    let tenant = tenant().await;
    let set = |text: &'static str| ["--set", text];
    assert_failed(&apply(&tenant, &set("queue_target")).await, 64, &["`queue_target`", "NAME=VALUE"]);
    assert_failed(&apply(&tenant, &set("=vip")).await, 64, &["`=vip`", "NAME=VALUE"]);
    let twice = apply(&tenant, &["--set", "a=1", "--set", "a:=2"]).await;
    assert_failed(&twice, 64, &["`a`", "twice"]);
    let both = apply(&tenant, &["--set", "a=1", "--from", "x"]).await;
    assert_failed(&both, 64, &["--set", "--from"]);
    assert_failed(&apply(&tenant, &[]).await, 64, &["--set", "--from", "EXTERNAL_API_URL"]);
    for arguments in [&["aply"][..], &["nodes"], &["apply", "--nope"], &["demo", "more"]] {
        assert_failed(&at(&tenant, arguments).output().await, 64, &["--help"]);
    }
    let none = Program::flowhook(&[]).output().await;
    assert_eq!((none.code, none.stderr.contains("Commands:")), (Some(64), true), "{none:?}");
}

#[tokio::test]
async fn every_missing_setting_is_named_at_once() {
    let tenant = ["CXONE_CLIENT_ID", "CXONE_CLIENT_SECRET"];
    let nodes = Program::flowhook(&["nodes", "f"]).output().await;
    assert_failed(&nodes, 64, &tenant);
    let serve = Program::flowhook(&["serve"]).output().await;
    assert_failed(&serve, 64, &[&tenant[..], &["FLOWHOOK_WEBHOOK_SECRET", "serve --sandbox"]].concat());
    assert_eq!(serve.left, Vec::<String>::new(), "it has touched nothing");
    let apply = Program::flowhook(&["apply"]).output().await;
    let own = ["--flow", "CXONE_FLOW_ID", "--node", "TARGET_NODE_ID", "--set", "EXTERNAL_API_URL"];
    assert_failed(&apply, 64, &[&tenant[..], &own].concat());
}

#[tokio::test]
async fn settings_that_cannot_be_read_say_where_and_what_to_do() {
    let tenant = tenant().await;
    let nodes = || at(&tenant, &["nodes", "f"]);
    for (filter, says) in
        [("nonsense", "`nonsense`"), ("flowhook=loud", "`flowhook=loud`"), ("inof", "`inof`")]
    {
        let output = nodes().env("FLOWHOOK_LOG", filter).output().await;
        assert_failed(&output, 64, &["FLOWHOOK_LOG", says, "`info`", "`debug`"]);
    }
    for filter in ["info", "DEBUG", "off", "flowhook=debug", "warn,flowhook::worker=trace"] {
        assert_eq!(nodes().env("FLOWHOOK_LOG", filter).output().await.code, Some(0), "{filter}");
    }
    let config = at(&tenant, &["--config", "missing.toml", "nodes", "f"]).output().await;
    assert_failed(&config, 64, &["missing.toml", "No such file"]);
    let config = nodes().env("FLOWHOOK_CONFIG", "flowhook.toml").file("flowhook.toml", "[tenant\n");
    assert_failed(&config.output().await, 64, &["flowhook.toml", "TOML"]);
    let config = nodes().env("FLOWHOOK_CONFIG", "flowhook.toml").file("flowhook.toml", "[tenant]\nurl = 1\n");
    assert_failed(&config.output().await, 64, &["flowhook.toml", "`tenant.url`", "tenant.base_url"]);
    let lines = format!("# ours\n\nCXONE_CLIENT_ID=x\nFLOWHOOK_WEBHOOK_SECRET {WEBHOOK_SECRET}\n");
    let output = nodes().file(".env", &lines).output().await;
    assert_failed(&output, 64, &[".env", "line 4", "NAME=VALUE"]);
    let url = nodes().env("CXONE_BASE_URL", "us-1.api.nicecxone.com").output().await;
    assert_failed(&url, 64, &["CXONE_BASE_URL", "`us-1.api.nicecxone.com`", "https"]);
}

#[tokio::test]
async fn bad_input_is_65() {
    let tenant = tenant().await;
    let no_flow = at(&tenant, &["nodes", "nowhere"]).output().await;
    assert_failed(&no_flow, 65, &["`nowhere`", "check the flow id", "CXONE_BASE_URL"]);
    assert_failed(&at(&tenant, &["nodes", ".."]).output().await, 65, &["`..`"]);
    let unknown = ["--node", "node_set_varz", "--set", "a=1"];
    let known = ["`node_set_varz`", "node_start", "node_set_vars", "node_hours", "node_queue", "node_end"];
    assert_failed(&apply(&tenant, &unknown).await, 65, &known);
    assert_failed(&apply(&tenant, &[&unknown[..], &["--dry-run"]].concat()).await, 65, &known);
    let bad = apply(&tenant, &["--set", "max_wait_time_seconds=soon"]).await;
    assert_failed(&bad, 65, &["`max_wait_time_seconds`", "whole number", "soon"]);
    let bad = apply(&tenant, &["--set", "retries:={"]).await;
    assert_failed(&bad, 65, &["`retries`", "JSON"]);
    let bad = apply(&tenant, &["--set", "queue_target:=5"]).await;
    assert_failed(&bad, 65, &["`queue_target`", "string"]);
    assert_failed(
        &apply(&tenant, &["--from", "missing.json"]).await,
        65,
        &["`missing.json`", "No such file"],
    );
    for (text, says) in [
        ("{", "JSON"),
        ("[1]", "object"),
        (r#"{"a":1,"a":2}"#, "`a` is there twice"),
        (r#"{"max_wait_time_seconds":"5"}"#, "`max_wait_time_seconds`"),
    ] {
        let output = at(&tenant, &["apply", "--from", "-"]).input(text).output().await;
        assert_failed(&output, 65, &[says]);
    }
    assert_eq!(tenant.calls().put, 0);
}

#[tokio::test]
async fn a_tenant_that_cannot_be_reached_is_69() {
    let tenant = tenant().await;
    for fault in [FaultKind::ResetBefore, FaultKind::Status(Canned::status(500)), FaultKind::NotJson] {
        tenant.fault(Fault::get(fault.clone()));
        let output = at(&tenant, &["nodes", "f"]).output().await;
        assert_eq!(output.code, Some(69), "{fault:?}: {output:?}");
    }
    let nodes = at(&tenant, &["nodes", "f"]);
    let set = at(&tenant, &["apply", "--set", "a=1"]);
    let base_url = tenant.base_url();
    tenant.shutdown().await;
    for program in [nodes, set] {
        assert_failed(&program.output().await, 69, &["CXONE_TOKEN_URL", &base_url]);
    }
}

#[tokio::test]
async fn what_may_work_later_is_75() {
    let tenant = tenant().await;
    tenant.fault(Fault::get(FaultKind::Status(Canned::status(429).retry_after("7"))));
    assert_failed(&at(&tenant, &["nodes", "f"]).output().await, 75, &["429"]);
    tenant.fault(Fault::put(FaultKind::Status(Canned::status(429))));
    assert_failed(&apply(&tenant, &["--set", "a=1"]).await, 75, &["429"]);
    tenant.fault(Fault::put(FaultKind::ConflictUnmoved).forever());
    let locked = apply(&tenant, &["--set", "a=1"]).await;
    assert_failed(&locked, 75, &["`f`", "locked by another user: Dana Designer"]);
    assert!((2..10).contains(&tenant.calls().put), "{:?}", tenant.calls());
    assert_eq!(tenant.version("f").as_deref(), Some("14"));
}

#[tokio::test]
async fn credentials_and_permissions_are_77() {
    let tenant = tenant().await;
    let wrong = at(&tenant, &["nodes", "f"]).env("CXONE_CLIENT_SECRET", "wrong-4712").output().await;
    assert_failed(&wrong, 77, &["CXONE_CLIENT_ID", "CXONE_CLIENT_SECRET"]);
    assert!(!wrong.stderr.contains("wrong-4712"), "{wrong:?}");
    tenant.set_scope("flow:flows:read");
    let output = apply(&tenant, &["--set", "a=1"]).await;
    assert_failed(&output, 77, &["`f`", "flow:flows:write"]);
}

#[tokio::test]
async fn serve_says_what_is_occupied() {
    let tenant = tenant().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    for variable in ["FLOWHOOK_LISTEN", "FLOWHOOK_ADMIN_LISTEN"] {
        let output = Program::serve(&tenant).env(variable, &address).output().await;
        assert_failed(&output, 1, &[&address, variable, "in use"]);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal.db");
    let mut first = Program::serve(&tenant).journal(&journal).start();
    first.ready().await;
    let second = Program::serve(&tenant).journal(&journal).output().await;
    let path = journal.display().to_string();
    assert_failed(&second, 1, &[&path, "another process", "FLOWHOOK_JOURNAL"]);
    let nowhere = Program::serve(&tenant).journal(&folder.path().join("no/journal.db")).output().await;
    assert_failed(&nowhere, 1, &["no/journal.db", "folder exists"]);
}

#[tokio::test]
async fn the_exit_code_survives_a_standard_error_that_cannot_be_written() {
    let output = Program::named("bash", &["-c", "flowhook nodes .. 2>/dev/full"]).output().await;
    assert_eq!(output.code, Some(65), "{output:?}");
    let output = Program::named("bash", &["-c", "flowhook --help >/dev/full"]).output().await;
    assert_eq!(output.stderr, "", "{output:?}");
}

#[tokio::test]
async fn secrets_never_appear_however_much_is_logged() {
    let (tenant, api) = (tenant().await, config_api().await);
    let assert_silent = |output: &Output| {
        assert!(output.stderr.contains("DEBUG"), "{output:?}");
        for secret in
            [CLIENT_SECRET, WEBHOOK_SECRET, WEBHOOK_SECRET.trim_start_matches("whsec_"), "practice-"]
        {
            for text in [&output.stdout, &output.stderr] {
                let line = text.lines().find(|line| line.contains(secret));
                assert_eq!(line, None, "{secret}");
            }
        }
    };
    for arguments in [&["nodes", "f"][..], &["apply", "--set", "a=1"], &["apply"]] {
        let output = at(&tenant, arguments).env("FLOWHOOK_LOG", "trace");
        let output = output.env("EXTERNAL_API_URL", &format!("{api}/{{flow_id}}/{{node_id}}")).output().await;
        assert_eq!(output.code, Some(0), "{output:?}");
        assert_silent(&output);
    }
    let service = Program::serve(&tenant).env("CXONE_FLOW_ID", "f").env("TARGET_NODE_ID", SAMPLE_NODE);
    let service = service.env("FLOWHOOK_LOG", "trace").env("FLOWHOOK_ADMIN_TOKEN", CLIENT_SECRET);
    let mut service = service.start();
    let addresses = service.ready().await;
    let body = r#"{"type":"config.updated","data":{"config":{"routing_priority":"low","queue_target":"x","max_wait_time_seconds":1}}}"#;
    addresses.deliver("msg_1", body).await;
    service.logged("published a flow").await;
    service.signal("TERM");
    assert_silent(&service.exit().await);
}

#[tokio::test]
async fn every_commands_help_explains_it_with_an_example() {
    let help = Program::flowhook(&["--help"]).output().await;
    for code in ["64", "65", "69", "75", "77"] {
        assert_done(&help, code);
    }
    let listed = help.stdout.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.map_while(|line| line.split_whitespace().next());
    // These two need none: nothing can be given to `demo` that would change what it shows.
    let commands: Vec<&str> = listed.filter(|command| !["demo", "help"].contains(command)).collect();
    assert!(commands.contains(&"serve") && commands.contains(&"rollback"), "{commands:?}");
    for command in commands {
        let help = Program::flowhook(&[command, "--help"]).output().await;
        assert_done(&help, "Examples:\n");
        let (_, examples) = help.stdout.split_once("Examples:\n").expect("it was there");
        let shows = |line: &str| line.starts_with("  ") && line.contains(&format!(" {command}"));
        assert!(examples.lines().any(shows), "{}", help.stdout);
    }
    assert_done(&Program::flowhook(&["--version"]).output().await, env!("CARGO_PKG_VERSION"));
}

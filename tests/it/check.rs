//! What is wrong is told before the first event: by `check`, which exits with a code for it, and by `serve`
//! at its start, which refuses what it cannot serve with and goes on where only the tenant is amiss.

use flowhook::sandbox::{Canned, Fault, FaultKind, SAMPLE_NODE, SCOPES, Sandbox, Settings, sample_flow};
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::config_api::ConfigApi;
use crate::elsewhere::Nowhere;
use crate::program::{Output, Program, WEBHOOK_SECRET};

/// A client secret that nothing else in the output could be mistaken for.
const CLIENT_SECRET: &str = "tell-nobody-4711";

/// A tenant whose client is granted this scope, with the flow `f` at version 14.
async fn tenant(scope: &str) -> Sandbox {
    let client_secret = CLIENT_SECRET.to_owned();
    let settings = Settings { client_secret, scope: scope.to_owned(), ..Settings::default() };
    let tenant = Sandbox::start(settings).await.expect("a free port");
    tenant.add_flow("f", &sample_flow("f", "Support")).expect("the sample is a flow");
    tenant
}

/// A command with settings that are all well.
fn at(tenant: &Sandbox, arguments: &[&str]) -> Program {
    Program::flowhook(arguments)
        .at(tenant)
        .on_free_ports()
        .env("FLOWHOOK_WEBHOOK_SECRET", WEBHOOK_SECRET)
        .env("CXONE_FLOW_ID", "f")
        .env("TARGET_NODE_ID", SAMPLE_NODE)
}

#[track_caller]
fn assert_says(said: &str, words: &[&str]) {
    for words in words {
        assert!(said.contains(words), "{words:?} in {said}");
    }
    assert!(!said.contains(CLIENT_SECRET) && !said.contains(WEBHOOK_SECRET), "{said}");
}

/// The findings about this subject.
fn findings<'a>(report: &'a Value, verdict: &str) -> Vec<&'a str> {
    let findings = report["findings"].as_array().expect("a list");
    let of = findings.iter().filter(|finding| finding["verdict"] == verdict);
    of.map(|finding| finding["message"].as_str().expect("text")).collect()
}

/// A misconfiguration: what is set wrong, and what is said of it.
struct Wrong<'a> {
    settings: &'a [(&'a str, &'a str)],
    file: Option<&'a str>,
    says: &'a [&'a str],
}

impl<'a> Wrong<'a> {
    fn set(settings: &'a [(&'a str, &'a str)], says: &'a [&'a str]) -> Self {
        Self { settings, file: None, says }
    }

    fn applied(&self, program: Program) -> Program {
        match self.file {
            Some(text) => program.envs(self.settings).file("flowhook.toml", text),
            None => program.envs(self.settings),
        }
    }

    async fn check(&self, tenant: &Sandbox, code: i32) {
        let told = self.applied(at(tenant, &["check"])).output().await;
        assert_eq!(told.code, Some(code), "{told:?}");
        assert_says(&format!("{}{}", told.stdout, told.stderr), self.says);
        let json = self.applied(at(tenant, &["check", "--json"])).output().await;
        let report = json.json();
        assert_eq!((json.code, &report["ok"]), (Some(code), &json!(false)), "{json:?}");
        assert_says(&findings(&report, "failed").join("\n"), self.says);
        assert_eq!(tenant.calls().put, 0, "checking writes nothing");
    }

    /// `serve` cannot start with it.
    async fn is_refused(&self, tenant: &Sandbox, code: i32) {
        self.check(tenant, code).await;
        let refused = self.applied(at(tenant, &["serve"])).output().await;
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(code), ""), "{refused:?}");
        assert_says(&refused.stderr, self.says);
    }

    /// `serve` says so at its start, and accepts deliveries all the same.
    async fn is_told(&self, tenant: &Sandbox, code: i32) {
        self.check(tenant, code).await;
        let mut service = self.applied(at(tenant, &["serve"])).start();
        let addresses = service.ready().await;
        assert_says(&service.logged("changes would wait or fail").await, self.says);
        assert_eq!(addresses.ask("/readyz").await["status"], "ready");
        service.signal("TERM");
        assert_eq!(service.exit().await.code, Some(0));
    }
}

#[track_caller]
fn assert_well(output: &Output) {
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    assert_eq!(output.left, Vec::<String>::new(), "it leaves nothing behind");
}

#[tokio::test]
async fn what_is_well_is_told_and_nothing_is_written() {
    let tenant = tenant(SCOPES).await;
    let text = at(&tenant, &["check"]).output().await;
    assert_well(&text);
    assert_says(
        &text.stdout,
        &[
            "ok       settings",
            "ok       journal flowhook.db: not there yet",
            "ok       token",
            "ok       scopes",
            "ok       flow f: \"Support\", version 14\n",
            "ok       node node_set_vars: has routing_priority, queue_target, max_wait_time_seconds\n",
        ],
    );
    let json = at(&tenant, &["check", "--json"]).output().await;
    assert_well(&json);
    let report = json.json();
    assert_eq!(report["ok"], true);
    assert!(findings(&report, "failed").is_empty() && findings(&report, "warning").is_empty(), "{report}");
    let calls = tenant.calls();
    assert_eq!((calls.token, calls.get, calls.put), (2, 2, 0), "one token and one read a run");
}

#[tokio::test]
async fn a_wrong_secret_and_a_wrong_client_are_told_apart() {
    let tenant = tenant(SCOPES).await;
    let fix = "check CXONE_CLIENT_ID and CXONE_CLIENT_SECRET";
    let wrong_secret = [("CXONE_CLIENT_SECRET", "guessed")];
    Wrong::set(&wrong_secret, &["401 Unauthorized", "this client has another secret", fix])
        .is_told(&tenant, 77)
        .await;
    let wrong_client = [("CXONE_CLIENT_ID", "nobody")];
    Wrong::set(&wrong_client, &["401 Unauthorized", "there is no such client", fix])
        .is_told(&tenant, 77)
        .await;
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    let reader = tenant("flow:flows:read").await;
    let says = ["not granted flow:flows:write", "have it granted"];
    Wrong::set(&[], &says).is_told(&reader, 77).await;
    let writer = tenant("flow:flows:write").await;
    let says = ["flow `f`", "403 Forbidden", "have it granted the scope flow:flows:read"];
    Wrong::set(&[], &says).check(&writer, 77).await;
    let nobody = tenant("").await;
    let says = ["invalid_scope", "have the client granted the scopes flow:flows:read and flow:flows:write"];
    Wrong::set(&[], &says).is_told(&nobody, 77).await;
}

#[tokio::test]
async fn a_wrong_address_of_the_tenant_is_told() {
    let tenant = tenant(SCOPES).await;
    let nowhere = Nowhere::take();
    // A server that knows no path, as behind a mistyped address.
    let other = ConfigApi::start().await;
    let fix = "check CXONE_BASE_URL, and CXONE_TOKEN_URL if you set it";
    Wrong::set(&[("CXONE_BASE_URL", &nowhere.url)], &["Connection refused", fix]).is_told(&tenant, 69).await;
    Wrong::set(&[("CXONE_BASE_URL", &other.url)], &["404 Not Found", fix]).is_told(&tenant, 69).await;

    // The token endpoint is right, and the flows are elsewhere: as with another region.
    let token_url = format!("{}/oauth/token", tenant.base_url());
    let region = |base| [("CXONE_TOKEN_URL", token_url.as_str()), ("CXONE_BASE_URL", base)];
    Wrong::set(&region(&nowhere.url), &["Connection refused", "check CXONE_BASE_URL"])
        .is_told(&tenant, 69)
        .await;
    Wrong::set(&region(&other.url), &["no flow `f`", "CXONE_BASE_URL names its region"])
        .is_told(&tenant, 65)
        .await;
}

#[tokio::test]
async fn a_region_that_refuses_the_token_is_told() {
    let tenant = tenant(SCOPES).await;
    tenant.fault(Fault::get(FaultKind::Status(Canned::status(401))).forever());
    Wrong::set(&[], &["refuses a token that was just issued", "of the same region"]).check(&tenant, 77).await;
}

#[tokio::test]
async fn an_unknown_flow_and_an_unknown_node_are_named() {
    let tenant = tenant(SCOPES).await;
    let flow = [("CXONE_FLOW_ID", "g")];
    Wrong::set(&flow, &["no flow `g` (404 Not Found", "check the flow id"]).is_told(&tenant, 65).await;
    let node = [("TARGET_NODE_ID", "node_sett_vars")];
    let says = ["no node `node_sett_vars`", "use one of `node_start`, `node_set_vars`", "TARGET_NODE_ID"];
    Wrong::set(&node, &says).is_told(&tenant, 65).await;
}

#[tokio::test]
async fn every_allowed_flow_is_looked_at() {
    let tenant = tenant(SCOPES).await;
    let allowed = [("FLOWHOOK_ALLOWED_FLOWS", "f,gone,lost")];
    Wrong::set(&allowed, &["no flow `gone`", "no flow `lost`"]).check(&tenant, 65).await;
}

#[tokio::test]
async fn an_occupied_port_is_told() {
    let tenant = tenant(SCOPES).await;
    let occupied = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = occupied.local_addr().expect("it is bound").to_string();
    let says = [address.as_str(), "Address already in use", "set FLOWHOOK_LISTEN to another address"];
    Wrong::set(&[("FLOWHOOK_LISTEN", &address)], &says).is_refused(&tenant, 1).await;
    let says = [address.as_str(), "set FLOWHOOK_ADMIN_LISTEN to another address"];
    Wrong::set(&[("FLOWHOOK_ADMIN_LISTEN", &address)], &says).is_refused(&tenant, 1).await;
}

#[tokio::test]
async fn a_journal_that_cannot_be_had_is_told() {
    let tenant = tenant(SCOPES).await;
    let at = |location| [("FLOWHOOK_JOURNAL", location)];
    let fix = "check that its folder exists, and that it and its `.lock` belong to you";
    Wrong::set(&at("sqlite:gone/flowhook.db"), &["`gone/flowhook.db`", fix]).is_refused(&tenant, 1).await;
    // Where not even root may write.
    Wrong::set(&at("sqlite:/proc/flowhook.db"), &["`/proc/flowhook.db`", fix]).is_refused(&tenant, 1).await;
    let damaged = Wrong {
        file: Some("not a database, and long enough to be told from one"),
        ..Wrong::set(
            &[("FLOWHOOK_JOURNAL", "sqlite:flowhook.toml")],
            &["`flowhook.toml` cannot be opened", "restore it from a backup"],
        )
    };
    damaged.is_refused(&tenant, 1).await;
    let folder = tempfile::tempdir().expect("a folder");
    let location = format!("sqlite:{}", folder.path().display());
    Wrong::set(&at(&location), &["is a folder: name a file in it", "flowhook.db"])
        .is_refused(&tenant, 1)
        .await;
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    let tenant = tenant(SCOPES).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("theirs.db");
    let theirs = Connection::open(&path).expect("it can be made");
    theirs.execute("CREATE TABLE orders (id INTEGER)", []).expect("a table");
    theirs.close().expect("it closes");
    let before = std::fs::read(&path).expect("it is there");
    let location = format!("sqlite:{}", path.display());
    let set = [("FLOWHOOK_JOURNAL", location.as_str())];
    Wrong::set(&set, &["is another program's database"]).is_refused(&tenant, 1).await;
    assert_eq!(std::fs::read(&path).expect("it is there"), before);
}

#[tokio::test]
async fn two_listeners_need_two_addresses() {
    let tenant = tenant(SCOPES).await;
    let same = [("FLOWHOOK_LISTEN", "127.0.0.1:4711"), ("FLOWHOOK_ADMIN_LISTEN", "127.0.0.1:4711")];
    Wrong::set(&same, &["FLOWHOOK_ADMIN_LISTEN is `127.0.0.1:4711`, as FLOWHOOK_LISTEN is"])
        .is_refused(&tenant, 64)
        .await;
}

#[tokio::test]
async fn a_dollar_in_dot_env_is_refused_unless_it_is_quoted() {
    let tenant = tenant(SCOPES).await;
    let dot_env =
        |value: &str| at(&tenant, &["check"]).file(".env", &format!("FLOWHOOK_ADMIN_TOKEN={value}\n"));
    for value in ["pa$HOME", "\"pa$HOME\"", "pa${x}"] {
        let told = dot_env(value).output().await;
        assert_eq!(told.code, Some(64), "{value}: {told:?}");
        assert_says(&told.stdout, &[".env has a `$` in the value of FLOWHOOK_ADMIN_TOKEN", "single quotes"]);
    }
    for value in ["'pa$HOME'", r"pa\$HOME"] {
        assert_eq!(dot_env(value).output().await.code, Some(0), "{value}");
    }
}

#[tokio::test]
async fn a_misspelt_name_is_a_warning() {
    let tenant = tenant(SCOPES).await;
    // What Kubernetes sets beside a service of this name is not misspelt.
    let kubernetes = [("FLOWHOOK_PORT", "tcp://10.0.0.1:80"), ("FLOWHOOK_SERVICE_HOST", "10.0.0.1")];
    let told = at(&tenant, &["check"]).envs(&kubernetes).output().await;
    assert_well(&told);
    assert!(!told.stdout.contains("warning"), "{told:?}");
    let told = at(&tenant, &["check"]).env("FLOWHOOK_ALLOWED_FLOW", "f").output().await;
    assert_eq!(told.code, Some(0), "{told:?}");
    assert_says(&told.stdout, &["warning  settings: FLOWHOOK_ALLOWED_FLOW in the environment is no setting"]);
}

#[tokio::test]
async fn a_secret_file_without_an_end_is_refused() {
    let tenant = tenant(SCOPES).await;
    let endless = [("CXONE_CLIENT_SECRET_FILE", "/dev/zero"), ("CXONE_CLIENT_SECRET", "")];
    Wrong::set(&endless, &["`/dev/zero`", "longer than 65536 bytes"]).is_refused(&tenant, 64).await;
}

#[tokio::test]
async fn a_settings_file_that_is_broken_is_told_with_all_its_problems() {
    let tenant = tenant(SCOPES).await;
    let file = [("FLOWHOOK_CONFIG", "flowhook.toml")];
    let says = ["flowhook.toml is not TOML"];
    Wrong { file: Some("[tenant\n"), ..Wrong::set(&file, &says) }.is_refused(&tenant, 64).await;
    let says =
        ["flowhook.toml has no setting `server.lissten`", "journal.queue_capacity in flowhook.toml must be"];
    let text = "[server]\nlissten = \"127.0.0.1:0\"\n[journal]\nqueue_capacity = \"many\"\n";
    Wrong { file: Some(text), ..Wrong::set(&file, &says) }.is_refused(&tenant, 64).await;
    Wrong::set(&[("FLOWHOOK_CONFIG", "gone.toml")], &["gone.toml cannot be read"])
        .is_refused(&tenant, 64)
        .await;
}

#[tokio::test]
async fn what_start_up_warns_about_is_a_warning_and_no_failure() {
    let tenant = tenant(SCOPES).await;
    let short = "whsec_c2hvcnQ=";
    let output = at(&tenant, &["check", "--json"]).env("FLOWHOOK_WEBHOOK_SECRET", short).output().await;
    assert_well(&output);
    let report = output.json();
    assert_says(&findings(&report, "warning").join("\n"), &["only 5 bytes long"]);
    assert_eq!(report["ok"], true);
}

#[tokio::test]
async fn beside_the_running_service_its_journal_and_addresses_are_its_own() {
    let tenant = tenant(SCOPES).await;
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("flowhook.db");
    let mut service = at(&tenant, &["serve"]).journal(&journal).start();
    let addresses = service.ready().await;
    let listens = [
        ("FLOWHOOK_LISTEN", addresses.public.to_string()),
        ("FLOWHOOK_ADMIN_LISTEN", addresses.admin.to_string()),
    ];
    let listens = listens.each_ref().map(|(variable, address)| (*variable, address.as_str()));
    let beside = at(&tenant, &["check"]).journal(&journal).envs(&listens).output().await;
    assert_well(&beside);
    assert_eq!(beside.stdout.matches("in use by the flowhook that is running").count(), 3, "{beside:?}");

    // Not everything that is taken is its own.
    let occupied = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let other = occupied.local_addr().expect("it is bound").to_string();
    let taken = at(&tenant, &["check"]).journal(&journal).envs(&listens).env("FLOWHOOK_LISTEN", &other);
    let taken = taken.output().await;
    assert_eq!(taken.code, Some(1), "{taken:?}");
    assert_says(&taken.stdout, &["set FLOWHOOK_LISTEN to another address"]);

    // With another journal it would be another service, for which there is no room.
    let second = at(&tenant, &["check"]).envs(&listens).output().await;
    assert_eq!(second.code, Some(1), "{second:?}");
    assert_says(&second.stdout, &["not there yet", "set FLOWHOOK_ADMIN_LISTEN to another address"]);

    // With another admin address it cannot be known whose journal that is.
    let apart = at(&tenant, &["check"]).journal(&journal).output().await;
    assert_eq!(apart.code, Some(1), "{apart:?}");
    assert_says(&apart.stdout, &["in use by another process: stop that one"]);
    service.signal("TERM");
    assert_eq!(service.exit().await.code, Some(0));
    // A lock that is gone is made by nobody but the service.
    let lock = folder.path().join("flowhook.db.lock");
    std::fs::remove_file(&lock).expect("it was left");
    let after = at(&tenant, &["check"]).journal(&journal).output().await;
    assert_well(&after);
    assert!(!lock.exists());
    assert_says(&after.stdout, &["can be opened; 0 changes are pending"]);
}

#[tokio::test]
async fn where_thin_events_are_fetched_is_looked_at_too() {
    let tenant = tenant(SCOPES).await;
    let api = ConfigApi::start().await;
    api.says(&json!({"routing_priority": "high", "queue_target": "vip", "max_wait_time_seconds": 30}));
    let well = at(&tenant, &["check"]).env("EXTERNAL_API_URL", &api.url).output().await;
    assert_well(&well);
    assert_says(&well.stdout, &["ok       fetch: EXTERNAL_API_URL answers the variables"]);
    let nowhere = Nowhere::take();
    let gone = [("EXTERNAL_API_URL", nowhere.url.as_str())];
    Wrong::set(&gone, &["gives no configuration", "check that it is the right address"])
        .check(&tenant, 69)
        .await;
}

#[tokio::test]
async fn what_serve_learns_of_a_wait_at_its_start_survives_a_crash() {
    let tenant = tenant(SCOPES).await;
    let busy = Canned::status(429).retry_after("60");
    tenant.fault(Fault::get(FaultKind::Status(busy)));
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("flowhook.db");
    let serve = || at(&tenant, &["serve"]).journal(&journal).start();
    let mut service = serve();
    // Told when it is kept.
    service.logged("changes would wait or fail").await;
    service.kill().await;
    let mut again = serve();
    let addresses = again.ready().await;
    again.logged("tenant: the tenant answered 429").await;
    // What waits for the gate says so, though nothing of it has been tried.
    let event = r#"{"type":"config.updated","data":{"config":{"routing_priority":"high","queue_target":"vip","max_wait_time_seconds":30}}}"#;
    addresses.deliver("msg_1", event).await;
    for path in ["/api/changes/1", "/api/changes", "/api/deliveries/config/msg_1"] {
        let told = addresses.ask(path).await.to_string();
        assert!(told.contains("the tenant answered 429 Too Many Requests; no call is made for"), "{told}");
    }
    assert_eq!(tenant.calls().get, 1, "no call is made inside the wait");
    again.signal("TERM");
    again.exit().await;
}

#[tokio::test]
async fn what_is_on_this_machine_is_reached_without_the_environments_proxy() {
    let tenant = tenant(SCOPES).await;
    let api = ConfigApi::start().await;
    api.says(&json!({"routing_priority": "high", "queue_target": "vip", "max_wait_time_seconds": 30}));
    let proxy = Nowhere::take();
    let behind = |arguments: &[&str]| {
        let program = at(&tenant, arguments).env("http_proxy", &proxy.url).env("HTTPS_PROXY", &proxy.url);
        program.env("EXTERNAL_API_URL", &api.url)
    };
    assert_well(&behind(&["check"]).output().await);
    assert_eq!(behind(&["demo"]).output().await.code, Some(0));
}

#[tokio::test]
async fn what_takes_too_many_calls_for_the_pace_is_told_as_far_as_it_went() {
    let tenant = tenant(SCOPES).await;
    let mut paced = at(&tenant, &["check"])
        .envs(&[("CXONE_REQUESTS_PER_MINUTE", "1"), ("FLOWHOOK_ALLOWED_FLOWS", "f,g")])
        .start();
    paced.printed("flow f: \"Support\"").await;
    paced.signal("TERM");
    assert_eq!(paced.exit().await.code, None, "it had not ended");
}

#[tokio::test]
async fn a_tenant_that_asks_to_wait_is_asked_again_later() {
    let tenant = tenant(SCOPES).await;
    let busy = Canned::status(429).retry_after("7");
    tenant.fault(Fault::get(FaultKind::Status(busy)).forever());
    Wrong::set(&[], &["429 Too Many Requests"]).check(&tenant, 75).await;
}

/// Settings with a source and a route of one's own, whose values are fetched.
fn with_tables(program: Program, api: &ConfigApi, node: &str) -> Program {
    let tables = format!(
        "[sources.own]\nscheme = \"stripe\"\nsecrets = [\"0123456789012345678901234567890\"]\n\
         [routes.wait]\nsource = \"own\"\nflow = [\"g\", {{ at = \"/flow\", default = \"f\" }}]\nnode = \"{node}\"\n\
         variables = {{ queue_target = \"/queue\" }}\nfetch = {{ url = \"{}/{{flow_id}}\" }}\n",
        api.url
    );
    program.file("flowhook.toml", &tables).env("FLOWHOOK_CONFIG", "flowhook.toml")
}

#[tokio::test]
async fn every_source_and_route_is_looked_at_with_what_it_fetches() {
    let tenant = tenant(SCOPES).await;
    tenant.add_flow("g", &sample_flow("g", "Sales")).expect("the sample is a flow");
    let api = ConfigApi::start().await;
    let check = async |node: &str| {
        let program = Program::flowhook(&["check"]).at(&tenant).on_free_ports();
        with_tables(program, &api, node).output().await
    };
    api.says(&json!({"queue": "vip"}));
    let well = check(SAMPLE_NODE).await;
    assert_eq!(well.code, Some(0), "{well:?}");
    assert_says(
        &well.stdout,
        &[
            "ok       source own: POST /hooks/own by `stripe`, for route wait\n",
            "ok       flow g: \"Sales\", version 14\nok       node node_set_vars: is there, for route wait\n",
            "ok       fetch of route wait: `fetch.url` answers what the route takes\n",
        ],
    );
    assert!(!well.stdout.contains("source config"), "{well:?}");
    api.says(&json!({"other": "vip"}));
    let wrong = check("node_lost").await;
    assert_eq!(wrong.code, Some(65), "{wrong:?}");
    assert_says(
        &wrong.stdout,
        &[
            "failed   node node_lost: ",
            "`node` of [routes.wait] says which",
            "failed   fetch of route wait: ",
        ],
    );
}

//! The operators' commands, by the real program against a real service: `changes`, `retry`, `discard`, `pause`,
//! `resume`, `drift`.

use flowhook::sandbox::{Canned, Fault, FaultKind, Human};
use serde_json::json;

use crate::elsewhere::server;
use crate::program::{Output, Program};
use crate::send::{Site, assert_ends};

/// A command that is pointed at the service by its settings.
fn at(site: &Site, arguments: &[&str]) -> Program {
    Program::flowhook(arguments).env("FLOWHOOK_ADMIN_LISTEN", &site.addresses.admin.to_string())
}

/// A site where change 1 (of `flow-0`) has failed and change 2 (of `flow-1`) is published.
async fn site() -> Site {
    let site = Site::begin().await;
    site.tenant.fault(Fault::put(FaultKind::Status(Canned::status(422))).of("flow-0"));
    let sent = site.send(&["good.json", "better.json"]).output().await;
    assert_eq!(sent.code, Some(1), "{sent:?}");
    site
}

#[track_caller]
fn assert_prints(output: &Output, expected: &str) {
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    assert_eq!(output.stdout, expected, "{output:?}");
}

#[tokio::test]
async fn changes_lists_what_a_filter_finds_in_columns_and_as_json() {
    let site = site().await;
    let all = at(&site, &["changes"]).output().await;
    assert_ends(&all, 0, &[]);
    let lines: Vec<&str> = all.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{all:?}");
    assert!(lines[0].starts_with("SEQ  STATE      RECEIVED"), "{all:?}");
    assert!(lines[1].starts_with("2    published  ") && lines[1].ends_with("version 15"), "{all:?}");
    assert!(
        lines[2].starts_with("1    failed     ") && lines[2].contains("flow-0  node_set_vars  "),
        "{all:?}"
    );
    let check = async |filter: &[&str], expected: &[i64]| {
        let found = at(&site, &[&["changes", "--json"], filter].concat()).output().await.json();
        let seqs =
            found["changes"].as_array().expect("a list").iter().filter_map(|change| change["seq"].as_i64());
        assert_eq!(seqs.collect::<Vec<_>>(), expected, "{filter:?}");
    };
    check(&["--state", "failed"], &[1]).await;
    check(&["--flow", "flow-1"], &[2]).await;
    check(&["--source", "nobody"], &[]).await;
    check(&["--since", "1h"], &[2, 1]).await;
    check(&["--since", "2099-01-01T00:00:00Z"], &[]).await;
    check(&["--limit", "1"], &[2]).await;
    check(&["--limit", "1", "--cursor", "2"], &[1]).await;
    assert_prints(&at(&site, &["changes", "--source", "nobody"]).output().await, "no changes\n");
}

#[tokio::test]
async fn retry_has_a_failed_change_published() {
    let site = site().await;
    assert_prints(&at(&site, &["retry", "1"]).output().await, "change 1 is to be tried again\n");
    site.addresses.settled().await;
    assert_eq!(site.addresses.ask("/api/changes/1").await["state"], "published");

    let none = at(&site, &["retry", "--state", "failed", "--json"]).output().await;
    assert_eq!((none.code, none.json()), (Some(0), json!({"changes": 0, "in_flight": 0})), "{none:?}");
}

#[tokio::test]
async fn discard_drops_what_has_failed_and_nothing_else() {
    let site = site().await;
    let discard = at(&site, &["discard", "--state", "failed", "--since", "1h"]).output().await;
    assert_prints(&discard, "1 change is discarded\n");
    assert_eq!(site.addresses.ask("/api/changes/1").await["state"], "discarded");
    assert_eq!(site.addresses.ask("/api/changes/2").await["state"], "published");
    assert_prints(&at(&site, &["discard", "1"]).output().await, "change 1 is discarded\n");
}

#[tokio::test]
async fn what_cannot_be_done_is_told_with_the_next_step_and_its_code() {
    let site = site().await;
    let check = async |arguments: &[&str], code: i32, says: &[&str]| {
        assert_ends(&at(&site, arguments).output().await, code, says);
    };
    check(&["discard"], 64, &["say which changes", "--state"]).await;
    check(&["retry", "1", "--state", "failed"], 64, &["cannot be used with"]).await;
    check(&["retry", "first"], 64, &["first"]).await;
    check(&["discard", "--since", "yesterday"], 64, &["2h"]).await;
    check(&["discard", "--flow", ".."], 64, &["flow id `..`"]).await;
    check(&["discard", "--state", "published"], 64, &["pending or failed, not `published`"]).await;
    check(&["retry", "99"], 65, &["no change 99"]).await;
    check(&["retry", "2"], 65, &["Change 2 is published", "new delivery"]).await;
    check(&["changes", "--limit", "501"], 64, &["501"]).await;
    check(&["changes", "--admin-url", "http://127.0.0.1:9"], 69, &["does not answer", "--admin-url"]).await;
    let tenant = site.tenant.base_url();
    check(&["changes", "--admin-url", &tenant], 69, &["not flowhook's admin API"]).await;
    let page = server(axum::Router::new().fallback(|| async { "hello" })).await;
    check(&["changes", "--admin-url", &format!("http://{page}")], 69, &["not flowhook's admin API"]).await;

    let mixed = at(&site, &["discard", "1", "2", "--json"]).output().await;
    assert_eq!(mixed.code, Some(65), "{mixed:?}");
    let told = mixed.json();
    assert_eq!((&told["changes"][0]["state"], &told["refused"][0]["seq"]), (&json!("discarded"), &json!(2)));
}

#[tokio::test]
async fn a_change_in_flight_is_told_to_be_left_alone() {
    let site = Site::begin().await;
    let hold = site.tenant.hold("flow-0");
    site.send(&["good.json", "--wait", "0"]).output().await;
    site.tenant.wait_until(|tenant| tenant.calls().put > 0).await.expect("it publishes");
    assert_ends(&at(&site, &["discard", "1"]).output().await, 75, &["ask again"]);
    let many = at(&site, &["discard", "--flow", "flow-0"]).output().await;
    assert_ends(&many, 75, &["1 more", "run this again"]);
    assert_eq!(many.stdout, "0 changes are discarded\n");
    hold.release();
    site.addresses.settled().await;
}

#[tokio::test]
async fn the_services_token_is_wanted_and_never_told() {
    let site = Site::with(&[("FLOWHOOK_ADMIN_TOKEN", "s3cret-4711")]).await;
    let with = async |token: &str| at(&site, &["changes"]).env("FLOWHOOK_ADMIN_TOKEN", token).output().await;
    assert_prints(&with("s3cret-4711").await, "no changes\n");
    let wrong = with("wr0ng-4711").await;
    assert_ends(&wrong, 77, &["set the same"]);
    assert!(!wrong.stderr.contains("4711"), "{wrong:?}");
    assert_ends(&at(&site, &["retry", "1"]).output().await, 77, &["set FLOWHOOK_ADMIN_TOKEN as it has it"]);
}

#[tokio::test]
async fn pause_holds_and_resume_lets_go_and_both_tell_what_else_holds() {
    let site = Site::begin().await;
    let lines = async |arguments: &[&str]| {
        let output = at(&site, arguments).output().await;
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
        output.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = lines(&["pause", "--all", "--reason", "incident 4711"]).await;
    assert!(
        all.len() == 1
            && all[0].starts_with("all flows are paused since ")
            && all[0].ends_with("(incident 4711)"),
        "{all:?}"
    );
    let two = lines(&["pause", "flow-0", "flow-1"]).await;
    assert!(two.len() == 2 && two[1].starts_with("flow flow-1 is paused since "), "{two:?}");
    assert!(two[1].ends_with(" (an operator said so), with 0 pending"), "{two:?}");
    site.send(&["good.json", "better.json", "--wait", "0"]).output().await;
    let pending = lines(&["changes", "--state", "pending"]).await;
    assert!(pending[1].ends_with("all flows are paused: incident 4711"), "{pending:?}");

    let one = lines(&["resume", "flow-0"]).await;
    assert_eq!(one[0], "flow flow-0 is not paused, with 1 pending");
    assert!(one[1].ends_with("end it with: flowhook resume --all"), "{one:?}");
    let rest = lines(&["resume", "--all"]).await;
    assert_eq!(rest[0], "publishing goes on");
    assert_eq!(rest[2], "end their own pauses with: flowhook resume flow-1");
    let last = at(&site, &["resume", "flow-1", "--json"]).output().await.json();
    assert_eq!((&last["paused"], &last["flows"][0]["paused"]), (&json!(null), &json!(null)));
    site.addresses.settled().await;
    assert_eq!(site.tenant.calls().put, 2);

    let check = async |arguments: &[&str], code: i32, says: &[&str]| {
        assert_ends(&at(&site, arguments).output().await, code, says);
    };
    check(&["pause"], 64, &["--all"]).await;
    check(&["resume", "flow-0", "--all"], 64, &["cannot be used with"]).await;
    check(&["pause", ".."], 64, &["flow id `..`"]).await;
    // No flow of that name must be paused for one who means all.
    check(&["pause", "all"], 64, &["for all flows, give --all"]).await;
    check(&["pause", "--all", "--reason", &"x".repeat(201)], 64, &["200 characters"]).await;
    check(&["resume", "--all", "--admin-url", "http://127.0.0.1:9"], 69, &["does not answer"]).await;
}

#[tokio::test]
async fn rollback_gives_back_what_was_there_the_newest_change_first() {
    let site = Site::begin().await;
    let sent = site.send(&["good.json", "better.json"]).output().await;
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let told = at(&site, &["rollback", "1", "2"]).output().await;
    assert_prints(
        &told,
        "change 2 is to be rolled back, by change 3\nchange 1 is to be rolled back, by change 4\n",
    );
    site.addresses.settled().await;
    assert_eq!(site.addresses.ask("/api/changes/3").await["state"], "published");
    assert_prints(
        &at(&site, &["rollback", "--flow", "flow-0"]).output().await,
        "2 changes are to be rolled back\n",
    );
    site.addresses.settled().await;

    let many = at(&site, &["rollback", "--flow", "flow-0", "--json"]).output().await;
    assert_eq!((many.code, many.json()["made"].is_array()), (Some(0), true), "{many:?}");
    let check = async |arguments: &[&str], code: i32, says: &[&str]| {
        assert_ends(&at(&site, arguments).output().await, code, says);
    };
    check(&["rollback"], 64, &["say which changes"]).await;
    check(&["rollback", "--state", "failed"], 64, &["must be published, not `failed`"]).await;
    check(&["rollback", "99"], 65, &["no change 99"]).await;
}

#[tokio::test]
async fn drift_looks_at_the_flows_and_tells_what_a_person_has_changed() {
    let site = Site::begin().await;
    assert_prints(&at(&site, &["drift"]).output().await, "nothing was applied to any flow yet\n");
    let sent = site.send(&["good.json", "better.json"]).output().await;
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert_prints(&at(&site, &["drift"]).output().await, "nothing differs: 2 flows looked at\n");
    let edit = Human::set("node_set_vars", "queue_target", "\"Ann's\"");
    site.tenant.edit("flow-1", &edit).expect("it is saved");
    let told = at(&site, &["drift"]).output().await;
    assert_ends(&told, 0, &[]);
    let [differs, summary] = told.stdout.lines().collect::<Vec<_>>()[..] else { panic!("{told:?}") };
    let expected = "flow-1 node_set_vars: queue_target is \"Ann's\", not \"q2\", since 20";
    assert!(differs.starts_with(expected), "{told:?}");
    assert_eq!(summary, "1 value differs; 2 flows looked at");
    assert_prints(
        &at(&site, &["drift", "--flow", "flow-0"]).output().await,
        "nothing differs: 1 flow looked at\n",
    );
    let json = at(&site, &["drift", "--flow", "flow-1", "--json"]).output().await.json();
    assert_eq!((&json["flows"], &json["drift"][0]["there"]), (&json!(1), &json!("Ann's")), "{json}");
    assert_prints(
        &at(&site, &["drift", "--flow", "flow-5"]).output().await,
        "flow-5: not looked at: nothing was applied to it yet\nnothing is known to differ, and no flow was looked at\n",
    );
    site.tenant.remove_flow("flow-1");
    let gone = at(&site, &["drift", "--flow", "flow-1"]).output().await;
    assert_ends(&gone, 0, &[]);
    assert!(gone.stdout.contains("flow-1: not looked at: the tenant has no flow `flow-1`"), "{gone:?}");
    assert_ends(&at(&site, &["drift", "--flow", ".."]).output().await, 64, &["flow id `..`"]);
}

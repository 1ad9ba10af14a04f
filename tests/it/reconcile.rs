//! Reconciliation: what a configuration system says is compared with the flows, though no event came.

use std::time::Duration;

use flowhook::journal::Purpose;
use flowhook::sandbox::{Call, Canned, Fault, FaultKind, Human, SAMPLE_NODE};
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::event::{config, event, thin};
use crate::github::{COMMIT, push};
use crate::harness::{IVR, Seen, World};
use crate::log::Log;
use crate::patience::eventually;

/// How often these worlds compare.
const EVERY: Duration = Duration::from_millis(100);
/// The settings that name what the built-in routes fill.
const FILLS: &[(&str, &str)] = &[("CXONE_FLOW_ID", IVR), ("TARGET_NODE_ID", SAMPLE_NODE)];

/// A world in which a service compares what the configuration API says with [`IVR`]; at first it knows nothing.
async fn world() -> World {
    world_of(FILLS, "").await
}

async fn world_of(settings: &[(&'static str, &str)], routes: &str) -> World {
    let mut world = World::still(settings).await;
    world.reconcile_every = Some(EVERY);
    world.routes = routes.replace("{config}", &world.config_api.url);
    world.start_service().await;
    world
}

/// A world in which the configuration API has said 1, and the flow has it.
async fn settled() -> World {
    let world = world().await;
    world.config_api.says(&config(1));
    becomes(&world, IVR, "1").await;
    world.settled().await;
    world
}

/// Waits until the flow tells of that value.
async fn becomes(world: &World, flow: &str, value: &str) {
    eventually(async || (world.value(flow) == value).then_some(())).await;
}

/// Waits until the source was asked twice more: then a whole pass lies between, its looks too.
async fn a_pass(world: &World) {
    let asked = world.config_api.asked().len();
    world.config_api.asked_times(asked + 2).await;
}

fn set(world: &World, name: &str, value: &str) {
    world.tenant.edit(IVR, &Human::set(SAMPLE_NODE, name, value)).expect("it is saved");
}

fn held(world: &World, name: &str) -> String {
    world.tenant.variable(IVR, SAMPLE_NODE, name).unwrap_or_default()
}

/// What is recorded of drift, as `variable: ours -> there`.
async fn drift(world: &World) -> Vec<String> {
    shown(&world.look("/api/drift").await)
}

fn shown(page: &Value) -> Vec<String> {
    let line = |of: &Value| format!("{}: {} -> {}", of["variable"], of["ours"], of["there"]);
    page["drift"].as_array().expect("a list").iter().map(line).collect()
}

/// Waits until so much differs.
async fn drifts(world: &World, count: usize) -> Vec<String> {
    eventually(async || Some(drift(world).await).filter(|found| found.len() == count)).await
}

/// The changes as `state variables`.
async fn changes(world: &World) -> Vec<String> {
    let line = |change: Seen| {
        let names: Vec<_> = change.variables.iter().map(|of| format!("{}={}", of.name, of.value())).collect();
        format!("{} {}", change.state, names.join(" "))
    };
    world.changes().await.into_iter().map(line).collect()
}

#[tokio::test]
async fn with_no_webhook_at_all_what_the_source_says_reaches_the_flow_and_is_written_once() {
    let world = settled().await;
    a_pass(&world).await;
    assert_eq!(world.count("published").await, 1, "{:?}", changes(&world).await);
    world.config_api.says(&config(2));
    let asked = world.config_api.asked().len();
    becomes(&world, IVR, "2").await;
    world.settled().await;
    let passes = world.config_api.asked().len() - asked;
    assert!(passes <= 20, "it took {passes} passes");
    a_pass(&world).await;
    let changes = world.changes().await;
    assert_eq!((changes.len(), world.tenant.calls().put), (2, 2), "{changes:?}");
    let page = world.look("/api/changes?source=reconcile&limit=1").await;
    let change = &page["changes"][0];
    assert_eq!((&change["route"], &change["state"]), (&json!("default"), &json!("published")), "{page}");
    assert!(change["fetch_url"].as_str().expect("a URL").ends_with("/flows/ivr"), "{change}");
    assert!(drift(&world).await.is_empty());
    world.judge().await;
}

#[tokio::test]
async fn a_persons_change_stays_and_is_reported_and_what_the_source_moves_beside_it_is_written() {
    let world = settled().await;
    set(&world, "routing_priority", "\"Ann's\"");
    let expected = [r#""routing_priority": "priority 1" -> "Ann's""#];
    assert_eq!(drifts(&world, 1).await, expected);
    a_pass(&world).await;
    assert_eq!((held(&world, "routing_priority").as_str(), world.changes().await.len()), ("\"Ann's\"", 1));
    let mut moved = config(1);
    moved["max_wait_time_seconds"] = json!(2);
    world.config_api.says(&moved);
    becomes(&world, IVR, "2").await;
    world.settled().await;
    assert_eq!(changes(&world).await[1], "published max_wait_time_seconds=2", "what has not moved stays out");
    a_pass(&world).await;
    assert_eq!(held(&world, "routing_priority"), "\"Ann's\"");
    assert_eq!(drift(&world).await, expected, "it still differs");
    // Until the source moves that too.
    world.config_api.says(&config(3));
    becomes(&world, IVR, "3").await;
    world.settled().await;
    assert_eq!(held(&world, "routing_priority"), "\"priority 3\"");
    assert!(drifts(&world, 0).await.is_empty());
    world.judge_conduct();
}

#[tokio::test]
async fn a_rollback_stays_and_is_reported_until_the_source_moves() {
    let world = settled().await;
    let (status, _) = world.tell("/api/changes/1/rollback").await;
    assert_eq!(status, 200);
    world.settled().await;
    assert_eq!(world.value(IVR), "120");
    assert_eq!(drifts(&world, 3).await[0], r#""max_wait_time_seconds": 1 -> 120"#);
    a_pass(&world).await;
    assert_eq!((world.value(IVR).as_str(), world.changes().await.len()), ("120", 2));
    world.config_api.says(&config(2));
    becomes(&world, IVR, "2").await;
    assert!(drifts(&world, 0).await.is_empty());
    world.judge_conduct();
}

#[tokio::test]
async fn a_route_that_repairs_puts_back_what_a_person_has_changed() {
    let route = r#"
        [repaired]
        source = "other"
        flow = "ivr"
        node = "node_set_vars"
        fetch.url = "{config}/repaired"
        reconcile = { every_seconds = 1, on_drift = "repair" }
        variables.max_wait_time_seconds = "/max_wait_time_seconds"
    "#;
    let world = world_of(&[], route).await;
    world.config_api.says(&config(1));
    becomes(&world, IVR, "1").await;
    world.settled().await;
    set(&world, "max_wait_time_seconds", "7");
    set(&world, "routing_priority", "\"Ann's\"");
    becomes(&world, IVR, "1").await;
    assert!(drifts(&world, 0).await.is_empty());
    assert_eq!(held(&world, "routing_priority"), "\"Ann's\"", "that one is not the route's");
    assert_eq!(changes(&world).await, ["published max_wait_time_seconds=1"; 2]);
    world.judge_conduct();
}

#[tokio::test]
async fn a_flow_that_is_paused_or_being_worked_on_is_left_alone() {
    let world = settled().await;
    world.tell(&format!("/api/flows/{IVR}/pause")).await;
    world.config_api.says(&config(2));
    set(&world, "queue_target", "\"Ann's\"");
    let gets = world.tenant.calls().get;
    // It is not even asked for: nothing would come of it.
    eventually(async || {
        let (_, checked) = world.tell("/api/drift/check").await;
        (checked["left"][0]["reason"] == "it is paused").then_some(())
    })
    .await;
    assert_eq!((world.changes().await.len(), world.tenant.calls().get), (1, gets));
    world.tenant.fault(Fault::put(FaultKind::Status(Canned::status(423))).forever());
    world.tell(&format!("/api/flows/{IVR}/resume")).await;
    let waits = eventually(async || {
        world
            .changes()
            .await
            .into_iter()
            .find(|change| change.state == "pending" && !change.reason.is_empty())
    })
    .await;
    world.config_api.says(&config(3));
    let (_, checked) = world.tell("/api/drift/check").await;
    assert_eq!(checked["left"][0]["reason"], "changes of it are pending", "{checked}");
    assert_eq!(world.changes().await.len(), 2);
    world.tenant.clear_faults();
    world.tell(&format!("/api/changes/{}/retry", waits.seq)).await;
    becomes(&world, IVR, "3").await;
    world.settled().await;
    assert_eq!(world.count("published").await, 3);
    world.judge_conduct();
}

#[tokio::test]
async fn what_failed_or_was_only_observed_is_not_made_again_until_the_source_moves() {
    let failing = world().await;
    failing.tenant.fault(Fault::put(FaultKind::Status(Canned::status(422))).forever());
    let mut observed = World::still(FILLS).await;
    observed.reconcile_every = Some(EVERY);
    observed.purpose = Purpose::Observe;
    observed.start_service().await;
    for (world, state) in [(&failing, "failed"), (&observed, "discarded")] {
        for value in 1..3 {
            world.config_api.says(&config(value));
            let ended = eventually(async || Some(world.count(state).await).filter(|count| *count >= value));
            ended.await;
            a_pass(world).await;
            assert_eq!(world.changes().await.len(), value, "{:?}", changes(world).await);
        }
    }
    // What was only observed never reached the flow.
    observed.stop().await;
    observed.purpose = Purpose::Publish;
    observed.start_service().await;
    becomes(&observed, IVR, "2").await;
    observed.judge_conduct();
}

#[tokio::test]
async fn what_moves_while_the_service_is_down_is_found_by_the_next_start() {
    let mut world = settled().await;
    world.stop().await;
    set(&world, "queue_target", "\"Ann's\"");
    let mut moved = config(1);
    moved["max_wait_time_seconds"] = json!(2);
    world.config_api.says(&moved);
    world.start_service().await;
    becomes(&world, IVR, "2").await;
    assert_eq!(drifts(&world, 1).await, [r#""queue_target": "queue 1" -> "Ann's""#]);
    world.restart().await;
    assert_eq!(drift(&world).await.len(), 1, "what is known of drift outlasts a restart");
    a_pass(&world).await;
    assert_eq!(changes(&world).await.len(), 2);
    world.judge_conduct();
}

#[tokio::test]
async fn a_source_that_fails_or_says_what_does_not_fit_changes_nothing() {
    let world = settled().await;
    world.config_api.fails(StatusCode::BAD_GATEWAY);
    a_pass(&world).await;
    world.config_api.says(&json!({"routing_priority": "high", "max_wait_time_seconds": "soon"}));
    a_pass(&world).await;
    set(&world, "queue_target", "\"Ann's\"");
    assert_eq!(drifts(&world, 1).await.len(), 1, "flows are looked at all the same");
    assert_eq!((world.value(IVR).as_str(), world.changes().await.len()), ("1", 1));
    world.config_api.says(&config(2));
    becomes(&world, IVR, "2").await;
    world.judge_conduct();
}

#[tokio::test]
async fn why_a_source_cannot_be_compared_is_told_once_for_each_reason_and_to_who_asks() {
    let log = Log::of_this_thread();
    let world = settled().await;
    let unread = async |reason: &str| {
        eventually(async || {
            let (_, checked) = world.tell("/api/drift/check").await;
            let unread = &checked["unread"];
            let found = unread[0]["reason"].as_str().unwrap_or_default().contains(reason);
            (found && unread[0]["route"] == "default").then_some(())
        })
        .await;
        a_pass(&world).await;
    };
    world.config_api.fails(StatusCode::BAD_GATEWAY);
    unread("502").await;
    world.config_api.says(&json!({"max_wait_time_seconds": "soon"}));
    unread("does not fit").await;
    world.config_api.says(&config(2));
    becomes(&world, IVR, "2").await;
    a_pass(&world).await;
    let (_, checked) = world.tell("/api/drift/check").await;
    assert_eq!(checked["unread"], json!([]), "{checked}");
    let text = log.text();
    let told = |reason: &str| {
        let is_it = |line: &&str| line.contains("now cannot be compared") && line.contains(reason);
        text.lines().filter(is_it).count()
    };
    assert_eq!((told("502"), told("does not fit")), (1, 1), "{text}");
    assert!(text.contains("can be compared again"));
    world.judge_conduct();
}

#[tokio::test]
async fn an_answer_that_an_event_has_overtaken_is_not_written() {
    let world = settled().await;
    world.config_api.hold();
    world.config_api.says(&config(2));
    let asked = world.config_api.asked().len();
    // The pass is told 2, and learns it late.
    world.config_api.asked_times(asked + 1).await;
    world.config_api.says(&config(3));
    let id = world.deliver(thin(IVR)).await;
    world.config_api.asked_times(asked + 2).await;
    world.config_api.release();
    assert_eq!(world.ended(&id).await.state, "published");
    a_pass(&world).await;
    world.settled().await;
    assert_eq!(world.value(IVR), "3");
    assert!(!changes(&world).await.iter().any(|change| change.contains("=2")), "{:?}", changes(&world).await);
    world.judge_conduct();
}

/// The route `filled`, whose source is asked, and `waiting`, whose source cannot be reached.
const BESIDE_ONE_THAT_WAITS: &str = r#"
    [filled]
    source = "config"
    when = [{ at = "/kind", is = "filled" }]
    flow = "ivr"
    node = "node_set_vars"
    fetch.url = "{config}/filled"
    reconcile = { every_seconds = 1, on_drift = "repair" }
    variables.max_wait_time_seconds = "/max_wait_time_seconds"
    [waiting]
    source = "config"
    when = [{ at = "/kind", is = "waiting" }]
    flow = "ivr"
    node = "node_set_vars"
    fetch.url = "http://127.0.0.1:1/"
    reconcile.every_seconds = 0
    variables.queue_target = "/queue_target"
"#;

#[tokio::test]
async fn a_change_that_waits_for_another_routes_values_holds_up_neither_the_source_nor_the_look() {
    let world = world_of(&[], BESIDE_ONE_THAT_WAITS).await;
    world.config_api.says(&config(1));
    becomes(&world, IVR, "1").await;
    world.settled().await;
    let id = world.deliver(event(IVR, 0).saying(&json!({"kind": "waiting"}))).await;
    let waits = world.waiting(&id).await;
    world.config_api.says(&config(2));
    becomes(&world, IVR, "2").await;
    eventually(async || (world.count("published").await == 2).then_some(())).await;
    set(&world, "max_wait_time_seconds", "7");
    assert_eq!(drifts(&world, 1).await, [r#""max_wait_time_seconds": 2 -> 7"#]);
    a_pass(&world).await;
    assert_eq!(
        (world.value(IVR).as_str(), world.changes().await.len()),
        ("7", 3),
        "nothing is put back over it"
    );
    world.tell(&format!("/api/changes/{}/discard", waits.seq)).await;
    becomes(&world, IVR, "2").await;
    world.judge_conduct();
}

#[tokio::test]
async fn what_comes_to_another_node_of_the_flow_does_not_make_an_answer_stale() {
    let world = settled().await;
    world.config_api.hold();
    world.config_api.says(&config(2));
    let asked = world.config_api.asked().len();
    world.config_api.asked_times(asked + 1).await;
    world.config_api.says(&config(3));
    let id = world.deliver(event(IVR, 5).on("node_queue")).await;
    assert_eq!(world.ended(&id).await.state, "published");
    world.config_api.release();
    becomes(&world, IVR, "3").await;
    world.settled().await;
    let changes = changes(&world).await;
    assert!(changes.iter().any(|change| change.contains("max_wait_time_seconds=2")), "{changes:?}");
    world.judge_conduct();
}

#[tokio::test]
async fn a_node_is_looked_at_while_another_of_its_flow_is_being_worked_on() {
    let world = world_of(&[("EXTERNAL_API_URL", "{config}/all")], "").await;
    for node in [SAMPLE_NODE, "node_queue"] {
        let id = world.deliver(event(IVR, 5).on(node)).await;
        world.ended(&id).await;
    }
    world.tenant.fault(Fault::put(FaultKind::Status(Canned::status(423))).forever());
    let id = world.deliver(event(IVR, 6).on("node_queue")).await;
    world.waiting(&id).await;
    set(&world, "max_wait_time_seconds", "7");
    assert_eq!(drifts(&world, 1).await, [r#""max_wait_time_seconds": 5 -> 7"#]);
    let (_, checked) = world.tell("/api/drift/check").await;
    let expected = json!([{"flow": IVR, "reason": "changes come to its node `node_queue`"}]);
    assert_eq!((&checked["left"], &checked["flows"]), (&expected, &json!(1)), "{checked}");
    world.judge_conduct();
}

#[tokio::test]
async fn what_an_event_brings_stays_though_the_source_still_says_what_it_said_before() {
    let mut world = World::still(FILLS).await;
    world.reconcile_every = Some(Duration::ZERO);
    world.start_service().await;
    world.config_api.says(&config(1));
    let id = world.deliver(event(IVR, 1)).await;
    world.ended(&id).await;
    world.reconcile_every = Some(EVERY);
    world.reload(&[]);
    a_pass(&world).await;
    world.settled().await;
    let id = world.deliver(event(IVR, 2)).await;
    world.ended(&id).await;
    a_pass(&world).await;
    world.settled().await;
    assert_eq!(world.value(IVR), "2", "{:?}", changes(&world).await);
    let states: Vec<_> = world.changes().await.into_iter().map(|change| change.state).collect();
    assert_eq!(states, ["published", "unchanged", "published"]);
    world.config_api.says(&config(3));
    becomes(&world, IVR, "3").await;
    world.judge_conduct();
}

#[tokio::test]
async fn flows_that_events_have_named_are_reconciled_too_and_each_url_is_asked_once_a_pass() {
    let world = world_of(&[("EXTERNAL_API_URL", "{config}/all")], "").await;
    let flows = world.add_flows(12);
    world.config_api.says(&config(1));
    for flow in &flows {
        world.deliver(thin(flow)).await;
    }
    world.settled().await;
    world.config_api.says(&config(2));
    for flow in &flows {
        becomes(&world, flow, "2").await;
    }
    world.settled().await;
    assert_eq!(world.count("published").await, 2 * flows.len());
    let (asked, gets) = (world.config_api.asked().len(), world.tenant.calls().get);
    world.tenant.wait_until(|tenant| tenant.calls().get >= gets + 24).await.expect("they are looked at");
    let passes = world.config_api.asked().len() - asked;
    assert!(passes <= 8, "{passes} questions for two looks at each flow");
    world.judge_conduct();
}

#[tokio::test]
async fn flows_that_no_source_is_asked_for_are_only_looked_at() {
    let world = world_of(&[("EXTERNAL_API_URL", "{config}/all")], "").await;
    let id = world.deliver(event(IVR, 5)).await;
    world.ended(&id).await;
    set(&world, "max_wait_time_seconds", "7");
    assert_eq!(drifts(&world, 1).await, [r#""max_wait_time_seconds": 5 -> 7"#]);
    assert!(world.config_api.asked().is_empty());
    set(&world, "max_wait_time_seconds", "5");
    assert!(drifts(&world, 0).await.is_empty());
    assert_eq!(world.changes().await.len(), 1);
    world.judge_conduct();
}

#[tokio::test]
async fn while_the_tenant_wants_to_be_left_in_peace_no_flow_is_read() {
    let world = settled().await;
    world.tenant.fault(Fault::get(FaultKind::Status(Canned::status(429).header("retry-after", "3600"))));
    let throttled = |request: &flowhook::sandbox::Request| matches!(request.call, Call::Get(_));
    eventually(async || (world.tenant.calls().throttled > 0).then_some(())).await;
    let gets = world.tenant.record().requests.into_iter().filter(throttled).count();
    a_pass(&world).await;
    let (_, checked) = world.tell("/api/drift/check").await;
    let reason = checked["left"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("429"), "{checked}");
    assert_eq!(world.tenant.record().requests.into_iter().filter(throttled).count(), gets);
    world.judge_conduct();
}

#[tokio::test]
async fn drift_is_listed_page_by_page_and_flow_by_flow() {
    let world = world_of(&[], "").await;
    world.add_flow("other");
    for flow in [IVR, "other"] {
        let id = world.deliver(event(flow, 5)).await;
        world.ended(&id).await;
        for name in ["queue_target", "routing_priority"] {
            world.tenant.edit(flow, &Human::set(SAMPLE_NODE, name, "7")).expect("it is saved");
        }
    }
    drifts(&world, 4).await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.look(&format!("/api/drift?limit=3&cursor={cursor}")).await;
        let flows = page["drift"].as_array().expect("a list").iter().map(|of| of["flow"].to_string());
        seen.push(flows.collect::<Vec<_>>().join(" "));
        let row = &page["drift"][0];
        assert_eq!((&row["node"], &row["route"]), (&json!(SAMPLE_NODE), &json!("default")), "{page}");
        assert!(row["since"].as_str() <= row["seen"].as_str(), "{page}");
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, [r#""ivr" "ivr" "other""#, r#""other""#]);
    let first = world.look("/api/drift?flow=other&limit=1").await;
    assert_eq!(shown(&first), [r#""queue_target": "queue 5" -> 7"#]);
    let next = first["next_cursor"].as_str().expect("there is more");
    let rest = world.look(&format!("/api/drift?flow=other&cursor={next}")).await;
    assert_eq!(shown(&rest), [r#""routing_priority": "priority 5" -> 7"#]);
    for (query, what) in
        [("limit=0", "`limit`"), ("cursor=00", "`next_cursor`"), ("flow=..", "flow id"), ("x=1", "x")]
    {
        let (status, problem) = world.tell(&format!("/api/drift/check?{query}")).await;
        assert_eq!(status, 400, "{query}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(what)), "{query}: {problem}");
    }
}

#[tokio::test]
async fn where_events_name_commits_what_a_cache_may_say_after_one_is_not_asked_for() {
    let settings = [FILLS, &[("EXTERNAL_API_URL", "{config}/{revision}/config.json")]].concat();
    let mut world = World::still(&settings).await;
    world.reconcile_every = Some(Duration::ZERO);
    world.start_service().await;
    world.config_api.says(&config(2));
    let id = world.deliver(thin(IVR).saying(&push(COMMIT))).await;
    assert_eq!(world.ended(&id).await.state, "published");
    // The file as it was before, from a cache.
    world.config_api.says(&config(1));
    world.reconcile_every = Some(EVERY);
    world.reload(&[]);
    set(&world, "queue_target", "\"Ann's\"");
    assert_eq!(drifts(&world, 1).await, [r#""queue_target": "queue 2" -> "Ann's""#]);
    set(&world, "queue_target", "\"queue 2\"");
    assert!(drifts(&world, 0).await.is_empty());
    assert_eq!((world.value(IVR).as_str(), world.config_api.asked().len()), ("2", 1));
    world.judge_conduct();
}

#[tokio::test]
async fn routes_that_are_read_again_while_it_runs_are_followed() {
    let mut world = World::still(FILLS).await;
    world.reconcile_every = Some(Duration::ZERO);
    world.start_service().await;
    world.config_api.says(&config(1));
    let id = world.deliver(event(IVR, 5)).await;
    world.ended(&id).await;
    world.reconcile_every = Some(EVERY);
    world.reload(&[]);
    becomes(&world, IVR, "1").await;
    world.judge_conduct();
}

#[tokio::test]
async fn where_no_event_named_a_commit_the_newest_is_compared_at_each_pass() {
    let settings = [FILLS, &[("EXTERNAL_API_URL", "{config}/{revision}/config.json")]].concat();
    let world = world_of(&settings, "").await;
    for value in 1..4 {
        world.config_api.says(&config(value));
        becomes(&world, IVR, &value.to_string()).await;
        world.settled().await;
    }
    assert_eq!(world.count("published").await, 3);
    world.judge_conduct();
}

#[tokio::test]
async fn of_a_merge_patch_what_nobody_has_moved_is_neither_written_nor_put_back() {
    let route = |on_drift: &str| {
        format!(
            r#"
            [patched]
            source = "other"
            flow = "ivr"
            node = "node_set_vars"
            mode = "patch"
            patch_from = "/p"
            fetch.url = "{{config}}/patched"
            reconcile = {{ every_seconds = 1, on_drift = "{on_drift}" }}
            "#
        )
    };
    let check = async |on_drift: &str, says: Value, expected: &str| {
        let world = world_of(&[], &route(on_drift)).await;
        let holds = async |what: &str| {
            eventually(async || world.tenant.flow(IVR)?.contains(what).then_some(())).await;
            world.settled().await;
        };
        world.config_api.says(&json!({"p": {"t": 1, "u": 1}}));
        holds(r#""t":1,"u":1"#).await;
        let text = world.tenant.flow(IVR).expect("it is there");
        world.tenant.add_flow(IVR, &text.replace(r#""u":1"#, r#""u":9"#)).expect("a flow");
        // Saved by a person, it has another version than what was published.
        set(&world, "routing_priority", "\"Ann's\"");
        world.config_api.says(&says);
        holds(expected).await;
        a_pass(&world).await;
        holds(expected).await;
        let page = world.look("/api/changes?source=reconcile&limit=1").await;
        page["changes"][0]["patch"].clone()
    };
    // A person's change stays beside what the source moves; a repair is of what differs alone.
    let moved = check("report", json!({"p": {"t": 2, "u": 1}}), r#""t":2,"u":9"#).await;
    assert_eq!(moved, json!({"t": 2}));
    let repaired = check("repair", json!({"p": {"t": 1, "u": 1}}), r#""t":1,"u":1"#).await;
    assert_eq!(repaired, json!({"u": 1}));
}

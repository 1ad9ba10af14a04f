//! Pauses, of a flow and of all: what is accepted waits, and nothing is published behind an operator's back.

use flowhook::journal::{Effect, FlowFilter, Reach, Step};
use flowhook::sandbox::{Canned, Fault, FaultKind, Request};
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::admin::{Running, assert_problem};
use crate::deliveries::{change_of, delivery, flow};
use crate::event::{config, event, thin};
use crate::harness::{IVR, World};
use crate::journal::{Kept, attempt_with};
use crate::patience::eventually;

async fn pause(world: &World, path: &str) -> Value {
    let (status, state) = world.tell(path).await;
    assert_eq!(status, 200, "{state}");
    state
}

#[tokio::test]
async fn a_paused_flow_is_left_alone_and_the_others_are_published() {
    let mut world = World::start().await;
    let other = world.add_flows(1).remove(0);
    let state = pause(&world, &format!("/api/flows/{IVR}/pause?reason=Ann%20edits%20it")).await;
    assert_eq!(state["flows"][0]["paused"]["reason"], "Ann edits it", "{state}");
    let waits = world.deliver(event(IVR, 1)).await;
    let goes = world.deliver(event(&other, 1)).await;
    assert_eq!(world.ended(&goes).await.state, "published");
    assert_eq!(world.waiting(&waits).await.reason, "the flow is paused: Ann edits it");
    world.restart().await;
    let last = world.deliver(event(&other, 2)).await;
    assert_eq!(world.ended(&last).await.state, "published");
    assert_eq!(world.waiting(&waits).await.reason, "the flow is paused: Ann edits it");
    let about_it = |request: &Request| request.call.flow() == Some(IVR);
    assert!(!world.tenant.record().requests.iter().any(about_it), "no call was made for it");

    pause(&world, &format!("/api/flows/{IVR}/resume")).await;
    let change = world.ended(&waits).await;
    assert_eq!((change.state.as_str(), change.reason.as_str()), ("published", ""));
    world.judge().await;
}

#[tokio::test]
async fn the_kill_switch_holds_all_flows_and_everything_is_accepted() {
    let mut world = World::start().await;
    let flows = world.add_flows(3);
    assert_eq!(pause(&world, "/api/pause?reason=incident").await["paused"]["reason"], "incident");
    for flow in &flows {
        let waits = world.deliver(event(flow, 1)).await;
        assert_eq!(world.waiting(&waits).await.reason, "all flows are paused: incident");
    }
    world.restart().await;
    assert!(world.is_ready().await, "it accepts");
    pause(&world, &format!("/api/flows/{}/pause", flows[0])).await;
    let state = pause(&world, "/api/resume").await;
    assert_eq!((&state["paused"], &state["flows"][0]["flow"]), (&Value::Null, &json!(flows[0])), "{state}");
    eventually(async || (world.count("published").await == 2).then_some(())).await;
    assert_eq!(world.tenant.calls().put, 2);
    assert_eq!(world.value(&flows[0]), "120");
    pause(&world, &format!("/api/flows/{}/resume", flows[0])).await;
    world.settled().await;
    world.judge().await;
}

#[tokio::test]
async fn an_update_in_flight_runs_to_its_end_and_none_begins_after_the_pause() {
    let world = World::start().await;
    let other = world.add_flows(1).remove(0);
    let hold = world.busy(IVR).await;
    let waits = world.deliver(event(IVR, 2)).await;
    let state = pause(&world, &format!("/api/flows/{IVR}/pause")).await;
    assert_eq!(state["flows"][0]["pending"], 2);
    hold.release();
    eventually(async || (world.count("published").await == 1).then_some(())).await;
    assert_eq!(world.waiting(&waits).await.reason, "the flow is paused: an operator said so");
    // What comes then has the lane look, and changes nothing; by the second publish of another flow it has looked.
    world.deliver(event(IVR, 3)).await;
    for value in 1..=2 {
        let id = world.deliver(event(&other, value)).await;
        assert_eq!(world.ended(&id).await.state, "published");
    }
    assert_eq!((world.value(IVR).as_str(), world.tenant.calls().put), ("1", 3));
    pause(&world, &format!("/api/flows/{IVR}/resume")).await;
    world.settled().await;
    assert_eq!(world.value(IVR), "3");
    world.judge().await;
}

#[tokio::test]
async fn updates_that_wait_for_our_own_pace_have_not_begun_when_the_kill_switch_is_thrown() {
    let mut world = World::with(&[("CXONE_REQUESTS_PER_MINUTE", "600")]).await;
    pause(&world, "/api/pause").await;
    for flow in world.add_flows(16) {
        world.deliver(event(&flow, 1)).await;
    }
    // All of them read, and then all of them want to write.
    pause(&world, "/api/resume").await;
    world.tenant.wait_until(|tenant| tenant.calls().put > 0).await.expect("it publishes");
    pause(&world, "/api/pause").await;
    let puts = world.tenant.calls().put;
    // Whatever is under way runs to its end now.
    world.stop().await;
    let more = world.tenant.calls().put - puts;
    assert!(more <= 1 && puts + more < 16, "{more} updates left after the answer, {puts} before it");
    world.start_service().await;
    pause(&world, "/api/resume").await;
    world.settled().await;
    world.judge().await;
}

#[tokio::test]
async fn an_attempt_whose_answer_was_lost_is_decided_while_its_flow_is_paused() {
    let world = World::start().await;
    world.tenant.fault(Fault::put(FaultKind::CommitThen(Canned::status(500))));
    world.tenant.fault(Fault::get(FaultKind::Status(Canned::status(500))).after(1).times(1));
    let lost = world.deliver(event(IVR, 1)).await;
    world.waiting(&lost).await;
    let newer = world.deliver(event(IVR, 2)).await;
    pause(&world, &format!("/api/flows/{IVR}/pause")).await;
    let change = world.ended(&lost).await;
    assert!(change.reason.contains("confirmed by reading"), "{change:?}");
    assert_eq!((world.change(&newer).await.state.as_str(), world.tenant.calls().put), ("pending", 1));
    pause(&world, &format!("/api/flows/{IVR}/resume")).await;
    world.settled().await;
    world.judge().await;
}

#[tokio::test]
async fn a_resumed_flow_that_had_backed_off_starts_at_once() {
    let world = World::start().await;
    world.tenant.fault(Fault::put(FaultKind::Status(Canned::status(403))).forever());
    let id = world.deliver(event(IVR, 1)).await;
    // By itself the lane would take minutes for so many.
    for tries in 1..=9 {
        world.tenant.wait_until(|tenant| tenant.calls().put >= tries).await.expect("it is tried");
        pause(&world, &format!("/api/flows/{IVR}/pause")).await;
        pause(&world, &format!("/api/flows/{IVR}/resume")).await;
    }
    world.tenant.clear_faults();
    pause(&world, "/api/pause").await;
    pause(&world, "/api/resume").await;
    assert_eq!(world.ended(&id).await.state, "published");
    world.judge().await;
}

#[tokio::test]
async fn thin_changes_are_fetched_while_their_flow_is_paused() {
    let world = World::start().await;
    world.config_api.says(&config(7));
    pause(&world, "/api/pause").await;
    let id = world.deliver(thin(IVR)).await;
    world.config_api.asked_times(1).await;
    eventually(async || (!world.change(&id).await.variables.is_empty()).then_some(())).await;
    assert_eq!(world.tenant.calls().get, 0);
    world.config_api.fails(StatusCode::BAD_GATEWAY);
    pause(&world, "/api/resume").await;
    assert_eq!(world.ended(&id).await.state, "published");
    world.judge().await;
}

#[tokio::test]
async fn no_attempt_is_committed_after_a_pause_and_the_oldest_pause_and_newest_reason_count() {
    let mut kept = Kept::new().await;
    kept.admit(&delivery("1", &[change_of("f1"), change_of("f2")])).await;
    let pause = |reach: &Reach, reason: Option<&str>| Step::Pause {
        reach: reach.clone(),
        reason: reason.map(str::to_owned),
    };
    let (one, all) = (Reach::Flow(flow("f1")), Reach::AllFlows);
    kept.effect(pause(&one, Some("first"))).await;
    kept.effect(pause(&one, None)).await;
    assert_eq!(kept.effect(attempt_with("a", "f1", Vec::new())).await, Effect::Stale);
    assert!(matches!(kept.effect(attempt_with("b", "f2", Vec::new())).await, Effect::Written { .. }));
    kept.effect(pause(&all, None)).await;
    kept.effect(pause(&all, Some("second"))).await;
    let mut kept = kept.after_a_crash().await;
    assert_eq!(kept.effect(attempt_with("c", "f3", Vec::new())).await, Effect::Stale);
    let all_paused = kept.reader().pause_of_all().await.expect("it can be read").expect("all are paused");
    assert_eq!((all_paused.reason.as_str(), all_paused.since.as_str()), ("second", "2026-05-28T20:26:40Z"));
    let filter = FlowFilter { only: None, paused: true, after: None, limit: 9 };
    let flows = kept.reader().flows(&filter).await.expect("it can be read");
    let reasons: Vec<_> = flows.iter().map(|flow| flow.paused.as_ref().map(|p| p.reason.as_str())).collect();
    assert_eq!(reasons, [Some("first")]);

    let woken =
        async |kept: &mut Kept, reach: &Reach| match kept.effect(Step::Resume { reach: reach.clone() }).await
        {
            Effect::Acted(acted) => acted.flows.iter().map(ToString::to_string).collect::<Vec<_>>(),
            Effect::Written { .. } | Effect::Stale | Effect::Pruned { .. } => Vec::new(),
        };
    assert_eq!(woken(&mut kept, &all).await, ["f1", "f2"]);
    assert_eq!(woken(&mut kept, &all).await, [""; 0], "it is done once");
    assert_eq!(woken(&mut kept, &one).await, ["f1"]);
}

#[tokio::test]
async fn flows_are_listed_with_what_waits_what_failed_and_what_is_paused() {
    use flowhook::change::State;
    let deliveries = [delivery("1", &[change_of("f1"), change_of("f1"), change_of("f2"), change_of("f3")])];
    let ends = [(2, State::Failed), (4, State::Published)];
    let running = Running::over(&deliveries, &ends, &[]).await;
    assert_eq!(running.post("/api/flows/unknown/pause").await.status, 200, "before its first event too");
    let since = "2026-05-28T20:26:40Z";
    let paused = json!({"reason": "an operator said so", "since": since});
    let unknown = json!({"flow": "unknown", "pending": 0, "failed": 0, "paused": paused});
    let f1 = json!({"flow": "f1", "pending": 1, "failed": 1, "paused": null});
    let f2 = json!({"flow": "f2", "pending": 1, "failed": 0, "paused": null});
    let check = async |query: &str, expected: Value| {
        let answer = running.get(&format!("/api/flows{query}")).await;
        assert_eq!((answer.status, answer.json()), (200, expected), "{query}");
    };
    check("", json!({"paused": null, "flows": [f1, f2, unknown]})).await;
    check("?limit=2", json!({"paused": null, "flows": [f1, f2], "next_cursor": "f2"})).await;
    check("?limit=1&cursor=f2", json!({"paused": null, "flows": [unknown]})).await;
    running.post("/api/pause?reason=").await;
    check("?cursor=f2&limit=", json!({"paused": paused, "flows": [unknown]})).await;
    let resumed = running.post("/api/flows/f1/resume").await;
    assert_eq!(resumed.json(), json!({"paused": paused, "flows": [f1]}), "it was not paused");
    running.stop().await;
}

#[tokio::test]
async fn a_pause_with_something_wrong_is_refused() {
    let running = Running::over(&[], &[], &[]).await;
    let check = async |path: &str, status: u16, detail: &str| {
        assert_problem(&running.post(path).await, status, detail);
    };
    let long = "x".repeat(201);
    check("/api/flows/../pause", 400, "flow id `..`").await;
    check("/api/flows/-x/pause", 400, "flow id `-x`").await;
    check("/api/flows/-x/resume", 400, "flow id `-x`").await;
    check(&format!("/api/pause?reason={long}"), 400, "200 characters at most, not 201").await;
    check(&format!("/api/flows/f/pause?reason={long}"), 400, "200 characters").await;
    check("/api/pause?raeson=x", 400, "raeson").await;
    check("/api/resume?reason=x", 400, "reason").await;
    assert_problem(&running.get("/api/pause").await, 405, "POST");
    assert_problem(&running.get("/api/flows?limit=501").await, 400, "`limit`");
    assert_problem(&running.get("/api/flows?cursor=..").await, 400, "`cursor`");
    assert_eq!(running.get("/api/flows").await.json(), json!({"paused": null, "flows": []}));
    running.stop().await;
}

#[tokio::test]
async fn a_paused_flow_fills_its_share_of_the_backlog_and_the_others_are_taken() {
    let world = World::with(&[("FLOWHOOK_QUEUE_CAPACITY", "100")]).await;
    let other = world.add_flows(1).remove(0);
    pause(&world, &format!("/api/flows/{IVR}/pause")).await;
    for value in 1..=90 {
        world.deliver(event(IVR, value)).await;
    }
    let refused = world.offer(event(IVR, 91)).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(world.is_ready().await, "for other flows");
    for value in 1..=20 {
        world.deliver(event(&other, value)).await;
        world.ended(&world.deliver(event(&other, 100 + value)).await).await;
    }
    pause(&world, &format!("/api/flows/{IVR}/resume")).await;
    world.settled().await;
    world.deliver(event(IVR, 92)).await;
    world.settled().await;
    assert_eq!(world.value(IVR), "92");
    world.judge().await;
}

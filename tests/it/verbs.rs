//! Retry and discard: what operators tell the admin API to do, and what becomes of it.

use std::time::Duration;

use flowhook::change::State;
use flowhook::journal::{Acted, ChangeFilter, Chosen, Effect, Ending, Settlement, Step, Verb};
use flowhook::sandbox::{Canned, Fault, FaultKind};
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::admin::{Running, assert_problem};
use crate::deliveries::{change_of, delivery, flow};
use crate::event::{config, event, thin};
use crate::harness::{IVR, World};
use crate::journal::{Kept, attempt_with};

/// A flow whose PUTs are refused for good, and the number of its change, which has failed.
async fn failed(world: &World) -> i64 {
    world.tenant.fault(Fault::put(FaultKind::Status(Canned::status(422))));
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.ended(&id).await;
    assert_eq!(change.state, "failed");
    change.seq
}

async fn state(world: &World, seq: i64) -> String {
    let changes = world.changes().await;
    changes.into_iter().find(|change| change.seq == seq).expect("it is there").state
}

#[tokio::test]
async fn a_failed_change_that_is_retried_is_published_under_its_old_number() {
    let world = World::start().await;
    let seq = failed(&world).await;
    let (status, change) = world.tell(&format!("/api/changes/{seq}/retry")).await;
    assert_eq!((status, &change["seq"]), (200, &json!(seq)), "{change}");
    world.settled().await;
    assert_eq!((state(&world, seq).await.as_str(), world.value(IVR).as_str()), ("published", "1"));
    assert_eq!(world.changes().await.len(), 1, "no new change");
    world.judge().await;
}

#[tokio::test]
async fn a_retried_change_does_not_win_over_a_newer_one() {
    let world = World::start().await;
    let seq = failed(&world).await;
    let newer = world.deliver(event(IVR, 2)).await;
    assert_eq!(world.ended(&newer).await.state, "published");
    assert_eq!(
        world.tell("/api/changes/retry?state=failed").await,
        (200, json!({"changes": 1, "in_flight": 0}))
    );
    world.settled().await;
    assert_eq!((state(&world, seq).await.as_str(), world.value(IVR).as_str()), ("superseded", "2"));
    world.judge().await;
}

#[tokio::test]
async fn a_change_that_backs_off_is_tried_as_often_as_an_operator_says() {
    let world = World::start().await;
    world.tenant.fault(Fault::put(FaultKind::Status(Canned::status(403))).forever());
    let id = world.deliver(event(IVR, 1)).await;
    let seq = world.waiting(&id).await.seq;
    // By itself the lane would take minutes for so many.
    for tries in 2..=10 {
        world.waiting(&id).await;
        assert_eq!(world.tell(&format!("/api/changes/{seq}/retry")).await.0, 200);
        world.tenant.wait_until(|tenant| tenant.calls().put >= tries).await.expect("it is tried");
    }
    world.tenant.clear_faults();
    world.waiting(&id).await;
    world.tell(&format!("/api/changes/retry?flow={IVR}")).await;
    assert_eq!(world.ended(&id).await.state, "published");
    world.judge().await;
}

#[tokio::test]
async fn a_thin_change_whose_fetch_backs_off_is_fetched_as_often_as_an_operator_says() {
    let world = World::start().await;
    world.config_api.fails(StatusCode::BAD_GATEWAY);
    let id = world.deliver(thin(IVR)).await;
    for times in 2..=10 {
        let seq = world.waiting(&id).await.seq;
        assert_eq!(world.tell(&format!("/api/changes/{seq}/retry")).await.0, 200);
        world.config_api.asked_times(times).await;
    }
    world.config_api.says(&config(7));
    world.waiting(&id).await;
    world.tell("/api/changes/retry?state=pending").await;
    assert_eq!((world.ended(&id).await.state.as_str(), world.value(IVR).as_str()), ("published", "7"));
    world.judge().await;
}

#[tokio::test]
async fn a_retry_does_not_open_the_tenants_gate() {
    let mut world = World::start().await;
    world.tenant.fault(Fault::get(FaultKind::Status(Canned::status(429).retry_after("3600"))));
    let id = world.deliver(event(IVR, 1)).await;
    let seq = world.waiting(&id).await.seq;
    let (status, change) = world.tell(&format!("/api/changes/{seq}/retry")).await;
    assert_eq!((status, &change["state"]), (200, &json!("pending")));
    assert!(change["reason"].as_str().is_some_and(|reason| reason.contains("429")), "{change}");
    world.stop().await;
    world.judge_conduct();
    assert_eq!(world.tenant.calls().get, 1);
}

#[tokio::test]
async fn a_change_in_flight_is_not_discarded_and_one_that_has_ended_is_neither() {
    let world = World::start().await;
    let hold = world.busy(IVR).await;
    let waiting = world.deliver(event(IVR, 2)).await;
    for path in ["/api/changes/1/discard", "/api/changes/1/discard"] {
        let (status, problem) = world.tell(path).await;
        assert_eq!(status, 409, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains("ask again")), "{problem}");
    }
    let (_, both) = world.tell(&format!("/api/changes/discard?flow={IVR}")).await;
    assert_eq!(both, json!({"changes": 1, "in_flight": 1}));
    assert_eq!(world.change(&waiting).await.state, "discarded");
    let (status, again) = world.tell("/api/changes/2/discard").await;
    assert_eq!((status, &again["state"]), (200, &json!("discarded")), "asked twice, it is done once");
    hold.release();
    world.settled().await;
    assert_eq!(world.value(IVR), "1");
    for verb in ["retry", "discard"] {
        let (status, problem) = world.tell(&format!("/api/changes/1/{verb}")).await;
        assert_eq!(status, 422, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains("is published")), "{problem}");
    }
    assert_eq!(world.tell("/api/changes/2/retry").await.0, 422, "a word that was given stays");
    world.judge().await;
}

#[tokio::test]
async fn what_is_discarded_while_its_turn_reads_the_flow_is_not_published_and_the_others_are() {
    let world = World::start().await;
    world.tenant.fault(Fault::get(FaultKind::Status(Canned::status(500))));
    let dropped = world.deliver(event(IVR, 2)).await;
    world.waiting(&dropped).await;
    let kept = world.deliver(event(IVR, 3).on("node_hours")).await;
    world.tenant.set_latency(Duration::from_millis(400));
    let gets = world.tenant.calls().get;
    world.tell(&format!("/api/changes/retry?flow={IVR}")).await;
    world.tenant.wait_until(|tenant| tenant.calls().get > gets).await.expect("it reads");
    let seq = world.change(&dropped).await.seq;
    assert_eq!(world.tell(&format!("/api/changes/{seq}/discard")).await.0, 200);
    world.settled().await;
    assert_eq!(world.change(&dropped).await.state, "discarded");
    assert_eq!(world.change(&kept).await.state, "published");
    assert_eq!((world.value(IVR), world.value_at(IVR, "node_hours")), ("120".to_owned(), "3".to_owned()));
    world.judge().await;
}

#[tokio::test]
async fn what_rests_on_a_discarded_change_is_not_written() {
    let mut kept = Kept::new().await;
    kept.admit(&delivery("1", &[change_of("f1"), change_of("f1"), change_of("f1")])).await;
    kept.effect(Step::Act { verb: Verb::Discard, chosen: Chosen::One(2) }).await;
    let ending = |(seq, state)| Ending { seq, state, reason: None };
    let endings = [(1, State::Superseded), (2, State::Unchanged)].map(ending).to_vec();
    assert_eq!(kept.effect(attempt_with("a", "f1", endings.clone())).await, Effect::Stale);
    let settlement = Settlement { endings, ..Settlement::default() };
    assert_eq!(kept.effect(Step::Settle { flow: flow("f1"), settlement }).await, Effect::Stale);
    assert_eq!(kept.changes().await, ["1 pending", "2 discarded", "3 pending"]);
    // What is in flight is not to be discarded, also after a crash.
    kept.effect(attempt_with("b", "f1", vec![ending((3, State::Published))])).await;
    let mut kept = kept.after_a_crash().await;
    let filter = ChangeFilter { flow: Some(flow("f1")), limit: 9, ..ChangeFilter::default() };
    let acted = kept.effect(Step::Act { verb: Verb::Discard, chosen: Chosen::Filter(filter) }).await;
    let ended = [&flow("f1")].into_iter().collect();
    assert_eq!(acted, Effect::Acted(Acted { changes: 1, in_flight: 1, ended, ..Acted::default() }));
    assert_eq!(kept.changes().await, ["1 discarded", "2 discarded", "3 pending"]);
}

#[tokio::test]
async fn what_is_discarded_makes_room_and_what_is_retried_takes_it() {
    let full = [delivery("1", &[change_of("f1"), change_of("f2")])];
    let ends = [(1, State::Failed)];
    let running = Running::over(&full, &ends, &[("FLOWHOOK_QUEUE_CAPACITY", "2")]).await;
    let is_ready = async || running.get("/readyz").await.status == 200;
    assert!(is_ready().await);
    assert_eq!(running.post("/api/changes/1/retry").await.status, 200);
    assert!(!is_ready().await, "a failed change does not count, a retried one does");
    assert_eq!(running.post("/api/changes/2/retry").await.status, 200, "it was pending already");
    assert_eq!(running.post("/api/changes/2/discard").await.status, 200);
    assert!(is_ready().await);
    running.stop().await;
}

#[tokio::test]
async fn many_are_found_by_a_filter_and_those_that_have_ended_never_are() {
    let deliveries: Vec<_> = (1..=6).map(|id| delivery(&id.to_string(), &[change_of("f1")])).collect();
    let other = delivery("7", &[change_of("f2")]);
    let deliveries = [deliveries, vec![other]].concat();
    let ends = [(1, State::Published), (2, State::Failed), (4, State::Failed), (5, State::Unchanged)];
    let running = Running::over(&deliveries, &ends, &[]).await;
    let check = async |query: &str, expected: Value| {
        let answer = running.post(&format!("/api/changes/discard?{query}")).await;
        assert_eq!((answer.status, answer.json()), (200, expected), "{query}");
    };
    check("since=2027-01-01T00:00:00Z", json!({"changes": 0, "in_flight": 0})).await;
    check("source=nobody", json!({"changes": 0, "in_flight": 0})).await;
    check("state=failed&flow=f2", json!({"changes": 0, "in_flight": 0})).await;
    check("flow=f1&limit=2", json!({"changes": 2, "in_flight": 0, "next_cursor": 4})).await;
    check("flow=f1&limit=2&cursor=4", json!({"changes": 2, "in_flight": 0})).await;
    assert_eq!(running.page("state=discarded").await.0, [6, 4, 3, 2]);
    assert_eq!(running.page("state=pending&since=2026-01-01T00:00:00Z").await.0, [7]);
    check("since=2026-05-28T20:26:40Z&source=config", json!({"changes": 1, "in_flight": 0})).await;
    assert_eq!(running.page("flow=f1").await.0.len(), 6);
    assert_eq!(running.page("state=published").await.0, [1]);
    running.stop().await;
}

#[tokio::test]
async fn a_filter_that_names_nothing_or_what_has_ended_is_refused() {
    let running = Running::over(&[delivery("1", &[change_of("f1")])], &[], &[]).await;
    for verb in ["retry", "discard"] {
        let check = async |query: &str, status: u16, detail: &str| {
            let answer = running.post(&format!("/api/changes/{verb}{query}")).await;
            assert_problem(&answer, status, detail);
        };
        check("", 400, "at least one of `state`").await;
        check("?limit=5&cursor=9", 400, "at least one of `state`").await;
        check("?state=&flow=&source=&since=", 400, "at least one of `state`").await;
        check("?state=published", 400, "pending or failed, not `published`").await;
        check("?since=yesterday", 400, "`since`").await;
        check("?sate=failed", 400, "sate").await;
        let named = running.post(&format!("/api/changes/9/{verb}")).await;
        assert_problem(&named, 404, "no change 9");
        assert_problem(&running.post(&format!("/api/changes/0/{verb}")).await, 400, "`seq`");
        let read = running.get(&format!("/api/changes/1/{verb}")).await;
        assert_problem(&read, 405, "POST");
        assert!(read.header("allow").is_some_and(|allowed| allowed.contains("POST")), "{read:?}");
    }
    assert_eq!(running.page("state=pending").await.0, [1]);
    running.stop().await;
}

#[tokio::test]
async fn a_web_page_cannot_have_anything_done_where_no_token_is_set() {
    let deliveries = [delivery("1", &[change_of("f1")]), delivery("2", &[change_of("f1")])];
    let running = Running::over(&deliveries, &[], &[]).await;
    for header in [
        "origin: http://evil.example\r\n",
        "origin: null\r\n",
        "origin: http://127.0.0.1:8081\r\n",
        "sec-fetch-site: cross-site\r\n",
    ] {
        for path in ["/api/changes/1/discard", "/api/changes/discard?flow=f1", "/api/no-such-path"] {
            let form = "content-type: application/x-www-form-urlencoded\r\ncontent-length: 0\r\n";
            let answer = running.ask(&format!("POST {path}"), &format!("{header}{form}")).await;
            assert_problem(&answer, 403, "FLOWHOOK_ADMIN_TOKEN");
        }
        assert_eq!(running.ask("GET /api/changes", header).await.status, 200, "looking is no harm");
    }
    assert_eq!(running.page("state=pending").await.0, [2, 1]);
    running.stop().await;

    let guarded = Running::over(&deliveries, &[], &[("FLOWHOOK_ADMIN_TOKEN", "s3cret")]).await;
    let discard = async |headers: &str| guarded.ask("POST /api/changes/1/discard", headers).await.status;
    assert_eq!(discard("").await, 401);
    assert_eq!(discard("origin: http://x\r\n").await, 401);
    assert_eq!(discard("authorization: Bearer s3cret\r\norigin: http://x\r\n").await, 200);
    guarded.stop().await;
}

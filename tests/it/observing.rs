//! `serve --observe`: everything is told, nothing is written.

use flowhook::journal::Purpose;
use flowhook::sandbox::{Call, Canned, Fault, FaultKind, Request};

use crate::event::{config, event, thin};
use crate::harness::{IVR, World};
use crate::program::Program;

/// Asserts that the tenant was asked nothing but tokens and flows.
fn assert_only_read(world: &World) {
    let is_write = |request: &Request| matches!(request.call, Call::Put(_) | Call::Other);
    let written: Vec<_> = world.tenant.record().requests.into_iter().filter(is_write).collect();
    assert!(written.is_empty() && world.tenant.calls().get > 0, "{written:?}");
    assert_eq!(world.tenant.version(IVR).as_deref(), Some("14"));
}

#[tokio::test]
async fn what_would_be_published_is_told_and_nothing_is_written() {
    let world = World::observed().await;
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.ended(&id).await;
    let told = "observed: would publish in node `node_set_vars`: queue_target \"general\" → \"queue 1\", \
                routing_priority \"normal\" → \"priority 1\", max_wait_time_seconds 120 → 1";
    assert_eq!(change.state, "discarded");
    let parts = |text: &str| {
        let mut parts: Vec<_> = text.replace(": ", ", ").split(", ").map(str::to_owned).collect();
        parts.sort();
        parts
    };
    assert_eq!(parts(&change.reason), parts(told), "{change:?}");
    assert_eq!(world.look("/healthz").await["purpose"], "observe");

    world.config_api.says(&config(120));
    let fetched = world.ended(&world.deliver(thin(IVR)).await).await;
    assert_eq!(fetched.state, "discarded", "{fetched:?}");
    let nowhere = world.ended(&world.deliver(event(IVR, 2).on("nowhere")).await).await;
    assert!(nowhere.state == "failed" && nowhere.reason.contains("no node `nowhere`"), "{nowhere:?}");
    assert_only_read(&world);
}

#[tokio::test]
async fn what_the_flow_has_already_is_unchanged_and_newer_changes_are_not_held_to_what_was_only_observed() {
    let world = World::observed().await;
    let later = world.ended(&world.deliver(event(IVR, 2).at(20)).await).await;
    // With an older time: had the one before been published, this one would have lost.
    let earlier = world.ended(&world.deliver(event(IVR, 1).at(10)).await).await;
    assert_eq!((later.state.as_str(), earlier.state.as_str()), ("discarded", "discarded"));
    let same = serde_json::json!({
        "routing_priority": "normal", "queue_target": "general", "max_wait_time_seconds": 120,
    });
    let unchanged = world.ended(&world.deliver(event(IVR, 3).with_config(same)).await).await;
    assert_eq!((unchanged.state.as_str(), unchanged.reason.as_str()), ("unchanged", ""));
    assert_only_read(&world);
}

#[tokio::test]
async fn what_was_accepted_while_observing_is_never_published() {
    let mut world = World::observed().await;
    world.tenant.fault(Fault::token(FaultKind::Status(Canned::status(503))).forever());
    let left = world.deliver(event(IVR, 1)).await;
    world.waiting(&left).await;
    // Observed on: it still waits.
    world.restart().await;
    assert_eq!(world.change(&left).await.state, "pending");
    world.purpose = Purpose::Publish;
    world.tenant.clear_faults();
    world.restart().await;
    let change = world.change(&left).await;
    assert!(change.state == "discarded" && change.reason.contains("when observing ended"), "{change:?}");
    let next = world.ended(&world.deliver(event(IVR, 2)).await).await;
    assert_eq!((next.state.as_str(), world.tenant.calls().put), ("published", 1));
    assert_eq!(world.look("/healthz").await["purpose"], "publish");
    world.judge().await;
}

#[tokio::test]
async fn what_failed_while_observing_is_not_there_to_be_retried_by_a_service_that_publishes() {
    let mut world = World::start().await;
    let before = world.ended(&world.deliver(event(IVR, 1).on("nowhere")).await).await;
    world.stop().await;
    world.purpose = Purpose::Observe;
    world.start_service().await;
    let observed = world.ended(&world.deliver(event(IVR, 2).on("nowhere")).await).await;
    assert_eq!(observed.state, "failed");
    world.stop().await;
    world.purpose = Purpose::Publish;
    world.start_service().await;
    assert_eq!(world.change(&before.delivery).await.state, "failed", "it was to be published");
    let change = world.change(&observed.delivery).await;
    let told = change.reason.contains("when observing ended") && change.reason.contains("no node `nowhere`");
    assert!(change.state == "discarded" && told, "{change:?}");
}

#[tokio::test]
async fn what_is_to_be_published_does_not_end_because_somebody_wants_to_observe() {
    let mut world = World::start().await;
    world.tell("/api/pause").await;
    let waits = world.deliver(event(IVR, 1)).await;
    world.stop().await;
    world.purpose = Purpose::Observe;
    let why = world.refusal().await;
    assert!(why.contains("wait to be published (1)") && why.contains("FLOWHOOK_JOURNAL"), "{why}");
    world.purpose = Purpose::Publish;
    world.start_service().await;
    world.tell("/api/resume").await;
    assert_eq!(world.ended(&waits).await.state, "published");
    world.stop().await;
    // With nothing pending it may be observed, and be gone on with.
    world.purpose = Purpose::Observe;
    world.start_service().await;
    let observed = world.ended(&world.deliver(event(IVR, 2)).await).await;
    assert_eq!((observed.state.as_str(), world.tenant.calls().put), ("discarded", 1));
}

#[tokio::test]
async fn serve_observe_says_so_when_it_starts() {
    let mut service = Program::flowhook(&["serve", "--sandbox", "--observe"]).on_free_ports().start();
    service.logged("observing: nothing is published").await;
    service.signal("TERM");
    assert_eq!(service.exit().await.code, Some(0));
}

//! Events without values: they are fetched when they are needed.

use flowhook::sandbox::{Canned, Fault, FaultKind};
use hyper::StatusCode;
use serde_json::json;

use crate::event::{config, event, thin};
use crate::harness::{IVR, World};

/// One URL for all flows.
const SHARED: &[(&str, &str)] = &[("EXTERNAL_API_URL", "{config}/all")];

#[tokio::test]
async fn a_thin_event_is_published_with_what_is_fetched_for_its_flow() {
    let world = World::start().await;
    world.config_api.says(&config(7));
    let id = world.deliver(thin(IVR)).await;
    let change = world.ended(&id).await;
    assert_eq!((change.state.as_str(), world.value(IVR).as_str()), ("published", "7"));
    assert_eq!(change.variables.len(), 3, "the values are kept with the change");
    assert_eq!(world.config_api.asked(), ["/flows/ivr"]);
    world.judge().await;
}

#[tokio::test]
async fn one_fetch_serves_all_that_waited_and_what_comes_meanwhile_gets_a_later_one() {
    let world = World::with(SHARED).await;
    let flows = world.add_flows(6);
    world.config_api.says(&config(1));
    world.config_api.hold();
    let early = world.deliver(thin(&flows[0])).await;
    world.config_api.asked_times(1).await;
    world.config_api.says(&config(2));
    for flow in &flows {
        world.deliver(thin(flow)).await;
    }
    world.config_api.release();
    world.settled().await;
    assert_eq!(world.config_api.asked().len(), 2);
    for flow in &flows {
        assert_eq!(world.value(flow), "2", "{flow} gets what was said after its event");
    }
    let early = world.change(&early).await;
    assert!(["published", "superseded"].contains(&early.state.as_str()), "{early:?}");
    world.judge().await;
}

#[tokio::test]
async fn while_the_configuration_api_hangs_full_events_go_on() {
    let world = World::with(SHARED).await;
    world.add_flow("other");
    world.config_api.says(&config(7));
    world.config_api.hold();
    let waiting = world.deliver(thin(IVR)).await;
    world.config_api.asked_times(1).await;
    for flow in [IVR, "other"] {
        let full = world.deliver(event(flow, 1)).await;
        assert_eq!(world.ended(&full).await.state, "published");
    }
    assert_eq!(world.change(&waiting).await.state, "pending");
    world.config_api.release();
    assert_eq!(world.ended(&waiting).await.state, "superseded", "a full event has won meanwhile");
    world.judge().await;
}

#[tokio::test]
async fn while_the_configuration_api_fails_thin_events_wait_and_say_why() {
    let world = World::with(&[("EXTERNAL_API_URL", "{config}/all?key=hunter2")]).await;
    world.config_api.fails(StatusCode::BAD_GATEWAY);
    let waiting = world.deliver(thin(IVR)).await;
    let change = world.waiting(&waiting).await;
    assert!(change.reason.contains("502") && change.reason.contains("EXTERNAL_API_URL"), "{change:?}");
    assert!(change.reason.contains("/all?…") && !change.reason.contains("hunter2"), "{change:?}");
    world.add_flow("other");
    let full = world.deliver(event("other", 1)).await;
    assert_eq!(world.ended(&full).await.state, "published");
    world.config_api.says(&config(7));
    let change = world.ended(&waiting).await;
    assert_eq!((change.state.as_str(), change.reason.as_str()), ("published", ""));
    world.judge().await;
}

#[tokio::test]
async fn values_of_a_wrong_type_fail_the_events_that_wait_for_them() {
    let world = World::start().await;
    let unfit = json!({"routing_priority": "high", "queue_target": "vip", "max_wait_time_seconds": "30"});
    world.config_api.says(&unfit);
    let id = world.deliver(thin(IVR)).await;
    let change = world.ended(&id).await;
    assert_eq!(change.state, "failed");
    assert!(change.reason.contains("`max_wait_time_seconds` must be a whole number"), "{change:?}");
    assert_eq!((world.tenant.calls().get, world.tenant.calls().put), (0, 0));
    world.config_api.says(&config(7));
    world.deliver(thin(IVR).named(&id)).await;
    assert_eq!(world.ended(&id).await.state, "published", "delivered again, it is fetched again");
    world.judge().await;
}

#[tokio::test]
async fn what_was_fetched_is_not_fetched_again_after_a_restart() {
    let mut world = World::start().await;
    world.tenant.fault(Fault::get(FaultKind::Status(Canned::status(500))).forever());
    world.config_api.says(&config(7));
    let id = world.deliver(thin(IVR)).await;
    world.flow_calls(IVR, 1).await;
    let change = world.waiting(&id).await;
    assert_eq!(change.variables.len(), 3);
    world.config_api.fails(StatusCode::NOT_FOUND);
    world.tenant.clear_faults();
    world.restart().await;
    assert_eq!(world.ended(&id).await.state, "published");
    assert_eq!(world.config_api.asked().len(), 1);
    world.judge().await;
}

#[tokio::test]
async fn what_had_not_been_fetched_is_fetched_after_a_restart() {
    let mut world = World::start().await;
    world.config_api.fails(StatusCode::NOT_FOUND);
    let id = world.deliver(thin(IVR)).await;
    world.waiting(&id).await;
    world.config_api.says(&config(7));
    world.restart().await;
    assert_eq!(world.ended(&id).await.state, "published");
    world.judge().await;
}

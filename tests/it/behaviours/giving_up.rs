//! When a change that its lane has held for a day is given up.

use std::time::Duration;

use flowhook::sandbox::{Fault, FaultKind};

use super::answering;
use crate::event::event;
use crate::harness::{IVR, World};

const A_DAY: Duration = Duration::from_secs(24 * 3600);

/// A change that meets the fault each time it is tried, and has been held for a day; its delivery's id.
async fn held_for_a_day(fault: Fault) -> (World, String) {
    let mut world = World::start().await;
    world.add_flow("other");
    world.tenant.fault(fault.of(IVR).forever());
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.waiting(&id).await;
    world.stop().await;
    world.has_been_held(&change, A_DAY).await;
    world.start_service().await;
    (world, id)
}

#[tokio::test]
async fn a_change_that_a_lock_has_held_for_a_day_fails_and_says_what_to_do() {
    let (world, id) = held_for_a_day(Fault::put(FaultKind::ConflictUnmoved)).await;
    let change = world.ended(&id).await;
    assert_eq!(change.state, "failed");
    for part in ["given up after a day", "retry the change", "Dana Designer"] {
        assert!(change.reason.contains(part), "{}", change.reason);
    }
    world.tenant.clear_faults();
    let (status, _) = world.tell(&format!("/api/changes/{}/retry", change.seq)).await;
    assert_eq!(status, 200);
    assert_eq!(world.ended(&id).await.state, "published");
    world.judge().await;
}

#[tokio::test]
async fn the_only_flow_there_is_does_not_fail_because_its_tenant_is_down_for_a_day() {
    let (world, id) = held_for_a_day(Fault::get(answering(500, ""))).await;
    let reads = usize::try_from(world.tenant.calls().get).expect("a few");
    world.flow_calls(IVR, reads + 2).await;
    assert_eq!(world.change(&id).await.state, "pending", "nobody knows that it is the flow's fault");

    let other = world.deliver(event("other", 1)).await;
    assert_eq!(world.ended(&other).await.state, "published");
    let change = world.ended(&id).await;
    assert!(change.state == "failed" && change.reason.contains("given up after a day"), "{change:?}");
    assert!(change.reason.contains("500"), "{}", change.reason);
    world.judge().await;
}

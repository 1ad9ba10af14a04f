//! What a stop, or a crash, leaves to the next start.

use std::time::Duration;

use flowhook::sandbox::{Canned, Fault, FaultKind, SAMPLE_NODE};

use crate::event::event;
use crate::harness::{IVR, World};

/// Longer than a test takes.
const VERY_LONG: Duration = Duration::from_secs(60);

fn status(code: u16) -> FaultKind {
    FaultKind::Status(Canned::status(code))
}

#[tokio::test]
async fn what_is_pending_at_the_stop_is_published_after_the_next_start() {
    let mut world = World::start().await;
    world.tenant.fault(Fault::token(status(503)).forever());
    let flows = world.add_flows(5);
    for flow in &flows {
        for value in 1..=3 {
            world.deliver(event(flow, value)).await;
        }
    }
    world.stop().await;
    assert_eq!(world.tenant.calls().put, 0);
    world.tenant.clear_faults();
    world.start_service().await;
    world.settled().await;
    for flow in &flows {
        assert_eq!(world.value(flow), "3");
    }
    assert_eq!(world.tenant.calls().put, 5);
    world.judge().await;
}

#[tokio::test]
async fn a_publish_under_way_at_the_stop_is_finished() {
    let mut world = World::start().await;
    let hold = world.busy(IVR).await;
    let (sender, address) = (world.sender(), world.address());
    let release = async {
        // Nobody listens any more: the stop is under way.
        while sender.offer(address, event(IVR, 2).named("msg_late")).await.is_some() {}
        hold.release();
    };
    tokio::join!(world.stop(), release);
    assert_eq!(world.value(IVR), "1");
    world.start_service().await;
    world.settled().await;
    world.judge().await;
}

#[tokio::test]
async fn a_lost_put_that_landed_before_the_stop_is_confirmed_by_reading_after_it() {
    let mut world = World::start().await;
    world.tenant.fault(Fault::put(FaultKind::CommitThen(Canned::status(500))));
    let id = world.deliver(event(IVR, 1)).await;
    world.waiting(&id).await;
    world.restart().await;
    let change = world.ended(&id).await;
    assert_eq!((change.state.as_str(), change.version()), ("published", "15"));
    assert!(change.reason.contains("confirmed by reading"), "{change:?}");
    assert_eq!(world.tenant.calls().put, 1);
    world.judge().await;
}

#[tokio::test]
async fn a_lost_put_that_did_not_land_before_the_stop_is_made_again_after_it() {
    let mut world = World::start().await;
    world.tenant.fault(Fault::put(FaultKind::ResetBefore));
    let id = world.deliver(event(IVR, 1)).await;
    world.waiting(&id).await;
    world.restart().await;
    let change = world.ended(&id).await;
    assert_eq!((change.state.as_str(), change.version(), change.reason.as_str()), ("published", "15", ""));
    assert_eq!((world.tenant.calls().put, world.tenant.calls().commits), (2, 1));
    world.judge().await;
}

#[tokio::test]
async fn a_put_that_landed_before_a_crash_is_confirmed_by_reading_after_it() {
    let mut world = World::to_crash().await;
    world.tenant.fault(Fault::put(FaultKind::CommitThenHang(VERY_LONG)));
    let id = world.deliver(event(IVR, 1)).await;
    world.tenant.wait_until(|tenant| tenant.calls().commits == 1).await.unwrap();
    let newer = world.deliver(event(IVR, 2)).await;
    world.crash().await;
    world.settled().await;
    let (change, newer) = (world.change(&id).await, world.change(&newer).await);
    assert_eq!((change.state.as_str(), change.version()), ("published", "15"));
    assert!(change.reason.contains("confirmed by reading"), "{change:?}");
    assert_eq!((newer.state.as_str(), newer.version()), ("published", "16"));
    world.judge().await;
}

#[tokio::test]
async fn a_put_that_had_not_landed_at_a_crash_is_made_again_after_it() {
    let mut world = World::to_crash().await;
    world.tenant.fault(Fault::put(FaultKind::Hang(VERY_LONG)));
    let id = world.deliver(event(IVR, 1)).await;
    world.flow_calls(IVR, 2).await;
    world.crash().await;
    let change = world.ended(&id).await;
    assert_eq!((change.state.as_str(), change.version(), change.reason.as_str()), ("published", "15", ""));
    assert_eq!(world.tenant.calls().commits, 1);
    world.judge().await;
}

#[tokio::test]
async fn a_closed_gate_stays_closed_over_a_restart_and_a_crash() {
    let mut world = World::to_crash().await;
    world.tenant.fault(Fault::get(FaultKind::Status(Canned::status(429).retry_after("3"))));
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.waiting(&id).await;
    assert!(change.reason.contains("429"), "{change:?}");
    world.add_flow("other");
    world.crash().await;
    world.deliver(event("other", 1)).await;
    world.crash().await;
    world.deliver(event(IVR, 2)).await;
    world.settled().await;
    world.judge().await;
}

#[tokio::test]
async fn whatever_was_acknowledged_before_a_crash_is_carried_out_after_it() {
    let mut world = World::to_crash().await;
    let flows = world.add_flows(5);
    world.tenant.set_latency(Duration::from_millis(20));
    let events = (0..100).map(|at| event(&flows[at % 5], at + 1).at(at).named(&format!("msg_crash_{at}")));
    let events = Vec::from_iter(events);
    let (sender, address) = (world.sender(), world.address());
    let sending = tokio::spawn({
        let events = events.clone();
        async move { sender.offer_all(address, events, 10).await }
    });
    world.tenant.wait_until(|tenant| tenant.calls().commits >= 3).await.unwrap();
    world.crash().await;
    let told = sending.await.expect("the sender lives");
    world.settled().await;
    let kept = Vec::from_iter(world.changes().await.into_iter().map(|change| change.delivery));
    let acknowledged = told.iter().flatten().filter(|told| told.status == 202);
    let lost = Vec::from_iter(acknowledged.filter(|told| !kept.contains(&told.id)));
    assert!(lost.is_empty(), "{lost:?}");
    // What was not acknowledged is sent again, as a sender does.
    world.offer_all(events, 10).await;
    world.settled().await;
    assert_eq!(world.changes().await.len(), 100);
    for (at, flow) in flows.iter().enumerate() {
        assert_eq!(
            world.tenant.variable(flow, SAMPLE_NODE, "max_wait_time_seconds"),
            Some((96 + at).to_string())
        );
    }
    world.judge().await;
}

//! Which of several changes to the same variables wins.

use flowhook::sandbox::{Canned, Fault, FaultKind, Human, SAMPLE_NODE};

use crate::event::event;
use crate::harness::{IVR, World};

#[tokio::test]
async fn an_older_event_that_arrives_later_changes_nothing() {
    let mut world = World::start().await;
    let newer = world.deliver(event(IVR, 20).at(20)).await;
    assert_eq!(world.ended(&newer).await.state, "published");
    for restarted in [false, true] {
        if restarted {
            world.restart().await;
        }
        let older = world.deliver(event(IVR, 10).at(10 + usize::from(restarted))).await;
        assert_eq!(world.ended(&older).await.state, "superseded", "restarted: {restarted}");
    }
    assert_eq!((world.value(IVR).as_str(), world.tenant.calls().put), ("20", 1));
    world.judge().await;
}

#[tokio::test]
async fn an_older_event_changes_nothing_even_when_the_newer_one_is_not_kept_any_more() {
    let mut world = World::start().await;
    let newer = world.deliver(event(IVR, 20).at(20)).await;
    assert_eq!(world.ended(&newer).await.state, "published");
    world.stop().await;
    world.has_been_pruned().await;
    world.start_service().await;
    assert_eq!(world.changes().await.len(), 0, "it is forgotten");
    let older = world.deliver(event(IVR, 10).at(10)).await;
    assert_eq!(world.ended(&older).await.state, "superseded");
    assert_eq!((world.value(IVR).as_str(), world.tenant.calls().put), ("20", 1));
}

#[tokio::test]
async fn within_one_publish_the_newest_wins_whatever_the_order_of_arrival() {
    let world = World::start().await;
    let hold = world.busy(IVR).await;
    for second in [30, 50, 20, 40, 10] {
        world.deliver(event(IVR, second).at(second)).await;
    }
    hold.release();
    world.settled().await;
    assert_eq!((world.value(IVR).as_str(), world.tenant.calls().put), ("50", 2));
    assert_eq!(world.count("superseded").await, 4);
    world.judge().await;
}

#[tokio::test]
async fn of_two_events_of_the_same_time_the_later_arrival_wins() {
    let world = World::start().await;
    for value in [1, 2] {
        let id = world.deliver(event(IVR, value).at(7)).await;
        assert_eq!(world.ended(&id).await.state, "published");
    }
    assert_eq!(world.value(IVR), "2");
    world.judge().await;
}

#[tokio::test]
async fn an_event_that_tells_no_time_wins_by_arrival_and_makes_no_older_event_new() {
    let world = World::start().await;
    for event in [event(IVR, 1).at(20), event(IVR, 2)] {
        let id = world.deliver(event).await;
        assert_eq!(world.ended(&id).await.state, "published");
    }
    let stale = world.deliver(event(IVR, 3).at(10)).await;
    assert_eq!(world.ended(&stale).await.state, "superseded");
    assert_eq!(world.value(IVR), "2");
    world.judge().await;
}

#[tokio::test]
async fn what_a_refused_change_had_beaten_is_published_in_its_place() {
    let world = World::start().await;
    let hold = world.busy(IVR).await;
    let older = world.deliver(event(IVR, 10).at(10)).await;
    let newer = world.deliver(event(IVR, 20).at(20)).await;
    // The first PUT is the one that is held; the second holds both changes, the third the older one alone.
    let refusal = || FaultKind::Status(Canned::status(422));
    world.tenant.fault(Fault::put(refusal()).after(1));
    world.tenant.fault(Fault::put(refusal()).after(2));
    hold.release();
    assert_eq!(world.ended(&newer).await.state, "failed");
    assert_eq!(world.ended(&older).await.state, "published");
    assert_eq!((world.value(IVR).as_str(), world.tenant.faults_waiting()), ("10", 0));
    world.judge().await;
}

#[tokio::test]
async fn a_change_that_failed_does_not_keep_an_older_one_from_winning() {
    let world = World::start().await;
    world.tenant.edit(IVR, &Human::RenameNode { node: SAMPLE_NODE.into(), to: "away".into() }).unwrap();
    let newer = world.deliver(event(IVR, 20).at(20)).await;
    assert_eq!(world.ended(&newer).await.state, "failed");
    world.tenant.edit(IVR, &Human::RenameNode { node: "away".into(), to: SAMPLE_NODE.into() }).unwrap();
    let older = world.deliver(event(IVR, 10).at(10)).await;
    assert_eq!(world.ended(&older).await.state, "published");
    assert_eq!(world.value(IVR), "10");
    world.judge().await;
}

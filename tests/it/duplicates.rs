//! Deliveries that come again.

use flowhook::sandbox::sample_flow;
use serde_json::json;

use crate::event::event;
use crate::harness::{IVR, World};

#[tokio::test]
async fn of_many_twins_in_flight_one_is_accepted_and_the_others_are_duplicates() {
    let world = World::start().await;
    let twins = vec![event(IVR, 1).named("msg_twin"); 16];
    let told = world.offer_all(twins, 16).await;
    let count = |status: u16, word: &str| {
        told.iter().flatten().filter(|told| told.status == status && told.word() == word).count()
    };
    assert_eq!((count(202, "accepted"), count(200, "duplicate")), (1, 15), "{told:?}");
    world.settled().await;
    assert_eq!((world.changes().await.len(), world.tenant.calls().put), (1, 1));
    world.judge().await;
}

#[tokio::test]
async fn what_was_published_is_a_duplicate_even_after_a_restart() {
    let mut world = World::start().await;
    world.deliver(event(IVR, 1).named("msg_once")).await;
    world.settled().await;
    world.restart().await;
    let again = world.offer(event(IVR, 1).named("msg_once")).await;
    assert_eq!((again.status, again.word()), (200, "duplicate"));
    assert_eq!(world.tenant.calls().put, 1);
}

#[tokio::test]
async fn a_delivery_that_failed_gets_another_chance_when_it_comes_again() {
    let world = World::start().await;
    let again = || event("new", 1).named("msg_again");
    world.deliver(again()).await;
    let failed = world.ended("msg_again").await;
    assert_eq!(failed.state, "failed");
    world.tenant.add_flow("new", &sample_flow("new", "Opened since")).unwrap();
    world.deliver(again()).await;
    let change = world.ended("msg_again").await;
    assert_eq!((change.state.as_str(), change.seq), ("published", failed.seq));
    let third = world.offer(again()).await;
    assert_eq!((third.status, third.word()), (200, "duplicate"));
    world.judge().await;
}

#[tokio::test]
async fn a_delivery_that_was_rejected_is_judged_anew_when_it_comes_again() {
    let world = World::start().await;
    let unfit = json!({"routing_priority": "high", "queue_target": "vip", "max_wait_time_seconds": "soon"});
    let rejected = world.offer(event(IVR, 1).named("msg_mended").with_config(unfit)).await;
    assert_eq!(rejected.status, 422, "{rejected:?}");
    world.deliver(event(IVR, 1).named("msg_mended")).await;
    assert_eq!(world.ended("msg_mended").await.state, "published");
    world.judge().await;
}

#[tokio::test]
async fn a_failed_delivery_that_comes_again_after_a_newer_one_has_won_changes_nothing() {
    let world = World::start().await;
    world.deliver(event("new", 1).named("msg_late")).await;
    assert_eq!(world.ended("msg_late").await.state, "failed");
    world.tenant.add_flow("new", &sample_flow("new", "Opened since")).unwrap();
    let newer = world.deliver(event("new", 2)).await;
    assert_eq!(world.ended(&newer).await.state, "published");
    world.deliver(event("new", 1).named("msg_late")).await;
    assert_eq!(world.ended("msg_late").await.state, "superseded");
    assert_eq!((world.value("new").as_str(), world.tenant.calls().put), ("2", 1));
    world.judge().await;
}

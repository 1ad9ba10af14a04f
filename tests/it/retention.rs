//! What is old goes by itself.

use std::time::Duration;

use crate::event::event;
use crate::harness::World;
use crate::patience::eventually;

/// More than what settled is kept by default.
const FORTY_DAYS: Duration = Duration::from_secs(40 * 24 * 3600);
/// More than go in one commit each time that the journal is looked at, until the test gives up.
const MANY: usize = 600;

#[tokio::test]
async fn what_is_old_goes_to_the_last_however_much_it_is_and_though_the_service_stops_meanwhile() {
    let mut world = World::start().await;
    let flows = world.add_flows(5);
    world.deliver_all((0..MANY).map(|at| event(&flows[at % flows.len()], at)), 8).await;
    world.settled().await;
    world.stop().await;
    world.has_aged(FORTY_DAYS);
    world.start_service().await;
    let young = world.deliver(event(&flows[0], MANY)).await;
    world.restart().await;
    world.ended(&young).await;
    let left = eventually(async || Some(world.changes().await).filter(|left| left.len() <= 1)).await;
    assert_eq!(left.iter().map(|change| &change.delivery).collect::<Vec<_>>(), [&young]);
}

//! Large flows and wide publishes: while one is decided, other lanes go on.
//!
//! Nothing here measures time. The runtime has one thread for its tasks and one for long work, and the test takes the
//! latter: what is done beside the runtime's thread stands still until it is given back, and all else must not.

use std::sync::mpsc::{Sender, channel};

use flowhook::sandbox::{SAMPLE_NODE, large_flow};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::event::event;
use crate::harness::{IVR, World};

/// One thread for the journal's writer, and one for long work.
fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).max_blocking_threads(2).enable_all().build().expect("a runtime")
}

/// Takes the thread for long work until what is returned is dropped.
async fn take_thread() -> Sender<()> {
    let (free, taken) = channel();
    let (began, has_begun) = oneshot::channel();
    spawn_blocking(move || {
        began.send(()).ok();
        taken.recv().ok();
    });
    has_begun.await.expect("the thread was free");
    free
}

#[test]
fn while_a_large_flow_is_drafted_other_lanes_publish() {
    runtime().block_on(async {
        let world = World::start().await;
        let text = large_flow("large", 2_000);
        assert!(text.len() > 400_000, "it is large");
        world.tenant.add_flow("large", &text).expect("a flow");
        for value in 1..=3 {
            let published = world.tenant.calls().put;
            let taken = take_thread().await;
            let large = world.deliver(event("large", value)).await;
            for other in 1..=3 {
                let id = world.deliver(event(IVR, 10 * value + other)).await;
                assert_eq!(world.ended(&id).await.state, "published");
            }
            assert_eq!(world.tenant.calls().put, published + 3, "the large flow is not written meanwhile");
            drop(taken);
            assert_eq!(world.ended(&large).await.state, "published");
        }
        assert_eq!(world.value_at("large", SAMPLE_NODE), "3");
        world.judge().await;
    });
}

#[test]
fn while_many_changes_are_folded_other_lanes_publish() {
    runtime().block_on(async {
        let world = World::start().await;
        world.add_flow("other");
        let hold = world.busy(IVR).await;
        world.deliver_all((2..=300).map(|value| event(IVR, value).at(value)), 16).await;
        let taken = take_thread().await;
        hold.release();
        world.tenant.wait_until(|tenant| tenant.calls().commits == 1).await.expect("it is written");
        for value in 1..=3 {
            let id = world.deliver(event("other", value)).await;
            assert_eq!(world.ended(&id).await.state, "published");
        }
        assert_eq!(world.tenant.calls().put, 4, "the many are not written meanwhile");
        drop(taken);
        world.settled().await;
        assert_eq!((world.value(IVR).as_str(), world.tenant.calls().put), ("300", 5));
        world.judge().await;
    });
}

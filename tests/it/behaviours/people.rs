//! What designers do while flowhook works.

use std::time::Duration;

use flowhook::sandbox::{DESIGNER_VARIABLE, Fault, FaultKind, Human, SAMPLE_NODE};

use crate::event::event;
use crate::harness::{IVR, World};

const OURS: &str = "max_wait_time_seconds";

/// A person edits the flow between our read and our write.
async fn meanwhile(edit: &Human) -> World {
    let world = World::start().await;
    let hold = world.busy(IVR).await;
    world.tenant.edit(IVR, edit).expect("it can be edited");
    hold.release();
    world.settled().await;
    assert_eq!(world.tenant.calls().conflicts, 1, "{edit:?}");
    world
}

#[tokio::test]
async fn whatever_a_person_saves_meanwhile_stays_and_our_variables_are_set_in_it() {
    async fn check(edit: Human) {
        let world = meanwhile(&edit).await;
        let [change] = world.changes().await.try_into().expect("one change");
        assert_eq!((change.state.as_str(), change.version()), ("published", "16"), "{edit:?}");
        assert_eq!(world.value(IVR), "1", "{edit:?}");
        world.judge().await;
    }
    let delete = Human::DeleteVariable { node: SAMPLE_NODE.to_owned(), name: OURS.to_owned() };
    let insert = Human::InsertNodeBefore { node: SAMPLE_NODE.to_owned(), new: "node_new".to_owned() };
    let rename = Human::RenameNode { node: "node_hours".to_owned(), to: "node_days".to_owned() };
    tokio::join!(
        check(Human::set("node_hours", "holiday", "true")),
        check(Human::set(SAMPLE_NODE, "greeting_prompt", r#""Servus""#)),
        check(Human::set(SAMPLE_NODE, OURS, "90")),
        check(delete),
        check(insert),
        check(rename),
    );
}

#[tokio::test]
async fn a_person_who_takes_our_node_away_meanwhile_is_told_by_the_failed_change() {
    async fn check(edit: Human, told: &str) {
        let world = meanwhile(&edit).await;
        let [change] = world.changes().await.try_into().expect("one change");
        assert_eq!(change.state, "failed", "{edit:?}");
        assert!(
            change.reason.contains("no node `node_set_vars`") && change.reason.contains(told),
            "{change:?}"
        );
        world.judge().await;
    }
    let rename = Human::RenameNode { node: SAMPLE_NODE.to_owned(), to: "node_renamed".to_owned() };
    tokio::join!(
        check(Human::DeleteNode(SAMPLE_NODE.to_owned()), "`node_hours`"),
        check(rename, "`node_renamed`"),
    );
}

#[tokio::test]
async fn what_a_person_rolled_back_is_published_again_when_it_is_sent_again() {
    let world = World::start().await;
    let id = world.deliver(event(IVR, 1)).await;
    world.ended(&id).await;
    world.tenant.edit(IVR, &Human::RollBack).unwrap();
    assert_eq!((world.value(IVR).as_str(), world.tenant.version(IVR).as_deref()), ("120", Some("16")));
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.ended(&id).await;
    assert_eq!(
        (change.state.as_str(), change.version(), world.value(IVR).as_str()),
        ("published", "17", "1")
    );
    world.judge_conduct();
}

#[tokio::test]
async fn a_lock_that_lasts_holds_up_its_flow_alone() {
    let world = World::start().await;
    world.add_flow("free");
    world.tenant.fault(Fault::put(FaultKind::ConflictUnmoved).of(IVR).forever());
    let locked = world.deliver(event(IVR, 1)).await;
    let change = world.waiting(&locked).await;
    assert!(change.reason.contains("Dana Designer"), "{}", change.reason);
    for value in 1..=3 {
        let id = world.deliver(event("free", value)).await;
        assert_eq!(world.ended(&id).await.state, "published");
    }
    world.flow_calls(IVR, 2 * 3).await;
    assert_eq!(world.change(&locked).await.state, "pending");
    world.tenant.clear_faults();
    assert_eq!(world.ended(&locked).await.state, "published");
    world.judge().await;
}

#[tokio::test]
async fn a_flow_that_is_saved_every_50_ms_is_published_to_all_the_same() {
    let world = World::start().await;
    world.tenant.set_latency(Duration::from_millis(10));
    let designer = world.tenant.designer(&[IVR], "node_hours", Duration::from_millis(50));
    for value in 1..=5 {
        let id = world.deliver(event(IVR, value)).await;
        assert_eq!(world.ended(&id).await.state, "published");
    }
    let edits = designer.stop().await;
    let note = world.tenant.variable(IVR, "node_hours", DESIGNER_VARIABLE);
    assert_eq!(note, edits.last().map(|edit| edit.value.to_string()), "no edit is lost");
    world.judge().await;
}

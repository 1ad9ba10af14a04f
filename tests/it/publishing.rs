//! The way of a change into its flow, when nothing goes wrong, and the calls that it costs.

use flowhook::sandbox::{Fault, FaultKind, Human, SAMPLE_NODE, large_flow};

use crate::event::{VARIABLES, event};
use crate::harness::{IVR, World};
use crate::log::Log;

#[tokio::test]
async fn a_change_goes_into_its_flow_with_one_read_and_one_write() {
    let world = World::start().await;
    let id = world.deliver(event(IVR, 7)).await;
    let change = world.ended(&id).await;
    assert_eq!((change.state.as_str(), change.version(), change.reason.as_str()), ("published", "15", ""));
    let [priority, queue, wait] = VARIABLES.map(|name| world.tenant.variable(IVR, SAMPLE_NODE, name));
    assert_eq!(priority.as_deref(), Some(r#""priority 7""#));
    assert_eq!(queue.as_deref(), Some(r#""queue 7""#));
    assert_eq!(wait.as_deref(), Some("7"));
    let calls = world.tenant.calls();
    assert_eq!((calls.token, calls.get, calls.put), (1, 1, 1));
    world.judge().await;
}

#[tokio::test]
async fn what_arrives_while_a_publish_runs_goes_out_in_exactly_one_more() {
    let world = World::start().await;
    let hold = world.busy(IVR).await;
    let mut last = String::new();
    for value in 2..=31 {
        last = world.deliver(event(IVR, value)).await;
    }
    assert_eq!(world.tenant.calls().put, 1, "one at a time");
    hold.release();
    world.settled().await;
    let last = world.change(&last).await;
    assert_eq!((last.state.as_str(), last.version()), ("published", "16"));
    assert_eq!((world.count("published").await, world.count("superseded").await), (2, 29));
    assert_eq!(world.tenant.calls().put, 2);
    world.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_changes_behind_a_held_update_go_out_in_exactly_one_more() {
    const CHANGES: usize = 1_000;
    let world = World::start().await;
    let hold = world.busy(IVR).await;
    world.deliver_all((2..CHANGES + 2).map(|value| event(IVR, value).at(value)), 64).await;
    assert_eq!(world.tenant.calls().put, 1, "one at a time");
    hold.release();
    world.settled().await;
    assert_eq!(world.value(IVR), (CHANGES + 1).to_string(), "by their keys, whichever came last");
    let calls = world.tenant.calls();
    assert_eq!((calls.get, calls.put, calls.conflicts), (1, 2, 0));
}

#[tokio::test]
async fn a_warm_flow_costs_one_call_a_publish() {
    let world = World::start().await;
    for value in 1..=4 {
        let id = world.deliver(event(IVR, value)).await;
        assert_eq!(world.ended(&id).await.state, "published");
    }
    let calls = world.tenant.calls();
    assert_eq!((calls.get, calls.put, calls.conflicts), (1, 4, 0));
    world.judge().await;
}

#[tokio::test]
async fn a_warm_publish_over_a_persons_edit_is_refused_and_done_again_on_the_fresh_flow() {
    let world = World::start().await;
    world.deliver(event(IVR, 1)).await;
    world.settled().await;
    world.tenant.edit(IVR, &Human::set(SAMPLE_NODE, "greeting_prompt", r#""Servus""#)).unwrap();
    let id = world.deliver(event(IVR, 2)).await;
    let change = world.ended(&id).await;
    assert_eq!((change.state.as_str(), change.version()), ("published", "17"));
    let calls = world.tenant.calls();
    assert_eq!((calls.get, calls.put, calls.conflicts), (2, 3, 1));
    assert_eq!(world.tenant.variable(IVR, SAMPLE_NODE, "greeting_prompt").as_deref(), Some(r#""Servus""#));
    world.judge().await;
}

#[tokio::test]
async fn a_flow_that_has_the_values_is_not_written() {
    let world = World::start().await;
    world.deliver(event(IVR, 1)).await;
    world.settled().await;
    let again = world.deliver(event(IVR, 1)).await;
    assert_eq!(world.ended(&again).await.state, "unchanged");
    let calls = world.tenant.calls();
    assert_eq!((calls.get, calls.put), (2, 1), "a warm flow is read before it is said to have them");
    world.judge().await;
}

#[tokio::test]
async fn a_warm_flow_is_read_again_before_it_is_said_to_have_the_values() {
    let world = World::start().await;
    world.deliver(event(IVR, 1)).await;
    world.settled().await;
    world.tenant.edit(IVR, &Human::set(SAMPLE_NODE, "max_wait_time_seconds", "90")).unwrap();
    let again = world.deliver(event(IVR, 1)).await;
    let change = world.ended(&again).await;
    assert_eq!((change.state.as_str(), change.version()), ("published", "17"));
    assert_eq!(world.value(IVR), "1");
    world.judge_conduct();
}

#[tokio::test]
async fn a_warm_flow_is_read_again_before_a_node_is_said_to_be_missing() {
    let world = World::start().await;
    world.deliver(event(IVR, 1)).await;
    world.settled().await;
    let new = Human::InsertNodeBefore { node: SAMPLE_NODE.to_owned(), new: "node_new".to_owned() };
    world.tenant.edit(IVR, &new).unwrap();
    let id = world.deliver(event(IVR, 2).on("node_new")).await;
    assert_eq!(world.ended(&id).await.state, "published");
    assert_eq!(world.value_at(IVR, "node_new"), "2");
    world.judge().await;
}

#[tokio::test]
async fn a_node_that_a_person_has_deleted_since_is_missing() {
    let world = World::start().await;
    world.deliver(event(IVR, 1)).await;
    world.settled().await;
    world.tenant.edit(IVR, &Human::DeleteNode(SAMPLE_NODE.to_owned())).unwrap();
    let id = world.deliver(event(IVR, 2)).await;
    let change = world.ended(&id).await;
    assert_eq!(change.state, "failed");
    assert!(change.reason.contains("`node_hours`"), "{}", change.reason);
    world.judge_conduct();
}

#[tokio::test]
async fn a_tenant_that_rewrites_the_flow_on_save_is_published_to_all_the_same() {
    let world = World::start().await;
    world.tenant.fault(Fault::put(FaultKind::RewriteOnSave).times(2));
    for value in 1..=3 {
        let id = world.deliver(event(IVR, value)).await;
        assert_eq!(world.ended(&id).await.state, "published");
    }
    let calls = world.tenant.calls();
    assert_eq!((calls.get, calls.put, calls.conflicts), (1, 3, 0));
    world.judge().await;
}

#[tokio::test]
async fn a_flow_of_five_thousand_nodes_is_published_to_byte_by_byte() {
    let world = World::start().await;
    world.tenant.add_flow("large", &large_flow("large", 5000)).unwrap();
    for value in 1..=2 {
        let id = world.deliver(event("large", value)).await;
        assert_eq!(world.ended(&id).await.state, "published");
    }
    assert_eq!((world.tenant.calls().get, world.tenant.calls().put), (1, 2));
    world.judge().await;
}

#[tokio::test]
async fn different_nodes_of_a_flow_go_out_in_one_write() {
    let world = World::start().await;
    let hold = world.busy(IVR).await;
    for node in [SAMPLE_NODE, "node_hours", "node_queue", "node_start"] {
        world.deliver(event(IVR, 2).on(node)).await;
    }
    hold.release();
    world.settled().await;
    assert_eq!(world.count("published").await, 5);
    assert_eq!(world.tenant.calls().put, 2);
    world.judge().await;
}

#[tokio::test]
async fn no_secret_is_logged_whatever_happens() {
    let log = Log::of_this_thread();
    let admin_token = "admin-token-that-nobody-may-read";
    let mut world = World::with(&[("FLOWHOOK_ADMIN_TOKEN", admin_token)]).await;
    world.tenant.fault(Fault::token(FaultKind::NotJson));
    world.deliver(event(IVR, 1)).await;
    world.tenant.wait_until(|tenant| tenant.calls().commits == 1).await.unwrap();
    world.tenant.revoke_tokens();
    world.tenant.fault(Fault::put(FaultKind::TruncatedBody));
    world.deliver(event(IVR, 2)).await;
    world.tenant.wait_until(|tenant| tenant.calls().commits == 2).await.unwrap();
    world.stop().await;

    let text = log.text();
    assert!(text.contains("TRACE") && text.contains("published a flow"), "it was logged");
    let webhook_key = crate::event::SECRET.trim_start_matches("whsec_");
    for secret in [admin_token, world.tenant.client_secret(), "practice-", webhook_key] {
        let told = text.lines().find(|line| line.contains(secret));
        assert_eq!(told, None, "`{secret}` is a secret");
    }
}

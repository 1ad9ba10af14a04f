//! Routes that settings describe, from a delivery to the flow.

use serde_json::{Value, json};

use crate::event::{Event, config, event};
use crate::harness::{IVR, World};

/// A flag's event carries the value and the flag's revision.
const FLAG: &str = "[flag]
source = 'config'
when = [{ at = '/kind', is = 'flag' }]
flow = { at = '/flow', default = 'ivr' }
node = 'node_set_vars'
order_by = { at = '/version', as = 'revision' }
variables.max_wait_time_seconds = { at = '/value', type = 'integer' }
variables.queue_target = { value = 'vip' }";

/// A thin event; what is fetched has the values deep inside.
const FETCHED: &str = "[fetched]
source = 'config'
flow = 'ivr'
node = 'node_set_vars'
fetch = { url = '{config}/v1/{flow_id}?node={node_id}', headers = { x-key = 'k' } }
reconcile.every_seconds = 0
[fetched.variables]
max_wait_time_seconds = { at = '/env/wait', type = 'integer' }
queue_target = { at = '/env/queue', default = 'vip' }";

fn saying(id: &str, body: &Value) -> Event {
    event(IVR, 0).named(id).saying(body)
}

fn flag(id: &str, version: u64, value: usize) -> Event {
    saying(id, &json!({"kind": "flag", "version": version, "value": value}))
}

async fn delivered(world: &World, event: Event) -> String {
    let id = world.deliver(event).await;
    world.ended(&id).await.state
}

fn variable(world: &World, name: &str) -> String {
    world.tenant.variable(IVR, "node_set_vars", name).unwrap_or_default()
}

#[tokio::test]
async fn a_described_route_carries_what_its_event_says_into_the_flow() {
    let world = World::routed(FLAG).await;
    assert_eq!(delivered(&world, flag("d-1", 7, 45)).await, "published");
    let change = world.change("d-1").await;
    assert_eq!(change.order_key.as_deref(), Some("#7"));
    assert_eq!(
        (variable(&world, "max_wait_time_seconds"), variable(&world, "queue_target")),
        ("45".to_owned(), r#""vip""#.to_owned())
    );
}

#[tokio::test]
async fn a_merge_patch_goes_into_the_configuration_and_a_replaced_list_in_place_of_the_one_that_was_there() {
    let patch = "[greeting]
        source = 'config'
        flow = 'ivr'
        node = 'node_set_vars'
        mode = 'patch'
        patch_from = '/settings'";
    let world = World::routed(patch).await;
    let event = |id: &str, settings: &Value| saying(id, &json!({"settings": settings}));
    let flow = || serde_json::from_str::<Value>(&world.tenant.flow(IVR).expect("it is there")).expect("JSON");
    let of_node = |flow: &Value| {
        let nodes = flow["flow"]["nodes"].as_array().cloned().unwrap_or_default();
        nodes.into_iter().find(|node| node["id"] == "node_set_vars").unwrap_or_default()["configuration"]
            .clone()
    };
    let before = of_node(&flow());
    let given = json!({"greeting": {"voice": "Ann", "speed": 1.5}});
    assert_eq!(delivered(&world, event("d-1", &given)).await, "published");
    let patched = of_node(&flow());
    assert_eq!((&patched["greeting"], &patched["variables"]), (&given["greeting"], &before["variables"]));
    let taken_out = json!({"greeting": {"speed": null}});
    assert_eq!(delivered(&world, event("d-2", &taken_out)).await, "published");
    assert_eq!(of_node(&flow())["greeting"], json!({"voice": "Ann"}));
    assert_eq!(delivered(&world, event("d-3", &taken_out)).await, "unchanged");

    let replace = "[list]
        source = 'config'
        flow = 'ivr'
        node = 'node_set_vars'
        mode = 'replace'
        variables_from = '/all'";
    let world = World::routed(replace).await;
    assert_eq!(delivered(&world, saying("d-4", &json!({"all": {"only": 1}}))).await, "published");
    assert_eq!((variable(&world, "only"), variable(&world, "queue_target")), ("1".to_owned(), String::new()));
}

#[tokio::test]
async fn an_older_revision_that_arrives_later_changes_nothing_also_after_a_restart() {
    let mut world = World::routed(FLAG).await;
    assert_eq!(delivered(&world, flag("d-1", 10, 45)).await, "published");
    for (id, version) in [("d-2", 9), ("d-3", 2)] {
        assert_eq!(delivered(&world, flag(id, version, 5)).await, "superseded", "{version}");
        world.restart().await;
    }
    assert_eq!(variable(&world, "max_wait_time_seconds"), "45");
    assert_eq!(delivered(&world, flag("d-4", 11, 50)).await, "published");
    assert_eq!(variable(&world, "max_wait_time_seconds"), "50");
}

#[tokio::test]
async fn what_no_described_route_wants_is_ignored_and_what_one_refuses_is_kept() {
    let world = World::routed(FLAG).await;
    // The native event means nothing to a source whose routes are described.
    for body in [json!({"kind": "segment"}), json!({"type": "config.updated", "data": {"config": config(1)}})]
    {
        let told = world.offer(saying("d-1", &body)).await;
        assert_eq!((told.status, told.word()), (200, "ignored"));
    }
    let refused = world.offer(saying("d-2", &json!({"kind": "flag", "version": 1, "value": "45"}))).await;
    assert_eq!(refused.status, 422);
    let kept = world.look("/api/deliveries/config/d-2").await;
    let reason = "route `flag`: `max_wait_time_seconds` must be a whole number, not `\"45\"`";
    assert_eq!(kept["reason"], reason, "{kept}");
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn one_event_reaches_several_flows_or_none() {
    let world = World::routed(
        "[both]
        source = 'config'
        flow = ['ivr', { at = '/flow' }]
        node = 'node_set_vars'
        variables_from = '/all'",
    )
    .await;
    let flow = world.add_flows(1).remove(0);
    let refused = world.offer(saying("d-1", &json!({"all": config(3)}))).await;
    assert_eq!(refused.status, 422);
    assert!(world.changes().await.is_empty());
    world.deliver(saying("d-2", &json!({"flow": flow, "all": config(4)}))).await;
    world.settled().await;
    assert_eq!((world.value(IVR).as_str(), world.value(&flow).as_str()), ("4", "4"));
    assert_eq!(world.count("published").await, 2);
    world.judge().await;
}

#[tokio::test]
async fn every_element_of_an_array_that_is_wanted_is_carried() {
    let world = World::routed(
        "[each]
        source = 'config'
        each = '/events'
        when = [{ at = '/kind', is = 'flag' }]
        flow = { at = '/flow' }
        node = 'node_set_vars'
        variables_from = '/all'",
    )
    .await;
    let flows = world.add_flows(3);
    let event = |flow: &String, kind: &str| json!({"kind": kind, "flow": flow, "all": config(6)});
    let events =
        json!({"events": [event(&flows[0], "flag"), event(&flows[1], "other"), event(&flows[2], "flag")]});
    world.deliver(saying("d-1", &events)).await;
    world.settled().await;
    let values: Vec<String> = flows.iter().map(|flow| world.value(flow)).collect();
    assert_eq!([values[0].as_str(), values[2].as_str()], ["6", "6"]);
    assert_ne!(values[1], "6");
    world.judge().await;
}

#[tokio::test]
async fn a_described_route_fetches_from_its_own_url_and_reads_by_its_own_pointers() {
    let world = World::routed(FETCHED).await;
    world.config_api.says(&json!({"env": {"wait": 33}}));
    assert_eq!(delivered(&world, saying("d-1", &json!({"wait": 1}))).await, "published");
    assert_eq!(
        (variable(&world, "max_wait_time_seconds"), variable(&world, "queue_target")),
        ("33".to_owned(), r#""vip""#.to_owned())
    );
    assert_eq!(world.config_api.asked(), ["/v1/ivr?node=node_set_vars"]);
    world.config_api.says(&json!({"env": {"wait": "33"}}));
    assert_eq!(delivered(&world, saying("d-2", &json!({}))).await, "failed");
    let reason = world.change("d-2").await.reason;
    assert!(reason.contains("`max_wait_time_seconds` must be a whole number, not `\"33\"`"), "{reason}");
}

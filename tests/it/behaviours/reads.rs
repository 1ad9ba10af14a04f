//! What tenants answer to a read.

use flowhook::sandbox::{Canned, Fault, FaultKind, Human, SAMPLE_NODE, sample_flow};

use crate::event::event;
use crate::harness::{IVR, World};

#[tokio::test]
async fn what_comes_in_an_odd_wrapping_is_read_or_waits_and_says_why() {
    async fn check(fault: FaultKind, told: &str) {
        let world = World::start().await;
        world.tenant.fault(Fault::get(fault));
        let id = world.deliver(event(IVR, 1)).await;
        if !told.is_empty() {
            let change = world.waiting(&id).await;
            assert!(change.reason.contains(told), "{told}: {}", change.reason);
        }
        assert_eq!(world.ended(&id).await.state, "published", "{told}");
        assert_eq!(world.tenant.calls().get, if told.is_empty() { 1 } else { 2 }, "{told}");
        world.judge().await;
    }
    let whole = sample_flow(IVR, "Support line");
    let sent = |body: &[u8]| FaultKind::Status(Canned::status(200).json(body.to_vec()));
    let gzip = Canned::status(200).header("content-encoding", "gzip").json(&b"\x1f\x8b\x08\x00"[..]);
    tokio::join!(
        check(FaultKind::Chunked, ""),
        check(FaultKind::Status(gzip), "encoded as `gzip`"),
        check(sent(format!("\u{feff}{whole}").as_bytes()), "byte order mark"),
        check(sent(&whole.as_bytes()[..whole.len() / 2]), "not JSON"),
        check(sent(b"No known way to render data"), "not JSON"),
        check(sent(b"{}"), "no object `flow`"),
        check(sent(b"\xff"), "not UTF-8"),
    );
}

#[tokio::test]
async fn a_flow_without_its_envelope_goes_back_without_it() {
    let world = World::start().await;
    let list = r#"{"name":"max_wait_time_seconds","value":120}"#;
    let node = format!(r#"{{"id":"{SAMPLE_NODE}","configuration":{{"variables":[{list}]}}}}"#);
    world.tenant.add_bare_flow("bare", &format!(r#"{{"id":"bare","version":3,"nodes":[{node}]}}"#)).unwrap();
    for value in 1..=2 {
        let id = world.deliver(event("bare", value)).await;
        assert_eq!(world.ended(&id).await.state, "published");
    }
    assert_eq!((world.value("bare").as_str(), world.tenant.version("bare").as_deref()), ("2", Some("5")));
    world.judge().await;
}

#[tokio::test]
async fn a_version_may_be_text_and_a_number_of_any_size() {
    async fn check(version: &str, next: &str) {
        let world = World::start().await;
        let flow =
            sample_flow("odd", "Odd").replacen("\"version\": 14", &format!("\"version\": {version}"), 1);
        world.tenant.add_flow("odd", &flow).unwrap();
        let id = world.deliver(event("odd", 1)).await;
        let change = world.ended(&id).await;
        assert_eq!((change.state.as_str(), change.version()), ("published", next));
        let again = world.deliver(event("odd", 1)).await;
        assert_eq!(world.ended(&again).await.state, "unchanged");
        world.judge().await;
    }
    tokio::join!(
        check("\"14\"", "\"15\""),
        check("9007199254740993", "9007199254740994"),
        check("18446744073709551615", "18446744073709551616"),
        check("\"99999999999999999999\"", "\"100000000000000000000\""),
    );
}

#[tokio::test]
async fn after_a_restart_a_read_that_is_behind_calls_nothing_unchanged() {
    let mut world = World::start().await;
    for value in 1..=2 {
        let id = world.deliver(event(IVR, value)).await;
        world.ended(&id).await;
    }
    world.restart().await;
    world.tenant.fault(Fault::get(FaultKind::StaleRead));
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.waiting(&id).await;
    assert!(
        change.reason.contains("shows version 15") && change.reason.contains("had version 16"),
        "{change:?}"
    );
    let change = world.ended(&id).await;
    assert_eq!(
        (change.state.as_str(), change.version(), world.value(IVR).as_str()),
        ("published", "17", "1")
    );
    world.judge_conduct();
}

#[tokio::test]
async fn after_a_restart_a_read_that_is_behind_calls_no_node_missing() {
    let mut world = World::start().await;
    let new = Human::InsertNodeBefore { node: SAMPLE_NODE.to_owned(), new: "node_new".to_owned() };
    world.tenant.edit(IVR, &new).unwrap();
    let id = world.deliver(event(IVR, 1)).await;
    assert_eq!(world.ended(&id).await.version(), "16");
    world.restart().await;
    let before = sample_flow(IVR, "Support line");
    world.tenant.fault(Fault::get(FaultKind::Status(Canned::status(200).json(before))));
    let id = world.deliver(event(IVR, 2).on("node_new")).await;
    world.waiting(&id).await;
    assert_eq!(world.ended(&id).await.state, "published");
    assert_eq!(world.value_at(IVR, "node_new"), "2");
    world.judge().await;
}

#[tokio::test]
async fn a_lost_put_is_not_decided_by_a_flow_older_than_the_one_it_was_based_on() {
    let world = World::start().await;
    for value in 1..=2 {
        let id = world.deliver(event(IVR, value)).await;
        world.ended(&id).await;
    }
    // Version 15 has the values of the PUT that did not land on version 16.
    world.tenant.fault(Fault::put(FaultKind::ResetBefore));
    world.tenant.fault(Fault::get(FaultKind::StaleRead));
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.ended(&id).await;
    assert_eq!(world.tenant.faults_waiting(), 0);
    assert_eq!(
        (change.state.as_str(), change.version(), world.value(IVR).as_str()),
        ("published", "17", "1")
    );
    world.judge_conduct();
}

#[tokio::test]
async fn a_flow_that_was_made_anew_under_its_id_is_believed_after_two_waits() {
    let world = World::start().await;
    let id = world.deliver(event(IVR, 1)).await;
    assert_eq!(world.ended(&id).await.version(), "15");
    world.add_flow(IVR);
    let id = world.deliver(event(IVR, 2).on("node_gone")).await;
    let change = world.ended(&id).await;
    assert!(change.state == "failed" && change.reason.contains("`node_set_vars`"), "{change:?}");
    assert_eq!(world.tenant.calls().get, 1 + 3, "two reads that were not believed, and one that was");
}

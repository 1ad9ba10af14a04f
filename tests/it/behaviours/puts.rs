//! What tenants answer to a write, and do with it.

use flowhook::sandbox::{Canned, Fault, FaultKind, Human, SAMPLE_NODE};

use super::{answering, json};
use crate::event::event;
use crate::harness::{IVR, World};

#[tokio::test]
async fn a_version_that_is_not_current_is_a_conflict_in_whatever_words() {
    async fn check(code: u16, body: &str) {
        let world = World::start().await;
        let hold = world.busy(IVR).await;
        world.tenant.edit(IVR, &Human::set("node_hours", "holiday", "true")).unwrap();
        world.tenant.fault(Fault::put(answering(code, body)));
        hold.release();
        world.settled().await;
        assert_eq!((world.count("published").await, world.value(IVR).as_str()), (1, "1"), "{code} {body}");
        let calls = world.tenant.calls();
        assert_eq!((calls.get, calls.put, calls.commits), (2, 2, 1), "{code} {body}");
        world.judge().await;
    }
    let stale = json(&[("message", "the version does not match the current version"), ("code", "stale")]);
    tokio::join!(
        check(409, r#"{"message":"conflict","code":"conflict","status":409}"#),
        check(409, ""),
        check(412, ""),
        check(400, &stale),
        check(422, &stale),
    );
}

#[tokio::test]
async fn a_conflict_though_nobody_saved_is_waited_for_and_quoted() {
    let world = World::start().await;
    let body = json(&[("message", "validation rejected"), ("code", "flow.invalid")]);
    world.tenant.fault(Fault::put(answering(409, &body)));
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.waiting(&id).await;
    assert!(change.reason.contains("409 Conflict: validation rejected"), "{}", change.reason);
    assert_eq!(world.ended(&id).await.state, "published");
    world.judge().await;
}

#[tokio::test]
async fn a_refused_change_names_the_fields_that_the_tenant_named() {
    async fn check(code: u16, canned: Canned, told: &[&str]) {
        let world = World::start().await;
        world.tenant.fault(Fault::put(FaultKind::Status(canned)));
        let id = world.deliver(event(IVR, 1)).await;
        let change = world.ended(&id).await;
        assert_eq!(change.state, "failed", "{code}");
        for part in told.iter().copied().chain(["does not take", "then retry the change"]) {
            assert!(change.reason.contains(part), "{part}: {}", change.reason);
        }
        world.judge().await;
    }
    let problem = r#"{"type":"about:blank","title":"Unprocessable","status":422,"detail":"the flow is not valid",
        "errors":[{"pointer":"/flow/nodes/3/configuration/skill","detail":"there is no skill `vip`"}]}"#;
    let problem = Canned::status(422).header("content-type", "application/problem+json").body(problem);
    let plain =
        Canned::status(400).header("content-type", "text/plain").body("queue_target: no such queue\n");
    let html = Canned::status(400).body("<html>Bad Request</html>");
    tokio::join!(
        check(
            422,
            problem,
            &["422", "the flow is not valid", "`/flow/nodes/3/configuration/skill`: there is no"]
        ),
        check(400, plain, &["400 Bad Request: queue_target: no such queue"]),
        check(400, html, &["(400 Bad Request)"]),
        check(413, Canned::status(413), &["(413 Payload Too Large)"]),
    );
}

#[tokio::test]
async fn what_the_tenant_makes_of_a_saved_flow_is_taken_as_it_is() {
    async fn check(fault: FaultKind, versions: [&str; 3]) {
        let world = World::start().await;
        world.tenant.fault(Fault::put(fault.clone()).times(2));
        for (value, version) in (1..).zip(versions) {
            let id = world.deliver(event(IVR, value)).await;
            let change = world.ended(&id).await;
            assert_eq!((change.state.as_str(), change.version()), ("published", version), "{fault:?}");
        }
        let calls = world.tenant.calls();
        assert_eq!((calls.get, calls.put, calls.conflicts), (1, 3, 0), "{fault:?}");
        world.judge().await;
    }
    tokio::join!(
        check(FaultKind::RewriteOnSave, ["15", "16", "17"]),
        check(FaultKind::ParseOnSave, ["15", "16", "17"]),
        check(FaultKind::VersionJump(7), ["21", "28", "29"]),
    );
}

#[tokio::test]
async fn a_flow_that_goes_away_between_read_and_write_fails_its_change_with_advice() {
    let world = World::start().await;
    let hold = world.busy(IVR).await;
    world.tenant.remove_flow(IVR);
    world.add_flow("ivr-anew");
    hold.release();
    world.settled().await;
    let [change] = world.changes().await.try_into().expect("one change");
    assert_eq!(change.state, "failed");
    for part in ["404", "no flow `ivr`", "check the flow id"] {
        assert!(change.reason.contains(part), "{}", change.reason);
    }
    let id = world.deliver(event("ivr-anew", 2)).await;
    assert_eq!(world.ended(&id).await.state, "published");
    assert_eq!(world.tenant.variable("ivr-anew", SAMPLE_NODE, "max_wait_time_seconds").as_deref(), Some("2"));
}

//! What the tenant's answers mean, one test for each row of the table.

use std::time::{Duration, SystemTime};

use flowhook::sandbox::{
    Call, Canned, DESIGNER_VARIABLE, End, ExpiresIn, Fault, FaultKind, Human, On, Request, SAMPLE_NODE,
    SCOPES,
};

use crate::event::event;
use crate::harness::{IVR, Seen, World};
use crate::patience::patiently;

/// Nodes of the sample flow whose variables have nothing to do with each other.
const NODES: [&str; 4] = [SAMPLE_NODE, "node_hours", "node_queue", "node_start"];

fn status(code: u16) -> FaultKind {
    FaultKind::Status(Canned::status(code))
}

fn saying(code: u16, message: &str) -> FaultKind {
    let body = serde_json::json!({"message": message, "status": code}).to_string();
    FaultKind::Status(Canned::status(code).json(body))
}

/// One change a node, all in one document: their deliveries' ids.
async fn one_change_a_node(world: &World) -> Vec<String> {
    let hold = world.busy(IVR).await;
    let mut ids = Vec::new();
    for node in NODES {
        ids.push(world.deliver(event(IVR, 2).on(node)).await);
    }
    hold.release();
    ids
}

/// The flow calls, in their order.
fn flow_calls(world: &World) -> Vec<Request> {
    let requests = world.tenant.record().requests.into_iter();
    requests.filter(|request| request.call.flow().is_some()).collect()
}

/// How long after the first call that was refused the next one came.
fn pause_after_the_refusal(world: &World) -> Duration {
    let calls = flow_calls(world);
    let at = calls.iter().position(|call| !matches!(call.end, End::Answered(200))).expect("a refusal");
    calls[at + 1].received_at - calls[at].ended_at.expect("it has ended")
}

// What fails at once.

#[tokio::test]
async fn a_refused_document_is_halved_until_the_refused_change_stands_alone() {
    async fn check(code: u16) {
        let world = World::start().await;
        // The PUT that is held goes through; then four changes, two, and the first alone are refused.
        world.tenant.fault(Fault::put(saying(code, "not allowed here")).after(1).times(3));
        let ids = one_change_a_node(&world).await;
        world.settled().await;
        let refused = world.change(&ids[0]).await;
        assert_eq!(refused.state, "failed", "{code}");
        for part in [&code.to_string(), "not allowed here", "does not take"] {
            assert!(refused.reason.contains(part), "{code}: {}", refused.reason);
        }
        for id in &ids[1..] {
            assert_eq!(world.change(id).await.state, "published", "{code}");
        }
        assert!(world.tenant.calls().put <= 7, "{code}: {:?}", world.tenant.calls());
        world.judge().await;
    }
    tokio::join!(check(400), check(413), check(422));
}

#[tokio::test]
async fn a_tenant_that_refuses_everything_is_not_asked_for_ever() {
    let world = World::start().await;
    world.tenant.fault(Fault::put(status(422)).after(1).forever());
    one_change_a_node(&world).await;
    world.settled().await;
    assert_eq!((world.count("published").await, world.count("failed").await), (1, 4));
    assert!(world.tenant.calls().put <= 9, "{:?}", world.tenant.calls());
    world.judge().await;
}

#[tokio::test]
async fn a_flow_that_there_is_not_fails_its_changes_at_once_with_advice() {
    async fn check(fault: Option<Fault>, code: &str) {
        let world = World::start().await;
        world.tenant.fault(fault.clone().unwrap_or_else(|| Fault::token(status(500)).times(0)));
        let flow = if fault.is_none() { "nowhere" } else { IVR };
        let id = world.deliver(event(flow, 1)).await;
        let change = world.ended(&id).await;
        assert_eq!(change.state, "failed", "{code}");
        for part in [code, flow, "check the flow id", "CXONE_BASE_URL"] {
            assert!(change.reason.contains(part), "{code}: {}", change.reason);
        }
        world.judge().await;
    }
    tokio::join!(
        check(None, "404"),
        check(Some(Fault::get(status(410))), "410"),
        check(Some(Fault::put(status(404))), "404"),
        check(Some(Fault::put(status(410))), "410"),
    );
}

#[tokio::test]
async fn a_change_for_a_missing_node_fails_alone_and_is_told_the_nodes_that_exist() {
    let world = World::start().await;
    let hold = world.busy(IVR).await;
    let missing = world.deliver(event(IVR, 2).on("node_gone")).await;
    let bare = world.deliver(event(IVR, 2).on("node_end")).await;
    let good = world.deliver(event(IVR, 2)).await;
    hold.release();
    world.settled().await;
    let missing = world.change(&missing).await;
    assert_eq!(missing.state, "failed");
    for part in ["no node `node_gone`", "`node_start`", "`node_set_vars`", "`node_end`"] {
        assert!(missing.reason.contains(part), "{}", missing.reason);
    }
    let bare = world.change(&bare).await;
    assert_eq!(bare.state, "failed");
    assert!(bare.reason.contains("`configuration`"), "{}", bare.reason);
    assert_eq!(world.change(&good).await.state, "published");
    world.judge().await;
}

#[tokio::test]
async fn a_change_for_an_ambiguous_node_or_variable_fails_alone() {
    let world = World::start().await;
    let node = |id: &str, variables: &str| {
        format!(r#"{{"id":"{id}","configuration":{{"variables":[{variables}]}}}}"#)
    };
    let wait = r#"{"name":"max_wait_time_seconds","value":1}"#;
    let nodes =
        [node("twin", ""), node("twin", ""), node("echo", &format!("{wait},{wait}")), node(SAMPLE_NODE, "")];
    let flow = format!(r#"{{"flow":{{"id":"odd","version":3,"nodes":[{}],"edges":[]}}}}"#, nodes.join(","));
    world.tenant.add_flow("odd", &flow).unwrap();
    let hold = world.busy("odd").await;
    let twin = world.deliver(event("odd", 2).on("twin")).await;
    let echo = world.deliver(event("odd", 2).on("echo")).await;
    let good = world.deliver(event("odd", 2)).await;
    hold.release();
    world.settled().await;
    for (id, part) in
        [(twin, "more than one node `twin`"), (echo, "more than one variable `max_wait_time_seconds`")]
    {
        let change = world.change(&id).await;
        assert_eq!(change.state, "failed");
        assert!(change.reason.contains(part), "{}", change.reason);
    }
    assert_eq!(world.change(&good).await.state, "published");
    world.judge().await;
}

// Conflicts.

#[tokio::test]
async fn a_conflict_with_a_person_is_tried_again_on_the_fresh_flow_and_nothing_is_lost() {
    let world = World::start().await;
    let hold = world.busy(IVR).await;
    world.tenant.edit(IVR, &Human::set(SAMPLE_NODE, "greeting_prompt", r#""Servus""#)).unwrap();
    world.tenant.edit(IVR, &Human::set("node_hours", "holiday", "true")).unwrap();
    hold.release();
    world.settled().await;
    assert_eq!((world.count("published").await, world.value(IVR).as_str()), (1, "1"));
    let calls = world.tenant.calls();
    assert_eq!((calls.get, calls.put, calls.conflicts), (2, 2, 1));
    let pause = pause_after_the_refusal(&world);
    assert!(pause < Duration::from_millis(900), "at once, without backing off: {pause:?}");
    world.judge().await;
}

#[tokio::test]
async fn a_flow_that_is_edited_all_the_time_is_tried_five_times_and_again_later() {
    let world = World::start().await;
    world.tenant.set_latency(Duration::from_millis(40));
    let designer = world.tenant.designer(&[IVR], "node_hours", Duration::from_millis(1));
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.waiting(&id).await;
    assert!(change.reason.contains("at each of 5 tries"), "{}", change.reason);
    assert_eq!(world.tenant.calls().put, 5);
    let edits = designer.stop().await;
    assert_eq!(world.ended(&id).await.state, "published");
    let note = world.tenant.variable(IVR, "node_hours", DESIGNER_VARIABLE);
    assert_eq!(note, edits.last().map(|edit| edit.value.to_string()));
    world.judge().await;
}

#[tokio::test]
async fn a_read_that_is_behind_costs_a_conflict_and_nothing_else() {
    let world = World::start().await;
    world.tenant.edit(IVR, &Human::set("node_hours", "holiday", "true")).unwrap();
    world.tenant.fault(Fault::get(FaultKind::StaleRead));
    let id = world.deliver(event(IVR, 1)).await;
    assert_eq!(world.ended(&id).await.state, "published");
    assert_eq!((world.tenant.calls().put, world.tenant.calls().conflicts), (2, 1));
    world.judge().await;
}

#[tokio::test]
async fn a_lock_is_waited_for_and_its_holder_named() {
    async fn check(fault: FaultKind, said: &str) {
        let world = World::start().await;
        world.tenant.fault(Fault::put(fault));
        let id = world.deliver(event(IVR, 1)).await;
        let change = world.waiting(&id).await;
        assert!(change.reason.contains(said), "{}", change.reason);
        assert_eq!(world.ended(&id).await.state, "published");
        let calls = world.tenant.calls();
        assert_eq!((calls.put, calls.commits), (2, 1), "{said}");
        world.judge().await;
    }
    tokio::join!(
        check(FaultKind::ConflictUnmoved, "Dana Designer"),
        check(saying(412, "not this one"), "412 Precondition Failed: not this one"),
        check(saying(423, "checked out"), "423 Locked: checked out"),
    );
}

// What a lane waits for by itself.

#[tokio::test]
async fn a_missing_permission_is_waited_for_and_named() {
    let world = World::start().await;
    world.tenant.set_scope("flow:flows:read");
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.waiting(&id).await;
    assert!(change.reason.contains("403") && change.reason.contains("flow:flows:write"), "{}", change.reason);
    world.tenant.set_scope(SCOPES);
    // A token keeps the scope that it was given with.
    world.tenant.revoke_tokens();
    assert_eq!(world.ended(&id).await.state, "published");
    world.judge().await;
}

#[tokio::test]
async fn while_a_lost_answer_cannot_be_looked_up_its_change_says_why() {
    let world = World::start().await;
    world.tenant.fault(Fault::put(FaultKind::CommitThen(Canned::status(500))));
    world.tenant.fault(Fault::get(status(403)).after(1).times(2));
    let id = world.deliver(event(IVR, 1)).await;
    patiently(async { while !world.change(&id).await.reason.contains("403") {} }).await;
    let change = world.ended(&id).await;
    assert!(change.state == "published" && change.reason.contains("confirmed by reading"), "{change:?}");
    assert_eq!(world.tenant.calls().put, 1);
    world.judge().await;
}

#[tokio::test]
async fn a_flow_that_the_tenant_cannot_serve_waits_alone() {
    let world = World::start().await;
    world.add_flow("sick");
    world.tenant.fault(Fault::get(saying(500, "out of order")).of("sick").forever());
    let sick = world.deliver(event("sick", 1)).await;
    let change = world.waiting(&sick).await;
    assert!(change.reason.contains("500 Internal Server Error: out of order"), "{}", change.reason);
    for value in 1..=3 {
        let id = world.deliver(event(IVR, value)).await;
        assert_eq!(world.ended(&id).await.state, "published");
    }
    world.tenant.clear_faults();
    assert_eq!(world.ended(&sick).await.state, "published");
    world.judge().await;
}

#[tokio::test]
async fn new_events_neither_cut_a_lanes_wait_short_nor_make_it_longer() {
    let world = World::start().await;
    world.tenant.fault(Fault::get(status(500)));
    let id = world.deliver(event(IVR, 1)).await;
    world.waiting(&id).await;
    for value in 2..=10 {
        world.deliver(event(IVR, value)).await;
    }
    world.settled().await;
    assert_eq!((world.tenant.calls().get, world.tenant.calls().put), (2, 1));
    let pause = pause_after_the_refusal(&world);
    assert!((Duration::from_millis(990)..Duration::from_millis(2500)).contains(&pause), "{pause:?}");
    world.judge().await;
}

// What closes the gate.

#[tokio::test]
async fn a_tenant_that_asks_for_time_is_given_it_by_every_flow() {
    async fn check(answer: impl FnOnce() -> Canned, least: Duration) {
        let world = World::start().await;
        let flows = world.add_flows(3);
        let answer = answer();
        world.tenant.fault(Fault::on(On::Flow, FaultKind::Status(answer.clone())));
        let first = world.deliver(event(IVR, 1)).await;
        let change = world.waiting(&first).await;
        assert!(change.reason.contains("the tenant answered"), "{}", change.reason);
        for flow in &flows {
            world.deliver(event(flow, 1)).await;
        }
        assert!(world.is_ready().await);
        world.settled().await;
        assert_eq!(world.count("published").await, 4);
        let pause = pause_after_the_refusal(&world);
        let most = least + Duration::from_millis(2500);
        assert!((least..most).contains(&pause), "{answer:?}: {pause:?}");
        world.judge().await;
    }
    let (short, long) = (Duration::from_millis(990), Duration::from_millis(1990));
    // The date is told when all else is ready; a busy machine may let a second of its four pass.
    let date = || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(4));
    let status = |code, retry_after: &'static str| move || Canned::status(code).retry_after(retry_after);
    tokio::join!(
        check(|| Canned::status(429), short),
        check(status(429, "2"), long),
        check(status(429, "0"), short),
        check(status(429, "soon"), short),
        check(|| Canned::status(429).retry_after("1").retry_after("2"), long),
        check(|| Canned::status(429).retry_after(&date()), long),
        check(status(503, "2"), long),
        check(status(503, "0"), short),
        check(status(503, "soon"), short),
    );
}

#[tokio::test]
async fn a_probe_that_gets_an_odd_answer_is_not_sent_again_at_once() {
    async fn check(odd: Canned) {
        let world = World::start().await;
        world.tenant.fault(Fault::get(FaultKind::Status(Canned::status(429).retry_after("1"))));
        world.tenant.fault(Fault::get(FaultKind::Status(odd.clone())));
        let id = world.deliver(event(IVR, 1)).await;
        assert_eq!(world.ended(&id).await.state, "published");
        let calls = flow_calls(&world);
        let [_, probe, next, ..] = calls.as_slice() else { unreachable!("four calls were made") };
        let pause = next.received_at - probe.ended_at.expect("it has ended");
        assert!(pause >= Duration::from_millis(990), "{odd:?}: {pause:?}");
        world.judge().await;
    }
    tokio::join!(check(Canned::status(204)), check(Canned::status(200).body(&b"\xff"[..])));
}

#[tokio::test]
async fn when_the_gate_opens_one_goes_first_and_the_others_follow_its_success() {
    let world = World::start().await;
    let flows = world.add_flows(6);
    world.tenant.fault(Fault::get(FaultKind::Status(Canned::status(429).retry_after("1"))).of(IVR));
    let first = world.deliver(event(IVR, 1)).await;
    world.waiting(&first).await;
    world.tenant.set_latency(Duration::from_millis(100));
    world.deliver_all(flows.iter().map(|flow| event(flow, 1)), 6).await;
    world.settled().await;
    let calls = flow_calls(&world);
    let [_, probe, second, third, ..] = calls.as_slice() else { unreachable!("14 calls were made") };
    assert!(second.received_at >= probe.ended_at.unwrap(), "the probe goes alone");
    assert!(third.received_at < second.ended_at.unwrap(), "then several go at once");
    world.judge().await;
}

#[tokio::test]
async fn a_limit_that_is_met_again_and_again_fails_nothing() {
    let world = World::start().await;
    world.tenant.fault(Fault::on(On::Flow, FaultKind::Status(Canned::status(429).retry_after("1"))).times(3));
    let id = world.deliver(event(IVR, 1)).await;
    assert_eq!(world.ended(&id).await.state, "published");
    assert_eq!(world.tenant.calls().throttled, 3);
    world.judge().await;
}

#[tokio::test]
async fn a_token_that_ended_is_replaced_once_for_all_flows() {
    let world = World::start().await;
    let flows = world.add_flows(8);
    world.deliver_all(flows.iter().map(|flow| event(flow, 1)), 8).await;
    world.settled().await;
    assert_eq!(world.tenant.calls().token, 1);
    world.tenant.revoke_tokens();
    world.tenant.set_latency(Duration::from_millis(50));
    // Held until all are there, so that they begin together.
    world.tell("/api/pause").await;
    world.deliver_all(flows.iter().map(|flow| event(flow, 2)), 8).await;
    world.tell("/api/resume").await;
    world.settled().await;
    assert_eq!(world.tenant.calls().token, 2);
    let refused = flow_calls(&world).iter().filter(|call| call.end == End::Answered(401)).count();
    assert!(refused > 1, "several flows met it at once: {refused}");
    assert_eq!(world.count("published").await, 16);
    world.judge().await;
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let world = World::start().await;
    world.tenant.set_expires_in(ExpiresIn::Spelt("2".to_owned()));
    let mut value = 0;
    while world.tenant.calls().token < 2 {
        value += 1;
        world.deliver(event(IVR, value)).await;
        world.settled().await;
    }
    assert!(flow_calls(&world).iter().all(|call| call.end == End::Answered(200)));
    world.judge().await;
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_closes_the_gate_until_it_is_mended() {
    let world = World::start().await;
    world.add_flow("other");
    world.tenant.set_expires_in(ExpiresIn::Spelt("3600".to_owned()));
    world.tenant.set_token_lifetime(Duration::ZERO);
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.waiting(&id).await;
    let calls = world.tenant.calls();
    assert_eq!((calls.token, calls.get), (2, 2), "one refresh, then the gate");
    assert!(change.reason.contains("just issued") && change.reason.contains("region"), "{}", change.reason);
    assert!(world.is_ready().await);
    world.deliver(event("other", 1)).await;
    world.tenant.set_token_lifetime(Duration::from_secs(3600));
    world.settled().await;
    assert_eq!(world.count("published").await, 2);
    world.judge().await;
}

#[tokio::test]
async fn without_a_token_changes_wait_and_the_service_stays_ready() {
    async fn check(spoil: impl Fn(&World), mend: impl Fn(&World), told: &str) {
        let world = World::start().await;
        world.add_flow("other");
        spoil(&world);
        let id = world.deliver(event(IVR, 1)).await;
        let change = world.waiting(&id).await;
        assert!(change.reason.contains(told), "{}", change.reason);
        assert!(world.is_ready().await);
        world.deliver(event("other", 1)).await;
        world.tenant.wait_until(|tenant| tenant.calls().token == 2).await.unwrap();
        assert_eq!(world.tenant.calls().get, 0);
        mend(&world);
        world.settled().await;
        assert_eq!(world.count("published").await, 2);
        world.judge().await;
    }
    let refusing = |world: &World| world.tenant.fault(Fault::token(status(400)).forever());
    let limiting = |world: &World| world.tenant.fault(Fault::token(status(429)).forever());
    let broken = |world: &World| world.tenant.fault(Fault::token(FaultKind::NotJson).forever());
    let serving = |world: &World| world.tenant.clear_faults();
    let other_secret = |world: &World| world.tenant.set_client_secret("rotated");
    let our_secret = |world: &World| world.tenant.set_client_secret(world.tenant.client_secret());
    tokio::join!(
        check(other_secret, our_secret, "CXONE_CLIENT_SECRET"),
        check(refusing, serving, "CXONE_CLIENT_SECRET"),
        check(limiting, serving, "limits its requests"),
        check(broken, serving, "CXONE_TOKEN_URL"),
    );
}

#[tokio::test]
async fn three_flows_in_a_row_that_cannot_be_served_close_the_gate() {
    let world = World::start().await;
    let flows = world.add_flows(4);
    world.tenant.fault(Fault::on(On::Flow, status(502)).forever());
    let mut waiting = Vec::new();
    for flow in &flows[..3] {
        let id = world.deliver(event(flow, 1)).await;
        waiting.push(world.waiting(&id).await);
    }
    let reasons = waiting.iter().map(|change: &Seen| change.reason.contains("the tenant does not answer"));
    assert_eq!(reasons.collect::<Vec<_>>(), [false, false, true]);
    let fourth = world.deliver(event(&flows[3], 1)).await;
    assert!(world.is_ready().await);
    let about_the_fourth = |call: &Call| call.flow() == Some(flows[3].as_str());
    world.tenant.clear_faults();
    assert_eq!(world.ended(&fourth).await.state, "published");
    world.settled().await;
    let calls = flow_calls(&world);
    let refused = calls.iter().filter(|call| call.end == End::Answered(502));
    assert!(refused.clone().all(|call| !about_the_fourth(&call.call)), "it was kept at the gate");
    assert_eq!(world.count("published").await, 4);
    world.judge().await;
}

#[tokio::test]
async fn an_answer_that_is_no_answer_of_the_api_makes_its_lane_wait() {
    async fn check(fault: Fault, told: &str) {
        let world = World::start().await;
        world.tenant.fault(fault);
        let id = world.deliver(event(IVR, 1)).await;
        let change = world.waiting(&id).await;
        assert!(change.reason.contains(told), "{}", change.reason);
        assert_eq!(world.ended(&id).await.state, "published");
        world.judge().await;
    }
    let redirect = Canned::status(302).header("location", "/elsewhere");
    tokio::join!(
        check(Fault::get(FaultKind::NotJson), "not JSON"),
        check(Fault::get(FaultKind::Status(redirect)), "302"),
        check(Fault::get(status(418)), "418"),
        check(Fault::put(status(405)), "405"),
        check(Fault::get(status(405)), "405"),
        check(Fault::get(status(403)), "it needs the scopes"),
        check(Fault::get(status(204)), "204"),
        check(Fault::get(FaultKind::TruncatedBody), "broke off"),
        check(Fault::get(FaultKind::ResetBefore), "does not answer"),
    );
}

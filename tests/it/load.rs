//! Many events at once: what they cost, and that nothing is lost.

use std::time::{Duration, Instant};

use flowhook::sandbox::{Canned, DESIGNER_VARIABLE, Fault, FaultKind, Landing, Limit, On};

use tokio::time::sleep;

use crate::event::{Event, event};
use crate::harness::World;

const DELIVERIES: usize = 200;
const AT_ONCE: usize = 20;
/// Sent within this, 200 deliveries to 10 flows cost at most [`CALLS_OF_A_BURST`].
const BURST: Duration = Duration::from_millis(200);
const CALLS_OF_A_BURST: u64 = 60;

/// The deliveries, in turns over the flows, each newer than those before.
fn deliveries(flows: &[String]) -> Vec<Event> {
    let all = (1..=DELIVERIES).map(|value| event(&flows[value % flows.len()], value).at(value));
    all.collect()
}

/// The value of the flow's last delivery.
fn last_value(flows: &[String], at: usize) -> String {
    let last = (1..=DELIVERIES).rev().find(|value| value % flows.len() == at);
    last.expect("every flow has some").to_string()
}

/// Delivers them all; tells how long that took.
async fn send(world: &World, flows: &[String]) -> Duration {
    let start = Instant::now();
    world.deliver_all(deliveries(flows), AT_ONCE).await;
    start.elapsed()
}

/// Waits for all endings, and prints what they cost.
async fn settle(world: &World, flows: &[String], sent: Duration) {
    let start = Instant::now();
    world.settled().await;
    let calls = world.tenant.calls();
    let flow_calls = calls.get + calls.put;
    println!("sent in {sent:?}, settled {:?} later, {flow_calls} flow calls: {calls:?}", start.elapsed());
    for (at, flow) in flows.iter().enumerate() {
        assert_eq!(world.value(flow), last_value(flows, at), "{flow} ends with its last value");
    }
    assert_eq!(world.changes().await.len(), DELIVERIES);
    assert_eq!(world.count("failed").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_over_ten_flows_costs_few_calls_and_no_conflict() {
    let world = World::start().await;
    let flows = world.add_flows(10);
    world.tenant.set_latency(Duration::from_millis(20));
    let sent = send(&world, &flows).await;
    settle(&world, &flows, sent).await;
    let calls = world.tenant.calls();
    assert_eq!(calls.conflicts, 0);
    assert!(sent > BURST || calls.get + calls.put <= CALLS_OF_A_BURST, "{calls:?}");
    world.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_beside_a_designer_who_edits_every_flow_loses_nothing_of_either() {
    let world = World::start().await;
    let flows = world.add_flows(10);
    world.tenant.set_latency(Duration::from_millis(20));
    let ids = Vec::from_iter(flows.iter().map(String::as_str));
    let designer = world.tenant.designer(&ids, "node_hours", Duration::from_millis(50));
    let sent = send(&world, &flows).await;
    // Not for ever: a lane that has met a person five times in a row waits longer each time.
    world.tenant.wait_until(|tenant| tenant.calls().conflicts >= 10).await.unwrap();
    let edits = designer.stop().await;
    settle(&world, &flows, sent).await;
    for flow in &flows {
        let last = edits.iter().rfind(|edit| edit.flow == *flow).expect("every flow was edited");
        let note = world.tenant.variable(flow, "node_hours", DESIGNER_VARIABLE);
        assert_eq!(note, Some(last.value.to_string()), "{flow}");
    }
    println!("{} edits by hand", edits.len());
    assert!(edits.iter().all(|edit| edit.version.is_ok()));
    world.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_over_a_rate_limit_waits_as_told_and_fails_nothing() {
    let world = World::start().await;
    let flows = world.add_flows(40);
    world.tenant.set_limit(Some(Limit { per_minute: 600, burst: 20 }));
    let sent = send(&world, &flows).await;
    settle(&world, &flows, sent).await;
    let calls = world.tenant.calls();
    assert!(calls.throttled > 0, "the limit was met");
    assert!(calls.get + calls.put <= 160, "{calls:?}");
    world.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_pace_keeps_a_burst_under_the_tenants_limit() {
    let world = World::with(&[("CXONE_REQUESTS_PER_MINUTE", "600")]).await;
    let flows = world.add_flows(10);
    world.tenant.set_limit(Some(Limit { per_minute: 600, burst: 12 }));
    let sent = send(&world, &flows).await;
    settle(&world, &flows, sent).await;
    assert_eq!(world.tenant.calls().throttled, 0);
    world.judge().await;
}

/// One of the things that go wrong, with some call to come.
fn mishap(random: &mut fastrand::Rng, flows: &[String]) -> Fault {
    let hang = Duration::from_millis(random.u64(10..200));
    let canned = |code| Canned::status(code).json(r#"{"message":"no"}"#);
    let mut kinds = vec![
        (On::Flow, FaultKind::Status(canned(500))),
        (On::Flow, FaultKind::Status(canned(503).retry_after("1"))),
        (On::Flow, FaultKind::Status(canned(429).retry_after("1"))),
        (On::Flow, FaultKind::Status(canned(401))),
        (On::Flow, FaultKind::Status(canned(403))),
        (On::Flow, FaultKind::ResetBefore),
        (On::Flow, FaultKind::Hang(hang)),
        (On::Flow, FaultKind::NotJson),
        (On::Flow, FaultKind::TruncatedBody),
        (On::Put, FaultKind::Status(canned(422))),
        (On::Put, FaultKind::ResetAfterCommit),
        (On::Put, FaultKind::CommitThen(canned(500))),
        (On::Put, FaultKind::CommitThenHang(hang)),
        (On::Put, FaultKind::Empty),
        (On::Put, FaultKind::Accepted(Landing::Now)),
        (On::Put, FaultKind::Accepted(Landing::Never)),
        (On::Put, FaultKind::ConflictUnmoved),
        (On::Put, FaultKind::RewriteOnSave),
    ];
    let (on, kind) = kinds.swap_remove(random.usize(..kinds.len()));
    Fault::on(on, kind).of(random.choice(flows).expect("there are some")).after(random.u32(..6))
}

#[tokio::test]
async fn whatever_goes_wrong_every_ending_is_true() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(fastrand::u64(..));
    println!("SEED={seed} makes this happen again, as far as time allows");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut world = World::to_crash().await;
    let flows = world.add_flows(6);
    world.tenant.set_latency(Duration::from_millis(5));
    for _ in 0..20 {
        world.tenant.fault(mishap(&mut random, &flows));
    }
    let ids = Vec::from_iter(flows.iter().map(String::as_str));
    let designer = world.tenant.designer(&ids, "node_hours", Duration::from_millis(250));
    let mut values = Vec::from_iter(1..=120);
    for (part, values) in values.chunks_mut(30).enumerate() {
        random.shuffle(values);
        let events = values.iter().map(|value| {
            let value = *value;
            let node = if value % 4 == 0 { "node_queue" } else { "node_set_vars" };
            event(&flows[value % 6], value).at(value).on(node).named(&format!("msg_{value}"))
        });
        let events = Vec::from_iter(events);
        world.deliver_all(events, 10).await;
        // Any moment will do: neither a crash nor a revocation waits for anything.
        sleep(Duration::from_millis(random.u64(..1500))).await;
        if part % 2 == 0 {
            world.tenant.revoke_tokens();
        } else {
            world.crash().await;
        }
    }
    world.tenant.clear_faults();
    world.settled().await;
    designer.stop().await;
    println!("{:?}, {} failed", world.tenant.calls(), world.count("failed").await);
    world.judge().await;
}

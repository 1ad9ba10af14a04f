//! How tenants limit their callers.

use std::time::Duration;

use flowhook::sandbox::{Canned, End, Fault, FaultKind, Limit, On, Sandbox};

use crate::event::event;
use crate::harness::{IVR, World};

fn status(canned: Canned) -> FaultKind {
    FaultKind::Status(canned)
}

#[tokio::test]
async fn a_limit_that_others_use_up_too_delays_and_fails_nothing() {
    let world = World::start().await;
    let flows = world.add_flows(3);
    world.tenant.set_limit(Some(Limit { per_minute: 120, burst: 3 }));
    world.tenant.draw(2);
    world.deliver_all(flows.iter().map(|flow| event(flow, 1)), 3).await;
    world.settled().await;
    assert_eq!(world.count("published").await, 3);
    assert!(world.tenant.calls().throttled > 0);
    world.judge().await;
}

#[tokio::test]
async fn a_limit_of_one_flow_lets_the_others_through_in_between() {
    let world = World::start().await;
    let flows = world.add_flows(3);
    world.tenant.fault(Fault::on(On::Flow, status(Canned::status(429).retry_after("1"))).of(IVR).forever());
    let limited = world.deliver(event(IVR, 1)).await;
    world.waiting(&limited).await;
    for flow in &flows {
        let id = world.deliver(event(flow, 1)).await;
        assert_eq!(world.ended(&id).await.state, "published", "{flow}");
    }
    assert_eq!(world.change(&limited).await.state, "pending");
    world.tenant.clear_faults();
    assert_eq!(world.ended(&limited).await.state, "published");
    world.judge().await;
}

#[tokio::test]
async fn headers_about_a_rate_limit_are_no_limit() {
    let world = World::start().await;
    world.tenant.set_headers(&[
        ("ratelimit", "\"default\";r=0;t=3600"),
        ("ratelimit-policy", "\"default\";q=100;w=60"),
        ("ratelimit-remaining", "-1"),
        ("ratelimit-reset", "4102444800"),
        ("x-ratelimit-reset", "soon"),
        ("inin-ratelimit-count", "301"),
        ("inin-ratelimit-allowed", "300"),
        ("etag", "\"14\""),
    ]);
    for value in 1..=3 {
        let id = world.deliver(event(IVR, value)).await;
        assert_eq!(world.ended(&id).await.state, "published");
    }
    // Where a limit is met, only `Retry-After` tells how long it lasts.
    world.tenant.fault(Fault::put(status(Canned::status(429).retry_after("1"))));
    let id = world.deliver(event(IVR, 4)).await;
    assert_eq!(world.ended(&id).await.state, "published");
    let requests = world.tenant.record().requests;
    let longest = requests.windows(2).map(|pair| pair[1].received_at - pair[0].received_at).max();
    assert!(longest < Some(Duration::from_secs(5)), "{longest:?}");
    world.judge().await;
}

#[tokio::test]
async fn a_429_is_one_whatever_its_body_is() {
    async fn check(canned: Canned) {
        let world = World::start().await;
        world.tenant.fault(Fault::get(status(canned)));
        let id = world.deliver(event(IVR, 1)).await;
        let change = world.waiting(&id).await;
        assert!(change.reason.contains("429 Too Many Requests"), "{}", change.reason);
        assert!(!change.reason.contains('<'), "no page is quoted: {}", change.reason);
        assert_eq!(world.ended(&id).await.state, "published");
        assert_eq!(world.tenant.calls().throttled, 1);
        world.judge().await;
    }
    let normalised = r#"{"message":"Rate limit exceeded the maximum. Retry the request in [1] seconds","code":
        "too.many.requests","status":429,"contextId":"c-1","details":[],"errors":[]}"#;
    tokio::join!(
        check(Canned::status(429).json(normalised)),
        check(Canned::status(429).header("content-type", "text/html").body("<html>slow down</html>")),
        check(Canned::status(429)),
    );
}

#[tokio::test]
async fn a_storm_of_429_costs_few_calls_and_fails_nothing() {
    let world = World::start().await;
    let flows = world.add_flows(12);
    world.tenant.fault(Fault::on(On::Flow, status(Canned::status(429))).forever());
    world.deliver_all(flows.iter().map(|flow| event(flow, 1)), 4).await;
    // Those that were under way when the first was refused, and then a probe for each wait.
    let waits = |tenant: &Sandbox| {
        let requests = tenant.record().requests;
        let pauses = requests.windows(2).map(|pair| pair[1].received_at - pair[0].received_at);
        pauses.filter(|pause| *pause >= Duration::from_millis(900)).count()
    };
    world.tenant.wait_until(|tenant| waits(tenant) >= 2).await.expect("it is probed");
    assert!(world.tenant.calls().get <= flows.len() as u64 + 2, "{:?}", world.tenant.calls());
    world.tenant.clear_faults();
    world.settled().await;
    assert_eq!((world.count("published").await, world.count("failed").await), (12, 0));
    world.judge().await;
}

#[tokio::test]
async fn a_403_with_a_time_to_come_back_is_a_limit_and_one_without_is_the_flows() {
    let world = World::start().await;
    world.add_flow("other");
    let limit = Canned::status(403).retry_after("2").json(r#"{"message":"rate limit exceeded"}"#);
    world.tenant.fault(Fault::get(status(limit)).of(IVR));
    let id = world.deliver(event(IVR, 1)).await;
    world.waiting(&id).await;
    let other = world.deliver(event("other", 1)).await;
    assert_eq!(world.ended(&id).await.state, "published");
    assert_eq!(world.ended(&other).await.state, "published");
    let calls: Vec<_> =
        world.tenant.record().requests.into_iter().filter(|call| call.call.flow().is_some()).collect();
    let pause = calls[1].received_at - calls[0].ended_at.expect("it has ended");
    assert!(pause >= Duration::from_millis(1990), "no flow is called meanwhile: {pause:?}");

    world.tenant.fault(Fault::put(status(Canned::status(403))).of(IVR));
    let id = world.deliver(event(IVR, 2)).await;
    let change = world.waiting(&id).await;
    assert!(change.reason.contains("it needs the scopes"), "{}", change.reason);
    let other = world.deliver(event("other", 2)).await;
    assert_eq!(world.ended(&other).await.state, "published");
    assert_eq!(world.change(&id).await.state, "pending", "the other flow did not wait for it");
    assert_eq!(world.ended(&id).await.state, "published");
    let refused = world.tenant.record().requests;
    assert_eq!(refused.iter().filter(|request| request.end == End::Answered(403)).count(), 2);
    world.judge().await;
}

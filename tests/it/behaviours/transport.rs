//! What happens between a tenant and us.

use std::time::Duration;

use flowhook::sandbox::{self, Canned, Fault, FaultKind, On, Sandbox};

use super::self_signed::SelfSigned;
use super::{answering, json};
use crate::event::event;
use crate::harness::{IVR, World};

/// A client gives up a call after 30 s; a flow of some kilobytes takes hours at this pace.
const TRICKLE: FaultKind = FaultKind::Trickle(Duration::from_secs(1));

#[tokio::test]
#[ignore = "idles for the 30 s that a call has"]
async fn a_body_that_comes_a_byte_a_second_is_given_up_and_the_write_looked_up() {
    async fn check(fault: Fault, told: &str, puts: u64) {
        let world = World::start().await;
        world.tenant.fault(fault);
        let id = world.deliver(event(IVR, 1)).await;
        let change = world.ended(&id).await;
        assert_eq!((change.state.as_str(), change.version()), ("published", "15"), "{told}");
        assert!(change.reason.contains(told), "{change:?}");
        assert_eq!((world.tenant.calls().put, world.tenant.calls().commits), (puts, 1), "{told}");
        world.judge().await;
    }
    tokio::join!(check(Fault::get(TRICKLE), "", 1), check(Fault::put(TRICKLE), "confirmed by reading", 1));
}

#[tokio::test]
async fn a_slow_tenant_is_a_tenant() {
    let world = World::start().await;
    world.tenant.set_latency(Duration::from_millis(700));
    let id = world.deliver(event(IVR, 1)).await;
    assert_eq!(world.ended(&id).await.state, "published");
    assert_eq!((world.tenant.calls().get, world.tenant.calls().put), (1, 1));
    world.judge().await;
}

#[tokio::test]
async fn a_tenant_that_is_away_is_waited_for() {
    let mut world = World::start().await;
    let listen = world.tenant.base_url().replace("http://", "").parse().expect("an address");
    world.tenant.shutdown().await;
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.waiting(&id).await;
    assert!(change.reason.contains("CXONE_BASE_URL"), "{}", change.reason);
    assert!(world.is_ready().await);
    let settings = sandbox::Settings { listen, ..sandbox::Settings::default() };
    world.tenant = Sandbox::start(settings).await.expect("its old address");
    world.add_flow(IVR);
    assert_eq!(world.ended(&id).await.state, "published");
    world.judge().await;
}

#[tokio::test]
async fn connections_that_the_tenant_ends_between_calls_cost_nothing() {
    let world = World::start().await;
    for value in 1..=4 {
        let id = world.deliver(event(IVR, value)).await;
        assert_eq!(world.ended(&id).await.state, "published");
        world.tenant.cut_connections();
    }
    assert_eq!(world.tenant.calls().commits, 4);
    world.judge().await;
}

#[tokio::test]
async fn a_page_of_a_proxy_is_named_by_its_status_and_not_quoted() {
    async fn check(code: u16) {
        let world = World::start().await;
        let page =
            Canned::status(code).header("content-type", "text/html").body("<html><h1>nginx</h1></html>");
        world.tenant.fault(Fault::get(FaultKind::Status(page)));
        let id = world.deliver(event(IVR, 1)).await;
        let change = world.waiting(&id).await;
        assert!(change.reason.contains(&code.to_string()) && !change.reason.contains("nginx"), "{change:?}");
        assert_eq!(world.ended(&id).await.state, "published");
        world.judge().await;
    }
    tokio::join!(check(502), check(504));
}

#[tokio::test]
async fn a_tenant_that_fails_now_and_then_fails_no_change() {
    let world = World::start().await;
    let flows = world.add_flows(4);
    world.tenant.fault(Fault::on(On::Flow, answering(500, "")).percent(50, 3).times(8));
    world.deliver_all(flows.iter().map(|flow| event(flow, 1)), 4).await;
    world.settled().await;
    assert_eq!((world.count("published").await, world.tenant.faults_waiting() <= 1), (4, true));
    world.judge().await;
}

#[tokio::test]
async fn a_redirect_is_not_followed_so_that_no_token_or_secret_goes_elsewhere() {
    async fn check(on: On, code: u16) {
        let world = World::start().await;
        let elsewhere = Canned::status(code).header("location", &format!("{}/x", world.config_api.url));
        world.tenant.fault(Fault::on(on, FaultKind::Status(elsewhere)));
        let id = world.deliver(event(IVR, 1)).await;
        let change = world.waiting(&id).await;
        assert!(change.reason.contains(&code.to_string()), "{}", change.reason);
        assert_eq!(world.ended(&id).await.state, "published");
        assert_eq!(world.config_api.asked(), Vec::<String>::new(), "{on:?} {code}");
        world.judge().await;
    }
    tokio::join!(
        check(On::Get, 301),
        check(On::Get, 302),
        check(On::Put, 307),
        check(On::Put, 308),
        check(On::Token, 302),
        check(On::Token, 307),
    );
}

#[tokio::test]
async fn a_tenant_that_speaks_no_tls_is_waited_for_and_says_what_to_check() {
    let here = [("CXONE_BASE_URL", "https://{tenant}"), ("CXONE_TOKEN_URL", "http://{tenant}/oauth/token")];
    let world = World::with(&here).await;
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.waiting(&id).await;
    assert!(change.reason.contains("check CXONE_BASE_URL"), "{}", change.reason);
    assert_eq!((world.tenant.calls().token, world.tenant.calls().get), (1, 0));
}

#[tokio::test]
async fn a_tenant_whose_certificate_nobody_vouches_for_is_given_no_token() {
    let impostor = SelfSigned::start().await;
    let base = format!("https://{}", impostor.address);
    let world =
        World::with(&[("CXONE_BASE_URL", &base), ("CXONE_TOKEN_URL", "http://{tenant}/oauth/token")]).await;
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.waiting(&id).await;
    for part in ["certificate", "check CXONE_BASE_URL"] {
        assert!(change.reason.contains(part), "{}", change.reason);
    }
    assert_eq!(impostor.requests(), 0, "nothing was said to it");
}

#[tokio::test]
async fn the_correlation_id_of_a_refusal_is_in_the_changes_reason() {
    let world = World::start().await;
    world.tenant.set_headers(&[("x-correlation-id", "c-4711")]);
    world.tenant.fault(Fault::put(answering(422, &json(&[("message", "no such queue")]))));
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.ended(&id).await;
    assert!(change.reason.contains("no such queue; its correlation id is c-4711"), "{}", change.reason);
    world.judge().await;
}

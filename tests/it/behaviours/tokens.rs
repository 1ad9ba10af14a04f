//! What token endpoints do.

use std::time::Duration;

use flowhook::sandbox::{Canned, ClientAuth, ExpiresIn, Fault, FaultKind, On};

use super::{answering, json};
use crate::event::event;
use crate::harness::{IVR, World};

#[tokio::test]
async fn an_odd_lifetime_of_a_token_stops_nothing_and_costs_no_other_token() {
    async fn check(says: ExpiresIn) {
        let world = World::start().await;
        world.tenant.set_expires_in(says.clone());
        for value in 1..=2 {
            let id = world.deliver(event(IVR, value)).await;
            assert_eq!(world.ended(&id).await.state, "published", "{says:?}");
        }
        assert_eq!(world.tenant.calls().token, 1, "{says:?}");
        world.judge().await;
    }
    let spelt = |json: &str| ExpiresIn::Spelt(json.to_owned());
    tokio::join!(
        check(ExpiresIn::Absent),
        check(spelt("\"3600\"")),
        check(spelt("0")),
        check(spelt("-1")),
        check(spelt("1000000000000")),
        check(spelt("3599.5")),
        check(spelt("\"soon\"")),
    );
}

#[tokio::test]
async fn whatever_the_token_endpoint_answers_changes_wait_and_say_why() {
    async fn check(fault: FaultKind, told: &[&str]) {
        let world = World::start().await;
        world.tenant.fault(Fault::token(fault));
        let id = world.deliver(event(IVR, 1)).await;
        let change = world.waiting(&id).await;
        for part in told {
            assert!(change.reason.contains(part), "{part}: {}", change.reason);
        }
        assert!(world.is_ready().await);
        assert_eq!(world.ended(&id).await.state, "published", "{told:?}");
        assert_eq!(world.tenant.calls().token, 2, "{told:?}");
        world.judge().await;
    }
    let error = |code, error: &str| answering(code, &json(&[("error", error)]));
    let throttled = FaultKind::Status(Canned::status(429).retry_after("1"));
    let elsewhere = FaultKind::Status(Canned::status(302).header("location", "/login"));
    let html = FaultKind::Status(Canned::status(400).header("content-type", "text/html").body("<p>no"));
    tokio::join!(
        check(error(401, "invalid_client"), &["401", "CXONE_CLIENT_ID and CXONE_CLIENT_SECRET"]),
        check(error(400, "invalid_scope"), &["granted the scopes flow:flows:read and flow:flows:write"]),
        check(error(400, "unauthorized_client"), &["granted the scopes"]),
        check(html, &["400 Bad Request", "CXONE_CLIENT_SECRET"]),
        check(throttled, &["limits its requests (429"]),
        check(answering(503, ""), &["limits its requests (503"]),
        check(answering(500, ""), &["500 Internal Server Error", "CXONE_TOKEN_URL"]),
        check(FaultKind::Hang(Duration::from_millis(200)), &["does not answer as one", "CXONE_BASE_URL"]),
        check(FaultKind::TruncatedBody, &["broke off"]),
        check(answering(200, ""), &["holds no `access_token`"]),
        check(answering(200, r#"{"access_token":""}"#), &["its `access_token` is empty"]),
        check(elsewhere, &["302 Found", "CXONE_TOKEN_URL"]),
    );
}

#[tokio::test]
async fn the_clients_secret_arrives_whatever_is_in_it() {
    async fn check(secret: &str) {
        let world = World::with(&[("CXONE_CLIENT_SECRET", secret)]).await;
        world.tenant.set_client_secret(secret);
        world.tenant.set_client_auth(ClientAuth::Form);
        let id = world.deliver(event(IVR, 1)).await;
        assert_eq!(world.ended(&id).await.state, "published", "{secret}");
        assert_eq!(world.tenant.calls().token, 1, "{secret}");
    }
    tokio::join!(check("a+b/c=d:e%f g"), check("Schlüssel 鍵 🔑"), check("c2VjcmV0====;&x=%2B"));
}

#[tokio::test]
async fn a_tenant_that_takes_http_basic_only_is_told_from_a_wrong_secret() {
    let world = World::start().await;
    world.tenant.set_client_auth(ClientAuth::Basic);
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.waiting(&id).await;
    assert!(change.reason.contains("in the form (`client_secret_post`)"), "{}", change.reason);
    world.tenant.set_client_auth(ClientAuth::Form);
    assert_eq!(world.ended(&id).await.state, "published");
    world.judge().await;
}

#[tokio::test]
async fn a_token_that_is_refused_because_it_is_new_is_shown_again() {
    let world = World::start().await;
    world.tenant.set_token_delay(Duration::from_millis(300));
    let id = world.deliver(event(IVR, 1)).await;
    world.waiting(&id).await;
    assert_eq!(world.ended(&id).await.state, "published");
    assert_eq!(world.tenant.calls().token, 2, "one refresh, and no other");
    world.judge().await;
}

#[tokio::test]
async fn a_token_that_ends_while_a_put_is_under_way_costs_another_put_and_nothing_else() {
    let world = World::start().await;
    let hold = world.tenant.hold(IVR);
    let id = world.deliver(event(IVR, 1)).await;
    world.flow_calls(IVR, 2).await;
    world.tenant.revoke_tokens();
    hold.release();
    let change = world.ended(&id).await;
    assert_eq!((change.state.as_str(), change.version()), ("published", "15"));
    let calls = world.tenant.calls();
    assert_eq!((calls.token, calls.get, calls.put, calls.commits), (2, 1, 2, 1));
    world.judge().await;
}

#[tokio::test]
async fn where_one_of_two_nodes_refuses_tokens_everything_is_published_all_the_same() {
    let world = World::start().await;
    let node =
        FaultKind::Status(Canned::status(401).header("www-authenticate", "Bearer error=\"invalid_token\""));
    world.tenant.fault(Fault::on(On::Flow, node).percent(50, 7).times(6));
    for value in 1..=4 {
        let id = world.deliver(event(IVR, value)).await;
        assert_eq!(world.ended(&id).await.state, "published");
    }
    assert!(
        world.tenant.calls().token <= 1 + 6,
        "no refusal costs more than a token: {:?}",
        world.tenant.calls()
    );
    world.judge().await;
}

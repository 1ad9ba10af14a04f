//! Names that are to lead elsewhere: sources that are not ours, flows that are none.

use crate::event::event;
use crate::harness::{IVR, World};
use crate::hostile::{UNWANTED, post, send, signed};

#[tokio::test]
async fn no_path_leads_anywhere_but_to_a_source() {
    let world = World::start().await;
    let check = async |path: &str, expected: u16| {
        let answer = send(&world, post(path, &signed("msg_1", UNWANTED), UNWANTED)).await;
        assert_eq!(answer.status, expected, "{path:.80}");
    };
    check("/hooks/config", 200).await;
    check("/hooks/config?source=other", 200).await;
    check("/hooks/c%6fnfig", 200).await; // the same name, spelt as RFC 3986 allows
    for path in [
        "/hooks/../api/changes",
        "/hooks/../hooks/config",
        "/hooks/%2e%2e/hooks/config",
        "/hooks/..%2fconfig",
        "/hooks/./config",
        "//hooks/config",
        "/hooks//config",
        "/hooks/config/",
        "/hooks/config%2f",
        "/hooks%2fconfig",
        "/hooks/config%00",
        "/hooks/config%20",
        "/hooks/config%0d%0a",
        "/hooks/config;a=b",
        "/hooks/config%3f",
        "/hooks/%63%6f%6e%66%69%67%",
        "/hooks/%c0%ae",
        "/hooks/c\u{f6}nfig",
        "/hooks/CONFIG",
        "/HOOKS/config",
        "\\hooks\\config",
        "/api/changes",
        "/readyz",
    ] {
        let expected = if path.starts_with('/') { 404 } else { 400 };
        check(path, expected).await;
    }
    check(&format!("/hooks/{}", "x".repeat(15_000)), 404).await;
    check(&format!("/hooks/{}", "x".repeat(70_000)), 431).await;
}

#[tokio::test]
async fn a_flow_id_that_could_lead_elsewhere_is_refused_and_the_tenant_hears_nothing() {
    let world = World::start().await;
    for id in [
        "",
        ".",
        "..",
        "../oauth/token",
        "a/../../x",
        "%2e%2e",
        "a%2fb",
        "a?b",
        "a#b",
        "a b",
        "a\\b",
        "a\0",
        "a\r\nhost: x",
        "fl\u{f6}w",
        "\u{202e}wolf",
        "-a",
        &"a".repeat(129),
    ] {
        let told = world.offer(event(id, 1)).await;
        assert_eq!(told.status, 422, "{id:?}: {told:?}");
    }
    assert_eq!(world.changes().await.len(), 0);
    let calls = world.tenant.calls();
    assert_eq!(calls.get + calls.put, 0, "{calls:?}");

    // The longest that is one; there is no such flow, and nothing but that flow is asked for.
    let longest = "a".repeat(128);
    let failed = world.ended(&world.deliver(event(&longest, 1)).await).await;
    assert_eq!(failed.state, "failed");
    world.flow_calls(&longest, 1).await;
    world.ended(&world.deliver(event(IVR, 1)).await).await;
}

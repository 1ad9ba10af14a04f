//! Crowds of slow peers: the good sender is served meanwhile, in bounded memory.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use flowhook::sandbox::{Sandbox, Settings, sample_flow};

use crate::event::{Sender, event};
use crate::patience::{eventually, patiently};
use crate::program::{Addresses, Program, Running, client};
use crate::wire::Wire;

/// With so many files half as many senders have a place.
const FILES: usize = 160;
/// More than the places.
const CROWD: usize = 150;
/// What the good sender is promised.
const SOON: Duration = Duration::from_secs(2);
const DELIVERIES: usize = 20;

/// The ways to be slow: nothing, half a head, a body that does not come, one that comes in small chunks.
const WAYS: [&str; 4] = [
    "",
    "POST /hooks/config HTTP/1.1\r\nhost: x\r\nx-slow:",
    "POST /hooks/config HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n{",
    "POST /hooks/config HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
];

async fn tenant() -> Sandbox {
    let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
    tenant.add_flow("f", &sample_flow("f", "Support")).expect("the sample is a flow");
    tenant
}

/// So many peers that are slow in every way.
async fn crowd(to: SocketAddr) -> Vec<Wire> {
    let mut crowd = Vec::new();
    for way in WAYS.iter().cycle().take(CROWD) {
        let mut wire = Wire::connect(to).await;
        // Who is let go at once may not even get this far.
        _ = wire.try_send(way).await;
        crowd.push(wire);
    }
    crowd
}

/// Delivers again and again on new connections; the longest that one took.
async fn deliver(at: Addresses) -> Duration {
    let mut longest = Duration::ZERO;
    for value in 1..=DELIVERIES {
        let sender = Sender::new(client());
        let begun = Instant::now();
        let told = patiently(sender.offer(at.public, event("f", value).named(&format!("msg_{value}")))).await;
        assert_eq!(told.map(|told| told.status), Some(202), "delivery {value}");
        longest = longest.max(begun.elapsed());
    }
    longest
}

async fn serving_few(tenant: &Sandbox) -> (Running, Addresses) {
    let mut service = Program::serve_with_few_files(tenant, FILES).start();
    let at = service.ready().await;
    (service, at)
}

#[tokio::test]
async fn a_crowd_of_slow_senders_keeps_no_good_one_out() {
    let tenant = tenant().await;
    let (mut service, at) = serving_few(&tenant).await;
    service.logged("fewer senders than").await;
    let crowd = crowd(at.public).await;
    let longest = deliver(at).await;
    println!("the slowest delivery took {longest:?}");
    assert!(longest < SOON, "{longest:?}");
    service.logged("who keeps us waiting longest gives way").await;
    drop(crowd);
    at.settled().await;
    assert!(at.changes().await.iter().all(|change| change["state"] != "failed"));
}

#[tokio::test]
async fn a_crowd_at_the_admin_listener_does_not_hide_that_the_service_is_ready() {
    let tenant = tenant().await;
    let mut service = Program::serve(&tenant).start();
    let at = service.ready().await;
    let crowd = crowd(at.admin).await;
    let begun = Instant::now();
    eventually(async || {
        let answer = client().get(format!("http://{}/readyz", at.admin)).send().await;
        answer.is_ok_and(|answer| answer.status() == 200).then_some(())
    })
    .await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    drop(crowd);
}

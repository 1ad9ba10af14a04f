//! The attacks of slowhttptest, with 4,000 connections at once, on the real program under its own limits.

use std::time::{Duration, Instant};

use flowhook::sandbox::{Sandbox, Settings};
use tokio_util::sync::CancellationToken;

use crate::event::{Sender, event};
use crate::patience::patiently;
use crate::program::{Addresses, Program, client};

const CONNECTIONS: &str = "4000";
/// How many of them are opened in a second.
const RATE: &str = "2000";
const LASTS_S: &str = "12";
/// What the good sender is promised.
const SOON: Duration = Duration::from_secs(2);
/// 200 MB.
const MEMORY_MAX_KIB: u64 = 200_000_000 / 1_024;
const DELIVERIES_MIN: usize = 20;

/// Delivers until the end, one after the other on new connections; how long each took.
async fn deliver(at: Addresses, end: CancellationToken) -> Vec<Duration> {
    let mut took = Vec::new();
    while !end.is_cancelled() {
        let value = took.len() + 1;
        let begun = Instant::now();
        let delivery = event("f", value).named(&format!("msg_{value}"));
        let told = patiently(Sender::new(client()).offer(at.public, delivery)).await;
        assert_eq!(told.map(|told| told.status), Some(202), "delivery {value}");
        took.push(begun.elapsed());
    }
    took
}

/// One attack, with these options; what the good sender and the memory are while it lasts.
async fn check(options: &[&str]) {
    let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
    let mut service = Program::serve(&tenant).start();
    let at = service.ready().await;
    let url = format!("http://{}/hooks/config", at.public);
    // It needs a descriptor for each connection.
    let raised = "ulimit -Sn \"$(ulimit -Hn)\"; exec slowhttptest \"$@\"";
    let common = ["-c", CONNECTIONS, "-r", RATE, "-l", LASTS_S, "-p", "2", "-u", &url];
    let attack = Program::named("sh", &[&["-c", raised, "sh"], options, &common].concat());

    let end = CancellationToken::new();
    let good = tokio::spawn(deliver(at, end.clone()));
    let attack = attack.output().await;
    end.cancel();
    let took = good.await.expect("the good sender is served");
    let (longest, peak) = (took.iter().max().expect("there are some"), service.peak_memory_kib());
    println!("{options:?}: {} deliveries, the slowest in {longest:?}; {peak} KiB at most", took.len());
    assert!(attack.stdout.contains("Test ended"), "{attack:?}");
    let mut probes = attack.stdout.lines().filter(|line| line.contains("service available"));
    assert!(probes.all(|line| line.contains("YES")), "{attack:?}");
    assert!(took.len() >= DELIVERIES_MIN && *longest < SOON, "{longest:?}");
    assert!(peak < MEMORY_MAX_KIB, "{peak} KiB");
}

#[tokio::test]
#[ignore = "needs slowhttptest"]
async fn slow_heads_bodies_and_readers_keep_no_good_sender_out() {
    check(&["-H", "-i", "3"]).await;
    check(&["-B", "-i", "3", "-s", "1000000", "-x", "1000"]).await;
    check(&["-X", "-k", "1", "-w", "1", "-y", "8"]).await;
}

//! `kill -9` in the middle of the load, again and again.

use std::time::{Duration, Instant};

use flowhook::sandbox::{SAMPLE_NODE, Sandbox, Settings};
use jiff::Timestamp;

use crate::program::Program;
use crate::senders::{Load, add_flows, assert_true, event, flows};

const FLOWS: usize = 10;
const CRASHES: usize = 10;
/// How many when there is time.
const MANY_CRASHES: usize = 200;
/// How many PUTs come between two crashes.
const PUTS: std::ops::RangeInclusive<u64> = 1..=60;
/// How long after the last of them the crash comes: before it is decided, between that and its answer, when
/// it is settled, or later.
const PHASE_MS: std::ops::RangeInclusive<u64> = 0..=30;
const DESIGNER_EVERY: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_and_ends_truly() {
    crash(CRASHES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes two minutes"]
async fn what_was_acknowledged_survives_two_hundred_times_kill_9_and_ends_truly() {
    crash(MANY_CRASHES).await;
}

async fn crash(crashes: usize) {
    let seed = seed();
    println!("seed {seed} (FLOWHOOK_TEST_SEED={seed} repeats its choices)");
    let mut rng = fastrand::Rng::with_seed(seed);
    let begun = Instant::now();
    let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
    let flows = flows(FLOWS);
    add_flows(&tenant, &flows);
    let ids: Vec<&str> = flows.iter().map(String::as_str).collect();
    let designer = tenant.designer(&ids, "node_hours", DESIGNER_EVERY);
    let folder = tempfile::tempdir().expect("a folder");
    let start = || Program::serve(&tenant).journal(&folder.path().join("journal.db")).start();
    let mut load = Load::begin(&flows, &mut rng);

    for crash in 0..crashes {
        tenant.set_latency(Duration::from_millis(rng.u64(5..=20)));
        let mut service = start();
        load.send_to(service.ready().await);
        // Now and then at once, while it goes on with what the last life left.
        let puts = tenant.calls().put + if crash % 4 == 3 { 1 } else { rng.u64(PUTS) };
        tenant.wait_until(|tenant| tenant.calls().put >= puts).await.expect("it publishes");
        tokio::time::sleep(Duration::from_millis(rng.u64(PHASE_MS))).await;
        let output = service.kill().await;
        assert_eq!(output.code, None, "it had ended before: {output:?}");
    }
    // The last crash comes when all is acknowledged and nothing more is sent: what is pending then, and the
    // PUTs under way, are the next life's to find by itself.
    let mut service = start();
    load.send_to(service.ready().await);
    let holds: Vec<_> = ids.iter().map(|id| tenant.hold(id)).collect();
    load.more(FLOWS).await;
    let (acknowledged, refusals) = load.end().await;
    let output = service.kill().await;
    assert_eq!(output.code, None, "it had ended before: {output:?}");
    drop(holds);
    let edits = designer.stop().await;
    assert!(edits.iter().all(|edit| edit.version.is_ok()));
    let mut service = start();
    let addresses = service.ready().await;
    addresses.settled().await;

    let figures = assert_true(addresses, &tenant, &acknowledged).await;
    println!(
        "{} crashes in {:.1} s: {figures}, refusals by status {refusals:?}",
        crashes + 1,
        begun.elapsed().as_secs_f64()
    );
    assert_eq!(tenant.record().max_in_flight_per_flow(), 1);
}

#[tokio::test]
async fn what_was_published_before_a_crash_is_not_undone_by_an_older_event_after_it() {
    let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
    let flows = flows(1);
    add_flows(&tenant, &flows);
    let folder = tempfile::tempdir().expect("a folder");
    let start = || Program::serve(&tenant).journal(&folder.path().join("journal.db")).start();
    let shown = || tenant.variable(&flows[0], SAMPLE_NODE, "max_wait_time_seconds");

    let mut service = start();
    let addresses = service.ready().await;
    addresses.deliver("msg_new", &event(&flows[0], Timestamp::now(), 2)).await;
    addresses.settled().await;
    assert_eq!(shown().as_deref(), Some("2"));
    service.kill().await;

    let mut service = start();
    let addresses = service.ready().await;
    let older = Timestamp::now() - Duration::from_secs(60);
    addresses.deliver("msg_old", &event(&flows[0], older, 1)).await;
    addresses.settled().await;
    assert_eq!(shown().as_deref(), Some("2"));
    let old = addresses.ask("/api/deliveries/config/msg_old").await;
    assert_eq!(old["changes"][0]["state"], "superseded", "{old}");
}

fn seed() -> u64 {
    let given = std::env::var("FLOWHOOK_TEST_SEED").ok();
    given.map_or_else(|| fastrand::u64(..), |text| text.parse().expect("FLOWHOOK_TEST_SEED is a number"))
}

//! `kill -9` in the middle of the load, again and again.

use std::time::{Duration, Instant};

use flowhook::sandbox::{Sandbox, Settings};

use crate::load::{Load, add_flows, assert_true, flows};
use crate::program::Program;

const FLOWS: usize = 10;
const CRASHES: usize = 10;
/// How many PUTs come between two crashes.
const PUTS: std::ops::RangeInclusive<u64> = 1..=60;
/// How long after the last of them the crash comes: before it is decided, between that and its answer, when
/// it is settled, or later.
const PHASE_MS: std::ops::RangeInclusive<u64> = 0..=30;
const DESIGNER_EVERY: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_and_ends_truly() {
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
    let mut load = Load::begin(&flows);

    for crash in 0..CRASHES {
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
    let mut service = start();
    let addresses = service.ready().await;
    load.send_to(addresses);
    load.more(1).await;
    let (acknowledged, refusals) = load.end().await;
    addresses.settled().await;
    let edits = designer.stop().await;
    assert!(edits.iter().all(|edit| edit.version.is_ok()));

    let figures = assert_true(addresses, &tenant, &acknowledged).await;
    println!(
        "{CRASHES} crashes in {:.1} s: {figures}, refusals by status {refusals:?}",
        begun.elapsed().as_secs_f64()
    );
    assert_eq!(tenant.record().max_in_flight_per_flow(), 1);
}

fn seed() -> u64 {
    let given = std::env::var("FLOWHOOK_TEST_SEED").ok();
    given.map_or_else(|| fastrand::u64(..), |text| text.parse().expect("FLOWHOOK_TEST_SEED is a number"))
}

//! SIGTERM: nothing acknowledged is lost, nothing new is taken, and it ends in time.

use std::time::{Duration, Instant};

use flowhook::sandbox::{Sandbox, Settings, sample_flow};

use crate::program::{Addresses, Program, Running, signed};
use crate::senders::{Load, add_flows, assert_true, flows};
use crate::wire::Wire;

/// Its own bounds are 15 s for connections and 10 s for turns; here neither has a reason to be used up.
const STOPPED_WITHIN: Duration = Duration::from_secs(8);
const EVENT: &str = r#"{"type":"config.updated","data":{"flow_id":"f","node_id":"node_set_vars",
    "config":{"routing_priority":"high","queue_target":"vip","max_wait_time_seconds":30}}}"#;

/// The head of a signed delivery of [`EVENT`], without the empty line at its end.
fn head(id: &str) -> String {
    let mut head = format!("POST /hooks/config HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n", EVENT.len());
    for (name, value) in &signed(id, EVENT) {
        head += &format!("{name}: {}\r\n", value.to_str().expect("ASCII"));
    }
    head
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_it_ends_in_order_and_the_next_start_goes_on() {
    let settings = Settings { latency: Duration::from_millis(30), ..Settings::default() };
    let tenant = Sandbox::start(settings).await.expect("a free port");
    let flows = flows(8);
    add_flows(&tenant, &flows);
    let folder = tempfile::tempdir().expect("a folder");
    let start = || Program::serve(&tenant).journal(&folder.path().join("journal.db")).start();
    let mut load = Load::begin(&flows, &mut fastrand::Rng::new());

    for _ in 0..3 {
        let mut service = start();
        load.send_to(service.ready().await);
        let puts = tenant.calls().put + 10;
        tenant.wait_until(|tenant| tenant.calls().put >= puts).await.expect("it publishes");
        let told = Instant::now();
        service.signal("TERM");
        let output = service.exit().await;
        assert!(told.elapsed() < STOPPED_WITHIN, "{:?}", told.elapsed());
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(output.stderr.contains("stopped"), "{}", output.stderr);
        let is_trouble = |line: &&str| {
            let is_due = line.contains("the service is shutting down");
            !is_due && ["WARN", "ERROR", "panicked"].iter().any(|word| line.contains(word))
        };
        assert_eq!(output.stderr.lines().filter(is_trouble).collect::<Vec<_>>(), Vec::<&str>::new());
    }
    let mut service = start();
    let addresses = service.ready().await;
    load.send_to(addresses);
    load.more(1).await;
    let (acknowledged, refusals) = load.end().await;
    addresses.settled().await;
    let figures = assert_true(addresses, &tenant, &acknowledged).await;
    println!("3 stops: {figures}, refusals by status {refusals:?}");
    assert_eq!(figures.confirmed_by_reading, 0, "an attempt was left open");
    assert!(refusals.keys().all(|status| [0, 503].contains(status)), "{refusals:?}");
}

#[tokio::test]
async fn a_delivery_that_had_begun_is_taken_and_one_that_had_not_is_to_come_back() {
    let (tenant, mut service, addresses) = Program::serving().await;
    let mut begun = Wire::connect(addresses.public).await;
    begun.send(format!("{}expect: 100-continue\r\n\r\n", head("msg_begun"))).await;
    assert_eq!(begun.answer().await.status, 100, "its head was read, and its body is asked for");
    let mut late = Wire::connect(addresses.public).await;
    late.send(head("msg_late")).await;
    // An answer on a third connection: the second one's head has been read up to here by then.
    let mut other = Wire::connect(addresses.public).await;
    other.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(other.answer().await.status, 404);

    service.signal("TERM");
    service.logged("new deliveries are refused").await;
    assert!(other.is_closed().await);
    late.send(format!("\r\n{EVENT}")).await;
    let refused = late.answer().await;
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    begun.send(EVENT).await;
    let taken = begun.answer().await;
    assert_eq!((taken.status, taken.header("connection")), (202, Some("close")));
    drop((begun, late, other));

    assert_eq!(service.exit().await.code, Some(0));
    // It was journaled, and not necessarily published: that is the next start's.
    assert!(tenant.calls().put <= 1);
}

#[tokio::test]
async fn ctrl_c_ends_it_as_sigterm_does() {
    let (_tenant, service, _) = Program::serving().await;
    service.signal("INT");
    let output = service.exit().await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stderr.contains("stopped"));
}

#[tokio::test]
async fn a_signal_during_the_start_is_not_missed() {
    let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
    let mut service = Program::serve(&tenant).env("FLOWHOOK_LOG", "info").start();
    // The line is written before the service begins to wait for signals.
    service.logged("flowhook is ready").await;
    service.signal("TERM");
    assert_eq!(service.exit().await.code, Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_and_the_next_start_goes_on() {
    let (tenant, mut service, addresses) = Program::serving().await;
    let mut stuck = Wire::connect(addresses.public).await;
    stuck.send(format!("{}expect: 100-continue\r\n\r\n", head("msg_1"))).await;
    assert_eq!(stuck.answer().await.status, 100);
    service.signal("INT");
    service.logged("new deliveries are refused").await;
    let told = Instant::now();
    service.signal("INT");
    let output = service.exit().await;
    assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("the next start goes on"), "{}", output.stderr);
    drop((stuck, tenant));
}

#[tokio::test]
async fn it_goes_on_when_nobody_reads_its_log_any_more() {
    let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
    tenant.add_flow("f", &sample_flow("f", "Support")).expect("the sample is a flow");
    let mut service = Program::serve(&tenant).deaf_after("flowhook is ready").start();
    let addresses = service.ready().await;
    for number in 0..3 {
        let mut wire = Wire::connect(addresses.public).await;
        wire.send(format!("{}\r\n{EVENT}", head(&format!("msg_{number}")))).await;
        assert_eq!(wire.answer().await.status, 202, "delivery {number}");
    }
    addresses.settled().await;
    assert_eq!(tenant.variable("f", "node_set_vars", "queue_target").as_deref(), Some(r#""vip""#));
    service.signal("TERM");
    assert_eq!(service.exit().await.code, Some(0));
}

/// A service whose log nobody reads any more, though whoever was to keeps the pipe.
async fn unread(tenant: &Sandbox) -> (Running, Addresses) {
    tenant.add_flow("f", &sample_flow("f", "Support")).expect("the sample is a flow");
    let mut service = Program::serve(tenant).unread_after("flowhook is ready").start();
    let addresses = service.ready().await;
    (service, addresses)
}

/// Sends so many hundreds of requests, each of which has a line of more than 300 bytes in the log.
async fn flood(addresses: Addresses, hundreds: usize) {
    let mut wire = Wire::connect(addresses.public).await;
    // A quotation mark takes two bytes there.
    let request = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "\"".repeat(200));
    for _ in 0..hundreds {
        wire.send(request.repeat(100)).await;
        for _ in 0..100 {
            assert_eq!(wire.answer().await.status, 404);
        }
    }
}

#[tokio::test]
async fn it_answers_and_ends_in_time_though_nobody_reads_its_log() {
    let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
    let (mut service, addresses) = unread(&tenant).await;
    // More than a pipe holds.
    flood(addresses, 5).await;
    addresses.deliver("msg_1", EVENT).await;
    addresses.settled().await;
    assert_eq!(tenant.variable("f", "node_set_vars", "queue_target").as_deref(), Some(r#""vip""#));
    let told = Instant::now();
    service.signal("TERM");
    assert_eq!(service.ended().await, Some(0));
    assert!(told.elapsed() < STOPPED_WITHIN, "{:?}", told.elapsed());
    service.read_on();
    let log = service.exit().await.stderr;
    assert!(log.contains("flowhook is ready") && !log.contains("stopped"), "the pipe was full:\n{log}");
}

#[tokio::test]
async fn who_reads_its_log_again_is_told_how_many_lines_were_lost() {
    let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
    let (mut service, addresses) = unread(&tenant).await;
    // More than a pipe, the writer's hands and what may wait hold.
    flood(addresses, 80).await;
    service.read_on();
    service.logged("log.lost=").await;
    service.signal("TERM");
    let output = service.exit().await;
    assert_eq!(output.code, Some(0));
    let lines = |words| output.stderr.lines().filter(move |line| line.contains(words));
    let lost = lines("  WARN lines of the log were lost")
        .filter_map(|line| line.rsplit_once('=')?.1.parse::<usize>().ok());
    let accounted = lines("http.status=404").count() + lost.sum::<usize>();
    // The start has a few lines more, which may be among those that were lost.
    assert!((8_000..8_010).contains(&accounted), "{accounted}");
    assert_eq!(lines(" stopped").count(), 1);
}

#[tokio::test]
async fn an_error_that_nobody_reads_keeps_its_exit_code() {
    // A pipe holds 64 KiB.
    let fill = "head -c 65536 /dev/zero >&2";
    let mut program = Program::flowhook(&["serve"]).through_sh(fill).unread_after("").start();
    assert_eq!(program.ended().await, Some(64));
    program.read_on();
    let output = program.exit().await;
    assert!(output.stderr.ends_with('\0'), "the pipe was full: {output:?}");
}

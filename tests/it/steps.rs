//! `kill -9` at every step between accept and settle: at each system call by which a delivery is read, written
//! into the journal, made durable, acknowledged and published, the real program is killed before it is made.

use std::time::{Duration, Instant};

use flowhook::sandbox::{Sandbox, Settings};
use jiff::Timestamp;

use crate::patience::eventually;
use crate::program::{Addresses, Program, Running, is_taken};
use crate::senders::{Acknowledged, add_flows, assert_true, event, flows};
use crate::strace::Strace;

/// The calls, and at least how many of each a delivery takes.
///
/// * `recvfrom`: the delivery is read; the tenant's answer is read.
/// * `pwrite64`: of each of three commits (delivery, attempt, settlement), page by page into the WAL.
/// * `fsync`: each of the three commits becomes durable.
/// * `writev`: the 202 is written; the PUT is written.
const CALLS: [(&str, usize); 4] = [("recvfrom", 2), ("pwrite64", 12), ("fsync", 3), ("writev", 2)];
/// More calls of a kind than one delivery can take.
const MOST: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs strace, and takes a minute"]
async fn a_kill_at_any_step_from_accept_to_settle_loses_nothing_and_tells_nothing_untrue() {
    let begun = Instant::now();
    let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
    let flows = flows(1);
    let flow = &flows[0];
    add_flows(&tenant, &flows);
    let folder = tempfile::tempdir().expect("a folder");
    let start = || Program::serve(&tenant).journal(&folder.path().join("journal.db")).start();
    let epoch = Timestamp::now() - Duration::from_secs(3600);
    let mut acknowledged = Vec::new();
    let mut next = || {
        let number = acknowledged.len() as u64 + 1;
        let (id, flow) = (format!("msg-{number}"), flow.clone());
        let body = event(&flow, epoch + Duration::from_millis(number), number);
        acknowledged.push(Acknowledged { id: id.clone(), flow, number });
        (id, body)
    };

    for (call, at_least) in CALLS {
        let mut kills = 0;
        let mut before_its_answer = 0;
        loop {
            assert!(kills < MOST, "{call}: it is killed again and again");
            let mut service = start();
            let addresses = service.ready().await;
            // So that it has a token, and a document from its last PUT.
            let (id, body) = next();
            addresses.deliver(&id, &body).await;
            addresses.settled().await;

            let strace = Strace::inject(&service, call, &format!("signal=KILL:when={}", kills + 1)).await;
            let (id, body) = next();
            let told = addresses.insist(&id, &body).await;
            let survived = match told {
                Some(_) => published_or_dead(addresses, &id, &mut service).await,
                None => false,
            };
            if survived {
                assert!(is_taken(told), "{call} {kills}: {told:?}");
                // It goes on alone when strace is dropped, and is not waited for while it is held.
                drop(strace);
                service.kill().await;
                break;
            }
            kills += 1;
            before_its_answer += usize::from(told.is_none());
            assert_eq!(service.exit().await.code, None, "{call} {kills}");

            let mut service = start();
            let addresses = service.ready().await;
            if is_taken(told) {
                let kept = addresses.ask(&format!("/api/deliveries/config/{id}")).await;
                assert!(kept["changes"][0].is_object(), "{call} {kills}: acknowledged and lost: {kept}");
            } else {
                addresses.deliver(&id, &body).await;
            }
            addresses.settled().await;
            service.kill().await;
        }
        println!(
            "{call}: killed at {kills} steps, {before_its_answer} of them before the sender had its answer"
        );
        assert!(kills >= at_least, "{call}: only {kills} steps");
    }

    let mut service = start();
    let addresses = service.ready().await;
    addresses.settled().await;
    let figures = assert_true(addresses, &tenant, &acknowledged).await;
    println!("in {:.1} s: {figures}", begun.elapsed().as_secs_f64());
}

/// Waits for the end of the delivery's change, or of the service; whether it was the former.
async fn published_or_dead(addresses: Addresses, id: &str, service: &mut Running) -> bool {
    eventually(async || {
        if service.has_ended() {
            return Some(false);
        }
        let state = addresses.state_of(id).await?;
        (state != "pending").then_some(true)
    })
    .await
}

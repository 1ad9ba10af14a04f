//! From an accepted delivery to the tenant: how soon, and in how few calls.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::Settings;
use crate::delivery::Signer;
use crate::figures::{median, ms, thousands};
use crate::load::send;
use crate::process::{Service, folder};
use crate::tenant::Tenant;

/// How many deliveries the latency is the median of.
const SAMPLES: usize = 200;
/// Longer than a lane rests after a publish: the next delivery finds it idle.
const IDLE: Duration = Duration::from_millis(80);
/// How many changes wait behind the update that is held.
const HELD: usize = 10_000;
/// Connections that bring many changes.
const CONNECTIONS: usize = 64;

/// From a delivery that is sent until its PUT arrives, on an idle service with a warm lane.
pub(crate) fn latency(settings: &Settings) -> Result<()> {
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        let mut took_us = accept_to_put_us()?;
        took_us.sort_unstable_by(f64::total_cmp);
        p50.push(median(took_us.iter().copied()));
        p99.push(took_us[took_us.len() * 99 / 100]);
    }
    println!(
        "from sending a delivery to its PUT at the tenant, idle service, warm lane: p50 {}, p99 {}",
        ms(median(p50)),
        ms(median(p99)),
    );
    Ok(())
}

fn accept_to_put_us() -> Result<Vec<f64>> {
    let tenant = Tenant::start(1, Duration::ZERO)?;
    let folder = folder()?;
    let (service, _) = Service::start(folder.path(), Some(&tenant.sandbox))?;
    let signer = Signer::new();
    let mut sent = Vec::new();
    for value in 0..=SAMPLES {
        let delivery = vec![signer.sign(0, value)];
        sent.push(Instant::now());
        send(service.address, 1, delivery)?;
        tenant.until_puts(sent.len() as u64)?;
        std::thread::sleep(IDLE);
    }
    let calls = tenant.flow_calls();
    ensure!(calls == (1, sent.len() as u64), "a GET once and a PUT each were to be expected: {calls:?}");
    // The first one was cold.
    let took = sent.iter().zip(tenant.puts()).skip(1).map(|(sent, put)| put.duration_since(*sent));
    Ok(took.map(|took| took.as_secs_f64() * 1e6).collect())
}

/// What comes for a flow while its update is held at the tenant.
pub(crate) fn held(_: &Settings) -> Result<()> {
    let tenant = Tenant::start(1, Duration::ZERO)?;
    let folder = folder()?;
    let (service, _) = Service::start(folder.path(), Some(&tenant.sandbox))?;
    let signer = Signer::new();
    let hold = tenant.hold(0);
    send(service.address, 1, vec![signer.sign(0, 0)])?;
    tenant.until_puts(1)?;
    let held = (1..=HELD).map(|value| signer.sign(0, value)).collect();
    let run = send(service.address, CONNECTIONS, held)?;
    ensure!(run.refused == 0, "{} deliveries were refused", run.refused);
    hold.release();
    let released = Instant::now();
    service.until_settled()?;
    let (_, puts) = tenant.flow_calls();
    println!(
        "{} changes for a flow while an update of it is held: {} further PUT, all of them settled {} after its release",
        thousands(HELD as f64),
        puts - 1,
        ms(released.elapsed().as_secs_f64() * 1e6),
    );
    Ok(())
}

/// Ten changes for each of many flows, beside ten for each of few.
pub(crate) fn many_flows(settings: &Settings) -> Result<()> {
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        few.push(flows_a_second(1_000, 100)?);
        many.push(flows_a_second(100_000, 10_000)?);
    }
    let ratio = median(many.iter().zip(&few).map(|(many, few)| many / few));
    println!(
        "flows published a second: {} with 1,000 changes over 100 flows, {} with 100,000 over 10,000: {ratio:.2} of that",
        thousands(median(few)),
        thousands(median(many)),
    );
    Ok(())
}

/// All changes are there, and then publishing begins.
fn flows_a_second(changes: usize, flows: usize) -> Result<f64> {
    let tenant = Tenant::start(flows, Duration::ZERO)?;
    let folder = folder()?;
    let (service, _) = Service::start(folder.path(), Some(&tenant.sandbox))?;
    service.pause()?;
    let run = send(service.address, CONNECTIONS, Signer::new().many(changes, flows))?;
    ensure!(run.refused == 0, "{} deliveries were refused", run.refused);
    let begun = Instant::now();
    service.resume()?;
    service.until_settled()?;
    let took = begun.elapsed();
    let calls = tenant.flow_calls();
    ensure!(calls == (flows as u64, flows as u64), "one GET and one PUT each were to be expected: {calls:?}");
    Ok(flows as f64 / took.as_secs_f64())
}

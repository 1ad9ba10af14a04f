//! What is published of very many changes: of one flow, of few, of very many.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::Settings;
use crate::delivery::Signer;
use crate::figures::{highest, ms, thousands};
use crate::load::CONNECTIONS;
use crate::median::median;
use crate::process::{Service, folder};
use crate::tenant::Tenant;

/// How many changes wait behind the update that is held, at most.
const HELD: usize = 10_000;
/// As many changes, and as many flows, as are the limit at scale.
const LIMIT: usize = 100_000;

/// What comes for a flow while its update is held at the tenant.
pub(crate) fn held(settings: &Settings) -> Result<()> {
    let (mut puts, mut took_us) = (Vec::new(), Vec::new());
    let changes = settings.at_most(HELD);
    for _ in 0..settings.runs {
        let tenant = Tenant::start(1, Duration::ZERO)?;
        let folder = folder()?;
        let (service, _) = Service::start(folder.path(), Some(&tenant.sandbox))?;
        let signer = Signer::new();
        let hold = tenant.hold(0);
        service.process.send(1, vec![signer.sign(0, 0)])?;
        tenant.until_puts(0, 1)?;
        let behind = (1..=changes).map(|value| signer.sign(0, value)).collect();
        service.process.send(CONNECTIONS, behind)?;
        let released = Instant::now();
        hold.release();
        service.until_settled()?;
        took_us.push(released.elapsed().as_secs_f64() * 1e6);
        puts.push(tenant.flow_calls().1 as f64 - 1.0);
    }
    println!(
        "{} changes for a flow while an update of it is held: {} further PUTs, at most {}; all of them settled {} after \
         its release",
        thousands(changes as f64),
        median(puts.iter().copied()),
        highest(puts),
        ms(median(took_us)),
    );
    Ok(())
}

/// Ten changes for each of many flows, beside ten for each of few.
pub(crate) fn many_flows(settings: &Settings) -> Result<()> {
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        few.push(publish_one_each(1_000, 100)?.flows_a_second());
        many.push(publish_one_each(LIMIT, LIMIT / 10)?.flows_a_second());
    }
    let ratio = median(many.iter().zip(&few).map(|(many, few)| many / few));
    println!(
        "flows published a second: {} with 1,000 changes over 100 flows, {} with 100,000 over 10,000: {ratio:.2} of that",
        thousands(median(few)),
        thousands(median(many)),
    );
    Ok(())
}

/// All the changes that there may be for one flow.
pub(crate) fn one_flow(settings: &Settings) -> Result<()> {
    tell("of one flow", &runs(settings, || publish(LIMIT, 1))?);
    Ok(())
}

/// A change for each of as many flows.
pub(crate) fn every_flow(settings: &Settings) -> Result<()> {
    tell("of a flow each", &runs(settings, || publish_one_each(LIMIT, LIMIT))?);
    Ok(())
}

fn runs(settings: &Settings, run: impl Fn() -> Result<Published>) -> Result<Vec<Published>> {
    (0..settings.runs).map(|_| run()).collect()
}

fn tell(what: &str, runs: &[Published]) {
    let of = |figure: fn(&Published) -> f64| median(runs.iter().map(figure));
    println!(
        "{} changes {what}: published {} after the pause ended, by {} GETs and {} PUTs; memory at most {:.0} MB when they \
         were accepted, {:.0} MB in the end",
        thousands(LIMIT as f64),
        ms(of(|run| run.took.as_secs_f64() * 1e6)),
        thousands(of(|run| run.gets as f64)),
        thousands(of(|run| run.puts as f64)),
        highest(runs.iter().map(|run| run.accepted_mb)),
        highest(runs.iter().map(|run| run.published_mb)),
    );
}

/// What it took to publish what was there.
struct Published {
    flows: usize,
    took: Duration,
    gets: u64,
    puts: u64,
    /// The most memory that the service had in use, by then.
    accepted_mb: f64,
    published_mb: f64,
}

impl Published {
    fn flows_a_second(&self) -> f64 {
        self.flows as f64 / self.took.as_secs_f64()
    }
}

/// One GET and one PUT for each flow, however many changes it has.
fn publish_one_each(changes: usize, flows: usize) -> Result<Published> {
    let published = publish(changes, flows)?;
    let calls = (published.gets, published.puts);
    ensure!(calls == (flows as u64, flows as u64), "one GET and one PUT each were to be expected: {calls:?}");
    Ok(published)
}

/// All changes are there, and then publishing begins.
fn publish(changes: usize, flows: usize) -> Result<Published> {
    let tenant = Tenant::start(flows, Duration::ZERO)?;
    let folder = folder()?;
    let (service, _) = Service::start(folder.path(), Some(&tenant.sandbox))?;
    service.pause()?;
    service.fill(changes, flows)?;
    let (_, accepted_mb) = service.process.memory_mb()?;
    let begun = Instant::now();
    service.resume()?;
    // The service is asked only when it should have done: each question costs it something.
    tenant.until_all_puts(flows as u64)?;
    service.until_settled()?;
    let took = begun.elapsed();
    let (gets, puts) = tenant.flow_calls();
    let (_, published_mb) = service.process.memory_mb()?;
    Ok(Published { flows, took, gets, puts, accepted_mb, published_mb })
}

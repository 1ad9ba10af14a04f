//! From an accepted delivery to its PUT at the tenant: how soon, in how few calls, and beside a very large flow.
//!
//! Two clocks that are one: this process sends the deliveries and is the tenant as well. What the tenant takes over a
//! PUT is not in the times, for they end when its head has arrived.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::Settings;
use crate::connection::Connection;
use crate::delivery::Signer;
use crate::figures::{Times, ms, spread, thousands};
use crate::median::median;
use crate::process::{Service, folder};
use crate::tenant::{Put, Tenant};

/// How many deliveries a run sends at most, one after the other.
const SAMPLES: usize = 200;
/// Longer than a lane rests after a publish: the next delivery finds it idle.
const IDLE: Duration = Duration::from_millis(100);
/// The large flow's document.
const LARGE_BYTES: usize = 16_000_000;
/// How often a change for it comes: more often than it can be published.
const LARGE_EVERY: Duration = Duration::from_millis(10);
/// The flow whose changes are measured, and the large one.
const FLOW: usize = 0;
const LARGE: usize = 1;

/// One delivery and its PUT.
struct Sample {
    sent: Instant,
    answered: Instant,
    put: Put,
}

impl Sample {
    fn answer_us(&self) -> f64 {
        from_to_us(self.sent, self.answered)
    }

    fn answer_to_put_us(&self) -> f64 {
        from_to_us(self.answered, self.put.arrived)
    }

    fn put_us(&self) -> f64 {
        from_to_us(self.sent, self.put.arrived)
    }

    fn tenant_us(&self) -> f64 {
        self.put.took.as_secs_f64() * 1e6
    }
}

/// Negative, if the second comes before the first.
fn from_to_us(from: Instant, to: Instant) -> f64 {
    (to.saturating_duration_since(from).as_secs_f64() - from.saturating_duration_since(to).as_secs_f64())
        * 1e6
}

/// One kind of time, of each run.
fn times(runs: &[Vec<Sample>], time: fn(&Sample) -> f64) -> Vec<Times> {
    runs.iter().map(|samples| samples.iter().map(time).collect()).collect()
}

/// What is told of it.
fn told(runs: &[Vec<Sample>], time: fn(&Sample) -> f64) -> String {
    spread(&times(runs, time))
}

/// An idle service, a warm lane, a tenant that answers at once.
pub(crate) fn latency(settings: &Settings) -> Result<()> {
    let mut runs = Vec::new();
    for _ in 0..settings.runs {
        let tenant = Tenant::start(1, Duration::ZERO)?;
        let folder = folder()?;
        let (service, _) = Service::start(folder.path(), Some(&tenant.sandbox))?;
        let samples = one_by_one(&service, &tenant, settings.at_most(SAMPLES))?;
        let (calls, publishes) = (tenant.flow_calls(), samples.len() as u64 + 1);
        ensure!(calls == (1, publishes), "one GET and {publishes} PUTs were to be expected: {calls:?}");
        runs.push(samples);
    }
    let early = runs.iter().flatten().filter(|sample| sample.answer_to_put_us() < 0.0).count();
    let all: usize = runs.iter().map(Vec::len).sum();
    println!(
        "from a delivery to its PUT, {} deliveries a run over one open connection, idle service, warm lane; the clock \
         stops when the tenant, whose own latency is zero, has read the head of the PUT:",
        settings.at_most(SAMPLES),
    );
    println!("  POST sent to 202 received: {}", told(&runs, Sample::answer_us));
    println!("  202 received to PUT arrived: {}", told(&runs, Sample::answer_to_put_us));
    println!("    negative where the PUT arrived before the 202: {early} of {}", thousands(all as f64));
    println!("  POST sent to PUT arrived: {}", told(&runs, Sample::put_us));
    println!(
        "  what the tenant took over a PUT, which is in none of them: {}",
        told(&runs, Sample::tenant_us)
    );
    println!("  calls: 2 for the first publish, which is cold, 1 for each of the others, which are warm");
    Ok(())
}

/// A small flow alone, and beside one with a very large document that is published again and again.
pub(crate) fn lanes(settings: &Settings) -> Result<()> {
    let (mut alone, mut beside, mut large_puts, mut large_bytes) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..settings.runs {
        for large_too in [false, true] {
            let tenant = Tenant::start(1, Duration::ZERO)?;
            large_bytes = tenant.enlarge(LARGE, LARGE_BYTES)?;
            let folder = folder()?;
            let (service, _) = Service::start(folder.path(), Some(&tenant.sandbox))?;
            if large_too {
                beside.push(beside_large(&service, &tenant, settings.at_most(SAMPLES))?);
                large_puts += tenant.puts(LARGE).len();
            } else {
                alone.push(one_by_one(&service, &tenant, settings.at_most(SAMPLES))?);
            }
        }
    }
    ensure!(large_puts > settings.runs, "the large flow was hardly published: {large_puts} times");
    println!(
        "202 received to PUT arrived, {} deliveries a run for a small flow; the tenant, in the process of the load, is \
         busy with the large document too:",
        settings.at_most(SAMPLES),
    );
    println!("  alone: {}", told(&alone, Sample::answer_to_put_us));
    println!(
        "  beside a flow of {:.1} MB, published {} times a run: {}",
        large_bytes as f64 / 1e6,
        large_puts / settings.runs,
        told(&beside, Sample::answer_to_put_us),
    );
    let [alone, beside] = [alone, beside].map(|runs| times(&runs, Sample::answer_to_put_us));
    let later_by = |of: usize| {
        let of_run = |(alone, beside): (&Times, &Times)| beside.percentile_us(of) - alone.percentile_us(of);
        ms(median(alone.iter().zip(&beside).map(of_run)))
    };
    println!("  later beside it by: p50 {}, p99 {}", later_by(500), later_by(990));
    Ok(())
}

/// Deliveries that each find the service idle, without the first, which was cold.
fn one_by_one(service: &Service, tenant: &Tenant, samples: usize) -> Result<Vec<Sample>> {
    let mut connection = Connection::open(service.process.address)?;
    let mut posts = Vec::new();
    for value in 0..=samples {
        posts.push(connection.post(&Signer::new().sign(FLOW, value))?);
        tenant.until_puts(FLOW, posts.len())?;
        thread::sleep(IDLE);
    }
    let puts = tenant.puts(FLOW);
    ensure!(puts.len() == posts.len(), "{} deliveries, but {} PUTs", posts.len(), puts.len());
    let samples = posts.into_iter().zip(puts).skip(1);
    Ok(samples.map(|((sent, answered), put)| Sample { sent, answered, put }).collect())
}

fn beside_large(service: &Service, tenant: &Tenant, samples: usize) -> Result<Vec<Sample>> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let large = scope.spawn(|| keep_publishing(service, &is_over));
        let samples = tenant.until_puts(LARGE, 1).and_then(|()| one_by_one(service, tenant, samples));
        is_over.store(true, Ordering::Relaxed);
        large.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        samples
    })
}

/// Sends changes for the large flow until it is over.
fn keep_publishing(service: &Service, is_over: &AtomicBool) -> Result<()> {
    let mut connection = Connection::open(service.process.address)?;
    let mut value = 0;
    while !is_over.load(Ordering::Relaxed) {
        value += 1;
        connection.post(&Signer::new().sign(LARGE, value))?;
        thread::sleep(LARGE_EVERY);
    }
    Ok(())
}

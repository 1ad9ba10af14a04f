//! How many deliveries a second are on disk and answered, beside bare axum that keeps nothing.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use jiff::Timestamp;

use crate::Settings;
use crate::chart::{Chart, Line};
use crate::delivery::{FLOWS, Signer};
use crate::figures::{highest, longest, ms, percentile, spread, thousands};
use crate::journal::{self, Endings};
use crate::load::{CONNECTIONS, Run};
use crate::median::median;
use crate::process::{Service, bare, folder};
use crate::tenant::Tenant;

/// Requests of a run over one connection, at most.
const ALONE: usize = 2_000;
/// What a commit of one delivery appends to SQLite's log: that many pages with their heads.
const COMMIT_BYTES: usize = 4 * (4096 + 24);
/// After so many commits the log has its 1,000 pages, and is written anew from its beginning.
const COMMITS_OF_A_LOG: usize = 250;
/// Numbers of connections on the curve.
const CURVE: [usize; 6] = [1, 4, 16, 64, 256, 1024];
/// How often the backlog grows by what a run sends.
const BACKLOG_STEPS: usize = 10;

/// Over 256 connections: bare axum, flowhook that only accepts, and flowhook that publishes as well.
pub(crate) fn at_256(settings: &Settings) -> Result<()> {
    let (mut bare, mut paused, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    let (mut publishing, mut afterwards) = (Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        bare.push(to_bare(CONNECTIONS, settings.deliveries)?);
        let (run, mb) = to_paused(CONNECTIONS, settings.deliveries)?;
        paused.push(run);
        memory.push(mb);
        let (run, after) = to_publishing(CONNECTIONS, settings.deliveries)?;
        publishing.push(run);
        afterwards.push(after);
    }
    println!("{CONNECTIONS} connections, {} deliveries a run:", thousands(settings.deliveries as f64));
    tell("bare axum", &bare, &bare);
    tell("accepting, publishing paused", &paused, &bare);
    println!(
        "    memory with all of them pending: {:.0} MB, at most {:.0} MB",
        median(memory.iter().copied()),
        highest(memory)
    );
    tell("accepting and publishing", &publishing, &bare);
    let of = |figure: fn(&Afterwards) -> f64| median(afterwards.iter().map(figure));
    println!(
        "    when the load ended: {} changes published and {} superseded by them; the rest settled {} later, with {} \
         published in all, by {} PUTs",
        thousands(of(|after| after.at_once.published as f64)),
        thousands(of(|after| after.at_once.superseded as f64)),
        ms(of(|after| after.settling.as_secs_f64() * 1e6)),
        thousands(of(|after| after.in_all.published as f64)),
        thousands(of(|after| after.puts as f64)),
    );
    Ok(())
}

/// The same from an ordinary client.
pub(crate) fn by_library(settings: &Settings) -> Result<()> {
    let (mut axum, mut paused) = (Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        axum.push(bare()?.send_by_library(CONNECTIONS, settings.deliveries)?);
        let folder = folder()?;
        let (service, _) = Service::start(folder.path(), None)?;
        service.pause()?;
        paused.push(service.process.send_by_library(CONNECTIONS, settings.deliveries)?);
    }
    println!(
        "{CONNECTIONS} connections of an ordinary client, {} deliveries a run:",
        thousands(settings.deliveries as f64)
    );
    tell("bare axum", &axum, &axum);
    tell("accepting, publishing paused", &paused, &axum);
    Ok(())
}

pub(crate) fn tell(what: &str, runs: &[Run], beside: &[Run]) {
    let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure));
    let answers = || runs.iter().map(|run| &run.answers);
    println!(
        "  {what}: {} a second, {:.2} of bare axum; p50 {}, p99 {}, p99.9 {}, longest {}; {:.1} µs of the processor a \
         delivery",
        thousands(of(Run::per_second)),
        ratio(runs, beside),
        percentile(answers(), 500),
        percentile(answers(), 990),
        percentile(answers(), 999),
        longest(answers()),
        of(Run::cpu_us),
    );
}

/// The median of the runs' own ratios: each run beside the one that was its neighbour in time.
pub(crate) fn ratio(runs: &[Run], beside: &[Run]) -> f64 {
    median(runs.iter().zip(beside).map(|(run, beside)| run.per_second() / beside.per_second()))
}

/// Over one connection: how long an answer takes, beside an fsync and bare axum's answer.
pub(crate) fn alone(settings: &Settings) -> Result<()> {
    let (mut bare, mut paused, mut fsyncs, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let requests = settings.at_most(ALONE);
    for _ in 0..settings.runs {
        let axum = to_bare(1, requests)?.answers;
        let flowhook = to_paused(1, requests)?.0.answers;
        let fsync_us = fsync_us(folder()?.path(), requests)?;
        ratios.push(flowhook.percentile_us(500) / (axum.percentile_us(500) + fsync_us));
        bare.push(axum);
        paused.push(flowhook);
        fsyncs.push(fsync_us);
    }
    println!("1 connection, {} deliveries a run:", thousands(requests as f64));
    println!("  bare axum: {}", spread(&bare));
    println!("  accepting, publishing paused: {}", spread(&paused));
    println!("  an fsync of as much as one commit writes: p50 {}", ms(median(fsyncs)));
    println!("  p50 accepting is {:.2} times that of bare axum and an fsync together", median(ratios));
    Ok(())
}

/// What a commit of one delivery waits for: written, and on disk. The median, in microseconds.
fn fsync_us(folder: &Path, commits: usize) -> Result<f64> {
    let mut file = File::create(folder.join("log"))?;
    let commit = vec![0x5a; COMMIT_BYTES];
    let mut took_us = Vec::new();
    for number in 0..commits {
        if number % COMMITS_OF_A_LOG == 0 {
            file.rewind()?;
        }
        let begun = Instant::now();
        file.write_all(&commit)?;
        file.sync_data()?;
        took_us.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(took_us))
}

/// Throughput against the number of connections.
pub(crate) fn against_connections(settings: &Settings) -> Result<()> {
    let mut runs = CURVE.map(|at_once| (at_once, Vec::new(), Vec::new()));
    for _ in 0..settings.runs {
        for (at_once, bare, paused) in &mut runs {
            let deliveries = settings.at_most(*at_once * ALONE);
            bare.push(to_bare(*at_once, deliveries)?);
            paused.push(to_paused(*at_once, deliveries)?.0);
        }
    }
    println!("accepts a second against connections, publishing paused:");
    let (mut bare_points, mut paused_points) = (Vec::new(), Vec::new());
    for (at_once, bare, paused) in &runs {
        let per_second = |runs: &[Run]| median(runs.iter().map(Run::per_second));
        let (without, with) = (per_second(bare), per_second(paused));
        let ratio = ratio(paused, bare);
        println!("  {at_once}: bare axum {}, flowhook {}: {ratio:.2}", thousands(without), thousands(with));
        bare_points.push((*at_once as f64, without));
        paused_points.push((*at_once as f64, with));
    }
    let lines = [
        Line { name: "bare axum", points: bare_points },
        Line { name: "flowhook, on disk", points: paused_points },
    ];
    let chart = Chart {
        title: "accepts a second against connections",
        x: "connections",
        is_log: true,
        lines: &lines,
    };
    settings.draw("connections.svg", &chart)
}

/// Throughput against how much is pending already.
pub(crate) fn against_backlog(settings: &Settings) -> Result<()> {
    let mut steps: [_; BACKLOG_STEPS] = std::array::from_fn(|_| (Vec::new(), Vec::new()));
    for _ in 0..settings.runs {
        let folder = folder()?;
        let (service, _) = Service::start(folder.path(), None)?;
        service.pause()?;
        for (per_second, peak_mb) in &mut steps {
            let run = service.process.send(CONNECTIONS, Signer::new().many(settings.deliveries, FLOWS))?;
            per_second.push(run.per_second());
            peak_mb.push(service.process.memory_mb()?.1);
        }
    }
    println!("accepts a second against the backlog, {CONNECTIONS} connections:");
    let mut points = Vec::new();
    for (step, (per_second, peak_mb)) in steps.into_iter().enumerate() {
        let (pending, per_second) = ((step * settings.deliveries) as f64, median(per_second));
        println!("  {} pending: {}, {:.0} MB", thousands(pending), thousands(per_second), highest(peak_mb));
        points.push((pending, per_second));
    }
    let lines = [Line { name: "flowhook, on disk", points }];
    let chart = Chart {
        title: "accepts a second against the backlog",
        x: "pending changes",
        is_log: false,
        lines: &lines,
    };
    settings.draw("backlog.svg", &chart)
}

pub(crate) fn to_bare(connections: usize, deliveries: usize) -> Result<Run> {
    bare()?.send(connections, Signer::new().many(deliveries, FLOWS))
}

/// To a service that publishes nothing meanwhile; how much memory it has in the end.
pub(crate) fn to_paused(connections: usize, deliveries: usize) -> Result<(Run, f64)> {
    let folder = folder()?;
    let (service, _) = Service::start(folder.path(), None)?;
    service.pause()?;
    let run = service.process.send(connections, Signer::new().many(deliveries, FLOWS))?;
    Ok((run, service.process.memory_mb()?.0))
}

/// What was published by the end of a load, and then.
struct Afterwards {
    at_once: Endings,
    in_all: Endings,
    /// From the end of the load until nothing was pending.
    settling: Duration,
    puts: u64,
}

fn to_publishing(connections: usize, deliveries: usize) -> Result<(Run, Afterwards)> {
    let folder = folder()?;
    let tenant = Tenant::start(FLOWS, Duration::from_millis(20))?;
    let (service, _) = Service::start(folder.path(), Some(&tenant.sandbox))?;
    let run = service.process.send(connections, Signer::new().many(deliveries, FLOWS))?;
    let (ended, ended_at) = (Instant::now(), Timestamp::now());
    service.until_settled()?;
    let settling = ended.elapsed();
    service.kill()?;
    let at_once = journal::endings(folder.path(), ended_at)?;
    let in_all = journal::endings(folder.path(), Timestamp::now())?;
    let all = in_all.all();
    ensure!(u64::try_from(all)? == deliveries as u64, "only {all} changes were published or superseded");
    Ok((run, Afterwards { at_once, in_all, settling, puts: tenant.flow_calls().1 }))
}

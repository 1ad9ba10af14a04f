//! How many deliveries a second are on disk and answered, beside bare axum that keeps nothing.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::Settings;
use crate::chart::{Chart, Line};
use crate::delivery::Signer;
use crate::figures::{median, ms, thousands};
use crate::load::{Run, send};
use crate::process::{Bare, Service, folder};
use crate::tenant::Tenant;

/// Over how many flows the deliveries are spread.
const FLOWS: usize = 100;
/// The connections of the figure that counts.
const CONNECTIONS: usize = 256;
/// Requests of a run over one connection.
const ALONE: usize = 2_000;
/// What a commit of one delivery appends to SQLite's log: that many pages with their heads.
const COMMIT_BYTES: usize = 6 * (4096 + 24);

/// Over 256 connections: bare axum, flowhook that only accepts, and flowhook that publishes as well.
pub(crate) fn at_256(settings: &Settings) -> Result<()> {
    let (mut bare, mut paused, mut publishing, mut memory) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        bare.push(to_bare(CONNECTIONS, settings.deliveries)?);
        let (run, mb) = to_paused(CONNECTIONS, settings.deliveries)?;
        paused.push(run);
        memory.push(mb);
        publishing.push(to_publishing(CONNECTIONS, settings.deliveries)?);
    }
    println!("{CONNECTIONS} connections, {} deliveries a run:", thousands(settings.deliveries as f64));
    tell("bare axum", &bare, &bare);
    tell("accepting, publishing paused", &paused, &bare);
    tell("accepting and publishing", &publishing, &bare);
    println!("  memory with all of them pending: {:.0} MB", median(memory));
    Ok(())
}

pub(crate) fn tell(what: &str, runs: &[Run], beside: &[Run]) {
    // Run by run: each beside the one that was its neighbour in time.
    let ratio = median(runs.iter().zip(beside).map(|(run, beside)| run.per_second() / beside.per_second()));
    let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure));
    println!(
        "  {what}: {} a second, {ratio:.2} of bare axum; p50 {}, p99 {}, p99.9 {}",
        thousands(of(Run::per_second)),
        ms(of(|run| run.percentile_us(500))),
        ms(of(|run| run.percentile_us(990))),
        ms(of(|run| run.percentile_us(999))),
    );
}

/// Over one connection: how long an answer takes, beside an fsync and bare axum's answer.
pub(crate) fn alone(settings: &Settings) -> Result<()> {
    let (mut bare, mut paused, mut fsyncs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        bare.push(to_bare(1, ALONE)?.percentile_us(500));
        paused.push(to_paused(1, ALONE)?.0.percentile_us(500));
        fsyncs.push(fsync_us(folder()?.path())?);
    }
    let (bare, paused, fsync) = (median(bare), median(paused), median(fsyncs));
    println!(
        "1 connection, p50: bare axum {}, an fsync of one commit {}, accepting {}: {:.2} times the two together",
        ms(bare),
        ms(fsync),
        ms(paused),
        paused / (bare + fsync),
    );
    Ok(())
}

/// What a commit of one delivery waits for: appended, and on disk. The median, in microseconds.
fn fsync_us(folder: &Path) -> Result<f64> {
    let mut file = File::create(folder.join("log"))?;
    let commit = vec![0x5a; COMMIT_BYTES];
    let mut took_us = Vec::new();
    for _ in 0..ALONE {
        let begun = Instant::now();
        file.write_all(&commit)?;
        file.sync_data()?;
        took_us.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(took_us))
}

/// Throughput against the number of connections.
pub(crate) fn against_connections(settings: &Settings) -> Result<()> {
    let connections = [1, 4, 16, 64, 256, 1024];
    let (mut bare, mut paused) = (Vec::new(), Vec::new());
    println!("accepts a second against connections:");
    for at_once in connections {
        let deliveries = settings.deliveries.min(at_once * ALONE);
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..settings.runs {
            without.push(to_bare(at_once, deliveries)?.per_second());
            with.push(to_paused(at_once, deliveries)?.0.per_second());
        }
        bare.push((at_once as f64, median(without)));
        paused.push((at_once as f64, median(with)));
        let (without, with) = (bare[bare.len() - 1].1, paused[paused.len() - 1].1);
        println!("  {at_once}: bare axum {}, flowhook {}", thousands(without), thousands(with));
    }
    let lines =
        [Line { name: "bare axum", points: bare }, Line { name: "flowhook, on disk", points: paused }];
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
    let folder = folder()?;
    let (service, _) = Service::start(folder.path(), None)?;
    service.pause()?;
    let mut points = Vec::new();
    println!("accepts a second against the backlog, {CONNECTIONS} connections:");
    for step in 0..10 {
        let run = send(service.address, CONNECTIONS, Signer::new().many(settings.deliveries, FLOWS))?;
        ensure!(run.refused == 0, "{} deliveries were refused", run.refused);
        let pending = (step * settings.deliveries) as f64;
        let (_, peak_mb) = service.memory_mb()?;
        println!("  {} pending: {}, {peak_mb:.0} MB", thousands(pending), thousands(run.per_second()));
        points.push((pending, run.per_second()));
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
    whole(send(Bare::start()?.address, connections, Signer::new().many(deliveries, FLOWS))?)
}

/// To a service that publishes nothing meanwhile; how much memory it has in the end.
pub(crate) fn to_paused(connections: usize, deliveries: usize) -> Result<(Run, f64)> {
    let folder = folder()?;
    let (service, _) = Service::start(folder.path(), None)?;
    service.pause()?;
    let run = whole(send(service.address, connections, Signer::new().many(deliveries, FLOWS))?)?;
    Ok((run, service.memory_mb()?.0))
}

fn to_publishing(connections: usize, deliveries: usize) -> Result<Run> {
    let folder = folder()?;
    let tenant = Tenant::start(FLOWS, Duration::from_millis(20))?;
    let (service, _) = Service::start(folder.path(), Some(&tenant.sandbox))?;
    whole(send(service.address, connections, Signer::new().many(deliveries, FLOWS))?)
}

fn whole(run: Run) -> Result<Run> {
    ensure!(run.refused == 0, "{} deliveries were refused", run.refused);
    Ok(run)
}

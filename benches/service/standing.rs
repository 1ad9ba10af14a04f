//! What a journal with much in it costs: a restart, memory, and accepts beside a million rows that are settled.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::Settings;
use crate::delivery::Signer;
use crate::figures::{median, ms, thousands};
use crate::load::{Run, send};
use crate::process::{Service, folder, journal_in};
use crate::tenant::Tenant;

const PENDING: usize = 100_000;
const SETTLED: usize = 1_000_000;
/// How many deliveries are signed and sent at a time.
const AT_A_TIME: usize = 100_000;
const CONNECTIONS: usize = 256;
const FLOWS: usize = 100;
/// Longer than settled changes are kept.
const FORTY_DAYS_MS: i64 = 40 * 24 * 3600 * 1000;

/// A restart with much pending, and memory.
pub(crate) fn restart(settings: &Settings) -> Result<()> {
    let (mut idle, mut pending, mut ready) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        let folder = folder()?;
        let (service, _) = Service::start(folder.path(), None)?;
        idle.push(service.memory_mb()?.0);
        service.pause()?;
        fill(&service, PENDING, FLOWS)?;
        pending.push(service.memory_mb()?.1);
        service.kill()?;
        let (again, took) = Service::start(folder.path(), None)?;
        ready.push(took.as_secs_f64() * 1e6);
        drop(again);
    }
    println!(
        "killed with {} changes pending: ready again after {}; memory {:.0} MB idle, {:.0} MB at most with them pending",
        thousands(PENDING as f64),
        ms(median(ready)),
        median(idle),
        median(pending),
    );
    Ok(())
}

fn fill(service: &Service, changes: usize, flows: usize) -> Result<()> {
    for _ in 0..changes / AT_A_TIME {
        let run = send(service.address, CONNECTIONS, Signer::new().many(AT_A_TIME, flows))?;
        ensure!(run.refused == 0, "{} deliveries were refused", run.refused);
    }
    Ok(())
}

/// Accepting beside a million settled changes, beside an empty journal, and while that million is pruned.
pub(crate) fn settled(settings: &Settings) -> Result<()> {
    let full = full_journal()?;
    let old = copy(full.path())?;
    age(old.path())?;
    let (mut empty, mut beside, mut pruning, mut ready) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        empty.push(accept(folder()?.path(), settings)?.0);
        let (run, took) = accept(copy(full.path())?.path(), settings)?;
        beside.push(run);
        ready.push(took.as_secs_f64() * 1e6);
        pruning.push(accept(copy(old.path())?.path(), settings)?.0);
    }
    let ratio = |runs: &[Run]| {
        median(runs.iter().zip(&empty).map(|(run, empty)| run.per_second() / empty.per_second()))
    };
    let longest = |runs: &[Run]| median(runs.iter().map(|run| run.percentile_us(1000)));
    println!("{} settled changes in the journal, {CONNECTIONS} connections:", thousands(SETTLED as f64));
    println!(
        "  accepts beside an empty journal's: {:.2}, longest answer {} beside {}",
        ratio(&beside),
        ms(longest(&beside)),
        ms(longest(&empty))
    );
    println!("  while they are pruned: {:.2}, longest answer {}", ratio(&pruning), ms(longest(&pruning)));
    println!("  ready after {}", ms(median(ready)));
    Ok(())
}

/// A journal whose million changes came through the front door and were published.
fn full_journal() -> Result<TempDir> {
    let folder = folder()?;
    let tenant = Tenant::start(FLOWS, Duration::ZERO)?;
    let (service, _) = Service::start(folder.path(), Some(&tenant.sandbox))?;
    fill(&service, SETTLED, FLOWS)?;
    service.until_settled()?;
    service.kill()?;
    Ok(folder)
}

fn copy(from: &Path) -> Result<TempDir> {
    let to = folder()?;
    for file in fs::read_dir(from)? {
        let file = file?;
        fs::copy(file.path(), to.path().join(file.file_name()))?;
    }
    Ok(to)
}

/// Makes everything in a journal older than it is kept.
fn age(folder: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        use sqlx::{ConnectOptions as _, Connection as _};

        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(journal_in(folder));
        let mut connection = options.connect().await?;
        for sql in [
            "UPDATE deliveries SET received_at = received_at - ?",
            "UPDATE changes SET settled_at = settled_at - ?",
            "UPDATE attempts SET started_at = started_at - ?1, ended_at = ended_at - ?1",
        ] {
            sqlx::query(sql).bind(FORTY_DAYS_MS).execute(&mut connection).await?;
        }
        connection.close().await?;
        Ok(())
    })
}

/// A run against a service on this journal that publishes nothing; how long until it was ready.
fn accept(folder: &Path, settings: &Settings) -> Result<(Run, Duration)> {
    let (service, took) = Service::start(folder, None)?;
    service.pause()?;
    let run = send(service.address, CONNECTIONS, Signer::new().many(settings.deliveries, FLOWS))?;
    ensure!(run.refused == 0, "{} deliveries were refused", run.refused);
    Ok((run, took))
}

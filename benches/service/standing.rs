//! What a journal with much in it costs: a restart, memory, and accepts beside a million rows that are settled.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::Settings;
use crate::accepts::ratio;
use crate::delivery::{FLOWS, Signer};
use crate::figures::{highest, longest, ms, thousands};
use crate::journal;
use crate::load::{CONNECTIONS, Run};
use crate::median::median;
use crate::process::{Service, folder};
use crate::tenant::Tenant;

const PENDING: usize = 100_000;
const SETTLED: usize = 1_000_000;

/// A restart with much pending, and memory.
pub(crate) fn restart(settings: &Settings) -> Result<()> {
    let (mut idle, mut pending, mut again, mut ready) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        let folder = folder()?;
        let (service, _) = Service::start(folder.path(), None)?;
        idle.push(service.process.memory_mb()?.0);
        service.pause()?;
        service.fill(PENDING, FLOWS)?;
        pending.push(service.process.memory_mb()?.1);
        service.kill()?;
        let (restarted, took) = Service::start(folder.path(), None)?;
        ready.push(took.as_secs_f64() * 1e6);
        again.push(restarted.process.memory_mb()?.1);
    }
    println!(
        "killed with {} changes pending: ready again after {}, at most {}; memory {:.0} MB idle, at most {:.0} MB until \
         they were pending, {:.0} MB until it was ready again",
        thousands(PENDING as f64),
        ms(median(ready.iter().copied())),
        ms(highest(ready)),
        median(idle),
        highest(pending),
        highest(again),
    );
    Ok(())
}

/// Accepting beside a million settled changes, beside an empty journal, and while that million is pruned.
pub(crate) fn settled(settings: &Settings) -> Result<()> {
    let full = full_journal()?;
    let old = journal::copy(full.path())?;
    journal::age(old.path())?;
    let (mut empty, mut beside, mut pruning) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ready, mut pruned) = (Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        empty.push(accept(folder()?.path(), settings)?.run);
        let accepted = accept(journal::copy(full.path())?.path(), settings)?;
        ensure!(accepted.pruned == 0, "{} changes were pruned that are not old", accepted.pruned);
        ready.push(accepted.ready.as_secs_f64() * 1e6);
        beside.push(accepted.run);
        let accepted = accept(journal::copy(old.path())?.path(), settings)?;
        ensure!(accepted.pruned > 0, "nothing was pruned while the load lasted");
        pruned.push(accepted.pruned as f64);
        pruning.push(accepted.run);
    }
    let longest = |runs: &[Run]| longest(runs.iter().map(|run| &run.answers));
    println!("{} settled changes in the journal, {CONNECTIONS} connections:", thousands(SETTLED as f64));
    println!("  an empty journal: longest answer {}", longest(&empty));
    println!(
        "  beside them: {:.2} of its accepts, longest answer {}",
        ratio(&beside, &empty),
        longest(&beside)
    );
    println!(
        "  while they are pruned, {} in a run: {:.2} of its accepts, longest answer {}",
        thousands(median(pruned)),
        ratio(&pruning, &empty),
        longest(&pruning),
    );
    println!("  ready after {}, at most {}", ms(median(ready.iter().copied())), ms(highest(ready)));
    Ok(())
}

/// A journal whose million changes came through the front door and were published.
fn full_journal() -> Result<TempDir> {
    let folder = folder()?;
    let tenant = Tenant::start(FLOWS, Duration::ZERO)?;
    let (service, _) = Service::start(folder.path(), Some(&tenant.sandbox))?;
    service.fill(SETTLED, FLOWS)?;
    service.until_settled()?;
    service.kill()?;
    Ok(folder)
}

/// A run against a service that publishes nothing.
struct Accepted {
    run: Run,
    /// How long until the service was ready.
    ready: Duration,
    /// How many settled changes went while the load lasted.
    pruned: i64,
}

fn accept(folder: &Path, settings: &Settings) -> Result<Accepted> {
    // Signed before the service starts: pruning begins with it, and the load must not come too late to meet it.
    let deliveries = Signer::new().many(settings.deliveries, FLOWS);
    let (service, ready) = Service::start(folder, None)?;
    service.pause()?;
    let before = journal::settled(folder)?;
    let run = service.process.send(CONNECTIONS, deliveries)?;
    Ok(Accepted { run, ready, pruned: before - journal::settled(folder)? })
}

//! The whole service, measured from outside: `cargo bench --bench service`.
//!
//! It starts the release binary, bare axum as the ceiling and the practice tenant, each run on a fresh journal beside
//! what cargo builds, and takes turns between what it compares. All figures are medians, all ratios medians of the
//! runs' own ratios: on a busy machine both sides suffer alike.

mod accepts;
mod bare;
mod chart;
mod delivery;
mod figures;
mod load;
mod peers;
mod process;
mod publishing;
mod standing;
mod tenant;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};

use chart::Chart;

/// Measures the whole service.
#[derive(Parser)]
struct Args {
    /// What to measure; everything, if nothing is named.
    parts: Vec<Part>,
    #[command(flatten)]
    settings: Settings,
    /// Be bare axum at this address, for another process of this program.
    #[arg(long, hide = true)]
    bare: Option<SocketAddr>,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(clap::Args)]
struct Settings {
    /// How many runs the medians are of.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// How many deliveries a run sends.
    #[arg(long, default_value_t = 60_000)]
    deliveries: usize,
    /// Where the curves go.
    #[arg(long, default_value = "docs/performance")]
    charts: PathBuf,
}

impl Settings {
    fn draw(&self, name: &str, chart: &Chart<'_>) -> Result<()> {
        fs::create_dir_all(&self.charts)?;
        let path = self.charts.join(name);
        fs::write(&path, chart.svg()).with_context(|| format!("writing {}", path.display()))?;
        println!("  {}", path.display());
        Ok(())
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Part {
    /// Accepts a second over 256 connections, publishing paused and not.
    Accepts,
    /// How long an answer takes over one connection.
    Alone,
    /// Accepts a second against connections.
    Connections,
    /// Accepts a second against the backlog.
    Backlog,
    /// From a delivery to its PUT.
    Latency,
    /// What comes while an update is held.
    Held,
    /// Publishing many flows beside few.
    Flows,
    /// A restart with much pending, and memory.
    Restart,
    /// Accepting and pruning with a million settled changes.
    Settled,
    /// The same deliveries to adnanh/webhook.
    Webhook,
    /// The same changes by the tutorial's script.
    Script,
}

fn main() -> Result<()> {
    let Args { parts, settings, bare, bench: _ } = Args::parse();
    if let Some(address) = bare {
        return bare::serve(address);
    }
    // reqwest is built without a provider of cryptography, though nothing here is encrypted.
    _ = rustls::crypto::ring::default_provider().install_default();
    let parts = if parts.is_empty() { Part::value_variants() } else { &parts };
    for part in parts {
        match part {
            Part::Accepts => accepts::at_256(&settings)?,
            Part::Alone => accepts::alone(&settings)?,
            Part::Connections => accepts::against_connections(&settings)?,
            Part::Backlog => accepts::against_backlog(&settings)?,
            Part::Latency => publishing::latency(&settings)?,
            Part::Held => publishing::held(&settings)?,
            Part::Flows => publishing::many_flows(&settings)?,
            Part::Restart => standing::restart(&settings)?,
            Part::Settled => standing::settled(&settings)?,
            Part::Webhook => peers::webhook(&settings)?,
            Part::Script => peers::script(&settings)?,
        }
    }
    Ok(())
}

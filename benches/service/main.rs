//! The whole service, measured from outside: `cargo bench --bench service`.
//!
//! It starts the binary that cargo built, bare axum as the ceiling and the practice tenant, each run on a fresh journal
//! beside what cargo builds. A run measures every side once, in turns: on a busy machine all of them suffer alike. What is
//! printed is the median of the runs; of ratios the median of the runs' own; what is called longest or most is so of all
//! runs. MB are 10^6 bytes.

mod accepts;
mod answer;
mod bare;
mod chart;
mod connection;
mod delivery;
#[path = "../shared/event.rs"]
mod event;
mod figures;
mod journal;
mod latency;
mod load;
#[path = "../shared/median.rs"]
mod median;
mod peers;
mod process;
mod publishing;
mod standing;
mod tenant;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

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
    /// How many deliveries a run sends, where a part does not measure a number of its own.
    #[arg(long, default_value_t = 60_000)]
    deliveries: usize,
    /// Where the curves go; without it none is drawn.
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
}

impl Settings {
    /// As many deliveries as a part can do with, but no more than a run is to send.
    fn at_most(&self, deliveries: usize) -> usize {
        deliveries.min(self.deliveries)
    }

    fn draw(&self, name: &str, chart: &Chart<'_>) -> Result<()> {
        let Some(folder) = &self.charts else { return Ok(()) };
        fs::create_dir_all(folder)?;
        let path = folder.join(name);
        fs::write(&path, chart.svg()).with_context(|| format!("writing {}", path.display()))?;
        println!("  {}", path.display());
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    /// Accepts a second over 256 connections, publishing paused and not.
    Accepts,
    /// Accepts a second over 256 connections of an ordinary client, which takes its time from the same processors.
    Library,
    /// How long an answer takes over one connection.
    Alone,
    /// Accepts a second against connections.
    Connections,
    /// Accepts a second against the backlog.
    Backlog,
    /// From a delivery to its PUT.
    Latency,
    /// The same beside a flow with a document of 16 MB.
    Lanes,
    /// What comes while an update is held.
    Held,
    /// Publishing many flows beside few.
    Flows,
    /// Publishing 100,000 changes of one flow.
    OneFlow,
    /// Publishing 100,000 changes, each of another flow.
    EveryFlow,
    /// A restart with much pending, and memory.
    Restart,
    /// Accepting and pruning with a million settled changes.
    Settled,
    /// The same deliveries to adnanh/webhook.
    Webhook,
    /// The same changes by the tutorial's script.
    Script,
}

impl Part {
    fn measure(self, settings: &Settings) -> Result<()> {
        match self {
            Self::Accepts => accepts::at_256(settings),
            Self::Library => accepts::by_library(settings),
            Self::Alone => accepts::alone(settings),
            Self::Connections => accepts::against_connections(settings),
            Self::Backlog => accepts::against_backlog(settings),
            Self::Latency => latency::latency(settings),
            Self::Lanes => latency::lanes(settings),
            Self::Held => publishing::held(settings),
            Self::Flows => publishing::many_flows(settings),
            Self::OneFlow => publishing::one_flow(settings),
            Self::EveryFlow => publishing::every_flow(settings),
            Self::Restart => standing::restart(settings),
            Self::Settled => standing::settled(settings),
            Self::Webhook => peers::webhook(settings),
            Self::Script => peers::script(settings),
        }
    }
}

fn main() -> Result<ExitCode> {
    // `cargo test --all-targets` runs it too, and says nothing: nobody wants to wait for figures then.
    if !std::env::args().any(|argument| argument == "--bench" || argument == "--bare") {
        return Ok(ExitCode::SUCCESS);
    }
    let Args { parts, settings, bare, bench: _ } = Args::parse();
    if let Some(address) = bare {
        bare::serve(address)?;
        return Ok(ExitCode::SUCCESS);
    }
    // reqwest is built without a provider of cryptography, though nothing here is encrypted.
    _ = rustls::crypto::ring::default_provider().install_default();
    let parts = if parts.is_empty() { Part::value_variants() } else { &parts };
    let mut failed = false;
    for part in parts {
        if let Err(error) = part.measure(&settings) {
            eprintln!("{part:?} failed: {error:#}");
            failed = true;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

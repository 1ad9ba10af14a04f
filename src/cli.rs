//! The command line: its grammar, and which command is behind which word.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory as _, Parser, Subcommand};
use flowhook::settings::Layers;
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::commands::log::LogFilter;
use crate::commands::{
    apply, changes, check, completions, demo, discard, drift, explain, health, man, nodes, pause, resume,
    retry, rollback, sandbox, send, serve, sign,
};
use crate::exit::Failed;

/// Carries signed configuration webhooks into live NICE CXone flows.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
#[command(
    after_help = "Settings come from a TOML file, a .env file and the environment: flowhook man lists them.

Examples:
  flowhook demo                      see the whole path once
  flowhook check                     see what is wrong with the settings
  flowhook serve                     receive webhooks
  flowhook help apply                more about a command

Exit codes: 0 done, 64 bad usage or settings, 65 bad input (payload, unknown flow or node),
69 tenant or service unreachable, 75 try again later, 77 credentials or permission, 1 anything else.

With --json standard output is one JSON document: the command's own, or, where it failed before it had one,
{\"error\": TEXT, \"exit_code\": NUMBER}."
)]
pub(crate) struct Cli {
    /// The settings file (TOML); also FLOWHOOK_CONFIG
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole path once, with a practice tenant on free ports
    Demo,
    /// Receive webhooks and publish what they ask for
    Serve(serve::Args),
    /// Look whether the service would start, and reach its tenant, flow and node
    Check(check::Args),
    /// Set variables of a node now, without a webhook
    Apply(apply::Args),
    /// List a flow's nodes and their variables
    Nodes(nodes::Args),
    /// Sign files, post them and follow what becomes of them
    Send(send::Args),
    /// Print the headers that make a file a signed webhook
    Sign(sign::Args),
    /// Tell what would become of a request: whether it verifies, and which changes follow
    Explain(explain::Args),
    /// List the changes in a running service's journal, newest first
    Changes(changes::Args),
    /// Tell which flows do not hold what was last applied to them
    Drift(drift::Args),
    /// Give failed changes another chance, and try pending ones at once
    Retry(retry::Args),
    /// Drop changes that are pending or have failed
    Discard(discard::Args),
    /// Give back what published changes replaced
    Rollback(rollback::Args),
    /// Publish nothing, of some flows or of all, until they are resumed
    Pause(pause::Args),
    /// Go on publishing what was paused
    Resume(resume::Args),
    /// Ask whether the service on this machine is well
    Health(health::Args),
    /// Run the practice tenant alone, well-behaved or not, until it is told to stop
    Sandbox(sandbox::Args),
    /// Print what a shell needs to complete commands and flags
    Completions(completions::Args),
    /// Print the manual page, or write all of them into a folder
    Man(man::Args),
}

/// Whether JSON is asked for, whatever else is: bad usage is told in it too.
pub(crate) fn asks_for_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let mut options = arguments.take_while(|argument| argument != "--");
    options.any(|argument| argument == "--json")
}

impl Command {
    /// What is logged unless a setting says otherwise: what runs until it is stopped tells what it does, the
    /// others only what goes wrong.
    pub(crate) fn log(&self) -> Targets {
        let runs_until_stopped = matches!(self, Self::Serve(_) | Self::Sandbox(_));
        Targets::new().with_default(if runs_until_stopped { LevelFilter::INFO } else { LevelFilter::WARN })
    }

    /// Runs it to its end.
    pub(crate) async fn run(self, layers: Layers, log: LogFilter) -> Result<(), Failed> {
        match self {
            Self::Demo => demo::run(&layers).await,
            Self::Serve(args) => serve::run(&args, layers, log).await,
            Self::Check(args) => check::run(&args, &layers).await,
            Self::Apply(args) => apply::run(args, &layers).await,
            Self::Nodes(args) => nodes::run(&args, &layers).await,
            Self::Send(args) => send::run(args, &layers).await,
            Self::Sign(args) => sign::run(args, &layers),
            Self::Explain(args) => explain::run(&args, &layers),
            Self::Changes(args) => changes::run(&args, &layers).await,
            Self::Drift(args) => drift::run(&args, &layers).await,
            Self::Retry(args) => retry::run(&args, &layers).await,
            Self::Discard(args) => discard::run(&args, &layers).await,
            Self::Rollback(args) => rollback::run(&args, &layers).await,
            Self::Pause(args) => pause::run(&args, &layers).await,
            Self::Resume(args) => resume::run(&args, &layers).await,
            Self::Health(args) => health::run(&args, &layers).await,
            Self::Sandbox(args) => sandbox::run(&args, &layers).await,
            Self::Completions(args) => completions::run(&args, &mut Cli::command()),
            Self::Man(args) => man::run(&args, Cli::command()),
        }
    }
}

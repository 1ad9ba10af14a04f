//! The command line: its grammar, its exit codes, its errors.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use flowhook::service::{Broken, StartError};
use flowhook::settings::Problems;
use flowhook::tenant::{Failure, Kind};
use tracing_subscriber::filter::{LevelFilter, Targets};

/// Carries signed configuration webhooks into live NICE CXone flows.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Settings come from a TOML file, a .env file and the environment; see the README.

Exit codes: 0 done, 64 bad usage or settings, 65 bad input (payload, unknown flow or node),
69 tenant or service unreachable, 75 try again later, 77 credentials or permission, 1 anything else.")]
pub(crate) struct Cli {
    /// The settings file (TOML); also FLOWHOOK_CONFIG
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Receive webhooks and publish what they ask for
    #[command(after_help = "Examples:
  flowhook serve                      with settings from the environment
  flowhook --config flowhook.toml serve
  flowhook serve --sandbox            no settings: with a practice tenant, and a snippet to paste")]
    Serve(ServeArgs),
    /// Show the whole path once, with a practice tenant on free ports
    Demo,
    /// Set variables of a node now, without a webhook
    #[command(after_help = "Examples:
  flowhook apply                                      fetch EXTERNAL_API_URL, set what it says
  flowhook apply --set routing_priority=high --dry-run
  flowhook apply --flow ID --node ID --set 'retries:=3' --set note=hello
  jq .values config.json | flowhook apply --from -")]
    Apply(ApplyArgs),
    /// List a flow's nodes and their variables
    #[command(after_help = "Examples:
  flowhook nodes a1b2c3d4-0001-4000-8000-000000000001
  flowhook nodes FLOW --json | jq '.nodes[].id'")]
    Nodes(NodesArgs),
}

impl Command {
    /// What is logged unless a setting says otherwise: the service tells what it does, the others only what
    /// goes wrong.
    pub(crate) fn log(&self) -> Targets {
        Targets::new().with_default(match self {
            Self::Serve(_) => LevelFilter::INFO,
            Self::Demo | Self::Apply(_) | Self::Nodes(_) => LevelFilter::WARN,
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Start a practice tenant beside the service and publish there; needs no settings
    #[arg(long)]
    pub(crate) sandbox: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The flow; default CXONE_FLOW_ID
    #[arg(long, value_name = "ID")]
    pub(crate) flow: Option<String>,
    /// The node; default TARGET_NODE_ID
    #[arg(long, value_name = "ID")]
    pub(crate) node: Option<String>,
    /// A variable as NAME=VALUE (text, or the type the schema knows) or NAME:=JSON
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "from")]
    pub(crate) set: Vec<String>,
    /// Where to read an object of variables: a file, a URL, or - for standard input; default EXTERNAL_API_URL
    #[arg(long, value_name = "FILE|URL|-")]
    pub(crate) from: Option<String>,
    /// Replace the node's whole list, so that variables not named disappear
    #[arg(long)]
    pub(crate) replace: bool,
    /// Print how the document would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct NodesArgs {
    /// The flow's id
    pub(crate) flow: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The exit codes: those of `sysexits.h` that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Other = 1,
    Usage = 64,
    Input = 65,
    Unreachable = 69,
    TryLater = 75,
    Permission = 77,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed: an error with its causes, and the exit code it gives.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) exit: Exit,
    error: anyhow::Error,
}

impl Fault {
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, anyhow::anyhow!("{message}"))
    }

    pub(crate) fn input(message: impl fmt::Display) -> Self {
        Self::new(Exit::Input, anyhow::anyhow!("{message}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut causes = self.error.chain();
        if let Some(error) = causes.next() {
            write!(f, "{error}")?;
        }
        causes.try_for_each(|cause| write!(f, "\n  because: {cause}"))
    }
}

impl From<Problems> for Fault {
    fn from(problems: Problems) -> Self {
        Self::new(Exit::Usage, problems)
    }
}

impl From<StartError> for Fault {
    fn from(error: StartError) -> Self {
        Self::new(Exit::Other, error)
    }
}

impl From<Broken> for Fault {
    fn from(error: Broken) -> Self {
        Self::new(Exit::Other, error)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        let exit = match failure.kind {
            Kind::Conflict | Kind::Throttled | Kind::GateClosed => Exit::TryLater,
            Kind::Refused | Kind::NoSuchFlow => Exit::Input,
            Kind::Forbidden | Kind::Credentials => Exit::Permission,
            Kind::Odd | Kind::Broken => Exit::Unreachable,
        };
        Self::new(exit, failure)
    }
}

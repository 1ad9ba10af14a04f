//! The command line: its grammar, its exit codes, its errors.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use flowhook::service::{Broken, StartError};
use flowhook::settings::Problems;
use flowhook::tenant::{Failure, Kind};
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::commands::{apply, health, nodes, send, serve, sign};

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
    Serve(serve::Args),
    /// Show the whole path once, with a practice tenant on free ports
    Demo,
    /// Set variables of a node now, without a webhook
    Apply(apply::Args),
    /// List a flow's nodes and their variables
    Nodes(nodes::Args),
    /// Print the headers that make a file a signed webhook
    Sign(sign::Args),
    /// Sign files, post them and follow what becomes of them
    Send(send::Args),
    /// Ask whether the service on this machine is well
    Health(health::Args),
}

impl Command {
    /// What is logged unless a setting says otherwise: the service tells what it does, the others only what
    /// goes wrong.
    pub(crate) fn log(&self) -> Targets {
        Targets::new().with_default(match self {
            Self::Serve(_) => LevelFilter::INFO,
            Self::Demo
            | Self::Apply(_)
            | Self::Nodes(_)
            | Self::Sign(_)
            | Self::Send(_)
            | Self::Health(_) => LevelFilter::WARN,
        })
    }
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

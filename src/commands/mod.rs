//! The commands, one file each.

pub(crate) mod apply;
mod demo;
pub(crate) mod health;
mod listener;
pub(crate) mod nodes;
mod practice;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod sign;
mod signing;

use std::io::{self, IsTerminal as _};

use flowhook::change::FlowId;
use flowhook::flow::Document;
use flowhook::settings::Layers;
use flowhook::tenant::{Failure, Kind, Pass, Tenant};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cli::{Command, Exit, Fault};

/// Runs a command to its end.
pub(crate) async fn run(command: Command, layers: Layers) -> Result<(), Fault> {
    match command {
        Command::Serve(args) => serve::run(&args, layers).await,
        Command::Demo => demo::run(&layers).await,
        Command::Apply(args) => apply::run(args, &layers).await,
        Command::Nodes(args) => nodes::run(&args, &layers).await,
        Command::Sign(args) => sign::run(args, &layers),
        Command::Send(args) => send::run(args, &layers).await,
        Command::Health(args) => health::run(&args, &layers).await,
    }
}

/// Logs go to standard error, so that standard output is the command's own.
pub(crate) fn begin_log(filter: Targets) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry().with(lines).with(filter).init();
}

/// A tenant for a command that does one thing and does not wait.
struct OneShot {
    tenant: Tenant,
    pass: Pass,
}

impl OneShot {
    fn new(settings: flowhook::tenant::Settings) -> Result<Self, Fault> {
        let tenant = Tenant::new(settings).map_err(|error| Fault::new(Exit::Other, error))?;
        let closed = |_wait| Fault::new(Exit::TryLater, anyhow::anyhow!("the tenant's gate is closed"));
        let pass = tenant.gate().admit().map_err(closed)?;
        Ok(Self { tenant, pass })
    }

    async fn read(&mut self, flow: &FlowId) -> Result<Document, Fault> {
        let text = self.tenant.read(&mut self.pass, flow).await?;
        Document::parse(text).map_err(|error| {
            let context = format!("flow `{flow}` cannot be read: check that CXONE_BASE_URL is the flow API");
            Fault::new(Exit::Unreachable, anyhow::Error::new(error).context(context))
        })
    }

    async fn write(&mut self, flow: &FlowId, document: String) -> Result<flowhook::tenant::Written, Failure> {
        self.tenant.write(&mut self.pass, flow, document).await
    }
}

/// Whether another read and PUT may help after this failure of a PUT.
fn is_worth_another_try(failure: &Failure) -> bool {
    failure.kind == Kind::Conflict || failure.may_have_landed
}

fn flow_id(text: &str) -> Result<FlowId, Fault> {
    FlowId::parse(text).map_err(Fault::input)
}

/// Writes to standard output; a reader that has gone away (`| head`) is no fault.
fn print(text: &str) -> Result<(), Fault> {
    use io::Write as _;
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Fault::new(Exit::Other, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

//! The commands, one file each: those that [`crate::cli`] names. The other files are what several of them share.

mod admin_api;
pub(crate) mod apply;
pub(crate) mod changes;
pub(crate) mod check;
mod chosen;
pub(crate) mod completions;
mod delivering;
pub(crate) mod demo;
pub(crate) mod discard;
pub(crate) mod drift;
pub(crate) mod explain;
mod fault;
pub(crate) mod health;
mod input;
mod listener;
pub(crate) mod log;
pub(crate) mod man;
pub(crate) mod nodes;
pub(crate) mod pause;
mod pausing;
mod practice;
mod preflight;
mod reloading;
pub(crate) mod resume;
pub(crate) mod retry;
pub(crate) mod rollback;
pub(crate) mod sandbox;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod sign;
mod signals;
mod signing;

use std::io;

use flowhook::change::FlowId;
use flowhook::flow::Document;
use flowhook::tenant::{Failure, Kind, Pass, Tenant};

use crate::exit::{Exit, Failed};

/// A tenant for a command that does one thing and does not wait.
struct OneShot {
    tenant: Tenant,
    pass: Pass,
}

impl OneShot {
    fn new(settings: flowhook::tenant::Settings) -> Result<Self, Failed> {
        let tenant = Tenant::new(settings).map_err(|error| Failed::new(Exit::Other, error))?;
        let closed = |_wait| Failed::new(Exit::TryLater, anyhow::anyhow!("the tenant's gate is closed"));
        let pass = tenant.gate().admit().map_err(closed)?;
        Ok(Self { tenant, pass })
    }

    async fn read(&mut self, flow: &FlowId) -> Result<Document, Failed> {
        let text = self.tenant.read(&mut self.pass, flow).await?;
        Document::parse(text).map_err(|error| {
            let context = format!("flow `{flow}` cannot be read: check that CXONE_BASE_URL is the flow API");
            Failed::new(Exit::Unreachable, anyhow::Error::new(error).context(context))
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

fn flow_id(text: &str) -> Result<FlowId, Failed> {
    FlowId::parse(text).map_err(Failed::input)
}

/// A document of ours as JSON.
fn told<T: serde::Serialize>(document: &T) -> Result<String, Failed> {
    serde_json::to_string(document).map_err(|error| Failed::new(Exit::Other, error))
}

/// Writes to standard output, in colour if that is a terminal and nothing speaks against it (`NO_COLOR`).
fn print_styled(text: &str) -> Result<(), Failed> {
    write(&mut anstream::stdout(), text)
}

/// Writes to standard output; a reader that has gone away (`| head`) is no fault.
fn print(text: &str) -> Result<(), Failed> {
    write(&mut io::stdout(), text)
}

fn write(out: &mut impl io::Write, text: &str) -> Result<(), Failed> {
    match writeln!(out, "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failed::new(Exit::Other, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

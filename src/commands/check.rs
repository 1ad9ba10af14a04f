//! `flowhook check`: whether the service would start and reach what it must, and what to mend.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use flowhook::journal::{Found, Journal, JournalError, Location};
use flowhook::route;
use flowhook::settings::{Layers, Settings};
use flowhook::source::Source;
use flowhook::tenant::Tenant;
use serde_json::json;
use tokio::net::TcpListener;

use super::health;
use super::preflight::{self, Finding, Verdict};
use super::{print, print_styled};
use crate::exit::{Exit, Failed};

/// How long the tenant and the configuration API are looked at.
const PREFLIGHT: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
#[command(
    after_help = "It only looks. After a crash the journal is recovered by that, as the service would; and for a moment
the journal and the addresses are held, so do not start the service in that very moment.

The exit code is that of the first thing that failed: 64 settings, 65 unknown flow or node,
69 unreachable, 75 try again later, 77 credentials or permission, 1 journal or address.

Examples:
  flowhook check
  flowhook --config flowhook.toml check
  flowhook check --json | jq '.findings[] | select(.verdict == \"failed\")'"
)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, layers: &Layers) -> Result<(), Failed> {
    let mut report = Report { as_json: args.json, findings: Vec::new(), unprinted: None };
    match Settings::service(layers) {
        Ok(settings) => look(settings, layers, &mut report).await?,
        Err(problems) => {
            let failed = Verdict::Failed { exit_code: Exit::Usage };
            problems.iter().for_each(|problem| report.add(Finding::new("settings", failed, problem)));
        }
    }
    report.end()
}

async fn look(settings: Settings, layers: &Layers, report: &mut Report) -> Result<(), Failed> {
    report.add(Finding::new("settings", Verdict::Ok, "complete and well-formed"));
    for text in &settings.warnings {
        report.add(Finding::new("settings", Verdict::Warning, text));
    }
    for source in settings.sources.iter() {
        report.add(of_source(source, &settings.routes));
    }
    let journal = Journal::look(&settings.journal).await;
    // With these settings, only if it has their journal too.
    let running = match journal {
        Err(JournalError::Locked { .. }) => health::running(layers).await,
        Ok(_) | Err(_) => None,
    };
    report.add(of_journal(&settings.journal, journal, running.is_some()));
    let webhooks = running.as_ref().is_some_and(|running| running.webhooks == settings.listen);
    report.add(listener("FLOWHOOK_LISTEN", settings.listen, webhooks).await);
    report.add(listener("FLOWHOOK_ADMIN_LISTEN", settings.admin.listen, running.is_some()).await);
    let tenant = Tenant::new(settings.tenant).map_err(|error| Failed::new(Exit::Other, error))?;
    let preflight = preflight::whole(&tenant, &settings.routes, |finding| report.add(finding));
    if tokio::time::timeout(PREFLIGHT, preflight).await.is_err() {
        let why = "the tenant is slow, or CXONE_REQUESTS_PER_MINUTE is small";
        let what =
            format!("the rest was not looked at within {} s: {why}; try again later", PREFLIGHT.as_secs());
        report.add(Finding::new("tenant", Verdict::Failed { exit_code: Exit::TryLater }, what));
    }
    Ok(())
}

/// What was found: printed at once, unless it is to be one document.
struct Report {
    as_json: bool,
    findings: Vec<Finding>,
    /// Why the findings could not be printed.
    unprinted: Option<Failed>,
}

impl Report {
    fn add(&mut self, finding: Finding) {
        if !self.as_json && self.unprinted.is_none() {
            self.unprinted = print_styled(&line(&finding)).err();
        }
        self.findings.push(finding);
    }

    fn end(self) -> Result<(), Failed> {
        let failed = |finding: &Finding| match finding.verdict {
            Verdict::Failed { exit_code } => Some(exit_code),
            Verdict::Ok | Verdict::Warning | Verdict::Skipped => None,
        };
        let failures: Vec<Exit> = self.findings.iter().filter_map(failed).collect();
        if self.as_json {
            print(&json!({"ok": failures.is_empty(), "findings": self.findings}).to_string())?;
        }
        match (self.unprinted, failures.as_slice()) {
            (Some(fault), _) => Err(fault),
            (None, []) => Ok(()),
            (None, [first, others @ ..]) => {
                let hint = if others.is_empty() { "mend it" } else { "mend the first one first" };
                let told = format!("{} of {} checks failed: {hint}", failures.len(), self.findings.len());
                Err(Failed::new(*first, anyhow::anyhow!(told)).with_document(self.as_json))
            }
        }
    }
}

fn line(Finding { subject, verdict, message }: &Finding) -> String {
    let (word, style) = match verdict {
        Verdict::Ok => ("ok", AnsiColor::Green.on_default()),
        Verdict::Warning => ("warning", AnsiColor::Yellow.on_default()),
        Verdict::Failed { .. } => ("failed", AnsiColor::Red.on_default().bold()),
        Verdict::Skipped => ("skipped", Style::new().dimmed()),
    };
    format!("{style}{word:<7}{style:#}  {subject}: {message}")
}

/// Where its deliveries come, and to what they go.
fn of_source(source: &Source, routes: &route::Settings) -> Finding {
    let (name, terms) = (source.name(), source.terms());
    let ours = routes.routes.iter().filter(|route| route.sources().any(|source| source == &**name));
    let ours: Vec<&str> = ours.map(|route| &**route.name()).collect();
    let to = match ours.as_slice() {
        [] => "the built-in routes".to_owned(),
        [one] => format!("route {one}"),
        several => format!("routes {}", several.join(", ")),
    };
    let message = format!("{} /hooks/{name} by `{}`, for {to}", terms.allow(), source.scheme().name());
    Finding::new(format!("source {name}"), Verdict::Ok, message)
}

fn of_journal(location: &Location, found: Result<Found, JournalError>, is_running: bool) -> Finding {
    let subject = format!("journal {}", location.path().display());
    match found {
        Ok(Found::Nothing) => Finding::new(subject, Verdict::Ok, "not there yet, and can be made"),
        Ok(Found::Journal { pending }) => {
            Finding::new(subject, Verdict::Ok, format!("can be opened; {pending} changes are pending"))
        }
        Err(JournalError::Locked { .. }) if is_running => {
            Finding::new(subject, Verdict::Ok, "in use by the flowhook that is running")
        }
        Err(error) => Finding::failed(subject, &Failed::new(Exit::Other, error)),
    }
}

async fn listener(variable: &'static str, address: SocketAddr, is_running: bool) -> Finding {
    let subject = format!("{variable} {address}");
    match TcpListener::bind(address).await {
        Ok(_dropped) => Finding::new(subject, Verdict::Ok, "free"),
        Err(error) if is_running && error.kind() == io::ErrorKind::AddrInUse => {
            Finding::new(subject, Verdict::Ok, "in use by the flowhook that is running")
        }
        Err(source) => {
            let error = flowhook::service::StartError::Listen { address, variable, source };
            Finding::failed(subject, &error.into())
        }
    }
}

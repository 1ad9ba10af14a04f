//! `flowhook check`: whether the service would start and reach what it must, and what to mend.

use std::io;
use std::net::SocketAddr;

use anstyle::{AnsiColor, Style};
use flowhook::journal::{Found, Journal, JournalError, Location};
use flowhook::settings::{Layers, Settings};
use flowhook::tenant::Tenant;
use serde_json::json;
use tokio::net::TcpListener;

use super::health;
use super::preflight::{self, Finding, Verdict};
use super::{print, print_styled};
use crate::exit::{Exit, Failed};

#[derive(Debug, clap::Args)]
#[command(after_help = "Nothing is written: not to the tenant, not to the journal.

The exit code is that of the first thing that failed: 64 settings, 65 unknown flow or node,
69 unreachable, 75 try again later, 77 credentials or permission, 1 journal or address.

Examples:
  flowhook check
  flowhook --config flowhook.toml check
  flowhook check --json | jq '.findings[] | select(.verdict == \"failed\")'")]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, layers: &Layers) -> Result<(), Failed> {
    let findings = match Settings::service(layers) {
        Ok(settings) => look(settings, layers).await?,
        Err(problems) => {
            let failed = Verdict::Failed { exit_code: Exit::Usage };
            problems.iter().map(|problem| Finding::new("settings", failed, problem)).collect()
        }
    };
    if args.json {
        print(&json!({"ok": first_failure(&findings).is_none(), "findings": findings}).to_string())?;
    } else {
        show(&findings)?;
    }
    match first_failure(&findings) {
        None => Ok(()),
        Some(exit) => {
            Err(Failed::new(exit, anyhow::anyhow!("{}", verdict(&findings))).with_document(args.json))
        }
    }
}

fn first_failure(findings: &[Finding]) -> Option<Exit> {
    findings.iter().find_map(|finding| match finding.verdict {
        Verdict::Failed { exit_code } => Some(exit_code),
        Verdict::Ok | Verdict::Warning | Verdict::Skipped => None,
    })
}

fn verdict(findings: &[Finding]) -> String {
    let failed = findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Failed { .. })).count();
    format!(
        "{failed} of {} checks failed: mend the first one first, others may follow from it",
        findings.len()
    )
}

async fn look(settings: Settings, layers: &Layers) -> Result<Vec<Finding>, Failed> {
    let mut findings = vec![Finding::new("settings", Verdict::Ok, "complete and well-formed")];
    findings.extend(settings.warnings.iter().map(|text| Finding::new("settings", Verdict::Warning, text)));
    // Then the journal and the addresses are taken by itself.
    let is_running = health::is_healthy(layers).await;
    findings.push(journal(&settings.journal, is_running).await);
    let listeners = [("FLOWHOOK_LISTEN", settings.listen), ("FLOWHOOK_ADMIN_LISTEN", settings.admin.listen)];
    for (variable, address) in listeners {
        findings.push(listener(variable, address, is_running).await);
    }
    let tenant = Tenant::new(settings.tenant).map_err(|error| Failed::new(Exit::Other, error))?;
    findings.extend(preflight::look(&tenant, &settings.routes).await);
    Ok(findings)
}

async fn journal(location: &Location, is_running: bool) -> Finding {
    let subject = format!("journal {}", location.path().display());
    match Journal::look(location).await {
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

fn show(findings: &[Finding]) -> Result<(), Failed> {
    let mut text = String::new();
    for Finding { subject, verdict, message } in findings {
        let (word, style) = match verdict {
            Verdict::Ok => ("ok", AnsiColor::Green.on_default()),
            Verdict::Warning => ("warning", AnsiColor::Yellow.on_default()),
            Verdict::Failed { .. } => ("failed", AnsiColor::Red.on_default().bold()),
            Verdict::Skipped => ("skipped", Style::new().dimmed()),
        };
        text.push_str(&format!("{style}{word:<7}{style:#}  {subject}: {message}\n"));
    }
    print_styled(text.trim_end())
}

//! `flowhook health`: whether the service on this machine is well, for a container's health check.

use std::net::SocketAddr;
use std::time::Duration;

use flowhook::http::{self, root_cause};
use flowhook::settings::{Layers, Settings};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::listener::{base_url, detail};
use super::print;
use crate::exit::{Exit, Failed};

/// How long the answer may take, its body included.
const WITHIN: Duration = Duration::from_secs(2);
/// The longest answer that is read, in bytes.
const ANSWER_BYTES: usize = 16 * 1_024;

#[derive(Debug, clap::Args)]
#[command(after_help = "Needs no setting but FLOWHOOK_ADMIN_LISTEN, and waits for at most 2 s.
Exit codes: 0 well; 1 not, whatever the reason, since container runtimes know no others.

Examples:
  flowhook health
  flowhook health --ready --json
  HEALTHCHECK CMD [\"flowhook\", \"health\"]      in a container file")]
pub(crate) struct Args {
    /// Ask whether it can accept deliveries, not only whether it lives
    #[arg(long)]
    ready: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, layers: &Layers) -> Result<(), Failed> {
    let probe = if args.ready { Probe::READY } else { Probe::HEALTHY };
    let asked = probe.ask(layers).await;
    if args.json {
        let reason = asked.as_ref().err();
        print(&json!({"status": probe.status(reason.is_none()), "reason": reason}).to_string())?;
    } else if asked.is_ok() {
        print(probe.status(true))?;
    }
    asked
        .map(drop)
        .map_err(|reason| Failed::new(Exit::Other, anyhow::anyhow!(reason)).with_document(args.json))
}

/// What a running flowhook tells of itself.
#[derive(Deserialize)]
pub(super) struct Running {
    /// Where it receives webhooks.
    pub(super) webhooks: SocketAddr,
}

/// The flowhook that answers at the admin address of these settings, if one does.
pub(super) async fn running(layers: &Layers) -> Option<Running> {
    let answer = Probe::HEALTHY.ask(layers).await.ok()?;
    serde_json::from_str(&answer).ok()
}

/// A question to the admin listener.
struct Probe {
    path: &'static str,
    /// Whether this answer with 200 is the service's own.
    is_ours: fn(&Value) -> bool,
    well: &'static str,
    unwell: &'static str,
}

impl Probe {
    const HEALTHY: Self = Self {
        path: "/healthz",
        is_ours: |answer| answer["service"] == env!("CARGO_PKG_NAME"),
        well: "healthy",
        unwell: "unhealthy",
    };
    const READY: Self = Self {
        path: "/readyz",
        is_ours: |answer| answer["status"] == "ready",
        well: "ready",
        unwell: "not ready",
    };

    fn status(&self, is_well: bool) -> &'static str {
        if is_well { self.well } else { self.unwell }
    }

    /// Asks; the answer, or why the service is not well.
    async fn ask(&self, layers: &Layers) -> Result<String, String> {
        let listen = Settings::admin_listen(layers).map_err(|problems| problems.to_string())?;
        let base_url = base_url("FLOWHOOK_ADMIN_LISTEN", listen).map_err(|problems| problems.to_string())?;
        let url = format!("{base_url}{}", self.path);
        let (status, answer) = get(&url).await?;
        let is_ours = serde_json::from_str(&answer).is_ok_and(|answer| (self.is_ours)(&answer));
        match (status, detail(&answer)) {
            (StatusCode::OK, _) if is_ours => Ok(answer),
            (StatusCode::SERVICE_UNAVAILABLE, Some(detail)) => Err(format!("the service says: {detail}")),
            _ => Err(format!(
                "what answers at `{url}` ({status}) is not flowhook: set FLOWHOOK_ADMIN_LISTEN to where it listens"
            )),
        }
    }
}

async fn get(url: &str) -> Result<(StatusCode, String), String> {
    let client = http::direct_client().map_err(|error| format!("no HTTP client can be made: {error}"))?;
    let answer = client.get(url).timeout(WITHIN).send().await.map_err(|error| {
        let what = if error.is_timeout() {
            format!("nothing answers at `{url}` within {} s", WITHIN.as_secs())
        } else {
            format!("nothing answers at `{url}`: {}", root_cause(&error))
        };
        format!("{what}; see whether `flowhook serve` runs, and with this FLOWHOOK_ADMIN_LISTEN")
    })?;
    let status = answer.status();
    let text = http::text(answer, ANSWER_BYTES).await;
    Ok((status, text.map_err(|error| format!("`{url}` gives no proper answer: {error}"))?))
}

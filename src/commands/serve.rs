//! `flowhook serve`: the service, until it is told to stop.

use std::io;

use flowhook::clock::Clock;
use flowhook::journal::Purpose;
use flowhook::sandbox::{self, Sandbox};
use flowhook::service::Service;
use flowhook::settings::{Followed, Layers};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::log::LogFilter;
use super::preflight::{self, Finding, Verdict};
use super::signals::{Hangups, Signals};
use super::{practice, print, reloading};
use crate::exit::{Exit, Failed};

/// The settings that also hold for practice. Above all not the journal: what is pending in a real one would
/// be published into the practice tenant, and be lost to the real one.
const KEPT: [&str; 6] = [
    "FLOWHOOK_LISTEN",
    "FLOWHOOK_ADMIN_LISTEN",
    "FLOWHOOK_QUEUE_CAPACITY",
    "FLOWHOOK_LOG",
    "EXTERNAL_API_URL",
    "CXONE_REQUESTS_PER_MINUTE",
];

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flowhook serve                      with settings from the environment
  flowhook --config flowhook.toml serve
  flowhook serve --sandbox            no settings: with a practice tenant, and a snippet to paste
  flowhook serve --observe            for the first week: what would be published is told, and nothing is")]
pub(crate) struct Args {
    /// Start a practice tenant beside the service and publish there; needs no settings
    #[arg(long)]
    sandbox: bool,
    /// Publish nothing: each change ends as discarded, with what would have been published as its reason
    #[arg(long)]
    observe: bool,
}

pub(crate) async fn run(args: &Args, mut layers: Layers, log: LogFilter) -> Result<(), Failed> {
    // Before anything else: a signal that comes while the service starts must not kill it half-way.
    let not_heard = |error: io::Error| Failed::new(Exit::Other, error);
    let mut signals = Signals::listen().map_err(not_heard)?;
    let mut hangups = Hangups::listen().map_err(not_heard)?;
    // Dropped at the end: the practice tenant and its folder live as long as the service.
    let practice = if args.sandbox { Some(Practice::begin(&mut layers).await?) } else { None };
    let is_first_contact = layers.is_empty();
    let (mut settings, followed) = Followed::begin(layers).map_err(|mut problems| {
        if is_first_contact {
            problems.add("(to try flowhook without any settings: flowhook serve --sandbox)");
        }
        problems
    })?;
    if args.observe {
        settings.purpose = Purpose::Observe;
    }
    let routes = settings.routes.clone();
    let mut service = Service::start(settings, Clock::system()).await?;
    // The service accepts whatever the tenant does; what is amiss is told.
    service.beside(
        async move |tenant| preflight::brief(&tenant, &routes).await,
        |findings| findings.iter().for_each(tell),
    );
    if let Some(practice) = &practice {
        print(&practice.snippet(&service))?;
    }
    let reloading = service.reloading();
    let following = async {
        match &practice {
            None => reloading::follow(followed, reloading, log, &mut hangups).await,
            Some(_) => practise(&mut hangups).await,
        }
    };
    let stop = CancellationToken::new();
    let mut running = std::pin::pin!(service.run(stop.clone().cancelled_owned()));
    tokio::select! {
        ended = &mut running => return Ok(ended?),
        () = signals.next() => stop.cancel(),
        () = following => {}
    }
    tokio::select! {
        ended = &mut running => Ok(ended?),
        // Whoever asks twice does not want to wait for the drain; the journal bears it as it bears a crash.
        () = signals.next() => Err(Failed::new(
            Exit::Other,
            anyhow::anyhow!(
                "a second signal ended the service at once; what is journaled is safe, and the next start goes on with it"
            ),
        )),
    }
}

/// The settings of a practice tenant are those of its start.
async fn practise(hangups: &mut Hangups) {
    loop {
        hangups.next().await;
        tracing::warn!("settings are not read again with --sandbox: restart to have them taken");
    }
}

/// Says at the start what would otherwise be found out with the first event.
fn tell(Finding { subject, verdict, message }: &Finding) {
    match verdict {
        Verdict::Ok | Verdict::Skipped => tracing::info!("{subject}: {message}"),
        Verdict::Warning => tracing::warn!("{subject}: {message}"),
        Verdict::Failed { .. } => {
            tracing::warn!("changes would wait or fail: {subject}: {message}");
        }
    }
}

/// A practice tenant beside the service.
struct Practice {
    /// What points other commands at the tenant.
    access: practice::Access,
    /// The tenant itself.
    _sandbox: Sandbox,
    /// The journal's folder.
    _folder: TempDir,
}

impl Practice {
    async fn begin(layers: &mut Layers) -> Result<Self, Failed> {
        let other = |error: io::Error| Failed::new(Exit::Other, error);
        let sandbox = Sandbox::start(sandbox::Settings::default()).await.map_err(other)?;
        let samples: Vec<_> =
            (1..=practice::FLOWS).map(|number| practice::Flow::sample(number, None)).collect();
        for flow in &samples {
            sandbox.add_flow(&flow.id, &flow.text).map_err(|error| Failed::new(Exit::Other, error))?;
        }
        let access = practice::Access::new(&sandbox, &samples);
        let folder = tempfile::tempdir().map_err(other)?;
        layers.keep_only(&KEPT);
        practice::point_at(layers, &sandbox);
        layers.set("FLOWHOOK_WEBHOOK_SECRET", practice::SECRET.to_owned());
        layers.set("CXONE_FLOW_ID", practice::FLOW.to_owned());
        layers.set("TARGET_NODE_ID", practice::NODE.to_owned());
        layers.set("FLOWHOOK_JOURNAL", format!("sqlite:{}/flowhook.db", folder.path().display()));
        Ok(Self { access, _sandbox: sandbox, _folder: folder })
    }

    /// What to paste: a signed delivery, and what points other commands at the practice tenant.
    fn snippet(&self, service: &Service) -> String {
        format!(
            r#"
flowhook is ready, with a practice tenant. Paste this into another terminal, as often as you like:

body='{event}'
id=msg_$(openssl rand -hex 12)
timestamp=$(date +%s)
key=$(printf %s {secret} | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
signature=$(printf %s "$id.$timestamp.$body" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)
curl -sS -i "http://{address}/hooks/config" -H "webhook-id: $id" -H "webhook-timestamp: $timestamp" \
  -H "webhook-signature: v1,$signature" --data-binary "$body"

Then see what became of it:

curl -sS "http://{admin}/api/changes"

In a clone of the repository, a script does the same with any file, and keeps the secret out of openssl's
arguments, where other users of the machine could read it:

FLOWHOOK_URL=http://{address}/hooks/config FLOWHOOK_WEBHOOK_SECRET={full_secret} fixtures/replay.sh fixtures/events/full.json

Other commands reach the practice tenant with these exports:

{exports}
{program} nodes {flow}
"#,
            program = program(),
            full_secret = practice::SECRET,
            event = practice::EVENT.trim_end(),
            secret = practice::SECRET.trim_start_matches("whsec_"),
            address = service.address,
            admin = service.admin_address,
            exports = self.access.exports(),
            flow = practice::FLOW,
        )
    }
}

/// This program as a shell finds it from anywhere: a newcomer has not installed it yet.
fn program() -> String {
    let path = std::env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok());
    practice::quoted(&path.unwrap_or_else(|| "flowhook".to_owned()))
}

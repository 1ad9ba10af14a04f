//! `flowhook serve`: the service, until it is told to stop.

use std::io;

use flowhook::clock::Clock;
use flowhook::sandbox::{self, Sandbox, sample_flow};
use flowhook::service::Service;
use flowhook::settings::{Layers, Settings};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use super::{practice, print};
use crate::cli::{Exit, Fault, ServeArgs};

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

pub(super) async fn run(args: &ServeArgs, mut layers: Layers) -> Result<(), Fault> {
    // Before anything else: a signal that comes while the service starts must not kill it half-way.
    let stop = stop_signal().map_err(|error| Fault::new(Exit::Other, error))?;
    // Dropped at the end: the practice tenant and its folder live as long as the service.
    let practice = if args.sandbox { Some(Practice::begin(&mut layers).await?) } else { None };
    let service = Service::start(Settings::service(&layers)?, Clock::system()).await?;
    if let Some(practice) = &practice {
        print(&practice.snippet(&service))?;
    }
    service.run(stop).await?;
    Ok(())
}

/// Resolves at SIGINT or SIGTERM.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// A practice tenant beside the service.
struct Practice {
    sandbox: Sandbox,
    /// The journal's folder.
    _folder: TempDir,
}

impl Practice {
    async fn begin(layers: &mut Layers) -> Result<Self, Fault> {
        let other = |error: io::Error| Fault::new(Exit::Other, error);
        let sandbox = Sandbox::start(sandbox::Settings::default()).await.map_err(other)?;
        let flow = sample_flow(practice::FLOW, "Inbound sales");
        sandbox.add_flow(practice::FLOW, &flow).map_err(|error| Fault::new(Exit::Other, error))?;
        let folder = tempfile::tempdir().map_err(other)?;
        layers.keep_only(&KEPT);
        practice::point_at(layers, &sandbox);
        layers.set("FLOWHOOK_WEBHOOK_SECRET", practice::SECRET.to_owned());
        layers.set("FLOWHOOK_JOURNAL", format!("sqlite:{}/flowhook.db", folder.path().display()));
        Ok(Self { sandbox, _folder: folder })
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

Other commands reach the practice tenant with these exports:

export CXONE_BASE_URL={base_url} CXONE_CLIENT_ID={client_id} CXONE_CLIENT_SECRET={client_secret}
export CXONE_FLOW_ID={flow} TARGET_NODE_ID={node}
flowhook nodes {flow}
"#,
            event = practice::EVENT.trim_end(),
            secret = practice::SECRET.trim_start_matches("whsec_"),
            address = service.address,
            admin = service.admin_address,
            base_url = self.sandbox.base_url(),
            client_id = self.sandbox.client_id(),
            client_secret = self.sandbox.client_secret(),
            flow = practice::FLOW,
            node = practice::NODE,
        )
    }
}

//! `flowhook demo`: the whole path once, on free ports, with nothing left behind.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use flowhook::clock::Clock;
use flowhook::sandbox::{self, Sandbox, sample_flow};
use flowhook::service::Service;
use flowhook::settings::{Layers, Settings};
use flowhook::source::{Scheme, Secret};
use jiff::Timestamp;
use serde_json::Value;

use super::{practice, print};
use crate::exit::{Exit, Fault};

/// The variables that the event sets.
const VARIABLES: [&str; 3] = ["routing_priority", "queue_target", "max_wait_time_seconds"];
/// How long the change may take to be published.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the journal is asked meanwhile.
const EVERY: Duration = Duration::from_millis(5);

pub(crate) async fn run(layers: &Layers) -> Result<(), Fault> {
    Settings::log(layers)?;
    demo().await.map_err(|error| Fault::new(Exit::Other, error))
}

async fn demo() -> anyhow::Result<()> {
    say("flowhook demo: one webhook from its signature to the live flow, all on this machine\n");
    let sandbox = Sandbox::start(sandbox::Settings::default()).await?;
    let before = sample_flow(practice::FLOW, "Inbound sales");
    sandbox.add_flow(practice::FLOW, &before)?;
    say(&format!("1. A practice tenant with one flow runs at {}", sandbox.base_url()));

    let folder = tempfile::tempdir()?;
    let journal = format!("sqlite:{}/flowhook.db", folder.path().display());
    let mut layers = Layers::of([
        ("FLOWHOOK_LISTEN", "127.0.0.1:0"),
        ("FLOWHOOK_ADMIN_LISTEN", "127.0.0.1:0"),
        ("FLOWHOOK_JOURNAL", journal.as_str()),
        ("FLOWHOOK_WEBHOOK_SECRET", practice::SECRET),
    ]);
    practice::point_at(&mut layers, &sandbox);
    let service = Service::start(Settings::service(&layers)?, Clock::system()).await?;
    say(&format!("2. The service receives webhooks at http://{}/hooks/config", service.address));
    show("3. Before", &sandbox);

    let id = format!("msg_demo_{}", Timestamp::now().as_millisecond());
    let sent = Instant::now();
    let answer = deliver(&service, &id).await?;
    say(&format!(
        "4. The event of fixtures/events/full.json, signed, is delivered as {id}\n   answer: {answer}"
    ));
    let change = ending(&service, &id).await?;
    ensure!(change["state"] == "published", "the change ended as {change}");
    say(&format!(
        "5. Change {} is published as version {}, {} ms after it was sent",
        change["seq"],
        change["version"],
        sent.elapsed().as_millis()
    ));
    show("6. After", &sandbox);

    let puts = sandbox.record().put_diffs();
    let [put] = puts.as_slice() else { bail!("{} PUTs were made where one was due", puts.len()) };
    ensure!(put.changed.len() == VARIABLES.len(), "other variables changed: {:?}", put.changed);
    ensure!(put.collateral.is_empty(), "something else changed: {:?}", put.collateral);
    say(&format!(
        "7. All else is byte-identical: of the document's {} bytes the PUT changed the three values only",
        before.len()
    ));
    service.stop().await;
    sandbox.shutdown().await;
    say("\nNext: `flowhook serve --sandbox` keeps both running and prints a snippet to send webhooks with.");
    Ok(())
}

/// Signs the event and posts it; the status and body of the answer.
async fn deliver(service: &Service, id: &str) -> anyhow::Result<String> {
    let secret = Secret::parse(Scheme::STANDARD_WEBHOOKS, practice::SECRET)?;
    let headers =
        Scheme::STANDARD_WEBHOOKS.sign(&secret, id, Timestamp::now(), practice::EVENT.as_bytes())?;
    let url = format!("http://{}/hooks/config", service.address);
    let answer =
        flowhook::http::direct_client()?.post(url).headers(headers).body(practice::EVENT).send().await?;
    let status = answer.status();
    let text = flowhook::http::text(answer, 1024).await?;
    ensure!(status.is_success(), "the service answered {status}: {text}");
    Ok(format!("{status} {text}"))
}

/// The delivery's change, when it has ended.
async fn ending(service: &Service, id: &str) -> anyhow::Result<Value> {
    let url = format!("http://{}/api/deliveries/config/{id}", service.admin_address);
    let client = flowhook::http::direct_client()?;
    let asked = Instant::now();
    while asked.elapsed() < PATIENCE {
        let text = flowhook::http::text(client.get(&url).send().await?, 64 * 1024).await?;
        let mut delivery: Value = serde_json::from_str(&text)?;
        let change = delivery["changes"][0].take();
        if change["state"] != "pending" {
            return Ok(change);
        }
        tokio::time::sleep(EVERY).await;
    }
    bail!("the change was not published within {} s", PATIENCE.as_secs())
}

fn show(when: &str, sandbox: &Sandbox) {
    let version = sandbox.version(practice::FLOW).unwrap_or_default();
    say(&format!("{when}: flow {}, version {version}, node {}", practice::FLOW, practice::NODE));
    for name in VARIABLES {
        let value = sandbox.variable(practice::FLOW, practice::NODE, name).unwrap_or_default();
        say(&format!("     {name} = {value}"));
    }
}

fn say(line: &str) {
    // The demo goes on when nobody reads it any more.
    _ = print(line);
}

//! `flowhook demo`: the whole path once, on free ports, with nothing left behind.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use flowhook::change::State;
use flowhook::clock::Clock;
use flowhook::http::direct_client;
use flowhook::sandbox::{self, Sandbox, sample_flow};
use flowhook::service::Service;
use flowhook::settings::{Layers, SOURCE, Settings};
use jiff::Timestamp;
use reqwest::Client;

use super::delivering::{Admin, Delivery, Following, Posting};
use super::listener::Listener;
use super::{practice, print};
use crate::exit::{Exit, Failed};

/// The variables that the event sets.
const VARIABLES: [&str; 3] = ["routing_priority", "queue_target", "max_wait_time_seconds"];
/// How long the change may take to be published.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is delivered.
const EVENT: &str = "fixtures/events/full.json";

pub(crate) async fn run(layers: &Layers) -> Result<(), Failed> {
    Settings::log(layers)?;
    demo().await.map_err(|error| Failed::new(Exit::Other, error))
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

    let (here, sources) = (Here { service: &service, client: direct_client()? }, Settings::sources(&layers)?);
    let source = sources.find(SOURCE).expect("the settings always have this source");
    let id = format!("msg_demo_{}", Timestamp::now().as_millisecond());
    let sent = Instant::now();
    let posting = Posting::new(source, here.public());
    let delivery = well(posting.post(EVENT.to_owned(), id, practice::EVENT.into()).await)?;
    let Delivery { id: Some(id), status: Some(status), answer: Some(answer), .. } = &delivery else {
        bail!("the service's answer is empty");
    };
    say(&format!("4. The event of {EVENT}, signed, is delivered as {id}\n   answer: {status} {answer}"));
    let followed = well(Following::new(source.name(), here.admin()).follow(delivery).await)?;
    let published = followed.ending.changes().iter().find(|change| change.state() == State::Published);
    let Some(change) = published else { bail!("nothing was published: {}", followed.line()) };
    say(&format!(
        "5. Change {} is published as version {}, {} ms after it was sent",
        change.seq(),
        change.version().unwrap_or_default(),
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

/// The service as its senders reach it.
struct Here<'a> {
    service: &'a Service,
    client: Client,
}

impl Here<'_> {
    fn public(&self) -> Listener {
        self.listener(self.service.address, "FLOWHOOK_LISTEN")
    }

    fn admin(&self) -> Admin {
        let listener = self.listener(self.service.admin_address, "FLOWHOOK_ADMIN_LISTEN");
        Admin { listener, token: None, wait: PATIENCE }
    }

    fn listener(&self, address: SocketAddr, named_by: &'static str) -> Listener {
        Listener { base_url: format!("http://{address}"), named_by, client: self.client.clone() }
    }
}

/// A delivery that has come to no bad end yet.
fn well(delivery: Delivery) -> anyhow::Result<Delivery> {
    match delivery.problem() {
        Some(problem) => bail!("{problem}"),
        None => Ok(delivery),
    }
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

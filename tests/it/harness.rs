//! A world to test in: a whole service in the test's process, between a configuration system that signs
//! and delivers over HTTP and a practice tenant that is published to over HTTP, its journal on disk.
//!
//! Tests see what everybody sees: the answers to deliveries, the admin API, the tenant's flows and its
//! record of what was done to them. They wait for conditions, never for time to pass.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use flowhook::clock::Clock;
use flowhook::journal::{Journal, JournalError, Location, Purpose, Step, Write as _};
use flowhook::receiver;
use flowhook::route::{self, Definition, Route};
use flowhook::sandbox::{self, Call, Hold, SAMPLE_NODE, Sandbox, sample_flow};
use flowhook::service::{Service, StartError};
use flowhook::settings::{Layers, Settings};
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::config_api::ConfigApi;
use crate::event::{Event, SECRET, SOURCE, Sender, Told, event};
use crate::patience::{PATIENCE, eventually, patiently};

/// The flow that every world has.
pub(crate) const IVR: &str = "ivr";

/// A change, as the admin API shows it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Seen {
    pub(crate) seq: i64,
    pub(crate) delivery: String,
    pub(crate) flow: String,
    pub(crate) node: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) reason: String,
    #[serde(default)]
    version: Option<Box<RawValue>>,
    #[serde(default)]
    pub(crate) variables: Vec<SeenVariable>,
    #[serde(default)]
    pub(crate) order_key: Option<String>,
    /// The change that it rolls back.
    #[serde(default)]
    pub(crate) rolls_back: Option<i64>,
    /// The variables that it takes away.
    #[serde(default)]
    pub(crate) removes: Vec<String>,
}

/// A variable of a change.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SeenVariable {
    pub(crate) name: String,
    value: Box<RawValue>,
}

impl Seen {
    /// The version it is in, as it is spelt; empty if it is in none.
    pub(crate) fn version(&self) -> &str {
        self.version.as_ref().map_or("", |version| version.get())
    }
}

impl SeenVariable {
    /// The value as it is spelt.
    pub(crate) fn value(&self) -> &str {
        self.value.get()
    }
}

#[derive(Deserialize)]
struct Page {
    changes: Vec<Seen>,
    next_cursor: Option<i64>,
}

#[derive(Deserialize)]
struct SeenDelivery {
    changes: Vec<Seen>,
}

/// Everything, with the flow [`IVR`] at version 14 in the tenant.
pub(crate) struct World {
    pub(crate) tenant: Sandbox,
    pub(crate) config_api: ConfigApi,
    service: Option<Service>,
    /// When it crashed.
    pub(crate) crashed_at: Vec<Instant>,
    /// Dropped after the service: where it runs, if that is not the test's own runtime.
    apart: Option<Apart>,
    settings: BTreeMap<&'static str, String>,
    /// How often sources and flows are compared; as the settings say unless a test does.
    pub(crate) reconcile_every: Option<Duration>,
    /// The described routes.
    pub(crate) routes: String,
    /// What the service is started for.
    pub(crate) purpose: Purpose,
    sender: Sender,
    http: reqwest::Client,
    /// Where the journal is.
    folder: TempDir,
}

impl World {
    /// A world in which all is well.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A world whose service has these settings too.
    pub(crate) async fn with(settings: &[(&'static str, &str)]) -> Self {
        let mut world = Self::still(settings).await;
        world.start_service().await;
        world
    }

    /// A world whose service has these described routes, as tables of TOML.
    pub(crate) async fn routed(routes: &str) -> Self {
        let mut world = Self::still(&[]).await;
        world.routes = routes.replace("{config}", &world.config_api.url);
        world.start_service().await;
        world
    }

    /// A world whose service runs on a runtime of its own, so that it can [crash](Self::crash).
    pub(crate) async fn to_crash() -> Self {
        let mut world = Self::still(&[]).await;
        world.start_apart().await;
        world
    }

    /// A world whose service only observes.
    pub(crate) async fn observed() -> Self {
        let mut world = Self::still(&[]).await;
        world.purpose = Purpose::Observe;
        world.start_service().await;
        world
    }

    /// Why the service does not start.
    pub(crate) async fn refusal(&self) -> String {
        let started = Service::start(self.read_settings(), Clock::system()).await;
        started.err().map(|error| error.to_string()).expect("it does not start")
    }

    /// A world whose service has not started.
    pub(crate) async fn still(settings: &[(&'static str, &str)]) -> Self {
        // reqwest is built without a TLS provider of its own; the second and later calls change nothing.
        rustls::crypto::ring::default_provider().install_default().ok();
        let tenant = Sandbox::start(sandbox::Settings::default()).await.expect("a free port");
        let config_api = ConfigApi::start().await;
        let folder = tempfile::tempdir().expect("a directory");
        let http = reqwest::Client::builder().no_proxy().build().expect("a provider is installed");
        let tenant_address = tenant.base_url().replace("http://", "");
        let mut all = BTreeMap::from([
            ("CXONE_BASE_URL", tenant.base_url()),
            ("CXONE_CLIENT_ID", tenant.client_id().to_owned()),
            ("CXONE_CLIENT_SECRET", tenant.client_secret().to_owned()),
            ("EXTERNAL_API_URL", format!("{}/flows/{{flow_id}}", config_api.url)),
            ("FLOWHOOK_WEBHOOK_SECRET", SECRET.to_owned()),
            ("FLOWHOOK_LISTEN", "127.0.0.1:0".to_owned()),
            ("FLOWHOOK_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("FLOWHOOK_JOURNAL", format!("sqlite:{}", folder.path().join("journal.db").display())),
        ]);
        let given = settings.iter().map(|(name, value)| {
            (*name, value.replace("{config}", &config_api.url).replace("{tenant}", &tenant_address))
        });
        all.extend(given);
        let sender = Sender::new(http.clone());
        let (service, apart, settings) = (None, None, all);
        let purpose = Purpose::default();
        let world = Self {
            tenant,
            config_api,
            service,
            crashed_at: Vec::new(),
            apart,
            settings,
            reconcile_every: None,
            routes: String::new(),
            purpose,
            sender,
            http,
            folder,
        };
        world.add_flow(IVR);
        world
    }

    /// Starts the service after a stop.
    pub(crate) async fn start_service(&mut self) {
        self.service = started(self.read_settings()).await;
        assert!(self.service.is_some(), "the journal is its own");
    }

    async fn start_apart(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        // One that has just crashed may not have left its journal yet.
        let service = eventually(async || {
            let (runtime, settings) = (runtime.handle().clone(), self.read_settings());
            let started = tokio::task::spawn_blocking(move || runtime.block_on(started(settings)));
            started.await.expect("it starts")
        });
        self.service = Some(service.await);
        self.apart = Some(Apart(Some(runtime)));
    }

    /// Has the service take these settings too, while it runs.
    pub(crate) fn reload(&mut self, settings: &[(&'static str, &str)]) {
        self.settings.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        self.service().reloading().reload(self.read_settings());
    }

    fn read_settings(&self) -> Settings {
        let layers = Layers::of(self.settings.iter().map(|(name, value)| (*name, value.as_str())));
        let settings = Settings::service(&layers).expect("settings that can be used");
        // Where other tests keep the disk busy a commit may take longer than senders wait for it: that has a test
        // of its own.
        let receiver = receiver::Settings { commit_wait: PATIENCE, ..settings.receiver };
        let mut routes = route::Settings { routes: described(&self.routes), ..settings.routes };
        if let Some(every) = self.reconcile_every {
            routes.native.reconcile_every = every;
        }
        Settings { purpose: self.purpose, receiver, routes, ..settings }
    }
}

/// The routes in tables of TOML.
fn described(tables: &str) -> Vec<Route> {
    let tables: BTreeMap<String, Definition> = toml::from_str(tables).expect("routes that have the shape");
    let route = |(name, definition): (String, _)| Route::new(&name, definition);
    tables.into_iter().map(|table| route(table).expect("a route that can be used")).collect()
}

/// A service with these settings; nothing as long as another one has its journal.
async fn started(settings: Settings) -> Option<Service> {
    match Service::start(settings, Clock::system()).await {
        Err(StartError::Journal(JournalError::Locked { .. })) => None,
        service => Some(service.expect("it starts")),
    }
}

/// A runtime that can be ended in the middle of anything: the nearest to `kill -9` within one process.
struct Apart(Option<Runtime>);

impl Drop for Apart {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The service's life.
impl World {
    /// Stops the service in order.
    pub(crate) async fn stop(&mut self) {
        let service = self.service.take().expect("it runs");
        patiently(service.stop()).await;
    }

    /// Stops the service in order and starts it again.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.start_service().await;
    }

    /// Ends the service in the middle of whatever it does, and starts it again.
    pub(crate) async fn crash(&mut self) {
        self.service = None;
        self.apart = None;
        self.crashed_at.push(Instant::now());
        self.start_apart().await;
    }

    /// While the service is stopped: makes it so that the change's lane has backed off with it for so long.
    pub(crate) async fn has_been_held(&self, change: &Seen, held: Duration) {
        let for_ms = i64::try_from(held.as_millis()).expect("a few days");
        self.write(&Step::Hold { seqs: vec![change.seq], reason: change.reason.clone(), for_ms }).await;
    }

    /// While the service is stopped: makes it so that all that has ended was so long ago that it is not kept any more.
    pub(crate) async fn has_been_pruned(&self) {
        let before = Clock::system().now() + Duration::from_secs(1);
        self.write(&Step::Prune { before, at_most: u32::MAX }).await;
    }

    /// While the service is stopped: makes all that is in its journal so much older.
    pub(crate) fn has_aged(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).expect("a few days");
        let sql = Connection::open(self.folder.path().join("journal.db")).expect("nobody has it");
        for text in [
            "UPDATE deliveries SET received_at = received_at - ?",
            "UPDATE changes SET settled_at = settled_at - ?",
            "UPDATE attempts SET started_at = started_at - ?1, ended_at = ended_at - ?1",
        ] {
            sql.execute(text, [by_ms]).expect("it is a journal");
        }
    }

    /// Writes a step into the journal of a service that is stopped.
    async fn write(&self, step: &Step) {
        let location = Location::sqlite(self.folder.path().join("journal.db"));
        let Journal { mut writer, reader } = Journal::open(&location).await.expect("nobody has it");
        let mut commit = writer.begin(Clock::system().now()).expect("a commit");
        commit.step(step).expect("it is taken");
        commit.finish().expect("it is on disk");
        reader.close().await;
        writer.close().await;
    }

    fn service(&self) -> &Service {
        self.service.as_ref().expect("it runs")
    }

    /// Where it receives deliveries.
    pub(crate) fn address(&self) -> SocketAddr {
        self.service().address
    }

    /// Whether it says that it can accept deliveries.
    pub(crate) async fn is_ready(&self) -> bool {
        self.ask("/readyz").await.status().is_success()
    }

    async fn ask(&self, path: &str) -> reqwest::Response {
        let url = format!("http://{}{path}", self.service().admin_address);
        patiently(self.http.get(url).send()).await.expect("the admin listener answers")
    }
}

/// The configuration system.
impl World {
    /// Delivers the event, which must be accepted; returns the delivery's id.
    pub(crate) async fn deliver(&self, event: Event) -> String {
        let told = self.offer(event).await;
        assert_eq!((told.status, told.word()), (202, "accepted"), "{told:?}");
        told.id
    }

    /// Delivers the event; returns what the service says to it.
    pub(crate) async fn offer(&self, event: Event) -> Told {
        patiently(self.sender.offer(self.address(), event)).await.expect("the service answers")
    }

    /// Delivers the events in their order, so many at a time; nothing for those that were not answered.
    pub(crate) async fn offer_all(
        &self,
        events: impl IntoIterator<Item = Event>,
        at_once: usize,
    ) -> Vec<Option<Told>> {
        patiently(self.sender.offer_all(self.address(), events, at_once)).await
    }

    /// Delivers the events in their order, so many at a time; all must be accepted.
    pub(crate) async fn deliver_all(&self, events: impl IntoIterator<Item = Event>, at_once: usize) {
        for told in self.offer_all(events, at_once).await {
            assert_eq!(told.as_ref().map(|told| told.status), Some(202), "{told:?}");
        }
    }

    /// The configuration system, to be used beside the world.
    pub(crate) fn sender(&self) -> Sender {
        self.sender.clone()
    }
}

/// What became of it.
impl World {
    /// The only change of that delivery.
    pub(crate) async fn change(&self, delivery: &str) -> Seen {
        let answer = self.ask(&format!("/api/deliveries/{SOURCE}/{delivery}")).await;
        let delivery: SeenDelivery = answer.json().await.expect("a delivery");
        let [change] = delivery.changes.try_into().expect("one change");
        change
    }

    /// The delivery's change, when it has ended.
    pub(crate) async fn ended(&self, delivery: &str) -> Seen {
        eventually(async || Some(self.change(delivery).await).filter(|change| change.state != "pending"))
            .await
    }

    /// The delivery's change, when it is pending because of something.
    pub(crate) async fn waiting(&self, delivery: &str) -> Seen {
        let change =
            eventually(async || Some(self.change(delivery).await).filter(|change| !change.reason.is_empty()));
        let change = change.await;
        assert_eq!(change.state, "pending", "{change:?}");
        change
    }

    /// Has the service do something, as an operator; the status of its answer, and the answer.
    pub(crate) async fn tell(&self, path: &str) -> (u16, Value) {
        let url = format!("http://{}{path}", self.service().admin_address);
        let answer = patiently(self.http.post(url).send()).await.expect("the admin listener answers");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// What the admin API shows at a path.
    pub(crate) async fn look(&self, path: &str) -> Value {
        self.ask(path).await.json().await.expect("JSON")
    }

    /// Returns when nothing is pending.
    pub(crate) async fn settled(&self) {
        eventually(async || {
            let page: Page =
                self.ask("/api/changes?state=pending&limit=1").await.json().await.expect("a page");
            page.changes.is_empty().then_some(())
        })
        .await;
    }

    /// All changes, the oldest first.
    pub(crate) async fn changes(&self) -> Vec<Seen> {
        let mut all: Vec<Seen> = Vec::new();
        let mut cursor = String::new();
        loop {
            let answer = self.ask(&format!("/api/changes?limit=500&cursor={cursor}")).await;
            let page: Page = answer.json().await.expect("a page");
            all.extend(page.changes);
            match page.next_cursor {
                Some(next) => cursor = next.to_string(),
                None => break,
            }
        }
        all.reverse();
        all
    }

    /// How many changes are in that state.
    pub(crate) async fn count(&self, state: &str) -> usize {
        self.changes().await.iter().filter(|change| change.state == state).count()
    }
}

/// The tenant.
impl World {
    /// Adds a small flow at version 14.
    pub(crate) fn add_flow(&self, id: &str) {
        self.tenant.add_flow(id, &sample_flow(id, "Support line")).expect("the sample is a flow");
    }

    /// Adds so many small flows, and returns their ids.
    pub(crate) fn add_flows(&self, count: usize) -> Vec<String> {
        let ids = Vec::from_iter((0..count).map(|at| format!("flow-{at}")));
        ids.iter().for_each(|id| self.add_flow(id));
        ids
    }

    /// The value that the flow's [`SAMPLE_NODE`] tells of; see [`event`].
    pub(crate) fn value(&self, flow: &str) -> String {
        self.value_at(flow, SAMPLE_NODE)
    }

    /// The value that a node tells of.
    pub(crate) fn value_at(&self, flow: &str, node: &str) -> String {
        self.tenant.variable(flow, node, "max_wait_time_seconds").unwrap_or_default()
    }

    /// The flow is being published, with the value 1, and its PUT is held. What is delivered now waits for
    /// the end of it, and is folded.
    pub(crate) async fn busy(&self, flow: &str) -> Hold {
        let hold = self.tenant.hold(flow);
        let puts = self.tenant.calls().put;
        self.deliver(event(flow, 1)).await;
        self.tenant.wait_until(|tenant| tenant.calls().put > puts).await.expect("it publishes");
        hold
    }

    /// Waits until the tenant has received so many calls about a flow.
    pub(crate) async fn flow_calls(&self, flow: &str, count: usize) {
        let about = |call: &Call| call.flow() == Some(flow);
        self.tenant.wait_for_requests(count, about).await.expect("they come");
    }
}

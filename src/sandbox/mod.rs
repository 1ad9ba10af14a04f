//! The practice tenant: the flow API of [`Sandbox`], for real over HTTP, with people in it and faults on demand.
//!
//! `flowhook demo` and `serve --sandbox` work on it, and the integration tests judge the service by it. It
//! stands beside the crate and imports nothing of it: the judge shares no code with the judged.
//!
//! # What it does
//!
//! | request | answer |
//! |---|---|
//! | `POST /oauth/token` | client credentials in the form or as HTTP Basic → a fresh bearer token that expires; 401 `invalid_client`, 400 |
//! | `GET /api/v2/flows/{id}` | the document as it is held, byte for byte; 404 |
//! | `PUT /api/v2/flows/{id}` | with the current `flow.version`, spelt as it is held: saved with the version one higher, 200 with what is stored; 409 with `code`, `status` and the current `version`; 400 for what is no JSON or has no version; 404 |
//! | both | 401 without a live token, 403 without the scope, 429 over the [`Limit`] with `Retry-After` in whole seconds |
//!
//! Documents are text: the tenant splices the next version into what it was given and leaves the rest.
//!
//! # A request's way
//!
//! It is noted when its head has arrived, read whole, held if it is a PUT of a flow on [`Hold`], decided
//! after half the latency and answered after the other half. A decision goes through these gates in order:
//! token and scope; the limit, which a refused token does not draw on; the [`Fault`]s; the version. So a
//! fault befalls only calls that were let in. A decision stands even if the client has gone meanwhile.
//!
//! # What is written down
//!
//! Every request with its times and its end, every commit with the texts before and after: [`Record`]. Its
//! checks return lists of violations, so that a test asserts an empty list. A line is logged for each request. The diff cuts the changed values
//! out of both texts and compares the rest byte by byte ([`diff()`]).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use flowhook::sandbox::{Human, Sandbox, Settings, sample_flow};
//!
//! let tenant = Sandbox::start(Settings::default()).await?;
//! tenant.add_flow("ivr", &sample_flow("ivr", "Support line"))?;
//! tenant.edit("ivr", &Human::set("node_hours", "holiday", "true"))?;
//! assert_eq!(tenant.version("ivr").as_deref(), Some("15"));
//! // … let a client publish into it, then:
//! assert!(tenant.record().lost_human_edits(|at| at.variable == "queue_target").is_empty());
//! tenant.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Bounds
//!
//! [`BODY_MAX_BYTES`], [`CONNECTIONS_MAX`], [`REQUESTS_MAX`], [`COMMITS_MAX_BYTES`], [`HOLD_MAX`],
//! [`WAIT_MAX`], [`DESIGNER_EDITS_MAX`]. An idle connection may stay as long as its client likes.

mod checks;
mod designer;
mod diff;
mod faults;
mod flows;
mod form;
mod hold;
mod holds;
mod human;
mod layout;
mod limit;
mod oauth;
mod record;
mod reply;
mod sample;
mod server;
mod settings;
mod tenant;
mod text;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderName;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::checks::{GONE_NOTICED_WITHIN, PutDiff, VariableAddress};
pub use self::designer::{DESIGNER_EDITS_MAX, DESIGNER_VARIABLE, Designer, DesignerEdit};
pub use self::diff::{Collateral, Diff, VariableChange, diff};
pub use self::faults::{Fault, FaultKind, Landing, On};
pub use self::flows::SAVED_BY;
pub use self::hold::{HOLD_MAX, Hold, NotInTime, WAIT_MAX};
pub use self::human::{EditError, Human};
pub use self::layout::NotAFlow;
pub use self::limit::Limit;
pub use self::oauth::ExpiresIn;
pub use self::record::{
    By, COMMITS_MAX_BYTES, Call, Calls, Commit, End, REQUESTS_MAX, RETRY_AFTER_MAX, Record, Request,
};
pub use self::reply::Canned;
pub use self::sample::{SAMPLE_NODE, large_flow, sample_flow};
pub use self::server::{BODY_MAX_BYTES, CONNECTIONS_MAX};
pub use self::settings::{ClientAuth, SCOPES, Settings};

use self::limit::Bucket;
use self::tenant::Tenant;

/// A running practice tenant. Clones are handles to the same one; it ends when the last is dropped.
#[derive(Clone)]
pub struct Sandbox(Arc<Running>);

struct Running {
    tenant: Arc<Tenant>,
    address: SocketAddr,
    client_id: String,
    client_secret: String,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        // The tasks hold no handle, so this is reached while they run.
        self.stop.cancel();
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sandbox({})", self.base_url())
    }
}

impl Sandbox {
    /// Starts a tenant without flows.
    ///
    /// # Errors
    /// When its address cannot be listened on.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let (client_id, client_secret) = (settings.client_id.clone(), settings.client_secret.clone());
        let tenant = Arc::new(Tenant::new(settings));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(server::serve(listener, Arc::clone(&tenant), tasks.clone(), stop.clone()));
        Ok(Self(Arc::new(Running { tenant, address, client_id, client_secret, tasks, stop })))
    }

    /// Ends the tenant, whatever other handles there are: connections break, late commits do not happen.
    /// Returns when its tasks have ended. What it held and noted can still be read.
    pub async fn shutdown(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Where the tenant is, without a slash at the end: `http://127.0.0.1:49152`. One that listens
    /// everywhere is on loopback too.
    pub fn base_url(&self) -> String {
        let mut address = self.0.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
        format!("http://{address}")
    }

    /// The id of the client that it knows.
    pub fn client_id(&self) -> &str {
        &self.0.client_id
    }

    /// The secret that it was started with. For practice only.
    pub fn client_secret(&self) -> &str {
        &self.0.client_secret
    }
}

/// Flows and people.
impl Sandbox {
    /// Takes a flow in under this id, or replaces it, without a commit.
    ///
    /// # Errors
    /// When `text` is no JSON or has no whole number as its `flow.version`. Nothing else is asked of it.
    pub fn add_flow(&self, id: &str, text: &str) -> Result<(), NotAFlow> {
        self.0.tenant.with(|state| state.flows.add(id, text, false))
    }

    /// The same for a flow without the envelope `flow`, as some tenants answer it; they want it back so.
    ///
    /// # Errors
    /// When `text` is no JSON, has no `nodes` or no whole number as its `version`.
    pub fn add_bare_flow(&self, id: &str, text: &str) -> Result<(), NotAFlow> {
        self.0.tenant.with(|state| state.flows.add(id, text, true))
    }

    /// Takes a flow away: 404 from now on.
    pub fn remove_flow(&self, id: &str) {
        self.0.tenant.with(|state| state.flows.remove(id));
    }

    /// The ids of all flows, sorted.
    pub fn flow_ids(&self) -> Vec<String> {
        self.0.tenant.look(|state| state.flows.ids())
    }

    /// The text of a flow.
    pub fn flow(&self, id: &str) -> Option<String> {
        self.0.tenant.look(|state| state.flows.text(id)).map(|text| text.to_string())
    }

    /// The version of a flow, as it is spelt.
    pub fn version(&self, id: &str) -> Option<String> {
        self.0.tenant.look(|state| state.flows.version(id).map(str::to_owned))
    }

    /// The value of a variable in the flow as it is held now, as it is spelt.
    pub fn variable(&self, flow: &str, node: &str, name: &str) -> Option<String> {
        let text = self.flow(flow)?;
        let layout = layout::Layout::of(&text).ok()?;
        let list = layout.node(node)?.variables.as_ref()?;
        let entry = list.entries.iter().find(|entry| entry.name.as_deref() == Some(name))?;
        Some(text[entry.value.clone()?].to_owned())
    }

    /// A person edits a flow at once; returns the version that this made. Nothing refuses a person.
    ///
    /// # Errors
    /// When there is no such flow or place in it: nothing was saved.
    pub fn edit(&self, flow: &str, edit: &Human) -> Result<String, EditError> {
        self.0.tenant.edit(flow, edit)
    }

    /// A person starts to edit [`DESIGNER_VARIABLE`] of `node` in each of the flows, every so often (at
    /// least 1 ms), until [`Designer::stop`] or the handle is dropped. Needs the tenant's runtime.
    pub fn designer(&self, flows: &[&str], node: &str, every: Duration) -> Designer {
        let flows = flows.iter().map(|&flow| flow.to_owned()).collect();
        let tenant = Arc::clone(&self.0.tenant);
        Designer::begin(tenant, flows, node.to_owned(), every, (&self.0.tasks, self.0.stop.child_token()))
    }
}

/// What can be set while it runs.
impl Sandbox {
    /// Requests received from now on take so long.
    pub fn set_latency(&self, latency: Duration) {
        self.0.tenant.with(|state| state.latency = latency);
    }

    /// From now on this limit holds, its bucket full; or none.
    pub fn set_limit(&self, limit: Option<Limit>) {
        let bucket = limit.map(|limit| Bucket::new(limit, Instant::now()));
        self.0.tenant.with(|state| state.limit = bucket);
    }

    /// Others use up so many calls of the limit: it is the whole tenant's.
    pub fn draw(&self, calls: u32) {
        self.0.tenant.with(|state| {
            if let Some(bucket) = &mut state.limit {
                // What is used up already cannot be used up further.
                _ = (0..calls).try_for_each(|_| bucket.take(Instant::now()));
            }
        });
    }

    /// Answers to flow calls carry these headers too from now on.
    pub fn set_headers(&self, headers: &[(&'static str, &str)]) {
        let header =
            |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), (*value).to_owned());
        self.0.tenant.with(|state| state.headers = headers.iter().map(header).collect());
    }

    /// Ends every connection that there is, as a server does with idle ones: without a word.
    pub fn cut_connections(&self) {
        self.0.tenant.with(|state| std::mem::take(&mut state.connections).cancel());
    }

    /// Tokens given out from now on live so long.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.0.tenant.with(|state| state.oauth.set_lifetime(lifetime));
    }

    /// Token answers say this of the lifetime from now on, be it true or not.
    pub fn set_expires_in(&self, expires_in: ExpiresIn) {
        self.0.tenant.with(|state| state.oauth.expires_in = expires_in);
    }

    /// Tokens given out from now on carry at most this scope; [`SCOPES`] is all there is.
    pub fn set_scope(&self, scope: &str) {
        self.0.tenant.with(|state| state.oauth.set_scope(scope));
    }

    /// Tokens given out from now on are refused until they are so old, as by nodes that learn of them late.
    pub fn set_token_delay(&self, delay: Duration) {
        self.0.tenant.with(|state| state.oauth.token_delay = delay);
    }

    /// From now on the client must authenticate so.
    pub fn set_client_auth(&self, client_auth: ClientAuth) {
        self.0.tenant.with(|state| state.oauth.set_client_auth(client_auth));
    }

    /// The client's secret is this one from now on; [`Self::client_secret`] keeps telling the first.
    pub fn set_client_secret(&self, secret: &str) {
        self.0.tenant.with(|state| state.oauth.set_secret(secret));
    }

    /// Ends every token that was given out.
    pub fn revoke_tokens(&self) {
        self.0.tenant.with(|state| state.oauth.revoke());
    }

    /// Adds a fault behind those that wait already.
    pub fn fault(&self, fault: Fault) {
        self.0.tenant.with(|state| state.faults.add(fault));
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) {
        self.0.tenant.with(|state| state.faults.clear());
    }

    /// How many counted faults have calls left to befall: 0 when a test's faults all happened.
    pub fn faults_waiting(&self) -> usize {
        self.0.tenant.look(|state| state.faults.waiting())
    }

    /// Holds the PUTs of a flow until the hold is released or dropped; they count as received.
    pub fn hold(&self, flow: &str) -> Hold {
        Hold::begin(Arc::clone(&self.0.tenant), flow)
    }
}

/// Looking and waiting.
impl Sandbox {
    /// How many calls there were.
    pub fn calls(&self) -> Calls {
        self.0.tenant.look(|state| state.log.calls)
    }

    /// A copy of all that was written down, to be checked.
    pub fn record(&self) -> Record {
        self.0.tenant.look(|state| state.log.record())
    }

    /// Waits for a condition; it is looked at after every change: a request received or ended, a commit.
    /// So it should look at little: [`Self::record`] copies the whole record each time.
    ///
    /// # Errors
    /// When it is not met within [`WAIT_MAX`].
    pub async fn wait_until(&self, ready: impl Fn(&Self) -> bool) -> Result<(), NotInTime> {
        let met = self.0.tenant.until(|_| ready(self));
        timeout(WAIT_MAX, met).await.map_err(|_elapsed| NotInTime)
    }

    /// Waits until so many requests that `wanted` accepts were received, answered or not.
    ///
    /// # Errors
    /// When they did not come within [`WAIT_MAX`].
    pub async fn wait_for_requests(
        &self,
        count: usize,
        wanted: impl Fn(&Call) -> bool,
    ) -> Result<(), NotInTime> {
        self.wait_until(|sandbox| sandbox.0.tenant.look(|state| state.log.count(&wanted)) >= count).await
    }
}

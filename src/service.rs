//! The wiring: journal, queue, worker and listeners, from the start to an orderly end.
//!
//! Start: the journal is opened and locked, then the addresses are bound, then work begins; a service that
//! cannot have any of them has touched nothing else. End: new deliveries are refused while those under way
//! are answered, then turns in flight finish, then what they wrote is committed.

mod reloading;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::admin::{self, Admin};
use crate::clock::Clock;
use crate::config_api::ConfigApi;
use crate::journal::{Journal, JournalError, Location, Purpose, Reader, Tally};
use crate::live::Live;
use crate::queue::{self, Ledger, Queue};
use crate::receiver::{Hooks, Receiver};
use crate::reconcile::{self, Checked, Checker, Reconciler};
use crate::route::Routes;
use crate::server::descriptors::{affordable, raise};
use crate::server::{self, Answers, CONNECTIONS, Ended, Limits};
use crate::settings::Settings;
use crate::tenant::{self, Gate, Tenant};
use crate::worker::{Fetcher, Worker, keep_gate, restore_gate};
pub use reloading::Reloading;

/// The admin listener serves few: operators, probes, a scraper.
pub const ADMIN_CONNECTIONS: usize = 64;

/// Open files beside those of the senders: the admin listener's connections, five connections to the journal with
/// three files each, the calls to the tenant and to the configuration API, and room to spare.
pub const OTHER_DESCRIPTORS: usize = 500;

/// How long the worker and the journal may take to end, once the listeners have ended within
/// [`server::DRAIN`]: longer than turns in flight may take to finish. A supervisor has to wait for both.
pub const CLOSE: Duration = Duration::from_secs(15);

/// A running service.
#[derive(Debug)]
pub struct Service {
    /// Where webhooks are received.
    pub address: SocketAddr,
    /// Where the admin API listens.
    pub admin_address: SocketAddr,
    tenant: Arc<Tenant>,
    reloading: Reloading,
    /// The journal's writer ends when the last of these is gone.
    ledger: Ledger,
    clock: Clock,
    reader: Reader,
    shutting_down: CancellationToken,
    /// Cancelled when nobody brings deliveries any more.
    no_more_deliveries: CancellationToken,
    listeners: [JoinHandle<Ended>; 2],
    worker: JoinHandle<()>,
    reconciler: JoinHandle<()>,
    writing: JoinHandle<()>,
    beside: Option<AbortOnDropHandle<()>>,
}

/// The service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An address cannot be had.
    #[error("cannot listen on {address}: {}, or set {variable} to another address", way_out(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The setting that names it.
        variable: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The system has no usable certificate store.
    #[error("no HTTP client can be made")]
    Http(#[from] reqwest::Error),
}

fn way_out(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::AddrNotAvailable {
        "use an address that this machine has"
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        "use a port from 1024 on, or let this user have lower ones"
    } else {
        "stop what listens there"
    }
}

/// A task ended that must not.
#[derive(Debug, thiserror::Error)]
#[error("the {part} broke down; what is journaled is safe, and the next start goes on with it")]
pub struct Broken {
    part: &'static str,
    #[source]
    cause: Option<JoinError>,
}

impl Service {
    /// Starts the service.
    ///
    /// # Errors
    /// [`StartError`], which says what to do.
    pub async fn start(settings: Settings, clock: Clock) -> Result<Self, StartError> {
        settings.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let Journal { writer, reader } = open_journal(&settings, &clock).await?;
        let (public, address) = listen(settings.listen, "FLOWHOOK_LISTEN")?;
        let (private, admin_address) = listen(settings.admin.listen, "FLOWHOOK_ADMIN_LISTEN")?;
        let tenant = Arc::new(tenant_for(settings.purpose, settings.tenant)?);
        let pending = take_up(&reader, tenant.gate(), &clock).await?;
        let waiting = pending.total();
        let (queue, ledger, writing) = queue::open(settings.queue, writer, clock.clone(), pending);
        let wakeups = writing.wakeups();
        wakeups.add(reader.flows_with_work().await?);
        let [shutting_down, no_more_deliveries] = std::array::from_fn(|_| CancellationToken::new());

        let token = settings.admin.token;
        let reloading = Reloading::new(settings.sources, settings.routes, token, &tenant);
        let api = ConfigApi::new()?;
        let writing = on_a_thread(writing.run());
        let worker = Worker::new(
            settings.worker,
            Arc::clone(&tenant),
            Fetcher::new(api.clone(), reloading.routes.clone()),
            reader.clone(),
            ledger.clone(),
            wakeups,
            clock.clone(),
        );
        let worker = tokio::spawn(worker.run(no_more_deliveries.clone()));
        let reconciler = reconciler(&tenant, api, &reloading.routes, &reader, &queue, &ledger, &clock);
        let look = look(reconciler.checker());
        let reconciler = tokio::spawn(reconciler.run(shutting_down.clone()));
        let hooks = Hooks::new(Receiver {
            intake: reloading.intake.clone(),
            queue,
            clock: clock.clone(),
            settings: settings.receiver,
            shutting_down: shutting_down.clone(),
        });
        let admin = admin::router(Admin {
            reader: reader.clone(),
            ledger: ledger.clone(),
            gate: tenant.gate().clone(),
            look,
            token: reloading.token.clone(),
            webhooks: address,
            purpose: settings.purpose,
            shutting_down: shutting_down.clone(),
        });
        let senders = listener(public, hooks, limits_for_senders(), &shutting_down);
        let limits = Limits { connections: ADMIN_CONNECTIONS, ..Limits::default() };
        let operators = listener(private, admin, limits, &shutting_down);
        tell_ready([address, admin_address], &settings.journal, waiting);
        Ok(Self {
            address,
            admin_address,
            tenant,
            reloading,
            ledger,
            clock,
            reader,
            shutting_down,
            no_more_deliveries,
            listeners: [senders, operators],
            worker,
            reconciler,
            writing,
            beside: None,
        })
    }

    /// What new settings replace while it runs.
    pub fn reloading(&self) -> Reloading {
        self.reloading.clone()
    }

    /// Has `work` call the tenant beside the worker, through the same gate and with the same token. If its
    /// calls close the gate, the end of that is kept in the journal before `tell` gets what it brought. It
    /// ends with the service at the latest.
    pub fn beside<T, F>(
        &mut self,
        work: impl FnOnce(Arc<Tenant>) -> F + Send + 'static,
        tell: impl FnOnce(T) + Send + 'static,
    ) where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (tenant, ledger, clock) = (Arc::clone(&self.tenant), self.ledger.clone(), self.clock.clone());
        self.beside = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let brought = work(Arc::clone(&tenant)).await;
            keep_closed_gate(&tenant, &ledger, &clock).await;
            tell(brought);
        })));
    }

    /// Serves until `shutdown`, then ends in order.
    ///
    /// # Errors
    /// [`Broken`] when a part of it ended before that.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), Broken> {
        let [public, private] = &mut self.listeners;
        let broken = tokio::select! {
            () = shutdown => None,
            ended = public => Some(Broken { part: "listener for webhooks", cause: ended.err() }),
            ended = private => Some(Broken { part: "admin listener", cause: ended.err() }),
            ended = &mut self.worker => Some(Broken { part: "worker", cause: ended.err() }),
            ended = &mut self.reconciler => Some(Broken { part: "reconciler", cause: ended.err() }),
            ended = &mut self.writing => Some(Broken { part: "journal's writer", cause: ended.err() }),
        };
        match broken {
            Some(broken) => Err(broken),
            None => {
                self.stop().await;
                Ok(())
            }
        }
    }

    /// Ends in order: every delivery under way is answered, every turn in flight finishes or is handed to
    /// the next start, everything written is committed.
    pub async fn stop(self) {
        tracing::info!("stopping: new deliveries are refused");
        self.shutting_down.cancel();
        for listener in self.listeners {
            match listener.await {
                Ok(Ended::Drained) => {}
                Ok(Ended::Cut { connections }) => {
                    tracing::warn!(connection.count = connections, "connections were cut at the deadline");
                }
                Err(error) => tracing::error!(error = %error, "a listener broke down"),
            }
        }
        self.no_more_deliveries.cancel();
        drop(self.beside);
        let close = async {
            // Whoever closed it, and whether or not that is kept already.
            keep_closed_gate(&self.tenant, &self.ledger, &self.clock).await;
            told("reconciler", self.reconciler.await);
            told("worker", self.worker.await);
            // Before the writer gives the lock back: who takes it must find nobody else at the file.
            self.reader.close().await;
            drop(self.ledger);
            told("journal's writer", self.writing.await);
        };
        match tokio::time::timeout(CLOSE, close).await {
            Ok(()) => tracing::info!("stopped"),
            Err(_elapsed) => tracing::warn!("the disk does not answer; stopped without waiting for it"),
        }
    }
}

fn listener(
    socket: TcpListener,
    answers: impl Answers,
    limits: Limits,
    shutting_down: &CancellationToken,
) -> JoinHandle<Ended> {
    tokio::spawn(server::serve(socket, answers, limits, shutting_down.clone()))
}

/// What compares sources and flows, in the same rooms as the worker.
fn reconciler(
    tenant: &Arc<Tenant>,
    api: ConfigApi,
    routes: &Live<Routes>,
    reader: &Reader,
    queue: &Queue,
    ledger: &Ledger,
    clock: &Clock,
) -> Reconciler<Reader> {
    Reconciler::new(reconcile::Rooms {
        tenant: Arc::clone(tenant),
        api,
        routes: routes.clone(),
        reader: reader.clone(),
        queue: queue.clone(),
        ledger: ledger.clone(),
        clock: clock.clone(),
    })
}

/// The way from the admin listener to who looks at flows.
fn look(checker: Checker<Reader>) -> admin::Look {
    admin::Look::from_fn(move |flow| {
        let checker = checker.clone();
        Box::pin(async move {
            let Checked { flows, left, more, unread } = checker.check(flow).await?;
            let left = left.into_iter().map(|(flow, reason)| admin::Left { flow: flow.to_string(), reason });
            let unread =
                unread.into_iter().map(|(route, reason)| admin::Unread { route: route.to_string(), reason });
            Ok(admin::Looked { flows, left: left.collect(), more, unread: unread.collect() })
        })
    })
}

fn tell_ready([public, private]: [SocketAddr; 2], journal: &Location, pending: usize) {
    tracing::info!(
        server.listen = %public,
        server.admin_listen = %private,
        journal.path = %journal.path().display(),
        change.pending = pending,
        "flowhook is ready"
    );
}

/// Logs how a task ended, if not in order.
fn told(part: &'static str, ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(error = %error, service.part = part, "a part of the service broke down");
    }
}

/// The receiver is at work for a sender as long as a body may take, and then a commit.
fn limits_for_senders() -> Limits {
    Limits { connections: places_for_senders(), half_close: true, ..Limits::default() }
}

/// How many senders there can be at once.
fn places_for_senders() -> usize {
    let limit = raise(CONNECTIONS + OTHER_DESCRIPTORS);
    let places = affordable(limit, CONNECTIONS, OTHER_DESCRIPTORS);
    if places < CONNECTIONS {
        tracing::warn!(
            limit.open_files = limit,
            connection.count = places,
            "fewer senders than {CONNECTIONS} are served at once: raise the limit on open files to {}",
            CONNECTIONS + OTHER_DESCRIPTORS
        );
    }
    places
}

/// Runs the journal's writer, which blocks its thread while it writes and waits for the disk.
fn on_a_thread(writing: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(writing))
}

/// A bound listener, and the address that it got: the system chooses the port where the setting says 0.
fn listen(address: SocketAddr, variable: &'static str) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, variable, source };
    let listener = server::listen(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// The journal, taken for what the service is started for.
async fn open_journal(settings: &Settings, clock: &Clock) -> Result<Journal, JournalError> {
    let mut journal = Journal::open(&settings.journal).await?;
    let left_over = journal.take_for(settings.purpose, clock.now()).await?;
    if left_over > 0 {
        tracing::warn!(
            change.count = left_over,
            "changes that were accepted while observing are discarded: have their values sent again"
        );
    }
    Ok(journal)
}

/// The way to the tenant. Who only observes gets none that could write.
fn tenant_for(purpose: Purpose, settings: tenant::Settings) -> Result<Tenant, StartError> {
    let tenant = Tenant::new(settings)?;
    match purpose {
        Purpose::Publish => Ok(tenant),
        Purpose::Observe => {
            tracing::warn!("observing: nothing is published; each change ends with what would be");
            Ok(tenant.only_reading())
        }
    }
}

/// Takes up what an earlier life left: the gate's end, what is paused, and what is pending.
async fn take_up(reader: &Reader, gate: &Gate, clock: &Clock) -> Result<Tally, JournalError> {
    restore_gate(gate, reader.gate().await?, clock);
    tell_of_pause(reader).await?;
    Ok(reader.pending())
}

/// A pause of all flows outlasts a restart, and whoever starts the service may not know of it.
async fn tell_of_pause(reader: &Reader) -> Result<(), JournalError> {
    if let Some(pause) = reader.pause_of_all().await? {
        tracing::warn!(
            pause.reason = pause.reason,
            pause.since = pause.since,
            "all flows are paused: nothing is published until `flowhook resume --all`"
        );
    }
    Ok(())
}

async fn keep_closed_gate(tenant: &Tenant, ledger: &Ledger, clock: &Clock) {
    if let Some(closure) = tenant.gate().closure()
        && let Err(error) = keep_gate(&closure, ledger, clock).await
    {
        tracing::warn!(error = %error, "the gate's end was not kept; a restart would not know it");
    }
}

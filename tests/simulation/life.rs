//! One life of the process: wired as the service wires it, without its listeners.

use std::sync::Arc;

use flowhook::config_api::ConfigApi;
use flowhook::live::Live;
use flowhook::queue::{self, Ledger, Queue};
use flowhook::route::{self, Routes};
use flowhook::tenant::{self, Tenant};
use flowhook::worker::{self, Fetcher, Worker, keep_gate, restore_gate};
use secrecy::SecretString;
use tokio::task::{JoinHandle, yield_now};
use tokio_util::sync::CancellationToken;

use crate::calls::Calls;
use crate::ground::Ground;
use crate::journal::Journal;
use crate::plan::Plan;

/// A running process.
pub(crate) struct Life {
    pub(crate) queue: Queue,
    pub(crate) ledger: Ledger,
    tenant: Arc<Tenant>,
    ground: Ground,
    shutdown: CancellationToken,
    worker: JoinHandle<()>,
    writing: JoinHandle<()>,
}

impl Life {
    pub(crate) fn begin(ground: &Ground, plan: &Plan, journal: &Journal, calls: &Calls) -> Self {
        let clock = ground.clock();
        let settings = tenant::Settings {
            base_url: "https://tenant.example".to_owned(),
            token_url: "https://tenant.example/oauth/token".to_owned(),
            client_id: "flowhook".to_owned(),
            client_secret: SecretString::from("secret"),
            requests_per_minute: plan.requests_per_minute,
        };
        let tenant = Arc::new(Tenant::over(calls.wire(), calls.wire(), settings));
        let (gate, pending, flows) = {
            let disk = journal.disk();
            (disk.gate.clone(), disk.pending_tally(), disk.flows_with_work())
        };
        restore_gate(tenant.gate(), gate, &clock);
        let closed_until = tenant
            .gate()
            .closure()
            .map(|closure| closure.until.saturating_duration_since(tokio::time::Instant::now()));
        calls.begin_life(ground.elapsed() + closed_until.unwrap_or_default());
        let settings = queue::Settings { capacity: plan.capacity };
        let (queue, ledger, writing) = queue::open(settings, journal.clone(), clock.clone(), pending);
        let wakeups = writing.wakeups();
        wakeups.add(flows);
        let writing = tokio::spawn(writing.run());
        let shutdown = CancellationToken::new();
        let routes = Live::new(Routes::new(route::Settings::default()));
        let worker = Worker::new(
            worker::Settings::default(),
            Arc::clone(&tenant),
            Fetcher::new(ConfigApi::over(calls.wire()), routes),
            journal.clone(),
            ledger.clone(),
            wakeups,
            clock,
        );
        let worker = tokio::spawn(worker.run(shutdown.clone()));
        Self { queue, ledger, tenant, ground: ground.clone(), shutdown, worker, writing }
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) async fn crash(self) {
        self.check_alive();
        self.worker.abort();
        self.writing.abort();
        for task in [self.worker, self.writing] {
            if task.await.is_err_and(|error| error.is_panic()) {
                self.ground.violated("a task of the process panicked".to_owned());
            }
        }
        // The turns that it had begun are dropped when their turn comes.
        for _ in 0..4 {
            yield_now().await;
        }
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) {
        self.check_alive();
        self.shutdown.cancel();
        if let Some(closure) = self.tenant.gate().closure() {
            // A disk that does not take it has been told of.
            _ = keep_gate(&closure, &self.ledger, &self.ground.clock()).await;
        }
        let worker = self.worker.await;
        drop((self.queue, self.ledger));
        let writing = self.writing.await;
        if worker.is_err() || writing.is_err() {
            self.ground.violated("a task of the process panicked".to_owned());
        }
    }

    fn check_alive(&self) {
        if self.worker.is_finished() || self.writing.is_finished() {
            self.ground.violated("a task of the process ended by itself".to_owned());
        }
    }
}

//! One life of the process: wired as the service wires it, without its listeners.

use std::sync::Arc;

use flowhook::change::{FlowId, NodeId};
use flowhook::config_api::ConfigApi;
use flowhook::live::Live;
use flowhook::queue::{self, Ledger, Queue};
use flowhook::reconcile::{self, Reconciler};
use flowhook::route::{self, Native, Routes};
use flowhook::tenant::{self, Tenant};
use flowhook::worker::{self, Fetcher, Worker, keep_gate, restore_gate};
use secrecy::SecretString;
use tokio::task::{JoinHandle, yield_now};
use tokio_util::sync::CancellationToken;

use crate::calls::Calls;
use crate::ground::Ground;
use crate::journal::Journal;
use crate::plan::Plan;

tokio::task_local! {
    /// Set for what compares sources and flows: its reads are its own, beside those of the lanes.
    pub(crate) static COMPARING: ();
}

/// What the settings say for the built-in routes.
fn native(plan: &Plan) -> Native {
    let named = plan.flows.first().filter(|_| plan.named);
    Native {
        flow: named.and_then(|flow| FlowId::parse(&flow.id).ok()),
        node: NodeId::parse("node-a").ok(),
        fetch_url: Some("https://config.example/config/{flow_id}".to_owned()),
        allowed_flows: None,
        reconcile_every: plan.reconcile.unwrap_or_default(),
    }
}

/// A running process.
pub(crate) struct Life {
    pub(crate) queue: Queue,
    pub(crate) ledger: Ledger,
    tenant: Arc<Tenant>,
    ground: Ground,
    shutdown: CancellationToken,
    worker: JoinHandle<()>,
    reconciler: JoinHandle<()>,
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
        let routes = Live::new(Routes::new(route::Settings { native: native(plan), ..Default::default() }));
        let worker = Worker::new(
            worker::Settings::default(),
            Arc::clone(&tenant),
            Fetcher::new(ConfigApi::over(calls.wire()), routes.clone()),
            journal.clone(),
            ledger.clone(),
            wakeups,
            clock.clone(),
        );
        let worker = tokio::spawn(worker.run(shutdown.clone()));
        let reconciler = Reconciler::new(reconcile::Rooms {
            tenant: Arc::clone(&tenant),
            api: ConfigApi::over(calls.wire()),
            routes,
            reader: journal.clone(),
            queue: queue.clone(),
            ledger: ledger.clone(),
            clock,
        });
        let reconciler = tokio::spawn(COMPARING.scope((), reconciler.run(shutdown.clone())));
        Self { queue, ledger, tenant, ground: ground.clone(), shutdown, worker, reconciler, writing }
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) async fn crash(self) {
        self.check_alive();
        let tasks = [self.worker, self.reconciler, self.writing];
        tasks.iter().for_each(JoinHandle::abort);
        for task in tasks {
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
        let (reconciler, worker) = (self.reconciler.await, self.worker.await);
        drop((self.queue, self.ledger));
        let writing = self.writing.await;
        if reconciler.is_err() || worker.is_err() || writing.is_err() {
            self.ground.violated("a task of the process panicked".to_owned());
        }
    }

    fn check_alive(&self) {
        if [&self.worker, &self.reconciler, &self.writing].iter().any(|task| task.is_finished()) {
            self.ground.violated("a task of the process ended by itself".to_owned());
        }
    }
}

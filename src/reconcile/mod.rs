//! Reconciliation: what configuration systems say is compared with the flows, though no event came.
//!
//! # What it must hold
//!
//! Of each node that a route with fetched values fills, four things are known: what the **source** says now, what was
//! last **taken** from it, what was last **applied** to the node, and what the **flow** holds.
//!
//! * The source says something else than was taken: an event was missed, and what has moved is written. Whatever
//!   becomes of that change, it is not made again until the source moves once more.
//! * The flow alone holds something else than was applied: a person or a rollback did it. It stays, and is reported as
//!   drift; written back only where the route says `on_drift = "repair"`.
//! * Of flows that no such route fills only drift is reported.
//!
//! A flow that is paused, and a node that is being worked on, is left alone; one that is left in pass after pass is told
//! in the log. What comes to a node while its source is asked makes the answer stale: the journal then stores nothing of it, so that no older value goes over a newer one.
//!
//! # Its life
//!
//! Each route is asked by an interval of its own, first after one wait. A pass asks a source once for each URL and
//! [brings](source) what has moved through the same queue as every delivery; then it [looks](look) at the flows, one
//! after the other, through the tenant's gate like everybody. A pass takes a bounded number of them and the next one
//! goes on behind.

mod check;
mod drift;
mod failing;
mod look;
mod moved;
mod overdue;
mod pass;
mod places;
mod repair;
mod schedule;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::change::FlowId;
use crate::clock::Clock;
use crate::config_api::ConfigApi;
use crate::journal::{JournalError, Read};
use crate::live::Live;
use crate::queue::{Ledger, Queue};
use crate::route::Routes;
use crate::tenant::Tenant;
pub use check::{Checked, Checker};
use failing::Failing;
use look::Looker;
use overdue::Overdue;
use places::At;
use repair::Repairs;
use schedule::{Errand, Schedule};
use source::Asker;

/// How soon other settings are followed.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// What the reconciler works with.
#[derive(Debug)]
pub struct Rooms<R> {
    /// Where flows are read.
    pub tenant: Arc<Tenant>,
    /// Where sources are asked.
    pub api: ConfigApi,
    /// The routes, as they are at any time.
    pub routes: Live<Routes>,
    /// The journal, to read.
    pub reader: R,
    /// Where changes go.
    pub queue: Queue,
    /// Where drift is recorded.
    pub ledger: Ledger,
    /// The time of day.
    pub clock: Clock,
}

/// The reconciler, to be run as one task.
#[derive(Debug)]
pub struct Reconciler<R> {
    asker: Asker<R>,
    routes: Live<Routes>,
    schedule: Schedule,
    /// How far the passes of each route have come.
    progress: BTreeMap<Arc<str>, Progress>,
    failing: Failing,
    /// The flow behind which the next pass over all flows begins.
    flows_after: Option<FlowId>,
    /// When flows were looked at last.
    looked: BTreeMap<FlowId, Instant>,
}

/// How far the passes of a route have come.
#[derive(Debug, Default)]
struct Progress {
    /// The place behind which the next one asks.
    ask_after: Option<At>,
    /// The place behind which the next one looks.
    look_after: Option<At>,
    /// The places that were left in them.
    overdue: Overdue,
    /// What was put back for it.
    repairs: Repairs,
}

impl<R: Read> Reconciler<R> {
    /// A reconciler over these rooms.
    pub fn new(rooms: Rooms<R>) -> Self {
        let Rooms { tenant, api, routes, reader, queue, ledger, clock } = rooms;
        let looker = Looker::new(tenant, reader, ledger, clock);
        Self {
            asker: Asker { looker, api, queue },
            routes,
            schedule: Schedule::default(),
            progress: BTreeMap::new(),
            failing: Failing::default(),
            flows_after: None,
            looked: BTreeMap::new(),
        }
    }

    /// What looks at flows beside it, and never at the same time.
    pub fn checker(&self) -> Checker<R> {
        Checker::new(self.asker.looker.clone(), self.failing.clone())
    }

    /// Reconciles until `shutdown`, and ends at once: what it was about to do the next start does.
    pub async fn run(mut self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let now = Instant::now();
            self.follow(now);
            let soon = now + FOLLOW_EVERY;
            let wake = self.schedule.earliest().map_or(soon, |due| due.min(soon));
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep_until(wake) => {}
            }
            let Some(errand) = self.schedule.take(Instant::now(), fastrand::f64) else { continue };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                done = self.run_errand(&errand) => {
                    if let Err(error) = done {
                        tracing::error!(error = &error as &dyn std::error::Error, "the journal cannot be read");
                    }
                }
            }
        }
    }

    /// Takes over which routes there are now.
    fn follow(&mut self, now: Instant) {
        let routes = self.routes.get();
        let of_routes =
            routes.reconciled().map(|route| (Errand::Route(Arc::clone(&route.route)), route.every));
        let every = routes.flows_every();
        let of_flows = (!every.is_zero()).then_some((Errand::Flows, every));
        self.schedule.follow(of_routes.chain(of_flows).collect(), now, fastrand::f64);
        let is_kept = |name: &str| routes.reconciled().any(|route| *route.route == *name);
        self.progress.retain(|name, _| is_kept(name));
        self.failing.keep(is_kept);
    }

    async fn run_errand(&mut self, errand: &Errand) -> Result<(), JournalError> {
        let routes = self.routes.get();
        match errand {
            Errand::Flows => self.look_at_flows(routes.flows_every()).await,
            Errand::Route(name) => match routes.reconciled().find(|route| route.route == *name) {
                Some(route) => {
                    self.ask(&routes, route).await?;
                    self.look_at_places(&routes, route).await
                }
                None => Ok(()),
            },
        }
    }
}

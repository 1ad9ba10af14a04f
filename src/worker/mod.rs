//! The one worker task: a lane per flow, at most one update of a flow in flight.
//!
//! ```text
//! wakeups ──▶ lanes ──gate──▶ a turn per flow ──▶ journal
//!               ▲                  │
//!               └── waits ◀────────┘
//! ```
//!
//! * The worker alone decides which flow has a turn; a turn runs beside it, and hands back what its lane
//!   must remember. So two updates of one flow cannot be in flight, whatever a turn does.
//! * A turn takes everything that is pending for its flow (bounded), folds it and publishes once. What
//!   arrives meanwhile waits for the next turn: one running, one pending, exactly one rerun.
//! * The journal is the truth. A lane holds no changes, only the fact that there are some; after a restart
//!   the journal says which flows have work.
//! * Thin changes are fetched beside the lanes, each URL of a route with the same discipline: so a configuration API
//!   that hangs delays thin changes and nothing else.

mod draft;
mod fetching;
mod fold;
mod kept_gate;
mod lanes;
mod observed;
mod strain;
mod turn;
mod waits;
mod warm;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use draft::{Draft, draft};
pub use fetching::Fetcher;
pub use kept_gate::{keep_gate, restore_gate};

use crate::backoff::Backoff;
use crate::change::{FlowId, Wanted};
use crate::clock::Clock;
use crate::flow::Document;
use crate::journal::{Effect, Read, Step};
use crate::queue::{Ledger, Wakeups, Woken};
use crate::tenant::{Pass, Tenant, Wait};
use fetching::FetchEnd;
use lanes::Lanes;
use strain::Strain;
use turn::{End, Rooms, Turn, Turned};
use waits::{Due, Waits};
use warm::Warm;

/// After a turn that made calls the flow rests for so long: a burst of events is folded into few publishes,
/// while the first of them goes out at once.
const REST: Duration = Duration::from_millis(50);
/// How long a paused flow is not looked at again, whatever comes for it.
const PAUSED_REST: Duration = Duration::from_secs(1);
/// How many fetches are under way at once.
const FETCHES_AT_ONCE: usize = 4;
/// The waits after a fetch that failed.
const FIRST_FETCH_WAIT: Duration = Duration::from_secs(1);
const LONGEST_FETCH_WAIT: Duration = Duration::from_secs(300);
/// How long turns in flight may take to finish when the service stops.
const DRAIN: Duration = Duration::from_secs(10);
/// How often the journal is looked at for what is old; how many rows of each table go in one commit at most, and how long
/// others have the disk to themselves until the next. So at most 2,000 rows go in a second: a journal into which more come
/// for days keeps them for longer than it was told to.
const PRUNE_EVERY: Duration = Duration::from_secs(5);
const PRUNE_AT_MOST: u32 = 50;
const PRUNE_PAUSE: Duration = Duration::from_millis(25);

/// The worker's own settings.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long settled deliveries and changes are kept; `FLOWHOOK_RETENTION_DAYS`, default 30 days.
    pub retention: SignedDuration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { retention: SignedDuration::from_hours(30 * 24) }
    }
}

/// The worker, to be run as one task.
#[derive(Debug)]
pub struct Worker<R> {
    settings: Settings,
    rooms: Rooms<R>,
    fetcher: Fetcher,
    wakeups: Wakeups,
    lanes: Lanes<FlowId>,
    /// What lanes in trouble remember.
    strains: BTreeMap<FlowId, Strain>,
    warm: Warm,
    fetches: Lanes<Wanted>,
    fetch_backoffs: BTreeMap<Wanted, Backoff>,
    fetching: usize,
    /// A pruning is under way: where the disk is slow they must not pile up.
    pruning: bool,
    waits: Waits,
    jobs: JoinSet<Done>,
}

/// What ran beside the worker.
#[derive(Debug)]
enum Done {
    Turn(FlowId, Box<Turned>),
    Fetch(Wanted, FetchEnd),
    Pruning,
}

impl<R: Read> Worker<R> {
    /// A worker over these rooms.
    pub fn new(
        settings: Settings,
        tenant: Arc<Tenant>,
        fetcher: Fetcher,
        reader: R,
        ledger: Ledger,
        wakeups: Wakeups,
        clock: Clock,
    ) -> Self {
        Self {
            settings,
            rooms: Rooms { tenant, reader, ledger, clock },
            fetcher,
            wakeups,
            lanes: Lanes::new(),
            strains: BTreeMap::new(),
            warm: Warm::default(),
            fetches: Lanes::new(),
            fetch_backoffs: BTreeMap::new(),
            fetching: 0,
            pruning: false,
            waits: Waits::default(),
            jobs: JoinSet::new(),
        }
    }

    /// Works until `shutdown`, then lets the turns in flight finish. One that does not leaves its attempt
    /// open, and the next start decides it.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut prune = tokio::time::interval(PRUNE_EVERY);
        prune.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let gate = self.rooms.tenant.gate().clone();
        while !shutdown.is_cancelled() {
            let opens_at = self.start_turns();
            self.start_fetches();
            tokio::select! {
                // In a fixed order, so that the same events make the same run.
                biased;
                () = shutdown.cancelled() => {}
                Some(done) = self.jobs.join_next() => self.finished(done),
                Some(due) = self.waits.next() => self.due(due),
                woken = self.wakeups.next() => self.woken(woken),
                () = gate.moved(), if self.lanes.has_ready() => {}
                () = sleep_until(opens_at) => {}
                _ = prune.tick(), if !self.pruning => self.prune(shutdown.clone()),
            }
        }
        self.drain().await;
    }

    /// Starts as many turns as the gate admits; says when it opens, if lanes are ready and it is closed.
    fn start_turns(&mut self) -> Option<Instant> {
        while self.lanes.has_ready() {
            let pass = match self.rooms.tenant.gate().admit() {
                Ok(pass) => pass,
                Err(Wait::Until(opens_at)) => return Some(opens_at),
                Err(Wait::ForOthers) => return None,
            };
            if let Some(flow) = self.lanes.next() {
                self.start_turn(flow, pass);
            }
        }
        None
    }

    fn start_turn(&mut self, flow: FlowId, pass: Pass) {
        let strain = self.strains.remove(&flow).unwrap_or_default();
        let warm = self.warm.take(&flow, Instant::now());
        let rooms = self.rooms.clone();
        self.jobs.spawn(async move {
            let turned = Turn::new(&rooms, flow.clone(), pass, strain, warm).take().await;
            Done::Turn(flow, Box::new(turned))
        });
    }

    fn start_fetches(&mut self) {
        while self.fetching < FETCHES_AT_ONCE
            && let Some(wanted) = self.fetches.next()
        {
            self.fetching += 1;
            let (rooms, fetcher) = (self.rooms.clone(), self.fetcher.clone());
            self.jobs.spawn(async move {
                let end = fetcher.fetch(&rooms, &wanted).await;
                Done::Fetch(wanted, end)
            });
        }
    }

    fn finished(&mut self, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Turn(flow, turned)) => self.turned(flow, *turned),
            Ok(Done::Fetch(wanted, end)) => self.fetched(wanted, end),
            Ok(Done::Pruning) => self.pruning = false,
            // With what it left behind unknown, the worker ends too: the service says so and exits, and
            // the next start decides everything from the journal. A lane left out would go unnoticed.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => tracing::debug!(error = %cancelled, "a turn was given up"),
            },
        }
    }

    fn turned(&mut self, flow: FlowId, turned: Turned) {
        let Turned { end, strain, document, wanted } = turned;
        wanted.into_iter().for_each(|wanted| self.fetches.add(wanted));
        self.keep(&flow, strain, document);
        match end {
            End::Idle => self.lanes.finish(flow, false),
            // Not at each event that comes meanwhile. Whoever resumes ends the wait.
            End::Paused => self.rest(flow, PAUSED_REST, false),
            End::Gated => self.lanes.finish(flow, true),
            End::Settled { again } => self.rest(flow, REST, again),
            End::BackOff(wait) => self.rest(flow, wait, true),
        }
    }

    fn keep(&mut self, flow: &FlowId, strain: Strain, document: Option<Document>) {
        if !strain.is_gone() {
            self.strains.insert(flow.clone(), strain);
        }
        if let Some(document) = document {
            self.warm.put(flow.clone(), document, Instant::now());
        }
    }

    fn rest(&mut self, flow: FlowId, wait: Duration, again: bool) {
        if self.lanes.wait(&flow, again) {
            self.waits.begin(Due::Lane(flow), wait);
        }
    }

    fn fetched(&mut self, wanted: Wanted, end: FetchEnd) {
        self.fetching -= 1;
        match end {
            FetchEnd::Done { woken } => {
                self.fetch_backoffs.remove(&wanted);
                self.fetches.finish(wanted, false);
                woken.into_iter().for_each(|flow| self.lanes.add(flow));
            }
            FetchEnd::Failed => {
                let fresh = || Backoff::new(FIRST_FETCH_WAIT, LONGEST_FETCH_WAIT);
                let backoff = self.fetch_backoffs.entry(wanted.clone()).or_insert_with(fresh);
                let wait = backoff.next(fastrand::f64());
                if self.fetches.wait(&wanted, true) {
                    self.waits.begin(Due::Fetch(wanted), wait);
                }
            }
        }
    }

    fn woken(&mut self, woken: Woken) {
        woken.flows.into_iter().for_each(|flow| self.lanes.add(flow));
        for flow in woken.at_once {
            if self.lanes.add_at_once(flow.clone()) {
                self.waits.cut(&Due::Lane(flow));
            }
        }
        for wanted in woken.wanted {
            if self.fetches.add_at_once(wanted.clone()) {
                self.waits.cut(&Due::Fetch(wanted));
            }
        }
    }

    fn due(&mut self, due: Due) {
        match due {
            Due::Lane(flow) => self.lanes.due(flow),
            Due::Fetch(wanted) => self.fetches.due(wanted),
        }
    }

    /// Drops what is old from the journal, beside everything else.
    fn prune(&mut self, shutdown: CancellationToken) {
        self.pruning = true;
        let ledger = self.rooms.ledger.clone();
        let before = self.rooms.clock.now() - self.settings.retention;
        self.jobs.spawn(async move {
            let prune = || ledger.record(Step::Prune { before, at_most: PRUNE_AT_MOST });
            // It ends, as nothing becomes older than a time that stands still. A commit that fails has been logged, and the next tick tries again.
            while let Ok(Effect::Pruned { more: true }) = prune().await {
                if shutdown.run_until_cancelled(tokio::time::sleep(PRUNE_PAUSE)).await.is_none() {
                    break;
                }
            }
            Done::Pruning
        });
    }

    async fn drain(mut self) {
        let deadline = tokio::time::sleep(DRAIN);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                biased;
                done = self.jobs.join_next() => if done.is_none() { break },
                () = &mut deadline => {
                    tracing::warn!(turn.count = self.jobs.len(), "stopped with turns in flight; the next start decides them");
                    break;
                }
            }
        }
        self.jobs.shutdown().await;
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

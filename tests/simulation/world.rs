//! A world, from its seed to its judgement.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use flowhook::change::State as Ended;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::calls::Calls;
use crate::disk::Disk;
use crate::ground::Ground;
use crate::journal::Journal;
use crate::judge::Judge;
use crate::life::Life;
use crate::people::{Desk, design, move_silently, operate, set_the_clock};
use crate::plan::Plan;
use crate::senders::{Door, Senders, Sent};
use crate::tenant::{State, Tenant};

/// How long after all is calm everything must have ended. The longest waits are five minutes; a clock that was
/// set back before a restart may keep the gate closed for an hour.
const AFTERMATH: Duration = Duration::from_secs(5400);
/// Between two looks whether it has.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What became of a world.
pub(crate) struct Fate {
    /// What must not have happened, and did.
    pub(crate) violations: Vec<String>,
    /// Of everything that was noted.
    pub(crate) digest: u64,
    /// What was noted, if lines were asked for.
    pub(crate) lines: Vec<String>,
    /// How the changes ended: state and reason.
    pub(crate) endings: Vec<(Ended, String)>,
    /// How often the tenant was called about flows, and the token endpoint.
    pub(crate) flow_calls: usize,
    pub(crate) token_calls: usize,
}

/// Everybody in it.
struct World {
    ground: Ground,
    plan: Arc<Plan>,
    tenant: Tenant,
    journal: Journal,
    calls: Calls,
    door: Door,
    desk: Desk,
}

/// What ends a life.
#[derive(Clone, Copy, Debug)]
enum End {
    Crash,
    Stop,
}

/// Lives through the world of a seed.
pub(crate) fn live(seed: u64, with_lines: bool) -> Fate {
    run(seed, with_lines, Plan::draw)
}

/// Lives through a world with a plan of one's own.
pub(crate) fn run(seed: u64, with_lines: bool, plan: impl FnOnce(&Ground) -> Plan) -> Fate {
    // The worker's own jitter comes from the thread's generator.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime needs nothing").block_on(async {
        let ground = Ground::new(seed, with_lines);
        let plan = Arc::new(plan(&ground));
        ground.note(format_args!("{plan:?}"));
        let tenant = Tenant::new(ground.clone(), Arc::clone(&plan));
        let journal = Journal::new(ground.clone(), Arc::clone(&plan));
        let calls = Calls::new(tenant.clone(), journal.clone());
        let (door, desk) = (Door::default(), Desk::default());
        let world = World {
            ground: ground.clone(),
            plan,
            tenant,
            journal: journal.clone(),
            calls: calls.clone(),
            door,
            desk,
        };
        world.live().await;
        let endings = journal
            .disk()
            .changes
            .values()
            .map(|row| (row.state, row.reason.clone().unwrap_or_default()))
            .collect();
        let book = calls.book();
        Fate {
            violations: ground.violations(),
            digest: ground.digest(),
            lines: ground.lines(),
            endings,
            flow_calls: book.flow_calls.len(),
            token_calls: book.token_calls.len(),
        }
    })
}

impl World {
    async fn live(self) {
        let began = Instant::now();
        let mut senders = JoinSet::new();
        for number in 0..self.plan.deliveries {
            senders.spawn(self.senders().send(number));
        }
        let mut people = JoinSet::new();
        for number in 0..self.plan.edits {
            people.spawn(design(self.ground.clone(), Arc::clone(&self.plan), self.tenant.clone(), number));
        }
        for _ in 0..self.plan.verbs {
            let (journal, desk) = (self.journal.clone(), Arc::clone(&self.desk));
            people.spawn(operate(self.ground.clone(), Arc::clone(&self.plan), journal, desk));
        }
        for _ in 0..self.plan.clock_moves {
            people.spawn(set_the_clock(self.ground.clone(), Arc::clone(&self.plan)));
        }
        for _ in 0..self.plan.silent_moves {
            people.spawn(move_silently(self.ground.clone(), Arc::clone(&self.plan), self.tenant.clone()));
        }
        let mut life = self.begin_life();
        let ends = self.ends();
        let lives = ends.len() + 1;
        for (at, end) in ends {
            sleep_until(began + at).await;
            self.ground.note(format_args!("the process ends: {end:?}"));
            self.door.close();
            self.desk_is_empty();
            match end {
                End::Crash => life.crash().await,
                End::Stop => life.stop().await,
            }
            self.ground.dawdle(2000).await;
            life = self.begin_life();
        }
        sleep_until(began + self.plan.calm_at).await;
        self.ground.note(format_args!("calm"));
        let sent: Vec<Sent> = senders.join_all().await.into_iter().flatten().collect();
        people.join_all().await;
        while !self.is_at_rest() && self.ground.elapsed() < self.plan.calm_at + AFTERMATH {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.door.close();
        self.desk_is_empty();
        life.stop().await;
        self.calls.check_spells(&self.plan, lives);
        let (disk, held) = (self.journal.disk(), self.tenant.state());
        self.judge(&disk, &held).judge(&sent);
    }

    fn judge<'w>(&'w self, disk: &'w Disk, held: &'w State) -> Judge<'w> {
        Judge { ground: &self.ground, disk, held, plan: &self.plan }
    }

    /// Whether everything has ended, and all is known of what sources have moved and people have done.
    fn is_at_rest(&self) -> bool {
        let (disk, held) = (self.journal.disk(), self.tenant.state());
        disk.pending_count() == 0 && self.judge(&disk, &held).not_compared().is_empty()
    }

    fn senders(&self) -> Senders {
        Senders {
            ground: self.ground.clone(),
            plan: Arc::clone(&self.plan),
            journal: self.journal.clone(),
            tenant: self.tenant.clone(),
            door: self.door.clone(),
        }
    }

    fn begin_life(&self) -> Life {
        let life = Life::begin(&self.ground, &self.plan, &self.journal, &self.calls);
        self.door.open(&life.queue);
        *self.desk.lock().unwrap_or_else(PoisonError::into_inner) = Some(life.ledger.clone());
        life
    }

    fn desk_is_empty(&self) {
        *self.desk.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn ends(&self) -> Vec<(Duration, End)> {
        let crashes = self.plan.crashes.iter().map(|at| (*at, End::Crash));
        let stops = self.plan.stops.iter().map(|at| (*at, End::Stop));
        let mut ends: Vec<_> = crashes.chain(stops).collect();
        ends.sort_by_key(|(at, _)| *at);
        ends
    }
}

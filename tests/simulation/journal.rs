//! The journal that a simulated process opens: a disk that outlives it, which takes its time and sometimes
//! refuses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flowhook::change::{
    Admission, Delivery, FlowId, Mode, NodeId, Seq, State, Values, Variable, Verdict, Wanted, Work,
};
use flowhook::journal::{
    Committed, DriftCursor, Drifted, Effect, JournalError, Mark, Outset, Read, Ready, Step, Taken, Target,
    Write,
};
use jiff::Timestamp;

use crate::disk::{Disk, Moment, Row, paused_by};
use crate::ground::Ground;
use crate::plan::Plan;

/// How long it takes at most from the last look into the journal to the commit that records a flow's drift.
const RECORDED_WITHIN: Duration = Duration::from_millis(30);

type Result<T> = std::result::Result<T, JournalError>;

/// The disk and those who look at it.
#[derive(Clone)]
pub(crate) struct Journal {
    disk: Arc<Mutex<Disk>>,
    /// Since when a flow is paused, or with none all of them: what is held against the process, whatever the
    /// disk makes of it.
    pauses: Arc<Mutex<BTreeMap<Option<FlowId>, Duration>>>,
    ground: Ground,
    plan: Arc<Plan>,
}

impl Journal {
    pub(crate) fn new(ground: Ground, plan: Arc<Plan>) -> Self {
        Self { disk: Arc::default(), pauses: Arc::default(), ground, plan }
    }

    pub(crate) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when nothing of the flow may be published, if so it is.
    pub(crate) fn paused_since(&self, flow: &FlowId) -> Option<Duration> {
        let pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        [None, Some(flow.clone())].iter().filter_map(|reach| pauses.get(reach).copied()).min()
    }

    fn check_pauses(&self, step: &Step) {
        let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        match step {
            Step::Pause { reach, .. } => _ = pauses.entry(paused_by(reach)).or_insert(self.ground.elapsed()),
            Step::Resume { reach } => _ = pauses.remove(&paused_by(reach)),
            Step::Attempt(attempt) => {
                let flow = &attempt.flow;
                if pauses.contains_key(&None) || pauses.contains_key(&Some(flow.clone())) {
                    self.ground.violated(format!("an update of {flow} was begun while it is paused"));
                }
            }
            Step::Settle { .. }
            | Step::Hold { .. }
            | Step::Fetched { .. }
            | Step::Drift { .. }
            | Step::Gate(_)
            | Step::Prune { .. }
            | Step::Act { .. }
            | Step::Rollback { .. }
            | Step::Probe => {}
        }
    }

    fn fails(&self) -> Result<()> {
        if self.plan.disk_fails(self.ground.elapsed()) {
            return Err(JournalError::Statement(rusqlite::Error::InvalidQuery));
        }
        Ok(())
    }

    /// What a look shows: what was committed when it began.
    async fn look<T>(&self, look: impl FnOnce(&Disk) -> T + Send) -> Result<T> {
        self.fails()?;
        let seen = look(&self.disk());
        self.ground.dawdle(2).await;
        Ok(seen)
    }

    /// What the flow held when it was looked at must not be what had been applied to it by then.
    fn check_drift(&self, disk: &Disk, step: &Step, now: Duration) {
        let Step::Drift { flow, found, .. } = step else { return };
        for drift in found {
            let marks = disk.marks(flow, &drift.node);
            let mark = marks.iter().find(|mark| mark.target == drift.target);
            let is_applied = mark.is_some_and(|mark| {
                let ended = disk.changes.get(&mark.seq).and_then(|row| row.ended);
                mark.value == drift.there && ended.is_some_and(|ended| ended + RECORDED_WITHIN < now)
            });
            if drift.there.is_some() && is_applied {
                self.ground.violated(format!("what was applied to {flow} is recorded as drift: {drift:?}"));
            }
        }
    }

    /// A change may be superseded only by one that has ended well, or ends so in the same commit.
    fn check_superseded(&self, disk: &Disk, step: &Step) {
        let Step::Settle { flow, settlement } = step else { return };
        for ending in settlement.endings.iter().filter(|ending| ending.state == State::Superseded) {
            let Some(loser) = disk.changes.get(&ending.seq) else { continue };
            let what = &loser.change.what;
            if what.mode == Mode::Patch {
                let is_other = |row: &&Row| {
                    let other = &row.change.what;
                    let is_patch =
                        other.mode == Mode::Patch && (&other.flow, &other.node) == (&what.flow, &what.node);
                    is_patch && matches!(row.state, State::Published | State::Unchanged)
                };
                if !disk.changes.values().any(|row| is_other(&row)) {
                    self.ground.violated(format!("patch {} of {flow} was superseded by nothing", ending.seq));
                }
            }
            let Values::Known(variables) = &what.values else { continue };
            let is_there = |name: &str| {
                disk.changes.values().any(|row| {
                    let other = &row.change.what;
                    let names = match &other.values {
                        Values::Known(variables) => variables.iter().any(|variable| variable.name == name),
                        Values::Undo(undo) => undo.replaced.iter().any(|of| of.name.as_deref() == Some(name)),
                        Values::Patch(_) | Values::Fetch(_) | Values::Taken { .. } => false,
                    };
                    matches!(row.state, State::Published | State::Unchanged)
                        && (&other.flow, &other.node) == (&what.flow, &what.node)
                        && (names || other.mode == Mode::Replace)
                })
            };
            if !variables.iter().all(|variable| is_there(&variable.name)) {
                self.ground.violated(format!(
                    "change {} of {flow} was superseded before what beat it had ended well",
                    ending.seq
                ));
            }
        }
    }
}

impl Write for Journal {
    async fn commit(
        &mut self,
        now: Timestamp,
        steps: &[&Step],
        deliveries: &[&Delivery],
    ) -> Result<Committed> {
        self.ground.dawdle(4).await;
        self.fails()?;
        let moment = Moment { wall: now, elapsed: self.ground.elapsed() };
        let mut committed = Committed::default();
        {
            let mut disk = self.disk();
            for step in steps {
                let effect = disk.step(step, moment);
                if !matches!(step, Step::Prune { .. } | Step::Probe) {
                    self.ground.note(format_args!("journal: {} -> {effect:?}", name(step)));
                    self.ground.detail(format_args!("{step:?}"));
                }
                if effect != Effect::Stale {
                    self.check_drift(&disk, step, moment.elapsed);
                    self.check_superseded(&disk, step);
                    self.check_pauses(step);
                }
                committed.effects.push(effect);
            }
            for delivery in deliveries {
                let doubts = doubts(&disk, delivery);
                let admitted = disk.admit(delivery, moment);
                if matches!(admitted.admission, Admission::Accepted { .. }) {
                    doubts.into_iter().for_each(|doubt| self.ground.violated(doubt));
                }
                self.ground.note(format_args!("journal: {} -> {admitted:?}", delivery.id));
                committed.admitted.push(admitted);
            }
        }
        // Durable: from here on a crash costs the answer and nothing else.
        self.ground.dawdle(4).await;
        Ok(committed)
    }

    async fn close(self) {}
}

impl Read for Journal {
    async fn outset(&self, flow: &FlowId) -> Result<Outset> {
        self.look(|disk| disk.outset(flow)).await
    }

    async fn ready(&self, flow: &FlowId, at_most: usize, bytes: usize) -> Result<Ready> {
        self.look(|disk| disk.ready(flow, at_most, bytes)).await
    }

    async fn marks(&self, flow: &FlowId, nodes: &[&NodeId]) -> Result<Vec<Mark>> {
        self.look(|disk| nodes.iter().flat_map(|node| disk.marks(flow, node)).collect()).await
    }

    async fn marked_flows(&self, after: Option<&FlowId>, at_most: usize) -> Result<Vec<FlowId>> {
        self.look(|disk| disk.marked_flows(after, at_most)).await
    }

    async fn works(&self, flow: &FlowId) -> Result<BTreeMap<NodeId, Work>> {
        self.look(|disk| disk.works(flow)).await
    }

    async fn taken(
        &self,
        route: &str,
        after: Option<(&FlowId, &NodeId)>,
        at_most: usize,
    ) -> Result<Vec<Taken>> {
        self.look(|disk| disk.taken(route, after, at_most)).await
    }

    async fn drift(&self, after: Option<DriftCursor<'_>>, at_most: usize) -> Result<Vec<Drifted>> {
        self.look(|disk| disk.drift(after, at_most)).await
    }

    async fn drift_of(&self, flow: &FlowId) -> Result<Vec<Drifted>> {
        self.look(|disk| disk.drift_of(flow)).await
    }

    async fn work(&self, flow: &FlowId, node: &NodeId) -> Result<Work> {
        self.look(|disk| disk.work(flow, node)).await
    }

    async fn is_paused(&self, flow: &FlowId) -> Result<bool> {
        self.look(|disk| disk.is_paused(flow)).await
    }

    async fn waiting_for(&self, wanted: &Wanted) -> Result<Option<(Seq, Vec<FlowId>)>> {
        self.look(|disk| disk.waiting_for(wanted)).await
    }

    async fn last_published(&self, flow: &FlowId) -> Result<Option<String>> {
        self.look(|disk| disk.last_published(flow)).await
    }

    async fn was_lost_at(&self, flow: &FlowId, version: &str) -> Result<bool> {
        self.look(|disk| disk.was_lost_at(flow, version)).await
    }

    async fn others_were_served(&self, than: &FlowId, since: Timestamp) -> Result<bool> {
        self.look(|disk| disk.others_were_served(than, since)).await
    }
}

/// What must not be stored of what was made by comparing: what its source has not moved, and what is older than what
/// was taken from it before.
fn doubts(disk: &Disk, delivery: &Delivery) -> Vec<String> {
    let mut doubts = Vec::new();
    let Verdict::Changes(changes) = &delivery.verdict else { return doubts };
    for what in changes {
        let Values::Taken { values, taken, .. } = &what.values else { continue };
        let (Values::Known(values), Values::Known(says)) = (&**values, &**taken) else { continue };
        let before = disk.last_taken(&what.flow, &what.node);
        let place = format!("{} {}", what.flow, what.node);
        let marks = disk.marks(&what.flow, &what.node);
        for variable in values {
            let name = &variable.name;
            let is_it = |mark: &&Mark| mark.target == Target::Variable(name.clone());
            let mark_seq = marks.iter().find(is_it).map(|mark| mark.seq);
            let same = |taken: &&Taken| value_in(&taken.value, name).as_deref() == Some(variable.value.get());
            let lost = |taken: &Taken| taken.ended_by_key && mark_seq.is_some_and(|seq| seq < taken.seq);
            if before.as_ref().filter(same).is_some_and(|taken| !lost(taken)) {
                doubts.push(format!("{place} {name} was written though its source has not moved it"));
            }
        }
        let counter = |text: &str| value_in(text, "max_wait_time_seconds")?.parse::<u64>().ok();
        let new = says.iter().find(|of| of.name == "max_wait_time_seconds");
        let new = new.and_then(|of| of.value.get().parse::<u64>().ok());
        if before.is_some_and(|before| counter(&before.value) > new) {
            doubts.push(format!("{place} was taken from an answer that is older than what was taken before"));
        }
    }
    doubts
}

/// The value of a variable in a list as the journal spells it.
pub(crate) fn value_in(list: &str, name: &str) -> Option<String> {
    let list: Vec<Variable> = serde_json::from_str(list).ok()?;
    list.into_iter().find(|variable| variable.name == name).map(|variable| variable.value.get().to_owned())
}

/// A step in a word, and what it is about.
fn name(step: &Step) -> String {
    match step {
        Step::Attempt(attempt) => format!("attempt at {} from {}", attempt.flow, attempt.base_version),
        Step::Settle { flow, settlement } => {
            let endings = settlement.endings.iter().map(|end| format!("{} {}", end.seq, end.state.as_str()));
            format!("settle {flow}: {}", endings.collect::<Vec<_>>().join(", "))
        }
        Step::Hold { seqs, .. } => format!("hold {seqs:?}"),
        Step::Fetched { wanted, up_to, .. } => format!("fetched {wanted:?} up to {up_to}"),
        Step::Drift { flow, found, .. } => format!("drift of {flow}: {}", found.len()),
        Step::Gate(end) => format!("gate closed until {}", end.until),
        Step::Prune { .. } => "prune".to_owned(),
        Step::Act { verb, chosen } => format!("{verb:?} {chosen:?}"),
        Step::Rollback { seqs } => format!("roll back {seqs:?}"),
        Step::Pause { reach, .. } => format!("pause {reach:?}"),
        Step::Resume { reach } => format!("resume {reach:?}"),
        Step::Probe => "probe".to_owned(),
    }
}

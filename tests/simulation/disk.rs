//! The journal in memory: the same rows and the same rules as in the SQLite file. A test holds the two to the
//! same answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use flowhook::change::{
    Admission, Change, Delivery, FlowId, Mode, NewChange, NodeId, Seq, State, Values, Verdict, Wanted,
};
use flowhook::journal::{
    Acted, Admitted, Attempt, ChangeFilter, Chosen, Done, Drifted, Effect, Ending, Fetched, GateEnd, Mark,
    Outcome, Outset, Reach, Ready, Refused, Settlement, Step, Taken, Tally, Verb,
};
use jiff::Timestamp;

mod compared;

/// How many of a flow's changes are its latest.
const LATEST: usize = 1000;

/// The rows.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// By source and id; of a rejected one, when it arrived.
    deliveries: BTreeMap<(String, String), Option<Timestamp>>,
    pub(crate) changes: BTreeMap<Seq, Row>,
    last_seq: Seq,
    marks: BTreeMap<(FlowId, String, String), Mark>,
    attempts: BTreeMap<String, Tried>,
    /// By route, flow and node.
    taken: BTreeMap<(String, FlowId, NodeId), Taken>,
    /// By flow, node and the target's name.
    drift: BTreeMap<(FlowId, NodeId, String), Drifted>,
    pub(crate) gate: Option<GateEnd>,
    /// The flows that are paused; none stands for all.
    pauses: BTreeMap<Option<FlowId>, String>,
}

/// An attempt, and what became of it and when.
#[derive(Debug)]
struct Tried {
    attempt: Attempt,
    ended: Option<(Outcome, Timestamp)>,
}

/// A change.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) source: String,
    pub(crate) delivery: String,
    pub(crate) change: Change,
    /// Where a thin change gets its values; the values are [`Values::Known`] once it has.
    url: Option<String>,
    pub(crate) state: State,
    pub(crate) reason: Option<String>,
    pub(crate) version: Option<String>,
    /// The attempt that published it.
    attempt: Option<String>,
    received_at: Timestamp,
    settled_at: Option<Timestamp>,
    /// When it became pending, in the world's own time, and when it ended.
    pub(crate) accepted: Duration,
    pub(crate) ended: Option<Duration>,
}

impl Row {
    fn is_pending(&self) -> bool {
        self.state == State::Pending
    }

    fn is_thin(&self) -> bool {
        matches!(self.change.what.values, Values::Fetch(_))
    }

    /// What it waits for, if it is thin.
    fn wanted(&self) -> Option<Wanted> {
        let url = self.url.clone().filter(|_| self.is_thin())?;
        Some(Wanted { route: Arc::clone(&self.change.what.route), url })
    }

    fn waits_for(&self, wanted: &Wanted) -> bool {
        self.is_pending() && self.wanted().as_ref() == Some(wanted)
    }

    fn revive(&mut self, now: Moment) {
        self.state = State::Pending;
        self.reason = None;
        self.change.held_ms = 0;
        self.settled_at = None;
        self.accepted = now.elapsed;
        self.ended = None;
    }

    fn end(&mut self, state: State, now: Moment) {
        self.state = state;
        self.settled_at = Some(now.wall);
        self.ended = Some(now.elapsed);
    }
}

/// When a commit is made: by the wall clock, and by the world's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) wall: Timestamp,
    pub(crate) elapsed: Duration,
}

/// What comes in.
impl Disk {
    pub(crate) fn admit(&mut self, delivery: &Delivery, now: Moment) -> Admitted {
        let nothing = |admission| Admitted { admission, flows: Vec::new() };
        let name = (delivery.source.to_string(), delivery.id.clone());
        let was_accepted = self.deliveries.get(&name) == Some(&None);
        if let Verdict::Changes(changes) = &delivery.verdict
            && changes.iter().any(|change| self.has_moved(change))
        {
            return nothing(Admission::Stale);
        }
        match &delivery.verdict {
            Verdict::Rejected { .. } if was_accepted => nothing(Admission::Duplicate),
            Verdict::Rejected { .. } => {
                self.deliveries.insert(name, Some(delivery.received_at));
                nothing(Admission::Rejected)
            }
            Verdict::Changes(_) if was_accepted => {
                let failed = |row: &&mut Row| {
                    row.state == State::Failed && (&row.source, &row.delivery) == (&name.0, &name.1)
                };
                let revived = self.changes.values_mut().filter(failed).map(|row| {
                    row.revive(now);
                    row.change.what.flow.clone()
                });
                let flows = Vec::from_iter(revived);
                match flows.len() {
                    0 => nothing(Admission::Duplicate),
                    changes => Admitted { admission: Admission::Accepted { changes }, flows },
                }
            }
            Verdict::Changes(changes) => {
                for what in changes {
                    self.insert(&name, what, delivery.received_at, now);
                }
                self.deliveries.insert(name, None);
                let flows = changes.iter().map(|change| change.flow.clone()).collect();
                Admitted { admission: Admission::Accepted { changes: changes.len() }, flows }
            }
        }
    }

    fn insert(&mut self, name: &(String, String), what: &NewChange, received_at: Timestamp, now: Moment) {
        self.last_seq += 1;
        let url = match &what.values {
            Values::Known(_) | Values::Patch(_) | Values::Undo(_) => None,
            Values::Fetch(url) | Values::Taken { url, .. } => Some(url.clone()),
        };
        let mut what = what.clone();
        if let Values::Taken { values, taken, .. } = what.values {
            what.values = *taken;
            self.take(self.last_seq, &what, now);
            what.values = *values;
        }
        let row = Row {
            source: name.0.clone(),
            delivery: name.1.clone(),
            change: Change { seq: self.last_seq, what, held_ms: 0 },
            url,
            state: State::Pending,
            reason: None,
            version: None,
            attempt: None,
            received_at,
            settled_at: None,
            accepted: now.elapsed,
            ended: None,
        };
        self.changes.insert(self.last_seq, row);
    }
}

/// What the worker writes.
impl Disk {
    pub(crate) fn step(&mut self, step: &Step, now: Moment) -> Effect {
        let ended = match step {
            Step::Act { verb, chosen } => return Effect::Acted(self.act(*verb, chosen, now)),
            Step::Rollback { seqs } => return Effect::Acted(self.roll_back(seqs, now)),
            Step::Pause { reach, reason } => {
                let told =
                    self.pauses.entry(paused_by(reach)).or_insert_with(|| "an operator said so".to_owned());
                told.clone_from(reason.as_ref().unwrap_or(&told.clone()));
                return Effect::Acted(Acted::default());
            }
            Step::Resume { reach } => return Effect::Acted(self.resume(reach)),
            Step::Prune { before, at_most } => return self.prune(*before, *at_most),
            Step::Attempt(attempt)
                if self.is_paused(&attempt.flow) || self.is_stale(&attempt.plan.endings) =>
            {
                return Effect::Stale;
            }
            Step::Settle { settlement, .. }
                if settlement.attempt.is_none() && self.is_stale(&settlement.endings) =>
            {
                return Effect::Stale;
            }
            Step::Attempt(attempt) => {
                let tried = Tried { attempt: attempt.as_ref().clone(), ended: None };
                self.attempts.insert(attempt.id.clone(), tried);
                Tally::default()
            }
            Step::Settle { flow, settlement } => self.settle(flow, settlement, now),
            Step::Hold { seqs, reason, for_ms } => {
                for seq in seqs {
                    if let Some(row) = self.pending(*seq) {
                        row.reason = Some(reason.clone());
                        row.change.held_ms += for_ms;
                    }
                }
                Tally::default()
            }
            Step::Fetched { wanted, up_to, fetched } => self.fetched(wanted, *up_to, fetched, now),
            Step::Drift { flow, nodes, found } => {
                self.drifts(flow, nodes, found, now);
                Tally::default()
            }
            Step::Gate(end) => {
                let until = Timestamp::from_millisecond(end.until.as_millisecond()).expect("it was a time");
                self.gate = Some(GateEnd { until, reason: end.reason.clone() });
                Tally::default()
            }
            Step::Probe => Tally::default(),
        };
        Effect::Written { ended }
    }

    fn pending(&mut self, seq: Seq) -> Option<&mut Row> {
        self.changes.get_mut(&seq).filter(|row| row.is_pending())
    }

    fn resume(&mut self, reach: &Reach) -> Acted {
        let mut acted = Acted::default();
        if self.pauses.remove(&paused_by(reach)).is_some() {
            acted.flows = match reach {
                Reach::Flow(flow) => BTreeSet::from([flow.clone()]),
                Reach::AllFlows => self.pending_tally().iter().map(|(flow, _)| flow.clone()).collect(),
            };
        }
        acted
    }

    fn is_stale(&self, endings: &[Ending]) -> bool {
        endings.iter().any(|ending| !self.changes.get(&ending.seq).is_some_and(Row::is_pending))
    }

    fn settle(&mut self, flow: &FlowId, settlement: &Settlement, now: Moment) -> Tally {
        if let Some((id, outcome)) = &settlement.attempt
            && let Some(tried) = self.attempts.get_mut(id)
        {
            tried.ended = Some((*outcome, now.wall));
        }
        for mark in &settlement.marks {
            let place = (flow.clone(), mark.node.clone(), mark.target.encode());
            self.marks.insert(place, mark.clone());
        }
        let mut ended = Tally::default();
        for Ending { seq, state, reason } in &settlement.endings {
            if let Some(row) = self.pending(*seq) {
                row.reason.clone_from(reason);
                let is_published = *state == State::Published;
                row.version = settlement.version.clone().filter(|_| is_published);
                row.attempt = settlement.attempt.as_ref().filter(|_| is_published).map(|(id, _)| id.clone());
                row.end(*state, now);
                ended.add(&row.change.what.flow, 1);
            }
        }
        ended
    }

    fn fetched(&mut self, wanted: &Wanted, up_to: Seq, fetched: &Fetched, now: Moment) -> Tally {
        let mut ended = Tally::default();
        let mut filled = Vec::new();
        for (_, row) in self.changes.range_mut(..=up_to).filter(|(_, row)| row.waits_for(wanted)) {
            match fetched {
                Fetched::Values(values)
                    if matches!(values, Values::Patch(_)) == (row.change.what.mode == Mode::Patch) =>
                {
                    row.change.what.values = values.clone();
                    row.reason = None;
                    filled.push((row.change.seq, row.change.what.clone()));
                }
                Fetched::Values(_) => {
                    let why =
                        "the mode of its route is another now than when it arrived: have it delivered again";
                    row.reason = Some(why.to_owned());
                    row.end(State::Failed, now);
                    ended.add(&row.change.what.flow, 1);
                }
                Fetched::Nothing(reason) => row.reason = Some(reason.clone()),
                Fetched::Unfit(reason) => {
                    row.reason = Some(reason.clone());
                    row.end(State::Failed, now);
                    ended.add(&row.change.what.flow, 1);
                }
            }
        }
        filled.iter().for_each(|(seq, what)| self.take(*seq, what, now));
        ended
    }

    fn prune(&mut self, before: Timestamp, at_most: u32) -> Effect {
        let at_most = usize::try_from(at_most).unwrap_or(usize::MAX);
        let is_over = |state| !matches!(state, State::Pending | State::Failed);
        let old = |row: &Row| row.settled_at.is_some_and(|at| at < before) && is_over(row.state);
        let mut gone: Vec<_> = self
            .changes
            .iter()
            .filter(|(_, row)| old(row))
            .map(|(seq, row)| (row.settled_at, *seq))
            .collect();
        gone.sort_unstable();
        let changes = gone.len();
        for (_, seq) in gone.into_iter().take(at_most) {
            let row = self.changes.remove(&seq).expect("it was found");
            let name = (row.source, row.delivery);
            if !self.changes.values().any(|row| (&row.source, &row.delivery) == (&name.0, &name.1)) {
                self.deliveries.remove(&name);
            }
        }
        let rejected = |(name, at): (&(String, String), &Option<Timestamp>)| Some(((*at)?, name.clone()));
        let mut unwanted: Vec<_> =
            self.deliveries.iter().filter_map(rejected).filter(|(at, _)| *at < before).collect();
        unwanted.sort_unstable();
        let ended = |(id, tried): (&String, &Tried)| tried.ended.map(|(_, at)| (at, id.clone()));
        let mut gone: Vec<_> =
            self.attempts.iter().filter_map(ended).filter(|(at, _)| *at < before).collect();
        gone.sort_unstable();
        let more = changes.max(gone.len()).max(unwanted.len()) >= at_most;
        unwanted.into_iter().take(at_most).for_each(|(_, name)| _ = self.deliveries.remove(&name));
        gone.into_iter().take(at_most).for_each(|(_, id)| _ = self.attempts.remove(&id));
        Effect::Pruned { more }
    }

    fn roll_back(&mut self, seqs: &[Seq], now: Moment) -> Acted {
        let mut acted = Acted::default();
        let mut name = None;
        for seq in seqs.iter().collect::<BTreeSet<_>>().into_iter().rev().copied() {
            match self.undoing(seq) {
                Ok(change) => {
                    let name = name.get_or_insert_with(|| {
                        ("operator".to_owned(), format!("rollback-{}", self.last_seq + 1))
                    });
                    self.deliveries.insert(name.clone(), None);
                    self.insert(name, &change, now.wall, now);
                    acted.made.push(self.last_seq);
                    acted.changes += 1;
                    acted.revived.add(&change.flow, 1);
                    acted.flows.insert(change.flow);
                }
                Err(why) => acted.refused.push(Refused { seq, why }),
            }
        }
        acted
    }

    fn undoing(&self, seq: Seq) -> Result<NewChange, String> {
        let row = self.changes.get(&seq).ok_or_else(|| format!("There is no change {seq}."))?;
        let tried = row.attempt.as_ref().and_then(|id| self.attempts.get(id));
        let landed = tried.filter(|tried| tried.ended.is_some_and(|(how, _)| how == Outcome::Published));
        let what = &row.change.what;
        let list = match &what.values {
            Values::Known(variables) => Some(json(variables)),
            Values::Patch(patch) => Some(patch.get().to_owned()),
            Values::Fetch(_) | Values::Undo(_) | Values::Taken { .. } => None,
        };
        Done {
            seq,
            flow: &what.flow,
            node: &what.node,
            state: row.state,
            plan: landed.map(|tried| &tried.attempt.plan),
            list: list.as_deref(),
        }
        .rollback()
    }

    fn act(&mut self, verb: Verb, chosen: &Chosen, now: Moment) -> Acted {
        let (found, next_cursor) = self.choose(chosen);
        let mut acted = Acted { next_cursor, ..Acted::default() };
        let in_flight = self.in_flight();
        for seq in found {
            let row = self.changes.get_mut(&seq).expect("it was found");
            let was_pending = row.is_pending();
            match verb {
                Verb::Retry => {
                    acted.revived.add(&row.change.what.flow, usize::from(!was_pending));
                    acted.flows.insert(row.change.what.flow.clone());
                    acted.wanted.extend(row.wanted());
                    row.revive(now);
                    acted.changes += 1;
                }
                Verb::Discard if in_flight.contains(&seq) => acted.in_flight += 1,
                Verb::Discard => {
                    acted.ended.add(&row.change.what.flow, usize::from(was_pending));
                    row.end(State::Discarded, now);
                    acted.changes += 1;
                }
            }
        }
        acted
    }

    fn in_flight(&self) -> BTreeSet<Seq> {
        let open = self.attempts.values().filter(|tried| tried.ended.is_none());
        open.flat_map(|tried| tried.attempt.plan.endings.iter().map(|ending| ending.seq)).collect()
    }

    fn choose(&self, chosen: &Chosen) -> (Vec<Seq>, Option<Seq>) {
        let can_be_chosen = |row: &Row| matches!(row.state, State::Pending | State::Failed);
        match chosen {
            Chosen::One(seq) => (
                self.changes.get(seq).filter(|row| can_be_chosen(row)).map(|_| *seq).into_iter().collect(),
                None,
            ),
            Chosen::Filter(filter) => {
                let wanted = |(seq, row): &(&Seq, &Row)| can_be_chosen(row) && fits(filter, **seq, row);
                let mut found: Vec<Seq> = self.changes.iter().filter(wanted).map(|(seq, _)| *seq).collect();
                found.reverse();
                let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
                let has_more = found.len() > limit;
                found.truncate(limit);
                let next_cursor = found.last().copied().filter(|_| has_more);
                (found, next_cursor)
            }
        }
    }
}

fn fits(filter: &ChangeFilter, seq: Seq, row: &Row) -> bool {
    filter.state.is_none_or(|state| state == row.state)
        && filter.flow.as_ref().is_none_or(|flow| *flow == row.change.what.flow)
        && filter.source.as_ref().is_none_or(|source| *source == row.source)
        && filter.since.is_none_or(|since| row.received_at >= since)
        && filter.before.is_none_or(|before| seq < before)
}

/// What the worker asks.
impl Disk {
    fn pending_of(&self, flow: &FlowId) -> impl Iterator<Item = &Row> {
        self.changes.values().filter(move |row| row.is_pending() && row.change.what.flow == *flow)
    }

    pub(crate) fn pending_count(&self) -> usize {
        self.pending_tally().total()
    }

    pub(crate) fn pending_tally(&self) -> Tally {
        self.changes.values().filter(|row| row.is_pending()).map(|row| &row.change.what.flow).collect()
    }

    pub(crate) fn is_paused(&self, flow: &FlowId) -> bool {
        self.pauses.contains_key(&None) || self.pauses.contains_key(&Some(flow.clone()))
    }

    /// What people are told that a change waits for, or what is noted with it.
    pub(crate) fn reason(&self, row: &Row) -> Option<String> {
        let all = self.pauses.get(&None).map(|reason| format!("all flows are paused: {reason}"));
        let own = self.pauses.get(&Some(row.change.what.flow.clone()));
        let own = own.map(|reason| format!("the flow is paused: {reason}"));
        all.or(own).filter(|_| row.is_pending()).or_else(|| row.reason.clone())
    }

    pub(crate) fn flows_with_work(&self) -> BTreeSet<FlowId> {
        let pending = self.changes.values().filter(|row| row.is_pending()).map(|row| &row.change.what.flow);
        let open = self.attempts.values().filter(|tried| tried.ended.is_none());
        pending.chain(open.map(|tried| &tried.attempt.flow)).cloned().collect()
    }

    pub(crate) fn ready(&self, flow: &FlowId, at_most: usize, bytes: usize) -> Ready {
        let known: Vec<&Row> = self.pending_of(flow).filter(|row| !row.is_thin()).collect();
        let mut taken = Vec::new();
        let mut weight = 0;
        for row in known.iter().take(at_most) {
            if weight >= bytes && !taken.is_empty() {
                break;
            }
            weight += text_of(&row.change.what.values, row.change.what.mode).len();
            taken.push(row.change.clone());
        }
        Ready { more: taken.len() < known.len(), changes: taken }
    }

    pub(crate) fn marks(&self, flow: &FlowId, node: &NodeId) -> Vec<Mark> {
        let of_node =
            |((of, at, _), _): &(&(FlowId, String, String), &Mark)| of == flow && at == node.as_str();
        self.marks.iter().filter(of_node).map(|(_, mark)| mark.clone()).collect()
    }

    pub(crate) fn outset(&self, flow: &FlowId) -> Outset {
        let undecided = self.open_attempt(flow).cloned();
        Outset { undecided, is_paused: self.is_paused(flow), wanted: self.wanted(flow) }
    }

    pub(crate) fn open_attempt(&self, flow: &FlowId) -> Option<&Attempt> {
        let mut open =
            self.attempts.values().filter(|tried| tried.ended.is_none() && tried.attempt.flow == *flow);
        open.next().map(|tried| &tried.attempt)
    }

    pub(crate) fn last_published(&self, flow: &FlowId) -> Option<String> {
        let has_ended = |row: &&Row| row.change.what.flow == *flow && !row.is_pending();
        let of_flow = self.changes.values().rev().filter(has_ended);
        of_flow.take(LATEST).find_map(|row| row.version.clone())
    }

    pub(crate) fn was_lost_at(&self, flow: &FlowId, version: &str) -> bool {
        self.attempts.values().any(|tried| {
            let attempt = &tried.attempt;
            let is_lost = matches!(tried.ended, Some((Outcome::Lost, _)));
            is_lost && attempt.flow == *flow && attempt.base_version == version
        })
    }

    pub(crate) fn others_were_served(&self, than: &FlowId, since: Timestamp) -> bool {
        self.changes.values().any(|row| {
            matches!(row.state, State::Published | State::Unchanged)
                && row.change.what.flow != *than
                && row.settled_at.is_some_and(|at| at >= since)
        })
    }

    pub(crate) fn wanted(&self, flow: &FlowId) -> Vec<Wanted> {
        self.pending_of(flow).filter_map(Row::wanted).collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(crate) fn waiting_for(&self, wanted: &Wanted) -> Option<(Seq, Vec<FlowId>)> {
        let waiting: Vec<&Row> = self.changes.values().filter(|row| row.waits_for(wanted)).collect();
        let up_to = waiting.iter().map(|row| row.change.seq).max()?;
        let flows: BTreeSet<_> = waiting.iter().map(|row| row.change.what.flow.clone()).collect();
        Some((up_to, flows.into_iter().collect()))
    }
}

fn text_of(values: &Values, mode: Mode) -> String {
    match values {
        Values::Patch(patch) => patch.get().to_owned(),
        Values::Undo(undo) if mode == Mode::Patch => json(&undo.restored_members()) + &json(undo),
        Values::Known(variables) => json(variables),
        Values::Undo(undo) => json(&undo.restores()) + &json(undo),
        Values::Fetch(_) | Values::Taken { .. } => String::new(),
    }
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("it has string keys and holds JSON")
}

pub(crate) fn paused_by(reach: &Reach) -> Option<FlowId> {
    match reach {
        Reach::Flow(flow) => Some(flow.clone()),
        Reach::AllFlows => None,
    }
}

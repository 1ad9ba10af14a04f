//! What must be true when all is calm again.

mod compared;
mod patches;

use std::cmp::Ordering::Greater;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use flowhook::change::{Mode, Replaced, Seq, State, Values, Variable};
use flowhook::journal::Target;
use patches::{has_any_of_patch, undone_member};
use serde_json::value::RawValue;

use crate::disk::{Disk, Row};
use crate::flow::Flow;
use crate::ground::Ground;
use crate::plan::Plan;
use crate::senders::Sent;
use crate::tenant::{POISON, STALE_FOR, State as Held};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Judges a world that has come to rest.
pub(crate) struct Judge<'w> {
    pub(crate) ground: &'w Ground,
    pub(crate) disk: &'w Disk,
    pub(crate) held: &'w Held,
    pub(crate) plan: &'w Plan,
}

impl Judge<'_> {
    pub(crate) fn judge(&self, sent: &[Sent]) {
        for Sent { id, at_least } in sent {
            let mut rows = self.disk.changes.values().filter(|row| row.delivery == *id).peekable();
            if rows.peek().is_none() {
                self.ground.violated(format!("delivery {id} was acknowledged and is lost"));
            }
            if let (Some(at_least), Some(row)) = (at_least, rows.next()) {
                self.fresh(row, *at_least);
            }
        }
        for row in self.disk.changes.values() {
            self.ending(row);
        }
        self.finals();
        self.patches();
        self.not_compared().into_iter().for_each(|what| self.ground.violated(what));
    }

    /// A thin change must not be carried out with values that are older than its event.
    fn fresh(&self, row: &Row, at_least: u64) {
        let Values::Known(variables) = &row.change.what.values else { return };
        let value = variables.iter().find(|variable| variable.name == "max_wait_time_seconds");
        let Some(value) = value.and_then(|variable| variable.value.get().parse::<u64>().ok()) else { return };
        if value < at_least {
            self.ground.violated(format!(
                "change {} was fetched too early: {value}, not {at_least}",
                row.change.seq
            ));
        }
    }

    /// What a change's ending says must have been so.
    fn ending(&self, row: &Row) {
        let seq = row.change.seq;
        let what = &row.change.what;
        let untrue = |why: &str| {
            self.ground.violated(format!(
                "change {seq} of {} ended {:?} ({:?}), but {why}",
                what.flow, row.state, row.reason
            ));
        };
        match row.state {
            State::Pending => untrue("all has been calm for long"),
            State::Published => {
                let landed = self.held.landed.get(&seq).cloned().unwrap_or_default();
                let version = row.version.as_deref().and_then(|version| version.parse::<u64>().ok());
                if row.reason.is_none() && !version.is_some_and(|version| landed.contains(&version)) {
                    untrue(&format!("it landed in {landed:?}, not in {version:?}"));
                }
                let was_there = || {
                    version.is_some_and(|version| {
                        self.history(row)
                            .iter()
                            .any(|(_, flow)| flow.version == version && has_any(flow, row))
                    })
                };
                if landed.is_empty() && !was_there() {
                    untrue("it is in no version");
                }
            }
            State::Unchanged if matches!(what.values, Values::Undo(_)) => {
                let ended = row.ended.unwrap_or_default();
                let from = row.accepted.saturating_sub(self.behind());
                if !self.in_force(row, from, ended).any(|flow| nothing_to_undo(flow, row))
                    && !self.has_company(row)
                {
                    untrue("something of it could have been restored all the time");
                }
            }
            State::Unchanged => {
                let ended = row.ended.unwrap_or_default();
                if !self
                    .in_force(row, row.accepted.saturating_sub(self.behind()), ended)
                    .any(|flow| has_any(flow, row))
                {
                    untrue("the flow had none of its values meanwhile");
                }
            }
            State::Failed if !self.may_fail(row) => untrue("nothing was wrong with it"),
            State::Failed | State::Superseded | State::Discarded => {}
        }
    }

    /// By how much a read may be behind: a person's edit that is not shown yet is nothing that one can know.
    fn behind(&self) -> Duration {
        if self.plan.faults > 0.0 { STALE_FOR } else { Duration::ZERO }
    }

    fn history(&self, row: &Row) -> &[(Duration, Flow)] {
        self.held.history.get(row.change.what.flow.as_str()).map_or(&[], Vec::as_slice)
    }

    /// What the flow was between two moments.
    fn in_force<'s>(&'s self, row: &Row, from: Duration, until: Duration) -> impl Iterator<Item = &'s Flow> {
        let history = self.history(row);
        let ends = history.iter().skip(1).map(|(at, _)| *at).chain([Duration::MAX]);
        let lives = history.iter().zip(ends);
        lives.filter(move |((begin, _), end)| *begin <= until && *end >= from).map(|((_, flow), _)| flow)
    }

    /// Whether another rollback of the same node ended with it: they are taken one on top of the other.
    fn has_company(&self, row: &Row) -> bool {
        let place = |row: &Row| (row.change.what.flow.clone(), row.change.what.node.clone(), row.ended);
        let is_other = |other: &&Row| other.change.seq != row.change.seq && place(other) == place(row);
        self.disk
            .changes
            .values()
            .filter(is_other)
            .any(|other| matches!(other.change.what.values, Values::Undo(_)))
    }

    /// Whether a rollback that came after this winner stands for a variable.
    fn was_rolled_back(&self, name: &str, winner: &Row) -> bool {
        let what = &winner.change.what;
        let is_rollback = |seq: &Seq| {
            let row = self.disk.changes.get(seq);
            row.is_some_and(|row| matches!(row.change.what.values, Values::Undo(_)))
        };
        self.disk.marks(&what.flow, &what.node).iter().any(|mark| {
            let is_about = match &mark.target {
                Target::Variable(of) => of == name,
                Target::List => true,
                Target::Configuration | Target::Member(_) => false,
            };
            is_about && mark.seq > winner.change.seq && is_rollback(&mark.seq)
        })
    }

    fn may_fail(&self, row: &Row) -> bool {
        let what = &row.change.what;
        let flow = what.flow.as_str();
        let poisoned = matches!(&what.values, Values::Known(variables)
            if variables.iter().any(|variable| variable.value.get() == POISON));
        let node = (flow.to_owned(), what.node.as_str().to_owned());
        let ended = row.ended.unwrap_or_default();
        let node_was_gone = self.held.gone.get(&node).is_some_and(|gone| {
            gone.iter().any(|(from, until)| {
                *from <= ended && until.is_none_or(|until| until + self.behind() >= row.accepted)
            })
        });
        let unfit = row.reason.as_deref().is_some_and(|reason| reason.contains("does not fit"));
        let held_for_a_day =
            row.reason.as_deref().is_some_and(|reason| reason.starts_with("given up after a day"))
                && ended.saturating_sub(row.accepted) >= DAY;
        held_for_a_day
            || !self.held.flows.contains_key(flow)
            || poisoned
            || what.node.as_str() == "node-nowhere"
            || node_was_gone
            || (unfit && self.held.unfit.contains(flow))
    }

    /// Every variable must have the value of the change that wins by the rules of order.
    fn finals(&self) {
        let mut variables: BTreeMap<(&str, &str, &str), Vec<&Row>> = BTreeMap::new();
        let mut lists: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
        for row in self.disk.changes.values() {
            if !matches!(row.state, State::Published | State::Unchanged | State::Superseded) {
                continue;
            }
            let what = &row.change.what;
            let (flow, node) = (what.flow.as_str(), what.node.as_str());
            if what.mode == Mode::Replace && matches!(what.values, Values::Known(_)) {
                lists.entry((flow, node)).or_default().push(row);
                continue;
            }
            for variable in known(row) {
                variables.entry((flow, node, &variable.name)).or_default().push(row);
            }
        }
        for ((.., name), rivals) in variables {
            self.one_stands(&may_win(&rivals), |row| named(row, name));
        }
        for rivals in lists.into_values() {
            self.one_stands(&may_win(&rivals), |row| known(row).iter().collect());
        }
    }

    /// The flow must hold those variables of one of these changes that it wins.
    fn one_stands<'r>(&self, winners: &[&'r Row], of: impl Fn(&'r Row) -> Vec<&'r Variable>) {
        let missing = |row: &'r Row| of(row).into_iter().find_map(|variable| self.missing(variable, row));
        let all: Option<Vec<String>> = winners.iter().map(|row| missing(row)).collect();
        if let Some(missing) = all {
            self.ground.violated(missing.join(", and "));
        }
    }

    /// What the flow lacks of a winner, if a person has not taken it away.
    fn missing(&self, variable: &Variable, winner: &Row) -> Option<String> {
        let what = &winner.change.what;
        let (flow, node, name) = (what.flow.as_str(), what.node.as_str(), variable.name.as_str());
        let touched = |what: &str| {
            let place = (flow.to_owned(), node.to_owned(), what.to_owned());
            self.held.touched.get(&place).is_some_and(|at| *at + self.behind() >= winner.accepted)
        };
        if touched(name) || touched("*") || self.was_rolled_back(name, winner) {
            return None;
        }
        let found = self.held.flows.get(flow).and_then(|held| held.value(node, name));
        let value = variable.value.get();
        (found != Some(value)).then(|| {
            format!("{flow} {node} {name} is {found:?}, not {value} of change {}", winner.change.seq)
        })
    }
}

fn known(row: &Row) -> &[Variable] {
    if let Values::Known(variables) = &row.change.what.values { variables } else { &[] }
}

fn named<'r>(row: &'r Row, name: &str) -> Vec<&'r Variable> {
    known(row).iter().filter(|variable| variable.name == name).collect()
}

/// Those of some changes, in the order of their arrival, of which one must win. Of one route it is the one with the
/// highest key, and of several of those the last. What keys of two routes mean for each other is a matter of when
/// each was carried out; but what is below the highest of its own route never wins.
fn may_win<'r>(rivals: &[&'r Row]) -> Vec<&'r Row> {
    let route = |row: &Row| row.change.what.order_key.map(|_| Arc::clone(&row.change.what.route));
    let key = |row: &Row| row.change.what.order_key;
    let is_beaten = |row: &&Row| {
        rivals
            .iter()
            .any(|other| route(other) == route(row) && key(other).partial_cmp(&key(row)) == Some(Greater))
    };
    let mut best: Vec<&Row> = rivals.iter().copied().filter(|row| !is_beaten(row)).collect();
    let routes: BTreeSet<_> = best.iter().map(|row| route(row)).collect();
    if routes.len() == 1 {
        best = best.pop().into_iter().collect();
    }
    best
}

/// What of a rollback a flow holds: for each variable, or the whole list, whether it is as it is to be, and whether
/// it is what the rolled-back change wrote.
fn undone(flow: &Flow, row: &Row) -> Vec<(bool, bool)> {
    let what = &row.change.what;
    let Values::Undo(undo) = &what.values else { return Vec::new() };
    let node = what.node.as_str();
    let is = |name: Option<&str>, json: Option<&RawValue>| match name {
        Some(name) => flow.value(node, name) == json.map(RawValue::get),
        None => {
            let list: Vec<Variable> =
                json.and_then(|json| serde_json::from_str(json.get()).ok()).unwrap_or_default();
            let pairs: Vec<_> = list.iter().map(|of| (of.name.clone(), of.value.get().to_owned())).collect();
            flow.node(node).is_some_and(|node| node.variables == pairs)
        }
    };
    let both = |of: &Replaced| {
        let name = of.name.as_deref();
        match what.mode {
            Mode::Patch => undone_member(flow, node, of),
            Mode::Merge | Mode::Replace => (is(name, of.previous.as_deref()), is(name, of.ours.as_deref())),
        }
    };
    undo.replaced.iter().map(both).collect()
}

fn nothing_to_undo(flow: &Flow, row: &Row) -> bool {
    undone(flow, row).into_iter().all(|(is_restored, is_ours)| is_restored || !is_ours)
}

/// Whether a flow has a value of the change.
fn has_any(flow: &Flow, row: &Row) -> bool {
    let what = &row.change.what;
    if matches!(what.values, Values::Undo(_)) {
        return undone(flow, row).into_iter().any(|(is_restored, _)| is_restored);
    }
    if matches!(what.values, Values::Patch(_)) {
        return has_any_of_patch(flow, row);
    }
    let Values::Known(variables) = &what.values else { return false };
    let there = |name: &str, value: &str| flow.value(what.node.as_str(), name) == Some(value);
    variables.iter().any(|variable| there(&variable.name, variable.value.get()))
        || (variables.is_empty() && flow.node(what.node.as_str()).is_some())
}

//! What must be true when all is calm again.

use std::collections::BTreeMap;
use std::time::Duration;

use flowhook::change::{Mode, Replaced, Seq, State, Values, Variable};
use flowhook::journal::Target;
use jiff::Timestamp;
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
        let mut standing: BTreeMap<(&str, &str, &str), Winner<'_>> = BTreeMap::new();
        let mut lists: BTreeMap<(&str, &str), Winner<'_>> = BTreeMap::new();
        for row in self.disk.changes.values() {
            if !matches!(row.state, State::Published | State::Unchanged | State::Superseded) {
                continue;
            }
            let what = &row.change.what;
            let Values::Known(variables) = &what.values else { continue };
            let (flow, node) = (what.flow.as_str(), what.node.as_str());
            let key = what.order_key.map(|key| key.0);
            if what.mode == Mode::Replace {
                challenge(lists.entry((flow, node)), Winner { key, seq: row.change.seq, value: "", row });
                continue;
            }
            for variable in variables {
                let challenger = Winner { key, seq: row.change.seq, value: variable.value.get(), row };
                challenge(standing.entry((flow, node, &variable.name)), challenger);
            }
        }
        for ((flow, node, name), winner) in standing {
            self.stands(flow, node, name, winner.value, winner.row);
        }
        for ((flow, node), winner) in lists {
            let Values::Known(variables) = &winner.row.change.what.values else { continue };
            for variable in variables {
                self.stands(flow, node, &variable.name, variable.value.get(), winner.row);
            }
        }
    }

    fn stands(&self, flow: &str, node: &str, name: &str, value: &str, winner: &Row) {
        let touched = |what: &str| {
            let place = (flow.to_owned(), node.to_owned(), what.to_owned());
            self.held.touched.get(&place).is_some_and(|at| *at + self.behind() >= winner.accepted)
        };
        if touched(name) || touched("*") || self.was_rolled_back(name, winner) {
            return;
        }
        let found = self.held.flows.get(flow).and_then(|held| held.value(node, name));
        if found != Some(value) {
            self.ground.violated(format!(
                "{flow} {node} {name} is {found:?}, not {value} of change {}",
                winner.change.seq
            ));
        }
    }
}

/// The best so far.
struct Winner<'d> {
    key: Option<Timestamp>,
    seq: Seq,
    value: &'d str,
    row: &'d Row,
}

/// The higher key wins; with equal ones, or none, the later number.
fn challenge<'d, K: Ord>(
    entry: std::collections::btree_map::Entry<'_, K, Winner<'d>>,
    challenger: Winner<'d>,
) {
    entry
        .and_modify(|best| {
            if (challenger.key, challenger.seq) >= (best.key, best.seq) {
                *best = Winner { ..challenger };
            }
        })
        .or_insert(challenger);
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
        (is(name, of.previous.as_deref()), is(name, of.ours.as_deref()))
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
    let Values::Known(variables) = &what.values else { return false };
    let there = |name: &str, value: &str| flow.value(what.node.as_str(), name) == Some(value);
    variables.iter().any(|variable| there(&variable.name, variable.value.get()))
        || (variables.is_empty() && flow.node(what.node.as_str()).is_some())
}

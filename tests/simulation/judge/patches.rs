//! What must be true of merge patches.

use std::collections::BTreeMap;

use flowhook::change::{Mode, Replaced, State, Values};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Judge, may_win};
use crate::disk::Row;
use crate::flow::Flow;

/// Where a patch puts something, and what; nothing where it takes it away.
type Leaf = (Vec<String>, Option<Value>);

impl Judge<'_> {
    pub(super) fn patches(&self) {
        let mut nodes: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
        for row in self.disk.changes.values().filter(|row| matches!(row.change.what.values, Values::Patch(_)))
        {
            let what = &row.change.what;
            nodes.entry((what.flow.as_str(), what.node.as_str())).or_default().push(row);
        }
        for rows in nodes.values() {
            let ended =
                |row: &&&Row| matches!(row.state, State::Published | State::Unchanged | State::Superseded);
            let rivals: Vec<&Row> = rows.iter().filter(ended).copied().collect();
            let winners = may_win(&rivals);
            if !winners.is_empty() && winners.iter().all(|row| self.lacks(row, &leaves(row)).is_some()) {
                let lacks: Vec<_> = winners.iter().filter_map(|row| self.lacks(row, &leaves(row))).collect();
                self.ground.violated(lacks.join(", and "));
            }
            for row in rows.iter().filter(|row| row.state == State::Published) {
                let mut left = leaves(row);
                left.retain(|(path, _)| {
                    !rows.iter().any(|other| is_newer(other, row) && touches(other, path))
                });
                if let Some(lacks) = self.lacks(row, &left) {
                    self.ground.violated(format!("nothing newer touched it, but {lacks}"));
                }
            }
        }
    }

    /// Which of these leaves of a patch the flow does not have, unless a person is to blame for it.
    fn lacks(&self, row: &Row, leaves: &[Leaf]) -> Option<String> {
        let what = &row.change.what;
        let (flow, node) = (what.flow.as_str(), what.node.as_str());
        let place = (flow.to_owned(), node.to_owned(), "*".to_owned());
        let touched = self.held.touched.get(&place).is_some_and(|at| *at + self.behind() >= row.accepted);
        let is_rollback = |other: &Row| {
            let of = &other.change.what;
            of.mode == Mode::Patch
                && matches!(of.values, Values::Undo(_))
                && (&of.flow, &of.node) == (&what.flow, &what.node)
        };
        if touched || self.disk.changes.values().any(is_rollback) {
            return None;
        }
        let held = self.held.flows.get(flow);
        let lacks =
            leaves.iter().find(|(path, value)| held.and_then(|flow| at(flow, node, path)) != *value)?;
        Some(format!("{flow} {node} has not {lacks:?} of patch {}", row.change.seq))
    }
}

/// Whether a patch may have been carried out on top of another.
fn is_newer(other: &Row, than: &Row) -> bool {
    let place =
        |row: &Row| (row.version.as_deref().and_then(|version| version.parse::<u64>().ok()), row.change.seq);
    match other.state {
        State::Published => place(other) > place(than),
        State::Unchanged => other.change.seq != than.change.seq,
        State::Pending | State::Superseded | State::Failed | State::Discarded => false,
    }
}

fn touches(row: &Row, path: &[String]) -> bool {
    let meets = |other: &[String]| other.iter().zip(path).all(|(one, other)| one == other);
    leaves(row).iter().any(|(other, _)| meets(other))
}

fn leaves(row: &Row) -> Vec<Leaf> {
    let Values::Patch(patch) = &row.change.what.values else { return Vec::new() };
    let mut leaves = Vec::new();
    let Ok(Value::Object(members)) = serde_json::from_str(patch.get()) else { return leaves };
    let leaf = |path: &[&String], value: Value| {
        (path.iter().map(|name| (*name).clone()).collect(), (!value.is_null()).then_some(value))
    };
    for (name, value) in members {
        if let Value::Object(inner) = value {
            leaves.extend(inner.into_iter().map(|(inner, value)| leaf(&[&name, &inner], value)));
        } else {
            leaves.push(leaf(&[&name], value));
        }
    }
    leaves
}

/// What a flow has at a path in the configuration of a node.
fn at(flow: &Flow, node: &str, path: &[String]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    let mut value: Value = serde_json::from_str(flow.node(node)?.member(first)?).ok()?;
    for name in rest {
        value = value.get_mut(name)?.take();
    }
    Some(value)
}

/// Whether a flow has anything of a patch.
pub(super) fn has_any_of_patch(flow: &Flow, row: &Row) -> bool {
    let what = &row.change.what;
    leaves(row).iter().any(|(path, value)| at(flow, what.node.as_str(), path) == *value)
}

/// Of a member that is rolled back, whether it is as it is to be, and whether it is what the patch wrote.
pub(super) fn undone_member(flow: &Flow, node: &str, of: &Replaced) -> (bool, bool) {
    let there = flow.node(node).and_then(|node| node.member(of.name.as_deref().unwrap_or_default()));
    let is = |json: Option<&RawValue>| there == json.map(RawValue::get);
    (is(of.previous.as_deref()), is(of.ours.as_deref()))
}

//! Where a flow does not hold what was last applied to it. Free of I/O.
//!
//! What was applied stands in the marks. A flow that nothing is pending for and that holds something else was edited by
//! a person, or had a change rolled back.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::moved::same_list;
use crate::change::{NodeId, Variable};
use crate::flow::{Configuration, Document, Node, Patch, same_value};
use crate::journal::{Drift, Mark, Target};

/// What of some nodes differs. What was never applied, or is not known any more, does not.
pub(super) fn drift(document: &Document, nodes: &BTreeMap<NodeId, Vec<Mark>>) -> Vec<Drift> {
    let of_node = |(id, marks): (&NodeId, &Vec<Mark>)| {
        // A node that is gone, or that could be two, holds nothing that is ours.
        let node = document.node(id.as_str()).ok();
        let configuration = document.configuration(id.as_str()).ok();
        let mut found: Vec<Drift> = match marks.iter().find(|mark| mark.target == Target::List) {
            Some(Mark { value: Some(_), .. }) => {
                drift_of_list(id, node.as_ref(), marks).into_iter().collect()
            }
            Some(_) | None => drift_of_variables(id, node.as_ref(), marks),
        };
        found.extend(drift_of_configuration(id, configuration.as_ref(), marks));
        found.sort_by(|one, other| one.target.cmp(&other.target));
        found
    };
    nodes.iter().flat_map(of_node).collect()
}

fn drift_of_variables(id: &NodeId, node: Option<&Node<'_>>, marks: &[Mark]) -> Vec<Drift> {
    let differs = |mark: &Mark| {
        let (Target::Variable(name), Some(ours)) = (&mark.target, &mark.value) else { return None };
        // One that is there twice is not there as ours.
        let there = node.and_then(|node| node.variable(name).ok().flatten());
        let is_ours = there.is_some_and(|there| same_value(there, ours));
        (!is_ours).then(|| found(id, mark, ours.clone(), there))
    };
    marks.iter().filter_map(differs).collect()
}

/// A list that was replaced is ours as a whole: a variable that a person has added to it is drift too.
fn drift_of_list(id: &NodeId, node: Option<&Node<'_>>, marks: &[Mark]) -> Option<Drift> {
    let mark = marks.iter().find(|mark| mark.target == Target::List)?;
    let ours = with_later(mark, marks)?;
    let there = node.and_then(|node| node.variables().ok().flatten());
    let is_ours = node.is_some_and(|node| node.holds_exactly(&ours))
        || there.is_some_and(|there| same_list(&ours, there));
    let text = serde_json::to_string(&ours).expect("variables have string names and hold valid JSON");
    (!is_ours).then(|| found(id, mark, text, there))
}

/// What was patched is compared member by member of the configuration: those that the patches would still change.
fn drift_of_configuration(id: &NodeId, there: Option<&Configuration<'_>>, marks: &[Mark]) -> Vec<Drift> {
    let mark = marks.iter().find(|mark| mark.target == Target::Configuration);
    let Some((mark, text)) = mark.and_then(|mark| Some((mark, mark.value.as_deref()?))) else {
        return Vec::new();
    };
    let Ok(patch) = Patch::read(text) else { return Vec::new() };
    let Some((there, ours)) = there.and_then(|there| Some((there, there.patched(&patch).ok()?))) else {
        return vec![found(id, mark, text.to_owned(), None)];
    };
    let differs = |name: &str| {
        let [ours, there] = [&ours, there].map(|of| of.member(name).ok().flatten().map(str::to_owned));
        let is_ours = match (&ours, &there) {
            (Some(ours), Some(there)) => same_value(ours, there),
            (ours, there) => ours.is_none() && there.is_none(),
        };
        let (target, route) = (Target::Member(name.to_owned()), mark.route.clone());
        (!is_ours).then(|| Drift { node: id.clone(), target, ours, there, route })
    };
    patch.names().filter_map(differs).collect()
}

/// A list, with the variables on top of it that were applied later.
fn with_later(list: &Mark, marks: &[Mark]) -> Option<Vec<Variable>> {
    let mut whole: Vec<Variable> = serde_json::from_str(list.value.as_deref()?).ok()?;
    let mut later: Vec<&Mark> = marks.iter().filter(|mark| mark.seq > list.seq).collect();
    later.sort_by_key(|mark| mark.seq);
    for mark in later {
        let (Target::Variable(name), Some(value)) = (&mark.target, &mark.value) else { continue };
        let value = RawValue::from_string(value.clone()).ok()?;
        match whole.iter_mut().find(|variable| variable.name == *name) {
            Some(variable) => variable.value = value,
            None => whole.push(Variable { name: name.clone(), value }),
        }
    }
    Some(whole)
}

fn found(node: &NodeId, mark: &Mark, ours: String, there: Option<&str>) -> Drift {
    Drift {
        node: node.clone(),
        target: mark.target.clone(),
        ours: Some(ours),
        there: there.map(str::to_owned),
        route: mark.route.clone(),
    }
}

#[cfg(test)]
mod tests;

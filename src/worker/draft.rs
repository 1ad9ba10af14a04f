//! Drafting a publish: what folded changes do to a document, and how each of them ends. Free of I/O.

mod undo;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::{RawValue, to_raw_value};

pub(super) use undo::together;
use undo::undo_of;

use super::fold::{Folded, fold, known, marks_after};
use crate::change::{Change, NodeId, Seq, State, Variable};
use crate::flow::{AddressError, Document, Node, NodeEdit, has_moved, same_value};
use crate::journal::{Attempt, Edit, Ending, Mark, Plan, Settlement, Target};

/// What a publish would do.
#[derive(Debug)]
pub struct Draft {
    /// The document to PUT; nothing when the flow already has every value.
    pub text: Option<String>,
    /// What follows when it lands, or at once when there is nothing to PUT.
    pub plan: Plan,
    /// Whether it rests on what the document holds beyond its version, as a rollback does.
    guarded: bool,
}

impl Draft {
    /// Whether every winner's values go out. Only then may the draft rest on a document that was not read
    /// in this publish: `unchanged` and `failed` say something about the flow, which must be looked at.
    pub fn only_publishes(&self) -> bool {
        self.text.is_some()
            && !self.guarded
            && self.plan.endings.iter().all(|end| matches!(end.state, State::Published | State::Superseded))
    }
}

/// Drafts a publish of `changes`, in the order of their sequence numbers, onto `document`; they must be such as
/// may go [`together`].
///
/// A change that cannot be addressed fails alone; what it had beaten is folded again without it.
///
/// # Errors
/// When the document cannot be edited though its addresses were found in it.
pub fn draft(document: &Document, changes: &[Change], marks: &[Mark]) -> Result<Draft, AddressError> {
    if changes.iter().any(|change| undo_of(change).is_some()) {
        return undo::draft(document, changes, marks);
    }
    let mut plan = Plan { endings: Vec::new(), marks: Vec::new(), edits: Vec::new() };
    let mut drafted = Vec::new();
    for (node, changes) in by_node(changes) {
        drafted.extend(draft_node(document, node, changes, &of_node(marks, node), &mut plan));
    }
    plan.endings.sort_by_key(|ending| ending.seq);
    let edits: Vec<NodeEdit<'_>> = drafted.iter().map(NodeDraft::edit).collect();
    let text = if edits.is_empty() { None } else { Some(document.edited(&edits)?) };
    Ok(Draft { text, plan, guarded: false })
}

/// The end of changes that marks beat, all of them: no document is needed to say so. Nothing if any wins, or is a
/// rollback, for which winning is not all.
pub(super) fn all_superseded(changes: &[Change], marks: &[Mark]) -> Option<Settlement> {
    if changes.iter().any(|change| undo_of(change).is_some()) {
        return None;
    }
    let mut settlement = Settlement::default();
    for (node, changes) in by_node(changes) {
        let marks = of_node(marks, node);
        let folded = fold(&changes, &marks);
        if !winners(&folded).is_empty() {
            return None;
        }
        settlement.marks.extend(marks_after(node, &folded));
    }
    let superseded = |change: &Change| Ending { seq: change.seq, state: State::Superseded, reason: None };
    settlement.endings = changes.iter().map(superseded).collect();
    Some(settlement)
}

fn by_node(changes: &[Change]) -> BTreeMap<&NodeId, Vec<&Change>> {
    let mut nodes: BTreeMap<&NodeId, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        nodes.entry(&change.what.node).or_default().push(change);
    }
    nodes
}

fn of_node(marks: &[Mark], node: &NodeId) -> Vec<Mark> {
    marks.iter().filter(|mark| mark.node == node.as_str()).cloned().collect()
}

/// What goes into one node.
struct NodeDraft {
    node: String,
    list: Option<Vec<Variable>>,
    set: Vec<Variable>,
}

impl NodeDraft {
    fn edit(&self) -> NodeEdit<'_> {
        NodeEdit { node: &self.node, replace: self.list.as_deref(), set: self.set.iter().collect() }
    }
}

/// Drafts one node's changes into the plan; nothing when the node stays as it is.
fn draft_node(
    document: &Document,
    id: &NodeId,
    mut changes: Vec<&Change>,
    marks: &[Mark],
    plan: &mut Plan,
) -> Option<NodeDraft> {
    loop {
        let folded = fold(&changes, marks);
        let winners = winners(&folded);
        let outcome = if winners.is_empty() {
            // Beaten by marks, all of them: the document is of no consequence.
            Ok((None, Vec::new(), BTreeSet::new()))
        } else {
            node_edits(document, id, &folded)
        };
        match outcome {
            Err((culprits, error)) => {
                let reason = Some(error.to_string());
                let failed = |seq: &Seq| Ending { seq: *seq, state: State::Failed, reason: reason.clone() };
                plan.endings.extend(culprits.iter().map(failed));
                changes.retain(|change| !culprits.contains(&change.seq));
            }
            Ok((node, edits, differing)) => {
                plan.marks.extend(marks_after(id, &folded));
                plan.edits.extend(edits);
                plan.endings.extend(changes.iter().map(|change| {
                    let state = match (winners.contains(&change.seq), differing.contains(&change.seq)) {
                        (true, true) => State::Published,
                        (true, false) => State::Unchanged,
                        (false, _) => State::Superseded,
                    };
                    Ending { seq: change.seq, state, reason: None }
                }));
                return node;
            }
        }
    }
}

fn winners(folded: &Folded<'_>) -> BTreeSet<Seq> {
    folded.variables.iter().map(|(change, _)| change.seq).chain(folded.list.map(|list| list.seq)).collect()
}

/// The edits of one node, and whose values differ from what is there.
type NodeEdits = (Option<NodeDraft>, Vec<Edit>, BTreeSet<Seq>);

/// Who cannot be addressed, and why.
type Culprits = (BTreeSet<Seq>, AddressError);

fn node_edits(document: &Document, id: &NodeId, folded: &Folded<'_>) -> Result<NodeEdits, Culprits> {
    let node = document.node(id.as_str()).map_err(|error| (winners(folded), error))?;
    match folded.list {
        Some(list) => list_edits(&node, id, list, folded),
        None => variable_edits(&node, id, folded),
    }
}

/// A new list, with the winning variables on top of it.
fn list_edits(
    node: &Node<'_>,
    id: &NodeId,
    list: &Change,
    folded: &Folded<'_>,
) -> Result<NodeEdits, Culprits> {
    let mut whole = known(&list.what).to_vec();
    for (_, variable) in &folded.variables {
        match whole.iter_mut().find(|other| other.name == variable.name) {
            Some(other) => other.value.clone_from(&variable.value),
            None => whole.push((*variable).clone()),
        }
    }
    if node.holds_exactly(&whole) {
        return Ok((None, Vec::new(), BTreeSet::new()));
    }
    let previous = node.variables().map_err(|error| (winners(folded), error))?;
    let edit = Edit {
        seq: list.seq,
        node: id.as_str().to_owned(),
        target: Target::List,
        previous: previous.and_then(raw),
        was_valueless: false,
        value: Some(to_raw_value(&whole).expect("variables have string names and hold valid JSON")),
    };
    let draft = NodeDraft { node: id.as_str().to_owned(), list: Some(whole), set: Vec::new() };
    Ok((Some(draft), vec![edit], winners(folded)))
}

/// The winning variables that differ from what is there.
fn variable_edits(node: &Node<'_>, id: &NodeId, folded: &Folded<'_>) -> Result<NodeEdits, Culprits> {
    let mut draft = NodeDraft { node: id.as_str().to_owned(), list: None, set: Vec::new() };
    let mut edits = Vec::new();
    let mut differing = BTreeSet::new();
    for (change, variable) in &folded.variables {
        let there = node.variable(&variable.name).map_err(|error| (BTreeSet::from([change.seq]), error))?;
        if there.is_some_and(|there| same_value(there, variable.value.get())) {
            continue;
        }
        differing.insert(change.seq);
        draft.set.push((*variable).clone());
        edits.push(Edit {
            seq: change.seq,
            node: id.as_str().to_owned(),
            target: Target::Variable(variable.name.clone()),
            previous: there.and_then(raw),
            was_valueless: there.is_none() && node.has_entry(&variable.name).unwrap_or(false),
            value: Some(variable.value.clone()),
        });
    }
    Ok(((!draft.set.is_empty()).then_some(draft), edits, differing))
}

/// Text out of a parsed document as a JSON value of its own.
fn raw(text: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(text.to_owned()).ok()
}

/// What reading the flow says of a PUT whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The version moved and all its values are there.
    Landed,
    /// It is not there: the version is still its base or an older one, or moved without its values.
    NotThere,
}

/// Decides an attempt by a document that was read after it.
pub(super) fn decide(attempt: &Attempt, document: &Document) -> Decision {
    let there = |edit: &Edit| {
        let Ok(node) = document.node(&edit.node) else { return false };
        let found = match &edit.target {
            Target::List => node.variables(),
            Target::Variable(name) => node.variable(name),
        };
        match (found, &edit.value) {
            (Ok(Some(text)), Some(value)) => same_value(text, value.get()),
            (Ok(None), None) => true,
            (Ok(_) | Err(_), _) => false,
        }
    };
    let moved = has_moved(document.version(), &attempt.base_version);
    if moved && attempt.plan.edits.iter().all(there) { Decision::Landed } else { Decision::NotThere }
}

#[cfg(test)]
mod tests;

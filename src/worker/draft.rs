//! Drafting a publish: what folded changes do to a document, and how each of them ends. Free of I/O.

mod bound;
mod patches;
mod undo;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::value::{RawValue, to_raw_value};

use patches::patch_edits;
pub(super) use undo::together;
use undo::undo_of;

use super::fold::{Folded, fold, fold_out, known, marks_after};
use crate::change::{Change, Mode, NodeId, Seq, State, Variable};
use crate::flow::{AddressError, Document, Node, NodeEdit, has_moved, same_value};
use crate::journal::{Attempt, Edit, Ending, Mark, Plan, Settlement, Target};

/// What a publish would do.
#[derive(Debug)]
pub struct Draft {
    /// The document to PUT; nothing when the flow already has every value.
    pub text: Option<String>,
    /// What follows when it lands, or at once when there is nothing to PUT.
    pub plan: Plan,
    /// How many of the changes it carries, from the first on; the others have to wait for the next publish.
    pub taken: usize,
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
/// A change that cannot be addressed fails alone; what it had beaten is folded again without it. Where the changes
/// would take too much room, only the first of them are taken.
///
/// # Errors
/// When the document cannot be edited though its addresses were found in it.
pub fn draft(document: &Document, changes: &[Change], marks: &[Mark]) -> Result<Draft, AddressError> {
    if changes.iter().any(|change| undo_of(change).is_some()) {
        return undo::draft(document, changes, marks);
    }
    let taken = bound::carried(document, changes);
    let changes = &changes[..taken];
    let mut plan = Plan { endings: Vec::new(), marks: Vec::new(), edits: Vec::new() };
    let mut drafted = Vec::new();
    let marks = by_marked_node(marks);
    for (node, changes) in by_node(changes) {
        drafted.push(draft_node(document, node, changes, of_node(&marks, node), &mut plan));
    }
    plan.endings.sort_by_key(|ending| ending.seq);
    Ok(Draft { text: written(document, &drafted)?, plan, taken, guarded: false })
}

/// The end of changes that marks beat, all of them: no document is needed to say so. Nothing if any wins, or is a
/// rollback, for which winning is not all.
pub(super) fn all_superseded(changes: &[Change], marks: &[Mark]) -> Option<Settlement> {
    if changes.iter().any(|change| undo_of(change).is_some()) {
        return None;
    }
    let mut settlement = Settlement::default();
    let marks = by_marked_node(marks);
    for (node, changes) in by_node(changes) {
        let folded = fold(&changes, of_node(&marks, node));
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

/// Marks, node by node.
type Marks<'m> = BTreeMap<&'m str, Vec<Mark>>;

fn by_marked_node(marks: &[Mark]) -> Marks<'_> {
    let mut nodes = Marks::new();
    for mark in marks {
        nodes.entry(&mark.node).or_default().push(mark.clone());
    }
    nodes
}

fn of_node<'m>(marks: &'m Marks<'_>, node: &NodeId) -> &'m [Mark] {
    marks.get(node.as_str()).map_or(&[], Vec::as_slice)
}

/// The document with what goes into its nodes; nothing if that is nothing.
fn written(document: &Document, drafted: &[NodeDraft]) -> Result<Option<String>, AddressError> {
    let edits: Vec<NodeEdit<'_>> = drafted.iter().filter_map(NodeDraft::edit).collect();
    let configurations =
        drafted.iter().map(|node| node.configuration.as_deref().map(|text| (&*node.node, text)));
    let configurations: Vec<_> = configurations.flatten().collect();
    if configurations.is_empty() {
        return if edits.is_empty() { Ok(None) } else { document.edited(&edits).map(Some) };
    }
    if edits.is_empty() {
        return document.text_configured(&configurations).map(Some);
    }
    document.configured(&configurations)?.edited(&edits).map(Some)
}

/// What goes into one node.
#[derive(Default)]
struct NodeDraft {
    node: String,
    /// The configuration as patched, with its variables as they were.
    configuration: Option<String>,
    list: Option<Vec<Variable>>,
    set: Vec<Variable>,
}

impl NodeDraft {
    fn edit(&self) -> Option<NodeEdit<'_>> {
        let edit =
            NodeEdit { node: &self.node, replace: self.list.as_deref(), set: self.set.iter().collect() };
        (edit.replace.is_some() || !edit.set.is_empty()).then_some(edit)
    }
}

/// Drafts one node's changes into the plan.
fn draft_node(
    document: &Document,
    id: &NodeId,
    mut changes: Vec<&Change>,
    marks: &[Mark],
    plan: &mut Plan,
) -> NodeDraft {
    loop {
        let folded = fold(&changes, marks);
        let winners = winners(&folded);
        // Where all are beaten by marks the document is of no consequence.
        match node_edits(document, id, &changes, &folded) {
            Err(unaddressable) => {
                let failed = unaddressable.failed(&changes, marks);
                changes.retain(|change| !failed.contains_key(&change.seq));
                let failed = failed.into_iter().map(|(seq, why)| Ending {
                    seq,
                    state: State::Failed,
                    reason: Some(why),
                });
                plan.endings.extend(failed);
            }
            Ok(NodeEdits { draft, edits, overwritten }) => {
                plan.marks.extend(marks_after(id, &folded));
                let differing: BTreeSet<Seq> = if draft.list.is_some() {
                    list_winners(&folded).chain(edits.iter().map(|edit| edit.seq)).collect()
                } else {
                    edits.iter().map(|edit| edit.seq).collect()
                };
                plan.edits.extend(edits);
                plan.endings.extend(changes.iter().map(|change| {
                    let wins = winners.contains(&change.seq) && !overwritten.contains(&change.seq);
                    let state = match (wins, differing.contains(&change.seq)) {
                        (true, true) => State::Published,
                        (true, false) => State::Unchanged,
                        (false, _) => State::Superseded,
                    };
                    Ending { seq: change.seq, state, reason: None }
                }));
                return draft;
            }
        }
    }
}

/// Who wins anything of the variables.
fn list_winners(folded: &Folded<'_>) -> impl Iterator<Item = Seq> {
    folded.variables.iter().map(|(change, _)| change.seq).chain(folded.list.map(|list| list.seq))
}

fn winners(folded: &Folded<'_>) -> BTreeSet<Seq> {
    list_winners(folded).chain(folded.patches.iter().map(|change| change.seq)).collect()
}

/// The edits of one node.
#[derive(Default)]
struct NodeEdits {
    draft: NodeDraft,
    /// What differs from what is there.
    edits: Vec<Edit>,
    /// The patches of which nothing stands, since later ones overwrite all of it.
    overwritten: BTreeSet<Seq>,
}

/// What of a node cannot be addressed, and why.
enum Unaddressable {
    /// Any of its variables.
    Node(AddressError),
    /// These of them.
    Variables(HashMap<String, AddressError>),
    /// Any member of its configuration.
    Configuration(AddressError),
    /// What these patches are about.
    Patches(BTreeMap<Seq, String>),
}

impl Unaddressable {
    /// The changes that fail by it, at once: those that win any of it, also once the others have failed.
    fn failed(&self, changes: &[&Change], marks: &[Mark]) -> BTreeMap<Seq, String> {
        fold_out(changes, marks, |change, variable| {
            let is_patch = change.what.mode == Mode::Patch;
            match self {
                Self::Node(why) => (!is_patch).then(|| why.to_string()),
                Self::Variables(whys) => whys.get(&variable?.name).map(ToString::to_string),
                Self::Configuration(why) => is_patch.then(|| why.to_string()),
                Self::Patches(whys) => whys.get(&change.seq).cloned(),
            }
        })
    }
}

fn node_edits(
    document: &Document,
    id: &NodeId,
    changes: &[&Change],
    folded: &Folded<'_>,
) -> Result<NodeEdits, Unaddressable> {
    let mut drafted = NodeEdits::default();
    id.as_str().clone_into(&mut drafted.draft.node);
    if list_winners(folded).next().is_some() {
        let node = document.node(id.as_str()).map_err(Unaddressable::Node)?;
        match folded.list {
            Some(list) => list_edits(&node, list, folded, &mut drafted)?,
            None => variable_edits(&node, folded, &mut drafted)
                .map_err(|_first| Unaddressable::Variables(unaddressable_variables(&node, changes)))?,
        }
    }
    patch_edits(document, id, changes, &folded.patches, &mut drafted)?;
    Ok(drafted)
}

/// The variables that changes would set and that cannot be addressed.
fn unaddressable_variables(node: &Node<'_>, changes: &[&Change]) -> HashMap<String, AddressError> {
    let variables = changes.iter().flat_map(|change| known(&change.what));
    let error = |variable: &Variable| Some((variable.name.clone(), node.variable(&variable.name).err()?));
    variables.filter_map(error).collect()
}

/// A new list, with the winning variables on top of it.
fn list_edits(
    node: &Node<'_>,
    list: &Change,
    folded: &Folded<'_>,
    drafted: &mut NodeEdits,
) -> Result<(), Unaddressable> {
    let mut whole = known(&list.what).to_vec();
    let mut places = HashMap::new();
    for (place, variable) in known(&list.what).iter().enumerate() {
        places.entry(variable.name.as_str()).or_insert(place);
    }
    for (_, variable) in &folded.variables {
        let place = *places.entry(variable.name.as_str()).or_insert(whole.len());
        match whole.get_mut(place) {
            Some(other) => other.value.clone_from(&variable.value),
            None => whole.push((*variable).clone()),
        }
    }
    if node.holds_exactly(&whole) {
        return Ok(());
    }
    let previous = node.variables().map_err(Unaddressable::Node)?;
    drafted.edits.push(Edit {
        seq: list.seq,
        node: drafted.draft.node.clone(),
        target: Target::List,
        previous: previous.and_then(raw),
        was_valueless: false,
        value: Some(to_raw_value(&whole).expect("variables have string names and hold valid JSON")),
    });
    drafted.draft.list = Some(whole);
    Ok(())
}

/// The winning variables that differ from what is there.
fn variable_edits(node: &Node<'_>, folded: &Folded<'_>, drafted: &mut NodeEdits) -> Result<(), AddressError> {
    for (change, variable) in &folded.variables {
        let there = node.variable(&variable.name)?;
        if there.is_some_and(|there| same_value(there, variable.value.get())) {
            continue;
        }
        drafted.draft.set.push((*variable).clone());
        drafted.edits.push(Edit {
            seq: change.seq,
            node: drafted.draft.node.clone(),
            target: Target::Variable(variable.name.clone()),
            previous: there.and_then(raw),
            was_valueless: there.is_none() && node.has_entry(&variable.name).unwrap_or(false),
            value: Some(variable.value.clone()),
        });
    }
    Ok(())
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
    // Where patches went one on top of the other, the last of them tells what must be there.
    let edits = attempt.plan.edits.iter().map(|edit| ((edit.node.as_str(), &edit.target), edit));
    let edits: BTreeMap<_, _> = edits.collect();
    let (mut nodes, mut configurations) = (BTreeMap::new(), BTreeMap::new());
    let mut there = |edit: &Edit| {
        let id = &edit.node;
        let found = match &edit.target {
            Target::List | Target::Variable(_) => {
                let Ok(node) = nodes.entry(id.clone()).or_insert_with(|| document.node(id)) else {
                    return false;
                };
                if let Target::Variable(name) = &edit.target { node.variable(name) } else { node.variables() }
            }
            Target::Member(_) | Target::Configuration => {
                let looked = configurations.entry(id.clone()).or_insert_with(|| document.configuration(id));
                let Ok(configuration) = looked else { return false };
                if let Target::Member(name) = &edit.target {
                    configuration.member(name)
                } else {
                    Ok(Some(configuration.text()))
                }
            }
        };
        match (found, &edit.value) {
            (Ok(Some(text)), Some(value)) => same_value(text, value.get()),
            (Ok(None), None) => true,
            (Ok(_) | Err(_), _) => false,
        }
    };
    let moved = has_moved(document.version(), &attempt.base_version);
    if moved && edits.values().all(|edit| there(edit)) { Decision::Landed } else { Decision::NotThere }
}

#[cfg(test)]
mod tests;

//! Drafting rollbacks: what they restore in a document, and how each of them ends. Free of I/O.
//!
//! The rules:
//!
//! * What is restored is decided on the document alone, which must have been read in this publish: a variable gets
//!   its previous value back where it still holds what the rolled-back change wrote, and is left alone elsewhere.
//!   Where it has that already, there is nothing to restore, and nothing was left alone.
//! * Rollbacks are taken in the order of their sequence numbers, each on what those before it restored: so a chain
//!   of them, the newest change first, leads back to the oldest state by one PUT.
//! * They share no publish with other changes, whose values would hide from the guard what stands in the flow; one
//!   of a whole list is published alone.
//! * A rollback has no key: it loses a variable to what has arrived after it and has been published before it.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{Draft, by_marked_node, by_node, of_node, raw};
use crate::change::{Change, Mode, NewChange, NodeId, Replaced, Seq, State, Undo, Values, Variable, shorten};
use crate::flow::{AddressError, Configuration, Document, Node, Patch, Restore, same_value};
use crate::journal::{Edit, Ending, Mark, Plan, Target};
use crate::worker::fold::{fold, marks_after};

/// How many variables an ending names at most.
const NAMED_AT_MOST: usize = 5;
/// What a list is restored to where there was none: a node without a list has no variables either.
const NO_LIST: &str = "[]";

/// What is to be rolled back, if the change is a rollback.
pub(super) fn undo_of(change: &Change) -> Option<&Undo> {
    match &change.what.values {
        Values::Undo(undo) => Some(undo),
        Values::Known(_) | Values::Patch(_) | Values::Fetch(_) | Values::Taken { .. } => None,
    }
}

/// How many of the first changes may share a publish.
pub(in crate::worker) fn together(changes: &[Change]) -> usize {
    let is_rollback = |change: &Change| undo_of(change).is_some();
    let is_lists = |change: &Change| is_rollback(change) && change.what.mode == Mode::Replace;
    match changes.first() {
        Some(first) if is_lists(first) => 1,
        Some(first) if is_rollback(first) => {
            changes.iter().take_while(|change| is_rollback(change) && !is_lists(change)).count()
        }
        Some(_) | None => changes.iter().take_while(|change| !is_rollback(change)).count(),
    }
}

/// Drafts a publish of rollbacks onto a document that was read for it.
pub(super) fn draft(document: &Document, changes: &[Change], marks: &[Mark]) -> Result<Draft, AddressError> {
    let mut plan = Plan { endings: Vec::new(), marks: Vec::new(), edits: Vec::new() };
    let marks = by_marked_node(marks);
    for (node, changes) in by_node(changes) {
        let marks = of_node(&marks, node);
        let there = There {
            node: document.node(node.as_str()),
            configuration: document.configuration(node.as_str()),
        };
        let judged = judge(&there, &changes, marks);
        plan.marks.extend(marks_of(node, &judged, marks));
        plan.edits.extend(judged.edits());
        plan.endings.extend(changes.iter().zip(&judged.verdicts).map(|(change, verdict)| Ending {
            seq: change.seq,
            state: verdict.state(),
            reason: verdict.reason(change),
        }));
    }
    plan.endings.sort_by_key(|ending| ending.seq);
    let text = if plan.edits.is_empty() { None } else { Some(restored(document, &plan.edits)?) };
    Ok(Draft { text, plan, taken: changes.len(), guarded: true })
}

/// What the document holds of a node, as far as it can be addressed.
struct There<'d> {
    node: Result<Node<'d>, AddressError>,
    configuration: Result<Configuration<'d>, AddressError>,
}

impl There<'_> {
    fn holds(&self, target: &Target) -> Result<Option<&str>, AddressError> {
        match target {
            Target::List => self.node()?.variables(),
            Target::Variable(name) => self.node()?.variable(name),
            Target::Member(name) => self.configuration()?.member(name),
            Target::Configuration => Ok(Some(self.configuration()?.text())),
        }
    }

    fn node(&self) -> Result<&Node<'_>, AddressError> {
        self.node.as_ref().map_err(Clone::clone)
    }

    fn configuration(&self) -> Result<&Configuration<'_>, AddressError> {
        self.configuration.as_ref().map_err(Clone::clone)
    }

    /// Whether there is an entry without a value in the variable's place: none of ours, for we write whole ones.
    fn is_valueless(&self, target: &Target) -> bool {
        let (Target::Variable(name), Ok(node)) = (target, &self.node) else { return false };
        matches!(node.variable(name), Ok(None)) && node.has_entry(name).unwrap_or(false)
    }
}

/// The rollbacks of one node, judged.
struct Judged<'c> {
    /// In the order of the changes.
    verdicts: Vec<Verdict>,
    /// What each restored target gets, and which change is the last to restore it.
    winners: BTreeMap<Target, Winner<'c>>,
}

#[derive(Clone)]
struct Winner<'c> {
    change: &'c Change,
    /// What it is to be; none if it is taken away.
    to: Option<Box<RawValue>>,
    /// What the document holds.
    there: Option<Box<RawValue>>,
}

/// What is to be said of a rollback.
enum Verdict {
    /// It cannot be addressed.
    Failed(String),
    /// Newer changes have won all of it.
    Superseded,
    /// It won something, or found something that is not ours.
    Guarded { wins: bool, writes: bool, left: Vec<Target> },
}

impl Verdict {
    fn state(&self) -> State {
        match self {
            Self::Failed(_) => State::Failed,
            Self::Guarded { writes: true, .. } => State::Published,
            Self::Guarded { wins: false, left, .. } if left.is_empty() => State::Superseded,
            Self::Guarded { .. } => State::Unchanged,
            Self::Superseded => State::Superseded,
        }
    }

    fn reason(&self, change: &Change) -> Option<String> {
        match self {
            Self::Failed(why) => Some(why.clone()),
            Self::Guarded { wins, left, .. } if !left.is_empty() => {
                let of = undo_of(change).map_or(change.seq, |undo| undo.of);
                let kept = format!("not what change {of} wrote any more, and left as it is: {}", named(left));
                Some(if *wins { kept } else { format!("nothing was restored; {kept}") })
            }
            Self::Guarded { .. } | Self::Superseded => None,
        }
    }
}

fn named(left: &[Target]) -> String {
    let name = |target: &Target| match target {
        Target::Variable(name) | Target::Member(name) => format!("`{}`", shorten(name)),
        Target::List => "the list of variables".to_owned(),
        Target::Configuration => "the configuration".to_owned(),
    };
    let names = left.iter().take(NAMED_AT_MOST).map(name).collect::<Vec<_>>().join(", ");
    match left.len().checked_sub(NAMED_AT_MOST) {
        None | Some(0) => names,
        Some(more) => format!("{names} and {more} more"),
    }
}

fn judge<'c>(there: &There<'_>, changes: &[&'c Change], marks: &[Mark]) -> Judged<'c> {
    let mut judged = Judged { verdicts: Vec::new(), winners: BTreeMap::new() };
    for change in changes {
        let open = still_open(change, marks);
        let guarded =
            if open.is_empty() { Ok(None) } else { guard(there, change, &open, &judged.winners).map(Some) };
        judged.verdicts.push(match guarded {
            Ok(None) => Verdict::Superseded,
            Err(error) => Verdict::Failed(error.to_string()),
            Ok(Some((restored, left))) => {
                judged.winners.extend(restored);
                Verdict::Guarded { wins: false, writes: false, left }
            }
        });
    }
    // Who wins is known when all have been looked at.
    for (change, verdict) in changes.iter().zip(&mut judged.verdicts) {
        if let Verdict::Guarded { wins, writes, .. } = verdict {
            let mut won = judged.winners.values().filter(|winner| winner.change.seq == change.seq).peekable();
            *wins = won.peek().is_some();
            *writes = won.any(|winner| winner.differs());
        }
    }
    judged
}

/// What of a rollback no newer change has won.
fn still_open<'c>(change: &'c Change, marks: &[Mark]) -> Vec<&'c Replaced> {
    let newer = |mark: &&Mark| mark.seq > change.seq;
    let is_beaten = |replaced: &&Replaced| {
        marks.iter().filter(newer).any(|mark| match (&mark.target, &replaced.name) {
            (Target::Variable(theirs), Some(mine)) => change.what.mode != Mode::Patch && theirs == mine,
            (Target::Configuration, _) => change.what.mode == Mode::Patch,
            (Target::List, _) | (Target::Variable(_), None) => change.what.mode != Mode::Patch,
            (Target::Member(_), _) => false,
        })
    };
    let undo = undo_of(change).into_iter().flat_map(|undo| &undo.replaced);
    undo.filter(|replaced| !is_beaten(replaced)).collect()
}

/// What a rollback restores, and what it leaves alone since it is not ours.
type Guarded<'c> = (Vec<(Target, Winner<'c>)>, Vec<Target>);

fn guard<'c>(
    there: &There<'_>,
    change: &'c Change,
    open: &[&'c Replaced],
    winners: &BTreeMap<Target, Winner<'c>>,
) -> Result<Guarded<'c>, AddressError> {
    let (mut restored, mut left) = (Vec::new(), Vec::new());
    for replaced in open {
        let target = target_of(change, replaced);
        let held = there.holds(&target)?;
        let stands = winners.get(&target).map_or(held, |winner| winner.to.as_deref().map(RawValue::get));
        let to = match target {
            Target::List => replaced.previous.clone().or_else(|| raw(NO_LIST)),
            Target::Variable(_) | Target::Member(_) | Target::Configuration => replaced.previous.clone(),
        };
        let stands_as = |json: &Option<Box<RawValue>>| {
            !there.is_valueless(&target) && is_same(stands, json.as_deref().map(RawValue::get))
        };
        // One that is as it is to be may be so by this very rollback, of which an answer was lost.
        if stands_as(&replaced.ours) || stands_as(&to) {
            restored.push((target, Winner { change, to, there: held.and_then(raw) }));
        } else {
            left.push(target);
        }
    }
    Ok((restored, left))
}

fn target_of(change: &Change, replaced: &Replaced) -> Target {
    match &replaced.name {
        Some(name) if change.what.mode == Mode::Patch => Target::Member(name.clone()),
        Some(name) => Target::Variable(name.clone()),
        None => Target::List,
    }
}

fn is_same(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => same_value(one, other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

impl Winner<'_> {
    fn differs(&self) -> bool {
        !is_same(self.there.as_deref().map(RawValue::get), self.to.as_deref().map(RawValue::get))
    }
}

impl Judged<'_> {
    /// What is to be written.
    fn edits(&self) -> impl Iterator<Item = Edit> {
        let differing = self.winners.iter().filter(|(_, winner)| winner.differs());
        differing.map(|(target, winner)| Edit {
            seq: winner.change.seq,
            node: winner.change.what.node.as_str().to_owned(),
            target: target.clone(),
            previous: winner.there.clone(),
            was_valueless: false,
            value: winner.to.clone(),
        })
    }
}

/// The marks that move: those of what is restored, as for changes without a key. The value that was last applied
/// stays in them: a rollback is a person's word, and shows as drift from what the source wants.
fn marks_of(node: &NodeId, judged: &Judged<'_>, marks: &[Mark]) -> Vec<Mark> {
    let mut won: BTreeMap<Seq, Change> = BTreeMap::new();
    for (target, winner) in &judged.winners {
        let Change { seq, what, held_ms } = winner.change;
        let nothing = || NewChange { values: Values::Known(Vec::new()), ..what.clone() };
        let change =
            won.entry(*seq).or_insert_with(|| Change { seq: *seq, what: nothing(), held_ms: *held_ms });
        if let (Values::Known(variables), Target::Variable(name)) = (&mut change.what.values, target) {
            variables.push(Variable { name: name.clone(), value: RawValue::NULL.to_owned() });
        }
    }
    let mut moved = marks_after(node, &fold(&won.values().collect::<Vec<_>>(), marks));
    let before: BTreeMap<&Target, &Mark> = marks.iter().map(|mark| (&mark.target, mark)).collect();
    for mark in &mut moved {
        let before = before.get(&mark.target);
        mark.value = before.and_then(|before| before.value.clone());
        if let Some(before) = before {
            mark.route.clone_from(&before.route);
        }
    }
    moved
}

/// The document with these edits, members first: around the list of variables nothing else changes then.
fn restored(document: &Document, edits: &[Edit]) -> Result<String, AddressError> {
    let mut members: BTreeMap<&str, Vec<(&str, Option<&str>)>> = BTreeMap::new();
    for edit in edits {
        if let Target::Member(name) = &edit.target {
            let value = edit.value.as_deref().map(RawValue::get);
            members.entry(&edit.node).or_default().push((name, value));
        }
    }
    let restores = restores(edits);
    if members.is_empty() {
        return document.restored(&restores);
    }
    let mut configurations = Vec::new();
    for (node, members) in members {
        let restored = document.configuration(node)?.patched(&Patch::putting(&members))?;
        configurations.push((node, restored.text().to_owned()));
    }
    let configurations: Vec<_> = configurations.iter().map(|(node, text)| (*node, text.as_str())).collect();
    if restores.is_empty() {
        return document.text_configured(&configurations);
    }
    document.configured(&configurations)?.restored(&restores)
}

/// The restorations of variables that these edits are, one a node; they are sorted by node.
fn restores(edits: &[Edit]) -> Vec<Restore<'_>> {
    let mut restores: Vec<Restore<'_>> = Vec::new();
    for edit in edits.iter().filter(|edit| matches!(edit.target, Target::List | Target::Variable(_))) {
        if restores.last().is_none_or(|restore| restore.node != edit.node) {
            restores.push(Restore { node: &edit.node, list: None, variables: Vec::new() });
        }
        let Some(restore) = restores.last_mut() else { continue };
        if let Target::Variable(name) = &edit.target {
            let value = edit.value.clone().map(|value| Variable { name: name.clone(), value });
            restore.variables.push((name, value));
        } else {
            restore.list = edit.value.as_deref().map(RawValue::get);
        }
    }
    restores
}

#[cfg(test)]
mod tests;

//! What a source has moved since it was last taken: of three values, which one is to be written. Free of I/O.
//!
//! | source | last taken | last applied | then |
//! |---|---|---|---|
//! | as last taken | there | anything | nothing: if the flow differs, a person or a rollback did it |
//! | another | there | anything | it is written |
//! | as last applied | not there | there | nothing |
//! | another | not there | there | it is written |
//! | anything | not there | not there | it is written |
//!
//! It is decided variable by variable: what moves one of them does not write over what a person has done to another.
//! A list that is replaced and a merge patch move as one.
//!
//! What was taken and then lost to a higher order key was never to be in the flow, and counts as not taken: an old
//! event that comes again must not hide that a newer one was missed.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::change::{Mode, Values, Variable};
use crate::flow::same_value;
use crate::journal::{Mark, Taken, Target};

/// What is known of a node from before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before<'k> {
    /// What was last taken from the source for it.
    pub(super) taken: Option<&'k Taken>,
    /// What was last applied to it, whoever wanted it.
    pub(super) marks: &'k [Mark],
}

impl<'k> Before<'k> {
    fn mark(&self, target: &Target) -> Option<&'k Mark> {
        self.marks.iter().find(|mark| mark.target == *target)
    }

    /// What was last taken, unless a target lost it to a higher key.
    fn taken(&self, target: &Target) -> Option<&'k Taken> {
        let taken = self.taken?;
        let lost = |mark: &Mark| taken.ended_by_key && mark.seq < taken.seq;
        (!self.mark(target).is_some_and(lost)).then_some(taken)
    }

    fn applied(&self, target: &Target) -> Option<&'k str> {
        self.mark(target)?.value.as_deref()
    }
}

/// What is to be written of what the source says now; nothing if it has not moved.
pub(super) fn moved(mode: Mode, says: &Values, before: &Before<'_>) -> Option<Values> {
    match (mode, says) {
        (Mode::Merge, Values::Known(says)) => {
            let taken = before.taken.map(|taken| by_name(&taken.value)).unwrap_or_default();
            let is_new = |variable: &&Variable| variable_moved(variable, &taken, before);
            let moved: Vec<Variable> = says.iter().filter(is_new).cloned().collect();
            (!moved.is_empty()).then_some(Values::Known(moved))
        }
        (Mode::Patch, Values::Patch(patch)) => {
            let was = whole(&Target::Configuration, before);
            let moved = was.is_none_or(|was| !same_value(was, patch.get()));
            moved.then(|| says.clone())
        }
        (Mode::Replace, Values::Known(list)) => {
            let was = whole(&Target::List, before);
            let moved = was.is_none_or(|was| !same_list(list, was));
            moved.then(|| says.clone())
        }
        // A route that patches reads patches, and no other does.
        (Mode::Patch, Values::Known(_)) | (Mode::Merge | Mode::Replace, Values::Patch(_)) => None,
        (_, Values::Fetch(_) | Values::Undo(_) | Values::Taken { .. }) => None,
    }
}

/// What a whole target was before.
fn whole<'k>(target: &Target, before: &Before<'k>) -> Option<&'k str> {
    let taken = before.taken(target).map(|taken| taken.value.as_str());
    taken.or_else(|| before.applied(target))
}

fn variable_moved(variable: &Variable, taken: &BTreeMap<String, Box<RawValue>>, before: &Before<'_>) -> bool {
    let target = Target::Variable(variable.name.clone());
    let taken = taken.get(&variable.name).filter(|_| before.taken(&target).is_some());
    let was = taken.map(|value| value.get()).or_else(|| before.applied(&target));
    was.is_none_or(|was| !same_value(was, variable.value.get()))
}

/// Variables in the journal's spelling, by their names. What cannot be read is as good as nothing.
fn by_name(text: &str) -> BTreeMap<String, Box<RawValue>> {
    let list: Vec<Variable> = serde_json::from_str(text).unwrap_or_default();
    list.into_iter().map(|variable| (variable.name, variable.value)).collect()
}

/// Whether a list holds the same variables as one in the journal's spelling, in whatever order: a source that answers
/// with an object need not keep its members in one.
pub(super) fn same_list(list: &[Variable], text: &str) -> bool {
    let other = by_name(text);
    let is_there = |variable: &Variable| {
        other.get(&variable.name).is_some_and(|value| same_value(value.get(), variable.value.get()))
    };
    list.len() == other.len() && list.iter().all(is_there)
}

#[cfg(test)]
mod tests;

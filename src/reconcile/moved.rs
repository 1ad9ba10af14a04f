//! What a source has moved since it was last taken: of three values, which one is to be written. Free of I/O.
//!
//! | source | last taken | then |
//! |---|---|---|
//! | as last taken | there | nothing: if the flow differs, a person or a rollback did it |
//! | another | there | it is written |
//! | anything | not there | it is written, also where the node has it: what is not taken cannot be told from what moves |
//!
//! It is decided variable by variable, and member by member of a merge patch: what moves one of them does not write
//! over what a person has done to another. A list that is replaced moves as one.
//!
//! What was taken and then lost to a higher order key was never to be in the flow: then what was not applied last is
//! written too. An old event that comes again must not hide that a newer one was missed.

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

    fn applied(&self, target: &Target) -> Option<&'k str> {
        self.mark(target)?.value.as_deref()
    }

    /// Whether the target lost to a higher key what was last taken.
    fn has_lost(&self, target: &Target) -> bool {
        let Some((taken, mark)) = self.taken.zip(self.mark(target)) else { return false };
        taken.ended_by_key && mark.seq < taken.seq
    }

    /// Whether what the source says is to be written to a target. `is_it` knows it again in what was last `taken` of
    /// it, and `applied` to it.
    fn moves(
        &self,
        target: &Target,
        [taken, applied]: [Option<&str>; 2],
        is_it: impl Fn(&str) -> bool,
    ) -> bool {
        let is_taken = taken.is_some_and(&is_it);
        !is_taken || self.has_lost(target) && !applied.is_some_and(is_it)
    }
}

/// What is to be written of what the source says now; nothing if it has not moved.
pub(super) fn moved(mode: Mode, says: &Values, before: &Before<'_>) -> Option<Values> {
    let taken = before.taken.map(|taken| taken.value.as_str());
    match (mode, says) {
        (Mode::Merge, Values::Known(says)) => {
            let taken = taken.map(by_name).unwrap_or_default();
            let is_new = |variable: &&Variable| {
                let target = Target::Variable(variable.name.clone());
                let was = [text(&taken, &variable.name), before.applied(&target)];
                before.moves(&target, was, |was| same_value(was, variable.value.get()))
            };
            let moved: Vec<Variable> = says.iter().filter(is_new).cloned().collect();
            (!moved.is_empty()).then_some(Values::Known(moved))
        }
        (Mode::Patch, Values::Patch(patch)) => {
            let target = Target::Configuration;
            let [taken, applied] =
                [taken, before.applied(&target)].map(|was| was.map(members).unwrap_or_default());
            let mut moved = members(patch.get());
            moved.retain(|name, value| {
                let was = [text(&taken, name), text(&applied, name)];
                before.moves(&target, was, |was| same_value(was, value.get()))
            });
            patch_of(&moved)
        }
        (Mode::Replace, Values::Known(list)) => {
            let target = Target::List;
            let moves = before.moves(&target, [taken, before.applied(&target)], |was| same_list(list, was));
            moves.then(|| says.clone())
        }
        // A route that patches reads patches, and no other does.
        (Mode::Patch, Values::Known(_)) | (Mode::Merge | Mode::Replace, Values::Patch(_)) => None,
        (_, Values::Fetch(_) | Values::Undo(_) | Values::Taken { .. }) => None,
    }
}

/// Values in the journal's spelling, by their names.
type Named = BTreeMap<String, Box<RawValue>>;

fn text<'n>(named: &'n Named, name: &str) -> Option<&'n str> {
    named.get(name).map(|value| value.get())
}

/// Variables by their names. What cannot be read is as good as nothing.
fn by_name(list: &str) -> Named {
    let list: Vec<Variable> = serde_json::from_str(list).unwrap_or_default();
    list.into_iter().map(|variable| (variable.name, variable.value)).collect()
}

/// The members of a merge patch. What cannot be read is as good as nothing.
pub(super) fn members(patch: &str) -> Named {
    serde_json::from_str(patch).unwrap_or_default()
}

/// The merge patch with these members, if there are any.
pub(super) fn patch_of(members: &Named) -> Option<Values> {
    let patch = (!members.is_empty()).then(|| serde_json::value::to_raw_value(members));
    Some(Values::Patch(patch?.expect("members have string names and hold valid JSON")))
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

//! Folding: which of several changes to one node win, variable by variable. Free of I/O.
//!
//! The rules:
//!
//! * Changes are taken in the order of their sequence numbers. Each challenges, for every variable it sets,
//!   what stands so far: the mark in the journal, or what a change folded before it made of that.
//! * What stands is the winner's sequence number and the highest key. A winner without a key leaves the key
//!   where it was: what is older than the highest key stays old, whoever came in between.
//! * A challenger loses if its key is lower than that of the same route; with equal keys the later arrival
//!   wins. Without a key to compare with, it loses if its sequence number is lower than the winner's.
//! * A `replace` contends for the whole list, and so for every variable of the node: it wins or loses as
//!   one. A variable must beat the winner of its name and the winner of the list.
//!
//! What a fold of several changes decides is what folding them one by one would have decided, whatever the
//! batches: a property test holds it to that.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::change::{Change, Mode, NewChange, Seq, Values, Variable};
use crate::journal::{Mark, Target};

/// The winners among some changes to one node.
#[derive(Debug)]
pub(super) struct Folded<'c> {
    /// The change that replaces the whole list, if one does.
    pub(super) list: Option<&'c Change>,
    /// The winning variables, each with its change; all of them apply on top of the list.
    pub(super) variables: Vec<(&'c Change, &'c Variable)>,
    /// What stands now, for the list and for each variable.
    standing: (Option<Standing<'c>>, BTreeMap<&'c str, Standing<'c>>),
}

/// What stands for a target, as far as the next challenger is concerned.
#[derive(Clone, Copy, Debug)]
struct Standing<'c> {
    /// The highest key; of whose route, `route` says.
    key: Option<Timestamp>,
    route: &'c str,
    /// The winner's.
    seq: Seq,
    /// The winner, if it is a change of this fold and not a mark.
    folded: Option<&'c Change>,
}

impl<'c> Standing<'c> {
    fn of_mark(mark: &'c Mark) -> Self {
        Self { key: mark.order_key, route: &mark.route, seq: mark.seq, folded: None }
    }

    fn of_change(change: &'c Change) -> Self {
        let key = change.what.order_key.map(|key| key.0);
        Self { key, route: &change.what.route, seq: change.seq, folded: Some(change) }
    }

    /// Whether this challenger beats what stands, if anything does.
    fn beats(self, standing: Option<Self>) -> bool {
        standing.is_none_or(|standing| match (self.key, standing.key) {
            (Some(mine), Some(highest)) if self.route == standing.route && mine != highest => mine > highest,
            _ => self.seq >= standing.seq,
        })
    }

    /// What stands once this challenger has won.
    fn after(self, beaten: Option<Self>) -> Self {
        match beaten {
            Some(Self { key: Some(highest), route, .. }) if self.key.is_none() => {
                Self { key: Some(highest), route, ..self }
            }
            Some(_) | None => self,
        }
    }

    fn mark(self, target: Target) -> Option<Mark> {
        let node = self.folded?.what.node.as_str().to_owned();
        Some(Mark { node, target, route: self.route.to_owned(), order_key: self.key, seq: self.seq })
    }
}

/// Folds changes to one node, in the order of their sequence numbers, onto the node's marks.
pub(super) fn fold<'c>(changes: &[&'c Change], marks: &'c [Mark]) -> Folded<'c> {
    let mut list: Option<Standing<'c>> = None;
    let mut variables: BTreeMap<&'c str, Standing<'c>> = BTreeMap::new();
    for mark in marks {
        match &mark.target {
            Target::List => list = Some(Standing::of_mark(mark)),
            Target::Variable(name) => _ = variables.insert(name, Standing::of_mark(mark)),
        }
    }
    for change in changes {
        let challenger = Standing::of_change(change);
        if !challenger.beats(list) {
            continue;
        }
        match change.what.mode {
            Mode::Replace => {
                if variables.values().all(|standing| challenger.beats(Some(*standing))) {
                    list = Some(challenger.after(list));
                    // It stands for every variable now; what beats it next beats them all.
                    for standing in variables.values_mut() {
                        *standing = challenger.after(Some(*standing));
                    }
                }
            }
            Mode::Merge => {
                for variable in known(&change.what) {
                    let standing = variables.get(variable.name.as_str()).copied();
                    if challenger.beats(standing) {
                        variables.insert(&variable.name, challenger.after(standing));
                    }
                }
            }
        }
    }
    let won = |change: &Change, variable: &Variable| {
        variables
            .get(variable.name.as_str())
            .and_then(|standing| standing.folded)
            .is_some_and(|winner| winner.seq == change.seq)
    };
    let winners = changes
        .iter()
        .filter(|change| change.what.mode == Mode::Merge)
        .flat_map(|change| known(&change.what).iter().map(move |variable| (*change, variable)))
        .filter(|(change, variable)| won(change, variable))
        .collect();
    let replaced = list.and_then(|standing| standing.folded);
    Folded { list: replaced, variables: winners, standing: (list, variables) }
}

/// The marks that move when the winners are published: theirs, and with a new list those of every variable
/// that it stands for from now on.
pub(super) fn marks_after(folded: &Folded<'_>) -> Vec<Mark> {
    let (list, variables) = &folded.standing;
    let of_list = list.and_then(|standing| standing.mark(Target::List));
    let of_variables =
        variables.iter().filter_map(|(name, standing)| standing.mark(Target::Variable((*name).to_owned())));
    of_list.into_iter().chain(of_variables).collect()
}

/// The variables of a change; none while they are to be fetched, and none of a rollback.
pub(super) fn known(change: &NewChange) -> &[Variable] {
    match &change.values {
        Values::Known(variables) => variables,
        // A rollback is drafted by itself, by what the flow holds.
        Values::Fetch(_) | Values::Undo(_) => &[],
    }
}

#[cfg(test)]
mod tests;

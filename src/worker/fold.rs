//! Folding: which of several changes to one node win, variable by variable. Free of I/O.
//!
//! The rules:
//!
//! * Changes are taken in the order of their sequence numbers. Each challenges, for every variable it sets,
//!   what stands so far: the mark in the journal, or what a change folded before it made of that.
//! * What stands is the winner's sequence number and the highest key of each route. A winner without a key, or of
//!   another route, leaves a route's key where it was: what is older than that stays old, whoever came in between.
//! * A challenger loses if its key is lower than the highest of its own route; with equal keys the later arrival
//!   wins. Without a key of its kind to compare with, it loses if its sequence number is lower than the winner's.
//! * A `replace` contends for the whole list, and so for every variable of the node: it wins or loses as
//!   one. A variable must beat the winner of its name and the winner of the list.
//!
//! What a fold of several changes decides is what folding them one by one would have decided, whatever the
//! batches: a property test holds it to that.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::change::{Change, Mode, NewChange, OrderKey, Seq, Values, Variable};
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

/// The highest key of each route.
type Keys<'c> = BTreeMap<&'c str, OrderKey>;

/// What stands for a target, as far as the next challenger is concerned.
#[derive(Clone, Debug)]
struct Standing<'c> {
    keys: Keys<'c>,
    /// The winner's.
    seq: Seq,
    /// The route of the value.
    route: &'c str,
    /// The JSON text of the value, of a variable that has one.
    value: Option<&'c str>,
    /// The winner, if it is a change of this fold and not a mark.
    folded: Option<&'c Change>,
}

impl<'c> Standing<'c> {
    fn of_mark(mark: &'c Mark) -> Self {
        let keys = mark.keys.iter().map(|(route, key)| (route.as_str(), *key)).collect();
        Self { keys, seq: mark.seq, route: &mark.route, value: mark.value.as_deref(), folded: None }
    }

    /// What stands once a change has won where these keys stood, and given the target this value.
    fn won(change: &'c Change, value: Option<&'c str>, mut keys: Keys<'c>) -> Self {
        let route = &*change.what.route;
        keys.extend(change.what.order_key.map(|key| (route, key)));
        Self { keys, seq: change.seq, route, value, folded: Some(change) }
    }

    /// Whether a change loses against it.
    fn keeps_out(&self, change: &Change) -> bool {
        let highest = self.keys.get(&*change.what.route);
        let by_key = change.what.order_key.zip(highest).and_then(|(mine, highest)| mine.partial_cmp(highest));
        match by_key {
            Some(Ordering::Less) => true,
            Some(Ordering::Greater) => false,
            Some(Ordering::Equal) | None => change.seq < self.seq,
        }
    }

    /// The mark that it leaves; `whole` is the value of a list.
    fn mark(&self, target: Target, whole: Option<String>) -> Option<Mark> {
        let node = self.folded?.what.node.as_str().to_owned();
        let keys = self.keys.iter().map(|(route, key)| ((*route).to_owned(), *key)).collect();
        let value = whole.or_else(|| self.value.map(str::to_owned));
        Some(Mark { node, target, keys, seq: self.seq, route: self.route.to_owned(), value })
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
    for change in changes.iter().copied() {
        if list.as_ref().is_some_and(|standing| standing.keeps_out(change)) {
            continue;
        }
        match change.what.mode {
            Mode::Replace => {
                if !variables.values().any(|standing| standing.keeps_out(change)) {
                    let keys = list.map(|beaten| beaten.keys).unwrap_or_default();
                    list = Some(Standing::won(change, None, keys));
                    stand_for_all(change, &mut variables);
                }
            }
            Mode::Merge => {
                for variable in known(&change.what) {
                    let standing = variables.get(variable.name.as_str());
                    if !standing.is_some_and(|standing| standing.keeps_out(change)) {
                        let beaten = variables.remove(variable.name.as_str());
                        let keys = beaten.map(|beaten| beaten.keys).unwrap_or_default();
                        let won = Standing::won(change, Some(variable.value.get()), keys);
                        variables.insert(&variable.name, won);
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
    let replaced = list.as_ref().and_then(|standing| standing.folded);
    Folded { list: replaced, variables: winners, standing: (list, variables) }
}

/// A new list stands for every variable now: what beats it next beats them all.
fn stand_for_all<'c>(change: &'c Change, variables: &mut BTreeMap<&'c str, Standing<'c>>) {
    let list: BTreeMap<&str, &str> =
        known(&change.what).iter().map(|variable| (variable.name.as_str(), variable.value.get())).collect();
    for (name, standing) in variables {
        let keys = std::mem::take(&mut standing.keys);
        *standing = Standing::won(change, list.get(name).copied(), keys);
    }
}

/// The marks that move when the winners are published: theirs, and with a new list those of every variable
/// that it stands for from now on.
pub(super) fn marks_after(folded: &Folded<'_>) -> Vec<Mark> {
    let (list, variables) = &folded.standing;
    let of_list = list.as_ref().and_then(|standing| {
        let whole = standing.folded.map(|change| whole(&change.what));
        standing.mark(Target::List, whole)
    });
    let of_variables = variables
        .iter()
        .filter_map(|(name, standing)| standing.mark(Target::Variable((*name).to_owned()), None));
    of_list.into_iter().chain(of_variables).collect()
}

/// The list of a change as JSON.
fn whole(change: &NewChange) -> String {
    serde_json::to_string(known(change)).expect("variables have string names and hold valid JSON")
}

/// The variables of a change; none while they are to be fetched, and none of a rollback.
pub(super) fn known(change: &NewChange) -> &[Variable] {
    match &change.values {
        Values::Known(variables) => variables,
        // A rollback is drafted by itself, by what the flow holds.
        Values::Fetch(_) | Values::Undo(_) | Values::Taken { .. } => &[],
    }
}

#[cfg(test)]
mod tests;

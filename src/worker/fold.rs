//! Folding: which of several changes to one node win, variable by variable. Free of I/O.
//!
//! The rules:
//!
//! * Changes are taken in the order of their sequence numbers. Each challenges, for every variable it sets,
//!   the winner so far: the mark in the journal, or a change folded before it.
//! * It loses if its order key is lower than the winner's, where both have one and are of the same route;
//!   with equal keys the later arrival wins. Otherwise it loses if its sequence number is lower.
//! * A `replace` contends for the whole list, and so for every variable of the node: it wins or loses as
//!   one. A variable must beat the winner of its name and the winner of the list.
//!
//! What a fold of several changes decides is what folding them one by one would have decided, whatever the
//! batches: a property test holds it to that.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::change::{Change, Mode, NewChange, Values, Variable};
use crate::journal::{Mark, Target};

/// The winners among some changes to one node.
#[derive(Debug)]
pub(super) struct Folded<'c> {
    /// The change that replaces the whole list, if one does.
    pub(super) list: Option<&'c Change>,
    /// The winning variables, each with its change; all of them apply on top of the list.
    pub(super) variables: Vec<(&'c Change, &'c Variable)>,
}

/// The winner so far of a target, as far as the next challenger is concerned.
#[derive(Clone, Copy, Debug)]
struct Rank<'c> {
    route: &'c str,
    key: Option<Timestamp>,
    seq: i64,
    /// Whether it is a change of this fold, not a mark.
    folded: Option<&'c Change>,
}

impl<'c> Rank<'c> {
    fn of_mark(mark: &'c Mark) -> Self {
        Self { route: &mark.route, key: mark.order_key, seq: mark.seq, folded: None }
    }

    fn of_change(change: &'c Change) -> Self {
        let key = change.what.order_key.map(|key| key.0);
        Self { route: &change.what.route, key, seq: change.seq, folded: Some(change) }
    }

    fn beats(self, winner: Self) -> bool {
        match (self.key, winner.key) {
            (Some(mine), Some(theirs)) if self.route == winner.route && mine != theirs => mine > theirs,
            _ => self.seq >= winner.seq,
        }
    }
}

/// Folds changes to one node, in the order of their sequence numbers, onto the node's marks.
pub(super) fn fold<'c>(changes: &[&'c Change], marks: &'c [Mark]) -> Folded<'c> {
    let mut list: Option<Rank<'c>> = None;
    let mut variables: BTreeMap<&'c str, Rank<'c>> = BTreeMap::new();
    for mark in marks {
        match &mark.target {
            Target::List => list = Some(Rank::of_mark(mark)),
            Target::Variable(name) => _ = variables.insert(name, Rank::of_mark(mark)),
        }
    }
    for change in changes {
        let rank = Rank::of_change(change);
        let beats_the_list = list.is_none_or(|list| rank.beats(list));
        match change.what.mode {
            Mode::Replace => {
                if beats_the_list && variables.values().all(|winner| rank.beats(*winner)) {
                    list = Some(rank);
                    // It stands for every variable now; what beats it next beats them all.
                    variables.clear();
                }
            }
            Mode::Merge => {
                for variable in known(&change.what) {
                    let winner = variables.get(variable.name.as_str());
                    if beats_the_list && winner.is_none_or(|winner| rank.beats(*winner)) {
                        variables.insert(&variable.name, rank);
                    }
                }
            }
        }
    }
    let won = |change: &&'c Change, variable: &Variable| {
        variables
            .get(variable.name.as_str())
            .and_then(|rank| rank.folded)
            .is_some_and(|winner| winner.seq == change.seq)
    };
    let merges = changes.iter().filter(|change| change.what.mode == Mode::Merge);
    let variables = merges
        .flat_map(|change| known(&change.what).iter().map(move |variable| (*change, variable)))
        .filter(|(change, variable)| won(change, variable))
        .collect();
    Folded { list: list.and_then(|rank| rank.folded), variables }
}

/// The marks that move when the winners are published: theirs, and with a new list those of every variable
/// that it stands for from now on.
pub(super) fn marks_after(folded: &Folded<'_>, before: &[Mark]) -> Vec<Mark> {
    let mark = |change: &Change, target: Target| Mark {
        node: change.what.node.as_str().to_owned(),
        target,
        route: change.what.route.as_ref().to_owned(),
        order_key: change.what.order_key.map(|key| key.0),
        seq: change.seq,
    };
    let mut after: BTreeMap<Target, Mark> = BTreeMap::new();
    if let Some(list) = folded.list {
        let stood_for = before.iter().map(|old| old.target.clone());
        after.extend(stood_for.chain([Target::List]).map(|target| (target.clone(), mark(list, target))));
    }
    for (change, variable) in &folded.variables {
        let target = Target::Variable(variable.name.clone());
        after.insert(target.clone(), mark(change, target));
    }
    after.into_values().collect()
}

/// The variables of a change; none while they are to be fetched.
pub(super) fn known(change: &NewChange) -> &[Variable] {
    match &change.values {
        Values::Known(variables) => variables,
        Values::Fetch(_) => &[],
    }
}

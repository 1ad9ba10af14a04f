//! Folding: which of several changes to one node win, variable by variable. Free of I/O.
//!
//! The rules:
//!
//! * Changes are taken in the order of their sequence numbers. Each challenges, for every variable it sets,
//!   what stands so far: the mark in the journal, or what a change folded before it made of that.
//! * What stands is the winner, with its sequence number and its key, and the highest key of each route.
//! * A challenger loses if its key is lower than the highest of its own route: what is older than that stays old,
//!   whoever won in between, and though what had that key lost by its number. Else it is held against the winner: of
//!   two keys of one route the higher wins, and where they do not compare, or are equal, the later arrival.
//! * A `replace` contends for the whole list, and so for every variable of the node: it wins or loses as
//!   one. A variable must beat the winner of its name and the winner of the list.
//! * A merge patch contends for the node's configuration, which variables are no part of: it wins or loses as one.
//!   Of several that win each is carried out, in the order of their sequence numbers.
//!
//! What a fold of several changes decides is what folding them one by one would have decided, whatever the
//! batches: a property test holds it to that.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::change::{Change, Mode, NewChange, NodeId, OrderKey, Seq, Values, Variable};
use crate::flow::Patch;
use crate::journal::{Mark, Target};

/// The merge patch that changes nothing.
const NOTHING: &str = "{}";

/// The winners among some changes to one node.
#[derive(Debug)]
pub(super) struct Folded<'c> {
    /// The change that replaces the whole list, if one does.
    pub(super) list: Option<&'c Change>,
    /// The winning variables, each with its change; all of them apply on top of the list.
    pub(super) variables: Vec<(&'c Change, &'c Variable)>,
    /// The winning merge patches, in their order.
    pub(super) patches: Vec<&'c Change>,
    /// What was last applied of patches before these, as one.
    patched: Option<&'c str>,
    standing: AllStanding<'c>,
}

/// What stands now.
#[derive(Debug, Default)]
struct AllStanding<'c> {
    list: Option<Standing<'c>>,
    variables: Variables<'c>,
    configuration: Option<Standing<'c>>,
}

/// The highest key of each route.
type Keys<'c> = BTreeMap<&'c str, OrderKey>;

/// What stands for a target, as far as the next challenger is concerned.
#[derive(Clone, Debug)]
struct Standing<'c> {
    keys: Keys<'c>,
    /// The winner's key.
    key: Option<OrderKey>,
    /// The winner's.
    seq: Seq,
    /// The route of the winner, and of the value.
    route: &'c str,
    /// The JSON text of the value, of a variable that has one.
    value: Option<&'c str>,
    /// The winner, if it is a change of this fold and not a mark.
    folded: Option<&'c Change>,
    /// Whether it is not as the mark has it.
    moved: bool,
}

impl<'c> Standing<'c> {
    fn of_mark(mark: &'c Mark) -> Self {
        Self {
            keys: mark.keys.iter().map(|(route, key)| (route.as_str(), *key)).collect(),
            key: mark.order_key,
            seq: mark.seq,
            route: &mark.route,
            value: mark.value.as_deref(),
            folded: None,
            moved: false,
        }
    }

    /// What stands once a change has won where these keys stood, and given the target this value.
    fn won(change: &'c Change, value: Option<&'c str>, mut keys: Keys<'c>) -> Self {
        let (route, key) = (&*change.what.route, change.what.order_key);
        keys.extend(key.map(|key| (route, key)));
        Self { keys, key, seq: change.seq, route, value, folded: Some(change), moved: true }
    }

    /// Whether a change loses against it.
    fn keeps_out(&self, change: &Change) -> bool {
        let highest = self.keys.get(&*change.what.route).copied();
        if compared(change, highest) == Some(Ordering::Less) {
            return true;
        }
        let winners = self.key.filter(|_| *self.route == *change.what.route);
        match compared(change, winners) {
            Some(Ordering::Greater) => false,
            Some(Ordering::Less | Ordering::Equal) | None => change.seq < self.seq,
        }
    }

    /// Notes the key of a change that lost: what is older than that is older for having lost no less.
    fn note(&mut self, change: &'c Change) {
        let route = &*change.what.route;
        if let Some(key) = change.what.order_key
            && self.keys.get(route).is_none_or(|highest| key > *highest)
        {
            self.keys.insert(route, key);
            self.moved = true;
        }
    }

    /// The mark that it leaves in a node, if that has moved; `whole` is the value of a list that was won.
    fn mark(&self, node: &NodeId, target: Target, whole: Option<String>) -> Option<Mark> {
        self.moved.then(|| Mark {
            node: node.as_str().to_owned(),
            target,
            keys: self.keys.iter().map(|(route, key)| ((*route).to_owned(), *key)).collect(),
            order_key: self.key,
            seq: self.seq,
            route: self.route.to_owned(),
            value: whole.or_else(|| self.value.map(str::to_owned)),
        })
    }
}

/// How a change's key compares with another of its route.
fn compared(change: &Change, other: Option<OrderKey>) -> Option<Ordering> {
    change.what.order_key.zip(other).and_then(|(mine, other)| mine.partial_cmp(&other))
}

/// Folds changes to one node, in the order of their sequence numbers, onto the node's marks.
pub(super) fn fold<'c>(changes: &[&'c Change], marks: &'c [Mark]) -> Folded<'c> {
    let mut standing = AllStanding::of_marks(marks);
    let mut patches = Vec::new();
    let patched = standing.configuration.as_ref().and_then(|standing| standing.value);
    for change in changes.iter().copied() {
        patches.extend(standing.contended_for_by(change));
    }
    let won = |change: &Change, variable: &Variable| {
        let stands = standing.variables.get(variable.name.as_str());
        stands.and_then(|standing| standing.folded).is_some_and(|winner| winner.seq == change.seq)
    };
    let variables = changes
        .iter()
        .filter(|change| change.what.mode == Mode::Merge)
        .flat_map(|change| known(&change.what).iter().map(move |variable| (*change, variable)))
        .filter(|(change, variable)| won(change, variable))
        .collect();
    let list = standing.list.as_ref().and_then(|standing| standing.folded);
    Folded { list, variables, patches, patched, standing }
}

/// The changes that win something which `refused` says they cannot have, with what it says. They are taken one by one,
/// and what cannot have all that it wins stands in nobody's way: not by its number, and not by its key.
pub(super) fn fold_out<'c>(
    changes: &[&'c Change],
    marks: &'c [Mark],
    refused: impl Fn(&Change, Option<&Variable>) -> Option<String>,
) -> BTreeMap<Seq, String> {
    let mut standing = AllStanding::of_marks(marks);
    let mut out = BTreeMap::new();
    for change in changes.iter().copied() {
        if let Some(why) = standing.refusal(change, &refused) {
            out.insert(change.seq, why);
        } else {
            standing.contended_for_by(change);
        }
    }
    out
}

impl<'c> AllStanding<'c> {
    /// A change contends for what it sets; it, if it is a patch and wins.
    fn contended_for_by(&mut self, change: &'c Change) -> Option<&'c Change> {
        match change.what.mode {
            Mode::Replace => contend_for_all(change, &mut self.list, &mut self.variables),
            Mode::Merge => {
                for variable in known(&change.what) {
                    contend_for(variable, change, self.list.as_ref(), &mut self.variables);
                }
            }
            Mode::Patch => return contend_with_patch(change, &mut self.configuration),
        }
        None
    }

    /// What `refused` says of the first thing that the change would win.
    fn refusal(
        &self,
        change: &Change,
        refused: impl Fn(&Change, Option<&Variable>) -> Option<String>,
    ) -> Option<String> {
        let is_open = |standing: &Standing<'_>| !standing.keeps_out(change);
        match change.what.mode {
            Mode::Replace if !self.list.iter().chain(self.variables.values()).all(is_open) => None,
            Mode::Patch if !self.configuration.iter().all(is_open) => None,
            Mode::Replace | Mode::Patch => refused(change, None),
            // On top of a new list nothing has to be found.
            Mode::Merge if self.list.as_ref().is_some_and(|list| list.folded.is_some()) => None,
            Mode::Merge => {
                let mine = known(&change.what).iter();
                let mut won = mine.filter(|variable| {
                    self.variables.get(variable.name.as_str()).into_iter().chain(&self.list).all(is_open)
                });
                won.find_map(|variable| refused(change, Some(variable)))
            }
        }
    }

    fn of_marks(marks: &'c [Mark]) -> Self {
        let mut all = Self::default();
        for mark in marks {
            let standing = Standing::of_mark(mark);
            match &mark.target {
                Target::List => all.list = Some(standing),
                Target::Variable(name) => _ = all.variables.insert(name, standing),
                Target::Configuration => all.configuration = Some(standing),
                // Nobody contends for one alone.
                Target::Member(_) => {}
            }
        }
        all
    }
}

/// A patch contends for the configuration; it, if it wins.
fn contend_with_patch<'c>(change: &'c Change, stands: &mut Option<Standing<'c>>) -> Option<&'c Change> {
    if let Some(standing) = stands.as_mut().filter(|standing| standing.keeps_out(change)) {
        standing.note(change);
        return None;
    }
    let keys = stands.take().map(|beaten| beaten.keys).unwrap_or_default();
    *stands = Some(Standing::won(change, None, keys));
    Some(change)
}

/// What stands for each variable.
type Variables<'c> = BTreeMap<&'c str, Standing<'c>>;

/// A change contends for one variable.
fn contend_for<'c>(
    variable: &'c Variable,
    change: &'c Change,
    list: Option<&Standing<'c>>,
    variables: &mut Variables<'c>,
) {
    let name = variable.name.as_str();
    let loses = variables.get(name).into_iter().chain(list).any(|standing| standing.keeps_out(change));
    if !loses {
        let keys = variables.remove(name).map(|beaten| beaten.keys).unwrap_or_default();
        variables.insert(name, Standing::won(change, Some(variable.value.get()), keys));
    } else if let Some(standing) = variables.get_mut(name) {
        standing.note(change);
    } else if let Some(list) = list {
        // What was never named stands with the list.
        let mut standing = Standing { value: None, folded: None, moved: false, ..list.clone() };
        standing.note(change);
        variables.extend(standing.moved.then_some((name, standing)));
    }
}

/// A change contends for the whole list, and so for every variable. What beats it next beats them all.
fn contend_for_all<'c>(change: &'c Change, list: &mut Option<Standing<'c>>, variables: &mut Variables<'c>) {
    if list.iter().chain(variables.values()).any(|standing| standing.keeps_out(change)) {
        list.iter_mut().chain(variables.values_mut()).for_each(|standing| standing.note(change));
        return;
    }
    let keys = list.take().map(|beaten| beaten.keys).unwrap_or_default();
    *list = Some(Standing::won(change, None, keys));
    let values: BTreeMap<&str, &str> =
        known(&change.what).iter().map(|variable| (variable.name.as_str(), variable.value.get())).collect();
    for (name, standing) in variables {
        let keys = std::mem::take(&mut standing.keys);
        *standing = Standing::won(change, values.get(name).copied(), keys);
    }
}

/// The marks that move when the winners are published: theirs, with a new list those of every variable that it
/// stands for from now on, and those whose highest key was a loser's.
pub(super) fn marks_after(node: &NodeId, folded: &Folded<'_>) -> Vec<Mark> {
    let AllStanding { list, variables, configuration } = &folded.standing;
    let of_list = list.as_ref().and_then(|standing| {
        let whole = standing.folded.map(|change| whole(&change.what));
        standing.mark(node, Target::List, whole)
    });
    let of_configuration = configuration.as_ref().and_then(|standing| {
        let whole = standing.folded.map(|_| folded.all_patched());
        standing.mark(node, Target::Configuration, whole)
    });
    let of_variables = variables
        .iter()
        .filter_map(|(name, standing)| standing.mark(node, Target::Variable((*name).to_owned()), None));
    of_list.into_iter().chain(of_configuration).chain(of_variables).collect()
}

impl Folded<'_> {
    /// The one patch that asks for what all patches so far ask for.
    fn all_patched(&self) -> String {
        let texts = self.patched.into_iter().chain(self.patches.iter().map(|change| patch_of(&change.what)));
        Patch::all(texts.filter_map(|text| Patch::read(text).ok())).text()
    }
}

/// The list of a change as JSON.
fn whole(change: &NewChange) -> String {
    serde_json::to_string(known(change)).expect("variables have string names and hold valid JSON")
}

/// The merge patch of a change; one that does nothing while it is to be fetched, and of a rollback.
pub(super) fn patch_of(change: &NewChange) -> &str {
    if let Values::Patch(patch) = &change.values { patch.get() } else { NOTHING }
}

/// The variables of a change; none while they are to be fetched, and none of a rollback.
pub(super) fn known(change: &NewChange) -> &[Variable] {
    match &change.values {
        Values::Known(variables) => variables,
        // A rollback is drafted by itself, by what the flow holds.
        Values::Patch(_) | Values::Fetch(_) | Values::Undo(_) | Values::Taken { .. } => &[],
    }
}

#[cfg(test)]
mod tests;

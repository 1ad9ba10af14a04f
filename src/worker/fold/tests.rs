//! Who wins: a table, and properties against a plain model that goes change by change.

use std::collections::BTreeMap;
use std::slice;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::value::RawValue;

use super::{Folded, fold, known, marks_after, patch_of};
use crate::change::{Change, FlowId, Mode, NewChange, NodeId, OrderKey, Seq, Values, Variable};
use crate::journal::{Mark, Target};

/// A change that sets these variables, written as `x y`, to its own number.
fn merge(seq: Seq, names: &str) -> Change {
    let value = |name: &str| Variable::new(name, &seq.to_string()).expect("a number is JSON");
    let what = NewChange {
        route: Arc::from("default"),
        flow: FlowId::parse("flow").expect("an id"),
        node: NodeId::parse("node").expect("an id"),
        mode: Mode::Merge,
        values: Values::Known(names.split_whitespace().map(value).collect()),
        order_key: None,
    };
    Change { seq, what, held_ms: 0 }
}

fn replace(seq: Seq, names: &str) -> Change {
    let Change { what, .. } = merge(seq, names);
    Change { seq, what: NewChange { mode: Mode::Replace, ..what }, held_ms: 0 }
}

/// A patch that gives these members the change's number.
fn patch(seq: Seq, names: &str) -> Change {
    let members: Vec<_> = names.split_whitespace().map(|name| format!("\"{name}\":{seq}")).collect();
    let patch = RawValue::from_string(format!("{{{}}}", members.join(","))).expect("JSON");
    let Change { what, .. } = merge(seq, "");
    Change { seq, what: NewChange { mode: Mode::Patch, values: Values::Patch(patch), ..what }, held_ms: 0 }
}

fn keyed(key: i64, mut change: Change) -> Change {
    change.what.order_key = Some(OrderKey::Time(Timestamp::from_second(key).expect("a time")));
    change
}

fn numbered(revision: u64, mut change: Change) -> Change {
    change.what.order_key = Some(OrderKey::Revision(revision));
    change
}

fn routed(route: &str, mut change: Change) -> Change {
    change.what.route = Arc::from(route);
    change
}

/// The marks once the winners of a fold are published.
fn moved(marks: &[Mark], folded: &Folded<'_>) -> Vec<Mark> {
    let mut after: BTreeMap<Target, Mark> =
        marks.iter().map(|mark| (mark.target.clone(), mark.clone())).collect();
    let node = NodeId::parse("node").expect("an id");
    after.extend(marks_after(&node, folded).into_iter().map(|mark| (mark.target.clone(), mark)));
    after.into_values().collect()
}

/// The winners, written as `[list's change] variable:change …`.
fn shown(folded: &Folded<'_>) -> String {
    let list = folded.list.map(|change| format!("[{}]", change.seq));
    let mut variables: Vec<String> = folded
        .variables
        .iter()
        .map(|(change, variable)| format!("{}:{}", variable.name, change.seq))
        .collect();
    variables.sort();
    let patches = folded.patches.iter().map(|change| format!("{{{}}}", change.seq));
    list.into_iter().chain(variables).chain(patches).collect::<Vec<_>>().join(" ")
}

/// Folds `changes` after each of `published` was folded and published by itself.
#[track_caller]
fn check(published: &[Change], changes: &[Change], winners: &str) {
    let mut marks = Vec::new();
    for change in published {
        marks = moved(&marks, &fold(&[change], &marks));
    }
    let folded = fold(&changes.iter().collect::<Vec<_>>(), &marks);
    assert_eq!(shown(&folded), winners);
}

#[test]
fn without_keys_the_later_arrival_wins_variable_by_variable() {
    check(&[], &[], "");
    check(&[], &[merge(1, "x")], "x:1");
    check(&[], &[merge(1, "x"), merge(2, "x")], "x:2");
    check(&[], &[merge(1, "x y"), merge(2, "x z")], "x:2 y:1 z:2");
    check(&[merge(1, "x")], &[merge(2, "x")], "x:2");
}

#[test]
fn a_retry_keeps_its_old_number_and_loses_against_what_was_published_since() {
    check(&[merge(2, "x")], &[merge(1, "x")], "");
    check(&[merge(2, "x")], &[merge(1, "x y")], "y:1");
    check(&[merge(2, "x")], &[merge(1, "x"), merge(3, "y")], "y:3");
    // A change that set the mark itself may be folded once more.
    check(&[merge(2, "x")], &[merge(2, "x")], "x:2");
}

#[test]
fn of_one_route_the_higher_key_wins_whatever_the_order_of_arrival() {
    check(&[], &[keyed(10, merge(1, "x")), keyed(5, merge(2, "x"))], "x:1");
    check(&[], &[keyed(5, merge(1, "x")), keyed(10, merge(2, "x"))], "x:2");
    check(&[keyed(10, merge(1, "x"))], &[keyed(5, merge(2, "x y"))], "y:2");
    check(&[keyed(5, merge(2, "x"))], &[keyed(10, merge(1, "x"))], "x:1");
}

#[test]
fn with_equal_keys_the_later_arrival_wins() {
    check(&[], &[keyed(5, merge(1, "x")), keyed(5, merge(2, "x"))], "x:2");
    check(&[keyed(5, merge(1, "x"))], &[keyed(5, merge(2, "x"))], "x:2");
    check(&[keyed(5, merge(2, "x"))], &[keyed(5, merge(1, "x"))], "");
}

#[test]
fn keys_of_two_routes_and_missing_keys_leave_it_to_the_order_of_arrival() {
    check(&[], &[keyed(10, merge(1, "x")), routed("b", keyed(5, merge(2, "x")))], "x:2");
    check(&[routed("b", keyed(5, merge(2, "x")))], &[keyed(10, merge(1, "x"))], "");
    check(&[], &[keyed(10, merge(1, "x")), merge(2, "x")], "x:2");
    check(&[], &[merge(1, "x"), keyed(5, merge(2, "x"))], "x:2");
    check(&[merge(2, "x")], &[keyed(10, merge(1, "x"))], "");
}

#[test]
fn keys_of_two_kinds_leave_it_to_the_order_of_arrival_and_the_newer_kind_counts_from_then_on() {
    check(&[], &[keyed(10, merge(1, "x")), numbered(5, merge(2, "x"))], "x:2");
    check(&[numbered(5, merge(2, "x"))], &[keyed(10, merge(1, "x"))], "");
    check(&[keyed(10, merge(1, "x")), numbered(5, merge(2, "x"))], &[numbered(4, merge(3, "x"))], "");
}

#[test]
fn of_one_route_the_higher_revision_wins_whatever_the_order_of_arrival() {
    check(&[], &[numbered(10, merge(1, "x")), numbered(9, merge(2, "x"))], "x:1");
    check(&[numbered(9, merge(2, "x"))], &[numbered(10, merge(1, "x"))], "x:1");
}

#[test]
fn a_winner_in_between_does_not_let_older_keys_in_again() {
    for between in [merge(2, "x"), routed("b", merge(2, "x")), routed("b", keyed(3, merge(2, "x")))] {
        check(&[keyed(10, merge(1, "x")), between.clone()], &[keyed(5, merge(3, "x"))], "");
        check(&[keyed(10, merge(1, "x")), between.clone()], &[keyed(10, merge(3, "x"))], "x:3");
        check(&[], &[keyed(10, merge(1, "x")), between, keyed(5, merge(3, "x"))], "x:2");
    }
    check(&[keyed(10, merge(1, "x")), replace(2, "")], &[keyed(5, merge(3, "x y"))], "y:3");
    check(&[keyed(10, replace(1, "")), replace(2, "")], &[keyed(5, merge(3, "x"))], "");
    check(&[keyed(10, merge(1, "x")), routed("b", replace(2, "x"))], &[keyed(5, merge(3, "x"))], "");
}

#[test]
fn of_two_routes_the_later_arrival_wins_and_what_is_older_than_a_loser_of_its_route_stays_old() {
    let (early, other) = (keyed(20, merge(2, "x")), routed("b", merge(3, "x")));
    check(&[keyed(10, merge(1, "x")), other.clone()], slice::from_ref(&early), "");
    check(&[other.clone(), early.clone()], &[keyed(15, merge(4, "x"))], "");
    check(&[other.clone(), early.clone()], &[keyed(20, merge(4, "x"))], "x:4");
    check(&[routed("b", replace(3, "")), early.clone()], &[keyed(15, merge(4, "x y"))], "y:4");
    check(&[other, keyed(20, replace(2, "y"))], &[keyed(15, merge(4, "x"))], "");
    check(&[merge(3, "x"), early], &[keyed(15, merge(4, "x"))], "");
}

/// The values that the marks hold after these changes were published one by one.
fn applied(published: &[Change]) -> String {
    let mut marks = Vec::new();
    for change in published {
        marks = moved(&marks, &fold(&[change], &marks));
    }
    let shown = |mark: &Mark| {
        format!("{} {} {}", mark.target.encode(), mark.value.as_deref().unwrap_or("-"), mark.route)
    };
    marks.iter().map(shown).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_mark_holds_the_value_that_was_last_applied_and_whose_it_was() {
    assert_eq!(applied(&[merge(1, "x y"), routed("b", merge(2, "x"))]), "=x 2 b, =y 1 default");
    assert_eq!(applied(&[keyed(5, merge(2, "x")), keyed(4, merge(3, "x"))]), "=x 2 default");
    let list = r#"* [{"name":"x","value":2}] b"#;
    assert_eq!(applied(&[merge(1, "x y"), routed("b", replace(2, "x"))]), format!("{list}, =x 2 b, =y - b"));
    assert_eq!(applied(&[routed("b", replace(2, "x")), merge(3, "x")]), format!("{list}, =x 3 default"));
    assert_eq!(applied(&[patch(1, "x y"), routed("b", patch(2, "x z"))]), r#"{} {"x":2,"y":1,"z":2} b"#);
}

#[test]
fn a_replace_wins_or_loses_as_one_and_merges_go_on_top_of_it() {
    check(&[], &[replace(1, "x"), merge(2, "x y")], "[1] x:2 y:2");
    check(&[], &[merge(1, "x"), replace(2, "y")], "[2]");
    check(&[], &[replace(1, "x"), replace(2, "y")], "[2]");
    check(&[], &[keyed(10, merge(1, "x")), keyed(5, replace(2, "y z"))], "x:1");
    check(&[keyed(10, merge(1, "x"))], &[keyed(5, replace(2, "y z"))], "");
    check(&[merge(2, "x")], &[replace(1, "y")], "");
    check(&[], &[keyed(10, replace(1, "y")), keyed(5, merge(2, "x"))], "[1]");
}

#[test]
fn a_list_that_was_replaced_stands_for_variables_that_were_never_named() {
    check(&[replace(2, "")], &[merge(1, "never_named")], "");
    check(&[keyed(10, replace(1, ""))], &[keyed(5, merge(2, "never_named"))], "");
    check(&[replace(1, "")], &[merge(2, "x")], "x:2");
    check(&[replace(1, ""), merge(3, "x")], &[merge(2, "x y")], "y:2");
    check(&[merge(1, "x"), replace(3, "")], &[merge(2, "x")], "");
}

#[test]
fn a_patch_wins_or_loses_as_one_and_has_nothing_to_do_with_variables() {
    check(&[], &[patch(1, "x"), patch(2, "y")], "{1} {2}");
    check(&[patch(2, "x")], &[patch(1, "y")], "");
    check(&[patch(2, "x")], &[patch(3, "y")], "{3}");
    check(&[], &[keyed(10, patch(1, "x")), keyed(5, patch(2, "y"))], "{1}");
    check(&[keyed(10, patch(1, "x")), patch(2, "")], &[keyed(5, patch(3, "y"))], "");
    check(&[keyed(10, patch(1, "x"))], &[routed("b", keyed(5, patch(2, "y")))], "{2}");
    check(&[replace(5, ""), merge(6, "x")], &[patch(1, "x")], "{1}");
    check(&[patch(5, "x")], &[merge(1, "x"), replace(2, "x")], "[2]");
}

#[test]
fn what_is_still_to_be_fetched_wins_nothing() {
    let mut thin = merge(2, "");
    thin.what.values = Values::Fetch("http://127.0.0.1/".to_owned());
    check(&[], &[merge(1, "x"), thin], "x:1");
}

/// The written rules, taken one by one: what stands for each target, and the node's values.
#[derive(Debug, Default, PartialEq)]
struct Model {
    list: Option<Stands>,
    configuration: Option<Stands>,
    variables: BTreeMap<String, Stands>,
    members: BTreeMap<String, String>,
    values: BTreeMap<String, String>,
}

/// What stands for a target.
#[derive(Clone, Debug, PartialEq)]
struct Stands {
    seq: Seq,
    route: String,
    key: Option<OrderKey>,
    highest: BTreeMap<String, OrderKey>,
    value: Option<String>,
}

impl Model {
    fn loses(change: &Change, stands: Option<&Stands>) -> bool {
        let Some(stands) = stands else { return false };
        let number = |key: OrderKey| match key {
            OrderKey::Time(time) => (0, time.as_second()),
            OrderKey::Revision(number) => (1, i64::try_from(number).expect("a small one")),
        };
        let route = &*change.what.route;
        let mine = change.what.order_key.map(number);
        let highest = stands.highest.get(route).copied().map(number);
        let winners = stands.key.filter(|_| stands.route == route).map(number);
        match (mine, highest, winners) {
            (Some((kind, mine)), Some((other, highest)), _) if kind == other && mine < highest => true,
            (Some((kind, mine)), _, Some((other, winners))) if kind == other && mine > winners => false,
            _ => change.seq < stands.seq,
        }
    }

    fn won_by(change: &Change, before: Option<&Stands>, value: Option<String>) -> Stands {
        let mut highest = before.map(|stands| stands.highest.clone()).unwrap_or_default();
        let (route, key) = (change.what.route.to_string(), change.what.order_key);
        highest.extend(key.map(|key| (route.clone(), key)));
        Stands { seq: change.seq, route, key, highest, value }
    }

    /// Notes the key of what lost.
    fn note(change: &Change, stands: &mut Stands) -> bool {
        let route = change.what.route.to_string();
        let Some(key) = change.what.order_key else { return false };
        let is_news = stands.highest.get(&route).is_none_or(|highest| key > *highest);
        if is_news {
            stands.highest.insert(route, key);
        }
        is_news
    }

    fn apply(&mut self, change: &Change) {
        let list_wins = Self::loses(change, self.list.as_ref());
        match change.what.mode {
            Mode::Replace => {
                if list_wins || self.variables.values().any(|stands| Self::loses(change, Some(stands))) {
                    let all = self.list.iter_mut().chain(self.variables.values_mut());
                    all.for_each(|stands| _ = Self::note(change, stands));
                    return;
                }
                let list = serde_json::to_string(known(&change.what)).expect("variables are JSON");
                self.list = Some(Self::won_by(change, self.list.as_ref(), Some(list)));
                self.values = values(&change.what);
                for (name, stands) in &mut self.variables {
                    *stands = Self::won_by(change, Some(stands), self.values.get(name).cloned());
                }
            }
            Mode::Patch => match &mut self.configuration {
                Some(stands) if Self::loses(change, Some(stands)) => _ = Self::note(change, stands),
                stands => {
                    self.members.extend(members(&change.what));
                    let all = self.members.iter().map(|(name, value)| format!("\"{name}\":{value}"));
                    let all = format!("{{{}}}", all.collect::<Vec<_>>().join(","));
                    *stands = Some(Self::won_by(change, stands.as_ref(), Some(all)));
                }
            },
            Mode::Merge => {
                for (name, value) in values(&change.what) {
                    let before = self.variables.get(&name);
                    if !list_wins && !Self::loses(change, before) {
                        let won = Self::won_by(change, before, Some(value.clone()));
                        self.variables.insert(name.clone(), won);
                        self.values.insert(name, value);
                    } else if let Some(stands) = self.variables.get_mut(&name) {
                        Self::note(change, stands);
                    } else if let Some(mut stands) = self.list.clone() {
                        stands.value = None;
                        if Self::note(change, &mut stands) {
                            self.variables.insert(name, stands);
                        }
                    }
                }
            }
        }
    }

    /// Compares what stands with the journal's marks.
    fn assert_stands_as(&self, marks: &[Mark]) {
        let stands = |mark: &Mark| {
            let Mark { target, seq, route, order_key: key, keys: highest, mut value, .. } = mark.clone();
            if target == Target::Configuration {
                value = value.map(|patch| sorted(&patch));
            }
            (target, Stands { seq, route, key, highest, value })
        };
        let marks: BTreeMap<Target, Stands> = marks.iter().map(stands).collect();
        let variables = self.variables.iter();
        let expected: BTreeMap<Target, Stands> = variables
            .map(|(name, stands)| (Target::Variable(name.clone()), stands.clone()))
            .chain(self.list.clone().map(|stands| (Target::List, stands)))
            .chain(self.configuration.clone().map(|stands| (Target::Configuration, stands)))
            .collect();
        assert_eq!(marks, expected);
    }
}

fn values(change: &NewChange) -> BTreeMap<String, String> {
    known(change).iter().map(|variable| (variable.name.clone(), variable.value.get().to_owned())).collect()
}

/// A patch's members in the order of their names.
fn sorted(patch: &str) -> String {
    serde_json::from_str::<BTreeMap<String, u32>>(patch)
        .map_or_else(|_| String::new(), |members| serde_json::to_string(&members).expect("names and numbers"))
}

fn members(change: &NewChange) -> BTreeMap<String, String> {
    let members: BTreeMap<String, u32> = serde_json::from_str(patch_of(change)).expect("names and numbers");
    members.into_iter().map(|(name, value)| (name, value.to_string())).collect()
}

/// The node and its marks, published to batch by batch.
#[derive(Debug, Default)]
struct Node {
    marks: Vec<Mark>,
    values: BTreeMap<String, String>,
    members: BTreeMap<String, String>,
}

impl Node {
    fn publish(&mut self, batch: &[&Change]) {
        let folded = fold(batch, &self.marks);
        if let Some(list) = folded.list {
            self.values = values(&list.what);
        }
        let on_top = folded.variables.iter();
        self.values
            .extend(on_top.map(|(_, variable)| (variable.name.clone(), variable.value.get().to_owned())));
        self.members.extend(folded.patches.iter().flat_map(|change| members(&change.what)));
        self.marks = moved(&self.marks, &folded);
    }
}

fn made(mode: Mode, seq: Seq, names: &str) -> Change {
    match mode {
        Mode::Merge => merge(seq, names),
        Mode::Replace => replace(seq, names),
        Mode::Patch => patch(seq, names),
    }
}

/// A change without its number: mode, variables, key, route.
fn arbitrary_change() -> impl Strategy<Value = Change> {
    let names = prop_oneof![Just("x"), Just("y"), Just("x y"), Just("x y z"), Just("")];
    let time = (0..5_i64).prop_map(|at| OrderKey::Time(Timestamp::from_second(at).expect("a time")));
    let key = prop_oneof![4 => time, 1 => (0..5_u64).prop_map(OrderKey::Revision)];
    let key = proptest::option::weighted(0.7, key);
    let kind = prop_oneof![3 => Just(Mode::Merge), 1 => Just(Mode::Replace), 1 => Just(Mode::Patch)];
    (kind, names, key, proptest::bool::weighted(0.3)).prop_map(|(kind, names, key, other_route)| {
        let mut change = made(kind, 0, names);
        change.what.order_key = key;
        if other_route { routed("b", change) } else { change }
    })
}

/// Changes with their numbers; of each, whether it comes late, after all that are in time (a retry, or its
/// values had to be fetched), and whether a batch ends behind it.
fn arbitrary_history() -> impl Strategy<Value = Vec<(Change, bool, bool)>> {
    let entry = (arbitrary_change(), proptest::bool::weighted(0.3), any::<bool>());
    vec(entry, 0..16).prop_map(|mut history| {
        for (seq, (change, ..)) in (1..).zip(&mut history) {
            let patched = members(&change.what).into_keys();
            let names: Vec<String> =
                known(&change.what).iter().map(|variable| variable.name.clone()).chain(patched).collect();
            change.seq = seq;
            change.what.values = made(change.what.mode, seq, &names.join(" ")).what.values;
        }
        history
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn batches_of_any_size_end_as_one_by_one_and_as_the_written_rules(history in arbitrary_history()) {
        let mut batched = Node::default();
        let mut one_by_one = Node::default();
        let mut model = Model::default();
        for late in [false, true] {
            let mut batch = Vec::new();
            for (change, _, ends_a_batch) in history.iter().filter(|(_, is_late, _)| *is_late == late) {
                model.apply(change);
                one_by_one.publish(&[change]);
                batch.push(change);
                if *ends_a_batch {
                    batched.publish(&std::mem::take(&mut batch));
                }
            }
            batched.publish(&batch);
        }
        prop_assert_eq!(&batched.values, &model.values);
        prop_assert_eq!(&one_by_one.values, &model.values);
        prop_assert_eq!((&batched.members, &one_by_one.members), (&model.members, &model.members));
        model.assert_stands_as(&batched.marks);
        model.assert_stands_as(&one_by_one.marks);
    }
}

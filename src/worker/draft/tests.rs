//! How changes end, and how an attempt without an answer is decided.

mod at_once;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Decision, Draft, all_superseded, decide, draft};
use crate::change::{Change, FlowId, Mode, NewChange, NodeId, Seq, Values, Variable};
use crate::flow::Document;
use crate::journal::{Attempt, Mark, Target};

/// A flow with the nodes `n` (variables a = 1, b = "two") and `m` (no variables), and the ambiguous
/// node `t` (variable `v` twice, `a` once).
const FLOW: &str = r#"{"version":7,"nodes":[
    {"id":"n","configuration":{"variables":[{"name":"a","value":1},{"name":"b","value":"two"}]}},
    {"id":"m","configuration":{}},
    {"id":"t","configuration":{"variables":[{"name":"v","value":1},{"name":"v","value":1},{"name":"a","value":0}]}}]}"#;

fn document(text: &str) -> Document {
    Document::parse(text.to_owned()).expect("a flow")
}

/// A change of `node` by assignments written as `a=1 b="x"`.
fn merge(seq: Seq, node: &str, assignments: &str) -> Change {
    let variable = |assignment: &str| {
        let (name, json) = assignment.split_once('=').expect("NAME=JSON");
        Variable::new(name, json).expect("JSON")
    };
    let what = NewChange {
        route: Arc::from("default"),
        flow: FlowId::parse("flow").expect("an id"),
        node: NodeId::parse(node).expect("an id"),
        mode: Mode::Merge,
        values: Values::Known(assignments.split_whitespace().map(variable).collect()),
        order_key: None,
    };
    Change { seq, what, held_ms: 0 }
}

fn replace(seq: Seq, node: &str, assignments: &str) -> Change {
    let Change { what, .. } = merge(seq, node, assignments);
    Change { seq, what: NewChange { mode: Mode::Replace, ..what }, held_ms: 0 }
}

fn mark(node: &str, variable: &str, seq: Seq) -> Mark {
    let target = Target::Variable(variable.to_owned());
    let (keys, route) = (BTreeMap::new(), "default".to_owned());
    Mark { node: node.to_owned(), target, keys, order_key: None, seq, route, value: None }
}

fn drafted(changes: &[Change], marks: &[Mark]) -> Draft {
    draft(&document(FLOW), changes, marks).expect("it can be drafted")
}

/// The variables of a node as `a=1 b="two"`.
fn variables(document: &Document, node: &str) -> String {
    let node = document.nodes().into_iter().find(|summary| summary.id == node).expect("the node");
    let shown = node.variables.iter().map(|(name, value)| format!("{name}={value}"));
    shown.collect::<Vec<_>>().join(" ")
}

fn endings(draft: &Draft) -> String {
    let shown = draft.plan.endings.iter().map(|end| format!("{} {}", end.seq, end.state.as_str()));
    shown.collect::<Vec<_>>().join(", ")
}

/// Drafts the changes onto [`FLOW`]: how they end, and what node `n` then holds; `None` for no PUT.
#[track_caller]
fn check(changes: &[Change], ends: &str, node: Option<&str>) {
    let draft = drafted(changes, &[]);
    assert_eq!(endings(&draft), ends);
    let after = draft.text.as_deref().map(|text| variables(&document(text), "n"));
    assert_eq!(after.as_deref(), node);
}

#[test]
fn a_change_with_a_value_that_differs_is_published() {
    check(&[merge(1, "n", "a=2")], "1 published", Some(r#"a=2 b="two""#));
    check(&[merge(1, "n", "a=1 c=3")], "1 published", Some(r#"a=1 b="two" c=3"#));
    check(&[merge(1, "n", r#"a="1""#)], "1 published", Some(r#"a="1" b="two""#));
}

#[test]
fn a_change_whose_values_are_all_there_is_unchanged_and_needs_no_put() {
    check(&[merge(1, "n", "a=1")], "1 unchanged", None);
    check(&[merge(1, "n", r#"a=1.0 b="\u0074wo""#)], "1 unchanged", None);
    check(&[replace(1, "n", r#"a=1 b="two""#)], "1 unchanged", None);
    check(&[], "", None);
}

#[test]
fn beside_a_published_change_one_whose_values_are_there_is_still_unchanged() {
    let changes = [merge(1, "n", "a=1"), merge(2, "n", r#"b="new""#)];
    check(&changes, "1 unchanged, 2 published", Some(r#"a=1 b="new""#));
}

#[test]
fn a_change_that_won_nothing_is_superseded_and_one_that_won_anything_is_not() {
    check(&[merge(1, "n", "a=2"), merge(2, "n", "a=3")], "1 superseded, 2 published", Some(r#"a=3 b="two""#));
    check(&[merge(1, "n", "a=2 b=2"), merge(2, "n", "a=3")], "1 published, 2 published", Some("a=3 b=2"));
    // What beat it was there already: that is an ending as good as any.
    check(&[merge(1, "n", "a=2"), merge(2, "n", "a=1")], "1 superseded, 2 unchanged", None);
}

#[test]
fn a_replace_takes_what_it_does_not_name_and_merges_go_on_top() {
    check(&[replace(1, "n", "c=3")], "1 published", Some("c=3"));
    check(
        &[merge(1, "n", "a=9"), replace(2, "n", "c=3 d=4"), merge(3, "n", "d=5 e=6")],
        "1 superseded, 2 published, 3 published",
        Some("c=3 d=5 e=6"),
    );
    check(&[replace(1, "n", "")], "1 published", Some(""));
    check(&[replace(1, "m", "")], "1 unchanged", None);
}

#[test]
fn a_change_of_a_missing_node_fails_alone_and_says_which_nodes_there_are() {
    let draft = drafted(&[merge(1, "gone", "a=2"), merge(2, "n", "a=2")], &[]);
    assert_eq!(endings(&draft), "1 failed, 2 published");
    let reason = draft.plan.endings[0].reason.as_deref().expect("a reason");
    assert!(reason.contains("no node `gone`") && reason.contains("`n`, `m`"), "{reason}");
    assert!(draft.plan.marks.iter().all(|mark| mark.node == "n"), "{:?}", draft.plan.marks);
}

#[test]
fn on_a_missing_node_what_the_failed_change_had_beaten_is_folded_again_and_fails_too() {
    check(&[merge(1, "gone", "a=1"), merge(2, "gone", "a=2")], "1 failed, 2 failed", None);
}

#[test]
fn an_ambiguous_variable_fails_only_its_change_and_what_that_had_beaten_is_folded_again() {
    let changes = [merge(1, "t", "a=1"), merge(2, "t", "a=2 v=2"), merge(3, "t", "z=3")];
    let draft = drafted(&changes, &[]);
    assert_eq!(endings(&draft), "1 published, 2 failed, 3 published");
    let text = draft.text.as_deref().expect("a PUT");
    assert_eq!(variables(&document(text), "t"), "v=1 v=1 a=1 z=3");
    let reason = draft.plan.endings[1].reason.as_deref().expect("a reason");
    assert!(reason.contains("more than one variable `v`"), "{reason}");
}

#[test]
fn a_replace_needs_no_unambiguous_variables() {
    let draft = drafted(&[replace(1, "t", "v=2")], &[]);
    assert_eq!(endings(&draft), "1 published");
    let text = draft.text.as_deref().expect("a PUT");
    assert_eq!(variables(&document(text), "t"), "v=2");
}

#[test]
fn what_marks_have_beaten_is_superseded_whatever_the_document_is() {
    let draft = drafted(&[merge(1, "gone", "a=2")], &[mark("gone", "a", 5)]);
    assert_eq!(endings(&draft), "1 superseded");
    assert!(draft.text.is_none() && draft.plan.marks.is_empty() && draft.plan.edits.is_empty());
}

#[test]
fn only_if_marks_have_beaten_all_is_no_document_needed() {
    let marks = [mark("n", "a", 5), mark("gone", "a", 5)];
    let check = |changes: &[Change], expected: Option<usize>| {
        assert_eq!(all_superseded(changes, &marks).map(|settlement| settlement.endings.len()), expected);
    };
    check(&[merge(1, "n", "a=2"), merge(2, "gone", "a=2")], Some(2));
    check(&[merge(1, "n", "a=2"), merge(2, "n", "b=2")], None);
    check(&[merge(1, "n", "a=2"), merge(6, "gone", "a=2")], None);
    check(&[merge(1, "m", "a=2")], None);
}

#[test]
fn marks_of_one_node_say_nothing_of_another() {
    let draft = drafted(&[merge(1, "n", "a=2")], &[mark("m", "a", 5)]);
    assert_eq!(endings(&draft), "1 published");
}

#[test]
fn marks_move_with_unchanged_too() {
    let draft = drafted(&[merge(3, "n", "a=1")], &[mark("n", "a", 2)]);
    assert_eq!(draft.plan.marks, [Mark { value: Some("1".to_owned()), ..mark("n", "a", 3) }]);
}

#[test]
fn every_edit_records_what_was_there_before() {
    let changes = [merge(1, "n", "a=2 b=\"two\" c=3"), replace(2, "t", "v=2"), replace(3, "m", "x=1")];
    let edits: Vec<String> = drafted(&changes, &[])
        .plan
        .edits
        .iter()
        .map(|edit| {
            let previous = edit.previous.as_ref().map_or("nothing", |raw| raw.get());
            format!(
                "{} {} {}: {previous} -> {}",
                edit.seq,
                edit.node,
                edit.target.encode(),
                edit.value.as_ref().map_or("-", |value| value.get())
            )
        })
        .collect();
    assert_eq!(
        edits,
        [
            r#"3 m *: nothing -> [{"name":"x","value":1}]"#,
            "1 n =a: 1 -> 2",
            "1 n =c: nothing -> 3",
            r#"2 t *: [{"name":"v","value":1},{"name":"v","value":1},{"name":"a","value":0}] -> [{"name":"v","value":2}]"#,
        ]
    );
}

#[test]
fn a_draft_may_rest_on_a_warm_document_only_if_every_winner_is_published() {
    let check = |changes: &[Change], expected: bool| {
        let draft = drafted(changes, &[]);
        assert_eq!(draft.only_publishes(), expected, "{}", endings(&draft));
    };
    check(&[merge(1, "n", "a=2")], true);
    check(&[merge(1, "n", "a=2"), merge(2, "n", "a=3")], true);
    check(&[merge(1, "n", "a=1"), merge(2, "n", "b=2")], false);
    check(&[merge(1, "n", "a=1")], false);
    check(&[merge(1, "gone", "a=1"), merge(2, "n", "b=2")], false);
    check(&[merge(1, "gone", "a=1")], false);
}

/// Decides an attempt to publish `change` onto [`FLOW`], whose answer was lost, by the document read since.
#[track_caller]
fn check_decision(change: Change, read: &str, expected: Decision) {
    let Draft { plan, .. } = drafted(&[change], &[]);
    let flow = FlowId::parse("flow").expect("an id");
    let attempt = Attempt { id: "1".to_owned(), flow, base_version: "7".to_owned(), plan };
    let read = format!(r#"{{"version":{read}}}"#);
    assert_eq!(decide(&attempt, &document(&read)), expected, "{read}");
}

#[test]
fn a_lost_answer_is_decided_by_version_and_values() {
    let n = |list: &str| format!(r#""nodes":[{{"id":"n","configuration":{{"variables":[{list}]}}}}]"#);
    let set = |list: &str, version: u32, expected| {
        check_decision(merge(1, "n", "a=2 c=3"), &format!("{version},{}", n(list)), expected);
    };
    let both = r#"{"name":"c","value":3.0},{"name":"b","value":0},{"name":"a","value":2}"#;
    set(both, 8, Decision::Landed);
    set(both, 9, Decision::Landed);
    // The version stands still: whoever set these values, it was not this PUT.
    set(both, 7, Decision::NotThere);
    // Older than what the PUT was based on: the values are from before.
    set(both, 6, Decision::NotThere);
    set(r#"{"name":"a","value":1},{"name":"c","value":3}"#, 8, Decision::NotThere);
    set(r#"{"name":"a","value":2}"#, 8, Decision::NotThere);
    set(r#"{"name":"a","value":2},{"name":"c","value":"3"}"#, 8, Decision::NotThere);
    set(r#"{"name":"a","value":2},{"name":"a","value":2},{"name":"c","value":3}"#, 8, Decision::NotThere);
    check_decision(merge(1, "n", "a=2"), r#"8,"nodes":[{"id":"m","configuration":{}}]"#, Decision::NotThere);
    check_decision(merge(1, "n", "a=2"), r#"8,"nodes":[{"id":"n"}]"#, Decision::NotThere);
}

#[test]
fn a_lost_replace_landed_if_the_whole_list_is_there() {
    let n = |list: &str| format!(r#"8,"nodes":[{{"id":"n","configuration":{{"variables":[{list}]}}}}]"#);
    let check = |list: &str, expected| check_decision(replace(1, "n", "a=2 c=3"), &n(list), expected);
    check(r#"{"name":"a","value":2},{"value":3,"name":"c"}"#, Decision::Landed);
    check(r#"{"name":"a","value":2}"#, Decision::NotThere);
    check(r#"{"name":"a","value":2},{"name":"c","value":3},{"name":"d","value":4}"#, Decision::NotThere);
}

#[test]
fn a_version_that_is_spelt_otherwise_has_moved() {
    let nodes = r#""nodes":[{"id":"n","configuration":{"variables":[{"name":"a","value":2}]}}]"#;
    check_decision(merge(1, "n", "a=2"), &format!("\"8\",{nodes}"), Decision::Landed);
}

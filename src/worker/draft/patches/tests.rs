//! What patches do to a document, how they end, and what rolling them back restores.

use std::slice;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::super::{Decision, decide, draft};
use crate::change::{
    Change, FlowId, Mode, NewChange, NodeId, OrderKey, Replaced, Seq, State, Undo, Values, Variable,
};
use crate::flow::Document;
use crate::journal::{Attempt, Done, Mark, Plan, Target};

fn document(version: u32, configuration: &str) -> Document {
    let nodes = format!(r#"{{"id":"n","configuration":{configuration}}},{{"id":"bare"}}"#);
    Document::parse(format!(r#"{{"version":{version},"nodes":[{nodes}]}}"#)).expect("a flow")
}

fn change(seq: Seq, node: &str, mode: Mode, values: Values) -> Change {
    let what = NewChange {
        route: Arc::from("default"),
        flow: FlowId::parse("flow").expect("an id"),
        node: NodeId::parse(node).expect("an id"),
        mode,
        values,
        order_key: None,
    };
    Change { seq, what, held_ms: 0 }
}

fn patch(seq: Seq, text: &str) -> Change {
    change(seq, "n", Mode::Patch, Values::Patch(RawValue::from_string(text.to_owned()).expect("JSON")))
}

fn merge(seq: Seq, name: &str, json: &str) -> Change {
    let variable = Variable::new(name, json).expect("JSON");
    change(seq, "n", Mode::Merge, Values::Known(vec![variable]))
}

/// Drafts onto a node with this configuration: how the changes end, and the configuration that goes out, if any.
#[track_caller]
fn check(configuration: &str, changes: &[Change], ends: &[&str], after: Option<&str>) -> Plan {
    let drafted = draft(&document(7, configuration), changes, &[]).expect("it can be drafted");
    let end = |seq: Seq, state: State, reason: Option<&String>| {
        format!("{seq} {}{}", state.as_str(), reason.map(|reason| format!(": {reason}")).unwrap_or_default())
    };
    let endings = drafted.plan.endings.iter().map(|of| end(of.seq, of.state, of.reason.as_ref()));
    assert_eq!(endings.collect::<Vec<_>>(), ends);
    let expected = after.map(|after| document(7, after).into_text());
    assert_eq!(drafted.text, expected);
    let is_published = drafted.plan.endings.iter().any(|of| of.state == State::Published);
    assert_eq!((is_published, !drafted.plan.edits.is_empty()), (after.is_some(), after.is_some()));
    drafted.plan
}

/// A plan's edits as `seq target: before -> after`.
fn edits(plan: &Plan) -> Vec<String> {
    let text = |json: &Option<Box<RawValue>>| json.as_ref().map_or("nothing", |json| json.get()).to_owned();
    let shown = plan.edits.iter().map(|edit| {
        format!("{} {}: {} -> {}", edit.seq, edit.target.encode(), text(&edit.previous), text(&edit.value))
    });
    shown.collect()
}

#[test]
fn several_patches_and_variables_of_a_node_go_out_together() {
    let changes = [
        patch(1, r#"{"limit":2,"new":[1]}"#),
        merge(2, "a", "1"),
        patch(3, r#"{"limit":3,"deep":{"b":null}}"#),
        merge(4, "c", "2"),
    ];
    let before = r#"{ "limit":1 ,"variables":[{"name":"a","value":0}],"deep":{"b":1,"c" : 2}}"#;
    let after = r#"{ "limit":3 ,"variables":[{"name":"a","value":1},{"name":"c","value":2}],"deep":{"c" : 2},"new":[1]}"#;
    let ends = ["1 published", "2 published", "3 published", "4 published"];
    let plan = check(before, &changes, &ends, Some(after));
    let expected = [
        "2 =a: 0 -> 1",
        "4 =c: nothing -> 2",
        "1 .new: nothing -> [1]",
        "3 .limit: 1 -> 3",
        r#"3 .deep: {"b":1,"c" : 2} -> {"c" : 2}"#,
    ];
    assert_eq!(edits(&plan), expected);
}

#[test]
fn a_patch_is_superseded_only_if_nothing_of_it_stands_and_unchanged_if_all_of_that_is_there() {
    let before = r#"{"a":1,"b":{"c":1}}"#;
    let none: Option<&str> = None;
    check(before, &[patch(1, r#"{"a":1.0,"b":{"c":1},"x":null}"#)], &["1 unchanged"], none);
    check(before, &[patch(1, "{}")], &["1 unchanged"], none);
    check(before, &[patch(1, r#"{"a":2}"#), patch(2, r#"{"a":1}"#)], &["1 superseded", "2 unchanged"], none);
    let ends = ["1 published", "2 published"];
    check(
        before,
        &[patch(1, r#"{"a":2,"x":1}"#), patch(2, r#"{"a":3}"#)],
        &ends,
        Some(r#"{"a":3,"b":{"c":1},"x":1}"#),
    );
    check(
        before,
        &[patch(1, r#"{"b":0}"#), patch(2, r#"{"b":{"d":1}}"#)],
        &ends,
        Some(r#"{"a":1,"b":{"d":1}}"#),
    );
}

#[test]
fn patches_that_lead_a_member_back_to_what_is_there_write_nothing_of_it() {
    let before = r#"{"b":{ "d":1 },"z":0}"#;
    let (clear, fill) = (patch(1, r#"{"b":0}"#), patch(2, r#"{"b":{"d":1}}"#));
    check(before, &[clear, fill.clone()], &["1 superseded", "2 unchanged"], None);
    check(before, &[patch(1, r#"{"b":null}"#), fill.clone()], &["1 superseded", "2 unchanged"], None);
    check(before, &[patch(1, r#"{"b":0,"z":0}"#), fill.clone()], &["1 unchanged", "2 unchanged"], None);
    check(before, &[patch(1, r#"{"b":{"d":0}}"#), fill], &["1 superseded", "2 unchanged"], None);
    // Something else of theirs goes out: what is led back keeps its bytes, is no one's, and is not rolled back.
    let changes = [patch(1, r#"{"b":null,"y":0}"#), patch(2, r#"{"b":"x"}"#), patch(3, r#"{"b":{"d":1}}"#)];
    let after = r#"{"b":{ "d":1 },"z":0,"y":0}"#;
    let plan = check(before, &changes, &["1 published", "2 superseded", "3 unchanged"], Some(after));
    assert_eq!(edits(&plan), ["1 .y: nothing -> 0"]);
    check(after, &rollbacks(&plan, &[1]), &["5 published"], Some(before));
    let changes = [patch(1, r#"{"b":0}"#), patch(2, r#"{"b":{"d":1},"z":1}"#)];
    let after = r#"{"b":{ "d":1 },"z":1}"#;
    let plan = check(before, &changes, &["1 superseded", "2 published"], Some(after));
    assert_eq!(edits(&plan), ["2 .z: 0 -> 1"]);
    check(after, &rollbacks(&plan, &[2]), &["5 published"], Some(before));
    // It does clear something.
    let before = r#"{"b":{ "d":1 ,"e":2}}"#;
    let changes = [patch(1, r#"{"b":0}"#), patch(2, r#"{"b":{"d":1}}"#)];
    let after = r#"{"b":{"d":1}}"#;
    let plan = check(before, &changes, &["1 published", "2 published"], Some(after));
    check(after, &rollbacks(&plan, &[2, 1]), &["5 superseded", "6 published"], Some(before));
}

#[test]
fn a_lost_patch_that_has_landed_ends_by_what_is_there_and_not_as_published() {
    let changes = [patch(1, r#"{"b":0}"#), patch(2, r#"{"b":{"d":1},"z":1}"#)];
    let after = r#"{"b":{"d":1},"z":1}"#;
    check(r#"{"b":{"e":2}}"#, &changes, &["1 published", "2 published"], Some(after));
    check(after, &changes, &["1 superseded", "2 unchanged"], None);
}

#[test]
fn a_patch_that_cannot_be_carried_out_fails_alone() {
    let bad =
        "1 failed: a merge patch cannot change `variables`: set them with the mode `merge` or `replace`";
    let changes = [patch(1, r#"{"a":2,"variables":[]}"#), patch(2, r#"{"b":1}"#)];
    check(r#"{"a":1}"#, &changes, &[bad, "2 published"], Some(r#"{"a":1,"b":1}"#));
    let twice = "1 failed: the member `a` appears twice in one object of the `configuration` of node `n`: have one of \
                 them removed, since readers differ on which counts";
    let changes = [patch(1, r#"{"a":2}"#), patch(2, r#"{"b":1}"#)];
    check(r#"{"a":1,"a":1}"#, &changes, &[twice, "2 published"], Some(r#"{"a":1,"a":1,"b":1}"#));
    let absent = "1 failed: node `bare` has no `configuration` to change: check that it is the right node";
    let changes = [change(1, "bare", Mode::Patch, patch(1, "{}").what.values)];
    check("{}", &changes, &[absent], None);
    let list = "1 failed: `variables` of node `n` is null, not an array: check that it is the right node";
    let changes = [merge(1, "a", "1"), patch(2, r#"{"b":1}"#)];
    check(r#"{"variables":null}"#, &changes, &[list, "2 published"], Some(r#"{"variables":null,"b":1}"#));
}

#[test]
fn whether_a_lost_patch_landed_is_told_by_the_members_that_it_and_those_on_top_of_it_wrote() {
    let changes = [patch(1, r#"{"b":{"c":2}}"#), patch(2, r#"{"b":{"d":3},"a":null}"#)];
    let before = r#"{"a":1,"b":{"c":1}}"#;
    let plan = draft(&document(7, before), &changes, &[]).expect("it can be drafted").plan;
    let flow = FlowId::parse("flow").expect("an id");
    let attempt = Attempt { id: String::new(), flow, base_version: "7".to_owned(), plan };
    let check = |version: u32, configuration: &str, expected: Decision| {
        assert_eq!(decide(&attempt, &document(version, configuration)), expected, "{configuration}");
    };
    check(8, r#"{"x":0,"b":{"d":3,"c":2.0}}"#, Decision::Landed);
    check(7, r#"{"b":{"c":2,"d":3}}"#, Decision::NotThere);
    check(8, before, Decision::NotThere);
    check(8, r#"{"b":{"c":2}}"#, Decision::NotThere);
    check(8, r#"{"a":1,"b":{"c":2,"d":3}}"#, Decision::NotThere);
}

/// The rollbacks of published changes by the plan that published them, numbered from 5 on.
fn rollbacks(plan: &Plan, of: &[Seq]) -> Vec<Change> {
    let (flow, node) = (FlowId::parse("flow").expect("an id"), NodeId::parse("n").expect("an id"));
    let done =
        |seq| Done { seq, flow: &flow, node: &node, state: State::Published, plan: Some(plan), list: None };
    let what = of.iter().map(|seq| done(*seq).rollback().expect("it can be rolled back"));
    (5..).zip(what).map(|(seq, what)| Change { seq, what, held_ms: 0 }).collect()
}

#[test]
fn a_rollback_restores_the_members_that_are_still_ours_as_they_were_spelt() {
    let before = r#"{"a":1.10 ,"variables":[],"b":{ "c":1}}"#;
    let changes = [patch(1, r#"{"a":2,"b":{"c":2}}"#), patch(2, r#"{"b":{"c":3},"x":{"y":0}}"#)];
    let after = r#"{"a":2 ,"variables":[],"b":{ "c":3},"x":{"y":0}}"#;
    let ends = ["1 published", "2 published"];
    let plan = check(before, &changes, &ends, Some(after));
    let both = rollbacks(&plan, &[2, 1]);
    assert!(both.iter().all(|change| change.what.mode == Mode::Patch));
    check(after, &both, &["5 published", "6 published"], Some(r#"{"a":1.10 ,"variables":[],"b":{ "c":1}}"#));
    let edited = r#"{"a":7,"b":{ "c":3},"x":{"y":0}}"#;
    let kept = "6 unchanged: nothing was restored; not what change 1 wrote any more, and left as it is: `a`";
    check(edited, &both, &["5 published", kept], Some(r#"{"a":7,"b":{ "c":1}}"#));
}

#[test]
fn a_rollback_moves_the_mark_of_the_configuration_and_leaves_its_value_and_loses_to_a_newer_patch() {
    let replaced = Replaced {
        name: Some("a".to_owned()),
        ours: RawValue::from_string("2".to_owned()).ok(),
        previous: None,
    };
    let undo = change(5, "n", Mode::Patch, Values::Undo(Undo { of: 1, replaced: vec![replaced] }));
    let mark = |seq| Mark {
        node: "n".to_owned(),
        target: Target::Configuration,
        keys: [("default".to_owned(), OrderKey::Revision(7))].into(),
        order_key: Some(OrderKey::Revision(7)),
        seq,
        route: "default".to_owned(),
        value: Some(r#"{"a":2}"#.to_owned()),
    };
    let there = document(7, r#"{"a":2}"#);
    let drafted = draft(&there, slice::from_ref(&undo), &[mark(1)]).expect("it can be drafted");
    assert_eq!(drafted.plan.marks, [Mark { order_key: None, ..mark(5) }]);
    let drafted = draft(&there, &[undo], &[mark(6)]).expect("it can be drafted");
    assert_eq!((drafted.text, drafted.plan.endings[0].state), (None, State::Superseded));
}

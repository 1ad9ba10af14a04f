//! What rollbacks restore, what they leave alone, and how they end.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::{Decision, decide, draft};
use super::together;
use crate::change::{
    Change, FlowId, Mode, NewChange, NodeId, OrderKey, Replaced, Seq, Undo, Values, Variable,
};
use crate::flow::Document;
use crate::journal::{Attempt, Mark, Target};

fn document(version: u32, list: &str) -> Document {
    let configuration = format!(r#"{{"variables":{list}}}"#);
    Document::parse(format!(
        r#"{{"version":{version},"nodes":[{{"id":"n","configuration":{configuration}}}]}}"#
    ))
    .expect("a flow")
}

/// A list as text from `a=1 b="x"`.
fn list(assignments: &str) -> String {
    let entry = |assignment: &str| {
        let (name, json) = assignment.split_once('=').expect("NAME=JSON");
        format!(r#"{{"name":"{name}","value":{json}}}"#)
    };
    format!("[{}]", assignments.split_whitespace().map(entry).collect::<Vec<_>>().join(","))
}

fn json(text: &str) -> Option<Box<serde_json::value::RawValue>> {
    (text != "-").then(|| serde_json::from_str(text).expect("JSON"))
}

fn change(seq: Seq, mode: Mode, values: Values) -> Change {
    let what = NewChange {
        route: Arc::from("rollback"),
        flow: FlowId::parse("flow").expect("an id"),
        node: NodeId::parse("n").expect("an id"),
        mode,
        values,
        order_key: None,
    };
    Change { seq, what, held_ms: 0 }
}

/// The rollback of change 1 by what that replaced, written as `a:1>2 b:->3`: `-` is nothing.
fn undo(seq: Seq, replaced: &str) -> Change {
    let replaced = replaced.split_whitespace().map(|replaced| {
        let (name, values) = replaced.split_once(':').expect("NAME:PREVIOUS>OURS");
        let (previous, ours) = values.split_once('>').expect("PREVIOUS>OURS");
        Replaced { name: Some(name.to_owned()), ours: json(ours), previous: json(previous) }
    });
    change(seq, Mode::Merge, Values::Undo(Undo { of: 1, replaced: replaced.collect() }))
}

/// The rollback of a new list.
fn undo_list(seq: Seq, previous: Option<&str>, ours: &str) -> Change {
    let previous = previous.and_then(json);
    let replaced = vec![Replaced { name: None, ours: json(ours), previous }];
    change(seq, Mode::Replace, Values::Undo(Undo { of: 1, replaced }))
}

fn merge(seq: Seq) -> Change {
    let variable = Variable::new("a", "9").expect("JSON");
    change(seq, Mode::Merge, Values::Known(vec![variable]))
}

fn mark(target: Target, seq: Seq) -> Mark {
    let (keys, route) = (BTreeMap::new(), "default".to_owned());
    Mark { node: "n".to_owned(), target, keys, order_key: None, seq, route, value: None }
}

/// Drafts the rollbacks onto a list: how they end, and the list that is PUT; `None` for no PUT.
#[track_caller]
fn check(before: &str, changes: &[Change], marks: &[Mark], ends: &[&str], after: Option<&str>) {
    let base = document(7, before);
    let draft = draft(&base, changes, marks).expect("it can be drafted");
    let endings = draft.plan.endings.iter().map(|ending| {
        let reason = ending.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{} {}{reason}", ending.seq, ending.state.as_str())
    });
    assert_eq!(endings.collect::<Vec<_>>(), ends);
    let expected = after.map(|list| document(7, list).into_text());
    assert_eq!(draft.text, expected);
    assert!(!draft.only_publishes(), "a warm document does not tell what stands in the flow");
    // An answer that was lost is decided by what is written and what is taken away.
    if let Some(after) = after {
        let (id, flow) = (String::new(), FlowId::parse("flow").expect("an id"));
        let attempt = Attempt { id, flow, base_version: "7".to_owned(), plan: draft.plan };
        assert_eq!(decide(&attempt, &document(8, after)), Decision::Landed);
        assert_eq!(decide(&attempt, &document(8, before)), Decision::NotThere);
    }
}

#[test]
fn what_is_still_ours_gets_its_previous_value_back() {
    let rows = list("a=2 b=3");
    check(&rows, &[undo(5, "a:1>2")], &[], &["5 published"], Some(&list("a=1 b=3")));
    check(&rows, &[undo(5, "a:1>2.0")], &[], &["5 published"], Some(&list("a=1 b=3")));
    check(&rows, &[undo(5, "a:1>2 b:->3")], &[], &["5 published"], Some(&list("a=1")));
    check(&rows, &[undo(5, "a:null>2")], &[], &["5 published"], Some(&list("a=null b=3")));
    check(&rows, &[undo(5, "c:7>-")], &[], &["5 published"], Some(&list("a=2 b=3 c=7")));
}

#[test]
fn what_has_its_previous_value_already_is_unchanged_and_not_somebody_elses() {
    check(&list("a=1 b=3"), &[undo(5, "a:1>2")], &[], &["5 unchanged"], None);
    check(&list("b=3"), &[undo(5, "a:->2")], &[], &["5 unchanged"], None);
    check(&list("a=1 b=3"), &[undo(5, "a:1>2 b:2>3")], &[], &["5 published"], Some(&list("a=1 b=2")));
    check(&list("a=1"), &[undo_list(5, Some(&list("a=1")), "[]")], &[], &["5 unchanged"], None);
    check("[]", &[undo_list(5, None, &list("a=1"))], &[], &["5 unchanged"], None);
    let of_this_one = Mark { route: "rollback".to_owned(), ..mark(Target::Variable("a".to_owned()), 5) };
    let drafted = draft(&document(7, &list("a=1")), &[undo(5, "a:1>2")], &[]).expect("it can be drafted");
    assert_eq!(drafted.plan.marks, [of_this_one], "an older change that is retried does not win over it");
}

#[test]
fn an_entry_that_somebody_made_without_a_value_is_not_given_one() {
    let before = r#"[{"name":"a","t":0}]"#;
    let kept = "nothing was restored; not what change 1 wrote any more, and left as it is: `a`";
    check(before, &[undo(5, "a:7>-")], &[], &[&format!("5 unchanged: {kept}")], None);
}

#[test]
fn what_is_not_ours_any_more_is_left_alone_and_named() {
    let rows = list("a=2 b=3");
    let kept = |names: &str| format!("not what change 1 wrote any more, and left as it is: {names}");
    let nothing = format!("5 unchanged: nothing was restored; {}", kept("`a`"));
    check(&rows, &[undo(5, "a:1>5")], &[], &[&nothing], None);
    check(&rows, &[undo(5, "a:->-")], &[], &[&nothing], None);
    let some = format!("5 published: {}", kept("`a`"));
    check(&rows, &[undo(5, "a:1>5 b:1>3")], &[], &[&some], Some(&list("a=2 b=1")));
    let gone = format!("5 unchanged: nothing was restored; {}", kept("`c`, `d`, `e`, `f`, `g` and 1 more"));
    check(&rows, &[undo(5, "c:1>2 d:1>2 e:1>2 f:1>2 g:1>2 h:1>2")], &[], &[&gone], None);
}

#[test]
fn a_chain_leads_back_to_the_oldest_state_by_one_put() {
    let rows = list("a=3");
    let newest_first = [undo(5, "a:2>3"), undo(6, "a:1>2 b:9>4"), undo(7, "a:0>1")];
    let left = "not what change 1 wrote any more, and left as it is: `b`";
    let ends = ["5 superseded", &format!("6 unchanged: nothing was restored; {left}"), "7 published"];
    check(&rows, &newest_first, &[], &ends, Some(&list("a=0")));
    check(&rows, &[undo(5, "a:2>3"), undo(6, "a:3>2")], &[], &["5 superseded", "6 unchanged"], None);
    let twice = ["5 superseded", "6 published"];
    check(&rows, &[undo(5, "a:2>3"), undo(6, "a:2>3")], &[], &twice, Some(&list("a=2")));
}

#[test]
fn what_arrived_later_and_is_published_already_is_not_rolled_over() {
    let rows = list("a=2 b=3");
    let newer = |name: &str| mark(Target::Variable(name.to_owned()), 6);
    check(&rows, &[undo(5, "a:1>2")], &[newer("a")], &["5 superseded"], None);
    check(&rows, &[undo(5, "a:1>2")], &[mark(Target::List, 6)], &["5 superseded"], None);
    check(&rows, &[undo(5, "a:1>2 b:1>3")], &[newer("a")], &["5 published"], Some(&list("a=2 b=1")));
    check(&rows, &[undo_list(5, Some("[]"), &rows)], &[newer("a")], &["5 superseded"], None);
}

#[test]
fn the_marks_of_what_is_restored_move_and_keep_the_highest_keys_and_the_value() {
    let keys = BTreeMap::from([("default".to_owned(), OrderKey::Revision(7))]);
    let (order_key, value) = (Some(OrderKey::Revision(7)), Some("2".to_owned()));
    let keyed = Mark { keys, order_key, value, ..mark(Target::Variable("a".to_owned()), 1) };
    let base = document(7, &list("a=2 b=3"));
    let marks = [keyed, mark(Target::Variable("b".to_owned()), 2)];
    let plan = draft(&base, &[undo(5, "a:1>2 b:1>9")], &marks).expect("it can be drafted").plan;
    assert_eq!(
        plan.marks,
        [Mark { seq: 5, order_key: None, ..marks[0].clone() }],
        "the value is still what was applied"
    );
    let rows = list("a=2 b=3");
    let plan = draft(&base, &[undo_list(5, None, &rows)], &marks).expect("it can be drafted").plan;
    let moved: Vec<_> = plan.marks.iter().map(|mark| (mark.target.encode(), mark.seq)).collect();
    assert_eq!(moved, [("*".to_owned(), 5), ("=a".to_owned(), 5), ("=b".to_owned(), 5)]);
}

#[test]
fn a_list_is_restored_only_if_all_of_it_is_ours() {
    let (rows, old) = (list("a=2 b=3"), r#"[ 7,{"t":1.10 , "name":"a"} ]"#);
    check(&rows, &[undo_list(5, Some(old), &rows)], &[], &["5 published"], Some(old));
    check(&rows, &[undo_list(5, None, &rows)], &[], &["5 published"], Some("[]"));
    check("[]", &[undo_list(5, None, "[]")], &[], &["5 unchanged"], None);
    let kept = "5 unchanged: nothing was restored; \
                not what change 1 wrote any more, and left as it is: the list of variables";
    check(&rows, &[undo_list(5, Some(old), &list("a=2"))], &[], &[kept], None);
}

#[test]
fn a_rollback_that_cannot_be_addressed_fails_alone() {
    let rows = r#"[{"name":"a","value":2},{"name":"b","value":3},{"name":"b","value":3}]"#;
    let after = r#"[{"name":"a","value":1},{"name":"b","value":3},{"name":"b","value":3}]"#;
    let failed = "5 failed: node `n` has more than one variable `b`: have all but one renamed or removed";
    check(rows, &[undo(5, "a:1>2 b:1>3"), undo(6, "a:1>2")], &[], &[failed, "6 published"], Some(after));
}

#[test]
fn rollbacks_share_no_publish_with_other_changes_and_lists_with_nothing() {
    let check = |changes: &[Change], expected: usize| assert_eq!(together(changes), expected);
    check(&[], 0);
    check(&[merge(1), merge(2)], 2);
    check(&[merge(1), undo(2, ""), merge(3)], 1);
    check(&[undo(1, ""), undo(2, ""), merge(3)], 2);
    check(&[undo(1, ""), undo_list(2, None, "[]")], 1);
    check(&[undo_list(1, None, "[]"), undo_list(2, None, "[]")], 1);
}

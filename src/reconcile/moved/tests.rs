use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::change::{FlowId, NodeId};

/// `a=1 b="x"`, as variables.
fn variables(text: &str) -> Vec<Variable> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').expect("a name and a value");
        Variable::new(name, value).expect("JSON")
    };
    text.split_whitespace().map(pair).collect()
}

fn json(text: &str) -> String {
    serde_json::to_string(&variables(text)).expect("JSON")
}

/// Taken by change 10; `by_key` where that had a key and has ended.
fn taken(text: &str, by_key: bool) -> Taken {
    Taken {
        flow: FlowId::parse("f").expect("an id"),
        node: NodeId::parse("n").expect("an id"),
        value: json(text),
        taken_at: Timestamp::UNIX_EPOCH,
        seq: 10,
        url: None,
        ended_by_key: by_key,
    }
}

fn mark(target: Target, value: &str, seq: i64) -> Mark {
    let (node, route) = ("n".to_owned(), "r".to_owned());
    Mark { node, target, order_key: None, keys: BTreeMap::new(), seq, route, value: Some(value.to_owned()) }
}

/// What was applied by change `seq`.
fn marks(text: &str, seq: i64) -> Vec<Mark> {
    variables(text).into_iter().map(|of| mark(Target::Variable(of.name), of.value.get(), seq)).collect()
}

fn shown(values: Option<Values>) -> String {
    let Some(values) = values else { return "nothing".to_owned() };
    let Values::Known(variables) = values else { return format!("{values:?}") };
    variables.iter().map(|of| format!("{}={}", of.name, of.value)).collect::<Vec<_>>().join(" ")
}

#[test]
fn only_what_the_source_has_moved_is_written() {
    let check = |says: &str, last_taken: Option<&str>, applied: &str, expected: &str| {
        let (taken, marks) = (last_taken.map(|text| taken(text, false)), marks(applied, 10));
        let before = Before { taken: taken.as_ref(), marks: &marks };
        let moved = moved(Mode::Merge, &Values::Known(variables(says)), &before);
        assert_eq!(shown(moved), expected, "{says}, taken {last_taken:?}, applied {applied}");
    };
    check("a=1 b=2", None, "", "a=1 b=2");
    check("a=1 b=2", Some("a=1 b=2"), "a=1 b=2", "nothing");
    check("a=3 b=2", Some("a=1 b=2"), "a=1 b=2", "a=3");
    // What was taken and has never been in the flow: it failed, or a person discarded it.
    check("a=1 b=2", Some("a=1 b=2"), "", "nothing");
    // What another route has written since.
    check("a=1", Some("a=1"), "a=7", "nothing");
    check("a=2", Some("a=1"), "a=2", "a=2");
    // A journal of a version that did not remember what was taken, or a variable that the route has only now.
    check("a=1 b=2", None, "a=1 b=7", "a=1 b=2");
    check("a=1 b=2", Some("a=1"), "a=1 b=2", "b=2");
    check("a=1 b=2", Some("a=1"), "a=1", "b=2");
    // What the source does not say any more is not taken away.
    check("a=1", Some("a=1 b=2"), "a=1 b=2", "nothing");
    // The same, spelt otherwise.
    check(r#"a=1e1 b="\u0078""#, Some(r#"b="x" a=10.0"#), "", "nothing");
    check(r#"a="1""#, Some("a=1"), "", r#"a="1""#);
}

#[test]
fn what_was_taken_and_lost_to_a_higher_key_was_never_meant_to_be_there() {
    let check = |by_key: bool, applied_by: i64, says: &str, expected: &str| {
        // An old event came again, and fetched what a missed event was about.
        let (taken, marks) = (taken("a=2 b=2", by_key), marks("a=1 b=2", applied_by));
        let before = Before { taken: Some(&taken), marks: &marks };
        let moved = moved(Mode::Merge, &Values::Known(variables(says)), &before);
        assert_eq!(shown(moved), expected, "{by_key}, applied by {applied_by}, {says}");
    };
    check(true, 9, "a=2 b=2", "a=2");
    // Moved back since; what was applied is written all the same, so that it counts as taken.
    check(true, 9, "a=1 b=2", "a=1");
    // It won itself, or a later change did; or it has ended otherwise.
    check(true, 10, "a=2 b=2", "nothing");
    check(true, 11, "a=2 b=2", "nothing");
    check(false, 9, "a=2 b=2", "nothing");
}

#[test]
fn a_list_that_is_replaced_moves_as_one() {
    let check = |says: &str, last_taken: Option<(&str, bool)>, applied: Option<&str>, expected: &str| {
        let taken = last_taken.map(|(text, by_key)| taken(text, by_key));
        let marks: Vec<Mark> = applied.iter().map(|text| mark(Target::List, &json(text), 9)).collect();
        let before = Before { taken: taken.as_ref(), marks: &marks };
        let moved = moved(Mode::Replace, &Values::Known(variables(says)), &before);
        assert_eq!(shown(moved), expected, "{says}, taken {last_taken:?}, applied {applied:?}");
    };
    check("a=1 b=2", None, None, "a=1 b=2");
    check("a=1 b=2", Some(("b=2 a=1.0", false)), None, "nothing");
    check("a=1 b=3", Some(("a=1 b=2", false)), Some("a=1 b=2"), "a=1 b=3");
    check("a=1", Some(("a=1 b=2", false)), Some("a=1 b=2"), "a=1");
    check("a=1 c=2", Some(("a=1 b=2", false)), None, "a=1 c=2");
    check("a=1", None, Some("a=1"), "a=1");
    check("a=2", Some(("a=2", true)), Some("a=1"), "a=2");
    check("a=2", Some(("a=2", false)), Some("a=1"), "nothing");
}

#[test]
fn of_a_merge_patch_only_the_members_are_written_that_the_source_has_moved() {
    let check = |says: &str, last_taken: Option<(&str, bool)>, applied: Option<&str>, expected: &str| {
        let taken = last_taken.map(|(text, by_key)| Taken { value: text.to_owned(), ..taken("", by_key) });
        let marks: Vec<Mark> = applied.iter().map(|text| mark(Target::Configuration, text, 9)).collect();
        let before = Before { taken: taken.as_ref(), marks: &marks };
        let says = Values::Patch(RawValue::from_string(says.to_owned()).expect("JSON"));
        let shown = match moved(Mode::Patch, &says, &before) {
            None => "nothing".to_owned(),
            Some(Values::Patch(patch)) => patch.get().to_owned(),
            Some(other) => format!("{other:?}"),
        };
        assert_eq!(shown, expected, "{says:?}, taken {last_taken:?}, applied {applied:?}");
        assert!(moved(Mode::Merge, &says, &before).is_none(), "no patch is merged as variables");
    };
    check(r#"{"a":1.0,"b":null}"#, None, None, r#"{"a":1.0,"b":null}"#);
    check(r#"{"a":1,"b":null}"#, Some((r#"{"b":null,"a":1.0}"#, false)), Some("{}"), "nothing");
    check(r#"{"a":2,"b":1}"#, Some((r#"{"a":1,"b":1}"#, false)), Some(r#"{"a":2,"b":7}"#), r#"{"a":2}"#);
    check(r#"{"o":{"a":1,"b":2}}"#, Some((r#"{"o":{"a":1}}"#, false)), None, r#"{"o":{"a":1,"b":2}}"#);
    check(r#"{"a":null}"#, Some((r#"{"a":1}"#, false)), None, r#"{"a":null}"#);
    // What the source does not say any more is not taken away.
    check(r#"{"a":1}"#, Some((r#"{"a":1,"b":1}"#, false)), None, "nothing");
    // What the node has already, by another route.
    check(r#"{"a":2}"#, None, Some(r#"{"a":2}"#), r#"{"a":2}"#);
    // The route did not patch when that was taken.
    check(r#"{"a":2}"#, Some((r#"[{"name":"a","value":2}]"#, false)), None, r#"{"a":2}"#);
    // It lost to a higher key.
    check(r#"{"a":2,"b":2}"#, Some((r#"{"a":2,"b":2}"#, true)), Some(r#"{"a":1,"b":2}"#), r#"{"a":2}"#);
    check("{}", None, None, "nothing");
}

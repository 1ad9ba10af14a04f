//! Changes that cannot be addressed fail at once, and as if each round of folding had failed one of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::value::RawValue;

use super::super::{draft, list_winners};
use super::{document, merge, replace};
use crate::change::{Change, Mode, NewChange, OrderKey, Seq, State, Values};
use crate::flow::{Document, Patch};
use crate::journal::Mark;
use crate::worker::fold::{fold, marks_after, patch_of};

/// Node `t` has the variables `v` and `w` twice and `a` once; node `c` the members `v` twice, `x` with a member twice in
/// it, and `a` once. There is no node `gone`, and `bare` has no configuration.
const FLOW: &str = r#"{"version":7,"nodes":[{"id":"bare"},
    {"id":"t","configuration":{"variables":[{"name":"v","value":1},{"name":"v","value":1},{"name":"a","value":0},
        {"name":"w","value":1,"value":2},{"name":"b","value":0}]}},
    {"id":"c","configuration":{"v":1,"v":1,"x":{"v":1,"v":2,"a":1},"a":{"v":1}}}]}"#;

fn patch(seq: Seq, node: &str, text: &str) -> Change {
    let Change { what, .. } = merge(seq, node, "");
    let values = Values::Patch(RawValue::from_string(text.to_owned()).expect("JSON"));
    Change { seq, what: NewChange { mode: Mode::Patch, values, ..what }, held_ms: 0 }
}

fn keyed(key: i64, mut change: Change) -> Change {
    change.what.order_key = Some(OrderKey::Time(Timestamp::from_second(key).expect("a time")));
    change
}

/// The change that the next round fails, or the changes, by the first thing of the node that cannot be addressed.
fn next_to_fail(document: &Document, changes: &[&Change], marks: &[Mark]) -> Vec<Seq> {
    let folded = fold(changes, marks);
    let id = changes.first().map_or("", |change| change.what.node.as_str());
    if list_winners(&folded).next().is_some() {
        let Ok(node) = document.node(id) else { return list_winners(&folded).collect() };
        let refused = |name: &str| folded.list.is_none() && node.variable(name).is_err();
        let first = folded.variables.iter().find(|(_, variable)| refused(&variable.name));
        if let Some((change, _)) = first {
            return vec![change.seq];
        }
    }
    if folded.patches.is_empty() {
        return Vec::new();
    }
    let Ok(mut after) = document.configuration(id) else {
        return folded.patches.iter().map(|change| change.seq).collect();
    };
    let read = folded.patches.iter().map(|change| Patch::read(patch_of(&change.what)));
    let patches: Vec<_> = read.collect::<Result<_, _>>().expect("they are patches");
    for (change, standing) in folded.patches.iter().zip(Patch::standing(&patches)) {
        match standing.map(|standing| after.patched(&standing.patch)) {
            Some(Err(_twice)) => return vec![change.seq],
            Some(Ok(patched)) => after = patched,
            None => {}
        }
    }
    Vec::new()
}

/// Who fails of changes to one node if each round fails as few as it can.
fn failed_in_rounds(document: &Document, changes: &[Change], marks: &[Mark]) -> Vec<Seq> {
    let mut left: Vec<&Change> = changes.iter().collect();
    let mut failed = Vec::new();
    loop {
        let next = next_to_fail(document, &left, marks);
        if next.is_empty() {
            failed.sort_unstable();
            failed.dedup();
            return failed;
        }
        left.retain(|change| !next.contains(&change.seq));
        failed.extend(next);
    }
}

/// Changes that all come to one node, in their order.
fn arbitrary_changes() -> impl Strategy<Value = Vec<Change>> {
    type Kind = (&'static str, &'static [&'static str], fn(Seq, &str, &str) -> Change);
    const KINDS: [Kind; 6] = [
        ("gone", &["a=1", "b=1", "a=1 b=1"], merge),
        ("gone", &["a=1", "b=1", ""], replace),
        ("bare", &["a=1", "b=1"], merge),
        ("t", &["a=1", "v=1", "w=1", "a=1 v=1", "v=1 w=1", "a=1 b=1"], merge),
        ("bare", &[r#"{"a":1}"#, "{}"], patch),
        (
            "c",
            &[
                r#"{"a":1}"#,
                r#"{"v":1}"#,
                r#"{"v":1,"a":2}"#,
                r#"{"x":{"v":1}}"#,
                r#"{"a":{"v":1}}"#,
                r#"{"x":{"a":2}}"#,
            ],
            patch,
        ),
    ];
    let change = |(_, texts, _): Kind| (select(texts), proptest::option::of(0..5_i64), any::<bool>());
    let changes = move |kind: Kind| (Just(kind), vec(change(kind), 0..12));
    select(KINDS.as_slice()).prop_flat_map(changes).prop_map(|((node, _, make), entries)| {
        let change = |(seq, (text, key, is_other)): (Seq, (&str, Option<i64>, bool))| {
            let mut change = make(seq, node, text);
            if is_other {
                change.what.route = "other".into();
            }
            key.into_iter().fold(change, |change, key| keyed(key, change))
        };
        (1..).zip(entries).map(change).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_fails_at_once_would_have_failed_round_by_round(
        published in arbitrary_changes(), changes in arbitrary_changes(),
    ) {
        let document = document(FLOW);
        // What was published before has left its marks, with lower numbers.
        let marks = published.first().map(|first| {
            let before: Vec<&Change> = published.iter().filter(|change| change.what.mode != Mode::Patch).collect();
            marks_after(&first.what.node, &fold(&before, &[]))
        });
        let marks: Vec<Mark> = marks.unwrap_or_default().into_iter().map(|mark| Mark { seq: 0, ..mark }).collect();
        let node = changes.first().map(|change| change.what.node.as_str().to_owned());
        let marks: Vec<Mark> =
            marks.into_iter().map(|mark| Mark { node: node.clone().unwrap_or_default(), ..mark }).collect();
        let drafted = draft(&document, &changes, &marks).expect("it can be drafted");
        let failed = drafted.plan.endings.iter().filter(|end| end.state == State::Failed).map(|end| end.seq);
        prop_assert_eq!(failed.collect::<Vec<_>>(), failed_in_rounds(&document, &changes, &marks));
    }
}

/// The endings of so many changes, of which `make` makes each by its number: how many end in which way, and the reasons.
#[track_caller]
fn check(count: Seq, make: impl Fn(Seq) -> Change, expected: &[(&str, usize)]) {
    let changes: Vec<Change> = (1..=count).map(make).collect();
    let drafted = draft(&document(FLOW), &changes, &[]).expect("it can be drafted");
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for end in &drafted.plan.endings {
        let told_as = format!("{}: {}", end.state.as_str(), end.reason.as_deref().unwrap_or("-"));
        *told.entry(told_as).or_default() += 1;
    }
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for ((told, count), (start, expected)) in told.iter().zip(expected) {
        assert!(told.starts_with(start) && count == expected, "{told}: {count}");
    }
}

#[test]
fn thousands_of_changes_that_cannot_be_addressed_fail_in_one_round() {
    // Failed one by one they would take as many folds, and minutes.
    const MANY: Seq = 5_000;
    let all = 5_000;
    // The highest key first: each keeps out those behind it until it has failed.
    let falling = |seq: Seq, change: Change| keyed(MANY - seq, change);
    check(MANY, |seq| merge(seq, "gone", "a=1"), &[("failed: the flow has no node `gone`", all)]);
    check(
        MANY,
        |seq| falling(seq, merge(seq, "gone", "a=1")),
        &[("failed: the flow has no node `gone`", all)],
    );
    check(
        MANY,
        |seq| falling(seq, replace(seq, "gone", "a=1")),
        &[("failed: the flow has no node `gone`", all)],
    );
    check(
        MANY,
        |seq| merge(seq, "t", "a=1 v=2"),
        &[("failed: node `t` has more than one variable `v`", all)],
    );
    check(MANY, |seq| falling(seq, merge(seq, "t", "v=2")), &[("failed: node `t` has more than one", all)]);
    check(
        MANY,
        |seq| patch(seq, "bare", r#"{"a":1}"#),
        &[("failed: node `bare` has no `configuration`", all)],
    );
    let twice = "failed: the member `v` appears twice";
    check(MANY, |seq| patch(seq, "c", r#"{"v":2}"#), &[(twice, all)]);
    check(MANY, |seq| falling(seq, patch(seq, "c", r#"{"x":{"v":2}}"#)), &[(twice, all)]);
}

#[test]
fn those_that_can_be_addressed_go_out_beside_them() {
    let make = |seq: Seq| merge(seq, "t", if seq == 3 { "a=3" } else { "a=1 v=2" });
    check(5, make, &[("failed", 4), ("published", 1)]);
    // What takes the place of an object does not have to know what is in it twice.
    let make = |seq: Seq| patch(seq, "c", if seq == 2 { r#"{"x":2}"# } else { r#"{"x":{"v":1}}"# });
    check(2, make, &[("published", 1), ("superseded", 1)]);
    let make = |seq: Seq| patch(seq, "c", if seq == 1 { r#"{"x":2}"# } else { r#"{"x":{"v":1},"v":1}"# });
    check(2, make, &[("failed", 1), ("published", 1)]);
    // A list needs nothing of what it replaces, and what is older goes down with that.
    let make = |seq: Seq| if seq == 2 { replace(2, "t", "b=1") } else { merge(seq, "t", "v=1") };
    check(3, make, &[("published", 2), ("superseded", 1)]);
}

#[test]
fn what_has_failed_keeps_nobody_out() {
    let make = |seq: Seq| keyed(10 - seq, merge(seq, "t", if seq == 1 { "a=1 v=1" } else { "a=2" }));
    check(2, make, &[("failed", 1), ("published", 1)]);
}

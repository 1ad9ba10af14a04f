//! Patched configurations: to the byte in tables, and against RFC 7396 by the book.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::patch::{BadPatch, Patch, StandingPatch};
use super::Configuration;

fn configuration(text: &str) -> Configuration<'_> {
    Configuration::new("n", text).expect("an object")
}

#[track_caller]
fn check(table: &[(&str, &str, &str)]) {
    for (before, patch, after) in table {
        let patch = Patch::read(patch).expect("the table holds patches");
        let patched = configuration(before).patched(&patch).expect("nothing is there twice");
        assert_eq!(patched.text(), *after, "{before} with {}", patch.text());
    }
}

#[test]
fn what_a_patch_leaves_alone_keeps_its_bytes() {
    let before = r#"{ "a" :1.10 , "b":{ "c" : 1e3 ,"d":[ 1 ] } ,"\u0065":null}"#;
    check(&[
        (before, "{}", before),
        (before, r#"{"a":1.1,"b":{"c":1000},"x":null}"#, before),
        (before, r#"{"a":2}"#, r#"{ "a" :2 , "b":{ "c" : 1e3 ,"d":[ 1 ] } ,"\u0065":null}"#),
        (before, r#"{"b":{"c":"x"}}"#, r#"{ "a" :1.10 , "b":{ "c" : "x" ,"d":[ 1 ] } ,"\u0065":null}"#),
        (before, r#"{"e":0}"#, r#"{ "a" :1.10 , "b":{ "c" : 1e3 ,"d":[ 1 ] } ,"\u0065":0}"#),
        (before, r#"{"b":[]}"#, r#"{ "a" :1.10 , "b":[] ,"\u0065":null}"#),
    ]);
}

#[test]
fn what_is_new_comes_last_and_what_goes_takes_one_comma_with_it() {
    let before = r#"{"a":1, "b":2 ,"c":3}"#;
    check(&[
        (before, r#"{"a":null}"#, r#"{"b":2 ,"c":3}"#),
        (before, r#"{"b":null}"#, r#"{"a":1 ,"c":3}"#),
        (before, r#"{"c":null}"#, r#"{"a":1, "b":2}"#),
        (before, r#"{"a":null,"c":null}"#, r#"{"b":2}"#),
        (before, r#"{"a":null,"b":null,"c":null}"#, "{}"),
        (before, r#"{"a":null,"b":null,"c":null,"d":4}"#, r#"{"d":4}"#),
        (
            before,
            r#"{"z":26,"c":null,"y":{"x":null,"w":[null]}}"#,
            r#"{"a":1, "b":2,"z":26,"y":{"w":[null]}}"#,
        ),
        ("{ }", r#"{"a":1}"#, r#"{"a":1 }"#),
        ("{}", r#"{"a":null,"b":{}}"#, r#"{"b":{}}"#),
        (r#"{"a":5}"#, r#"{"a":{"b":{"c":null}}}"#, r#"{"a":{"b":{}}}"#),
        (r#"{"a":{"b":1}}"#, r#"{"a":{"b":null,"c":2}}"#, r#"{"a":{"c":2}}"#),
    ]);
}

#[test]
fn a_member_that_is_there_twice_is_refused_where_the_patch_is_about_it() {
    let twice = r#"{"a":1,"\u0061":2,"b":{"c":1,"c":2},"d":3}"#;
    let refused = |patch: &str| {
        let patch = Patch::read(patch).expect("a patch");
        configuration(twice).patched(&patch).err().map(|error| error.to_string())
    };
    for patch in [r#"{"a":1}"#, r#"{"a":null}"#, r#"{"b":{"c":3}}"#] {
        assert!(refused(patch).is_some_and(|error| error.contains("appears twice")), "{patch}");
    }
    assert_eq!([r#"{"d":4}"#, r#"{"b":0}"#, r#"{"b":{"x":1}}"#].map(refused), [None, None, None]);
}

#[test]
fn what_is_no_patch_says_why() {
    let check =
        |text: &str, expected: BadPatch| assert_eq!(Patch::read(text).err(), Some(expected), "{text}");
    for text in ["5", "null", "[]", r#""{}""#, "{", ""] {
        check(text, BadPatch::NotAnObject);
    }
    check(r#"{"a":1,"v\u0061riables":[]}"#, BadPatch::Variables);
    check(r#"{"a":1,"b":{"c":1,"c":2}}"#, BadPatch::Twice("c".to_owned()));
    check(r#"{"\ud800":1}"#, BadPatch::NotText);
    check(&format!("{}{}", r#"{"a":"#.repeat(65), "}".repeat(65)), BadPatch::Deep);
    check(&r#"{"a":"#.repeat(100_000), BadPatch::Deep);
    assert!(Patch::read(r#"{"a":{"variables":1}}"#).is_ok(), "only the node's own are its variables");
}

#[test]
fn of_several_patches_that_stands_which_no_later_one_overwrites() {
    let standing = |patches: &[&str]| {
        let patches: Vec<_> = patches.iter().map(|text| Patch::read(text).expect("a patch")).collect();
        let standing = Patch::standing(&patches);
        let text = |of: &StandingPatch<'_>| (of.patch.text(), of.only_clears);
        standing.iter().map(|of| of.as_ref().map(text)).collect::<Vec<_>>()
    };
    let check_clearing = |patches: &[&str], expected: &[Option<(&str, bool)>]| {
        let expected = expected.iter().map(|of| of.map(|(text, only_clears)| (text.to_owned(), only_clears)));
        assert_eq!(standing(patches), expected.collect::<Vec<_>>());
    };
    let check = |patches: &[&str], expected: &[Option<&str>]| {
        let expected: Vec<_> = expected.iter().map(|text| text.map(|text| (text, false))).collect();
        check_clearing(patches, &expected);
    };
    check(&[r#"{"a":1}"#, r#"{"a":2}"#], &[None, Some(r#"{"a":2}"#)]);
    check(&[r#"{"a":1,"b":1}"#, r#"{"a":null}"#], &[Some(r#"{"b":1}"#), Some(r#"{"a":null}"#)]);
    check(
        &[r#"{"a":{"b":1,"c":1}}"#, r#"{"a":{"c":2}}"#],
        &[Some(r#"{"a":{"b":1}}"#), Some(r#"{"a":{"c":2}}"#)],
    );
    check_clearing(
        &[r#"{"a":{"b":1}}"#, r#"{"a":5}"#, r#"{"a":{}}"#],
        &[None, Some((r#"{"a":5}"#, true)), Some((r#"{"a":{}}"#, false))],
    );
    check(
        &[r#"{"a":{"b":null,"c":1}}"#, r#"{"a":{"b":{"d":1}}}"#],
        &[Some(r#"{"a":{"b":null,"c":1}}"#), Some(r#"{"a":{"b":{"d":1}}}"#)],
    );
    check(&["{}", r#"{"a":1}"#], &[Some("{}"), Some(r#"{"a":1}"#)]);
}

/// RFC 7396, section 2, word for word.
fn by_the_book(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = if let Value::Object(target) = target { target } else { Map::new() };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            let before = target.remove(name).unwrap_or_default();
            target.insert(name.clone(), by_the_book(before, value));
        }
    }
    Value::Object(target)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![Just(Value::Null), (0..3).prop_map(Value::from), Just(Value::from(vec![Value::Null]))];
    leaf.prop_recursive(3, 12, 4, object_of)
}

fn object_of(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let member = (prop_oneof![Just("a"), Just("b"), Just("ü"), Just("d")], values);
    vec(member, 0..4)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A value with white space in odd places.
fn spelt(value: &Value) -> String {
    let Value::Object(members) = value else { return value.to_string() };
    let member = |(name, value): (&String, &Value)| format!(" \"{name}\" :\n{}", spelt(value));
    format!("{{{}\t}}", members.iter().map(member).collect::<Vec<_>>().join(" ,"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn patches_end_as_by_the_book_and_those_that_stand_do_what_all_do(
        before in object_of(value()),
        patches in vec(object_of(value()), 1..4),
    ) {
        let texts: Vec<String> = patches.iter().map(Value::to_string).collect();
        let read: Vec<_> = texts.iter().map(|text| Patch::read(text).expect("an object")).collect();
        let text = spelt(&before);
        let begin = configuration(&text);
        let after = |patches: &[Patch<'_>]| {
            let patched = |before: Configuration<'_>, patch: &Patch<'_>| {
                configuration(before.patched(patch).expect("no twins").text()).text().to_owned()
            };
            patches.iter().fold(begin.text().to_owned(), |text, patch| patched(configuration(&text), patch))
        };
        let all = after(&read);
        let expected = patches.iter().fold(before.clone(), by_the_book);
        prop_assert_eq!(serde_json::from_str::<Value>(&all).expect("JSON"), expected);
        let standing: Vec<_> = Patch::standing(&read).into_iter().flatten().map(|standing| standing.patch).collect();
        let of_standing: Value = serde_json::from_str(&after(&standing)).expect("JSON");
        prop_assert_eq!(of_standing, serde_json::from_str::<Value>(&all).expect("JSON"));
        // What they ask for together is there already.
        let together = Patch::all(read.iter().cloned()).text();
        let together = Patch::read(&together).expect("it is one");
        let end = configuration(all.as_str());
        let again = end.patched(&together).expect("no twins");
        prop_assert_eq!(again.text(), end.text());
        // What none of them names stands where it stood, byte by byte.
        for (name, _) in before.as_object().expect("an object") {
            if patches.iter().all(|patch| patch.get(name).is_none()) {
                prop_assert_eq!(end.member(name).expect("once"), begin.member(name).expect("once"));
            }
        }
    }
}

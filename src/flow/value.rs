//! When two JSON values are the same, however they are spelt.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::decimal::Decimal;
use super::spelling::code_points;
use super::tokens::{Token, tokens};

/// Whether two raw JSON texts are of the same type and mean the same: the same exact decimal value (`1.0`
/// and `1`, `1e3` and `1000`, `-0` and `0`), the same code points (`"A"` and `"\u0041"`; a lone surrogate
/// equals only itself), arrays with the same elements, objects with the same members in any order.
///
/// Cautious where the meaning is in doubt: an object that holds a key twice is the same only as one that is
/// spelt alike, and so is a text that is not JSON.
pub fn same_value(a: &str, b: &str) -> bool {
    let is_json = |text| serde_json::from_str::<IgnoredAny>(text).is_ok();
    let is_same = |(a, b): (Vec<_>, Vec<_>)| same(&a, &b);
    a == b || (is_json(a) && is_json(b) && parts(a).zip(parts(b)).is_some_and(is_same))
}

/// A value within a text, laid flat: the parts of a container follow it.
#[derive(Clone, Copy, Debug)]
struct Part<'t> {
    token: Token<'t>,
    /// How many parts it consists of, itself included.
    length: usize,
}

/// The values of a JSON text in the order of the text; an object's keys are parts too. Nothing for a text whose brackets
/// do not match, or that has no value.
fn parts(text: &str) -> Option<Vec<Part<'_>>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    let mut open = Vec::new();
    for token in tokens(text) {
        match token {
            Token::Open(_) => {
                open.push(parts.len());
                parts.push(Part { token, length: 0 });
            }
            Token::Close(_) => {
                let opened: usize = open.pop()?;
                parts[opened].length = parts.len() - opened;
            }
            Token::Comma | Token::Colon => {}
            Token::Text(_) | Token::Word(_) => parts.push(Part { token, length: 1 }),
        }
    }
    (open.is_empty() && !parts.is_empty()).then_some(parts)
}

/// Compares without recursion: pairs still to be compared wait in a list.
fn same(a: &[Part<'_>], b: &[Part<'_>]) -> bool {
    let mut pending = vec![(0, 0)];
    while let Some((at_a, at_b)) = pending.pop() {
        let same_so_far = match (a[at_a].token, b[at_b].token) {
            (Token::Text(a), Token::Text(b)) => {
                code_points(a).zip(code_points(b)).is_some_and(|(a, b)| a == b)
            }
            (Token::Word(a), Token::Word(b)) => same_word(a, b),
            (Token::Open('['), Token::Open('[')) => {
                let (elements_a, elements_b) = (children(a, at_a), children(b, at_b));
                let same_length = elements_a.len() == elements_b.len();
                pending.extend(elements_a.into_iter().zip(elements_b));
                same_length
            }
            (Token::Open('{'), Token::Open('{')) => match (members(a, at_a), members(b, at_b)) {
                (Some(members_a), Some(members_b)) => {
                    let same_keys =
                        members_a.iter().map(|(key, _)| key).eq(members_b.iter().map(|(key, _)| key));
                    pending
                        .extend(members_a.iter().map(|(_, at)| *at).zip(members_b.iter().map(|(_, at)| *at)));
                    same_keys
                }
                _ => spelt_alike(whole(a, at_a), whole(b, at_b)),
            },
            _ => false,
        };
        if !same_so_far {
            return false;
        }
    }
    true
}

fn same_word(a: &str, b: &str) -> bool {
    let is_number = |word: &str| word.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    a == b || (is_number(a) && is_number(b) && Decimal::of(a) == Decimal::of(b))
}

/// All parts of the value at `at`.
fn whole<'p, 't>(parts: &'p [Part<'t>], at: usize) -> &'p [Part<'t>] {
    &parts[at..at + parts[at].length]
}

/// The same tokens in the same order; brackets that close are implied by the lengths.
fn spelt_alike(a: &[Part<'_>], b: &[Part<'_>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.token == b.token && a.length == b.length)
}

/// Where the values directly inside the container at `at` stand; an object's keys are among them.
fn children(parts: &[Part<'_>], at: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut child = at + 1;
    while child < at + parts[at].length {
        found.push(child);
        child += parts[child].length;
    }
    found
}

/// The object's members as decoded keys, sorted, and where their values stand; `None` if a key occurs twice.
fn members<'t>(parts: &[Part<'t>], at: usize) -> Option<Vec<(Cow<'t, [u8]>, usize)>> {
    let mut members = Vec::new();
    for pair in children(parts, at).chunks_exact(2) {
        let Token::Text(key) = parts[pair[0]].token else { return None };
        members.push((code_points(key)?, pair[1]));
    }
    members.sort_unstable();
    let distinct = members.windows(2).all(|pair| pair[0].0 != pair[1].0);
    distinct.then_some(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(same: bool, pairs: &[(&str, &str)]) {
        for (a, b) in pairs {
            assert_eq!(same_value(a, b), same, "{a} and {b}");
            assert_eq!(same_value(b, a), same, "{b} and {a}");
        }
    }

    #[test]
    fn spelling_does_not_make_a_value_another() {
        check(
            true,
            &[
                ("null", " null\n"),
                ("1", "1.0"),
                ("1e3", "1000"),
                ("-0", "0"),
                ("1e999999999", "10e999999998"),
                (r#""A""#, r#""\u0041""#),
                (r#""/""#, r#""\/""#),
                (r#""😀""#, r#""\uD83d\ude00""#),
                (r#""\ud800""#, r#""\uD800""#),
                ("[]", "[ ]"),
                ("[1,[2.0]]", "[ 1.0 , [ 2 ] ]"),
                ("{}", "{ }"),
                (r#"{"a":1,"b":[{"c":"d"}]}"#, r#"{"b":[{"\u0063":"d"}],"a":1.0}"#),
                (r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#),
                (r#"[{"a":1,"a":[{}]},1]"#, r#"[ {"a":1,"a":[{}]}, 1.0 ]"#),
                ("not json", "not json"),
            ],
        );
    }

    #[test]
    fn type_and_value_make_a_value_another() {
        check(
            false,
            &[
                ("null", "false"),
                ("0", "false"),
                ("1", r#""1""#),
                ("null", r#""""#),
                ("[]", "{}"),
                ("[1]", "1"),
                ("[1,2]", "[2,1]"),
                ("[1]", "[1,1]"),
                ("[[1],2]", "[[1,2]]"),
                ("[[],[]]", "[[[]]]"),
                (r#""a""#, r#""A""#),
                ("\"é\"", "\"e\u{301}\""),
                (r#""\ud800""#, r#""\ufffd""#),
                (r#""\ud83d""#, r#""\ud83d\ude00""#),
                (r#"{"a":1}"#, r#"{"a":1,"b":null}"#),
                (r#"{"a":"b"}"#, r#"{"b":"a"}"#),
                (r#"{"a":1}"#, r#"["a",1]"#),
                (r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2.0}"#),
                (r#"{"a":1,"a":1}"#, r#"{"a":1}"#),
                (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
                (r#"{"a":[[]],"a":[]}"#, r#"{"a":[],"a":[[]]}"#),
                (r#"{"a":[[],[]],"a":1}"#, r#"{"a":[[[]]],"a":1}"#),
                ("not json", "not  json"),
                ("01", "1"),
                ("[1", "[1.0"),
            ],
        );
    }

    #[test]
    fn depth_costs_no_stack_and_no_quadratic_time() {
        let depth = 100_000;
        let nested = |open: &str, core: &str, close: &str| open.repeat(depth) + core + &close.repeat(depth);
        assert!(same_value(&nested("[", "1", "]"), &nested("[", "1.0", "]")));
        assert!(!same_value(&nested("[", "1", "]"), &nested("[", "2", "]")));
        assert!(same_value(&nested("{\"a\":", "1", "}"), &nested("{\"a\":", "1.0", "}")));
        assert!(!same_value(&nested("{\"a\":", "1", "}"), &nested("{\"a\":", "2", "}")));
        assert!(same_value(&nested("{\"a\":0,\"a\":", "1", "}"), &nested("{\"a\":0, \"a\":", "1", "}")));
    }
}

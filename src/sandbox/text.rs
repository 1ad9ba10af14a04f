//! JSON text, looked at where it stands: members, elements and splices, nothing re-spelt.
//!
//! The practice tenant judges how others edit documents, so it shares no code with the crate's own
//! editing: serde_json finds the borders of values, and everything else here is slicing.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// One member of an object, as it is spelt.
#[derive(Debug)]
pub(super) struct Member<'a> {
    /// The decoded key, or its spelling where it has no decoded form (a lone surrogate).
    pub(super) name: String,
    /// The key's text, quotes included.
    pub(super) key: &'a str,
    /// The value's text.
    pub(super) value: &'a str,
}

/// The members of an object in their order, repeated keys included.
pub(super) fn members(object: &str) -> Result<Vec<Member<'_>>, serde_json::Error> {
    let Pairs(pairs) = serde_json::from_str(object)?;
    Ok(pairs
        .into_iter()
        .map(|(key, value)| Member { name: decoded(key.get()), key: key.get(), value: value.get() })
        .collect())
}

/// The first member of that name.
pub(super) fn member<'m, 'a>(members: &'m [Member<'a>], name: &str) -> Option<&'m Member<'a>> {
    members.iter().find(|member| member.name == name)
}

/// The elements of an array in their order.
pub(super) fn elements(array: &str) -> Result<Vec<&str>, serde_json::Error> {
    let elements: Vec<&RawValue> = serde_json::from_str(array)?;
    Ok(elements.into_iter().map(RawValue::get).collect())
}

/// The string that a JSON text stands for, or the text itself where it stands for none.
pub(super) fn decoded(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_else(|_| json.to_owned())
}

/// Where `part`, a slice of `whole`, stands in it.
pub(super) fn span(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    debug_assert!(whole.get(start..start + part.len()) == Some(part), "the part is no slice of the whole");
    start..start + part.len()
}

/// `text` with what stands at `at` replaced.
pub(super) fn splice(text: &str, at: &Range<usize>, with: &str) -> String {
    [&text[..at.start], with, &text[at.end..]].concat()
}

/// `text` without what stands at `cuts`.
pub(super) fn without(text: &str, cuts: &[Range<usize>]) -> String {
    let mut cuts = cuts.to_vec();
    cuts.sort_by_key(|cut| cut.start);
    let mut rest = String::with_capacity(text.len());
    let mut end = 0;
    for cut in cuts {
        rest.push_str(&text[end..cut.start.max(end)]);
        end = end.max(cut.end);
    }
    rest.push_str(&text[end..]);
    rest
}

/// An object's keys and values, undecoded.
struct Pairs<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::{elements, members, span, splice, without};

    #[test]
    fn members_keep_their_spelling_order_and_repetitions() {
        let text = r#" { "a" : 1.10, "\u0062": [ ], "a":"\ud800", "\udc00": null } "#;
        let found = members(text).unwrap();
        let spelt: Vec<_> = found.iter().map(|m| (m.name.as_str(), m.key, m.value)).collect();
        let wanted = [
            ("a", r#""a""#, "1.10"),
            ("b", r#""\u0062""#, "[ ]"),
            ("a", r#""a""#, r#""\ud800""#),
            (r#""\udc00""#, r#""\udc00""#, "null"),
        ];
        assert_eq!(spelt, wanted);
        assert_eq!(span(text, found[0].value), 9..13);
    }

    #[test]
    fn splices_and_cuts_leave_the_rest_alone() {
        let text = "[1, 22,3]";
        let second = span(text, elements(text).unwrap()[1]);
        assert_eq!(splice(text, &second, "x"), "[1, x,3]");
        assert_eq!(without(text, &[6..8, second]), "[1, ]");
    }
}

//! JSON pointers (RFC 6901) into a body whose signature has held.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The most steps of a pointer: each of them reads what the one before has found.
const STEPS_MAX: usize = 16;

/// The way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    text: String,
    steps: Vec<String>,
}

impl Pointer {
    /// Reads a pointer to something in a document, not to the document itself.
    pub(super) fn parse(text: &str) -> Result<Self, BadPointer> {
        let bad = || BadPointer { text: crate::change::shorten(text) };
        let steps: Option<Vec<String>> =
            text.strip_prefix('/').and_then(|steps| steps.split('/').map(step).collect());
        let steps = steps.filter(|steps| steps.len() <= STEPS_MAX).ok_or_else(bad)?;
        Ok(Self { text: text.to_owned(), steps })
    }

    /// The value there; none if the body is no JSON, if there is none, or if a name on the way is there twice, so
    /// that nobody could tell which is meant.
    pub(super) fn find<'b>(&self, body: &'b [u8]) -> Option<&'b RawValue> {
        let whole: &RawValue = serde_json::from_slice(body).ok()?;
        self.steps.iter().try_fold(whole, |value, step| match value.get().as_bytes().first() {
            Some(b'{') => member(value, step),
            Some(b'[') => element(value, step),
            _ => None,
        })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `~1` is a slash, `~0` a tilde, and no other escape is one.
fn step(text: &str) -> Option<String> {
    let mut pieces = text.split('~');
    let mut step = pieces.next()?.to_owned();
    for piece in pieces {
        match piece.chars().next()? {
            '0' => step.push('~'),
            '1' => step.push('/'),
            _ => return None,
        }
        step.push_str(&piece[1..]);
    }
    Some(step)
}

fn element<'b>(list: &'b RawValue, step: &str) -> Option<&'b RawValue> {
    // One spelling per place.
    let place: usize = step.parse().ok().filter(|place: &usize| place.to_string() == step)?;
    serde_json::from_str::<Vec<&RawValue>>(list.get()).ok()?.get(place).copied()
}

fn member<'b>(object: &'b RawValue, name: &str) -> Option<&'b RawValue> {
    struct Only<'n>(&'n str);
    impl<'de> Visitor<'de> for Only<'_> {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            // A name may be no text, for it has half of a surrogate pair: nobody asks for that one.
            while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                if serde_json::from_str::<String>(name.get()).is_ok_and(|name| name == self.0) {
                    found.push(value);
                }
            }
            Ok(found)
        }
    }
    let found = serde_json::Deserializer::from_str(object.get()).deserialize_map(Only(name)).ok()?;
    match found[..] {
        [value] => Some(value),
        _ => None,
    }
}

/// A text that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a JSON pointer into the body: write it like `/data/id`, with at most {STEPS_MAX} steps, `~1` \
     for a slash and `~0` for a tilde"
)]
pub(super) struct BadPointer {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::Pointer;

    #[test]
    fn a_pointer_finds_what_is_there_once() {
        let check = |pointer: &str, body: &str, expected: Option<&str>| {
            let pointer = Pointer::parse(pointer).expect("a pointer");
            assert_eq!(
                pointer.find(body.as_bytes()).map(|value| value.get()),
                expected,
                "{pointer} in {body}"
            );
        };
        check("/id", r#"{"id":"a"}"#, Some(r#""a""#));
        check("/id", r#" {"x":{"id":1},"id": 1.0 } "#, Some("1.0"));
        check("/id", r#"{"\u0069d":"a"}"#, Some(r#""a""#));
        check("/data/0/id", r#"{"data":[{"id":null}]}"#, Some("null"));
        check("/a~1b/m~0n", r#"{"a/b":{"m~n":1}}"#, Some("1"));
        check("/", r#"{"":1}"#, Some("1"));
        check("/id", r#"{"id":"a","id":"b"}"#, None);
        check("/data/id", r#"{"data":{"id":"a"},"data":1}"#, None);
        check("/id", r#"{"\ud800":1,"id":2}"#, Some("2"));
        check("/data/00", r#"{"data":[1]}"#, None);
        check("/data/1", r#"{"data":[1]}"#, None);
        check("/data/id", r#"{"data":"id"}"#, None);
        check("/id", r#"{"id":"a"} x"#, None);
        check("/id", "", None);
    }

    #[test]
    fn a_text_that_is_no_pointer_is_told() {
        let check = |text: &str| {
            let told = Pointer::parse(text).expect_err("no pointer").to_string();
            assert!(told.contains(&format!("`{text}` is not a JSON pointer")), "{told}");
        };
        check("");
        check("id");
        check("/a~");
        check("/a~2");
        check(&"/a".repeat(17));
    }
}

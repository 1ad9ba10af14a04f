//! A JSON value as the text that it is, taken apart only where somebody looks into it, and once.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

use serde::de::{Deserializer as _, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::de::StrRead;
use serde_json::value::RawValue;

use super::pointer::{Pointer, index};

/// The most parts of an object or an array that a route looks into: what is noted of each takes more room than the
/// shortest does in a text.
pub(crate) const PARTS_MAX: usize = 100_000;

/// What may stand around a value (RFC 8259, section 2).
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// A value of a JSON text.
#[derive(Debug)]
pub(crate) struct Value<'a> {
    text: &'a str,
    raw: OnceCell<&'a RawValue>,
    inside: OnceCell<Inside<'a>>,
}

/// What is directly inside a value. A name that is no text, for it has half of a surrogate pair, is none: nobody
/// asks for it.
#[derive(Debug)]
enum Inside<'a> {
    Object(Vec<Member<'a>>),
    Array(Vec<Value<'a>>),
    /// Neither an object nor an array.
    Plain,
    Crowded,
}

/// A member of an object.
pub(crate) type Member<'a> = (Option<Cow<'a, str>>, Value<'a>);

/// Why it cannot be told what a value is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unclear {
    /// Readers of JSON disagree about which counts.
    #[error("`{0}` is there twice")]
    Twice(String),
    #[error("a route looks into what has more than {PARTS_MAX} parts")]
    Crowded,
}

impl<'a> Value<'a> {
    pub(crate) fn new(raw: &'a RawValue) -> Self {
        Self { text: raw.get(), raw: raw.into(), inside: OnceCell::new() }
    }

    /// The value that a whole text is. Its parts are noted on the way: who only asks whether it is JSON has gone
    /// through all of it, and the first who looks into it would again.
    pub(crate) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        let inside = inside(text.trim_start_matches(SPACE), &mut json);
        match inside {
            Ok(inside @ (Inside::Object(_) | Inside::Array(_))) if json.end().is_ok() => {
                Ok(Self { text: text.trim_matches(SPACE), raw: OnceCell::new(), inside: inside.into() })
            }
            // It is plain, crowded or no JSON.
            Ok(_) | Err(_) => serde_json::from_str(text).map(Self::new),
        }
    }

    /// The value as it is spelt.
    pub(crate) fn raw(&self) -> &'a RawValue {
        self.raw.get_or_init(|| serde_json::from_str(self.text).expect("it was read as JSON"))
    }

    /// Its text, if it is a string and Unicode.
    pub(crate) fn text(&self) -> Option<Cow<'a, str>> {
        unescaped(self.text)
    }

    /// Its members, if it is an object.
    pub(crate) fn members(&self) -> Result<Option<&[Member<'a>]>, Unclear> {
        match self.inside() {
            Inside::Object(members) => Ok(Some(members)),
            Inside::Array(_) | Inside::Plain => Ok(None),
            Inside::Crowded => Err(Unclear::Crowded),
        }
    }

    /// Its elements, if it is an array.
    pub(crate) fn elements(&self) -> Result<Option<&[Self]>, Unclear> {
        match self.inside() {
            Inside::Array(elements) => Ok(Some(elements)),
            Inside::Object(_) | Inside::Plain => Ok(None),
            Inside::Crowded => Err(Unclear::Crowded),
        }
    }

    /// The member of that name, if it is an object and has one.
    pub(crate) fn get(&self, name: &str) -> Result<Option<&Self>, Unclear> {
        let members = self.members()?.unwrap_or_default();
        let mut found = members.iter().filter(|(member, _)| member.as_deref() == Some(name));
        let first = found.next();
        if found.next().is_some() {
            return Err(Unclear::Twice(name.to_owned()));
        }
        Ok(first.map(|(_, value)| value))
    }

    /// What the pointer points at, if there is something.
    pub(crate) fn at(&self, pointer: &Pointer) -> Result<Option<&Self>, Unclear> {
        let mut value = self;
        for step in pointer.steps() {
            let next = match value.elements()? {
                Some(elements) => index(step).and_then(|index| elements.get(index)),
                None => value.get(step)?,
            };
            let Some(next) = next else { return Ok(None) };
            value = next;
        }
        Ok(Some(value))
    }

    fn inside(&self) -> &Inside<'a> {
        self.inside.get_or_init(|| {
            let inside = inside(self.text, &mut serde_json::Deserializer::from_str(self.text));
            // It is JSON, so there is no other error.
            inside.unwrap_or(Inside::Crowded)
        })
    }
}

/// What is directly inside the value that `json` is about to read, which begins as `text` does. What is plain is left
/// unread.
fn inside<'a>(
    text: &str,
    json: &mut serde_json::Deserializer<StrRead<'a>>,
) -> Result<Inside<'a>, serde_json::Error> {
    match text.as_bytes().first() {
        Some(b'{') => json.deserialize_map(Parts),
        Some(b'[') => json.deserialize_seq(Parts),
        Some(_) | None => Ok(Inside::Plain),
    }
}

/// What the pointer points at in a body; none if that is no JSON, if there is none, or if it cannot be told which is
/// meant.
pub(crate) fn find<'b>(body: &'b [u8], pointer: &Pointer) -> Option<&'b RawValue> {
    let whole = Value::parse(str::from_utf8(body).ok()?).ok()?;
    whole.at(pointer).ok()?.map(Value::raw)
}

/// What a value says if it is a string and Unicode. Most have no escapes and are taken from where they stand.
fn unescaped(json: &str) -> Option<Cow<'_, str>> {
    let plain = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
    match plain.filter(|plain| !plain.contains('\\')) {
        Some(plain) => Some(Cow::Borrowed(plain)),
        None => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}

/// Notes the parts of an object or an array, each unparsed: so nothing here recurses.
struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = Inside<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            if members.len() == PARTS_MAX {
                return Err(A::Error::custom(Unclear::Crowded));
            }
            members.push((unescaped(key.get()), Value::new(value)));
        }
        Ok(Inside::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(value) = list.next_element::<&RawValue>()? {
            if elements.len() == PARTS_MAX {
                return Err(A::Error::custom(Unclear::Crowded));
            }
            elements.push(Value::new(value));
        }
        Ok(Inside::Array(elements))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::{PARTS_MAX, Pointer, Unclear, Value};

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).expect("JSON")
    }

    #[track_caller]
    fn check(text: &str, pointer: &str, expected: Result<Option<&str>, &Unclear>) {
        let pointer = Pointer::parse(pointer).expect("a pointer");
        let value = Value::parse(text).expect("JSON");
        let found = value.at(&pointer).map(|found| found.map(|found| found.raw().get()));
        assert_eq!(found.as_ref().map(|found| *found), expected, "{pointer} in {text}");
    }

    #[test]
    fn a_pointer_finds_a_value_as_it_is_spelt() {
        check(r#" {"a": [1.10, {"b" : "\u0041"}]} "#, "/a/0", Ok(Some("1.10")));
        check(r#"{"a": [1.10, {"b" : "\u0041"}]}"#, "/a/1/b", Ok(Some(r#""\u0041""#)));
        check(r#" {"a" : 1 }"#, "", Ok(Some(r#"{"a" : 1 }"#)));
        check(r#"{"\u0061\/b":null}"#, "/a~1b", Ok(Some("null")));
        check(r#"{"":{"":5}}"#, "//", Ok(Some("5")));
        check(r#"{"0":5}"#, "/0", Ok(Some("5")));
        check("[[7]]", "/0/0", Ok(Some("7")));
    }

    #[test]
    fn what_is_not_there_is_none() {
        check(r#"{"a":1}"#, "/b", Ok(None));
        check(r#"{"a":1}"#, "/a/b", Ok(None));
        check(r#"{"a":"x"}"#, "/a/0", Ok(None));
        check("[1]", "/1", Ok(None));
        check("[1]", "/-", Ok(None));
        check("[1]", "/00", Ok(None));
        check("null", "/a", Ok(None));
        check(r#"{"\ud800":1}"#, "/\u{fffd}", Ok(None));
    }

    #[test]
    fn a_whole_text_is_json_or_not_as_the_library_says_and_in_its_words() {
        let check = |text: &str| {
            let expected: Result<&RawValue, _> = serde_json::from_str(text);
            let (parsed, expected) = (Value::parse(text), expected.map_err(|error| error.to_string()));
            let found = parsed.as_ref().map(|value| value.raw().get()).map_err(ToString::to_string);
            assert_eq!(found, expected.map(RawValue::get), "{text}");
        };
        let good =
            [r#"{"a":[1,{}],"\u0061":"\ud800"}"#, "[1.10, [], true]", r#""x""#, "-0.5e+7", "null", "{}"];
        for text in good {
            for around in ["", " ", "\n\t\r ", "\u{c}", "\u{a0}", "\u{feff}", "x", ","] {
                check(&format!("{text}{around}"));
                check(&format!("{around}{text}"));
            }
            (0..text.len()).for_each(|end| check(&text[..end]));
            (0..text.len()).for_each(|begin| check(&text[begin..]));
        }
        for text in
            ["{1:2}", r#"{"a" 1}"#, r#"{"a":1,}"#, "[1,]", "[1 2]", "[\"\n\"]", r#"["\x"]"#, "[01]", "]"]
        {
            check(text);
        }
        check(&"[".repeat(100_000));
        check(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    }

    #[test]
    fn what_could_be_meant_twice_is_told_and_only_on_the_way() {
        let twice = Unclear::Twice("a".to_owned());
        check(r#"{"a":1,"a":1}"#, "/a", Err(&twice));
        check(r#"{"a":1,"\u0061":2}"#, "/a", Err(&twice));
        check(r#"{"x":{"a":1,"b":0,"a":{"c":2}}}"#, "/x/a/c", Err(&twice));
        check(r#"{"a":1,"b":2,"b":3,"\ud800":4,"\ud800":5}"#, "/a", Ok(Some("1")));
    }

    #[test]
    fn a_crowd_is_not_looked_into_and_costs_nothing_beside_the_way() {
        let array = |length: usize| format!("[{}0]", "0,".repeat(length - 1));
        check(&array(PARTS_MAX), "/99999", Ok(Some("0")));
        check(&array(PARTS_MAX + 1), "/0", Err(&Unclear::Crowded));
        check(&format!(r#"{{"a":{},"b":1}}"#, array(PARTS_MAX + 1)), "/b", Ok(Some("1")));
        let object = format!("{{{}\"b\":1}}", r#""a":0,"#.repeat(PARTS_MAX));
        check(&object, "/b", Err(&Unclear::Crowded));
    }

    #[test]
    fn depth_costs_no_stack() {
        let depth = 100_000;
        let deep = format!("{}1{}", r#"{"a":["#.repeat(depth), "]}".repeat(depth));
        let value = Value::new(raw(&deep));
        let pointer = Pointer::parse(&"/a/0".repeat(16)).expect("a pointer");
        assert!(value.at(&pointer).is_ok_and(|found| found.is_some()));
    }
}

//! A reader of JSON by the letter of RFC 8259 that shares no code with what it judges.
//!
//! It keeps what others drop: where each value stands, members that occur twice, lone surrogates.

mod reader;

use std::ops::Range;

use reader::Reader;

/// Deeper texts are left to the tests, which have stack enough for what they ask.
pub const DEPTH_MAX: usize = 1_000;

/// A value and where it stands in its text.
#[derive(Clone, Debug)]
pub struct Value {
    /// From its first byte to behind its last.
    pub span: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `true`, `false`, `null` or a number.
    Word,
    /// Code units, so that halves of pairs can be said.
    Text(Vec<u16>),
    /// The elements.
    Array(Vec<Value>),
    /// The members in order, those that occur twice too.
    Object(Vec<(Value, Value)>),
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The text is not JSON.
    NotJson,
    /// It is deeper than [`DEPTH_MAX`], so that nobody says what it is.
    Deep,
}

/// The value that `text` is.
pub fn read(text: &str) -> Result<Value, Refusal> {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    let value = reader.value(DEPTH_MAX)?;
    reader.blank();
    if reader.at == text.len() { Ok(value) } else { Err(Refusal::NotJson) }
}

impl Value {
    /// The text that it is.
    pub fn text(&self) -> Option<String> {
        let Kind::Text(units) = &self.kind else { return None };
        String::from_utf16(units).ok()
    }

    /// The elements, if it is an array.
    pub fn elements(&self) -> Option<&[Value]> {
        if let Kind::Array(elements) = &self.kind { Some(elements) } else { None }
    }

    /// The members, if it is an object.
    pub fn members(&self) -> Option<&[(Value, Value)]> {
        if let Kind::Object(members) = &self.kind { Some(members) } else { None }
    }

    /// Every member of that name: of a value that is no object, none.
    pub fn all(&self, name: &str) -> Vec<&Value> {
        let named = |key: &Value| key.text().as_deref() == Some(name);
        self.members()
            .unwrap_or_default()
            .iter()
            .filter(|(key, _)| named(key))
            .map(|(_, value)| value)
            .collect()
    }

    /// As it is spelt in its text.
    pub fn raw<'t>(&self, text: &'t str) -> &'t str {
        &text[self.span.clone()]
    }
}

/// What came of looking for a member that may be there once.
#[derive(Clone, Copy, Debug)]
pub enum Found<'v> {
    /// It is not there.
    None,
    /// It is there.
    One(&'v Value),
    /// It is there more than once.
    Several,
}

impl Value {
    /// The member of that name.
    pub fn get(&self, name: &str) -> Found<'_> {
        match self.all(name)[..] {
            [] => Found::None,
            [one] => Found::One(one),
            [..] => Found::Several,
        }
    }
}

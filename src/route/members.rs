//! The members of a JSON object as the text that they are.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// An object's members in order, their values unparsed. A name that is no text, for it has half of a
/// surrogate pair, is none: nobody asks for it.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(Vec<(Option<String>, &'a RawValue)>);

/// A member that an object must have once is there twice, so that it cannot be told which is meant.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is there twice")]
pub(super) struct Twice(String);

impl Twice {
    /// The member's name.
    pub(super) fn name(&self) -> &str {
        &self.0
    }
}

impl<'a> Members<'a> {
    /// The members of `value`, if it is an object.
    pub(super) fn of(value: &'a RawValue) -> Option<Self> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(Option<String>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    members.push((serde_json::from_str(name.get()).ok(), value));
                }
                Ok(members)
            }
        }
        let mut text = serde_json::Deserializer::from_str(value.get());
        text.deserialize_map(Collect).ok().map(Self)
    }

    /// The member of that name, if there is one.
    pub(super) fn get(&self, name: &str) -> Result<Option<&'a RawValue>, Twice> {
        let mut found =
            self.0.iter().filter(|(member, _)| member.as_deref() == Some(name)).map(|(_, value)| *value);
        let first = found.next();
        if found.next().is_some() { Err(Twice(name.to_owned())) } else { Ok(first) }
    }

    /// Every member.
    pub(super) fn into_iter(self) -> impl Iterator<Item = (Option<String>, &'a RawValue)> {
        self.0.into_iter()
    }
}

/// The text of a JSON string.
pub(super) fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

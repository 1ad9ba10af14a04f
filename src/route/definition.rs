//! A route as the settings file spells it: `[routes.NAME]`.
//!
//! Serde sees to the shape. What the words mean is checked by [`Route::new`](super::Route::new), which tells
//! everything at once.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::kind::Type;

/// What `[routes.NAME]` holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Whose events it looks at: a source, or a list of them.
    pub source: OneOrMany<String>,
    /// What must hold of an event, all of it; any event unless it says something.
    #[serde(default)]
    pub when: Vec<ConditionDefinition>,
    /// Where an array is whose elements are events of their own: every pointer, those of `when` too, then starts in
    /// the element. Empty for a body that is an array itself.
    pub each: Option<String>,
    /// The flow to change, or a list of them.
    pub flow: OneOrMany<TextOr<IdDefinition>>,
    /// The node to change.
    pub node: TextOr<IdDefinition>,
    /// `merge` (the default), `replace` or `patch`.
    pub mode: Option<String>,
    /// What orders events; one that does not say it is refused. Without it they count as they arrive.
    pub order_by: Option<OrderDefinition>,
    /// The flows that this route may change; any unless it says so.
    pub allowed_flows: Option<Vec<String>>,
    /// Variables by their names: a pointer to the value, or a table.
    #[serde(default)]
    pub variables: BTreeMap<String, TextOr<VariableDefinition>>,
    /// Where an object is whose members are all variables. One that `variables` names too is taken from there.
    pub variables_from: Option<String>,
    /// With `patch`: where the RFC 7396 merge patch for the node's `configuration` is.
    pub patch_from: Option<String>,
    /// Where values are fetched: the pointers to them then start in the answer, not in the event.
    pub fetch: Option<FetchDefinition>,
    /// How often what is fetched is compared with the flow, though no event came.
    pub reconcile: Option<ReconcileDefinition>,
}

/// Something that must hold of an event.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionDefinition {
    /// The pointer to a value of the event; or `header`.
    pub at: Option<String>,
    /// The name of a header of the request. Signatures do not cover headers.
    pub header: Option<String>,
    /// What the value must be, or a list of what it may be; or `exists`.
    pub is: Option<Constant>,
    /// Whether there must be one.
    pub exists: Option<bool>,
}

/// A flow or a node that the event names.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdDefinition {
    /// The pointer to its id.
    pub at: String,
    /// The one that is meant where the event has nothing there; without it such an event is refused.
    pub default: Option<String>,
}

/// What orders events.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderDefinition {
    /// The pointer to it; or `header`.
    pub at: Option<String>,
    /// The name of a header of the request. Signatures do not cover headers.
    pub header: Option<String>,
    /// What it is: `time` (RFC 3339), `seconds` or `milliseconds` since 1970, or `revision`, a whole number.
    #[serde(rename = "as")]
    pub kind: OrderKind,
}

/// A variable that is more than a pointer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariableDefinition {
    /// The pointer to its value; or `value`.
    pub at: Option<String>,
    /// A value that is always the same.
    pub value: Option<Constant>,
    /// The JSON type that it must have; any unless it says so.
    #[serde(rename = "type")]
    pub kind: Option<Type>,
    /// Whether it is a text that holds the value of that type, as in `"30"`: systems that keep nothing but texts send
    /// such.
    #[serde(default)]
    pub from_text: bool,
    /// The value where there is none; a JSON `null` is one.
    pub default: Option<Constant>,
    /// Whether it must be there where it has no default: `true` unless it says so. One that need not be is left as
    /// it is in the flow.
    pub required: Option<bool>,
}

/// Where values are fetched.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchDefinition {
    /// The URL. `{flow_id}` and `{node_id}` in it stand for the change's, `{revision}` for the commit of a git push
    /// and for `HEAD` with any other event.
    pub url: String,
    /// Sent with the request.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretString>,
    /// How long it may take, in seconds; default 30.
    pub timeout_seconds: Option<u64>,
    /// How long the answer may be, in bytes; default 1 MiB.
    pub max_bytes: Option<usize>,
}

/// How often what is fetched is compared with the flow.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReconcileDefinition {
    /// In seconds; 0 for never, default 300. Each wait is 0.8 to 1.0 of it.
    pub every_seconds: Option<u64>,
    /// What to do where the flow alone differs: `report` (the default) or `repair`.
    pub on_drift: Option<OnDrift>,
}

/// What an order key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderKind {
    /// An RFC 3339 time.
    Time,
    /// Seconds since 1970, a fraction allowed.
    Seconds,
    /// Milliseconds since 1970, a fraction allowed.
    Milliseconds,
    /// A whole number that grows.
    Revision,
}

/// What to do where the flow differs from what was last applied, and the source does not from what was last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDrift {
    /// Tell it and write nothing: a person or a rollback did it.
    #[default]
    Report,
    /// Write again what was last applied.
    Repair,
}

/// One or a list of them.
#[derive(Clone, Debug)]
pub struct OneOrMany<T>(pub Vec<T>);

/// A text, or a table that says more.
#[derive(Clone, Debug)]
pub enum TextOr<T> {
    /// A text.
    Text(String),
    /// A table.
    Table(T),
}

/// A value in settings, as JSON.
#[derive(Clone, Debug)]
pub struct Constant(pub serde_json::Value);

impl Constant {
    /// The value as JSON text.
    pub(super) fn json(&self) -> Box<RawValue> {
        raw(&self.0)
    }

    /// What it lists, or itself, as JSON text.
    pub(super) fn listed(&self) -> Vec<Box<RawValue>> {
        match self.0.as_array() {
            Some(list) => list.iter().map(raw).collect(),
            None => vec![raw(&self.0)],
        }
    }
}

fn raw(value: &serde_json::Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).expect("a JSON value is written as JSON")
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one or a list of them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(StrDeserializer::new(text)).map(|one| OneOrMany(vec![one]))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMany(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut many = Vec::new();
                while let Some(one) = list.next_element()? {
                    many.push(one);
                }
                Ok(OneOrMany(many))
            }
        }
        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = TextOr<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a table")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TextOr::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(TextOr::Table)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Constant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json(toml::Value::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

/// What of TOML is JSON too.
fn json(value: toml::Value) -> Result<serde_json::Value, String> {
    match value {
        toml::Value::String(text) => Ok(text.into()),
        toml::Value::Integer(number) => Ok(number.into()),
        toml::Value::Float(number) => match serde_json::Number::from_f64(number) {
            Some(number) => Ok(number.into()),
            None => Err(format!("`{number}` is no number in JSON")),
        },
        toml::Value::Boolean(flag) => Ok(flag.into()),
        toml::Value::Datetime(time) => Err(format!("JSON has no times: put quotes around `{time}`")),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(members) => {
            members.into_iter().map(|(name, value)| Ok((name, json(value)?))).collect()
        }
    }
}

//! The variables that a configuration must have, and their types.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::change::{Variable, shorten};
use crate::flow::BadPatch;
use crate::json::{Unclear, Value};

/// The most bytes of values that a route carries on: 16 MiB. Several pointers may lead to the same value.
pub(super) const VALUES_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// A variable's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    /// A JSON string.
    String,
    /// A JSON number without sign, fraction or exponent, that fits 32 bits: no system on the way to a caller
    /// has to be asked what it makes of more.
    Integer,
}

/// The variables that a configuration must have. Others beside them are left alone: a configuration system
/// that learns a new one must not stop the ones that calls depend on.
#[derive(Debug)]
pub struct Schema(&'static [(&'static str, Type)]);

/// The default route's schema.
pub const SCHEMA: Schema = Schema(&[
    ("routing_priority", Type::String),
    ("queue_target", Type::String),
    ("max_wait_time_seconds", Type::Integer),
]);

/// A configuration that does not fit.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// It is not an object.
    #[error("`{0}` must be an object of variables")]
    NotAnObject(String),
    /// A variable's name has half of a surrogate pair.
    #[error("a name in `{0}` is not valid Unicode")]
    NotText(String),
    /// A variable is not there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A variable has another type.
    #[error("`{name}` must be {expected}, not `{found}`")]
    WrongType {
        /// The variable.
        name: String,
        /// What it must be.
        expected: &'static str,
        /// What it is, shortened.
        found: String,
    },
    /// Nothing is where a variable should be.
    #[error("`{name}` is missing: nothing is at {place}")]
    Absent {
        /// The variable.
        name: String,
        /// Where it was looked for.
        place: String,
    },
    /// Nothing is where the variables, or a patch, should be.
    #[error("nothing is at {0}")]
    NothingAt(String),
    /// It has none of the variables, each of which may be missing.
    #[error("it has none of the route's variables")]
    None,
    /// It is no merge patch for a node's configuration.
    #[error("`{place}`: {why}")]
    BadPatch {
        /// Where it was found.
        place: String,
        /// What is wrong with it.
        why: BadPatch,
    },
    /// Something is there twice.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// An object has more members than anybody means it to have.
    #[error("{0}")]
    Crowded(String),
    /// The values are larger than anybody means them to be.
    #[error("the route's values are more than {VALUES_BYTES_MAX} bytes in all")]
    Heavy,
}

impl From<Unclear> for Mismatch {
    fn from(unclear: Unclear) -> Self {
        match unclear {
            Unclear::Twice(name) => Self::Twice(name),
            Unclear::Crowded => Self::Crowded(unclear.to_string()),
        }
    }
}

impl Type {
    fn fits(self, json: &str) -> bool {
        match self {
            Self::String => json.starts_with('"'),
            Self::Integer => json.parse::<u32>().is_ok(),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "a whole number from 0 to 4294967295",
        }
    }
}

impl Schema {
    /// The schema's variables out of `config`, each required and of its type. `what` names it in errors.
    ///
    /// # Errors
    /// [`Mismatch`] naming the variable.
    pub fn variables(&self, what: &str, config: &RawValue) -> Result<Vec<Variable>, Mismatch> {
        let config = Value::new(config);
        config.members()?.ok_or_else(|| Mismatch::NotAnObject(what.to_owned()))?;
        let variable = |(name, kind): &(&'static str, Type)| {
            let value = config.get(name)?.ok_or(Mismatch::Missing(name))?.raw();
            check(name, *kind, value)?;
            Ok(Variable { name: (*name).to_owned(), value: value.to_owned() })
        };
        self.0.iter().map(variable).collect()
    }

    /// Checks the types of the variables that the schema knows, and lets the others be.
    ///
    /// # Errors
    /// [`Mismatch`] naming the variable.
    pub fn check_known(&self, variables: &[Variable]) -> Result<(), Mismatch> {
        for variable in variables {
            if let Some(kind) = self.kind(&variable.name) {
                check(&variable.name, kind, &variable.value)?;
            }
        }
        Ok(())
    }

    /// The names of the schema's variables.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(name, _)| *name)
    }

    /// The JSON text for a value that was typed as plain text: of the variable's type where the schema knows
    /// it, else a string.
    pub fn json(&self, name: &str, text: &str) -> String {
        match self.kind(name) {
            // What is no JSON stays text, for the check to name.
            Some(Type::Integer) if serde_json::from_str::<&RawValue>(text).is_ok() => text.to_owned(),
            Some(Type::Integer | Type::String) | None => serde_json::Value::from(text).to_string(),
        }
    }

    fn kind(&self, name: &str) -> Option<Type> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }
}

/// Every member of an object as a variable; each name once. `what` names it in errors.
///
/// # Errors
/// [`Mismatch`].
pub fn object(what: &str, config: &RawValue) -> Result<Vec<Variable>, Mismatch> {
    members(what, &Value::new(config))
}

/// The same for a value that is looked into already.
pub(super) fn members(what: &str, config: &Value<'_>) -> Result<Vec<Variable>, Mismatch> {
    let members = config.members()?.ok_or_else(|| Mismatch::NotAnObject(what.to_owned()))?;
    let mut names = BTreeSet::new();
    let variable = |(name, value): &(Option<Cow<'_, str>>, Value<'_>)| {
        let name = name.as_deref().ok_or_else(|| Mismatch::NotText(what.to_owned()))?;
        if !names.insert(name.to_owned()) {
            return Err(Mismatch::Twice(name.to_owned()));
        }
        Ok(Variable { name: name.to_owned(), value: value.raw().to_owned() })
    };
    members.iter().map(variable).collect()
}

fn check(name: &str, kind: Type, value: &RawValue) -> Result<(), Mismatch> {
    if kind.fits(value.get()) {
        return Ok(());
    }
    let found = shorten(value.get());
    Err(Mismatch::WrongType { name: name.to_owned(), expected: kind.as_str(), found })
}

//! What is wrong with a route in the settings.

use std::fmt;

/// Something about a route that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRoute {
    /// Which of its keys, as in `fetch.url`; empty for its name.
    pub key: String,
    /// What is wrong and what to do, to be read after the key's name.
    pub what: String,
}

impl fmt::Display for BadRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() { f.write_str(&self.what) } else { write!(f, "`{}` {}", self.key, self.what) }
    }
}

/// All that is wrong with one.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<BadRoute>);

impl Problems {
    pub(super) fn add(&mut self, key: impl Into<String>, what: impl Into<String>) {
        self.0.push(BadRoute { key: key.into(), what: what.into() });
    }

    /// What came out, or else what is wrong with this key.
    pub(super) fn take<T, E: fmt::Display>(&mut self, key: &str, outcome: Result<T, E>) -> Option<T> {
        outcome.map_err(|error| self.add(key, format!("cannot be used: {error}"))).ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_vec(self) -> Vec<BadRoute> {
        self.0
    }
}

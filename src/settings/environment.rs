//! The environment's variables.

use std::collections::BTreeMap;
use std::env;

use super::{Problem, Problems};
use crate::change::shorten;

/// Variables by name.
#[derive(Clone)]
pub(super) enum Environment {
    /// Those of the process.
    OfProcess,
    /// Only these.
    Given(BTreeMap<String, String>),
}

impl Default for Environment {
    fn default() -> Self {
        Self::Given(BTreeMap::new())
    }
}

impl Environment {
    pub(super) fn of<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::Given(values.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect())
    }

    /// Every name in it.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::OfProcess => env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect(),
            Self::Given(values) => values.keys().cloned().collect(),
        }
    }

    /// The value of that name; what is not UTF-8 is a problem.
    pub(super) fn get(&self, name: &str, problems: &mut Problems) -> Option<String> {
        match self {
            Self::Given(values) => values.get(name).cloned(),
            // The system has no such names, and says so by ending the program.
            Self::OfProcess if name.is_empty() || name.contains(['=', '\0']) => None,
            Self::OfProcess => match env::var(name) {
                Ok(text) => Some(text),
                Err(env::VarError::NotPresent) => None,
                Err(env::VarError::NotUnicode(_)) => {
                    problems.push(Problem::new(&shorten(name), "is not UTF-8: write it in UTF-8"));
                    None
                }
            },
        }
    }
}

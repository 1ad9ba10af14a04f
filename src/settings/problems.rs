//! What is wrong with the settings, all at once.

use std::fmt;

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(String);

impl Problem {
    pub(super) fn new(name: &str, what: &str) -> Self {
        Self(format!("{name} {what}"))
    }
}

/// Everything that is wrong with the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds something that is wrong beside the settings.
    pub fn add(&mut self, text: &str) {
        self.push(Problem(text.to_owned()));
    }

    /// What was read, or nothing: then its problems are here too, those that are not here yet.
    pub fn take<T>(&mut self, read: Result<T, Self>) -> Option<T> {
        let add = |problems: Self| problems.0.into_iter().for_each(|problem| self.push(problem));
        read.map_err(add).ok()
    }

    /// Each of them, to be read by people.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|Problem(text)| text.as_str())
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a problem, unless it is known.
    pub(super) fn push(&mut self, problem: Problem) {
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    pub(super) fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings cannot be used:")?;
        self.0.iter().try_for_each(|Problem(text)| write!(f, "\n  {text}"))
    }
}

//! The schemes by which senders sign.

use std::fmt;

use hyper::StatusCode;

use super::presets::{GITHUB, ROWS, STANDARD_WEBHOOKS};
use super::row::Row;
use crate::change::shorten;

/// How a sender signs: a row of the table of [`presets`](super::presets).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scheme(&'static Row);

impl Scheme {
    /// Standard Webhooks with symmetric keys (`v1`).
    pub const STANDARD_WEBHOOKS: Self = Self(&STANDARD_WEBHOOKS);
    /// GitHub's webhooks.
    pub const GITHUB: Self = Self(&GITHUB);

    /// Every scheme.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().copied().map(Self)
    }

    /// The scheme of that name.
    ///
    /// # Errors
    /// [`UnknownScheme`], which lists those that there are.
    pub fn parse(name: &str) -> Result<Self, UnknownScheme> {
        Self::all().find(|scheme| scheme.name() == name).ok_or_else(|| UnknownScheme { name: shorten(name) })
    }

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Whether it signs the time of sending, so that a delivery cannot be replayed later.
    pub fn signs_time(self) -> bool {
        self.0.time.is_some()
    }

    /// The status by which its senders know that a delivery was accepted.
    pub fn accepted(self) -> StatusCode {
        self.0.accepted
    }

    /// The scheme of a row, which need not be in the table.
    #[cfg(test)]
    pub(super) fn of(row: &'static Row) -> Self {
        Self(row)
    }

    pub(super) fn row(self) -> &'static Row {
        self.0
    }
}

impl fmt::Debug for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scheme({})", self.0.name)
    }
}

/// A scheme that nobody has told us about.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no scheme `{name}`: use {}", known())]
pub struct UnknownScheme {
    name: String,
}

fn known() -> String {
    let mut names: Vec<String> = ROWS.iter().map(|row| format!("`{}`", row.name)).collect();
    let last = names.pop().unwrap_or_default();
    if names.is_empty() { last } else { format!("{} or {last}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::{ROWS, Scheme};

    #[test]
    fn every_scheme_is_found_by_its_name() {
        for row in ROWS {
            assert_eq!(Scheme::parse(row.name).map(Scheme::name), Ok(row.name));
        }
    }

    #[test]
    fn an_unknown_scheme_is_told_the_known_ones() {
        let told = Scheme::parse("standart-webhooks").map_err(|error| error.to_string());
        let expected = "there is no scheme `standart-webhooks`: use `standard-webhooks` or `github`";
        assert_eq!(told, Err(expected.into()));
    }
}

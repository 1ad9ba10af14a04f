//! The schemes by which senders sign, one row each.

use std::fmt;

use crate::change::shorten;

/// How a sender signs: a row of the table below.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scheme(&'static Row);

/// What there is to know about a scheme. Every row is HMAC-SHA256 over
/// `{id}.{timestamp}.{body}` in base64, with the time in whole seconds.
#[derive(PartialEq, Eq)]
pub(super) struct Row {
    /// Its name in settings.
    pub(super) name: &'static str,
    /// The header that names the delivery (lower case, as in each row's headers).
    pub(super) id_header: &'static str,
    /// The header that says when this attempt was signed.
    pub(super) timestamp_header: &'static str,
    /// The header with the list of signatures.
    pub(super) signature_header: &'static str,
    /// What separates the signatures of the list.
    pub(super) separator: char,
    /// What marks a signature that this scheme can check; others are skipped.
    pub(super) prefix: &'static str,
    /// How far the timestamp may be from now, before or after, in seconds; the bound is allowed.
    pub(super) tolerance_s: u64,
}

/// Every scheme. The tolerance of Standard Webhooks is that of its reference libraries; the
/// specification only asks for some.
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
static ROWS: [Row; 1] = [Row {
    name: "standard-webhooks",
    id_header: "webhook-id",
    timestamp_header: "webhook-timestamp",
    signature_header: "webhook-signature",
    separator: ' ',
    prefix: "v1,",
    tolerance_s: 300,
}];

impl Scheme {
    /// Standard Webhooks with symmetric keys (`v1`).
    pub const STANDARD_WEBHOOKS: Self = Self(&ROWS[0]);

    /// The scheme of that name.
    ///
    /// # Errors
    /// [`UnknownScheme`], which lists those that there are.
    pub fn parse(name: &str) -> Result<Self, UnknownScheme> {
        ROWS.iter()
            .find(|row| row.name == name)
            .map(Self)
            .ok_or_else(|| UnknownScheme { name: shorten(name) })
    }

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        self.0.name
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
    ROWS.each_ref().map(|row| format!("`{}`", row.name)).join(" or ")
}

#[cfg(test)]
mod tests {
    use super::{ROWS, Scheme};

    #[test]
    fn every_scheme_is_found_by_its_name() {
        for row in &ROWS {
            assert_eq!(Scheme::parse(row.name).map(Scheme::name), Ok(row.name));
        }
    }

    #[test]
    fn an_unknown_scheme_is_told_the_known_ones() {
        let told = Scheme::parse("standart-webhooks").map_err(|error| error.to_string());
        assert_eq!(told, Err("there is no scheme `standart-webhooks`: use `standard-webhooks`".into()));
    }
}

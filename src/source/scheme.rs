//! The schemes by which senders sign, one row each.

use std::fmt;

use super::content::Part::{Body, Id, Literal, Timestamp};
use super::digest::Encoding;
use super::row::{KeyEncoding, Row, SignatureHeader, TimestampHeader};
use crate::change::shorten;

/// How a sender signs: a row of the table below.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scheme(&'static Row);

/// Every scheme.
static ROWS: [&Row; 2] = [&STANDARD_WEBHOOKS, &GITHUB];

/// The tolerance is that of the reference libraries; the specification only asks for some.
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
static STANDARD_WEBHOOKS: Row = Row {
    name: "standard-webhooks",
    key: KeyEncoding::Standard,
    signature: SignatureHeader {
        name: "webhook-signature",
        separator: Some(' '),
        prefix: "v1,",
        encoding: Encoding::Base64,
    },
    content: &[Id, Literal("."), Timestamp, Literal("."), Body],
    timestamp: Some(TimestampHeader { name: "webhook-timestamp", tolerance_s: 300 }),
    id_header: "webhook-id",
};

/// The id is the same when a person has GitHub send the delivery again. The `X-Hub-Signature` beside it is
/// SHA-1 for receivers of long ago.
/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>
static GITHUB: Row = Row {
    name: "github",
    key: KeyEncoding::Utf8,
    signature: SignatureHeader {
        name: "x-hub-signature-256",
        separator: None,
        prefix: "sha256=",
        encoding: Encoding::Hex,
    },
    content: &[Body],
    timestamp: None,
    id_header: "x-github-delivery",
};

impl Scheme {
    /// Standard Webhooks with symmetric keys (`v1`).
    pub const STANDARD_WEBHOOKS: Self = Self(&STANDARD_WEBHOOKS);
    /// GitHub's webhooks.
    pub const GITHUB: Self = Self(&GITHUB);

    /// Every scheme.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.into_iter().map(Self)
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
        self.0.timestamp.is_some()
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
    ROWS.map(|row| format!("`{}`", row.name)).join(" or ")
}

#[cfg(test)]
mod tests {
    use super::{Body, ROWS, Scheme, Timestamp};

    #[test]
    fn every_scheme_is_found_by_its_name() {
        for row in ROWS {
            assert_eq!(Scheme::parse(row.name).map(Scheme::name), Ok(row.name));
        }
    }

    #[test]
    fn every_scheme_signs_the_body_and_the_time_that_it_is_judged_by() {
        for row in ROWS {
            assert!(row.content.contains(&Body), "{row:?}");
            assert_eq!(row.content.contains(&Timestamp), row.timestamp.is_some(), "{row:?}");
        }
    }

    #[test]
    fn every_header_is_spelt_in_lower_case() {
        for row in ROWS {
            let timestamp = row.timestamp.as_ref().map(|header| header.name);
            for name in [row.id_header, row.signature.name].into_iter().chain(timestamp) {
                assert_eq!(name, name.to_ascii_lowercase());
            }
        }
    }

    #[test]
    fn an_unknown_scheme_is_told_the_known_ones() {
        let told = Scheme::parse("standart-webhooks").map_err(|error| error.to_string());
        let expected = "there is no scheme `standart-webhooks`: use `standard-webhooks` or `github`";
        assert_eq!(told, Err(expected.into()));
    }
}

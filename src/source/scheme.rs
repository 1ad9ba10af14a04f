//! The schemes by which senders sign.

use std::fmt;
use std::sync::Arc;

use hyper::{HeaderMap, StatusCode};

use super::algorithm::Algorithm;
use super::build;
use super::fault::Fault;
use super::presets::{ROWS, STANDARD_WEBHOOKS};
use super::row::Row;
use super::scheme_definition::SchemeDefinition;
use crate::change::shorten;

/// The longest name of a scheme, in bytes.
const NAME_MAX_BYTES: usize = 64;

/// How a sender signs. A clone costs next to nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Scheme(Arc<Row>);

impl Scheme {
    /// Every preset, in the order of their names.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.values().map(|row| Self(Arc::clone(row)))
    }

    /// [Standard Webhooks](https://www.standardwebhooks.com/), what a source is taken for that names none.
    pub fn standard_webhooks() -> Self {
        Self::parse(STANDARD_WEBHOOKS).expect("a test finds every preset by its name")
    }

    /// The preset of that name.
    ///
    /// # Errors
    /// [`UnknownScheme`], which lists those that there are.
    pub fn parse(name: &str) -> Result<Self, UnknownScheme> {
        Self::find(name, &[])
    }

    /// The scheme of that name, out of the presets and of those that somebody has defined.
    ///
    /// # Errors
    /// [`UnknownScheme`], which lists those that there are.
    pub fn find(name: &str, custom: &[Self]) -> Result<Self, UnknownScheme> {
        let preset = ROWS.get(name).map(|row| Self(Arc::clone(row)));
        preset.or_else(|| custom.iter().find(|scheme| scheme.name() == name).cloned()).ok_or_else(|| {
            let known = custom.iter().cloned().chain(Self::all()).map(|scheme| scheme.name().to_owned());
            UnknownScheme { name: shorten(name), known: known.collect() }
        })
    }

    /// A scheme of somebody's own.
    ///
    /// # Errors
    /// [`BadScheme`], with everything that is wrong with it.
    pub fn custom(name: &str, definition: &SchemeDefinition) -> Result<Self, BadScheme> {
        let bad = |faults| BadScheme { name: shorten(name), faults };
        if ROWS.contains_key(name) {
            return Err(bad(vec![BadName::Preset.to_string()]));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if !(1..=NAME_MAX_BYTES).contains(&name.len()) || !name.bytes().all(plain) {
            return Err(bad(vec![BadName::Odd.to_string()]));
        }
        let told = |faults: Vec<Fault>| bad(faults.iter().map(Fault::to_string).collect());
        build::row(name, definition).map(|row| Self(Arc::new(row))).map_err(told)
    }

    /// Its name in settings.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether it signs the time of sending, so that a delivery cannot be replayed later.
    pub fn signs_time(&self) -> bool {
        self.0.time.is_some()
    }

    /// Whether nothing is signed and the secret itself is sent: who hears it once can send anything.
    pub fn is_token(&self) -> bool {
        self.0.kinds.iter().any(|kind| kind.algorithm == Algorithm::Token)
    }

    /// Takes the token out of a request's headers, where this scheme sends one: it is our secret, and nobody behind
    /// the verification has a use for it.
    pub fn take_token_out(&self, headers: &mut HeaderMap) {
        if self.is_token() {
            self.0.signature.names.all().for_each(|name| _ = headers.remove(name));
        }
    }

    /// Whether it signs with SHA-1, which nobody should pick today.
    pub fn is_dated(&self) -> bool {
        self.0.kinds.iter().any(|kind| kind.algorithm == Algorithm::HmacSha1)
    }

    /// How long each id of its deliveries is, if they are all of one length.
    pub fn id_length(&self) -> Option<usize> {
        self.0.id.as_ref()?.length
    }

    /// The status by which its senders know that a delivery was accepted.
    pub fn accepted(&self) -> StatusCode {
        self.0.accepted
    }

    pub(super) fn row(&self) -> &Row {
        &self.0
    }
}

impl fmt::Debug for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scheme({})", self.name())
    }
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
enum BadName {
    #[error("a preset has that name: choose another one")]
    Preset,
    #[error("its name must be 1 to {NAME_MAX_BYTES} letters, digits, `-` or `_`")]
    Odd,
}

/// A definition by which nothing could be verified, or by which too much could.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("scheme `{name}` cannot be used: {}", faults.join("; "))]
pub struct BadScheme {
    name: String,
    faults: Vec<String>,
}

impl BadScheme {
    /// Each thing that is wrong with it.
    pub fn faults(&self) -> impl Iterator<Item = &str> {
        self.faults.iter().map(String::as_str)
    }
}

/// A scheme that nobody has told us about.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no scheme `{name}`: use one of `{}`", known.join("`, `"))]
pub struct UnknownScheme {
    name: String,
    known: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::{ROWS, Scheme};

    #[test]
    fn every_scheme_is_found_by_its_name() {
        for name in ROWS.keys() {
            assert_eq!(Scheme::parse(name).expect("it is a preset").name(), name);
        }
        assert_eq!(Scheme::standard_webhooks().name(), "standard-webhooks");
    }

    #[test]
    fn an_unknown_scheme_is_told_the_known_ones() {
        let told =
            Scheme::parse("standart-webhooks").map_err(|error| error.to_string()).expect_err("unknown");
        assert!(told.starts_with("there is no scheme `standart-webhooks`: use one of `"), "{told}");
        assert!(Scheme::all().all(|scheme| told.contains(&format!("`{}`", scheme.name()))), "{told}");
    }
}

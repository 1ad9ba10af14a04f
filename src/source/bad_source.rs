//! Why a source cannot be one.

use super::key::BadSecret;
use super::scheme::UnknownScheme;
use super::{NAME_MAX_BYTES, SECRETS_MAX};

/// A source that cannot be one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadSource {
    /// The name cannot stand in a path.
    #[error(
        "source name `{name}` is not valid: use 1 to {NAME_MAX_BYTES} letters, digits, `-` or `_`, \
         the first a letter or digit"
    )]
    Name {
        /// The name, shortened.
        name: String,
    },
    /// Without a secret everybody could write into flows.
    #[error("source `{name}` has no secret: give it the one that the sender signs with")]
    NoSecret {
        /// The source.
        name: String,
    },
    /// More secrets than a rotation needs.
    #[error(
        "source `{name}` has {given} secrets, and {SECRETS_MAX} are the most: remove those no longer in use"
    )]
    TooManySecrets {
        /// The source.
        name: String,
        /// How many it was given.
        given: usize,
    },
    /// The name is taken.
    #[error("source name `{name}` is ours, for changes that we make ourselves: choose another one")]
    Reserved {
        /// The name.
        name: String,
    },
    /// Its scheme is none.
    #[error("source `{name}`: {why}")]
    Scheme {
        /// The source.
        name: String,
        /// What is wrong.
        why: UnknownScheme,
    },
    /// A secret is none.
    #[error("source `{name}`, secret number {number}: {why}")]
    Secret {
        /// The source.
        name: String,
        /// Which of its secrets, from 1.
        number: usize,
        /// What is wrong.
        why: BadSecret,
    },
    /// A number is out of bounds.
    #[error("source `{name}`: `{key}` must be a number from 1 to {most}")]
    Number {
        /// The source.
        name: String,
        /// The setting.
        key: &'static str,
        /// The greatest that it may be.
        most: u64,
    },
    /// No delivery could come.
    #[error("source `{name}`: `methods` is empty: name `POST`, or how else its deliveries come")]
    NoMethod {
        /// The source.
        name: String,
    },
    /// Two sources would share one path.
    #[error("source `{name}` is there twice: rename one of them")]
    Twice {
        /// The source.
        name: String,
    },
}

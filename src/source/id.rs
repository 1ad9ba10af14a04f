//! The id of a delivery: where it is.

use std::borrow::Cow;

use super::refusal::VerifyError;
use super::request::{Incoming, Names, Outgoing};

/// Where the ids of a scheme are, and what they look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) source: IdSource,
    /// How long each of them is, in bytes, where the sender says so. What is signed right behind an id begins
    /// where the id ends, and without a length a text between them must say where that is.
    pub(super) length: Option<usize>,
}

/// Where an id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdSource {
    /// In a header of its own.
    Header(Names),
}

impl IdSource {
    /// The id as it came.
    pub(super) fn read<'a>(self, request: &Incoming<'a>) -> Result<Cow<'a, str>, VerifyError> {
        match self {
            Self::Header(names) => request.line(names).map(Cow::Borrowed),
        }
    }

    /// Puts the id where it belongs.
    pub(super) fn write(self, id: &str, request: &mut Outgoing) {
        match self {
            Self::Header(names) => request.add_line(names, id),
        }
    }
}

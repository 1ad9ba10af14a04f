//! The id of a delivery: where it is.

use std::borrow::Cow;

use super::refusal::{BadDeliveryId, VerifyError};
use super::request::{Incoming, Names, Outgoing};
use crate::json::{Pointer, find};

/// Where the ids of a scheme are, and what they look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) source: IdSource,
    /// How long each of them is, in bytes, where the sender says so. What is signed right behind an id begins
    /// where the id ends, and without a length a text between them must say where that is.
    pub(super) length: Option<usize>,
}

/// Where an id is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IdSource {
    /// In a header of its own.
    Header(Names),
    /// In the body, as a text or a number. It is read when the signature has held.
    Body(Pointer),
}

impl IdSource {
    /// The id as it came; none where there is none and none must be.
    pub(super) fn read<'a>(
        &self,
        request: &Incoming<'a>,
        must_be: bool,
    ) -> Result<Option<Cow<'a, str>>, VerifyError> {
        match self {
            Self::Header(names) if must_be || names.is_in(request.headers) => {
                request.line(names).map(|id| Some(Cow::Borrowed(id)))
            }
            Self::Header(_) => Ok(None),
            Self::Body(pointer) => {
                let Some(value) = find(request.body, pointer) else { return Ok(None) };
                let json = value.get();
                match json.as_bytes().first() {
                    Some(b'"') => serde_json::from_str(json).map(Some).map_err(|_lone_surrogate| bad_id()),
                    Some(b'-' | b'0'..=b'9') => Ok(Some(Cow::Borrowed(json))),
                    Some(b'n') => Ok(None), // null
                    _ => Err(bad_id()),
                }
            }
        }
    }

    /// Puts the id where it belongs. What is in the body is the body's business.
    pub(super) fn write(&self, id: &str, request: &mut Outgoing) {
        match self {
            Self::Header(names) => request.add_line(names, id),
            Self::Body(_) => {}
        }
    }
}

fn bad_id() -> VerifyError {
    BadDeliveryId { length: None, without: None }.into()
}

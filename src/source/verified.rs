//! A delivery that its source has signed.

use std::fmt;

use bytes::Bytes;
use hyper::HeaderMap;
use jiff::Timestamp;

use super::{OnRejected, Scheme, Source};
use crate::change::SourceName;

/// A delivery whose source and body, and whose id if its scheme signs one, are what the source signed; or, where
/// the scheme sends a token, what somebody sent who has it. Only [`Source::verify`] makes one.
pub struct Verified {
    source: SourceName,
    scheme: Scheme,
    rejected: OnRejected,
    id: String,
    headers: HeaderMap,
    body: Bytes,
    received_at: Timestamp,
}

impl Verified {
    pub(super) fn new(
        source: &Source,
        id: String,
        mut headers: HeaderMap,
        body: Bytes,
        received_at: Timestamp,
    ) -> Self {
        let (name, scheme) = (source.name.clone(), source.scheme.clone());
        if scheme.is_token() {
            // It is our secret, and nobody behind this has a use for it.
            scheme.row().signature.names.all().for_each(|name| _ = headers.remove(name));
        }
        let rejected = source.terms.rejected;
        Self { source: name, scheme, rejected, id, headers, body, received_at }
    }

    /// The source that signed it.
    pub fn source(&self) -> &SourceName {
        &self.source
    }

    /// How it was signed.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// What its sender is answered if it cannot be carried out.
    pub fn rejected(&self) -> OnRejected {
        self.rejected
    }

    /// The source's id for it: visible ASCII, at most [`DELIVERY_ID_MAX_BYTES`](super::DELIVERY_ID_MAX_BYTES). Where the source gave none
    /// it is one of ours, and new: what comes twice without an id cannot be told from two deliveries.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The headers that came with it, none of which need be signed; a token is not among them.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The bytes as they came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Whether the body is a form with JSON in it, as some sources can be told to send it.
    pub fn is_form(&self) -> bool {
        self.scheme.row().is_form(&self.body)
    }

    /// When it arrived, by our clock.
    pub fn received_at(&self) -> Timestamp {
        self.received_at
    }
}

/// Without headers and body, which may hold what is nobody's business in a log.
impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, id, body, received_at, headers: _, scheme: _, rejected: _ } = self;
        write!(f, "Verified({source}/{id}, {} bytes, at {received_at})", body.len())
    }
}

//! What a signature covers: parts of a delivery, one after the other.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// A part of the signed content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The delivery's id.
    Id,
    /// The text of the timestamp's header: never the number that was read from it.
    Timestamp,
    /// The body's raw bytes.
    Body,
    /// A text that is the same in every delivery.
    Literal(&'static str),
}

/// What one delivery has for the parts; empty where its scheme does not sign that part.
pub(super) struct Content<'a> {
    pub(super) id: &'a str,
    pub(super) timestamp: &'a str,
    pub(super) body: &'a [u8],
}

impl Content<'_> {
    /// The MAC over these parts of it.
    pub(super) fn signed(&self, parts: &[Part], mac: Hmac<Sha256>) -> Hmac<Sha256> {
        let bytes = |part: &Part| match part {
            Part::Id => self.id.as_bytes(),
            Part::Timestamp => self.timestamp.as_bytes(),
            Part::Body => self.body,
            Part::Literal(text) => text.as_bytes(),
        };
        parts.iter().map(bytes).fold(mac, |mac, bytes| mac.chain_update(bytes))
    }
}

//! A signature's digest as text.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Bytes of an HMAC-SHA256.
pub(super) const MAC_BYTES: usize = 32;

/// A digest that may be ours.
pub(super) type Digest = [u8; MAC_BYTES];

/// How a scheme writes a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// The standard alphabet, padded (RFC 4648, section 4).
    Base64,
    /// Two digits a byte. Written in lower case; read in either, as libraries do not agree on one.
    Hex,
}

impl Encoding {
    pub(super) fn encode(self, digest: &Digest) -> String {
        match self {
            Self::Base64 => BASE64_STANDARD.encode(digest),
            Self::Hex => hex::encode(digest),
        }
    }

    /// The digest, if the text is one: neither shorter nor longer, and, but for the case of hex, in the one
    /// spelling that it has.
    pub(super) fn decode(self, text: &str) -> Option<Digest> {
        match self {
            Self::Base64 => BASE64_STANDARD.decode(text).ok()?.try_into().ok(),
            Self::Hex => {
                let mut digest = [0; MAC_BYTES];
                hex::decode_to_slice(text, &mut digest).ok()?;
                Some(digest)
            }
        }
    }
}

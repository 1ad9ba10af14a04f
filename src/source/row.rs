//! The knobs by which one scheme differs from another.

use super::content::Part;
use super::digest::Encoding;

/// What there is to know about a scheme. Every one is HMAC-SHA256.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its name in settings.
    pub(super) name: &'static str,
    /// How a secret's text becomes the key.
    pub(super) key: KeyEncoding,
    /// Where the signatures are.
    pub(super) signature: SignatureHeader,
    /// What they cover.
    pub(super) content: &'static [Part],
    /// Where the time of signing is, if the scheme signs it.
    pub(super) timestamp: Option<TimestampHeader>,
    /// The header that names the delivery, in lower case. It must be there where it is signed.
    pub(super) id_header: &'static str,
}

/// How a secret's text becomes the key. Its beginning does not tell: some senders decode what follows
/// `whsec_`, others take the text as it is, `whsec_` and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyEncoding {
    /// `whsec_`, which may be left out, and base64.
    Standard,
    /// The key is the text's own bytes.
    Utf8,
}

/// The header with one signature or several.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SignatureHeader {
    /// Its name, in lower case.
    pub(super) name: &'static str,
    /// What stands between several signatures; without it there is one.
    pub(super) separator: Option<char>,
    /// What marks a signature that this scheme can check; others are skipped.
    pub(super) prefix: &'static str,
    /// How the digest after it is written.
    pub(super) encoding: Encoding,
}

/// The header that says when this attempt was signed, in whole seconds since 1970.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TimestampHeader {
    /// Its name, in lower case.
    pub(super) name: &'static str,
    /// How far it may be from now, before or after, in seconds; the bound is allowed.
    pub(super) tolerance_s: u64,
}

impl Row {
    /// Whether the signature covers the delivery's id.
    pub(super) fn signs_id(&self) -> bool {
        self.content.contains(&Part::Id)
    }

    /// The text that ends the id in the signed content. An id must not hold it: with it in the id, the same
    /// signature would hold for another id, timestamp and body.
    pub(super) fn ends_id(&self) -> Option<&'static str> {
        self.content.windows(2).find_map(|pair| match pair {
            [Part::Id, Part::Literal(text)] => Some(*text),
            _ => None,
        })
    }
}

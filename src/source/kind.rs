//! A kind of signature: which key makes it, how, and how it is written.

use super::algorithm::Algorithm;
use super::encoding::Encoding;
use super::key::KeyEncoding;

/// A kind of signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// How a secret's text becomes the key.
    pub(super) key: KeyEncoding,
    /// What the key does with the content.
    pub(super) algorithm: Algorithm,
    /// What marks such a signature in its header.
    pub(super) prefix: &'static str,
    /// How the bytes after it are written.
    pub(super) encoding: Encoding,
}

/// A signature that may be ours.
pub(super) struct Candidate {
    pub(super) kind: &'static Kind,
    pub(super) bytes: Vec<u8>,
}

impl Kind {
    /// The signature after the mark, if it can be one.
    pub(super) fn candidate(&'static self, text: &str) -> Option<Candidate> {
        let bytes = self.encoding.decode(text).filter(|bytes| self.algorithm.fits(bytes.len()))?;
        Some(Candidate { kind: self, bytes })
    }

    /// A signature as it stands in its header.
    pub(super) fn item(&self, bytes: &[u8]) -> String {
        format!("{}{}", self.prefix, self.encoding.encode(bytes))
    }
}

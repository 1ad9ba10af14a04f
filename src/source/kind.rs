//! A kind of signature: which key makes it, how, and how it is written.

use super::algorithm::Algorithm;
use super::encoding::Encoding;
use super::key::{BadSecret, KeyEncoding, PUBLIC, SYMMETRIC};

/// A kind of signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// How a secret's text becomes the key.
    pub(super) key: KeyEncoding,
    /// What the key does with the content.
    pub(super) algorithm: Algorithm,
    /// What marks such a signature in its header.
    pub(super) prefix: String,
    /// How the bytes after it are written.
    pub(super) encoding: Encoding,
}

/// A signature that may be ours.
pub(super) struct Candidate<'r> {
    pub(super) kind: &'r Kind,
    pub(super) bytes: Vec<u8>,
}

impl Kind {
    /// The key that a secret's text stands for.
    pub(super) fn key(&self, text: &str) -> Result<Vec<u8>, BadSecret> {
        let key = self.key.decode(text, self.mark())?;
        self.algorithm.check_key(&key)?;
        Ok(key)
    }

    /// What marks the keys of this kind.
    pub(super) fn mark(&self) -> &'static str {
        match self.algorithm {
            Algorithm::Ed25519 => PUBLIC,
            Algorithm::HmacSha1 | Algorithm::HmacSha256 | Algorithm::HmacSha512 | Algorithm::Token => {
                SYMMETRIC
            }
        }
    }

    /// The signature after the mark, if it can be one.
    pub(super) fn candidate(&self, text: &str) -> Option<Candidate<'_>> {
        let bytes = self.encoding.decode(text).filter(|bytes| self.algorithm.fits(bytes.len()))?;
        Some(Candidate { kind: self, bytes })
    }

    /// A signature as it stands in its header.
    pub(super) fn item(&self, bytes: &[u8]) -> String {
        format!("{}{}", self.prefix, self.encoding.encode(bytes))
    }
}

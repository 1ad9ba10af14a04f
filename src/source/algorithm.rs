//! How a key makes a signature of a content, and how one is checked.

use hmac::digest::OutputSizeUser as _;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

use super::content::Content;

/// An algorithm. A row names it; nothing that a request brings along does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RFC 2104, over SHA-256.
    HmacSha256,
}

impl Algorithm {
    /// The signature of the content under a key.
    pub(super) fn sign(self, key: &[u8], content: &Content<'_>) -> Vec<u8> {
        match self {
            Self::HmacSha256 => mac::<Hmac<Sha256>>(key, content),
        }
    }

    /// Whether so many bytes can be a signature: a shorter one would be easier to guess.
    pub(super) fn fits(self, bytes: usize) -> bool {
        match self {
            Self::HmacSha256 => bytes == Hmac::<Sha256>::output_size(),
        }
    }

    /// Whether one of the signatures is that of the content under this key. All are compared, so that the time
    /// it takes says nothing about how close one came or which one it was.
    pub(super) fn is_among<'s>(
        self,
        signatures: impl Iterator<Item = &'s [u8]>,
        key: &[u8],
        content: &Content<'_>,
    ) -> Choice {
        match self {
            Self::HmacSha256 => any_equals(signatures, &mac::<Hmac<Sha256>>(key, content)),
        }
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], content: &Content<'_>) -> Vec<u8> {
    let mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    content.pieces().fold(mac, Mac::chain_update).finalize().into_bytes().to_vec()
}

fn any_equals<'s>(signatures: impl Iterator<Item = &'s [u8]>, expected: &[u8]) -> Choice {
    signatures.fold(Choice::from(0), |equal, signature| equal | signature.ct_eq(expected))
}

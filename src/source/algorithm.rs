//! How a key makes a signature of a content, and how one is checked.

use ed25519_dalek::{PUBLIC_KEY_LENGTH, SIGNATURE_LENGTH, Signature, VerifyingKey};
use hmac::digest::OutputSizeUser;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq as _};

use super::content::Content;
use super::key::BadSecret;
use super::refusal::{CANDIDATES_MAX, ED25519_CANDIDATES_MAX};

/// An algorithm. A row names it; nothing that a request brings along does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RFC 2104, over SHA-1.
    HmacSha1,
    /// RFC 2104, over SHA-256.
    HmacSha256,
    /// RFC 2104, over SHA-512.
    HmacSha512,
    /// RFC 8032. Its key is the public one.
    Ed25519,
    /// The key itself, whatever the content.
    Token,
}

impl Algorithm {
    /// The signature of the content under a key; none where another key signs than the one that checks.
    pub(super) fn sign(self, key: &[u8], content: &Content<'_>) -> Option<Vec<u8>> {
        match self {
            Self::HmacSha1 => Some(mac::<Hmac<Sha1>>(key, content)),
            Self::HmacSha256 => Some(mac::<Hmac<Sha256>>(key, content)),
            Self::HmacSha512 => Some(mac::<Hmac<Sha512>>(key, content)),
            Self::Ed25519 => None,
            Self::Token => Some(key.to_vec()),
        }
    }

    /// Whether so many bytes can be a signature: a shorter one would be easier to guess.
    pub(super) fn fits(self, bytes: usize) -> bool {
        match self {
            Self::HmacSha1 => bytes == Hmac::<Sha1>::output_size(),
            Self::HmacSha256 => bytes == Hmac::<Sha256>::output_size(),
            Self::HmacSha512 => bytes == Hmac::<Sha512>::output_size(),
            Self::Ed25519 => bytes == SIGNATURE_LENGTH,
            Self::Token => bytes > 0,
        }
    }

    /// The most signatures that one request may carry.
    pub(super) fn candidates_max(self) -> usize {
        match self {
            Self::HmacSha1 | Self::HmacSha256 | Self::HmacSha512 | Self::Token => CANDIDATES_MAX,
            Self::Ed25519 => ED25519_CANDIDATES_MAX,
        }
    }

    /// Whether these bytes can be a key.
    pub(super) fn check_key(self, key: &[u8]) -> Result<(), BadSecret> {
        match self {
            // Anybody could sign with an empty one.
            _ if key.is_empty() => Err(BadSecret::Empty),
            Self::HmacSha1 | Self::HmacSha256 | Self::HmacSha512 => Ok(()),
            Self::Ed25519 => public_key(key).map(drop).ok_or(BadSecret::NotPublicKey),
            Self::Token if key.iter().all(|b| matches!(b, b' '..=b'~')) => Ok(()),
            Self::Token => Err(BadSecret::NotVisible),
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
            Self::HmacSha1 => any_equals(signatures, &mac::<Hmac<Sha1>>(key, content)),
            Self::HmacSha256 => any_equals(signatures, &mac::<Hmac<Sha256>>(key, content)),
            Self::HmacSha512 => any_equals(signatures, &mac::<Hmac<Sha512>>(key, content)),
            Self::Ed25519 => any_verifies(signatures, key, content),
            Self::Token => {
                // Tokens are compared by their digests, whose length says nothing about theirs.
                let digests: Vec<_> = signatures.map(Sha256::digest).collect();
                any_equals(digests.iter().map(|digest| &digest[..]), &Sha256::digest(key))
            }
        }
    }
}

fn mac<M: Mac + KeyInit + OutputSizeUser>(key: &[u8], content: &Content<'_>) -> Vec<u8> {
    let mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    content.pieces().fold(mac, Mac::chain_update).finalize().into_bytes().to_vec()
}

fn any_equals<'s>(signatures: impl Iterator<Item = &'s [u8]>, expected: &[u8]) -> Choice {
    signatures.fold(Choice::from(0), |equal, signature| equal | signature.ct_eq(expected))
}

/// Everything here is public, so that the time that it takes may say anything.
fn any_verifies<'s>(signatures: impl Iterator<Item = &'s [u8]>, key: &[u8], content: &Content<'_>) -> Choice {
    let mut signatures = signatures.filter_map(|bytes| Signature::from_slice(bytes).ok()).peekable();
    let (Some(key), Some(_)) = (public_key(key), signatures.peek()) else { return Choice::from(0) };
    let message = content.whole();
    let verifies = signatures.any(|signature| key.verify_strict(&message, &signature).is_ok());
    Choice::from(u8::from(verifies))
}

/// The key, unless it is one under which anybody could sign.
fn public_key(bytes: &[u8]) -> Option<VerifyingKey> {
    let bytes: &[u8; PUBLIC_KEY_LENGTH] = bytes.try_into().ok()?;
    VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak())
}

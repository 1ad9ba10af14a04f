//! How a secret's text becomes a key.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// What marks a symmetric secret; it is not part of the key.
const PREFIX: &str = "whsec_";
/// What marks the keys of asymmetric signatures (`v1a`).
const ASYMMETRIC_PREFIXES: [&str; 2] = ["whpk_", "whsk_"];

/// How a secret's text becomes the key. Its beginning does not tell: some senders decode what follows
/// `whsec_`, others take the text as it is, `whsec_` and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyEncoding {
    /// `whsec_`, which may be left out, and base64. White space around it is none of it.
    Standard,
    /// The key is the text's own bytes.
    Utf8,
}

impl KeyEncoding {
    /// The key, which is never empty: anybody could sign with an empty one.
    pub(super) fn decode(self, text: &str) -> Result<Vec<u8>, BadSecret> {
        let key = match self {
            Self::Standard => standard(text.trim())?,
            Self::Utf8 => utf8(text)?,
        };
        if key.is_empty() { Err(BadSecret::Empty) } else { Ok(key) }
    }
}

/// `whsec_` and base64, or base64 alone, as the reference libraries take it.
fn standard(text: &str) -> Result<Vec<u8>, BadSecret> {
    if ASYMMETRIC_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
        return Err(BadSecret::Asymmetric);
    }
    let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
    // The decoder's error quotes a byte of the secret, so it goes no further.
    let Ok(key) = BASE64_STANDARD.decode(encoded) else { return Err(BadSecret::NotBase64) };
    Ok(key)
}

/// The text as it is. White space at its edges would be part of the key, and is nearly always a slip that no
/// signature would ever match after: so a person is to say that it is not.
fn utf8(text: &str) -> Result<Vec<u8>, BadSecret> {
    if text.trim() == text { Ok(text.as_bytes().to_vec()) } else { Err(BadSecret::Edges) }
}

/// A text that is not a secret. No variant holds the text.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadSecret {
    /// Nothing, or nothing after the prefix.
    #[error("the secret is empty: give the one that the sender signs with")]
    Empty,
    /// Nobody can see whether the sender's has it too.
    #[error(
        "the secret begins or ends with white space: remove it (around commas too), \
         and at the sender if it has it there"
    )]
    Edges,
    /// It cannot be decoded.
    #[error("the secret is not base64: give it as the sender shows it (`whsec_…`), without quotes or spaces")]
    NotBase64,
    /// It belongs to `v1a`.
    #[error("the secret is a key for `v1a` signatures, which are not supported: give the `whsec_` one")]
    Asymmetric,
}

//! How a secret's text becomes a key.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

/// What marks a symmetric secret; it is not part of the key.
pub(super) const SYMMETRIC: &str = "whsec_";
/// What marks a public key of asymmetric signatures.
pub(super) const PUBLIC: &str = "whpk_";
/// What marks a private one, which no receiver needs.
const PRIVATE: &str = "whsk_";

/// How a secret's text becomes the key. Its beginning does not tell: some senders decode what follows
/// `whsec_`, others take the text as it is, `whsec_` and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum KeyEncoding {
    /// A prefix, which may be left out, and base64. White space around it is none of it.
    Standard,
    /// The key is the text's own bytes.
    Utf8,
    /// Base64 (RFC 4648, section 4). White space around it is none of it.
    Base64,
    /// Two digits a byte. White space around it is none of it.
    Hex,
}

impl KeyEncoding {
    /// The key. `mark` is the prefix of such keys, where they have one.
    pub(super) fn decode(self, text: &str, mark: &str) -> Result<Vec<u8>, BadSecret> {
        match self {
            Self::Standard => standard(text.trim(), mark),
            Self::Utf8 => utf8(text),
            Self::Base64 => base64(text.trim()),
            // Its error too would quote a part of the secret.
            Self::Hex => hex::decode(text.trim()).map_err(|_quotes_it| BadSecret::NotHex),
        }
    }
}

/// A prefix and base64, or base64 alone, as the reference libraries take it.
fn standard(text: &str, mark: &str) -> Result<Vec<u8>, BadSecret> {
    let others =
        [(SYMMETRIC, BadSecret::Symmetric), (PUBLIC, BadSecret::Asymmetric), (PRIVATE, BadSecret::Private)];
    let other = others.into_iter().find(|(other, _)| *other != mark && text.starts_with(other));
    match other {
        Some((_, bad)) => Err(bad),
        None => base64(text.strip_prefix(mark).unwrap_or(text)),
    }
}

fn base64(text: &str) -> Result<Vec<u8>, BadSecret> {
    // The decoder's error quotes a byte of the secret, so it goes no further.
    BASE64_STANDARD.decode(text).map_err(|_quotes_it| BadSecret::NotBase64)
}

/// The text as it is. White space at its edges, and what else nobody sees, would be part of the key, and is nearly
/// always a slip that no signature would ever match after: so a person is to say that it is not.
fn utf8(text: &str) -> Result<Vec<u8>, BadSecret> {
    let is_unseen = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{feff}' | '\u{200b}');
    if text.starts_with(is_unseen) || text.ends_with(is_unseen) {
        return Err(BadSecret::Edges);
    }
    Ok(text.as_bytes().to_vec())
}

/// A text that is not a secret. No variant holds the text.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadSecret {
    /// Nothing, or nothing after the prefix.
    #[error("the secret is empty: give the one that the sender signs with")]
    Empty,
    /// Nobody can see whether the sender's has it too.
    #[error(
        "the secret begins or ends with white space or a character that nobody sees: remove it (around commas too), \
         and at the sender if it has it there"
    )]
    Edges,
    /// It cannot be decoded.
    #[error("the secret is not base64: give it as the sender shows it (`whsec_…`), without quotes or spaces")]
    NotBase64,
    /// It cannot be decoded.
    #[error("the secret is not hex: give its digits as the sender shows them, two a byte")]
    NotHex,
    /// It checks asymmetric signatures, and the scheme has none.
    #[error("the secret is a public key, and this scheme signs with a shared one: give the `whsec_` one")]
    Asymmetric,
    /// It makes symmetric signatures, and the scheme has none.
    #[error(
        "the secret is a shared one, and this scheme signs with a private key: give the public one, `whpk_`"
    )]
    Symmetric,
    /// It signs, and we only check.
    #[error(
        "the secret is the sender's private key, which nobody else should have: give the public one, `whpk_`"
    )]
    Private,
    /// No point of the curve, or one under which anybody could sign.
    #[error("the secret is not an Ed25519 public key: give the 32 bytes that the sender shows (`whpk_…`)")]
    NotPublicKey,
    /// A header could not carry it.
    #[error("the secret is a token and holds what no header can: use visible ASCII characters")]
    NotVisible,
}

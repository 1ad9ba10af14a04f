//! A source's secret, in the form in which senders hand it out.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;

/// The shortest secret that the Standard Webhooks specification allows, in bytes of key.
pub const SECRET_MIN_BYTES: usize = 24;

/// What marks a symmetric secret; it is not part of the key.
const PREFIX: &str = "whsec_";
/// What marks the keys of asymmetric signatures (`v1a`).
const ASYMMETRIC_PREFIXES: [&str; 2] = ["whpk_", "whsk_"];

/// The key of a source. It is shown nowhere and erased from memory when it is dropped.
#[derive(Debug)]
pub struct Secret {
    /// Never empty: anybody could sign with an empty key.
    key: SecretSlice<u8>,
}

impl Secret {
    /// Reads a secret: `whsec_` and base64, or base64 alone, as the reference libraries take it.
    ///
    /// # Errors
    /// [`BadSecret`], which never shows what it was given.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        if ASYMMETRIC_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            return Err(BadSecret::Asymmetric);
        }
        let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
        // The decoder's error quotes a byte of the secret, so it goes no further.
        let Ok(key) = BASE64_STANDARD.decode(encoded) else { return Err(BadSecret::NotBase64) };
        if key.is_empty() { Err(BadSecret::Empty) } else { Ok(Self { key: key.into() }) }
    }

    /// What to say when it is shorter than the specification allows. It works all the same: senders
    /// hand out such secrets, and refusing them would lose their events.
    pub fn shortness(&self) -> Option<ShortSecret> {
        let bytes = self.key.expose_secret().len();
        (bytes < SECRET_MIN_BYTES).then_some(ShortSecret { bytes })
    }

    /// The MAC under this key, nothing fed to it yet.
    pub(super) fn mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(self.key.expose_secret()).expect("HMAC takes a key of any length")
    }
}

/// A text that is not a secret. No variant holds the text.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadSecret {
    /// Nothing, or nothing after the prefix.
    #[error("the secret is empty: give the one that the sender signs with")]
    Empty,
    /// It cannot be decoded.
    #[error("the secret is not base64: give it as the sender shows it (`whsec_…`), without quotes or spaces")]
    NotBase64,
    /// It belongs to `v1a`.
    #[error("the secret is a key for `v1a` signatures, which are not supported: give the `whsec_` one")]
    Asymmetric,
}

/// A secret below [`SECRET_MIN_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret is only {bytes} bytes long: have the sender make one of at least {SECRET_MIN_BYTES}")]
pub struct ShortSecret {
    bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::{BadSecret, Secret, ShortSecret};

    #[test]
    fn a_secret_is_base64_with_or_without_its_prefix() {
        let check = |text: &str, expected: Result<(), BadSecret>| {
            assert_eq!(Secret::parse(text).map(drop), expected, "`{text}`");
        };
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Ok(()));
        check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Ok(()));
        check("whsec_AA==", Ok(()));
        check("", Err(BadSecret::Empty));
        check("whsec_", Err(BadSecret::Empty));
        check("whsec_ ", Err(BadSecret::NotBase64));
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", Err(BadSecret::NotBase64));
        check("whsec_AA", Err(BadSecret::NotBase64));
        check("whsec_whsec_MfKQ", Err(BadSecret::NotBase64));
        check("correct horse battery staple", Err(BadSecret::NotBase64));
        check("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", Err(BadSecret::Asymmetric));
    }

    #[test]
    fn a_secret_below_24_bytes_is_remarked_upon() {
        let shortness = |text| Secret::parse(text).expect("a good secret").shortness();
        assert_eq!(shortness("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), None);
        assert_eq!(shortness("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaQ="), Some(ShortSecret { bytes: 23 }));
    }

    #[test]
    fn no_message_shows_the_secret() {
        for text in ["hunter2!", "whsk_hunter2", "whsec_hunter2!"] {
            let error = Secret::parse(text).expect_err("a bad secret");
            assert!(!format!("{error} {error:?}").contains("hunter"), "{error}");
        }
    }
}

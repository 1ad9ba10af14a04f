//! A source's secret, in the form in which senders hand it out.

use secrecy::{ExposeSecret as _, SecretSlice};
use subtle::Choice;

use super::content::Content;
use super::key::BadSecret;
use super::kind::{Candidate, Kind};
use super::scheme::Scheme;

/// The shortest secret that is not remarked upon, in bytes of key: the least that the Standard Webhooks
/// specification allows. Other schemes name none, and their keys are as easy to guess.
pub const SECRET_MIN_BYTES: usize = 24;

/// The key of a source. It is shown nowhere and erased from memory when it is dropped.
#[derive(Debug)]
pub struct Secret {
    /// The signatures that it makes.
    kind: Kind,
    key: SecretSlice<u8>,
}

impl Secret {
    /// Reads a secret as the senders of `scheme` do.
    ///
    /// # Errors
    /// [`BadSecret`], which never shows what it was given.
    pub fn parse(scheme: &Scheme, text: &str) -> Result<Self, BadSecret> {
        let kinds = &scheme.row().kinds;
        // Where there are several, the first is for keys without a mark.
        let marked = kinds.iter().find(|kind| text.trim().starts_with(kind.mark()));
        let kind = marked.or(kinds.first()).expect("a scheme has a kind of signatures, or it was not built");
        Ok(Self { kind: kind.clone(), key: kind.key(text)?.into() })
    }

    /// What to say when it is shorter than [`SECRET_MIN_BYTES`]. It works all the same: senders
    /// hand out such secrets, and refusing them would lose their events.
    pub fn shortness(&self) -> Option<ShortSecret> {
        let bytes = self.key.expose_secret().len();
        (bytes < SECRET_MIN_BYTES).then_some(ShortSecret { bytes })
    }

    /// Its signature of the content, as it stands in the header; none if it is a public key.
    pub(super) fn sign(&self, content: &Content<'_>) -> Option<String> {
        let signature = self.kind.algorithm.sign(self.key.expose_secret(), content)?;
        Some(self.kind.item(&signature))
    }

    /// Whether it made one of the signatures.
    pub(super) fn made_any(&self, candidates: &[Candidate<'_>], content: &Content<'_>) -> Choice {
        let of_its_kind = candidates.iter().filter(|candidate| *candidate.kind == self.kind);
        let signatures = of_its_kind.map(|candidate| candidate.bytes.as_slice());
        self.kind.algorithm.is_among(signatures, self.key.expose_secret(), content)
    }
}

/// A secret below [`SECRET_MIN_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret is only {bytes} bytes long: set one of at least {SECRET_MIN_BYTES} here and at the sender")]
pub struct ShortSecret {
    bytes: usize,
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::{BadSecret, Scheme, Secret, ShortSecret};

    fn scheme(name: &str) -> Scheme {
        Scheme::parse(name).expect("it is a preset")
    }

    #[test]
    fn a_standard_secret_is_base64_with_or_without_its_prefix() {
        let check = |text: &str, expected: Result<(), BadSecret>| {
            let secret = Secret::parse(&Scheme::standard_webhooks(), text);
            assert_eq!(secret.map(drop), expected, "`{text}`");
        };
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Ok(()));
        check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Ok(()));
        check("whsec_AA==", Ok(()));
        check("", Err(BadSecret::Empty));
        check("whsec_", Err(BadSecret::Empty));
        check(" ", Err(BadSecret::Empty));
        check("whsec_ ", Err(BadSecret::Empty));
        check(" whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", Ok(()));
        check("whsec_ MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Err(BadSecret::NotBase64));
        check("whsec_AA", Err(BadSecret::NotBase64));
        check("whsec_whsec_MfKQ", Err(BadSecret::NotBase64));
        check("correct horse battery staple", Err(BadSecret::NotBase64));
        check("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", Ok(()));
        check("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOig==", Err(BadSecret::NotPublicKey));
        check("whpk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", Err(BadSecret::NotPublicKey));
        check("whpk_", Err(BadSecret::Empty));
        check("whpk_??", Err(BadSecret::NotBase64));
        check("whsk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", Err(BadSecret::Private));
    }

    #[test]
    fn a_github_secret_is_its_own_bytes_whatever_it_begins_with() {
        let check = |text: &str, expected: Result<&[u8], BadSecret>| {
            let secret = Secret::parse(&scheme("github"), text);
            let key = secret.as_ref().map(|secret| secret.key.expose_secret()).map_err(|error| *error);
            assert_eq!(key, expected, "`{text}`");
        };
        check("It's a Secret to Everybody", Ok(b"It's a Secret to Everybody"));
        check("whsec_MfKQ", Ok(b"whsec_MfKQ"));
        check("whpk_MfKQ", Ok(b"whpk_MfKQ"));
        check("geheim, süß", Ok("geheim, süß".as_bytes()));
        check("", Err(BadSecret::Empty));
        for text in [
            " mysecret",
            "mysecret ",
            "mysecret\n",
            "\tmysecret",
            "mysecret\u{a0}",
            " ",
            "\u{feff}mysecret",
            "mysecret\u{200b}",
            "\u{1b}mysecret",
        ] {
            check(text, Err(BadSecret::Edges));
        }
    }

    #[test]
    fn a_secret_below_24_bytes_is_remarked_upon() {
        let check = |name: &str, text, expected: Option<usize>| {
            let shortness = Secret::parse(&scheme(name), text).expect("a good secret").shortness();
            assert_eq!(shortness, expected.map(|bytes| ShortSecret { bytes }), "{text}");
        };
        check("standard-webhooks", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", None);
        check("standard-webhooks", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaQ=", Some(23));
        check("github", "MfKQ9r8GKYqrTwjUPD8ILPZI", None);
        check("github", "MfKQ9r8GKYqrTwjUPD8ILPZ", Some(23));
    }

    #[test]
    fn no_message_shows_the_secret() {
        for text in ["hunter2!", "whsk_hunter2", "whsec_hunter2!"] {
            let error = Secret::parse(&Scheme::standard_webhooks(), text).expect_err("a bad secret");
            assert!(!format!("{error} {error:?}").contains("hunter"), "{error}");
        }
    }
}

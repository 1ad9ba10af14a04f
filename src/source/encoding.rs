//! A signature's bytes as text.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;

/// How a sender writes the bytes of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Encoding {
    /// The standard alphabet, padded (RFC 4648, section 4).
    Base64,
    /// The alphabet for URLs, not padded (RFC 4648, section 5).
    Base64url,
    /// Two digits a byte. Written in lower case; read in either, as libraries do not agree on one.
    Hex,
    /// The bytes themselves: a token.
    #[serde(skip)]
    Text,
}

impl Encoding {
    pub(super) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Base64 => BASE64_STANDARD.encode(bytes),
            Self::Base64url => BASE64_URL_SAFE_NO_PAD.encode(bytes),
            Self::Hex => hex::encode(bytes),
            Self::Text => String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    /// The bytes, if the text is some, in the one spelling that they have but for the case of hex.
    pub(super) fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Base64 => BASE64_STANDARD.decode(text).ok(),
            Self::Base64url => BASE64_URL_SAFE_NO_PAD.decode(text).ok(),
            Self::Hex => hex::decode(text).ok(),
            Self::Text => Some(text.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Encoding;

    #[test]
    fn the_bytes_of_a_signature_have_one_spelling_but_for_the_case_of_hex() {
        let check = |encoding: Encoding, spellings: &[&str], others: &[&str]| {
            for text in spellings {
                assert_eq!(encoding.decode(text).as_deref(), Some(&[0xfb, 0xff, 0xfe, 0x01][..]), "{text}");
            }
            for text in others {
                assert_eq!(encoding.decode(text), None, "{encoding:?}: {text}");
            }
            assert_eq!(encoding.encode(&[0xfb, 0xff, 0xfe, 0x01]), spellings[0]);
        };
        check(
            Encoding::Base64,
            &["+//+AQ=="],
            &["-__-AQ==", "+//+AQ", "+//+AQ=", "+//+AR==", "+//+ AQ==", "+//+AQ==\n", "+//+A==="],
        );
        check(
            Encoding::Base64url,
            &["-__-AQ"],
            &["+//+AQ", "-__-AQ==", "-__-AQ=", "-__-AR", "-__-A", " -__-AQ"],
        );
        check(
            Encoding::Hex,
            &["fbfffe01", "FBFFFE01", "fBfFfE01"],
            &["fbfffe0", "0xfbfffe01", "fbfffe01 ", "fbfffeg1"],
        );
    }
}

//! A scheme as settings and the table of presets write it down: the knobs by which one sender differs from another.

use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use super::encoding::Encoding;
use super::handshake::Handshake;
use super::key::KeyEncoding;

/// What stands in `[schemes.NAME]`. What it says is checked by [`Scheme::custom`](super::Scheme::custom).
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemeDefinition {
    /// What a key does with the content.
    pub(super) algorithm: AlgorithmName,
    /// How a secret's text becomes a key; without it, the text is the key.
    #[serde(default)]
    pub(super) key: Option<KeyEncoding>,
    /// The header of the signatures: its names, of which the first that is there counts.
    pub(super) header: HeaderNames,
    /// What stands between the items of that header; without it, its value is the one item.
    #[serde(default)]
    pub(super) separator: Option<char>,
    /// What an item begins with that is a signature; without it, every item is one.
    #[serde(default)]
    pub(super) prefix: Option<String>,
    /// How the bytes of a signature are written.
    #[serde(default)]
    pub(super) encoding: Option<Encoding>,
    /// What is signed, with `{id}`, `{timestamp}` and `{body}`; without it, the body.
    #[serde(default)]
    pub(super) content: Option<String>,
    /// Where the time of signing is, if there is one.
    #[serde(default)]
    pub(super) timestamp: Option<TimestampDefinition>,
    /// Where the delivery's id is, if there is one.
    #[serde(default)]
    pub(super) id: Option<IdDefinition>,
    /// What the sender asks before it delivers anything.
    #[serde(default)]
    pub(super) handshake: Handshake,
    /// What the body begins with if the sender can be set to put its JSON into a form.
    #[serde(default)]
    pub(super) form: Option<String>,
    /// Which status is success to the sender; without it 202, and 200 for tokens.
    #[serde(default)]
    pub(super) accepted: Option<Success>,
}

/// The algorithms by their names in settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AlgorithmName {
    /// RFC 2104 over SHA-1.
    HmacSha1,
    /// RFC 2104 over SHA-256.
    HmacSha256,
    /// RFC 2104 over SHA-512.
    HmacSha512,
    /// RFC 8032.
    Ed25519,
    /// Nothing is signed: the secret itself is in the header.
    Token,
    /// As Standard Webhooks have it: `whsec_` keys make `v1,` signatures (HMAC-SHA256), `whpk_` keys check
    /// `v1a,` ones (Ed25519). The key decides, never the request.
    ByKey,
}

/// Where a time of signing is: in exactly one of the three places.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimestampDefinition {
    /// A header of its own.
    #[serde(default)]
    pub(super) header: Option<HeaderNames>,
    /// The item of the signature's header that begins with this text.
    #[serde(default)]
    pub(super) item: Option<String>,
    /// The member of the body to which this JSON pointer leads.
    #[serde(default)]
    pub(super) body: Option<String>,
    /// What it counts.
    #[serde(default)]
    pub(super) unit: Unit,
}

/// What a timestamp counts since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub(super) enum Unit {
    /// Seconds.
    #[default]
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
}

/// Where an id is: in exactly one of the two places.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdDefinition {
    /// A header of its own.
    #[serde(default)]
    pub(super) header: Option<HeaderNames>,
    /// The member of the body to which this JSON pointer leads.
    #[serde(default)]
    pub(super) body: Option<String>,
    /// How long each id is, in bytes, where the sender says so.
    #[serde(default)]
    pub(super) length: Option<usize>,
}

/// Which status a sender takes as success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "u16")]
pub(super) enum Success {
    /// 200, and no other.
    Ok,
    /// 202, as any of the two hundreds.
    Accepted,
}

impl TryFrom<u16> for Success {
    type Error = String;

    fn try_from(status: u16) -> Result<Self, String> {
        match status {
            200 => Ok(Self::Ok),
            202 => Ok(Self::Accepted),
            other => Err(format!("`accepted` must be 200 or 202, not `{other}`")),
        }
    }
}

/// A header's names, one or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeaderNames(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for HeaderNames {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Vec<String>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a header's name or a list of names")
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(vec![name.to_owned()])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(names)
            }
        }
        from.deserialize_any(OneOrMore).map(Self)
    }
}

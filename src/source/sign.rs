//! Signing, for our own senders: the demo, `sign`, `send` and the tests.

use hmac::Mac as _;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;

use super::content::Content;
use super::verify::check_id;
use super::{BadDeliveryId, Scheme, Secret, Source};

impl Source {
    /// The headers that make `body` a delivery of this source, signed with its first secret.
    ///
    /// # Errors
    /// As [`Scheme::sign`].
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> Result<HeaderMap, CannotSign> {
        let secret = self.secrets.first().expect("a source has at least one secret");
        self.scheme.sign(secret, id, at, body)
    }
}

impl Scheme {
    /// The headers to send with `body` so that the delivery `id`, signed `at` that time, verifies.
    ///
    /// # Errors
    /// [`CannotSign`] when the delivery would not verify whatever its signature.
    pub fn sign(
        self,
        secret: &Secret,
        id: &str,
        at: Timestamp,
        body: &[u8],
    ) -> Result<HeaderMap, CannotSign> {
        let row = self.row();
        check_id(id, row)?;
        let timestamp = match &row.timestamp {
            Some(header) => Some((header.name, seconds(at)?)),
            None => None,
        };
        let text = timestamp.as_ref().map(|(_, text)| text.as_str()).unwrap_or_default();
        let content = Content { id, timestamp: text, body };
        let mac = content.signed(row.content, secret.mac()).finalize().into_bytes();
        let signature = format!("{}{}", row.signature.prefix, row.signature.encoding.encode(&mac.into()));

        let id = Some((row.id_header, id.to_owned()));
        let lines = [id, timestamp, Some((row.signature.name, signature))];
        let line = |(name, value): (_, String)| (HeaderName::from_static(name), header(&value));
        Ok(lines.into_iter().flatten().map(line).collect())
    }
}

fn seconds(at: Timestamp) -> Result<String, CannotSign> {
    if at.as_second() < 1 { Err(CannotSign::BeforeTime) } else { Ok(at.as_second().to_string()) }
}

fn header(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).expect("ids, numbers and digests are visible ASCII")
}

/// A delivery that nobody could verify.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CannotSign {
    /// The id is refused by every receiver that follows the scheme.
    #[error(transparent)]
    Id(#[from] BadDeliveryId),
    /// Timestamps start at 1970.
    #[error("the time to sign is before 1970: set the clock")]
    BeforeTime,
}

//! Signing, for our own senders: the demo, `sign`, `send` and the tests.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::Mac as _;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;

use super::verify::{check_id, signed};
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
        check_id(id)?;
        if at.as_second() < 1 {
            return Err(CannotSign::BeforeTime);
        }
        let row = self.row();
        let timestamp = at.as_second().to_string();
        let mac = signed(secret.mac(), id, &timestamp, body).finalize().into_bytes();
        let signature = format!("{}{}", row.prefix, BASE64_STANDARD.encode(mac));

        let lines =
            [(row.id_header, id), (row.timestamp_header, &timestamp), (row.signature_header, &signature)];
        Ok(lines.into_iter().map(|(name, value)| (HeaderName::from_static(name), header(value))).collect())
    }
}

fn header(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).expect("ids, numbers and base64 are visible ASCII")
}

/// A delivery that nobody could verify.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CannotSign {
    /// The id is refused by every receiver that follows the specification.
    #[error(transparent)]
    Id(#[from] BadDeliveryId),
    /// Timestamps start at 1970.
    #[error("the time to sign is before 1970: set the clock")]
    BeforeTime,
}

//! Signing, for our own senders: the demo, `sign`, `send` and the tests.

use hyper::HeaderMap;
use jiff::Timestamp;

use super::content::Content;
use super::id::Id;
use super::refusal::BadDeliveryId;
use super::request::Outgoing;
use super::time::Time;
use super::{Scheme, Secret, Source};

impl Source {
    /// The headers that make `body` a delivery of this source, signed with the first of its secrets that can sign.
    ///
    /// # Errors
    /// As [`Scheme::sign`].
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> Result<HeaderMap, CannotSign> {
        let refused = self.secrets.iter().map(|secret| self.scheme.sign(secret, id, at, body));
        let mut tried = refused.skip_while(|tried| matches!(tried, Err(CannotSign::PublicKey)));
        tried.next().unwrap_or(Err(CannotSign::PublicKey))
    }
}

impl Scheme {
    /// The headers to send with `body` so that the delivery `id`, signed `at` that time, verifies.
    ///
    /// # Errors
    /// [`CannotSign`] when the delivery would not verify whatever its signature.
    pub fn sign(
        &self,
        secret: &Secret,
        id: &str,
        at: Timestamp,
        body: &[u8],
    ) -> Result<HeaderMap, CannotSign> {
        let row = self.row();
        row.check_id(id)?;
        let timestamp = match &row.time {
            Some(time) => time.text(at).ok_or(CannotSign::BeforeTime)?,
            None => String::new(),
        };
        let content = Content { parts: &row.content, id, timestamp: &timestamp, body };

        let mut request = Outgoing::default();
        if let Some(Id { source, .. }) = &row.id {
            source.write(id, &mut request);
        }
        if let Some(Time { source, .. }) = &row.time {
            source.write(&timestamp, &mut request);
        }
        request.items.push(secret.sign(&content).ok_or(CannotSign::PublicKey)?);
        let mut headers = request.finish(&row.signature);
        if self.is_token() {
            // So that it is not shown with the others by mistake.
            headers.values_mut().for_each(|value| value.set_sensitive(true));
        }
        Ok(headers)
    }
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
    /// Only the sender has the key that signs.
    #[error("the secret is a public key, which signs nothing: give the source a shared one too, `whsec_`")]
    PublicKey,
}

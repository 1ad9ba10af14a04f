//! The gates before a delivery, in the order of the contract: each is cheaper than the next, and
//! only the last ones touch the body.
//!
//! A handshake that comes unsigned is the one thing that is read without having been verified: only where the
//! source's scheme has one, only a short body that its headers announce, and nothing of it is kept.

use hyper::header::{CONTENT_ENCODING, TRANSFER_ENCODING};
use hyper::{HeaderMap, Method, Request};

use super::handshake::NoDelivery;
use super::log::Line;
use super::refusal::Refusal;
use super::{Open, body};
use crate::server::Arriving;
use crate::source::{Source, Verified};

impl Open {
    /// The delivery that a request to a source is, if it is one.
    pub(super) async fn verified(
        &self,
        source: &Source,
        request: Request<Arriving>,
        line: &mut Line,
    ) -> Result<Verified, NoDelivery> {
        line.leads_to(source.name());
        let (head, body) = request.into_parts();
        if let Some(reply) = source.handshake_by_method(&head.method, &head.headers) {
            self.handshakes.admit(source.name())?;
            return Err(NoDelivery::Handshake(reply));
        }
        let terms = source.terms();
        if !terms.takes(&head.method) {
            return Err(Refusal::Method { allowed: terms.allow() }.into());
        }
        if is_encoded(&head.headers) {
            return Err(Refusal::Encoded.into());
        }
        // What a GET's body means, nobody has ever said.
        let limit = if head.method == Method::GET { 0 } else { terms.body_bytes };
        let body = body::read(body, limit, &self.receiver.settings, &self.pieces).await?;
        if source.may_be_handshake(&head.headers)
            && let Some(reply) = source.unsigned_handshake(&body)
        {
            self.handshakes.admit(source.name())?;
            return Err(NoDelivery::Handshake(reply));
        }
        let now = self.receiver.clock.now();
        let verified = source.verify(head.headers, body, now).map_err(Refusal::Unverified)?;
        line.verified_as(verified.id());
        match source.signed_handshake(&verified) {
            Some(reply) => Err(NoDelivery::Handshake(reply)),
            None => Ok(verified),
        }
    }
}

/// Whether the body went through a coding other than being cut into chunks. Signatures cover the bytes before it,
/// and to undo it would mean to unpack what nobody has verified.
fn is_encoded(headers: &HeaderMap) -> bool {
    let only = |name, known: &[u8]| {
        let mut codings = headers.get_all(name).iter();
        codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(known))
    };
    !only(CONTENT_ENCODING, b"identity") || !only(TRANSFER_ENCODING, b"chunked")
}

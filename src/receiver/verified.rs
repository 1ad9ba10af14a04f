//! The gates before a delivery, in the order of the contract: each is cheaper than the next, and
//! only the last ones touch the body.
//!
//! A handshake that comes unsigned is the one thing that is read without having been verified: only where the
//! source's scheme has one, only a short body that its headers announce, and nothing of it is kept.

use axum::RequestExt as _;
use axum::extract::{FromRequest, Path, Request};
use hyper::header::{CONTENT_ENCODING, TRANSFER_ENCODING};
use hyper::{HeaderMap, Method};

use super::at_arrival::AtArrival;
use super::handshake::NoDelivery;
use super::log::Trail;
use super::refusal::{Refusal, Unavailable};
use super::{Shared, body};
use crate::source::Verified;

impl FromRequest<Shared> for Verified {
    type Rejection = NoDelivery;

    async fn from_request(mut request: Request, Shared(open): &Shared) -> Result<Self, NoDelivery> {
        let receiver = &open.receiver;
        if receiver.shutting_down.is_cancelled() {
            return Err(Refusal::unavailable(Unavailable::ShuttingDown).into());
        }
        let path: Result<Path<String>, _> = request.extract_parts().await;
        let AtArrival(intake) = AtArrival::of(request.extensions_mut(), receiver);
        let source = path.ok().and_then(|Path(name)| intake.sources.find(&name));
        let source = source.ok_or(Refusal::NoSuchSource)?;
        let trail = Trail::of(&request);
        trail.leads_to(source.name());

        let (head, body) = request.into_parts();
        if let Some(reply) = source.handshake_by_method(&head.method, &head.headers) {
            open.handshakes.admit(source.name())?;
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
        let body = body::read(body, limit, &receiver.settings, &open.pieces).await?;
        if source.may_be_handshake(&head.headers)
            && let Some(reply) = source.unsigned_handshake(&body)
        {
            open.handshakes.admit(source.name())?;
            return Err(NoDelivery::Handshake(reply));
        }
        let verified =
            source.verify(head.headers, body, receiver.clock.now()).map_err(Refusal::Unverified)?;
        trail.verified_as(verified.id());
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

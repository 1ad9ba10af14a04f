//! The gates before a delivery, in the order of the contract: each is cheaper than the next, and
//! only the last two touch the body.

use axum::RequestExt as _;
use axum::extract::{FromRequest, Path, Request};
use hyper::header::{CONTENT_ENCODING, TRANSFER_ENCODING};
use hyper::{HeaderMap, Method};

use super::log::Trail;
use super::refusal::{Refusal, Unavailable};
use super::{Shared, body};
use crate::source::Verified;

impl FromRequest<Shared> for Verified {
    type Rejection = Refusal;

    async fn from_request(mut request: Request, Shared(open): &Shared) -> Result<Self, Refusal> {
        let receiver = &open.receiver;
        if receiver.shutting_down.is_cancelled() {
            return Err(Refusal::unavailable(Unavailable::ShuttingDown));
        }
        let path: Result<Path<String>, _> = request.extract_parts().await;
        let sources = receiver.sources.get();
        let source = path.ok().and_then(|Path(name)| sources.find(&name));
        let source = source.ok_or(Refusal::NoSuchSource)?;
        let trail = Trail::of(&request);
        trail.leads_to(source.name());

        let (head, body) = request.into_parts();
        if head.method != Method::POST {
            return Err(Refusal::NotPost);
        }
        if is_encoded(&head.headers) {
            return Err(Refusal::Encoded);
        }
        let body = body::read(body, &receiver.settings, &open.pieces).await?;
        let verified =
            source.verify(&head.headers, body, receiver.clock.now()).map_err(Refusal::Unverified)?;
        trail.verified_as(verified.id());
        Ok(verified)
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

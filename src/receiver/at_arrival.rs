//! The settings as they were when a request came, for all who look at it.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;

use super::{Intake, Receiver, Shared};

/// The intake that a request found. The first who asks fixes it.
#[derive(Clone)]
pub(super) struct AtArrival(pub(super) Arc<Intake>);

impl AtArrival {
    pub(super) fn of(of_request: &mut Extensions, receiver: &Receiver) -> Self {
        of_request.get_or_insert_with(|| Self(receiver.intake.get())).clone()
    }
}

impl FromRequestParts<Shared> for AtArrival {
    type Rejection = Infallible;

    async fn from_request_parts(request: &mut Parts, Shared(open): &Shared) -> Result<Self, Infallible> {
        Ok(Self::of(&mut request.extensions, &open.receiver))
    }
}

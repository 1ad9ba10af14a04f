//! One line for each request, written when its answer is known.
//!
//! Fields: `source.name` once the source is known, `delivery.id` once it is verified (before that,
//! it is anybody's word), `http.status`, `http.path` without its query, `http.took_us`, `client.address`, and
//! `refusal.reason` for what was refused. Never a header or a body.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

use crate::change::{SourceName, shorten};
use crate::server::Peer;

/// What becomes known of a request on its way in: an extension of the request.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    source: OnceLock<SourceName>,
    delivery: OnceLock<String>,
}

impl Trail {
    /// The trail of `request`; one that nobody follows, if it came past the log.
    pub(super) fn of(request: &Request) -> Self {
        request.extensions().get().cloned().unwrap_or_default()
    }

    pub(super) fn leads_to(&self, source: &SourceName) {
        self.0.source.get_or_init(|| Arc::clone(source));
    }

    pub(super) fn verified_as(&self, id: &str) {
        self.0.delivery.get_or_init(|| shorten(id));
    }
}

/// What there is to say of an answer: an extension of the response.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) sentence: &'static str,
    pub(super) reason: Option<String>,
}

/// Lets the request pass and logs what became of it.
pub(super) async fn each_request(mut request: Request, next: Next) -> Response {
    let trail = Trail::default();
    request.extensions_mut().insert(trail.clone());
    let peer = request.extensions().get().map(|Peer(addr)| tracing::field::display(*addr));
    let path = shorten(request.uri().path());
    let begun = Instant::now();

    let response = next.run(request).await;

    let source = trail.0.source.get().map(AsRef::as_ref);
    let delivery = trail.0.delivery.get().map(String::as_str);
    let status = response.status().as_u16();
    let took_us = begun.elapsed().as_micros();
    match response.extensions().get::<Told>() {
        Some(Told { sentence, reason: Some(reason) }) => tracing::warn!(
            source.name = source,
            delivery.id = delivery,
            http.status = status,
            refusal.reason = reason,
            http.path = path,
            http.took_us = took_us,
            client.address = peer,
            "{sentence}"
        ),
        told => tracing::info!(
            source.name = source,
            delivery.id = delivery,
            http.status = status,
            http.path = path,
            http.took_us = took_us,
            client.address = peer,
            "{}",
            told.map_or("the request was answered", |told| told.sentence)
        ),
    }
    response
}

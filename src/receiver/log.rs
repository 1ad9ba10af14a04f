//! One line for each request, written when its answer is known.
//!
//! Fields: `source.name` once the source is known, `delivery.id` once it is verified (before that,
//! it is anybody's word), `http.status`, `http.path` without its query, `http.took_us`, `client.address`, and
//! `refusal.reason` for what was refused. Never a header or a body.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::response::Response;
use hyper::Uri;
use tracing::Level;

use crate::change::{SourceName, shorten};

/// A line as it takes shape.
#[derive(Debug)]
pub(super) struct Line {
    begun: Instant,
    peer: SocketAddr,
    uri: Uri,
    source: Option<SourceName>,
    delivery: Option<String>,
}

/// An answer, and what there is to say of it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) response: Response,
    pub(super) sentence: &'static str,
    /// What is wrong with the request, if anything is.
    pub(super) reason: Option<String>,
}

impl Line {
    /// The line of a request that this peer has sent there.
    pub(super) fn of(uri: Uri, peer: SocketAddr) -> Self {
        Self { begun: Instant::now(), peer, uri, source: None, delivery: None }
    }

    /// The request is for this source.
    pub(super) fn leads_to(&mut self, source: &SourceName) {
        self.source = Some(Arc::clone(source));
    }

    /// It is a delivery, and this is its id.
    pub(super) fn verified_as(&mut self, id: &str) {
        self.delivery = Some(shorten(id));
    }

    /// Writes it.
    pub(super) fn end(self, told: impl Into<Told>) -> Response {
        let Told { response, sentence, reason } = told.into();
        let source = self.source.as_deref();
        let delivery = self.delivery;
        let status = response.status().as_u16();
        let path = shorten(self.uri.path());
        let took_us = self.begun.elapsed().as_micros();
        let peer = tracing::field::display(self.peer);
        // Each level needs a place of its own to log from.
        macro_rules! write_at {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    source.name = source,
                    delivery.id = delivery,
                    http.status = status,
                    refusal.reason = reason,
                    http.path = path,
                    http.took_us = took_us,
                    client.address = peer,
                    "{sentence}"
                )
            };
        }
        if reason.is_some() {
            write_at!(Level::WARN);
        } else {
            write_at!(Level::INFO);
        }
        response
    }
}

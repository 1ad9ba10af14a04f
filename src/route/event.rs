//! A verified delivery as routes see it, and what they say of it.

use std::sync::Arc;

use hyper::HeaderMap;
use jiff::Timestamp;

use crate::change::NewChange;

/// A verified delivery, as far as routes look at it.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The name of the source that sent it.
    pub source: &'a str,
    /// The headers of the request: not signed.
    pub headers: &'a HeaderMap,
    /// The body as it came.
    pub body: &'a [u8],
    /// When it arrived.
    pub at: Timestamp,
}

/// What the routes say of a verified delivery.
#[derive(Debug)]
pub enum Judgement {
    /// These changes follow from it.
    Changes(Vec<NewChange>),
    /// No route wants it.
    Ignored,
    /// It is not JSON.
    NotJson(String),
    /// A route wants it and cannot carry it out.
    Refused(String),
}

/// What one route says of a delivery.
#[derive(Debug)]
pub struct Explained {
    /// The route's name.
    pub route: Arc<str>,
    /// What it says.
    pub verdict: Verdict,
}

/// What a route says of a delivery, for a person to read.
#[derive(Debug)]
pub enum Verdict {
    /// It does not want it, and why.
    Unwanted(String),
    /// It wants it and cannot carry it out, and why.
    Refused(String),
    /// These changes follow from it.
    Changes(Vec<NewChange>),
}

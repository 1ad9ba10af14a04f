//! Why a route cannot carry an event out.

use jiff::Timestamp;

use super::schema::Mismatch;
use crate::change::{BadId, FlowId, NodeId};
use crate::json::Unclear;

/// Why a route that wants an event cannot carry it out, for the sender to read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Unclear(#[from] Unclear),
    #[error(transparent)]
    Variables(#[from] Mismatch),
    #[error(transparent)]
    BadId(#[from] BadId),
    #[error("`{0}` must be {1}")]
    WrongType(&'static str, &'static str),
    #[error("the event names no `{0}` and no default is set: add it to the event or set {1}")]
    Missing(&'static str, &'static str),
    #[error("the event has no `data.config`, and EXTERNAL_API_URL, where it could be fetched, is not set")]
    NothingToFetch,
    #[error("flow `{0}` is not among the {1}")]
    NotAllowed(FlowId, &'static str),
    #[error("`timestamp` must be an RFC 3339 time, not `{0}`")]
    NotATime(String),
    #[error("{0} `{1}` is more than 300 s ahead: check the sender's clock")]
    AheadOfTime(String, Timestamp),
    #[error(
        "node id `{0}` cannot stand in the URL that is fetched, where dots lead elsewhere: rename the node"
    )]
    Dots(NodeId),
    #[error("{0} must be a string, the id of a {1}")]
    NoId(String, &'static str),
    #[error("the event names no {what}: nothing is at {place}, and the route has no default")]
    Unnamed { what: &'static str, place: String },
    #[error("the event lacks {0}, by which its route orders events")]
    NoOrderKey(String),
    #[error("{place} must be {expected}, not `{found}`")]
    BadOrderKey { place: String, expected: &'static str, found: String },
    /// Of an array of events, counted from one.
    #[error("element {0}: {1}")]
    Element(usize, Box<Refusal>),
    #[error("more than {0} {1} in one event: send it in parts")]
    TooMany(usize, &'static str),
}

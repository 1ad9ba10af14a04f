//! What the columns of a row hold: read back, and refused if we never write it.

use jiff::Timestamp;

use super::{JournalError, Target};
use crate::change::{FlowId, NodeId, OrderKey, shorten};

type Result<T> = std::result::Result<T, JournalError>;

pub(super) fn flow_id(text: &str) -> Result<FlowId> {
    FlowId::parse(text).map_err(|_bad| JournalError::corrupt(text, "a flow id"))
}

pub(super) fn time(ms: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(ms)
        .map_err(|_range| JournalError::corrupt(ms.to_string(), "a time in milliseconds"))
}

pub(super) fn key(text: Option<&str>) -> Result<Option<OrderKey>> {
    let parse = |text: &str| text.parse().map_err(|_bad| JournalError::corrupt(text, "an order key"));
    text.map(parse).transpose()
}

pub(super) fn json<T: serde::de::DeserializeOwned>(text: &str, expected: &'static str) -> Result<T> {
    serde_json::from_str(text).map_err(|_bad| JournalError::corrupt(shorten(text), expected))
}

pub(super) fn node_id(text: &str) -> Result<NodeId> {
    NodeId::parse(text).map_err(|_bad| JournalError::corrupt(text, "a node id"))
}

pub(super) fn target(text: &str) -> Result<Target> {
    Target::decode(text).ok_or_else(|| JournalError::corrupt(text, "a mark's target"))
}

//! The native event that the benchmarks send.

use std::fmt::Display;

/// How long a usual event is, in bytes.
pub(crate) const USUAL_BYTES: usize = 477;

/// An event so many bytes long, which sets a node's three variables; `max_wait_time_seconds` to this value.
pub(crate) fn event(at: impl Display, flow: &str, node: &str, value: usize, bytes: usize) -> String {
    let head = format!(
        r#"{{"type":"config.updated","timestamp":"{at}","data":{{"flow_id":"{flow}","node_id":"{node}","config":{{"routing_priority":"high","queue_target":"vip","max_wait_time_seconds":{value}}}}},"note":""#,
    );
    let note = "x".repeat(bytes.saturating_sub(head.len() + 2));
    format!("{head}{note}\"}}")
}

//! Deliveries as the receiver hands them on.

use std::sync::Arc;

use bytes::Bytes;
use flowhook::change::{Delivery, FlowId, Mode, NewChange, NodeId, Values, Variable, Verdict};
use jiff::Timestamp;

/// The time of day in these tests.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_780_000_000).expect("a time of our age")
}

pub(crate) fn flow(id: &str) -> FlowId {
    FlowId::parse(id).expect("a flow id")
}

/// A change of the flow's node `n` that sets `a` to 1.
pub(crate) fn change_of(flow_id: &str) -> NewChange {
    change(flow_id, "n", &[("a", "1")])
}

/// A change that sets variables to JSON values.
pub(crate) fn change(flow_id: &str, node: &str, variables: &[(&str, &str)]) -> NewChange {
    let variable = |(name, json): &(&str, &str)| Variable::new(*name, json).expect("JSON");
    NewChange {
        route: Arc::from("default"),
        flow: flow(flow_id),
        node: NodeId::parse(node).expect("a node id"),
        mode: Mode::Merge,
        values: Values::Known(variables.iter().map(variable).collect()),
        order_key: None,
    }
}

/// A delivery of the source `config`.
pub(crate) fn delivery(id: &str, changes: &[NewChange]) -> Delivery {
    let verdict = Verdict::Changes(changes.to_vec());
    Delivery { source: Arc::from("config"), id: id.to_owned(), received_at: now(), verdict }
}

/// A delivery that its route has rejected.
pub(crate) fn rejected(id: &str, reason: &str, body: impl Into<Bytes>) -> Delivery {
    let verdict = Verdict::Rejected { reason: reason.to_owned(), body: body.into() };
    Delivery { verdict, ..delivery(id, &[]) }
}

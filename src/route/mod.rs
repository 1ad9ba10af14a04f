//! Routes: what a verified delivery means.
//!
//! The route `default` wants the native event:
//!
//! ```json
//! {"type": "config.updated", "timestamp": "2026-11-22T06:00:00Z",
//!  "data": {"flow_id": "…", "node_id": "…",
//!           "config": {"routing_priority": "high", "queue_target": "vip", "max_wait_time_seconds": 30}}}
//! ```
//!
//! `timestamp` is optional and orders the changes; `flow_id` and `node_id` fall back to the settings. An
//! event without `data.config` is *thin*: its variables are fetched from a URL in the settings, never from
//! one in the payload.
//!
//! The route `push` wants what a git host says of a push to the default branch. It has no `type`, and names
//! no flow, node or variable: so the settings must name flow and node, and the variables are fetched. All
//! that the URL may take from it is the commit. The time of the push orders the changes where the host says
//! it, so that an old push that comes again, or late, changes nothing.

mod address;
mod condition;
mod definition;
mod event;
mod fetching;
mod judging;
mod kind;
mod mapping;
mod native;
mod order;
mod place;
mod pointer;
mod problem;
mod push;
mod reconciled;
mod refusal;
mod revision;
mod route;
mod routes;
mod schema;
mod template;
mod value;

pub use definition::{
    ConditionDefinition, Constant, Definition, FetchDefinition, IdDefinition, OnDrift, OneOrMany,
    OrderDefinition, OrderKind, ReconcileDefinition, TextOr, VariableDefinition,
};
pub use event::{Event, Explained, Judgement, Verdict};
pub use fetching::Fetching;
pub use kind::Type;
pub use native::Native;
pub use problem::BadRoute;
pub use reconciled::{RECONCILE_EVERY, Reconciled};
pub use revision::Revision;
pub use route::Route;
pub use routes::{Routes, Settings};
pub use schema::{Mismatch, SCHEMA, Schema, object};
pub use template::{Template, fill, unknown_placeholder};

#[cfg(test)]
mod tests;

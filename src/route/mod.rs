//! Routes: what a verified delivery means.
//!
//! Settings describe routes, and each says of an event whether it wants it, which flows and nodes it changes, and
//! where the values are:
//!
//! ```toml
//! [routes.max-wait]
//! source = "flags"
//! when = [{ at = "/kind", is = "flag" }]
//! flow = { at = "/data/flow_id", default = "a1b2c3d4" }
//! node = "node_set_vars"
//! order_by = { at = "/date", as = "milliseconds" }
//! variables.max_wait_time_seconds = { at = "/data/wait", type = "integer", default = 30 }
//! ```
//!
//! Several routes may want one delivery: the changes of all of them are taken, or none. A route that *fetches*
//! makes thin changes: its values come from a URL in the settings, never from one in the payload, and are read out
//! of the answer by the same pointers. Such a route can be reconciled, since it can be asked at any time.
//!
//! # The built-in routes
//!
//! A source that no described route names has these. The route `default` wants the native event:
//!
//! ```json
//! {"type": "config.updated", "timestamp": "2026-11-22T06:00:00Z",
//!  "data": {"flow_id": "…", "node_id": "…",
//!           "config": {"routing_priority": "high", "queue_target": "vip", "max_wait_time_seconds": 30}}}
//! ```
//!
//! `timestamp` is optional and orders the changes; `flow_id` and `node_id` fall back to the settings. An
//! event without `data.config` is thin.
//!
//! The route `push` wants what a git host says of a push to the default branch. It has no `type`, and names
//! no flow, node or variable: so the settings must name flow and node, and the variables are fetched. All
//! that the URL may take from it is the commit. The time of the push orders the changes where the host says
//! it, so that an old push that comes again, or late, changes nothing.
//!
//! # How an event is read
//!
//! Its text stays the truth, as a flow's does: a [value](crate::json) notes the parts of an object or an array where somebody
//! looks into it, once for all routes, and hands them on as they are spelt. What could be meant twice on the way is
//! refused. Nothing recurses over the text.
//!
//! # The files, in reading order
//!
//! | file | holds |
//! |---|---|
//! | `routes`, `event` | the face: all routes, a delivery, what is said of it |
//! | `native`, `push`, `schema`, `revision` | the built-in routes |
//! | `definition`, `problem` | what settings say of a route, and what can be wrong with it |
//! | `described`, `judging`, `refusal` | a described route, and what it makes of an event |
//! | `condition`, `address`, `order`, `mapping`, `kind` | its parts: when, which flow and node, in which order, what |
//! | `fetching`, `template`, `reconciled` | values that are fetched |
//! | `place`, `pointer`, `value` | where something is, and what is there |

mod address;
mod condition;
mod definition;
mod described;
mod event;
mod fetching;
mod judging;
mod kind;
mod mapping;
mod native;
mod order;
mod place;
mod problem;
mod push;
mod reconciled;
mod refusal;
mod revision;
mod routes;
mod schema;
mod template;

pub use definition::{
    ConditionDefinition, Constant, Definition, FetchDefinition, IdDefinition, OnDrift, OneOrMany,
    OrderDefinition, OrderKind, ReconcileDefinition, TextOr, VariableDefinition,
};
pub use described::Route;
pub use event::{Event, Explained, Judgement, Verdict};
pub use fetching::Fetching;
pub use kind::Type;
pub use native::Native;
pub use problem::BadRoute;
pub use reconciled::{RECONCILE_EVERY, Reconciled};
pub use revision::Revision;
pub use routes::{Routes, Settings};
pub use schema::{Mismatch, SCHEMA, Schema, object};
pub use template::{Template, fill, unknown_placeholder};

//! Routes whose values can be fetched at any time, not just when an event comes.

use std::sync::Arc;
use std::time::Duration;

use super::definition::{OnDrift, ReconcileDefinition};
use super::problem::Problems;
use super::{Fetching, Revision, Template};
use crate::change::{FlowId, Mode, NodeId};

/// How often a route is reconciled unless settings say otherwise.
pub const RECONCILE_EVERY: Duration = Duration::from_secs(300);
/// The longest that settings may say: a day.
const EVERY_AT_MOST_S: u64 = 86_400;

/// A route that is reconciled: what is fetched for its targets is compared with the flows now and then.
#[derive(Clone, Debug)]
pub struct Reconciled {
    /// The route's name.
    pub route: Arc<str>,
    /// A route beside it that fetches the same, so that what was taken by that one was taken by this one too.
    pub twin: Option<Arc<str>>,
    /// The flows and nodes that the settings name.
    pub targets: Vec<(FlowId, NodeId)>,
    /// What its changes do.
    pub mode: Mode,
    /// Where the values are fetched.
    pub url: Template,
    /// How, and what is read out of the answer.
    pub fetching: Fetching,
    /// The longest wait between two passes.
    pub every: Duration,
    /// What to do where the flow alone differs.
    pub on_drift: OnDrift,
}

impl Reconciled {
    /// Where the values of a target are fetched: as they are now, so that a commit in it is the newest.
    pub fn url(&self, flow: &FlowId, node: &NodeId) -> String {
        self.url.fill(flow, node, &Revision::HEAD)
    }
}

/// How often, nothing for never, and what to do then.
pub(super) fn schedule(
    definition: Option<ReconcileDefinition>,
    problems: &mut Problems,
) -> (Option<Duration>, OnDrift) {
    let ReconcileDefinition { every_seconds, on_drift } = definition.unwrap_or_default();
    if every_seconds.is_some_and(|seconds| seconds > EVERY_AT_MOST_S) {
        problems.add("reconcile.every_seconds", format!("must be at most {EVERY_AT_MOST_S}; 0 turns it off"));
    }
    let every = every_seconds.map_or(RECONCILE_EVERY, Duration::from_secs);
    ((!every.is_zero()).then_some(every), on_drift.unwrap_or_default())
}

//! One pass: over what a route's source says, over the flows that it fills, or over all others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::look::{Busy, Comparison, Look};
use super::places::{At, Known, Page, page};
use super::source::{Asked, Bringing, Brought};
use super::{Progress, Reconciler};
use crate::change::{FlowId, NodeId};
use crate::journal::{JournalError, Read};
use crate::route::{OnDrift, Reconciled, Routes};

/// How many places a pass asks a source for.
const PLACES_AT_MOST: usize = 1000;
/// How many places, or flows, a pass looks at.
const LOOKS_AT_MOST: usize = 100;
/// After so long it looks at nothing more, and the next one goes on behind it.
const LOOKING_AT_MOST: Duration = Duration::from_secs(10);
/// How often a pass comes to flows that are being worked on, and after which wait again.
const ROUNDS: usize = 3;
const ROUND_AGAIN: Duration = Duration::from_secs(1);
/// How many looks are remembered; with more all are forgotten, and some flows may be looked at twice.
const LOOKS_REMEMBERED: usize = 10_000;

/// The nodes of a flow that a route fills.
type Nodes = BTreeMap<NodeId, Known>;

impl<R: Read> Reconciler<R> {
    /// Asks the source of a route, and has written what it has moved.
    pub(super) async fn ask(&mut self, routes: &Routes, route: &Reconciled) -> Result<(), JournalError> {
        let after = self.progress(route).ask_after.clone();
        let reader = &self.asker.looker.reader;
        let Page { places, mut next } = page(reader, routes, route, after.as_ref(), PLACES_AT_MOST).await?;
        let asked_for: BTreeSet<At> = places.into_keys().collect();
        let mut places = asked_for.clone();
        let (mut failure, mut left) = (None, BTreeMap::new());
        let mut bringing = Bringing::Together;
        for round in 1..=ROUNDS {
            let known = page(reader, routes, route, after.as_ref(), PLACES_AT_MOST);
            let Asked { busy, failure: found, stopped_at } =
                self.asker.ask(route, places, known, bringing).await?;
            failure = failure.or(found);
            next = stopped_at.or(next);
            left = busy;
            if left.is_empty() || round == ROUNDS {
                break;
            }
            bringing = Bringing::Alone;
            tokio::time::sleep(ROUND_AGAIN).await;
            places = left.keys().cloned().collect();
        }
        let progress = self.progress(route);
        progress.ask_after = next;
        tell_of_overdue(route, &progress.overdue.count(&asked_for, &left));
        self.failing.note(&route.route, failure);
        Ok(())
    }

    /// Looks at the flows that a route fills, and puts back what differs where the route wants that.
    pub(super) async fn look_at_places(
        &mut self,
        routes: &Routes,
        route: &Reconciled,
    ) -> Result<(), JournalError> {
        let after = self.progress(route).look_after.clone();
        let reader = &self.asker.looker.reader;
        let Page { places, next } = page(reader, routes, route, after.as_ref(), LOOKS_AT_MOST).await?;
        let mut flows: BTreeMap<FlowId, Nodes> = BTreeMap::new();
        for ((flow, node), known) in places {
            flows.entry(flow).or_default().insert(node, known);
        }
        let begun = Instant::now();
        for (flow, nodes) in flows {
            if begun.elapsed() >= LOOKING_AT_MOST {
                return Ok(());
            }
            let last = nodes.keys().next_back().map(|node| (flow.clone(), node.clone()));
            match self.look(&flow).await? {
                Look::Seen(comparison) => self.repair(route, &flow, &nodes, comparison).await?,
                Look::Left(why) => tracing::debug!(flow.id = %flow, reconcile.reason = why, "not looked at"),
                Look::Closed(why) => {
                    tracing::debug!(reconcile.reason = why, "no more flows are looked at in this pass");
                    return Ok(());
                }
            }
            self.progress(route).look_after = last;
        }
        self.progress(route).look_after = next;
        Ok(())
    }

    /// Looks at flows that something was applied to, but for those that were looked at just now.
    pub(super) async fn look_at_flows(&mut self, every: Duration) -> Result<(), JournalError> {
        let reader = &self.asker.looker.reader;
        let flows = reader.marked_flows(self.flows_after.as_ref(), LOOKS_AT_MOST).await?;
        let is_last = flows.len() < LOOKS_AT_MOST;
        let begun = Instant::now();
        for flow in flows {
            if begun.elapsed() >= LOOKING_AT_MOST {
                return Ok(());
            }
            let is_fresh = self.looked.get(&flow).is_some_and(|at| at.elapsed() < every / 2);
            if !is_fresh && let Look::Closed(why) = self.look(&flow).await? {
                tracing::debug!(reconcile.reason = why, "no more flows are looked at in this pass");
                return Ok(());
            }
            self.flows_after = Some(flow);
        }
        if is_last {
            self.flows_after = None;
        }
        Ok(())
    }

    async fn look(&mut self, flow: &FlowId) -> Result<Look, JournalError> {
        let look = self.asker.looker.look(flow).await?;
        if matches!(look, Look::Seen(_)) {
            if self.looked.len() >= LOOKS_REMEMBERED {
                self.looked.clear();
            }
            self.looked.insert(flow.clone(), Instant::now());
        }
        Ok(look)
    }

    fn progress(&mut self, route: &Reconciled) -> &mut Progress {
        self.progress.entry(Arc::clone(&route.route)).or_default()
    }

    async fn repair(
        &mut self,
        route: &Reconciled,
        flow: &FlowId,
        nodes: &Nodes,
        found: Comparison,
    ) -> Result<(), JournalError> {
        if route.on_drift != OnDrift::Repair {
            return Ok(());
        }
        let Comparison { mut drift, nodes: mut works, .. } = found;
        // What is put back would go over the values that are waited for, whoever does.
        works.retain(|_, work| work.thin.is_empty());
        drift.retain(|drift| works.contains_key(&drift.node));
        // As they were at the look: what has moved them since makes stale what is brought.
        let mut marks = BTreeMap::new();
        for node in nodes.keys().filter(|node| drift.iter().any(|drift| drift.node == **node)) {
            marks.insert(node.clone(), self.asker.looker.reader.marks(flow, &[node]).await?);
        }
        let repairs = &mut self.progress.entry(Arc::clone(&route.route)).or_default().repairs;
        let wanted = repairs.wanted(flow, route.mode, nodes, &drift, &marks);
        let brought = self.asker.bring(route, flow, &works, wanted).await;
        repairs.made(flow, &works, &drift, brought == Brought::Accepted);
        Ok(())
    }
}

/// Tells that places were left in pass after pass.
fn tell_of_overdue(route: &Reconciled, overdue: &[(&At, Busy)]) {
    let Some(((flow, node), why)) = overdue.first() else { return };
    tracing::warn!(
        route.name = &*route.route,
        flow.id = %flow,
        node.id = %node,
        reconcile.reason = %why,
        reconcile.left = overdue.len(),
        "what a route's source says could not be compared with a node in several passes in a row, for it is being worked on; each pass tries again"
    );
}

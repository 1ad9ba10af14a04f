//! What is kept for comparing sources with flows.

use std::ops::Bound;

use flowhook::change::{FlowId, NewChange, NodeId};
use flowhook::journal::{Drift, DriftCursor, Drifted, Taken};
use jiff::Timestamp;

use super::{Disk, Moment, text_of};

impl Disk {
    /// What was fetched for a change is what was last taken for its node.
    pub(super) fn take(&mut self, what: &NewChange, now: Moment) {
        let NewChange { route, flow, node, values, .. } = what;
        let taken = Taken {
            flow: flow.clone(),
            node: node.clone(),
            value: text_of(values),
            taken_at: at_ms(now.wall),
        };
        self.taken.insert((route.to_string(), flow.clone(), node.clone()), taken);
    }

    pub(super) fn drifts(&mut self, flow: &FlowId, found: &[Drift], now: Moment) {
        let before = self.drift_of(flow);
        self.drift.retain(|(of, ..), _| of != flow);
        for drift in found {
            let is_same =
                |was: &&Drifted| (&was.drift.node, &was.drift.target) == (&drift.node, &drift.target);
            let since = before.iter().find(is_same).map_or(at_ms(now.wall), |was| was.since);
            let place = (flow.clone(), drift.node.clone(), drift.target.encode());
            self.drift.insert(place, Drifted { flow: flow.clone(), drift: drift.clone(), since });
        }
    }

    pub(crate) fn taken(&self, route: &str, after: Option<(&FlowId, &NodeId)>, at_most: usize) -> Vec<Taken> {
        let behind = |taken: &&Taken| after.is_none_or(|after| (&taken.flow, &taken.node) > after);
        let of_route = self.taken.iter().filter(|((of, ..), _)| of == route).map(|(_, taken)| taken);
        of_route.filter(behind).take(at_most).cloned().collect()
    }

    pub(crate) fn drift(&self, after: Option<DriftCursor<'_>>, at_most: usize) -> Vec<Drifted> {
        let place = |(flow, node, target): DriftCursor<'_>| (flow.clone(), node.clone(), target.encode());
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(place(after)));
        self.drift.range((from, Bound::Unbounded)).take(at_most).map(|(_, drifted)| drifted.clone()).collect()
    }

    pub(crate) fn drift_of(&self, flow: &FlowId) -> Vec<Drifted> {
        let of_flow = self.drift.iter().filter(|((of, ..), _)| of == flow);
        of_flow.map(|(_, drifted)| drifted.clone()).collect()
    }

    pub(crate) fn marked_flows(&self, after: Option<&FlowId>, at_most: usize) -> Vec<FlowId> {
        let mut flows: Vec<_> = self.marks.keys().map(|(flow, ..)| flow.clone()).collect();
        flows.dedup();
        flows.into_iter().filter(|flow| after.is_none_or(|after| flow > after)).take(at_most).collect()
    }

    pub(crate) fn marked_nodes(&self, flow: &FlowId) -> Vec<NodeId> {
        let of_flow = self.marks.keys().filter(|(of, ..)| of == flow);
        let mut nodes: Vec<_> =
            of_flow.map(|(_, node, _)| NodeId::parse(node).expect("it was an id")).collect();
        nodes.dedup();
        nodes
    }

    pub(crate) fn has_pending(&self, flow: &FlowId) -> bool {
        self.pending_of(flow).next().is_some()
    }
}

/// A time as precise as a journal keeps it.
fn at_ms(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).expect("it was a time")
}

//! What is kept for comparing sources with flows.

use std::collections::BTreeMap;
use std::ops::Bound;

use flowhook::change::{FlowId, NewChange, NodeId, Seq, State, Values, Work};
use flowhook::journal::{Drift, DriftCursor, Drifted, Taken};
use jiff::Timestamp;

use super::{Disk, Moment, text_of};

impl Disk {
    /// What was fetched for a change is what was last taken for its node, unless a later change has brought it.
    pub(super) fn take(&mut self, seq: Seq, what: &NewChange, now: Moment) {
        let NewChange { route, flow, node, values, mode, .. } = what;
        let place = (route.to_string(), flow.clone(), node.clone());
        if self.taken.get(&place).is_some_and(|taken| taken.seq > seq) {
            return;
        }
        let (flow, node, taken_at) = (flow.clone(), node.clone(), at_ms(now.wall));
        let value = text_of(values, *mode);
        let taken = Taken { flow, node, value, taken_at, seq, url: None, ended_by_key: false };
        self.taken.insert(place, taken);
    }

    /// Whether what a change rests on has moved.
    pub(super) fn has_moved(&self, change: &NewChange) -> bool {
        let Values::Taken { seen, .. } = &change.values else { return false };
        let place = (change.route.to_string(), change.flow.clone(), change.node.clone());
        let work = self.work(&change.flow, &change.node);
        work.is_pending || work != seen.work || self.taken.get(&place).map(|taken| taken.seq) != seen.taken
    }

    pub(crate) fn work(&self, flow: &FlowId, node: &NodeId) -> Work {
        let all = self
            .changes
            .values()
            .filter(|row| (&row.change.what.flow, &row.change.what.node) == (flow, node));
        let mut work = Work::default();
        for row in all {
            work.last = Some(row.change.seq);
            work.is_pending |= row.is_pending() && !row.is_thin();
            if row.is_pending() && row.is_thin() {
                *work.thin.entry(row.change.what.route.to_string()).or_default() += 1;
            }
        }
        work
    }

    pub(super) fn drifts(&mut self, flow: &FlowId, nodes: &[NodeId], found: &[Drift], now: Moment) {
        let before = self.drift_of(flow);
        self.drift.retain(|(of, node, _), _| of != flow || !nodes.contains(node));
        for drift in found {
            let is_same =
                |was: &&Drifted| (&was.drift.node, &was.drift.target) == (&drift.node, &drift.target);
            let since = before.iter().find(is_same).map_or(at_ms(now.wall), |was| was.since);
            let place = (flow.clone(), drift.node.clone(), drift.target.encode());
            let seen = at_ms(now.wall);
            self.drift.insert(place, Drifted { flow: flow.clone(), drift: drift.clone(), since, seen });
        }
    }

    pub(crate) fn taken(&self, route: &str, after: Option<(&FlowId, &NodeId)>, at_most: usize) -> Vec<Taken> {
        let behind = |taken: &&Taken| after.is_none_or(|after| (&taken.flow, &taken.node) > after);
        let of_route = self.taken.iter().filter(|((of, ..), _)| of == route).map(|(_, taken)| taken);
        let by_key = |taken: &Taken| {
            let row = self.changes.get(&taken.seq);
            row.is_some_and(|row| {
                let ended = matches!(row.state, State::Published | State::Unchanged | State::Superseded);
                ended && row.change.what.order_key.is_some()
            })
        };
        let url = |taken: &Taken| self.changes.get(&taken.seq)?.url.clone();
        let judged = |taken: &Taken| Taken { url: url(taken), ended_by_key: by_key(taken), ..taken.clone() };
        of_route.filter(behind).take(at_most).map(judged).collect()
    }

    /// What was last taken for a node, by whichever of the built-in routes.
    pub(crate) fn last_taken(&self, flow: &FlowId, node: &NodeId) -> Option<Taken> {
        let of = |route: &str| self.taken(route, None, usize::MAX);
        let here = |taken: &Taken| (&taken.flow, &taken.node) == (flow, node);
        [of("default"), of("push")].concat().into_iter().filter(here).max_by_key(|taken| taken.seq)
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

    pub(crate) fn works(&self, flow: &FlowId) -> BTreeMap<NodeId, Work> {
        let of_flow = self.marks.keys().filter(|(of, ..)| of == flow);
        let nodes = of_flow.map(|(_, node, _)| NodeId::parse(node).expect("it was an id"));
        nodes.map(|node| (node.clone(), self.work(flow, &node))).collect()
    }
}

/// A time as precise as a journal keeps it.
fn at_ms(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).expect("it was a time")
}

//! Whether comparing sources and flows has come to its end.

use std::collections::BTreeMap;

use flowhook::change::{FlowId, NodeId};
use flowhook::journal::{Drifted, Mark, Taken, Target};
use serde_json::value::RawValue;

use super::Judge;
use crate::journal::value_in;
use crate::tenant::said;

/// The variable that tells how often a configuration has been moved.
const WAIT: &str = "max_wait_time_seconds";

impl Judge<'_> {
    /// Where comparing has not come to the end: what a source says was not taken, or what a person did to a flow is
    /// not recorded, or is recorded and not so.
    pub(crate) fn not_compared(&self) -> Vec<String> {
        if self.plan.reconcile.is_none() {
            return Vec::new();
        }
        self.plan.flows.iter().flat_map(|flow| self.not_compared_of(&flow.id)).collect()
    }

    /// What a source says now, where what was taken last lost to a higher key, and what won is something else.
    fn lost(&self, taken: &Taken, says: &BTreeMap<String, Box<RawValue>>) -> Option<String> {
        let marks = self.disk.marks(&taken.flow, &taken.node);
        let is_lost = |mark: &&Mark| {
            let Target::Variable(name) = &mark.target else { return false };
            let says = says.get(name).map(|says| says.get());
            is_lost_to(mark, taken) && says.is_some() && mark.value.as_deref() != says
        };
        let mark = marks.iter().find(is_lost)?;
        Some(format!("{} {} {:?} lost to a key what its source says", taken.flow, taken.node, mark.target))
    }

    fn not_compared_of(&self, id: &str) -> Vec<String> {
        let mut found = Vec::new();
        let flow = FlowId::parse(id).expect("an id");
        let moved = self.held.configured.get(id).copied().unwrap_or_default();
        let says = moved.to_string();
        let all = serde_json::from_str(&said(moved, &says)).expect("an object");
        for node in ["node-a", "node-b", "node-nowhere"] {
            let is_named =
                self.plan.named && node == "node-a" && self.plan.flows.first().is_some_and(|of| of.id == id);
            let node_id = NodeId::parse(node).expect("an id");
            let taken = self.disk.last_taken(&flow, &node_id);
            found.extend(taken.as_ref().and_then(|taken| self.lost(taken, &all)));
            let marks = self.disk.marks(&flow, &node_id);
            // What lost to a higher key counts for nothing: what won is what the source is held against.
            let took = taken.map(|taken| {
                let won = marks.iter().find(|mark| is_of(mark, WAIT) && is_lost_to(mark, &taken));
                won.map_or_else(|| value_in(&taken.value, WAIT), |mark| mark.value.clone())
                    .unwrap_or_default()
            });
            if took.as_ref().map_or(is_named, |took| *took != says) {
                found.push(format!("{id} {node}: the source says {says}, and {took:?} was taken"));
            }
            let Some(held) = self.held.flows.get(id) else { continue };
            let recorded = self.disk.drift_of(&flow);
            for mark in marks {
                let (Target::Variable(name), Some(ours)) = (&mark.target, &mark.value) else { continue };
                let differs = held.value(node, name) != Some(ours);
                let is_it = |of: &Drifted| of.drift.node == node_id && of.drift.target == mark.target;
                if recorded.iter().any(is_it) != differs {
                    let there = held.value(node, name);
                    found.push(format!("{id} {node} {name} is {there:?}, not {ours}: recorded {}", !differs));
                }
            }
        }
        found
    }
}

fn is_of(mark: &Mark, variable: &str) -> bool {
    matches!(&mark.target, Target::Variable(name) if name == variable)
}

/// Whether what was taken lost a target to a higher key.
fn is_lost_to(mark: &Mark, taken: &Taken) -> bool {
    taken.ended_by_key && mark.seq < taken.seq
}

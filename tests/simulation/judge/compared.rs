//! Whether comparing sources and flows has come to its end.

use flowhook::change::{FlowId, NodeId};
use flowhook::journal::{Drifted, Mark, Taken, Target};

use super::Judge;
use crate::journal::value_in;

impl Judge<'_> {
    /// Where comparing has not come to the end: what a source says was not taken, or what a person did to a flow is
    /// not recorded, or is recorded and not so.
    pub(crate) fn not_compared(&self) -> Vec<String> {
        if self.plan.reconcile.is_none() {
            return Vec::new();
        }
        self.plan.flows.iter().flat_map(|flow| self.not_compared_of(&flow.id)).collect()
    }

    /// What was taken last and lost to a higher key, so that nobody has it.
    fn lost(&self, taken: &Taken) -> Option<String> {
        let marks = self.disk.marks(&taken.flow, &taken.node);
        let is_lost = |mark: &&Mark| {
            let Target::Variable(name) = &mark.target else { return false };
            let says = value_in(&taken.value, name);
            taken.ended_by_key && mark.seq < taken.seq && says.is_some() && mark.value != says
        };
        let mark = marks.iter().find(is_lost)?;
        Some(format!("{} {} {:?} lost to a key what its source says", taken.flow, taken.node, mark.target))
    }

    fn not_compared_of(&self, id: &str) -> Vec<String> {
        let mut found = Vec::new();
        let flow = FlowId::parse(id).expect("an id");
        let says = self.held.configured.get(id).copied().unwrap_or_default().to_string();
        for node in ["node-a", "node-b", "node-nowhere"] {
            let is_named =
                self.plan.named && node == "node-a" && self.plan.flows.first().is_some_and(|of| of.id == id);
            let node_id = NodeId::parse(node).expect("an id");
            let taken = self.disk.last_taken(&flow, &node_id);
            found.extend(taken.as_ref().and_then(|taken| self.lost(taken)));
            let took = taken.map(|taken| value_in(&taken.value, "max_wait_time_seconds").unwrap_or_default());
            if took.as_ref().map_or(is_named, |took| *took != says) {
                found.push(format!("{id} {node}: the source says {says}, and {took:?} was taken"));
            }
            let Some(held) = self.held.flows.get(id) else { continue };
            let recorded = self.disk.drift_of(&flow);
            for mark in self.disk.marks(&flow, &node_id) {
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

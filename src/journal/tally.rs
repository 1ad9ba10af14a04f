//! How many changes there are, flow by flow.

use std::collections::{BTreeMap, btree_map};

use crate::change::FlowId;

/// A count of changes for each flow that has any; none of them is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<FlowId, usize>);

impl Tally {
    /// So many changes of a flow come to it.
    pub fn add(&mut self, flow: &FlowId, changes: usize) {
        if changes > 0 {
            *self.0.entry(flow.clone()).or_default() += changes;
        }
    }

    /// How many there are of a flow.
    pub fn of(&self, flow: &FlowId) -> usize {
        self.0.get(flow).copied().unwrap_or(0)
    }

    /// How many there are in all.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// The flows that have any, each with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&FlowId, usize)> {
        self.0.iter().map(|(flow, changes)| (flow, *changes))
    }
}

impl<'f> FromIterator<&'f FlowId> for Tally {
    /// Counts one change for each time that a flow is named.
    fn from_iter<I: IntoIterator<Item = &'f FlowId>>(flows: I) -> Self {
        let mut tally = Self::default();
        flows.into_iter().for_each(|flow| tally.add(flow, 1));
        tally
    }
}

impl IntoIterator for Tally {
    type Item = (FlowId, usize);
    type IntoIter = btree_map::IntoIter<FlowId, usize>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_without_changes_takes_no_room_in_it() {
        let [one, other] = ["a", "b"].map(|id| FlowId::parse(id).expect("an id"));
        let mut tally: Tally = [&one, &other, &one].into_iter().collect();
        assert_eq!((tally.of(&one), tally.of(&other), tally.total()), (2, 1, 3));
        tally.add(&FlowId::parse("c").expect("an id"), 0);
        assert_eq!(tally.iter().collect::<Vec<_>>(), [(&one, 2), (&other, 1)]);
    }
}

//! Places that are being worked on in pass after pass, so that their source is not compared with them. Free of I/O.

use std::collections::{BTreeMap, BTreeSet};

use super::look::Busy;
use super::places::At;

/// In how many passes in a row a place is left before it is told.
const PASSES: u32 = 5;
/// How many places are remembered; with more all are forgotten, and their passes are counted anew.
const REMEMBERED: usize = 10_000;

/// In how many passes in a row places were left.
#[derive(Debug, Default)]
pub(super) struct Overdue(BTreeMap<At, u32>);

impl Overdue {
    /// Counts a pass that has asked for some places and left others of them; gives those that are to be told now.
    pub(super) fn count<'b>(
        &mut self,
        asked: &BTreeSet<At>,
        busy: &'b BTreeMap<At, Busy>,
    ) -> Vec<(&'b At, Busy)> {
        self.0.retain(|place, _| busy.contains_key(place) || !asked.contains(place));
        if self.0.len() + busy.len() > REMEMBERED {
            self.0.clear();
        }
        let mut overdue = Vec::new();
        for (place, why) in busy {
            let passes = self.0.entry(place.clone()).or_default();
            *passes = passes.saturating_add(1);
            if *passes == PASSES {
                overdue.push((place, *why));
            }
        }
        overdue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{FlowId, NodeId};

    fn at(text: &str) -> At {
        let (flow, node) = text.split_once('/').expect("a flow and a node");
        (FlowId::parse(flow).expect("an id"), NodeId::parse(node).expect("an id"))
    }

    #[test]
    fn a_place_that_is_left_in_pass_after_pass_is_told_once_until_it_is_compared() {
        let mut overdue = Overdue::default();
        let mut check = |asked: &[&str], busy: &[&str], expected: &[&str]| {
            let asked = asked.iter().map(|place| at(place)).collect();
            let busy = busy.iter().map(|place| (at(place), Busy::Overtaken)).collect();
            let told =
                overdue.count(&asked, &busy).into_iter().map(|((flow, node), _)| format!("{flow}/{node}"));
            assert_eq!(told.collect::<Vec<_>>(), expected);
        };
        for _pass in 1..PASSES {
            check(&["a/n", "b/n"], &["a/n", "b/n"], &[]);
            // Of a page that it is not on nothing follows for it.
            check(&["c/n"], &[], &[]);
        }
        check(&["a/n", "b/n"], &["a/n"], &["a/n"]);
        check(&["a/n", "b/n"], &["a/n", "b/n"], &[]);
        check(&["a/n", "b/n"], &["b/n"], &[]);
        for _pass in 1..PASSES {
            check(&["a/n"], &["a/n"], &[]);
        }
        check(&["a/n"], &["a/n"], &["a/n"]);
    }
}

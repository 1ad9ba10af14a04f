//! The places that a route fills: flows and nodes, page by page.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::change::{FlowId, NodeId, Seq};
use crate::journal::{JournalError, Read, Taken};
use crate::route::{Reconciled, Routes};

/// A flow and a node of it.
pub(super) type At = (FlowId, NodeId);

/// What is known of a place from before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// What was last taken for it, by the route or by its twin.
    pub(super) taken: Option<Taken>,
    /// The change by which the route itself has taken it.
    pub(super) own: Option<Seq>,
}

/// Some places of a route, in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) places: BTreeMap<At, Known>,
    /// The last of them, if there are more behind it.
    pub(super) next: Option<At>,
}

/// The places of a route behind `after`: those that the settings name, and those for which it has taken something and
/// that it may still change. At most so many.
pub(super) async fn page<R: Read>(
    reader: &R,
    routes: &Routes,
    route: &Reconciled,
    after: Option<&At>,
    at_most: usize,
) -> Result<Page, JournalError> {
    let behind = after.map(|(flow, node)| (flow, node));
    let own = reader.taken(&route.route, behind, at_most).await?;
    let twin = match &route.twin {
        Some(twin) => reader.taken(twin, behind, at_most).await?,
        None => Vec::new(),
    };
    let mut page = merged(&route.targets, [own, twin], after, at_most);
    page.places.retain(|(flow, node), _| routes.may_change(&route.route, flow, node));
    Ok(page)
}

/// One page out of several lists, of which those from the journal may go on behind their ends.
fn merged(named: &[At], [own, twin]: [Vec<Taken>; 2], after: Option<&At>, at_most: usize) -> Page {
    let at = |taken: &Taken| (taken.flow.clone(), taken.node.clone());
    // Behind the end of a list that is full nothing is known yet.
    let ends = [&own, &twin].map(|list| list.last().filter(|_| list.len() >= at_most).map(at));
    let end = ends.into_iter().flatten().min();
    let mut all: BTreeMap<At, Known> = BTreeMap::new();
    for taken in own {
        let own = Some(taken.seq);
        all.insert(at(&taken), Known { taken: Some(taken), own });
    }
    for taken in twin {
        let known = all.entry(at(&taken)).or_default();
        if known.taken.as_ref().is_none_or(|other| other.seq < taken.seq) {
            known.taken = Some(taken);
        }
    }
    for place in named.iter().filter(|place| after.is_none_or(|after| *place > after)) {
        all.entry(place.clone()).or_default();
    }
    let until = end.clone().map_or(Bound::Unbounded, Bound::Included);
    let places: BTreeMap<At, Known> = all
        .range((Bound::Unbounded, until))
        .take(at_most)
        .map(|(place, known)| (place.clone(), known.clone()))
        .collect();
    let has_more = end.is_some() || places.len() < all.len();
    let next = places.keys().next_back().filter(|_| has_more).cloned();
    Page { places, next }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn at(text: &str) -> At {
        let (flow, node) = text.split_once('/').expect("a flow and a node");
        (FlowId::parse(flow).expect("an id"), NodeId::parse(node).expect("an id"))
    }

    fn taken(list: &[(&str, Seq)]) -> Vec<Taken> {
        let taken = |(place, seq): &(&str, Seq)| {
            let ((flow, node), taken_at) = (at(place), Timestamp::UNIX_EPOCH);
            let value = "[]".to_owned();
            Taken { flow, node, value, taken_at, seq: *seq, url: None, ended_by_key: false }
        };
        list.iter().map(taken).collect()
    }

    /// The page as `flow/node taken own`, and where the next one begins.
    fn check(
        named: &[&str],
        [own, twin]: [&[(&str, Seq)]; 2],
        after: Option<&str>,
        expected: &[&str],
        next: Option<&str>,
    ) {
        let named: Vec<At> = named.iter().map(|place| at(place)).collect();
        let page = merged(&named, [taken(own), taken(twin)], after.map(at).as_ref(), 3);
        let line = |((flow, node), known): (&At, &Known)| {
            let seq = known.taken.as_ref().map_or(0, |taken| taken.seq);
            format!("{flow}/{node} {seq} {}", known.own.unwrap_or(0))
        };
        assert_eq!(page.places.iter().map(line).collect::<Vec<_>>(), expected);
        assert_eq!(page.next, next.map(at));
    }

    #[test]
    fn places_of_settings_and_of_the_journal_come_in_one_order_page_by_page() {
        check(&[], [&[], &[]], None, &[], None);
        check(&["b/n", "a/n"], [&[], &[]], None, &["a/n 0 0", "b/n 0 0"], None);
        check(&["b/n"], [&[("a/n", 1), ("b/n", 2)], &[]], None, &["a/n 1 1", "b/n 2 2"], None);
        // Full pages of the journal: what is behind the first of their ends is for the next page.
        let full = &[("a/n", 1), ("c/n", 2), ("d/n", 3)];
        check(&["b/n", "x/n"], [full, &[]], None, &["a/n 1 1", "b/n 0 0", "c/n 2 2"], Some("c/n"));
        check(&["b/n", "x/n"], [&[("d/n", 3)], &[]], Some("c/n"), &["d/n 3 3", "x/n 0 0"], None);
        let twin = &[("a/a", 1), ("a/b", 2), ("a/c", 3)];
        check(&[], [full, twin], None, &["a/a 1 0", "a/b 2 0", "a/c 3 0"], Some("a/c"));
        check(
            &["a/n", "b/n", "c/n", "d/n"],
            [&[], &[]],
            None,
            &["a/n 0 0", "b/n 0 0", "c/n 0 0"],
            Some("c/n"),
        );
    }

    #[test]
    fn what_the_later_change_has_taken_counts_whichever_of_two_routes_it_was() {
        check(
            &[],
            [&[("a/n", 5), ("b/n", 6)], &[("a/n", 7), ("b/n", 4)]],
            None,
            &["a/n 7 5", "b/n 6 6"],
            None,
        );
    }
}

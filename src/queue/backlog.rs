//! The count of pending changes and its bounds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::NotTaken;
use crate::change::FlowId;
use crate::journal::Tally;

/// How many times the room that is left one flow may have. Alone it gets nine tenths of the capacity; a second
/// hot or paused one gets nine tenths of the rest, and so on, and where they grow together they share evenly. A
/// fixed share would either take half of the capacity from who has one flow, or be used up by two. A delivery is
/// judged by the room before it: one that fits into an empty backlog is never refused for good.
const TIMES_THE_ROOM_LEFT: usize = 9;

/// Which changes are pending, counting those on their way to the journal.
#[derive(Debug)]
pub(super) struct Backlog {
    capacity: usize,
    pending: Mutex<Pending>,
}

#[derive(Debug)]
struct Pending {
    /// How many each flow has. No entry for a flow with nothing pending, so that it is bounded by the capacity.
    flows: HashMap<FlowId, usize>,
    /// The sum of it.
    total: usize,
}

/// Room for a delivery's changes: given back when dropped, unless the changes were committed.
#[derive(Debug)]
pub(super) struct Reservation {
    backlog: Arc<Backlog>,
    /// Each as often as it has changes.
    flows: Vec<FlowId>,
}

impl Backlog {
    pub(super) fn new(capacity: usize, pending: Tally) -> Self {
        let total = pending.total();
        let flows = pending.into_iter().collect();
        Self { capacity, pending: Mutex::new(Pending { flows, total }) }
    }

    /// Room for a change more of each of these flows, for all or none; a flow may be named more than once.
    ///
    /// Asks for room for one even where there is none to take: a full backlog refuses everything, before
    /// anything is looked up.
    pub(super) fn reserve(this: &Arc<Self>, flows: Vec<FlowId>) -> Result<Reservation, NotTaken> {
        let mut pending = this.pending();
        let left = this.capacity.saturating_sub(pending.total);
        if left == 0 || flows.len() > left {
            return Err(NotTaken::BacklogFull);
        }
        let at_most = left.saturating_mul(TIMES_THE_ROOM_LEFT);
        for (taken, flow) in (1..).zip(&flows) {
            if pending.add(flow, 1) > at_most {
                flows.iter().take(taken).for_each(|flow| pending.remove(flow, 1));
                return Err(NotTaken::FlowFull);
            }
        }
        drop(pending);
        Ok(Reservation { backlog: Arc::clone(this), flows })
    }

    /// Whether there is room for a flow that has nothing pending.
    pub(super) fn has_room(&self) -> bool {
        self.pending().total < self.capacity
    }

    /// These changes are pending now because a person said so, whatever the bounds.
    pub(super) fn revive(&self, revived: &Tally) {
        self.pending().add_all(revived);
    }

    /// These changes are not pending any more.
    pub(super) fn release(&self, ended: &Tally) {
        self.pending().remove_all(ended);
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// So many changes more of a flow, which are not none: how many it has then.
    fn add(&mut self, flow: &FlowId, changes: usize) -> usize {
        self.total += changes;
        if let Some(there) = self.flows.get_mut(flow) {
            *there += changes;
            return *there;
        }
        self.flows.insert(flow.clone(), changes);
        changes
    }

    /// So many of a flow go, as far as they are there.
    fn remove(&mut self, flow: &FlowId, changes: usize) {
        let Some(there) = self.flows.get_mut(flow) else { return };
        let removed = changes.min(*there);
        self.total -= removed;
        *there -= removed;
        if *there == 0 {
            self.flows.remove(flow);
        }
    }

    fn add_all(&mut self, changes: &Tally) {
        changes.iter().for_each(|(flow, changes)| _ = self.add(flow, changes));
    }

    fn remove_all(&mut self, changes: &Tally) {
        changes.iter().for_each(|(flow, changes)| self.remove(flow, changes));
    }
}

impl Reservation {
    /// The commit made a change of each of these flows pending: usually those that were reserved; none for a duplicate;
    /// and for a delivery whose failed changes get another chance, those that had failed.
    pub(super) fn keep(mut self, flows: &[FlowId]) {
        let reserved = std::mem::take(&mut self.flows);
        if reserved != flows {
            let mut pending = self.backlog.pending();
            flows.iter().for_each(|flow| _ = pending.add(flow, 1));
            reserved.iter().for_each(|flow| pending.remove(flow, 1));
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.flows.is_empty() {
            let mut pending = self.backlog.pending();
            self.flows.iter().for_each(|flow| pending.remove(flow, 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many changes of each of these flows.
    fn of(flows: &[(&str, usize)]) -> Tally {
        let mut tally = Tally::default();
        flows.iter().for_each(|(id, changes)| tally.add(&FlowId::parse(id).expect("an id"), *changes));
        tally
    }

    /// The same, each named so many times.
    fn named(flows: &[(&str, usize)]) -> Vec<FlowId> {
        let id = |id| FlowId::parse(id).expect("an id");
        flows.iter().flat_map(|(flow, changes)| std::iter::repeat_n(id(flow), *changes)).collect()
    }

    fn backlog(capacity: usize, pending: &[(&str, usize)]) -> Arc<Backlog> {
        Arc::new(Backlog::new(capacity, of(pending)))
    }

    /// Takes room and keeps it; whether there was any.
    fn take(backlog: &Arc<Backlog>, flows: &[(&str, usize)]) -> Result<(), NotTaken> {
        Backlog::reserve(backlog, named(flows)).map(|room| room.keep(&named(flows)))
    }

    /// How many changes, one at a time, are taken for a flow.
    fn filled(backlog: &Arc<Backlog>, flow: &str) -> usize {
        std::iter::from_fn(|| take(backlog, &[(flow, 1)]).ok()).count()
    }

    fn assert_pending(backlog: &Backlog, expected: &[(&str, usize)]) {
        let pending = backlog.pending();
        let mut flows: Vec<_> =
            pending.flows.iter().map(|(flow, changes)| (flow.as_str(), *changes)).collect();
        flows.sort_unstable();
        assert_eq!((&*flows, pending.total), (expected, of(expected).total()));
    }

    #[test]
    fn a_delivery_gets_room_for_all_its_changes_or_none() {
        let backlog = backlog(3, &[]);
        let two = Backlog::reserve(&backlog, named(&[("a", 1), ("b", 1)])).expect("two fit into three");
        assert_eq!(take(&backlog, &[("a", 1), ("c", 1)]), Err(NotTaken::BacklogFull));
        assert_pending(&backlog, &[("a", 1), ("b", 1)]);
        drop(two);
        assert_pending(&backlog, &[]);
    }

    #[test]
    fn a_full_backlog_refuses_even_what_needs_no_room() {
        let backlog = backlog(1, &[("a", 1)]);
        assert_eq!(take(&backlog, &[]), Err(NotTaken::BacklogFull));
        backlog.release(&of(&[("a", 1)]));
        assert_eq!(take(&backlog, &[]), Ok(()));
    }

    #[test]
    fn what_the_commit_did_not_make_pending_is_given_back() {
        let backlog = backlog(9, &[]);
        let three = || Backlog::reserve(&backlog, named(&[("a", 2), ("b", 1)])).expect("three fit");
        three().keep(&named(&[]));
        assert_pending(&backlog, &[]);
        three().keep(&named(&[("a", 2), ("b", 1)]));
        three().keep(&named(&[("a", 1)]));
        assert_pending(&backlog, &[("a", 3), ("b", 1)]);
    }

    #[test]
    fn a_journal_over_the_bound_takes_nothing_until_it_is_below_it() {
        let backlog = backlog(2, &[("a", 4)]);
        assert!(!backlog.has_room());
        backlog.release(&of(&[("a", 3)]));
        assert!(backlog.has_room());
    }

    #[test]
    fn one_flow_alone_gets_nine_tenths_of_a_large_backlog_and_all_of_a_small_one() {
        let check = |capacity: usize, expected: usize| {
            assert_eq!(filled(&backlog(capacity, &[]), "a"), expected, "{capacity}");
        };
        check(1, 1);
        check(9, 9);
        check(10, 9);
        check(100, 90);
        check(100_000, 90_000);
    }

    #[test]
    fn hot_flows_leave_room_for_others_one_after_the_other_and_all_at_once() {
        let hot = ["a", "b", "c"];
        let backlog = backlog(10_000, &[]);
        assert_eq!(hot.map(|flow| filled(&backlog, flow)), [9000, 900, 90]);
        assert_eq!(take(&backlog, &[("a", 1)]), Err(NotTaken::FlowFull));
        assert_eq!(take(&backlog, &[("d", 9)]), Ok(()));

        let evenly = Arc::new(Backlog::new(10_000, of(&[])));
        while hot.map(|flow| take(&evenly, &[(flow, 1)])).iter().any(Result::is_ok) {}
        assert_pending(&evenly, &[("a", 3215), ("b", 3214), ("c", 3214)]);
        assert_eq!(take(&evenly, &[("d", 357)]), Ok(()));
    }

    #[test]
    fn a_delivery_is_refused_whole_for_the_flow_that_has_its_share() {
        let backlog = backlog(100, &[("a", 90)]);
        assert_eq!(take(&backlog, &[("a", 1), ("b", 1)]), Err(NotTaken::FlowFull));
        assert_eq!(take(&backlog, &[("b", 1)]), Ok(()));
        backlog.release(&of(&[("a", 10)]));
        assert_eq!(take(&backlog, &[("a", 1), ("b", 1)]), Ok(()));
        assert_pending(&backlog, &[("a", 81), ("b", 2)]);
    }

    #[test]
    fn a_delivery_that_fits_into_an_empty_backlog_is_taken_whatever_the_share() {
        assert_eq!(take(&backlog(100, &[]), &[("a", 100)]), Ok(()));
    }
}

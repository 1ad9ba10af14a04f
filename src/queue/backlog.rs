//! The count of pending changes and its bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many changes are pending, counting those on their way to the journal.
#[derive(Debug)]
pub(super) struct Backlog {
    capacity: usize,
    pending: AtomicUsize,
}

/// Room for a delivery's changes: given back when dropped, unless the changes were committed.
#[derive(Debug)]
pub(super) struct Reservation {
    backlog: Arc<Backlog>,
    changes: usize,
}

impl Backlog {
    pub(super) fn new(capacity: usize, pending: usize) -> Self {
        Self { capacity, pending: AtomicUsize::new(pending) }
    }

    /// Room for `changes` more, all or none.
    ///
    /// Asks for room for one even where there is none to take: a full backlog refuses everything, before
    /// anything is looked up.
    pub(super) fn reserve(this: &Arc<Self>, changes: usize) -> Option<Reservation> {
        let fits = |pending: usize| {
            let after = pending.checked_add(changes)?;
            (pending < this.capacity && after <= this.capacity).then_some(after)
        };
        this.pending.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(Reservation { backlog: Arc::clone(this), changes })
    }

    pub(super) fn has_room(&self) -> bool {
        self.pending.load(Ordering::Relaxed) < self.capacity
    }

    /// So many changes are pending again because a person said so, whatever the bound.
    pub(super) fn revive(&self, revived: usize) {
        self.pending.fetch_add(revived, Ordering::Relaxed);
    }

    /// So many changes are not pending any more.
    pub(super) fn release(&self, ended: usize) {
        self.pending.fetch_sub(ended, Ordering::Relaxed);
    }
}

impl Reservation {
    /// The commit made `changes` pending: usually as many as were reserved; none for a duplicate; and for
    /// a delivery whose failed changes get another chance, as many as had failed.
    pub(super) fn keep(mut self, changes: usize) {
        self.backlog.pending.fetch_add(changes, Ordering::Relaxed);
        self.backlog.release(std::mem::take(&mut self.changes));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.backlog.release(self.changes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(backlog: &Backlog) -> usize {
        backlog.pending.load(Ordering::Relaxed)
    }

    #[test]
    fn a_delivery_gets_room_for_all_its_changes_or_none() {
        let backlog = Arc::new(Backlog::new(3, 0));
        let two = Backlog::reserve(&backlog, 2).expect("two fit into three");
        assert!(Backlog::reserve(&backlog, 2).is_none());
        assert_eq!(pending(&backlog), 2);
        drop(two);
        assert_eq!(pending(&backlog), 0);
    }

    #[test]
    fn a_full_backlog_refuses_even_what_needs_no_room() {
        let backlog = Arc::new(Backlog::new(1, 1));
        assert!(Backlog::reserve(&backlog, 0).is_none());
        backlog.release(1);
        assert!(Backlog::reserve(&backlog, 0).is_some());
    }

    #[test]
    fn what_the_commit_did_not_make_pending_is_given_back() {
        let backlog = Arc::new(Backlog::new(5, 0));
        Backlog::reserve(&backlog, 3).expect("three fit").keep(0);
        assert_eq!(pending(&backlog), 0);
        Backlog::reserve(&backlog, 3).expect("three fit").keep(3);
        assert_eq!(pending(&backlog), 3);
    }

    #[test]
    fn a_journal_over_the_bound_takes_nothing_until_it_is_below_it() {
        let backlog = Arc::new(Backlog::new(2, 4));
        assert!(!backlog.has_room());
        backlog.release(3);
        assert!(backlog.has_room());
    }
}

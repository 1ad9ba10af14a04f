//! Lanes: per key at most one running and one pending. A data structure, free of I/O.
//!
//! ```text
//!            add             next                    finish
//!   (absent) ───▶ Ready ───────────▶ Running ─┬──────────────▶ (absent), or Ready if added meanwhile
//!                   ▲                         │ wait
//!                   └────────── due ───────── Waiting
//! ```
//!
//! What is added while a key runs or waits is remembered as one bit: the turn that follows looks into the
//! journal and finds all of it. So a flood for one key costs one more turn, and cannot cut a wait short or
//! make it longer.

use std::collections::{BTreeMap, VecDeque};

/// Keys with work, in the order in which they became ready.
#[derive(Debug)]
pub(super) struct Lanes<K> {
    lanes: BTreeMap<K, Lane>,
    ready: VecDeque<K>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// In line for a turn.
    Ready,
    /// Its turn is under way; `more` is what was added since it began.
    Running { more: More },
    /// It must not run before [`Lanes::due`]; `more` if there is something to do then.
    Waiting { more: bool },
}

/// What is added while a turn is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum More {
    Nothing,
    /// Work that bears a wait.
    Some,
    /// Work that does not: the turn may have begun too early to do it, and its wait would be that of an old failure.
    AtOnce,
}

impl<K: Ord + Clone> Lanes<K> {
    pub(super) fn new() -> Self {
        Self { lanes: BTreeMap::new(), ready: VecDeque::new() }
    }

    /// There is work for `key`.
    pub(super) fn add(&mut self, key: K) {
        match self.lanes.get_mut(&key) {
            Some(Lane::Ready) => {}
            Some(Lane::Running { more }) => *more = (*more).max(More::Some),
            Some(Lane::Waiting { more }) => *more = true,
            None => self.make_ready(key),
        }
    }

    /// There is work for `key` that is not to wait: a wait ends now, and behind a turn that is under way none
    /// begins. Whether there was one.
    pub(super) fn add_at_once(&mut self, key: K) -> bool {
        match self.lanes.get_mut(&key) {
            Some(Lane::Waiting { .. }) => {
                self.make_ready(key);
                return true;
            }
            Some(Lane::Running { more }) => *more = More::AtOnce,
            Some(Lane::Ready) | None => self.add(key),
        }
        false
    }

    /// The next key whose turn it is; it runs from now on.
    pub(super) fn next(&mut self) -> Option<K> {
        let key = self.ready.pop_front()?;
        self.lanes.insert(key.clone(), Lane::Running { more: More::Nothing });
        Some(key)
    }

    /// Whether any key is ready.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The turn of `key` ended; `again` if it left work behind.
    pub(super) fn finish(&mut self, key: K, again: bool) {
        match self.lanes.remove(&key) {
            Some(Lane::Running { more }) if more > More::Nothing || again => self.make_ready(key),
            Some(Lane::Running { .. } | Lane::Ready | Lane::Waiting { .. }) | None => {}
        }
    }

    /// The turn of `key` ended, and the next one must not begin before [`due`](Self::due); `again` if it
    /// left work behind. Whether it is to wait.
    pub(super) fn wait(&mut self, key: &K, again: bool) -> bool {
        let Some(lane) = self.lanes.get_mut(key) else { return false };
        match *lane {
            Lane::Running { more: More::AtOnce } => {
                self.make_ready(key.clone());
                false
            }
            Lane::Running { more } => {
                *lane = Lane::Waiting { more: more > More::Nothing || again };
                true
            }
            Lane::Ready | Lane::Waiting { .. } => false,
        }
    }

    /// The wait of `key` is over.
    pub(super) fn due(&mut self, key: K) {
        match self.lanes.remove(&key) {
            Some(Lane::Waiting { more: true }) => self.make_ready(key),
            Some(Lane::Waiting { more: false }) | None => {}
            Some(lane @ (Lane::Ready | Lane::Running { .. })) => _ = self.lanes.insert(key, lane),
        }
    }

    fn make_ready(&mut self, key: K) {
        self.lanes.insert(key.clone(), Lane::Ready);
        self.ready.push_back(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(key: &'static str) -> Lanes<&'static str> {
        let mut lanes = Lanes::new();
        lanes.add(key);
        assert_eq!(lanes.next(), Some(key));
        lanes
    }

    #[test]
    fn a_key_runs_once_at_a_time_however_often_it_is_added() {
        let mut lanes = running("a");
        lanes.add("a");
        lanes.add("a");
        assert_eq!(lanes.next(), None);
        lanes.finish("a", false);
        assert_eq!(lanes.next(), Some("a"));
        lanes.finish("a", false);
        assert_eq!(lanes.next(), None);
        assert!(lanes.lanes.is_empty());
    }

    #[test]
    fn what_is_added_does_not_cut_a_wait_short() {
        let mut lanes = running("a");
        lanes.wait(&"a", true);
        lanes.add("a");
        assert!(!lanes.has_ready());
        lanes.due("a");
        assert_eq!(lanes.next(), Some("a"));
    }

    #[test]
    fn what_is_added_at_once_ends_a_wait_and_no_turn() {
        let mut lanes = running("a");
        assert!(!lanes.add_at_once("a"));
        assert_eq!(lanes.next(), None, "its turn is under way");
        lanes.finish("a", false);
        assert_eq!(lanes.next(), Some("a"));
        lanes.wait(&"a", true);
        assert!(lanes.add_at_once("a"));
        assert!(!lanes.add_at_once("a"));
        assert_eq!((lanes.next(), lanes.next()), (Some("a"), None));
    }

    #[test]
    fn what_is_added_at_once_during_a_turn_keeps_the_lane_from_waiting() {
        let mut lanes = running("a");
        lanes.add_at_once("a");
        lanes.add("a");
        assert!(!lanes.wait(&"a", false));
        assert_eq!((lanes.next(), lanes.next()), (Some("a"), None));
        assert!(lanes.wait(&"a", true), "once");
    }

    #[test]
    fn a_wait_with_nothing_behind_it_ends_the_lane() {
        let mut lanes = running("a");
        lanes.wait(&"a", false);
        lanes.due("a");
        assert!(lanes.lanes.is_empty());
    }

    #[test]
    fn what_was_added_while_running_survives_the_wait() {
        let mut lanes = running("a");
        lanes.add("a");
        lanes.wait(&"a", false);
        lanes.due("a");
        assert_eq!(lanes.next(), Some("a"));
    }

    #[test]
    fn a_lane_that_left_work_behind_goes_to_the_end_of_the_line() {
        let mut lanes = running("a");
        lanes.add("b");
        lanes.finish("a", true);
        assert_eq!((lanes.next(), lanes.next(), lanes.next()), (Some("b"), Some("a"), None));
    }

    #[test]
    fn a_stray_due_changes_nothing() {
        let mut lanes = running("a");
        lanes.due("a");
        lanes.finish("a", false);
        assert!(lanes.lanes.is_empty() && !lanes.has_ready());
    }
}

//! What a lane remembers of its troubles between turns.

use std::time::Duration;

use crate::backoff::Backoff;

/// How many changes a publish folds at most: what has piled up behind a held update goes out in one more, and the
/// commits that settle it stay short enough for the deliveries that wait behind them.
const FOLD_AT_MOST: usize = 1_000;
/// How many bytes of values a publish folds; the change that passes it is the last.
pub(super) const FOLD_BYTES: usize = 4 * 1024 * 1024;
/// The lane's waits after failures that are its own.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// The longest wait for a flow that others keep saving: it is not out of order, and the next gap between
/// two of their edits is all that it takes.
const LONGEST_WAIT_FOR_OTHERS: Duration = Duration::from_secs(30);
/// How often in a row a tenant may show an older version than one it has had, as one does that is behind.
/// Once more, and it has another flow under that id.
const BEHIND_AT_MOST: u32 = 2;

/// A lane's back-off, and how many changes it may fold.
#[derive(Clone, Debug)]
pub(super) struct Strain {
    backoff: Backoff,
    fold_at_most: usize,
    /// How often in a row the tenant was behind.
    behind: u32,
    /// The turn under way ran into something.
    troubled: bool,
}

impl Default for Strain {
    fn default() -> Self {
        let backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        Self { backoff, fold_at_most: FOLD_AT_MOST, behind: 0, troubled: false }
    }
}

impl Strain {
    pub(super) fn fold_at_most(&self) -> usize {
        self.fold_at_most
    }

    /// The wait after one more failure.
    pub(super) fn back_off(&mut self) -> Duration {
        self.troubled = true;
        self.backoff.next(fastrand::f64())
    }

    /// The wait after one more turn in which others were faster each time.
    pub(super) fn back_off_for_others(&mut self) -> Duration {
        self.back_off().min(LONGEST_WAIT_FOR_OTHERS)
    }

    /// The tenant shows an older version than one it has had: whether that is to be believed by now.
    pub(super) fn believes_older(&mut self) -> bool {
        self.behind += 1;
        self.behind > BEHIND_AT_MOST
    }

    /// The tenant refused a fold of so many changes: half of them next time.
    pub(super) fn halve(&mut self, refused: usize) {
        self.troubled = true;
        self.fold_at_most = (refused / 2).max(1);
    }

    /// The turn ended well: no back-off any more, and twice as many changes may be folded again.
    pub(super) fn relieve(&mut self) {
        if !std::mem::take(&mut self.troubled) {
            self.backoff.reset();
            self.behind = 0;
            self.fold_at_most = self.fold_at_most.saturating_mul(2).min(FOLD_AT_MOST);
        }
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_gone(&self) -> bool {
        let folds_all = self.fold_at_most == FOLD_AT_MOST;
        !self.troubled && folds_all && self.behind == 0 && self.backoff.is_reset()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ends a turn in which nothing went wrong.
    fn good_turn(strain: &mut Strain) -> usize {
        strain.relieve();
        strain.fold_at_most()
    }

    #[test]
    fn each_refusal_halves_the_fold_until_one_change_stands_alone() {
        let mut strain = Strain::default();
        let folds = [1000, 500, 250, 5, 2, 1].map(|refused| {
            strain.halve(refused);
            strain.fold_at_most()
        });
        assert_eq!(folds, [500, 250, 125, 2, 1, 1]);
    }

    #[test]
    fn each_good_turn_doubles_the_fold_and_the_turn_that_halved_it_is_none() {
        let mut strain = Strain::default();
        strain.halve(500);
        let folds = [(); 5].map(|()| good_turn(&mut strain));
        assert_eq!(folds, [250, 500, 1_000, 1_000, 1_000]);
        assert!(strain.is_gone());
    }

    #[test]
    fn a_good_turn_forgets_the_back_off_and_the_turn_that_backed_off_does_not() {
        let mut strain = Strain::default();
        let first = strain.back_off();
        strain.relieve();
        assert!(!strain.is_gone(), "the next failure must wait for longer");
        let waits: Vec<Duration> = (0..12).map(|_| strain.back_off()).collect();
        assert_eq!(first, FIRST_WAIT);
        assert!(waits.iter().all(|wait| (FIRST_WAIT..=LONGEST_WAIT).contains(wait)), "{waits:?}");
        assert!(waits.last().is_some_and(|wait| *wait >= LONGEST_WAIT / 2), "{waits:?}");
        strain.relieve();
        strain.relieve();
        assert!(strain.is_gone());
        assert_eq!(strain.back_off(), FIRST_WAIT);
    }

    #[test]
    fn a_flow_that_others_keep_saving_is_tried_twice_a_minute_however_long_it_takes() {
        let mut strain = Strain::default();
        let waits: Vec<Duration> = (0..20).map(|_| strain.back_off_for_others()).collect();
        assert_eq!((waits[0], waits[19]), (FIRST_WAIT, LONGEST_WAIT_FOR_OTHERS));
        assert!(strain.back_off() > LONGEST_WAIT_FOR_OTHERS, "for other reasons it waits on");
    }

    #[test]
    fn an_older_version_is_believed_after_two_waits_and_not_after_two_that_were_over() {
        let mut strain = Strain::default();
        let behind = |strain: &mut Strain| {
            strain.back_off();
            strain.believes_older()
        };
        assert_eq!([(); 3].map(|()| behind(&mut strain)), [false, false, true]);
        strain.relieve();
        strain.relieve();
        assert!(strain.is_gone());
        assert_eq!([(); 2].map(|()| behind(&mut strain)), [false, false]);
    }

    #[test]
    fn a_strain_in_the_middle_of_trouble_is_not_gone() {
        let mut strain = Strain::default();
        assert!(strain.is_gone());
        strain.halve(2 * FOLD_AT_MOST);
        assert_eq!(strain.fold_at_most(), FOLD_AT_MOST);
        assert!(!strain.is_gone());
    }
}

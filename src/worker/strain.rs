//! What a lane remembers of its troubles between turns.

use std::time::Duration;

use crate::backoff::Backoff;

/// How many changes a publish folds at most.
const FOLD_AT_MOST: usize = 1000;
/// The lane's waits after failures that are its own.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// A lane's back-off, and how many changes it may fold.
#[derive(Clone, Debug)]
pub(super) struct Strain {
    backoff: Backoff,
    fold_at_most: usize,
    /// The turn under way ran into something.
    troubled: bool,
}

impl Default for Strain {
    fn default() -> Self {
        Self { backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT), fold_at_most: FOLD_AT_MOST, troubled: false }
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

    /// The tenant refused a fold of so many changes: half of them next time.
    pub(super) fn halve(&mut self, refused: usize) {
        self.troubled = true;
        self.fold_at_most = (refused / 2).max(1);
    }

    /// The turn ended well: no back-off any more, and twice as many changes may be folded again.
    pub(super) fn relieve(&mut self) {
        if !std::mem::take(&mut self.troubled) {
            self.backoff.reset();
            self.fold_at_most = self.fold_at_most.saturating_mul(2).min(FOLD_AT_MOST);
        }
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_gone(&self) -> bool {
        !self.troubled && self.fold_at_most == FOLD_AT_MOST && self.backoff.is_reset()
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
        assert_eq!(folds, [250, 500, 1000, 1000, 1000]);
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
    fn a_strain_in_the_middle_of_trouble_is_not_gone() {
        let mut strain = Strain::default();
        assert!(strain.is_gone());
        strain.halve(2000);
        assert_eq!(strain.fold_at_most(), FOLD_AT_MOST);
        assert!(!strain.is_gone());
    }
}

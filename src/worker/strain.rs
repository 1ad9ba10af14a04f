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

//! When what is to be looked at: every errand by an interval of its own, jittered. Free of I/O.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// The shortest that a wait may be, as a part of its interval: many services that were started together do not ask
/// together for ever.
const SHORTEST: f64 = 0.8;

/// Something that is done again and again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Errand {
    /// To ask a route's source what it says now, and to look at the flows that the route fills.
    Route(Arc<str>),
    /// To look at all other flows.
    Flows,
}

/// The errands, each with its time.
#[derive(Debug, Default)]
pub(super) struct Schedule(BTreeMap<Errand, Due>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    at: Instant,
    every: Duration,
}

impl Schedule {
    /// Takes over which errands there are now. One that is new, or has another interval than before, is due after a
    /// wait; what is gone is dropped.
    pub(super) fn follow(
        &mut self,
        errands: BTreeMap<Errand, Duration>,
        now: Instant,
        mut jitter: impl FnMut() -> f64,
    ) {
        let before = std::mem::take(&mut self.0);
        let due = |(errand, every): (Errand, Duration)| {
            let kept = before.get(&errand).filter(|due| due.every == every).copied();
            let due = kept.unwrap_or_else(|| Due { at: now + wait(every, jitter()), every });
            (errand, due)
        };
        self.0 = errands.into_iter().map(due).collect();
    }

    /// When the first of them is due, if there are any.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.0.values().map(|due| due.at).min()
    }

    /// The errand that has been due for the longest, which is due again after another wait from now on: how long it
    /// takes does not lengthen the interval.
    pub(super) fn take(&mut self, now: Instant, jitter: impl FnOnce() -> f64) -> Option<Errand> {
        let (errand, due) =
            self.0.iter_mut().filter(|(_, due)| due.at <= now).min_by_key(|(_, due)| due.at)?;
        due.at = now + wait(due.every, jitter());
        Some(errand.clone())
    }
}

/// One wait: from [`SHORTEST`] of the interval to all of it, as `jitter` in `0..1` says.
fn wait(every: Duration, jitter: f64) -> Duration {
    every.mul_f64(SHORTEST + (1.0 - SHORTEST) * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn route(name: &str) -> Errand {
        Errand::Route(Arc::from(name))
    }

    fn schedule(now: Instant, errands: &[(Errand, u32)]) -> Schedule {
        let mut schedule = Schedule::default();
        follow(&mut schedule, now, errands);
        schedule
    }

    fn follow(schedule: &mut Schedule, now: Instant, errands: &[(Errand, u32)]) {
        let errands = errands.iter().map(|(errand, every)| (errand.clone(), *every * SECOND));
        schedule.follow(errands.collect(), now, || 1.0);
    }

    #[test]
    fn a_wait_is_from_four_fifths_of_the_interval_to_all_of_it() {
        let check = |jitter: f64, expected: f64| {
            assert_eq!(wait(100 * SECOND, jitter).as_secs_f64().round(), expected, "{jitter}");
        };
        check(0.0, 80.0);
        check(0.5, 90.0);
        check(1.0, 100.0);
        check(7.0, 100.0);
    }

    #[test]
    fn nothing_is_due_before_its_first_wait_and_then_again_and_again() {
        let now = Instant::now();
        let mut schedule = schedule(now, &[(route("a"), 10)]);
        assert_eq!((schedule.earliest(), schedule.take(now, || 1.0)), (Some(now + 10 * SECOND), None));
        let late = now + 13 * SECOND;
        assert_eq!(schedule.take(late, || 0.0), Some(route("a")));
        assert_eq!((schedule.take(late, || 0.0), schedule.earliest()), (None, Some(late + 8 * SECOND)));
    }

    #[test]
    fn who_has_been_due_for_longest_goes_first_so_that_nobody_starves() {
        let now = Instant::now();
        let mut schedule = schedule(now, &[(route("a"), 2), (Errand::Flows, 1)]);
        let late = now + 10 * SECOND;
        let taken: Vec<_> = std::iter::from_fn(|| schedule.take(late, || 1.0)).collect();
        assert_eq!(taken, [Errand::Flows, route("a")]);
    }

    #[test]
    fn other_settings_leave_alone_what_they_do_not_change() {
        let now = Instant::now();
        let mut schedule = schedule(now, &[(route("kept"), 10), (route("gone"), 10), (route("slower"), 10)]);
        let later = now + 5 * SECOND;
        follow(&mut schedule, later, &[(route("kept"), 10), (route("slower"), 20), (route("new"), 3)]);
        let due = |name: &str| schedule.0.get(&route(name)).map(|due| due.at - now);
        assert_eq!(due("kept"), Some(10 * SECOND));
        assert_eq!(due("slower"), Some(25 * SECOND));
        assert_eq!(due("new"), Some(8 * SECOND));
        assert_eq!(due("gone"), None);
    }
}

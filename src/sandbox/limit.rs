//! The tenant's rate limit: a token bucket over all flow calls.

use std::time::Duration;

use tokio::time::Instant;

/// How many flow calls the tenant allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Calls per minute in the long run; 0 counts as 1.
    pub per_minute: u32,
    /// Calls at once after a rest; 0 counts as 1.
    pub burst: u32,
}

/// A bucket that is full at first.
///
/// Kept as the time at which it will be full again, so that nothing has to refill it.
#[derive(Debug)]
pub(super) struct Bucket {
    interval: Duration,
    burst: u32,
    full_at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(limit: Limit, now: Instant) -> Self {
        let interval = Duration::from_secs(60) / limit.per_minute.max(1);
        Self { interval, burst: limit.burst.max(1), full_at: now }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// The time until a token will be there: nothing was taken.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + self.interval;
        let wait = full_at.saturating_duration_since(now + self.interval * self.burst);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.full_at = full_at;
        Ok(())
    }
}

/// A wait as `Retry-After` tells it: whole seconds, rounded up, so that a token is there when it has passed.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Bucket, Limit, whole_seconds};

    #[test]
    fn the_burst_goes_at_once_and_then_a_token_comes_every_interval() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut bucket = Bucket::new(Limit { per_minute: 120, burst: 3 }, start);
        let mut check = |ms, wanted: Result<(), u64>| {
            let got = bucket.take(at(ms)).map_err(|wait| wait.as_millis());
            assert_eq!(got, wanted.map_err(u128::from), "at {ms} ms");
        };
        for _ in 0..3 {
            check(0, Ok(()));
        }
        check(0, Err(500));
        check(400, Err(100));
        check(500, Ok(()));
        check(500, Err(500));
        check(1600, Ok(()));
        check(1600, Ok(()));
        check(1600, Err(400));
        for _ in 0..3 {
            check(60_000, Ok(()));
        }
        check(60_000, Err(500));
    }

    #[test]
    fn waits_are_told_in_whole_seconds_rounded_up() {
        for (ms, wanted) in [(1, 1), (999, 1), (1000, 1), (1001, 2), (59_500, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(ms)), wanted, "{ms} ms");
        }
    }
}

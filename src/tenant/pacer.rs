//! Our own token bucket: `CXONE_REQUESTS_PER_MINUTE`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Spaces the flow calls. Holds one second's worth, so that an idle service answers at once and a busy
/// one never exceeds the rate by more than that.
///
/// Kept as the moment at which the bucket would be full again (the generic cell rate algorithm), which
/// needs no refilling task.
#[derive(Debug)]
pub(super) struct Pacer(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    /// Between two calls at the full rate; nothing when there is no limit.
    interval: Option<Duration>,
    full_at: Instant,
}

impl Pacer {
    /// A pacer for so many calls a minute; without a number it never waits.
    pub(super) fn new(per_minute: Option<u32>) -> Self {
        Self(Mutex::new(Bucket { interval: interval(per_minute), full_at: Instant::now() }))
    }

    /// Goes on with that rate. Turns that were given stay as they are.
    pub(super) fn reload(&self, per_minute: Option<u32>) {
        let (interval, mut bucket) = (interval(per_minute), self.bucket());
        // What was drawn ahead at one rate must not be waited for at another.
        if bucket.interval != interval {
            *bucket = Bucket { interval, full_at: Instant::now() };
        }
    }

    /// Waits for a call's turn. Turns are given in the order of asking.
    pub(super) async fn turn(&self) {
        let turn = self.bucket().draw(Instant::now());
        if let Some(at) = turn {
            tokio::time::sleep_until(at).await;
        }
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    /// Draws one call; says when it may start.
    fn draw(&mut self, now: Instant) -> Option<Instant> {
        let interval = self.interval?;
        // How far it may be drawn ahead.
        let slack = Duration::from_secs(1).saturating_sub(interval);
        let drawn = self.full_at.max(now);
        self.full_at = drawn + interval;
        drawn.checked_sub(slack).filter(|at| *at > now)
    }
}

fn interval(per_minute: Option<u32>) -> Option<Duration> {
    per_minute.map(|calls| Duration::from_secs(60) / calls.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_minute_holds_the_rate_and_one_second_of_burst() {
        let pacer = Pacer::new(Some(300));
        let start = Instant::now();
        let mut at = Vec::new();
        for _ in 0..310 {
            pacer.turn().await;
            at.push(start.elapsed());
        }
        assert!(at[4].is_zero() && !at[5].is_zero(), "five at once: {:?}", &at[..6]);
        let first_minute = at.iter().filter(|at| **at < Duration::from_secs(60)).count();
        assert!((300..=305).contains(&first_minute), "{first_minute} in the first minute");
    }

    #[tokio::test(start_paused = true)]
    async fn one_call_a_minute_is_possible() {
        let pacer = Pacer::new(Some(1));
        let start = Instant::now();
        pacer.turn().await;
        assert!(start.elapsed().is_zero());
        pacer.turn().await;
        assert_eq!(start.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_rate_holds_from_the_next_call_on_and_the_same_one_forgives_nothing() {
        let pacer = Pacer::new(Some(1));
        let start = Instant::now();
        pacer.turn().await;
        pacer.reload(Some(1));
        pacer.turn().await;
        assert_eq!(start.elapsed().as_secs(), 60);
        pacer.reload(Some(60));
        pacer.turn().await;
        pacer.turn().await;
        assert_eq!(start.elapsed().as_secs(), 61);
        pacer.reload(None);
        pacer.turn().await;
        assert_eq!(start.elapsed().as_secs(), 61);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nothing_waits() {
        let pacer = Pacer::new(None);
        let start = Instant::now();
        for _ in 0..1000 {
            pacer.turn().await;
        }
        assert!(start.elapsed().is_zero());
    }
}

//! Our own token bucket: `CXONE_REQUESTS_PER_MINUTE`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Spaces the flow calls. Holds one second's worth, so that an idle service answers at once and a busy
/// one never exceeds the rate by more than that.
///
/// Kept as the moment at which the bucket would be full again (the generic cell rate algorithm), which
/// needs no refilling task.
#[derive(Debug)]
pub(super) struct Pacer {
    /// Between two calls at the full rate; nothing when there is no limit.
    interval: Option<Duration>,
    /// How far the bucket may be drawn ahead.
    slack: Duration,
    full_at: Mutex<Instant>,
}

impl Pacer {
    /// A pacer for so many calls a minute; without a number it never waits.
    pub(super) fn new(per_minute: Option<u32>) -> Self {
        let interval = per_minute.map(|calls| Duration::from_secs(60) / calls.max(1));
        let slack =
            interval.map_or(Duration::ZERO, |interval| Duration::from_secs(1).saturating_sub(interval));
        Self { interval, slack, full_at: Mutex::new(Instant::now()) }
    }

    /// Waits for a call's turn. Turns are given in the order of asking.
    pub(super) async fn turn(&self) {
        if let Some(at) = self.draw(Instant::now()) {
            tokio::time::sleep_until(at).await;
        }
    }

    /// Draws one call; says when it may start.
    fn draw(&self, now: Instant) -> Option<Instant> {
        let interval = self.interval?;
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let drawn = (*full_at).max(now);
        *full_at = drawn + interval;
        drawn.checked_sub(self.slack).filter(|at| *at > now)
    }
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
    async fn without_a_rate_nothing_waits() {
        let pacer = Pacer::new(None);
        let start = Instant::now();
        for _ in 0..1000 {
            pacer.turn().await;
        }
        assert!(start.elapsed().is_zero());
    }
}

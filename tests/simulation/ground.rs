//! What everybody in a simulated world stands on: its chance, its time, and the book of what happened.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use flowhook::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The time of day at which every world begins.
const MORNING_MS: i64 = 1_795_334_400_000;
/// More of what went wrong than this is not written down.
const VIOLATIONS_MAX: usize = 20;

/// A handle to it; clones share it.
#[derive(Clone)]
pub(crate) struct Ground(Arc<Mutex<Inner>>);

struct Inner {
    rng: Rng,
    began: Instant,
    /// How far the wall clock has been moved.
    moved: SignedDuration,
    /// Of every line that was noted.
    digest: Digest,
    /// The lines themselves, where somebody wants to read them.
    lines: Option<Vec<String>>,
    violations: Vec<String>,
}

/// FNV-1a: the same lines make the same number, on any machine.
struct Digest(u64);

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}

impl Ground {
    pub(crate) fn new(seed: u64, with_lines: bool) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            rng: Rng::with_seed(seed),
            began: Instant::now(),
            moved: SignedDuration::ZERO,
            digest: Digest(0xcbf2_9ce4_8422_2325),
            lines: with_lines.then(Vec::new),
            violations: Vec::new(),
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something of that likelihood happens.
    pub(crate) fn chance(&self, likelihood: f64) -> bool {
        self.inner().rng.f64() < likelihood
    }

    /// A number below `end`.
    pub(crate) fn below(&self, end: u64) -> u64 {
        self.inner().rng.u64(0..end.max(1))
    }

    /// One of these.
    pub(crate) fn pick<T: Clone>(&self, from: &[T]) -> T {
        let at = self.inner().rng.usize(0..from.len());
        from[at].clone()
    }

    /// A duration of at most so many milliseconds.
    pub(crate) fn at_most_ms(&self, ms: u64) -> Duration {
        Duration::from_millis(self.below(ms + 1))
    }

    /// Takes some time, or only lets others go first: so it is chance that says in which order things happen.
    pub(crate) async fn dawdle(&self, at_most_ms: u64) {
        match self.below(4) {
            0 => {}
            1 => {
                for _ in 0..=self.below(4) {
                    tokio::task::yield_now().await;
                }
            }
            _ => tokio::time::sleep(self.at_most_ms(at_most_ms)).await,
        }
    }

    /// How long the world has lasted.
    pub(crate) fn elapsed(&self) -> Duration {
        self.inner().began.elapsed()
    }

    /// The wall clock.
    pub(crate) fn clock(&self) -> Clock {
        let ground = self.clone();
        Clock::from_fn(move || {
            let inner = ground.inner();
            let morning = Timestamp::from_millisecond(MORNING_MS).expect("a time of this age");
            morning + inner.began.elapsed() + inner.moved
        })
    }

    /// Somebody sets the wall clock.
    pub(crate) fn move_clock(&self, by: SignedDuration) {
        self.inner().moved += by;
    }

    /// Writes down what happened.
    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        let mut inner = self.inner();
        let at = inner.began.elapsed().as_micros();
        // A digest takes everything.
        _ = writeln!(inner.digest, "{at} {what}");
        if let Some(lines) = &mut inner.lines {
            lines.push(format!("{:>12.3} ms  {what}", at as f64 / 1000.0));
        }
    }

    /// Writes down what a reader may want to know more of. It makes no difference to the digest, nor costs
    /// anything where nobody reads.
    pub(crate) fn detail(&self, what: fmt::Arguments<'_>) {
        if let Some(lines) = &mut self.inner().lines {
            lines.push(format!("                    {what}"));
        }
    }

    /// Writes down what must never happen.
    pub(crate) fn violated(&self, what: String) {
        self.note(format_args!("VIOLATION: {what}"));
        let mut inner = self.inner();
        if inner.violations.len() < VIOLATIONS_MAX {
            inner.violations.push(what);
        }
    }

    /// What must not have happened, and did.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.inner().violations.clone()
    }

    /// The number of everything that was noted.
    pub(crate) fn digest(&self) -> u64 {
        self.inner().digest.0
    }

    /// What was noted, if lines are kept.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.inner().lines.clone().unwrap_or_default()
    }
}

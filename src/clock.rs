//! The wall clock, injected so that freshness, retention and back-off can be tested.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Builder;

/// Tells the time of day. Waiting uses tokio's clock, which tests can pause.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that tells what `now` says.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }

    /// A UUIDv7 from this time and the randomness that all else uses: a simulation makes the same ones again.
    pub fn new_id(&self) -> String {
        let now_ms = u64::try_from(self.now().as_millisecond()).unwrap_or(0);
        let mut random = [0; 10];
        fastrand::fill(&mut random);
        Builder::from_unix_timestamp_millis(now_ms, &random).into_uuid().to_string()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

//! Waiting for what is sure to come: for a condition, never for time to pass.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// Longer than anything here takes: a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
/// Between two looks at something that tells nobody when it changes.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The outcome of what is sure to come in a while.
pub(crate) async fn patiently<T>(wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.expect("it does not take that long")
}

/// Looks again and again until something is there.
pub(crate) async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    patiently(async {
        loop {
            match look().await {
                Some(found) => break found,
                None => sleep(LOOK_EVERY).await,
            }
        }
    })
    .await
}

//! Work on large documents, done beside the runtime's threads: while one of them scans 16 MB, it serves nobody else.

use std::panic::resume_unwind;

use super::document::Document;
use super::error::DocumentError;

/// From so many bytes on a document is large: less is scanned in a fraction of a millisecond, which is about what
/// handing it to another thread costs.
const LARGE_BYTES: usize = 256 * 1024;

impl Document {
    /// [`Self::parse`], beside the runtime's threads if the text is large.
    ///
    /// # Errors
    /// As for [`Self::parse`].
    pub async fn read(text: String) -> Result<Self, DocumentError> {
        if is_large(&text) { aside(|| Self::parse(text)).await } else { Self::parse(text) }
    }

    /// Whether what looks at all of it should be done [`aside`].
    pub fn is_large(&self) -> bool {
        is_large(self.text())
    }
}

fn is_large(text: &str) -> bool {
    text.len() >= LARGE_BYTES
}

/// Does the work on a thread that may be kept busy. It is done even if nobody waits for it any more.
///
/// # Panics
/// When the work does.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is going down, and whoever waits here with it.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

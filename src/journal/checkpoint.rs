//! Copying what is committed from the WAL into the file, beside the commits: thousands of pages all over the file are
//! written and waited for, while deliveries go on.

use sqlx::query;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// After how many entries there is something to copy: pages that are changed often are copied once.
const EVERY: usize = 4_000;

/// The task that copies, told by the writer when to.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// One that is under way covers nearly all that the next would.
    due: mpsc::Sender<()>,
    copying: JoinHandle<()>,
    entries: usize,
}

impl Checkpoints {
    /// Copies over a connection of its own.
    pub(super) fn over(mut connection: SqliteConnection) -> Self {
        let (due, mut wanted) = mpsc::channel(1);
        let copying = tokio::spawn(async move {
            while wanted.recv().await.is_some() {
                // It copies what no reader stands in the way of, and waits for nobody.
                if let Err(error) = query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut connection).await {
                    // A commit does it in its place when the WAL has become long.
                    tracing::debug!(error = %error, "the WAL was not copied into the journal");
                }
            }
        });
        Self { due, copying, entries: 0 }
    }

    /// So many entries more have been committed.
    pub(super) fn committed(&mut self, entries: usize) {
        self.entries += entries;
        if self.entries >= EVERY && self.due.try_send(()).is_ok() {
            self.entries = 0;
        }
    }

    /// Ends, after what is under way.
    pub(super) async fn close(self) {
        drop(self.due);
        if let Err(error) = self.copying.await {
            tracing::error!(error = %error, "the copying of the WAL broke down");
        }
    }
}

//! Copying what is committed from the WAL into the file, beside the commits: thousands of pages all over the file are
//! written while deliveries go on. The disk is waited for by the commit that begins the WAL anew: to wait for it here too
//! makes the commits' own waits longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, query};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// After how many entries there is something to copy: pages that are changed often are copied once.
const EVERY: usize = 4_000;

/// The task that copies, told by the writer when to.
#[derive(Debug)]
pub(super) struct Checkpoints {
    due: mpsc::Sender<()>,
    /// A copy is under way. Meanwhile no commit can begin the WAL anew, so that one copy must not follow the other.
    is_copying: Arc<AtomicBool>,
    copying: JoinHandle<()>,
    /// Committed since the last copy.
    entries: usize,
}

impl Checkpoints {
    /// Copies over a connection of its own.
    pub(super) fn over(connection: SqliteConnection) -> Self {
        let (due, wanted) = mpsc::channel(1);
        let is_copying = Arc::new(AtomicBool::new(false));
        let copying = tokio::spawn(copy_all(connection, wanted, Arc::clone(&is_copying)));
        Self { due, is_copying, copying, entries: 0 }
    }

    /// So many entries more have been committed.
    pub(super) fn committed(&mut self, entries: usize) {
        if self.is_copying.load(Ordering::Acquire) {
            return;
        }
        self.entries += entries;
        if self.entries >= EVERY {
            self.is_copying.store(true, Ordering::Release);
            self.entries = 0;
            // It fails only once the task has broken down, and then a commit copies when the WAL has become long.
            _ = self.due.try_send(());
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

async fn copy_all(
    mut connection: SqliteConnection,
    mut wanted: mpsc::Receiver<()>,
    is_copying: Arc<AtomicBool>,
) {
    while wanted.recv().await.is_some() {
        // It copies what no reader stands in the way of, and waits for nobody.
        if let Err(error) = query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut connection).await {
            // A commit does it in its place, and says so if it cannot.
            tracing::debug!(error = %error, "the WAL was not copied into the journal");
        }
        is_copying.store(false, Ordering::Release);
    }
    if let Err(error) = connection.close().await {
        tracing::debug!(error = %error, "the connection that copies the WAL was not closed in order");
    }
}

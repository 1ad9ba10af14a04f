//! Copying what is committed from the WAL into the file, beside the commits: thousands of pages all over the file are
//! written and waited for, while deliveries go on.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, query};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

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
    /// Copies over a connection of its own into `file`, which is to stay open: closing it would take SQLite's locks away.
    pub(super) fn over(connection: SqliteConnection, file: Option<Arc<File>>) -> Self {
        let (due, wanted) = mpsc::channel(1);
        let is_copying = Arc::new(AtomicBool::new(false));
        let copying = tokio::spawn(copy_all(connection, file, wanted, Arc::clone(&is_copying)));
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
    file: Option<Arc<File>>,
    mut wanted: mpsc::Receiver<()>,
    is_copying: Arc<AtomicBool>,
) {
    while wanted.recv().await.is_some() {
        // It copies what no reader stands in the way of, and waits for nobody.
        let copied = query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut connection).await;
        let told = match copied {
            Ok(_) => sync(file.clone()).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = told {
            // A commit does it in its place, and says so if it cannot.
            tracing::debug!(error, "the WAL was not copied into the journal");
        }
        is_copying.store(false, Ordering::Release);
    }
    if let Err(error) = connection.close().await {
        tracing::debug!(error = %error, "the connection that copies the WAL was not closed in order");
    }
}

/// Waits for the disk. SQLite leaves that to the commit that begins the WAL anew, if commits go on while it copies.
async fn sync(file: Option<Arc<File>>) -> io::Result<()> {
    let Some(file) = file else { return Ok(()) };
    spawn_blocking(move || file.sync_data()).await.map_err(io::Error::other)?
}

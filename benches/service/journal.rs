//! The file that a service keeps its changes in, looked into and made older from outside.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, query, query_as, query_scalar};
use tempfile::TempDir;

use crate::process::folder;

/// Longer than settled changes are kept.
const FORTY_DAYS_MS: i64 = 40 * 24 * 3600 * 1000;

/// How the changes of a journal ended.
pub(crate) struct Endings {
    pub(crate) published: i64,
    pub(crate) superseded: i64,
}

impl Endings {
    pub(crate) fn all(&self) -> i64 {
        self.published + self.superseded
    }
}

/// The journal of a folder.
pub(crate) fn in_folder(folder: &Path) -> PathBuf {
    folder.join("flowhook.db")
}

/// A copy of the journal in this folder, which no service has.
pub(crate) fn copy(from: &Path) -> Result<TempDir> {
    let to = folder()?;
    for file in fs::read_dir(from)? {
        let file = file?;
        fs::copy(file.path(), to.path().join(file.file_name()))?;
    }
    Ok(to)
}

/// Makes everything in a journal older than it is kept.
pub(crate) fn age(folder: &Path) -> Result<()> {
    on(folder, async |journal| {
        for sql in [
            "UPDATE deliveries SET received_at = received_at - ?",
            "UPDATE changes SET settled_at = settled_at - ?",
            "UPDATE attempts SET started_at = started_at - ?1, ended_at = ended_at - ?1",
        ] {
            query(sql).bind(FORTY_DAYS_MS).execute(&mut *journal).await?;
        }
        Ok(())
    })
}

/// How the changes ended that had ended by then.
pub(crate) fn endings(folder: &Path, by: Timestamp) -> Result<Endings> {
    let sql =
        "SELECT count(*) FILTER (WHERE state = 'published'), count(*) FILTER (WHERE state = 'superseded')
               FROM changes WHERE settled_at <= ?";
    on(folder, async |journal| {
        let (published, superseded) = query_as(sql).bind(by.as_millisecond()).fetch_one(journal).await?;
        Ok(Endings { published, superseded })
    })
}

/// How many settled changes it holds; the service may be at work on it.
pub(crate) fn settled(folder: &Path) -> Result<i64> {
    // As its index has them, so that looking takes little time.
    let sql =
        "SELECT count(*) FROM changes WHERE state IN ('published', 'unchanged', 'superseded', 'discarded')";
    on(folder, async |journal| Ok(query_scalar(sql).fetch_one(journal).await?))
}

fn on<T>(folder: &Path, work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut journal = SqliteConnectOptions::new().filename(in_folder(folder)).connect().await?;
        let done = work(&mut journal).await?;
        journal.close().await?;
        Ok(done)
    })
}

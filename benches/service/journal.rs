//! The file that a service keeps its changes in, looked into and made older from outside.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};
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
    on(folder, |journal| {
        for sql in [
            "UPDATE deliveries SET received_at = received_at - ?",
            "UPDATE changes SET settled_at = settled_at - ?",
            "UPDATE attempts SET started_at = started_at - ?1, ended_at = ended_at - ?1",
        ] {
            journal.execute(sql, [FORTY_DAYS_MS])?;
        }
        Ok(())
    })
}

/// How the changes ended that had ended by then.
pub(crate) fn endings(folder: &Path, by: Timestamp) -> Result<Endings> {
    let sql =
        "SELECT count(*) FILTER (WHERE state = 'published'), count(*) FILTER (WHERE state = 'superseded')
               FROM changes WHERE settled_at <= ?";
    on(folder, |journal| {
        journal.query_row(sql, [by.as_millisecond()], |row| {
            Ok(Endings { published: row.get(0)?, superseded: row.get(1)? })
        })
    })
}

/// How many settled changes it holds; the service may be at work on it.
pub(crate) fn settled(folder: &Path) -> Result<i64> {
    // As its index has them, so that looking takes little time.
    let sql = "SELECT count(*) FROM changes WHERE state <> 'pending' AND state <> 'failed'";
    on(folder, |journal| journal.query_row(sql, [], |row| row.get(0)))
}

fn on<T>(folder: &Path, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
    let journal = Connection::open_with_flags(in_folder(folder), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let done = work(&journal)?;
    journal.close().map_err(|(_, error)| error)?;
    Ok(done)
}

//! Opening the SQLite file: its lock, its durability, its schema.

use std::borrow::Cow;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqlSafeStr as _};

use super::{Reader, Writer};
use crate::change::shorten;

/// How many connections read beside the writer's one.
const READERS: u32 = 4;
/// How long a statement waits for a lock that another connection of ours holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the journal is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location(PathBuf);

impl Location {
    /// A SQLite file at `path`.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl FromStr for Location {
    type Err = String;

    /// Reads `sqlite:PATH`; `sqlite://PATH`, as other programs write it, means the same.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
        match path {
            Some("" | ":memory:") => {
                Err("the journal must be a file: write for example `sqlite:flowhook.db`".to_owned())
            }
            Some(path) => Ok(Self::sqlite(path)),
            None if text.starts_with("postgres") => {
                Err("this version keeps its journal in SQLite only: write `sqlite:PATH`".to_owned())
            }
            None => Err(format!("`{}` is not a journal: write `sqlite:PATH`", shorten(text))),
        }
    }
}

/// An open journal: the one writer, and a reader to clone.
#[derive(Debug)]
pub struct Journal {
    /// Commits; owned by one task.
    pub writer: Writer,
    /// Answers questions; cheap to clone.
    pub reader: Reader,
}

impl Journal {
    /// Opens or creates the journal, locks it to this process and brings its schema up to date.
    ///
    /// # Errors
    /// [`JournalError`], which names the file and says what to do.
    pub async fn open(location: &Location) -> Result<Self, JournalError> {
        let path = location.path();
        let lock = lock(path)?;
        let unusable = |source| JournalError::Unusable { path: path.to_owned(), source };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(unusable)?;
        migrator()
            .run(&mut connection)
            .await
            .map_err(|source| JournalError::Schema { path: path.to_owned(), source })?;
        // `read_only` would keep SQLite from recovering the WAL; refusing writes is enough.
        let pool = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.clone().pragma("query_only", "true"))
            .await
            .map_err(unusable)?;
        let again = options.create_if_missing(false);
        Ok(Self { writer: Writer::new(connection, again, lock), reader: Reader::new(pool) })
    }
}

fn migrator() -> Migrator {
    let journal = include_str!("migrations/0001_journal.sql").into_sql_str();
    let first = Migration::new(1, Cow::Borrowed("journal"), MigrationType::Simple, journal, false);
    Migrator::with_migrations(vec![first])
}

/// Takes the lock beside the journal. The kernel gives it back when the process ends, however it ends.
fn lock(path: &Path) -> Result<File, JournalError> {
    // A link would give one journal two locks. A file that is not there yet has no other name.
    let mut beside = path.canonicalize().unwrap_or_else(|_not_there| path.to_owned()).into_os_string();
    beside.push(".lock");
    let unwritable = |source| JournalError::Unwritable { path: path.to_owned(), source };
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&beside).map_err(unwritable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unwritable(source)),
    }
}

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has it.
    #[error(
        "the journal `{}` is in use by another process: stop that one, or set FLOWHOOK_JOURNAL to another file",
        path.display()
    )]
    Locked {
        /// The journal's file.
        path: PathBuf,
    },
    /// Its folder cannot be written.
    #[error("the journal `{}` cannot be written: check that its folder exists and belongs to you", path.display())]
    Unwritable {
        /// The journal's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not a database that we can open.
    #[error("the journal `{}` cannot be opened: restore it from a backup, or set FLOWHOOK_JOURNAL to another file", path.display())]
    Unusable {
        /// The journal's file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// It was written by a newer version, or is damaged.
    #[error("the journal `{}` does not fit this version of flowhook: run the version that wrote it", path.display())]
    Schema {
        /// The journal's file.
        path: PathBuf,
        /// What the migration said.
        source: MigrateError,
    },
    /// A statement failed.
    #[error("the journal did not take a statement: check that its disk is there and has room")]
    Statement(#[from] sqlx::Error),
    /// A row holds what we never write.
    #[error("the journal holds `{value}` where {expected} belongs: restore it from a backup")]
    Corrupt {
        /// What was found.
        value: String,
        /// What should be there.
        expected: &'static str,
    },
}

impl JournalError {
    pub(super) fn corrupt(value: impl Into<String>, expected: &'static str) -> Self {
        Self::Corrupt { value: value.into(), expected }
    }
}

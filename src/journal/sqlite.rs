//! Opening the SQLite file: its lock, its durability, its schema.

use std::borrow::Cow;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, SqlSafeStr as _};

use super::{Reader, Writer};
use crate::change::shorten;
use crate::http::shown;

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
            None => Err(format!("`{}` is not a journal: write `sqlite:PATH`", shorten(&shown(text)))),
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
        accessible(path)?;
        // Made before its lock is taken: through a link that leads nowhere yet, it would get another lock later.
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|source| JournalError::Unwritable { path: path.to_owned(), source })?;
        let lock = lock(path)?;
        let unusable = |source| JournalError::Unusable { path: path.to_owned(), source };
        // Before anything of it is changed, even its mode.
        let pool = onlooker(path).await?;
        let usable = is_journal(&pool, path).await;
        pool.close().await;
        usable?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(unusable)?;
        migrator().run(&mut connection).await.map_err(|error| not_migrated(path, error))?;
        // `read_only` would keep SQLite from recovering the WAL; refusing writes is enough.
        let pool = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.clone().pragma("query_only", "true"))
            .await
            .map_err(unusable)?;
        let again = options.create_if_missing(false);
        Ok(Self { writer: Writer::new(connection, again, lock), reader: Reader::new(pool) })
    }

    /// Looks whether the journal could be opened, without doing so: none is made, and none is migrated.
    ///
    /// # Errors
    /// [`JournalError`] as [`Journal::open`] would give it.
    pub async fn look(location: &Location) -> Result<Found, JournalError> {
        let path = location.path();
        accessible(path)?;
        if !path.exists() {
            return Ok(Found::Nothing);
        }
        // One that is made here could belong to another user than the service's.
        let _lock = if lock_of(path).exists() { Some(lock(path)?) } else { None };
        let pool = onlooker(path).await?;
        let found = match is_journal(&pool, path).await {
            Ok(false) => Ok(Found::Nothing),
            Ok(true) => {
                Reader::new(pool.clone()).pending_count().await.map(|pending| Found::Journal { pending })
            }
            Err(error) => Err(error),
        };
        pool.close().await;
        found
    }
}

/// What is where the journal is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No journal yet; it can be made.
    Nothing,
    /// A journal.
    Journal {
        /// How many changes are pending in it.
        pending: usize,
    },
}

/// A connection that changes nothing.
async fn onlooker(path: &Path) -> Result<SqlitePool, JournalError> {
    let options = SqliteConnectOptions::new().filename(path).pragma("query_only", "true");
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
    pool.map_err(|source| JournalError::Unusable { path: path.to_owned(), source })
}

/// Whether a file is a journal that this version can use; if not, it holds nothing yet and can become one.
async fn is_journal(pool: &SqlitePool, path: &Path) -> Result<bool, JournalError> {
    let unusable = |source| JournalError::Unusable { path: path.to_owned(), source };
    let tables =
        "SELECT COUNT(*), COALESCE(SUM(name IN ('_sqlx_migrations', 'deliveries')), 0) FROM sqlite_schema";
    match sqlx::query_as::<_, (i64, i64)>(tables).fetch_one(pool).await.map_err(unusable)? {
        (0, _) => return Ok(false),
        (_, 0 | 1) => return Err(JournalError::Foreign { path: path.to_owned() }),
        _ => {}
    }
    let version = "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations";
    let version: i64 = sqlx::query_scalar(version).fetch_one(pool).await.map_err(unusable)?;
    if version != 0 && !migrator().version_exists(version) {
        let source = MigrateError::VersionMissing(version);
        return Err(JournalError::Schema { path: path.to_owned(), source });
    }
    Ok(version != 0)
}

/// Looks whether the file can be written, or made. SQLite's own words for it would mislead.
fn accessible(path: &Path) -> Result<(), JournalError> {
    let unwritable = |source| JournalError::Unwritable { path: path.to_owned(), source };
    if path.is_dir() {
        return Err(JournalError::Folder { path: path.to_owned() });
    }
    if path.exists() {
        OpenOptions::new().append(true).open(path).map_err(unwritable)?;
    } else {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        tempfile::tempfile_in(folder.unwrap_or(Path::new("."))).map_err(unwritable)?;
    }
    let lock = lock_of(path);
    if lock.exists() {
        OpenOptions::new().write(true).open(&lock).map_err(unwritable)?;
    }
    Ok(())
}

fn migrator() -> Migrator {
    let journal = include_str!("migrations/0001_journal.sql").into_sql_str();
    let first = Migration::new(1, Cow::Borrowed("journal"), MigrationType::Simple, journal, false);
    Migrator::with_migrations(vec![first])
}

fn not_migrated(path: &Path, error: MigrateError) -> JournalError {
    if let MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) = error {
        return JournalError::Statement(source);
    }
    JournalError::Schema { path: path.to_owned(), source: error }
}

/// Takes the lock beside the journal. The kernel gives it back when the process ends, however it ends.
fn lock(path: &Path) -> Result<File, JournalError> {
    let unwritable = |source| JournalError::Unwritable { path: path.to_owned(), source };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(lock_of(path))
        .map_err(unwritable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unwritable(source)),
    }
}

fn lock_of(path: &Path) -> PathBuf {
    // A link would give one journal two locks.
    let mut beside = path.canonicalize().unwrap_or_else(|_not_there| path.to_owned()).into_os_string();
    beside.push(".lock");
    beside.into()
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
    /// It is a folder.
    #[error("the journal `{}` is a folder: name a file in it, as in sqlite:{}", path.display(), path.join("flowhook.db").display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// It is a database, and no journal.
    #[error("`{}` is another program's database: set FLOWHOOK_JOURNAL to another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It, its lock or its folder cannot be written.
    #[error(
        "the journal `{}` cannot be written: check that its folder exists, and that it and its `.lock` belong to you",
        path.display()
    )]
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

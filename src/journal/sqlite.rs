//! Opening the SQLite file: its lock, its durability, its schema.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, SqlSafeStr as _};

use super::checkpoint::Checkpoints;
use super::lock::{Lock, accessible, has_wal};
use super::{JournalError, Reader, Writer};
use crate::change::{Seq, shorten};
use crate::http::shown;

/// How many connections read beside the writer's one.
const READERS: u32 = 4;
/// How long another process may have the journal until it counts as its, and how often that is looked at.
const LOCK_WAIT: Duration = Duration::from_millis(500);
const LOCK_LOOK_EVERY: Duration = Duration::from_millis(10);
/// What the writer keeps of the file in memory at most, in KiB: random ids are looked up all over their index.
const WRITER_CACHE_KIB: u32 = 16 * 1024;
/// How many pages, of 4 KiB, the WAL may have until a commit copies what is left of them, waits for the disk and begins
/// the WAL anew. Most of them have been copied beside the commits by then.
const WAL_PAGES: u32 = 16_000;
/// How many bytes of it stay when it begins anew.
const WAL_BYTES: u32 = 64 * 1024 * 1024;
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
        let lock = patiently(|| Lock::take(path)).await?;
        let unusable = |source| JournalError::unusable(path, source);
        // Before anything of it is changed, even its mode.
        let pool = onlooker(path).await?;
        let last = examine(&pool, path, lock.acknowledged()).await;
        pool.close().await;
        let last = last?;
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
        settle(&mut connection).await.map_err(unusable)?;
        let checkpoints = Checkpoints::over(connection);
        let options = options.create_if_missing(false);
        let writing = options
            .clone()
            .pragma("cache_size", format!("-{WRITER_CACHE_KIB}"))
            .pragma("wal_autocheckpoint", WAL_PAGES.to_string())
            // What it has grown to while somebody read for long, as a backup does, it gives back.
            .pragma("journal_size_limit", WAL_BYTES.to_string())
            // What it takes to undo one statement alone, as large as the pages that it changes. A migration's is larger.
            .pragma("temp_store", "memory");
        let connection = writing.connect().await.map_err(unusable)?;
        // Not `read_only`: the last connection that closes tidies up the WAL, and it may be one of these.
        let pool = SqlitePoolOptions::new()
            .max_connections(READERS)
            // To a file of ours: asking whether the connection is alive costs as much as the question.
            .test_before_acquire(false)
            .connect_with(options.pragma("query_only", "true"))
            .await
            .map_err(unusable)?;
        let writer = Writer::new(connection, writing, checkpoints, lock.knowing(last));
        Ok(Self { writer, reader: Reader::new(pool) })
    }

    /// Looks whether the journal could be opened, without doing so: none is made, and none is migrated.
    ///
    /// # Errors
    /// [`JournalError`] as [`Journal::open`] would give it.
    pub async fn look(location: &Location) -> Result<Found, JournalError> {
        let path = location.path();
        accessible(path)?;
        let lock = patiently(|| Lock::look(path)).await?;
        if !path.exists() {
            return match lock.acknowledged() {
                0 => Ok(Found::Nothing),
                acknowledged => Err(JournalError::CutShort { path: path.to_owned(), last: 0, acknowledged }),
            };
        }
        let pool = onlooker(path).await?;
        let found = match examine(&pool, path, lock.acknowledged()).await {
            Ok(None) => Ok(Found::Nothing),
            Ok(Some(_)) => {
                Reader::new(pool.clone()).pending_count().await.map(|pending| Found::Journal { pending })
            }
            Err(error) => Err(error),
        };
        pool.close().await;
        found
    }
}

/// A lock, which may be somebody's for a moment only: `flowhook check` that looks at the journal, or a process that
/// is just being started by one that has given it back.
async fn patiently(mut take: impl FnMut() -> Result<Lock, JournalError>) -> Result<Lock, JournalError> {
    let begun = Instant::now();
    loop {
        match take() {
            Err(JournalError::Locked { .. }) if begun.elapsed() < LOCK_WAIT => {
                tokio::time::sleep(LOCK_LOOK_EVERY).await;
            }
            taken => return taken,
        }
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

/// A connection that changes nothing. With what a crash left in the WAL it must not even write that into the file,
/// as closing it would otherwise: should the journal be refused, all of it stays as it was found.
async fn onlooker(path: &Path) -> Result<SqlitePool, JournalError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(has_wal(path))
        .pragma("query_only", "true")
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
    pool.map_err(|source| JournalError::unusable(path, source))
}

/// Looks whether a file is a journal that is whole; the number of its last change, or nothing if it can become
/// a journal. What is damaged, or lacks a change that was acknowledged, is refused.
async fn examine(pool: &SqlitePool, path: &Path, acknowledged: Seq) -> Result<Option<Seq>, JournalError> {
    let unusable = |source| JournalError::unusable(path, source);
    let mut last = None;
    if is_journal(pool, path).await? {
        // Reads the whole file: a fifth of a second for 100,000 changes. `integrity_check` takes three times that.
        let begun = Instant::now();
        let found: String =
            sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(pool).await.map_err(unusable)?;
        tracing::debug!(journal.check_ms = begun.elapsed().as_millis(), "the journal was checked");
        if found != "ok" {
            return Err(JournalError::damaged(path, found));
        }
        // Kept by SQLite for AUTOINCREMENT: it stays when the change is pruned.
        let sql = "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'changes'";
        last = Some(sqlx::query_scalar(sql).fetch_one(pool).await.map_err(unusable)?);
    }
    let known = last.unwrap_or(0);
    if known < acknowledged {
        return Err(JournalError::CutShort { path: path.to_owned(), last: known, acknowledged });
    }
    Ok(last)
}

/// Writes what the last life left in the WAL into the file, and empties the WAL.
///
/// Where an fsync failed in that life, the system may call clean what never reached the disk, and a later fsync
/// would pass over it. Commits that follow it in the same WAL would then hang in the air.
async fn settle(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await.map(drop)
}

/// Whether a file is a journal that this version can use; if not, it holds nothing yet and can become one.
async fn is_journal(pool: &SqlitePool, path: &Path) -> Result<bool, JournalError> {
    let unusable = |source| JournalError::unusable(path, source);
    // A first start that was cut off may have left nothing but the empty list of migrations.
    let tables = "SELECT COALESCE(SUM(tbl_name <> '_sqlx_migrations'), 0),
                         COALESCE(SUM(name IN ('_sqlx_migrations', 'deliveries')), 0) FROM sqlite_schema";
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

fn migrator() -> Migrator {
    let all = [
        ("journal", include_str!("migrations/0001_journal.sql")),
        ("verbs", include_str!("migrations/0002_verbs.sql")),
        ("sources", include_str!("migrations/0003_sources.sql")),
        ("ends", include_str!("migrations/0004_ends.sql")),
    ];
    let migration = |(number, (name, sql)): (i64, (&'static str, &'static str))| {
        Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations((1..).zip(all).map(migration).collect())
}

fn not_migrated(path: &Path, error: MigrateError) -> JournalError {
    if let MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) = error {
        return JournalError::unusable(path, source);
    }
    JournalError::Schema { path: path.to_owned(), source: error }
}

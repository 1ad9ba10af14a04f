//! Opening the SQLite file: its lock, its durability, its schema.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::ids::Ids;
use super::lock::{Lock, accessible, has_wal};
use super::pending::Pending;
use super::readers::Readers;
use super::{JournalError, Reader, Writer, sql};
use crate::change::{Seq, shorten};
use crate::http::shown;

/// How many connections read beside the writer's one.
const READERS: usize = 4;
/// How long another process may have the journal until it counts as its, and how often that is looked at.
const LOCK_WAIT: Duration = Duration::from_millis(500);
const LOCK_LOOK_EVERY: Duration = Duration::from_millis(10);
/// What the writer keeps of the file in memory at most, in KiB. It writes where it has just written. And where a page was
/// split SQLite goes through all of it at the commit: to swap pages it had numbered one as the last page that a file can
/// have (`balance_nonroot`), and so looks everywhere for what is beyond the end (`pcache1TruncateUnsafe`).
const WRITER_CACHE_KIB: i64 = 4 * 1024;
/// How many bytes of the WAL stay when a commit begins it anew, as one does after each 1,000 pages: SQLite's own measure,
/// and with more of them the commits that do it take longer, not the others less.
const WAL_BYTES: i64 = 4 * 1024 * 1024;
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
        let last = onlooker(path).and_then(|sql| examine(&sql, path, lock.acknowledged()))?;
        let mut sql = connect(path).map_err(unusable)?;
        sql.pragma_update(None, "journal_mode", "wal").map_err(unusable)?;
        settle(&sql).map_err(unusable)?;
        migrate(&mut sql).map_err(unusable)?;
        let ids = Ids::take_up(&mut sql).map_err(|error| error.of(path))?;
        let pending = Pending::load(&sql).map_err(|error| error.of(path))?;
        // A migration's WAL is as large as what it has made anew.
        settle(&sql).and_then(|()| to_write(&sql)).map_err(unusable)?;
        let readers = (0..READERS).map(|_| {
            // Not `read_only`: the last connection that closes tidies up the WAL, and it may be one of these.
            connect(path).and_then(|sql| sql.pragma_update(None, "query_only", true).map(|()| sql))
        });
        let readers = readers.collect::<rusqlite::Result<_>>().map_err(unusable)?;
        let readers = Readers::over(readers)
            .map_err(|source| JournalError::NoThread { path: path.to_owned(), source })?;
        let reader = Reader::new(readers, pending.clone());
        let writer = Writer::new(sql, pending, ids, lock.knowing(last));
        Ok(Self { writer, reader })
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
        let sql = onlooker(path)?;
        match examine(&sql, path, lock.acknowledged())? {
            None => Ok(Found::Nothing),
            Some(_) => {
                let pending: i64 =
                    sql::value(&sql, "SELECT COUNT(*) FROM changes WHERE state = 'pending'", [])?;
                Ok(Found::Journal { pending: usize::try_from(pending).unwrap_or(0) })
            }
        }
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

/// A connection to the journal that is there.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

fn open(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let sql = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    sql.busy_timeout(BUSY_TIMEOUT)?;
    sql.set_prepared_statement_cache_capacity(sql::KEPT);
    // A plan may not depend on values: else SQLite makes it anew whenever a statement gets others.
    sql.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    sql.pragma_update(None, "synchronous", "full")?;
    // A migration makes a table anew that others refer to. And what refers is written by us alone, behind what it refers
    // to: to have it looked up again for each row makes SQLite note what each page was like before each statement.
    sql.pragma_update(None, "foreign_keys", false)?;
    Ok(sql)
}

/// Has a connection commit from now on.
fn to_write(sql: &Connection) -> rusqlite::Result<()> {
    sql.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // What it has grown to while somebody read for long, as a backup does, it gives back.
    sql.pragma_update_and_check(None, "journal_size_limit", WAL_BYTES, |_row| Ok(()))?;
    // The names of states and modes that we write are those of enums. That they are still such names is looked at whenever
    // the journal is opened, by `quick_check`; for each row that is written it would take a fifth of the time.
    sql.pragma_update(None, "ignore_check_constraints", true)?;
    // What it takes to undo one statement alone, as large as the pages that it changes. A migration's is larger.
    sql.pragma_update(None, "temp_store", "memory")
}

/// A connection that changes nothing. With what a crash left in the WAL it must not even write that into the file,
/// as closing it would otherwise: should the journal be refused, all of it stays as it was found.
fn onlooker(path: &Path) -> Result<Connection, JournalError> {
    let access =
        if has_wal(path) { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
    let sql = open(path, access).and_then(|sql| sql.pragma_update(None, "query_only", true).map(|()| sql));
    sql.map_err(|source| JournalError::unusable(path, source))
}

/// Looks whether a file is a journal that is whole; the number of its last change, or nothing if it can become
/// a journal. What is damaged, or lacks a change that was acknowledged, is refused.
fn examine(sql: &Connection, path: &Path, acknowledged: Seq) -> Result<Option<Seq>, JournalError> {
    let unusable = |source| JournalError::unusable(path, source);
    let mut last = None;
    if is_journal(sql, path)? {
        // Reads the whole file: a fifth of a second for 100,000 changes. `integrity_check` takes three times that.
        let begun = Instant::now();
        let found: String = sql.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(unusable)?;
        tracing::debug!(journal.check_ms = begun.elapsed().as_millis(), "the journal was checked");
        if found != "ok" {
            return Err(JournalError::damaged(path, found));
        }
        // Kept by SQLite for AUTOINCREMENT: it stays when the change is pruned.
        let text = "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'changes'";
        last = Some(sql.query_row(text, [], |row| row.get(0)).map_err(unusable)?);
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
fn settle(sql: &Connection) -> rusqlite::Result<()> {
    sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_row| Ok(()))
}

/// Whether a file is a journal that this version can use; if not, it holds nothing yet and can become one.
fn is_journal(sql: &Connection, path: &Path) -> Result<bool, JournalError> {
    let unusable = |source| JournalError::unusable(path, source);
    // A first start of an earlier version that was cut off may have left nothing but the empty list of migrations.
    let tables = "SELECT COALESCE(SUM(tbl_name <> '_sqlx_migrations'), 0),
                         COALESCE(SUM(name IN ('attempts', 'changes', 'deliveries', 'gate', 'marks')), 0) FROM sqlite_schema";
    let tables = sql.query_row(tables, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(unusable)?;
    match (tables, version(sql).map_err(unusable)?) {
        ((0, _), _) => Ok(false),
        ((_, 5), 1..=NEWEST) => Ok(true),
        ((_, 5), version) if version > NEWEST => Err(JournalError::Schema { path: path.to_owned(), version }),
        _ => Err(JournalError::Foreign { path: path.to_owned() }),
    }
}

/// What makes each version of the schema out of the one before.
const MIGRATIONS: [&str; 6] = [
    include_str!("migrations/0001_journal.sql"),
    include_str!("migrations/0002_verbs.sql"),
    include_str!("migrations/0003_sources.sql"),
    include_str!("migrations/0004_ends.sql"),
    include_str!("migrations/0005_ids.sql"),
    include_str!("migrations/0006_lean.sql"),
];
const NEWEST: i64 = MIGRATIONS.len() as i64;

/// The version of a journal's schema; 0 if there is none yet.
fn version(sql: &Connection) -> rusqlite::Result<i64> {
    let version = sql.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    // The first four had a list of what was made.
    let has_list = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')";
    if version == 0 && sql.query_row(has_list, [], |row| row.get(0))? {
        return sql.query_row("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations", [], |row| row.get(0));
    }
    Ok(version)
}

fn migrate(sql: &mut Connection) -> rusqlite::Result<()> {
    let made = version(sql)?;
    for (version, text) in (1..).zip(MIGRATIONS).filter(|(version, _)| *version > made) {
        let transaction = sql.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(text)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

//! The lock on a journal, and what the file beside it remembers: how far the journal had come.
//!
//! SQLite takes a WAL that was cut short, or that is missing, for one whose last commits never were; and to a
//! file that is missing or empty it makes a new database. The number of the last acknowledged change, kept
//! beside it, tells the difference. It is written after the commit and without an fsync: what is found of it
//! after a crash may be older than the journal, but never newer.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::JournalError;
use crate::change::Seq;

/// Whether the journal itself is locked too. Elsewhere, as on macOS, such a lock would stand in the way of those that
/// SQLite takes on the same file, our own SQLite's included.
const LOCKS_JOURNAL: bool = cfg!(target_os = "linux");
/// How many links are followed to a file that is not there: as many as Linux follows.
const LINKS: usize = 40;
/// How the number is written: always as long, so that it is overwritten in place, on a full disk too.
const DIGITS: usize = 20;

/// A journal that is ours, as long as this is held: the kernel gives it back when the process ends, however it
/// ends.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    /// The journal itself: it may have several names, and each of them another file beside it.
    journal: Option<File>,
    beside: Option<File>,
    acknowledged: Seq,
}

impl Lock {
    /// Takes the lock of a journal, which is made if it is missing.
    pub(super) fn take(path: &Path) -> Result<Self, JournalError> {
        let unwritable = |source| JournalError::Unwritable { path: path.to_owned(), source };
        let open =
            |path: &Path| OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        not_beheaded(path)?;
        // Made before its lock is taken: through a link that leads nowhere yet, it would get another lock later.
        let journal = open(path).map_err(unwritable)?;
        let beside = open(&lock_of(path)).map_err(unwritable)?;
        Self::on(path, Some(journal), Some(beside))
    }

    /// Takes the lock of what is there, and makes nothing: it could belong to another user than the service's.
    pub(super) fn look(path: &Path) -> Result<Self, JournalError> {
        not_beheaded(path)?;
        Self::on(path, File::open(path).ok(), File::open(lock_of(path)).ok())
    }

    fn on(path: &Path, journal: Option<File>, beside: Option<File>) -> Result<Self, JournalError> {
        let itself = journal.as_ref().filter(|_| LOCKS_JOURNAL);
        for file in [beside.as_ref(), itself].into_iter().flatten() {
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(JournalError::Locked { path: path.to_owned() }),
                Err(TryLockError::Error(source)) => {
                    return Err(JournalError::Unwritable { path: path.to_owned(), source });
                }
            }
        }
        let mut text = String::new();
        // One that cannot be read tells nothing, as one that was removed.
        let read = beside.as_ref().is_some_and(|mut file| file.read_to_string(&mut text).is_ok());
        let acknowledged = if read { text.trim().parse().unwrap_or(0) } else { 0 };
        Ok(Self { path: path.to_owned(), journal, beside, acknowledged })
    }

    /// The number of the last change that was acknowledged, as far as it is remembered.
    pub(super) fn acknowledged(&self) -> Seq {
        self.acknowledged
    }

    /// The lock of a journal whose last change is known.
    pub(super) fn knowing(mut self, last: Option<Seq>) -> Self {
        self.remember(last.unwrap_or(0));
        self
    }

    /// Remembers that everything up to this change may have been acknowledged.
    pub(super) fn remember(&mut self, seq: Seq) {
        if seq <= self.acknowledged {
            return;
        }
        self.acknowledged = seq;
        // Without it a loss may go unnoticed, but nothing is lost by that.
        if let Err(error) = self.write() {
            tracing::debug!(error = %error, "the last acknowledged change was not noted beside the journal");
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.beside else { return Ok(()) };
        file.rewind()?;
        file.write_all(format!("{:0DIGITS$}\n", self.acknowledged).as_bytes())
    }

    /// Whether the journal is still the file of that name; what is written into one that was removed is lost
    /// with the process.
    pub(super) fn is_in_place(&self) -> bool {
        self.journal.as_ref().is_none_or(|file| is_at(file, &self.path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    let (ours, there) = (file.metadata(), path.metadata());
    matches!((ours, there), (Ok(ours), Ok(there)) if (ours.dev(), ours.ino()) == (there.dev(), there.ino()))
}

/// Elsewhere a file that is open cannot be removed.
#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// SQLite would remove the WAL of an empty file, and takes a file of a single byte for one.
fn not_beheaded(path: &Path) -> Result<(), JournalError> {
    let is_empty = path.metadata().map_or(true, |metadata| metadata.len() <= 1);
    if is_empty && has_wal(path) {
        return Err(JournalError::Beheaded { path: path.to_owned() });
    }
    Ok(())
}

/// Whether the last life left commits in a WAL, as one does that was killed.
pub(super) fn has_wal(path: &Path) -> bool {
    beside(path, "-wal").metadata().is_ok_and(|metadata| metadata.len() > 0)
}

/// Looks whether the file can be written, or made. SQLite's own words for it would mislead.
pub(super) fn accessible(path: &Path) -> Result<(), JournalError> {
    let unwritable = |source| JournalError::Unwritable { path: path.to_owned(), source };
    if path.is_dir() {
        return Err(JournalError::Folder { path: path.to_owned() });
    }
    if path.exists() {
        OpenOptions::new().append(true).open(path).map_err(unwritable)?;
    } else {
        let path = resolved(path);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        tempfile::tempfile_in(folder.unwrap_or(Path::new("."))).map_err(unwritable)?;
    }
    let lock = lock_of(path);
    if lock.exists() {
        OpenOptions::new().write(true).open(&lock).map_err(unwritable)?;
    }
    Ok(())
}

fn lock_of(path: &Path) -> PathBuf {
    beside(path, ".lock")
}

/// The file beside a journal with this ending; a link would give one journal two of them.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut beside = resolved(path).into_os_string();
    beside.push(ending);
    beside.into()
}

/// Where the links of a path lead, to a file that may be missing: what belongs to it is there all the same.
fn resolved(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match (path.canonicalize(), path.read_link()) {
            (Ok(there), _) => return there,
            (Err(_), Ok(next)) => path = path.parent().unwrap_or(Path::new("")).join(next),
            (Err(_), Err(_)) => break,
        }
    }
    path
}

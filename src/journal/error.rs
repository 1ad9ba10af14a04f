//! Why a journal cannot be used, and what to do about it.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::change::Seq;

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
    /// The system does not let SQLite open it.
    #[error(
        "the journal `{}` cannot be opened: check that its disk is there and has room, and that it and the files beside it belong to you",
        path.display()
    )]
    Unusable {
        /// The journal's file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Nobody can read it beside its writer.
    #[error("the journal `{}` cannot be read, for the system gives no thread: check its bound on tasks", path.display())]
    NoThread {
        /// The journal's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What is in it cannot be.
    #[error(
        "the journal `{}` cannot be opened, for it is damaged or none: restore it from a backup, or set FLOWHOOK_JOURNAL to another file",
        path.display()
    )]
    Damaged {
        /// The journal's file.
        path: PathBuf,
        /// What SQLite found.
        source: Finding,
    },
    /// Its file is missing or empty, and what belongs to it is there.
    #[error(
        "the journal `{}` is missing or empty, and its `-wal` is not: put the file back, or restore it from a backup",
        path.display()
    )]
    Beheaded {
        /// The journal's file.
        path: PathBuf,
    },
    /// Changes are missing at its end.
    #[error(
        "the journal `{}` ends with change {last}, and change {acknowledged} was acknowledged: put back what is missing, its `-wal` above all; if this is a backup that you have restored, remove `{}.lock`",
        path.display(),
        path.display()
    )]
    CutShort {
        /// The journal's file.
        path: PathBuf,
        /// The number of the last change that it knows of; 0 if it knows of none.
        last: Seq,
        /// The number of the last change that was acknowledged.
        acknowledged: Seq,
    },
    /// Its file was removed or replaced while it was in use.
    #[error(
        "the journal `{}` was removed or replaced while it is in use: put the file back where it was, or stop the service and restore it from a backup",
        path.display()
    )]
    Gone {
        /// The journal's file.
        path: PathBuf,
    },
    /// Damage was met while it was in use.
    #[error("the journal is damaged: stop the service and restore it from a backup")]
    Malformed(#[source] rusqlite::Error),
    /// Nothing is written any more, because damage was met.
    #[error(
        "the journal is damaged, and nothing is written into it any more: stop the service and restore it from a backup"
    )]
    GivenUp,
    /// It was written by a newer version.
    #[error(
        "the journal `{}` does not fit this version of flowhook: run the version that wrote it (it has schema {version})",
        path.display()
    )]
    Schema {
        /// The journal's file.
        path: PathBuf,
        /// The version of its schema.
        version: i64,
    },
    /// It is to be observed, and holds changes that are to be published.
    #[error(
        "the journal holds changes that wait to be published ({pending}), and `serve --observe` would end them without that: have `serve` publish them first, drop them with `flowhook discard`, or set FLOWHOOK_JOURNAL to another file"
    )]
    ToBePublished {
        /// How many.
        pending: i64,
    },
    /// A statement failed.
    #[error("the journal did not take a statement: check that its disk is there and has room")]
    Statement(#[source] rusqlite::Error),
    /// It was closed.
    #[error("the journal is closed")]
    Closed,
    /// A row holds what we never write.
    #[error("the journal holds `{value}` where {expected} belongs: restore it from a backup")]
    Corrupt {
        /// What was found.
        value: String,
        /// What should be there.
        expected: &'static str,
    },
}

/// What is wrong with a damaged file, in SQLite's words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Finding(String);

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { Self::Malformed(error) } else { Self::Statement(error) }
    }
}

/// Whether SQLite met what cannot be.
fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

impl JournalError {
    /// SQLite did not open the file, or did not read what says that it is a journal.
    pub(super) fn unusable(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        if is_damage(&source) {
            return Self::damaged(&path, source.to_string());
        }
        Self::Unusable { path, source }
    }

    /// What failed as the file was opened names it.
    pub(super) fn of(self, path: &Path) -> Self {
        if let Self::Statement(source) | Self::Malformed(source) = self {
            return Self::unusable(path, source);
        }
        self
    }

    pub(super) fn damaged(path: &Path, found: String) -> Self {
        Self::Damaged { path: path.to_owned(), source: Finding(found) }
    }

    pub(super) fn corrupt(value: impl Into<String>, expected: &'static str) -> Self {
        Self::Corrupt { value: value.into(), expected }
    }
}

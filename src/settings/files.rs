//! The files that settings were read from, and whether they still say the same.
//!
//! They are looked at by their content. A file that changes tells nobody so reliably: notifications follow the
//! inode, and settings are replaced by a rename, by a link that is turned to another folder (as Kubernetes does with
//! `..data`), or on a file system of another machine; and a time of modification can be as old as whoever put the
//! file there likes. There are few of them and they are short, so that reading them each time costs next to nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::change::shorten;

/// Whoever has a longer settings file or `.env` has given us the wrong file: 1 MiB.
pub(super) const SETTINGS_BYTES: u64 = 1_024 * 1_024;
/// A file that is longer than this holds no secret: 64 KiB.
const SECRET_BYTES: u64 = 64 * 1_024;

/// What was found in files, at the first look at each. It holds no content, only what tells two contents apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    found: BTreeMap<PathBuf, Found>,
    /// Whether the program was started long ago: what could be read once has been read then.
    is_later: bool,
}

/// A file as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// It was read, up to `limit`: its content's SHA-256.
    Content { digest: [u8; 32], limit: u64 },
    /// It could not be read.
    Unreadable { kind: io::ErrorKind, limit: u64 },
    /// A pipe or the like, which is empty at the second look.
    ForOnce,
}

impl Files {
    /// Nothing yet, of a program that has been running for a while.
    pub(super) fn later() -> Self {
        Self { found: BTreeMap::new(), is_later: true }
    }

    /// Reads a file of text that is at most so many bytes long.
    pub(super) fn read(&mut self, path: &Path, limit: u64) -> io::Result<String> {
        // Only the first look counts: if the next one finds something else, that is to be noticed.
        let is_for_once = is_for_once(path);
        if is_for_once && self.is_later {
            self.found.entry(path.to_owned()).or_insert(Found::ForOnce);
            return Err(io::Error::other("it is no regular file, which is read at the start only: restart"));
        }
        let bytes = bytes(path, limit);
        let found = if is_for_once { Found::ForOnce } else { found(bytes.as_deref(), limit) };
        self.found.entry(path.to_owned()).or_insert(found);
        String::from_utf8(bytes?).map_err(|_shows_the_content| io::Error::other("it is not UTF-8"))
    }

    /// Reads a file of secrets, or of one. A byte order mark before it, which Windows puts there, is none of it.
    pub(super) fn read_secret(&mut self, path: &Path) -> io::Result<String> {
        let text = self.read(path, SECRET_BYTES)?;
        Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
    }

    /// Adds what was found in others, unless these have been looked at before.
    pub(super) fn add(&mut self, others: Self) {
        for (path, found) in others.found {
            self.found.entry(path).or_insert(found);
        }
    }

    /// Whether any of them says something else than it did.
    pub(super) fn have_changed(&self) -> bool {
        self.found.iter().any(|(path, before)| match *before {
            Found::Content { limit, .. } | Found::Unreadable { limit, .. } => {
                is_for_once(path) || found(bytes(path, limit).as_deref(), limit) != *before
            }
            Found::ForOnce => false,
        })
    }
}

/// What to call a file that cannot be read: its path in backticks, after a space. Nothing where neither the file nor the
/// folder is there that it would be in: then the text may be the secret itself, in the place of its file's path.
pub(super) fn shown_path(path: &str) -> String {
    let is_folder = |folder: &Path| folder.file_name().is_some() && folder.is_dir();
    let is_there = fs::symlink_metadata(path).is_ok() || Path::new(path).parent().is_some_and(is_folder);
    if is_there { format!(" `{}`", shorten(path)) } else { String::new() }
}

/// Whether it is there, and neither a file nor a folder.
fn is_for_once(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|is| !is.is_file() && !is.is_dir())
}

fn found(bytes: Result<&[u8], &io::Error>, limit: u64) -> Found {
    match bytes {
        Ok(bytes) => Found::Content { digest: Sha256::digest(bytes).into(), limit },
        Err(error) => Found::Unreadable { kind: error.kind(), limit },
    }
}

fn bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {limit} bytes")));
    }
    Ok(bytes)
}

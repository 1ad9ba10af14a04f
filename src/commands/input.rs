//! Files as the commands read them: `-` is standard input, and there is a limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flowhook::change::shorten;

/// The name that means standard input.
const STANDARD_INPUT: &str = "-";
/// The most that is read of a file. A delivery may have 1 MiB, a tenant's document a few; this keeps what never
/// ends, as `/dev/zero`, out of memory.
const MIB_AT_MOST: u64 = 64;
const BYTES_AT_MOST: u64 = MIB_AT_MOST << 20;

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`{file}` cannot be read: {why}")]
pub(super) struct Unreadable {
    file: String,
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is longer than {MIB_AT_MOST} MiB: give a smaller file")]
    TooLong,
    #[error("it is not UTF-8 text: give a file that is")]
    NotText,
}

/// Whether it stands for standard input.
pub(super) fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == STANDARD_INPUT
}

/// What to call it in a message.
pub(super) fn name(path: &Path) -> String {
    if is_standard_input(path) { "standard input".to_owned() } else { shorten(&path.to_string_lossy()) }
}

/// What a file holds, byte for byte.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, Unreadable> {
    read(path).map_err(|why| unreadable(path, why))
}

/// What a file holds, as text.
pub(super) fn text(path: &Path) -> Result<String, Unreadable> {
    String::from_utf8(bytes(path)?).map_err(|_not_utf8| unreadable(path, Why::NotText))
}

/// Whether it looks as if it could be read, without reading it.
pub(super) fn look(path: &Path) -> Result<(), Unreadable> {
    try_look(path).map_err(|why| unreadable(path, why))
}

fn read(path: &Path) -> Result<Vec<u8>, Why> {
    if is_standard_input(path) {
        up_to_the_limit(io::stdin().lock())
    } else {
        up_to_the_limit(File::open(path)?)
    }
}

fn up_to_the_limit(from: impl Read) -> Result<Vec<u8>, Why> {
    let mut bytes = Vec::new();
    // One byte more tells what is too long from what just fits.
    let read = from.take(BYTES_AT_MOST + 1).read_to_end(&mut bytes)?;
    if read as u64 > BYTES_AT_MOST { Err(Why::TooLong) } else { Ok(bytes) }
}

fn try_look(path: &Path) -> Result<(), Why> {
    if is_standard_input(path) {
        return Ok(());
    }
    let file = std::fs::metadata(path)?;
    if file.is_dir() {
        return Err(Why::Io(io::ErrorKind::IsADirectory.into()));
    }
    if file.len() > BYTES_AT_MOST {
        return Err(Why::TooLong);
    }
    // What is neither file nor folder, a pipe for example, can be opened only once: it is left for later.
    if file.is_file() { File::open(path).map(drop).map_err(Why::Io) } else { Ok(()) }
}

fn unreadable(path: &Path, why: Why) -> Unreadable {
    Unreadable { file: name(path), why }
}

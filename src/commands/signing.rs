//! Signing files as a configuration system signs its deliveries.

use std::io::{self, Read as _};
use std::path::Path;

use flowhook::settings::SOURCE;
use flowhook::source::{Source, Sources};
use uuid::Uuid;

use crate::exit::Fault;

/// The name that means standard input.
const STANDARD_INPUT: &str = "-";

/// Which source a command signs for.
#[derive(Debug, clap::Args)]
pub(super) struct SourceArg {
    /// The source to sign for, as in /hooks/NAME
    #[arg(long = "source", value_name = "NAME", default_value = SOURCE)]
    pub(super) name: String,
}

impl SourceArg {
    /// The source of that name.
    pub(super) fn find<'s>(&self, sources: &'s Sources) -> Result<&'s Source, Fault> {
        sources.find(&self.name).ok_or_else(|| {
            let known = sources.names().join("`, `");
            Fault::usage(format!(
                "there is no source `{}`: give --source one of `{known}`",
                flowhook::change::shorten(&self.name)
            ))
        })
    }
}

/// An id for a delivery that nobody has used before.
pub(super) fn new_id() -> String {
    format!("msg_{}", Uuid::now_v7().simple())
}

/// Whether it stands for standard input.
pub(super) fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == STANDARD_INPUT
}

/// What a file holds, byte for byte; `-` is standard input.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !is_standard_input(path) {
        return std::fs::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The error of a file that cannot be read, without its `error:`.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> String {
    let name = if is_standard_input(path) { "standard input".into() } else { path.to_string_lossy() };
    format!("`{}` cannot be read: {error}", flowhook::change::shorten(&name))
}

//! Signing as a configuration system signs its deliveries.

use flowhook::settings::SOURCE;
use flowhook::source::{Source, Sources};
use uuid::Uuid;

use crate::exit::Failed;

/// Which source a command signs for.
#[derive(Debug, clap::Args)]
pub(super) struct SourceArg {
    /// The source to sign for, as in /hooks/NAME; default config, or the only one that there is
    #[arg(long = "source", value_name = "NAME")]
    pub(super) name: Option<String>,
}

impl SourceArg {
    /// The source of that name.
    pub(super) fn find<'s>(&self, sources: &'s Sources) -> Result<&'s Source, Failed> {
        let names = sources.names();
        let name = match (self.name.as_deref(), names.as_slice()) {
            (Some(name), _) => name,
            (None, [only]) => only,
            (None, _) => SOURCE,
        };
        sources.find(name).ok_or_else(|| {
            let (name, known) = (flowhook::change::shorten(name), names.join("`, `"));
            Failed::usage(format!("there is no source `{name}`: give --source one of `{known}`"))
        })
    }
}

/// An id for a delivery that nobody has used before, as long as the source's ids are.
pub(super) fn new_id(source: &Source) -> String {
    let digits = Uuid::now_v7().simple().to_string();
    match source.scheme().id_length() {
        None => format!("msg_{digits}"),
        // The last digits are the random ones.
        Some(length) if length <= digits.len() => digits[digits.len() - length..].to_owned(),
        Some(length) => format!("{digits:0>length$}"),
    }
}

//! `flowhook man`: the manual pages, generated from the command line's own definition and the table of settings.

mod page;

use std::path::PathBuf;

use super::print;
use crate::exit::{Exit, Failed};
use page::pages;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flowhook man | man -l -
  flowhook man --dir ~/.local/share/man/man1")]
pub(crate) struct Args {
    /// Write the pages of all commands into this folder; else the main page goes to standard output
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// Prints or writes the pages of `program`, which is this one.
pub(crate) fn run(args: &Args, program: clap::Command) -> Result<(), Failed> {
    let pages = pages(program).map_err(|error| Failed::new(Exit::Other, error))?;
    let Some(folder) = &args.dir else {
        return pages.first().map_or(Ok(()), |main| print(main.text.trim_end()));
    };
    for page in &pages {
        std::fs::write(folder.join(&page.file), &page.text).map_err(|error| {
            let context =
                format!("the pages cannot be written to `{}`: make the folder first", folder.display());
            Failed::new(Exit::Other, anyhow::Error::new(error).context(context))
        })?;
    }
    Ok(())
}

//! `flowhook man`: the manual pages, generated from the command line's own definition and the table of settings.

use std::io;
use std::path::{Path, PathBuf};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use flowhook::settings::KEYS;

use super::print;
use crate::exit::{Exit, Failed};

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
    let page = main_page(program.clone()).map_err(|error| Failed::new(Exit::Other, error))?;
    match &args.dir {
        None => print(page.trim_end()),
        Some(folder) => write_all(folder, program, &page).map_err(|error| {
            let context =
                format!("the pages cannot be written to `{}`: make the folder first", folder.display());
            Failed::new(Exit::Other, anyhow::Error::new(error).context(context))
        }),
    }
}

fn write_all(folder: &Path, program: clap::Command, main_page: &str) -> io::Result<()> {
    clap_mangen::generate_to(program, folder)?;
    std::fs::write(folder.join("flowhook.1"), main_page)
}

/// The page of the program itself, with the settings as its ENVIRONMENT.
fn main_page(program: clap::Command) -> io::Result<String> {
    let man = Man::new(program);
    let mut page = Vec::new();
    man.render(&mut page)?;
    let mut settings = Roff::new();
    settings.control("SH", ["ENVIRONMENT"]);
    for key in KEYS {
        settings.control("TP", []);
        settings.text([bold(key.variable)]);
        let about = key.about.replace('`', "");
        settings
            .text([roman(format!("{about}. Default: {}. In a settings file: {}.", key.default, key.file))]);
    }
    settings.to_writer(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

//! The `flowhook` program.
//!
//! 1. Read the command line; bad usage exits with 64.
//! 2. Read the settings' layers.
//! 3. Begin to log, to standard error.
//! 4. Run the command.
//! 5. Print an error once, with its causes, and exit with its code.

mod cli;
mod commands;
mod exit;

use std::io::Write as _;
use std::process::ExitCode;

use anstyle::AnsiColor;
use clap::Parser as _;

use cli::Cli;
use exit::{Exit, Failed};
use flowhook::settings::{Layers, Settings};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A broken pipe is no reason to fail louder.
            _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    match run(cli) {
        Ok(()) => Exit::Done.into(),
        Err(failed) => {
            let style = AnsiColor::Red.on_default().bold();
            // `eprintln!` would panic where standard error cannot be written, and change the exit code.
            _ = writeln!(anstream::stderr(), "{style}error:{style:#} {failed}");
            failed.exit.into()
        }
    }
}

fn run(cli: Cli) -> Result<(), Failed> {
    let layers = Layers::load(cli.config.as_deref());
    // A filter that is none is reported by the command, with whatever else is wrong.
    let filter = Settings::log(&layers).ok().flatten();
    commands::begin_log(filter.unwrap_or_else(|| cli.command.log()));
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failed::new(Exit::Other, anyhow::Error::new(error).context("cannot start")))?;
    runtime.block_on(cli.command.run(layers))
}

//! The `flowhook` program.
//!
//! 1. Read the command line; bad usage exits with 64.
//! 2. Read the settings' layers.
//! 3. Begin to log, to standard error.
//! 4. Run the command.
//! 5. Print an error once, with its causes, and exit with its code; in JSON too where that is asked for and the
//!    command has printed none.

mod cli;
mod commands;
mod exit;

use std::io::{self, Write as _};
use std::process::ExitCode;

use anstyle::AnsiColor;
use clap::Parser as _;

use cli::Cli;
use commands::log::{self, LogFilter};
use exit::{Exit, Failed};
use flowhook::settings::{Layers, Settings};

/// What is allocated on one thread is freed on another, deliveries above all: the system's allocator is slow at that.
/// SQLite keeps the system's: in place of that for all, it breaks what is laid under the program, as libfaketime is.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A broken pipe is no reason to fail louder.
            _ = error.print();
            if !error.use_stderr() {
                return Exit::Done.into();
            }
            let told = error.to_string();
            tell_in_json(told.trim_start_matches("error: ").trim_end(), Exit::Usage);
            return Exit::Usage.into();
        }
    };
    match run(cli) {
        Ok(()) => Exit::Done.into(),
        Err(failed) => {
            let style = AnsiColor::Red.on_default().bold();
            log::say_last(&format!("{style}error:{style:#} {failed}\n"));
            if !failed.has_document {
                tell_in_json(&failed.to_string(), failed.exit);
            }
            failed.exit.into()
        }
    }
}

/// Tells an error on standard output, if JSON is what is expected there.
fn tell_in_json(error: &str, exit: Exit) {
    if cli::asks_for_json(std::env::args_os()) {
        _ = writeln!(io::stdout(), "{}", exit::document(error, exit));
    }
}

fn run(cli: Cli) -> Result<(), Failed> {
    let layers = Layers::load(cli.config.as_deref());
    // A filter that is none is reported by the command, with whatever else is wrong.
    let cannot_start =
        |error: io::Error| Failed::new(Exit::Other, anyhow::Error::new(error).context("cannot start"));
    let log = LogFilter::begin(Settings::log(&layers).ok().flatten(), cli.command.log());
    // Dropped at the end, whatever that is: what was logged comes before the error.
    let (log, _farewell) = log.map_err(cannot_start)?;
    let runtime = tokio::runtime::Runtime::new().map_err(cannot_start)?;
    let ended = runtime.block_on(cli.command.run(layers, log));
    // What may still be read from a disk or a server of files that does not answer is not waited for.
    runtime.shutdown_background();
    ended
}

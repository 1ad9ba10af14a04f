//! `flowhook completions SHELL`: what a shell needs to complete our commands and flags.

use clap_complete::Shell;

use super::print;
use crate::exit::Failed;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flowhook completions bash > ~/.local/share/bash-completion/completions/flowhook
  flowhook completions zsh > ~/.zfunc/_flowhook
  flowhook completions fish > ~/.config/fish/completions/flowhook.fish")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the completions of `program`, which is this one.
pub(crate) fn run(args: &Args, program: &mut clap::Command) -> Result<(), Failed> {
    // Into memory first: the generator panics where standard output cannot be written.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, program, env!("CARGO_PKG_NAME"), &mut script);
    print(String::from_utf8_lossy(&script).trim_end())
}

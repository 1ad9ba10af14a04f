//! `flowhook retry`: failed changes get another chance, and pending ones are tried at once.

use flowhook::settings::Layers;

use super::chosen::{self, Chosen, Verb};
use crate::exit::Failed;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A retried change keeps its number, so that it does not win over a newer one. A pending one that waits after a
failure of its own is tried at once; one that waits for the whole tenant goes on waiting.

Examples:
  flowhook changes --state failed                      see what has failed, and why
  flowhook retry 17 18
  flowhook retry --state failed --since 2h
  flowhook retry --flow a1b2c3d4-0001-4000-8000-000000000001 --json"
)]
pub(crate) struct Args {
    #[command(flatten)]
    chosen: Chosen,
}

pub(crate) async fn run(args: &Args, layers: &Layers) -> Result<(), Failed> {
    chosen::act(Verb { path: "retry", done: "to be tried again", newest_first: false }, &args.chosen, layers)
        .await
}

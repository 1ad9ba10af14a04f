//! `flowhook discard`: drops changes that are not to be published any more.

use flowhook::settings::Layers;

use super::chosen::{self, Chosen, Verb};
use crate::exit::Failed;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Drops changes that are pending or have failed; others stay as they are. One that is in an update whose outcome
is not known yet may be in the flow already: it is left alone, and the exit code is 75.

Examples:
  flowhook changes --state failed --flow FLOW          see first what would be dropped
  flowhook discard --state failed --flow FLOW
  flowhook discard 17 18
  flowhook discard --source config --since 2026-01-05T06:00:00Z --json"
)]
pub(crate) struct Args {
    #[command(flatten)]
    chosen: Chosen,
}

pub(crate) async fn run(args: &Args, layers: &Layers) -> Result<(), Failed> {
    chosen::act(Verb { path: "discard", done: "discarded", newest_first: false }, &args.chosen, layers).await
}

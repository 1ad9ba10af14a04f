//! `flowhook resume`: what was paused is published.

use flowhook::settings::Layers;

use super::pausing::{self, How, Which};
use crate::exit::Failed;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "What waited is published at once, also what had backed off. A flow with a pause of its own stays paused when all
are resumed, and a flow that is resumed waits as long as all are paused: what still holds is told.

Examples:
  flowhook resume --all
  flowhook resume a1b2c3d4-0001-4000-8000-000000000001
  flowhook resume --all --json | jq -r '.flows[].flow'   which stay paused"
)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(args: &Args, layers: &Layers) -> Result<(), Failed> {
    pausing::act("resume", &args.which, &[], &args.how, layers).await
}

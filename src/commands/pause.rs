//! `flowhook pause`: nothing of a flow, or of any, is published until it is resumed.

use flowhook::settings::Layers;

use super::pausing::{self, How, Which};
use crate::exit::Failed;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Deliveries are accepted all the same, and wait. An update under way runs to its end; none begins after this
command has answered. A pause outlasts a restart.

Examples:
  flowhook pause --all --reason 'incident 4711'        the kill switch
  flowhook pause a1b2c3d4-0001-4000-8000-000000000001 --reason 'Ann edits it'
  flowhook changes --state pending                     see what waits
  flowhook resume --all"
)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// Why: it is shown with everything that waits because of it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(args: &Args, layers: &Layers) -> Result<(), Failed> {
    let reason: Vec<_> = args.reason.iter().map(|reason| ("reason", reason.clone())).collect();
    pausing::act("pause", &args.which, &reason, &args.how, layers).await
}

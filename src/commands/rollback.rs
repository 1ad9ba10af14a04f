//! `flowhook rollback`: gives variables the values back that published changes replaced.

use flowhook::settings::Layers;

use super::chosen::{self, Chosen, Verb};
use crate::exit::Failed;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A rollback is a change of its own, which goes its way as others do. It gives a variable its previous value back only
where it still holds what the rolled-back change wrote; what a person or a newer change has set to something else since is
left alone, and the rollback's reason says so. A value does not say who set it. Several are rolled back the newest first, by one update of a flow: so a chain of them
leads back to the oldest state. To have a change again, roll its rollback back. What a route with `on_drift = \"repair\"` fills
it puts back within one interval: turn that off, or pause the flow, before such a change is rolled back.

Examples:
  flowhook changes --state published --since 2h        see what there is
  flowhook rollback 17
  flowhook rollback --flow a1b2c3d4-0001-4000-8000-000000000001 --since 2026-01-05T06:00:00Z
  flowhook rollback --source config --since 1h --json"
)]
pub(crate) struct Args {
    #[command(flatten)]
    chosen: Chosen,
}

pub(crate) async fn run(args: &Args, layers: &Layers) -> Result<(), Failed> {
    let verb = Verb { path: "rollback", done: "to be rolled back", newest_first: true };
    chosen::act(verb, &args.chosen, layers).await
}

//! `flowhook send FILE…`: signs files, posts them, and follows what becomes of them.
//!
//! The files are posted one after another, so that the service gets them in the order given, and no further than
//! to the first one that it may take later. Each one that it accepts is followed beside the posting from then on,
//! until its changes have ended.

mod progress;
mod report;

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use flowhook::http;
use flowhook::settings::{Layers, Problems, Settings};
use flowhook::source::Sources;
use tokio::task::{JoinError, JoinSet};

use super::delivering::{Admin, Delivery, Ending, Following, Posting, Problem};
use super::input;
use super::listener::{Listener, base, base_url};
use super::signing::{SourceArg, new_id};
use crate::exit::{Exit, Failed};
use report::Report;

/// The longest `--wait`, a day in seconds: after that the service gives a change up.
const WAIT_AT_MOST_S: u64 = 24 * 60 * 60;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Files are sent in the order given and none twice. After one that was refused for now or got no answer
nothing more is sent, since it would be overtaken: send that one and the rest again.

The exit code is that of the first file that came to no good end: 65 refused, 69 no answer, 75 refused for now
or still pending, 77 wrong secret or admin token, 1 a change failed.

Examples:
  flowhook send event.json
  flowhook send fixtures/events/*.json --wait 60
  flowhook send --url https://hooks.example.com --admin-url http://10.0.0.5:8081 event.json
  flowhook send --url https://hooks.example.com --wait 0 event.json
  flowhook send --json events/*.json | jq .summary"
)]
pub(crate) struct Args {
    #[command(flatten)]
    source: SourceArg,
    /// What is to be sent: files, or - for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Where the service receives, without /hooks/NAME; default http://FLOWHOOK_LISTEN
    #[arg(long, value_name = "URL", value_parser = base)]
    url: Option<String>,
    /// Where the admin API listens; default http://FLOWHOOK_ADMIN_LISTEN, for a service on this machine
    #[arg(long, value_name = "URL", value_parser = base)]
    admin_url: Option<String>,
    /// How long to follow each file once it is accepted; 0: not at all
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=WAIT_AT_MOST_S))]
    wait: u64,
    /// Print one JSON document when all is over
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args, layers: &Layers) -> Result<(), Failed> {
    let Asked { sources, public, admin } = asked(&args, layers)?;
    let source = args.source.find(&sources)?;
    check_readable(&args.files)?;
    let posting = Posting::new(source, public);
    let following = admin.map(|admin| Arc::new(Following::new(source.name(), admin)));
    let mut followed = JoinSet::new();
    let mut report = Report::begin(args.files.len(), args.json);

    let mut files = args.files.iter().enumerate();
    while let Some((at, path)) = files.next() {
        let mut posted = pin!(post(&posting, path, new_id(source)));
        let delivery = loop {
            tokio::select! {
                delivery = &mut posted => break delivery,
                Some(ended) = followed.join_next() => report.ended(ended.map_err(broken)?)?,
            }
        };
        report.sent();
        let goes_on = delivery.ending.lets_others_pass();
        match &following {
            Some(following) if matches!(delivery.ending, Ending::Accepted) => {
                let following = Arc::clone(following);
                followed.spawn(async move { (at, following.follow(delivery).await) });
            }
            Some(_) | None => report.ended((at, delivery))?,
        }
        if !goes_on {
            for (at, path) in files.by_ref() {
                report.ended((at, overtaking(path)))?;
            }
        }
    }
    while let Some(ended) = followed.join_next().await {
        report.ended(ended.map_err(broken)?)?;
    }
    report.finish()
}

fn broken(error: JoinError) -> Failed {
    Failed::new(Exit::Other, anyhow::Error::new(error).context("following a file broke down"))
}

async fn post(posting: &Posting<'_>, path: &Path, id: String) -> Delivery {
    match input::bytes(path) {
        Ok(body) => posting.post(name(path), id, body).await,
        Err(error) => {
            let fix = "see to it that it can be read".to_owned();
            Delivery::unsent(name(path), Problem { exit: Exit::Input, what: error.to_string(), fix })
        }
    }
}

/// A file that is held back.
fn overtaking(path: &Path) -> Delivery {
    let problem = Problem {
        exit: Exit::TryLater,
        what: "it would overtake an earlier file, which was not taken".to_owned(),
        fix: "send it after that one".to_owned(),
    };
    Delivery::unsent(name(path), problem)
}

fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// What is to be done, by the arguments or else by the settings.
struct Asked {
    sources: Sources,
    public: Listener,
    /// Nothing where nobody wants to follow.
    admin: Option<Admin>,
}

/// Everything that is wrong with the settings is told at once.
fn asked(args: &Args, layers: &Layers) -> Result<Asked, Failed> {
    let mut problems = Problems::default();
    let sources = problems.take(Settings::sources(layers));
    let public = args.url.clone().map_or_else(
        || problems.take(Settings::listen(layers).and_then(|listen| base_url("FLOWHOOK_LISTEN", listen))),
        Some,
    );
    let follows = args.wait > 0;
    let of_admin =
        || Settings::admin_listen(layers).and_then(|listen| base_url("FLOWHOOK_ADMIN_LISTEN", listen));
    // An unspecified address reaches this machine too.
    let is_here = |url: &str| http::address_of(url).is_some_and(|ip| ip.is_loopback() || ip.is_unspecified());
    let elsewhere = args.url.as_ref().filter(|url| !is_here(url));
    let admin = match (&args.admin_url, elsewhere) {
        (Some(url), _) => Some(url.clone()),
        (None, Some(elsewhere)) if follows => {
            let elsewhere = http::shown(elsewhere);
            problems.add(&format!(
                "`{elsewhere}` is not this machine, so what it accepts cannot be followed at the admin API that is here: \
                 give --admin-url URL too, or --wait 0 to follow nothing"
            ));
            None
        }
        (None, _) if follows => problems.take(of_admin()),
        (None, _) => None,
    };
    let token = if follows { problems.take(Settings::admin_token(layers)).flatten() } else { None };
    let (Some(sources), Some(public), true) = (sources, public, problems.is_empty()) else {
        return Err(problems.into());
    };
    let public = Listener::reach(public, args.url.is_some(), ["--url", "FLOWHOOK_LISTEN"])?;
    let admin = match admin.filter(|_| follows) {
        Some(url) => {
            let names = ["--admin-url", "FLOWHOOK_ADMIN_LISTEN"];
            let listener = Listener::reach(url, args.admin_url.is_some(), names)?;
            Some(Admin { listener, token, wait: Duration::from_secs(args.wait) })
        }
        None => None,
    };
    Ok(Asked { sources, public, admin })
}

/// Before anything is sent: a list of files with a slip in it is more likely mended than sent in halves.
fn check_readable(files: &[PathBuf]) -> Result<(), Failed> {
    if files.iter().filter(|path| input::is_standard_input(path)).count() > 1 {
        return Err(Failed::usage("`-` is named twice, and standard input can be read once: name it once"));
    }
    let unreadable: Vec<String> =
        files.iter().filter_map(|path| Some(input::look(path).err()?.to_string())).collect();
    if unreadable.is_empty() {
        return Ok(());
    }
    Err(Failed::input(format!("{}; nothing was sent: mend the list of files", unreadable.join("\n  "))))
}

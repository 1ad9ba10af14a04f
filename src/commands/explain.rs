//! `flowhook explain`: what would become of a request, and why. Nothing is asked of any service.

mod hints;
mod lines;
mod report;
mod turned_away;

use std::path::PathBuf;

use flowhook::change::shorten;
use flowhook::route::{Event, Routes, Verdict};
use flowhook::settings::{Layers, Settings};
use flowhook::source::{OnRejected, Source, Step};
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use super::signing::SourceArg;
use super::{input, print, print_styled};
use crate::exit::{Exit, Failed};
use report::{Reading, Refused, Report};
use turned_away::TurnedAway;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "FILE is the request's body, byte for byte. Its headers are given as curl takes them: each by itself, or
as a file with a line for each. The receiver's clock is that of this machine, unless --at says otherwise: for a
request that was kept, the time at which it came.

Examples:
  flowhook sign event.json > headers.txt && flowhook explain event.json --source config -H @headers.txt
  flowhook explain body.json --source github -H 'X-GitHub-Event: push' -H 'X-Hub-Signature-256: sha256=…'
  flowhook explain body.json --source config -H @headers.txt --at 2026-01-05T06:00:00Z --json | jq .checks"
)]
pub(crate) struct Args {
    #[command(flatten)]
    source: SourceArg,
    /// A header as `NAME: VALUE`, or @FILE with one a line, @- for standard input; without any, only the routes are asked
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// When it came (RFC 3339); default now
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// The request's body: a file, or - for standard input
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, layers: &Layers) -> Result<(), Failed> {
    let (sources, routes) = Settings::deliveries(layers)?;
    let source = args.source.find(&sources)?;
    let mut headers = HeaderMap::new();
    for given in &args.headers {
        lines::add(given, &mut headers)?;
    }
    let body = input::bytes(&args.file).map_err(Failed::input)?;
    let at = args.at.unwrap_or_else(Timestamp::now);

    let turned_away = turned_away(source, &headers, body.len());
    let is_checked = turned_away.is_none() && !args.headers.is_empty();
    let checks = if is_checked { source.explain(&headers, &body, at) } else { Vec::new() };
    let refused_at = checks.last().filter(|check| check.outcome.is_err()).map(|check| check.step);
    let hints = if refused_at == Some(Step::Secret) {
        hints::all(source, &sources, &headers, &body, at)
    } else {
        Vec::new()
    };
    source.scheme().take_token_out(&mut headers);
    let event = Event { source: source.name(), headers: &headers, body: &body, at };
    let reading = turned_away.map_or_else(|| read(&Routes::new(routes), &event), Reading::TurnedAway);
    let status = status(source, refused_at.is_some(), &reading);
    let report = Report { source, checks, hints, reading, status };
    if args.json {
        print(&report.json())?;
    } else {
        print_styled(&report.text())?;
    }
    match report.refused() {
        None => Ok(()),
        Some(why) => {
            let told = match why {
                Refused::TurnedAway => "the request would be turned away".to_owned(),
                Refused::Unverified => "the request would not be verified".to_owned(),
                Refused::Rejected(why) => format!("the delivery would be rejected: {}", shorten(&why)),
            };
            Err(Failed::new(Exit::Input, anyhow::anyhow!(told)).with_document(args.json))
        }
    }
}

/// Whether the receiver would look at its signature at all.
fn turned_away(source: &Source, headers: &HeaderMap, bytes: usize) -> Option<TurnedAway> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let limit = source.terms().body_bytes;
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        Some(TurnedAway::Encoded)
    } else {
        (bytes > limit).then_some(TurnedAway::TooLarge { bytes, limit })
    }
}

/// What the routes say of the body, were it verified.
fn read(routes: &Routes, event: &Event<'_>) -> Reading {
    match routes.explain(event) {
        Ok(routes) => Reading::Json(routes),
        Err(why) => Reading::NotJson(why),
    }
}

/// What its sender would be answered.
fn status(source: &Source, is_unverified: bool, reading: &Reading) -> StatusCode {
    let on_rejected = |refused| match source.terms().rejected {
        OnRejected::Refused => refused,
        OnRejected::Success => StatusCode::OK,
    };
    if is_unverified {
        return StatusCode::UNAUTHORIZED;
    }
    let routes = match reading {
        Reading::TurnedAway(why) => return why.status(),
        Reading::NotJson(_) => return on_rejected(StatusCode::BAD_REQUEST),
        Reading::Json(routes) => routes,
    };
    let has = |what: fn(&Verdict) -> bool| routes.iter().any(|one| what(&one.verdict));
    if has(|verdict| matches!(verdict, Verdict::Refused(_))) {
        on_rejected(StatusCode::UNPROCESSABLE_ENTITY)
    } else if has(|verdict| matches!(verdict, Verdict::Changes(_))) {
        source.scheme().accepted()
    } else {
        StatusCode::OK
    }
}

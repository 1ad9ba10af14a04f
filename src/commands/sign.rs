//! `flowhook sign`: the headers that make a file a delivery.

use std::path::PathBuf;

use flowhook::settings::{Layers, Settings};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::signing::{SourceArg, new_id};
use super::{input, print};
use crate::exit::{Exit, Failed};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The headers hold for this very content and, where the scheme signs the time, for 5 minutes.

Examples:
  flowhook sign event.json | curl -H @- --data-binary @event.json http://127.0.0.1:8080/hooks/config
  flowhook sign --source config --id msg_1 event.json
  flowhook sign --json - < event.json | jq .headers"
)]
pub(crate) struct Args {
    #[command(flatten)]
    source: SourceArg,
    /// The delivery's id; default a new one
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// What is to be sent: a file, or - for standard input
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, layers: &Layers) -> Result<(), Failed> {
    let sources = Settings::sources(layers)?;
    let source = args.source.find(&sources)?;
    let body = input::bytes(&args.file).map_err(Failed::input)?;
    // An id of ours is well-formed, so what cannot be signed with it is not the caller's doing.
    let exit = if args.id.is_some() { Exit::Usage } else { Exit::Other };
    let id = args.id.unwrap_or_else(|| new_id(source));
    let headers = source.sign(&id, Timestamp::now(), &body).map_err(|error| Failed::new(exit, error))?;
    if args.json { print(&json(source.name(), &id, &headers)) } else { print(&lines(&headers)) }
}

fn lines(headers: &HeaderMap) -> String {
    let line = |(name, value)| format!("{name}: {}", text(value));
    headers.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn json(source: &str, id: &str, headers: &HeaderMap) -> String {
    let headers: serde_json::Map<String, Value> =
        headers.iter().map(|(name, value)| (name.to_string(), text(value).into())).collect();
    json!({"source": source, "id": id, "headers": headers}).to_string()
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().expect("ids, numbers, hex and base64 are visible ASCII")
}

//! `flowhook changes`: what is in the journal, newest first.

use flowhook::change::{Seq, State};
use flowhook::settings::Layers;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::admin_api::{AdminApi, AdminArgs};
use super::chosen::Filter;
use super::listener::one_line;
use super::print;
use crate::exit::{Exit, Failed};

/// How many changes the admin API gives at once.
const LIMIT_AT_MOST: u64 = 500;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flowhook changes
  flowhook changes --state failed --since 2h
  flowhook changes --flow a1b2c3d4-0001-4000-8000-000000000001 --limit 5
  flowhook changes --state pending --json | jq '.changes[].reason'")]
pub(crate) struct Args {
    #[command(flatten)]
    filter: Filter,
    /// How many at most, up to 500
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=LIMIT_AT_MOST))]
    limit: u64,
    /// Only those older than this one
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(Seq).range(1..))]
    cursor: Option<Seq>,
    #[command(flatten)]
    admin: AdminArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    changes: Vec<Row<'a>>,
    next_cursor: Option<Seq>,
}

#[derive(Deserialize)]
struct Row<'a> {
    seq: Seq,
    state: State,
    flow: String,
    node: String,
    received_at: Timestamp,
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    reason: Option<String>,
}

pub(crate) async fn run(args: &Args, layers: &Layers) -> Result<(), Failed> {
    let api = AdminApi::new(&args.admin, layers)?;
    let mut query = args.filter.query();
    query.push(("limit", args.limit.to_string()));
    query.extend(args.cursor.map(|cursor| ("cursor", cursor.to_string())));
    let page: Box<RawValue> = api.get("changes", &query).await?;
    if args.json {
        return print(page.get());
    }
    let page: Page<'_> =
        serde_json::from_str(page.get()).map_err(|error| Failed::new(Exit::Unreachable, error))?;
    print(&table(&page))
}

/// A line a change, in columns.
fn table(page: &Page<'_>) -> String {
    if page.changes.is_empty() {
        return "no changes".to_owned();
    }
    let head = ["SEQ", "STATE", "RECEIVED", "FLOW", "NODE", ""].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(page.changes.iter().map(Row::cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let line = |row: &[String; 6]| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let cells: Vec<String> = padded.chain([row[5].clone()]).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    if let Some(cursor) = page.next_cursor {
        lines.push(format!("there are older ones: --cursor {cursor}, or --limit with a higher number"));
    }
    lines.join("\n")
}

impl Row<'_> {
    fn cells(&self) -> [String; 6] {
        let version = self.version.map(|version| format!("version {}", version.get()));
        let notes: Vec<String> = version.into_iter().chain(self.reason.clone()).collect();
        let received_at = self.received_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let state = self.state.as_str().to_owned();
        let [flow, node, notes] = [&self.flow, &self.node, &notes.join(": ")].map(|text| one_line(text));
        [self.seq.to_string(), state, received_at, flow, node, notes]
    }
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn a_table_has_a_line_a_change_and_says_that_there_are_more() {
        let check = |page: &str, expected: &[&str]| {
            let page = serde_json::from_str(page).expect("a page");
            assert_eq!(table(&page).lines().collect::<Vec<_>>(), expected);
        };
        check(r#"{"changes":[]}"#, &["no changes"]);
        check(
            r#"{"next_cursor":9,"changes":[
                {"seq":10,"state":"published","flow":"f1","node":"n","received_at":"2026-01-05T06:00:01.5Z","version":1e3},
                {"seq":9,"state":"failed","flow":"flow-2","node":"node\n2","received_at":"2026-01-05T06:00:00Z","reason":"no\nnode"}]}"#,
            &[
                "SEQ  STATE      RECEIVED              FLOW    NODE",
                "10   published  2026-01-05T06:00:01Z  f1      n       version 1e3",
                "9    failed     2026-01-05T06:00:00Z  flow-2  node 2  no node",
                "there are older ones: --cursor 9, or --limit with a higher number",
            ],
        );
    }
}

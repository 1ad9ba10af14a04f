//! `flowhook drift`: which flows do not hold what was last applied to them.

use flowhook::change::FlowId;
use flowhook::settings::Layers;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::admin_api::{AdminApi, AdminArgs};
use super::listener::one_line;
use super::print;
use crate::exit::{Exit, Failed};

/// How many differences the admin API gives at once.
const LIMIT: u64 = 500;
/// How much of a value is shown.
const SHOWN_CHARS: usize = 40;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The running service looks at the flows before it answers: at up to 100 of them, for up to 10 s. What it differs in was
done by a person or by a rollback, and stays so: flowhook writes when its configuration system says something else,
and puts back only what a route with `on_drift = \"repair\"` fills. Exits with 0 whether or not something differs.

Examples:
  flowhook drift
  flowhook drift --flow a1b2c3d4-0001-4000-8000-000000000001
  flowhook drift --json | jq '.drift[] | {flow, variable, ours, there}'"
)]
pub(crate) struct Args {
    /// Only this flow
    #[arg(long, value_name = "ID", value_parser = FlowId::parse)]
    flow: Option<FlowId>,
    #[command(flatten)]
    admin: AdminArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The service's answer.
#[derive(Deserialize)]
struct Answer<'a> {
    flows: usize,
    #[serde(borrow)]
    left: Vec<Left<'a>>,
    more: bool,
    #[serde(borrow)]
    unread: Vec<Unread<'a>>,
    #[serde(borrow)]
    drift: Vec<Row<'a>>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Left<'a> {
    flow: &'a str,
    reason: String,
}

#[derive(Deserialize)]
struct Unread<'a> {
    route: &'a str,
    reason: String,
}

#[derive(Deserialize)]
struct Row<'a> {
    flow: &'a str,
    node: String,
    variable: Option<String>,
    member: Option<String>,
    #[serde(borrow)]
    ours: Option<&'a RawValue>,
    #[serde(borrow)]
    there: Option<&'a RawValue>,
    since: Timestamp,
}

pub(crate) async fn run(args: &Args, layers: &Layers) -> Result<(), Failed> {
    let api = AdminApi::new(&args.admin, layers)?;
    let mut query = vec![("limit", LIMIT.to_string())];
    query.extend(args.flow.iter().map(|flow| ("flow", flow.to_string())));
    let answer: Box<RawValue> = api.post("drift/check", &query).await?;
    if args.json {
        return print(answer.get());
    }
    let answer: Answer<'_> =
        serde_json::from_str(answer.get()).map_err(|error| Failed::new(Exit::Unreachable, error))?;
    answer.lines().iter().try_for_each(|line| print(line))
}

impl Answer<'_> {
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.drift.iter().map(Row::line).collect();
        if self.next_cursor.is_some() {
            lines.push(
                "more differs: ask for one flow with --flow, or the admin API with its cursor".to_owned(),
            );
        }
        let left = |left: &Left<'_>| format!("{}: not looked at: {}", left.flow, one_line(&left.reason));
        lines.extend(self.left.iter().map(left));
        if self.more {
            lines.push("not all flows were looked at: the service looks at the others in turn".to_owned());
        }
        let unread = |unread: &Unread<'_>| {
            format!(
                "what the source of route `{}` says is not known: {}",
                unread.route,
                one_line(&unread.reason)
            )
        };
        lines.extend(self.unread.iter().map(unread));
        lines.push(self.summary());
        lines
    }

    fn summary(&self) -> String {
        let flows = |count: usize| if count == 1 { "1 flow".to_owned() } else { format!("{count} flows") };
        match (self.drift.len(), self.flows) {
            (0, 0) if self.left.is_empty() => "nothing was applied to any flow yet".to_owned(),
            (0, 0) => "nothing is known to differ, and no flow was looked at".to_owned(),
            (0, looked_at) => format!("nothing differs: {} looked at", flows(looked_at)),
            (1, looked_at) => format!("1 value differs; {} looked at", flows(looked_at)),
            (differ, looked_at) => format!("{differ} values differ; {} looked at", flows(looked_at)),
        }
    }
}

impl Row<'_> {
    fn line(&self) -> String {
        let node = one_line(&self.node);
        let what = match (self.variable.as_deref(), self.member.as_deref()) {
            (Some(variable), _) => one_line(variable),
            (None, Some("")) => "its configuration".to_owned(),
            (None, Some(member)) => format!("`{}` of its configuration", one_line(member)),
            (None, None) => "the list of variables".to_owned(),
        };
        let (ours, there) = (brief(self.ours), brief(self.there));
        let since = self.since.strftime("%Y-%m-%dT%H:%M:%SZ");
        format!("{} {node}: {what} is {there}, not {ours}, since {since}", self.flow)
    }
}

/// The beginning of a value, on one line.
fn brief(json: Option<&RawValue>) -> String {
    let Some(json) = json else { return "nothing".to_owned() };
    let line = one_line(json.get());
    match line.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::Answer;

    #[test]
    fn what_differs_has_a_line_each_and_what_was_not_looked_at_is_told() {
        let check = |answer: &str, expected: &[&str]| {
            let answer: Answer<'_> = serde_json::from_str(answer).expect("an answer");
            assert_eq!(answer.lines(), expected);
        };
        check(
            r#"{"flows":0,"left":[],"more":false,"unread":[],"drift":[]}"#,
            &["nothing was applied to any flow yet"],
        );
        check(
            r#"{"flows":1,"left":[],"more":false,"unread":[{"route":"r","reason":"no\nanswer"}],"drift":[]}"#,
            &[
                "what the source of route `r` says is not known: no answer",
                "nothing differs: 1 flow looked at",
            ],
        );
        check(
            r#"{"flows":0,"left":[{"flow":"f1","reason":"it is paused"}],"more":true,"unread":[],"drift":[]}"#,
            &[
                "f1: not looked at: it is paused",
                "not all flows were looked at: the service looks at the others in turn",
                "nothing is known to differ, and no flow was looked at",
            ],
        );
        let long = "x".repeat(60);
        check(
            &format!(
                r#"{{"flows":2,"left":[],"more":false,"unread":[],"next_cursor":"00","drift":[
                    {{"flow":"f1","node":"n","variable":"a\nb","ours":1.10,"there":"{long}","route":"r",
                      "since":"2026-01-05T06:00:00.5Z","seen":"2026-01-05T06:00:01Z"}},
                    {{"flow":"f1","node":"n","member":"label","there":"L","route":"r",
                      "since":"2026-01-05T06:00:00Z","seen":"2026-01-05T06:00:01Z"}},
                    {{"flow":"f1","node":"n","ours":[],"route":"r",
                      "since":"2026-01-05T06:00:00Z","seen":"2026-01-05T06:00:01Z"}}]}}"#
            ),
            &[
                &format!("f1 n: a b is \"{}…, not 1.10, since 2026-01-05T06:00:00Z", "x".repeat(39)),
                "f1 n: `label` of its configuration is \"L\", not nothing, since 2026-01-05T06:00:00Z",
                "f1 n: the list of variables is nothing, not [], since 2026-01-05T06:00:00Z",
                "more differs: ask for one flow with --flow, or the admin API with its cursor",
                "3 values differ; 2 flows looked at",
            ],
        );
    }
}

//! Which changes an operator means: by their numbers, or by a filter. For `changes` and the verbs.

use clap::Args;
use flowhook::change::{FlowId, Seq, State, shorten};
use flowhook::settings::Layers;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::admin_api::{AdminApi, AdminArgs, Refused};
use super::{print, told};
use crate::exit::{Exit, Failed};

/// How often a filter is carried on with older changes: at 500 a time, 50 million.
const ROUNDS: usize = 100_000;

/// A filter.
#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Those in this state: pending, published, unchanged, superseded, failed or discarded
    #[arg(long, value_parser = state)]
    state: Option<State>,
    /// Those of this flow
    #[arg(long, value_name = "ID", value_parser = FlowId::parse)]
    flow: Option<FlowId>,
    /// Those of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Those whose delivery arrived then or later: a time (RFC 3339), or how long ago, as in 2h or 90m
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
}

impl Filter {
    /// The parameters that the admin API takes for it.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let parameters = [
            ("state", self.state.map(|state| state.as_str().to_owned())),
            ("flow", self.flow.as_ref().map(FlowId::to_string)),
            ("source", self.source.clone()),
            ("since", self.since.map(|since| since.to_string())),
        ];
        parameters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Numbers or a filter.
#[derive(Debug, Args)]
pub(super) struct Chosen {
    /// The changes' numbers, as `flowhook changes` shows them
    #[arg(value_name = "SEQ", value_parser = clap::value_parser!(Seq).range(1..))]
    #[arg(conflicts_with_all = ["state", "flow", "source", "since"])]
    seqs: Vec<Seq>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    admin: AdminArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn state(name: &str) -> Result<State, String> {
    let known = || State::ALL.map(State::as_str).join(", ");
    State::parse(name).ok_or_else(|| format!("it must be one of {}", known()))
}

fn since(text: &str) -> Result<Timestamp, String> {
    let wanted = "it must be a time as in 2026-01-05T06:00:00Z, or how long ago, as in 2h or 90m";
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let ago: SignedDuration =
        text.parse().map_err(|_bad| format!("`{}` is neither: {wanted}", shorten(text)))?;
    Timestamp::now().checked_sub(ago.abs()).map_err(|_range| wanted.to_owned())
}

/// What is to be done to them: the admin API's word for it, and how a change is afterwards.
#[derive(Clone, Copy)]
pub(super) struct Verb {
    pub(super) path: &'static str,
    pub(super) done: &'static str,
    /// Whether it matters that the newest is the first.
    pub(super) newest_first: bool,
}

/// What was done to those that a filter found.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Done {
    changes: usize,
    in_flight: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    made: Vec<Seq>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refused: Vec<NotDone>,
    #[serde(skip_serializing)]
    next_cursor: Option<Seq>,
}

/// Has it done, and tells what was.
pub(super) async fn act(verb: Verb, chosen: &Chosen, layers: &Layers) -> Result<(), Failed> {
    let query = chosen.filter.query();
    if chosen.seqs.is_empty() && query.is_empty() {
        return Err(Failed::usage(
            "say which changes: give their numbers, or at least one of --state, --flow, --source and --since",
        ));
    }
    let api = AdminApi::new(&chosen.admin, layers)?;
    if chosen.seqs.is_empty() {
        by_filter(verb, &api, query, chosen.json).await
    } else {
        by_number(verb, &api, &chosen.seqs, chosen.json).await
    }
}

async fn by_filter(
    verb: Verb,
    api: &AdminApi,
    query: Vec<(&'static str, String)>,
    json: bool,
) -> Result<(), Failed> {
    let mut all = Done::default();
    let path = format!("changes/{}", verb.path);
    for _round in 0..ROUNDS {
        let cursor = all.next_cursor.map(|cursor| ("cursor", cursor.to_string()));
        let query: Vec<_> = query.iter().cloned().chain(cursor).collect();
        let done: Done = api.post(&path, &query).await.map_err(|refused| interrupted(&all, verb, refused))?;
        all.changes += done.changes;
        all.in_flight += done.in_flight;
        all.made.extend(done.made);
        all.refused.extend(done.refused);
        all.next_cursor = done.next_cursor;
        if all.next_cursor.is_none() {
            break;
        }
    }
    if json {
        print(&told(&all)?)?;
    } else {
        print(&count(all.changes, verb))?;
    }
    if let Some(NotDone { problem, .. }) = all.refused.first() {
        let left = format!("{} more cannot be; the first of them: {problem}", all.refused.len());
        return Err(Failed::new(Exit::Input, anyhow::anyhow!(left)).with_document(json));
    }
    if all.in_flight == 0 {
        return Ok(());
    }
    let left = format!(
        "{} more in updates whose outcome is not known yet: run this again when `flowhook changes` shows it",
        all.in_flight
    );
    Err(Failed::new(Exit::TryLater, anyhow::anyhow!(left)).with_document(json))
}

fn count(changes: usize, verb: Verb) -> String {
    match changes {
        1 => format!("1 change is {}", verb.done),
        changes => format!("{changes} changes are {}", verb.done),
    }
}

/// A refusal after some rounds: what has been done is told too.
fn interrupted(all: &Done, verb: Verb, refused: Refused) -> Failed {
    let Refused { exit, why } = refused;
    let why =
        if all.changes == 0 { why } else { format!("{} so far; then: {why}", count(all.changes, verb)) };
    Refused { exit, why }.into()
}

/// What became of those that were named by their numbers.
#[derive(Serialize)]
struct Named {
    changes: Vec<Box<RawValue>>,
    refused: Vec<NotDone>,
}

#[derive(Debug, Deserialize, Serialize)]
struct NotDone {
    seq: Seq,
    problem: String,
}

/// What was done to one, and by which change, if it took another.
fn line(seq: Seq, verb: Verb, change: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Numbered {
        seq: Seq,
    }
    let told = format!("change {seq} is {}", verb.done);
    match serde_json::from_str(change.get()) {
        Ok(Numbered { seq: by }) if by != seq => format!("{told}, by change {by}"),
        Ok(_) | Err(_) => told,
    }
}

async fn by_number(verb: Verb, api: &AdminApi, seqs: &[Seq], json: bool) -> Result<(), Failed> {
    let mut named = Named { changes: Vec::new(), refused: Vec::new() };
    let mut exit = None;
    let mut seqs = seqs.to_vec();
    if verb.newest_first {
        seqs.sort_unstable_by_key(|seq| std::cmp::Reverse(*seq));
    }
    for seq in &seqs {
        match api.post::<Box<RawValue>>(&format!("changes/{seq}/{}", verb.path), &[]).await {
            Ok(change) => {
                if !json {
                    print(&line(*seq, verb, &change))?;
                }
                named.changes.push(change);
            }
            Err(refused) => {
                exit.get_or_insert(refused.exit);
                named.refused.push(NotDone { seq: *seq, problem: refused.why });
                // The others would fare alike.
                if matches!(exit, Some(Exit::Unreachable | Exit::Permission)) {
                    break;
                }
            }
        }
    }
    if json && !named.changes.is_empty() {
        print(&told(&named)?)?;
    }
    let Some(exit) = exit else { return Ok(()) };
    let has_document = json && !named.changes.is_empty();
    let why: Vec<String> = named.refused.into_iter().map(|refused| refused.problem).collect();
    Err(Failed::new(exit, anyhow::anyhow!(why.join("\n  "))).with_document(has_document))
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::since;

    #[test]
    fn a_beginning_is_a_time_or_a_while_ago() {
        let time = "2026-01-05T06:00:00Z";
        assert_eq!(since(time).map(|time| time.to_string()), Ok(time.to_owned()));
        let check = |text: &str, minutes: i64| {
            let begin = since(text).expect("a while");
            let ago = Timestamp::now().duration_since(begin);
            let late = ago - SignedDuration::from_mins(minutes);
            assert!(!late.is_negative() && late < SignedDuration::from_mins(1), "{text}: {ago}");
        };
        check("2h", 120);
        check("90m", 90);
        check("1h 30m", 90);
        for wrong in ["", "yesterday", "2", "2026-01-05"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}

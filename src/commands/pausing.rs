//! What `pause` and `resume` share: which flows are meant, and how the service's answers are told.

use clap::Args;
use flowhook::change::FlowId;
use flowhook::settings::Layers;
use serde::{Deserialize, Serialize};

use super::admin_api::{AdminApi, AdminArgs, Refused};
use super::listener::one_line;
use super::{print, told};
use crate::exit::Failed;

/// Flows, or all of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// The flows' ids
    #[arg(value_name = "FLOW", value_parser = flow)]
    flows: Vec<FlowId>,
    /// All flows, those too that are not known yet
    #[arg(long)]
    all: bool,
}

/// How it is asked, and told.
#[derive(Debug, Args)]
pub(super) struct How {
    #[command(flatten)]
    admin: AdminArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn flow(id: &str) -> Result<FlowId, String> {
    // Whoever types it means the kill switch, and must not believe to have thrown it.
    if id.eq_ignore_ascii_case("all") {
        return Err("for all flows, give --all".to_owned());
    }
    FlowId::parse(id).map_err(|bad| bad.to_string())
}

/// The service's answer, which is also what is told in JSON.
#[derive(Deserialize, Serialize)]
pub(super) struct State {
    /// The pause of all flows.
    paused: Option<Pause>,
    /// The flows that were named; if all were, those with a pause of their own.
    flows: Vec<Flow>,
}

#[derive(Deserialize, Serialize)]
struct Flow {
    flow: String,
    pending: u64,
    failed: u64,
    paused: Option<Pause>,
}

#[derive(Deserialize, Serialize)]
struct Pause {
    reason: String,
    since: String,
}

/// Has it done, `verb` being the admin API's word for it, and tells how things stand then.
pub(super) async fn act(
    verb: &str,
    which: &Which,
    query: &[(&str, String)],
    how: &How,
    layers: &Layers,
) -> Result<(), Failed> {
    let api = AdminApi::new(&how.admin, layers)?;
    let state = if which.all {
        api.post(verb, query).await?
    } else {
        one_by_one(&api, verb, &which.flows, query).await?
    };
    if how.json {
        return print(&told(&state)?);
    }
    state.lines(which.all).iter().try_for_each(|line| print(line))
}

async fn one_by_one(
    api: &AdminApi,
    verb: &str,
    flows: &[FlowId],
    query: &[(&str, String)],
) -> Result<State, Failed> {
    let mut all = State { paused: None, flows: Vec::new() };
    for flow in flows {
        let done = api.post::<State>(&format!("flows/{flow}/{verb}"), query).await;
        let State { paused, flows } = done.map_err(|refused| interrupted(&all, refused))?;
        all.paused = paused;
        all.flows.extend(flows);
    }
    Ok(all)
}

/// A refusal after some of them: what has been done is told too.
fn interrupted(done: &State, Refused { exit, why }: Refused) -> Failed {
    let lines = done.flows.iter().map(Flow::line);
    let why = lines.chain([why]).collect::<Vec<_>>().join("\n  ");
    Refused { exit, why }.into()
}

impl State {
    fn lines(&self, all: bool) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        match &self.paused {
            Some(pause) if all => lines.push(format!("all flows are paused{}", pause.words())),
            None if all => lines.push("publishing goes on".to_owned()),
            Some(_) | None => {}
        }
        lines.extend(self.flows.iter().map(Flow::line));
        let own: Vec<&str> = self.flows.iter().filter(|flow| flow.paused.is_some()).map(Flow::id).collect();
        match &self.paused {
            Some(pause) if !all && own.len() < self.flows.len() => {
                let pause = pause.words();
                lines.push(format!("but all flows are paused{pause}; end it with: flowhook resume --all"));
            }
            None if all && !own.is_empty() => {
                lines.push(format!("end their own pauses with: flowhook resume {}", own.join(" ")));
            }
            Some(_) | None => {}
        }
        lines
    }
}

impl Flow {
    fn id(&self) -> &str {
        &self.flow
    }

    fn line(&self) -> String {
        let Self { flow, pending, .. } = self;
        match &self.paused {
            Some(pause) => format!("flow {flow} is paused{}, with {pending} pending", pause.words()),
            None => format!("flow {flow} is not paused, with {pending} pending"),
        }
    }
}

impl Pause {
    fn words(&self) -> String {
        format!(" since {} ({})", self.since, one_line(&self.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn what_is_still_paused_is_told_with_what_ends_it() {
        let check = |state: &str, all: bool, expected: &[&str]| {
            let state: State = serde_json::from_str(state).expect("an answer");
            assert_eq!(state.lines(all), expected);
        };
        let pause = r#"{"reason":"a\nholiday","since":"2026-01-05T06:00:00Z"}"#;
        let words = "since 2026-01-05T06:00:00Z (a holiday)";
        let flow =
            |id: &str, pause: &str| format!(r#"{{"flow":"{id}","pending":3,"failed":0,"paused":{pause}}}"#);
        let state =
            |all: &str, flows: &[String]| format!(r#"{{"paused":{all},"flows":[{}]}}"#, flows.join(","));
        let paused = format!("flow a is paused {words}, with 3 pending");
        check(&state("null", &[flow("a", pause)]), false, &[&paused]);
        check(&state("null", &[flow("a", "null")]), false, &["flow a is not paused, with 3 pending"]);
        check(&state(pause, &[flow("a", pause)]), false, &[&paused]);
        check(
            &state(pause, &[flow("a", "null")]),
            false,
            &[
                "flow a is not paused, with 3 pending",
                &format!("but all flows are paused {words}; end it with: flowhook resume --all"),
            ],
        );
        check(&state("null", &[]), true, &["publishing goes on"]);
        check(&state(pause, &[]), true, &[&format!("all flows are paused {words}")]);
        check(
            &state("null", &[flow("a", pause)]),
            true,
            &["publishing goes on", &paused, "end their own pauses with: flowhook resume a"],
        );
    }
}

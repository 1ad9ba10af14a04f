//! `flowhook apply`: sets variables of a node now, without a webhook and without a journal.

use std::io::Read as _;
use std::sync::Arc;

use flowhook::change::{Change, FlowId, Mode, NewChange, NodeId, State, Values, Variable, shorten};
use flowhook::config_api::{ConfigApi, FetchError};
use flowhook::flow::{Document, laid_out};
use flowhook::route::{SCHEMA, fill, object};
use flowhook::settings::{Layers, Settings};
use flowhook::tenant::Written;
use flowhook::worker::draft;
use serde_json::json;
use serde_json::value::RawValue;

use super::{OneShot, is_worth_another_try, print};
use crate::cli::{ApplyArgs, Exit, Fault};

/// How often a conflict or a lost answer is followed by a fresh read and another PUT.
const TRIES: usize = 5;
/// How many unchanged lines a diff shows around a change.
const CONTEXT_LINES: usize = 3;

pub(super) async fn run(args: ApplyArgs, layers: &Layers) -> Result<(), Fault> {
    let (tenant, routes) = Settings::apply(layers)?;
    let flow = match &args.flow {
        Some(id) => FlowId::parse(id).map_err(Fault::input)?,
        None => routes.flow.ok_or_else(|| Fault::usage("no flow: give --flow ID or set CXONE_FLOW_ID"))?,
    };
    let node = match &args.node {
        Some(id) => NodeId::parse(id).map_err(Fault::input)?,
        None => routes.node.ok_or_else(|| Fault::usage("no node: give --node ID or set TARGET_NODE_ID"))?,
    };
    if let Some(allowed) = &routes.allowed_flows
        && !allowed.contains(&flow)
    {
        return Err(Fault::usage(format!("flow `{flow}` is not among FLOWHOOK_ALLOWED_FLOWS: add it there")));
    }
    let variables = variables(&args, routes.fetch_url.as_deref(), &flow, &node).await?;
    let mode = if args.replace { Mode::Replace } else { Mode::Merge };
    let mut apply = Apply { tenant: OneShot::new(tenant)?, change: change(flow, node, mode, variables) };
    if args.dry_run { apply.show(args.json).await } else { apply.publish(args.json).await }
}

fn change(flow: FlowId, node: NodeId, mode: Mode, variables: Vec<Variable>) -> Change {
    let route = Arc::from("apply");
    let what = NewChange { route, flow, node, mode, values: Values::Known(variables), order_key: None };
    Change { seq: 1, what, held_ms: 0 }
}

/// The variables to set: from `--set`, from `--from`, or fetched where thin events are.
async fn variables(
    args: &ApplyArgs,
    fetch_url: Option<&str>,
    flow: &FlowId,
    node: &NodeId,
) -> Result<Vec<Variable>, Fault> {
    if !args.set.is_empty() {
        let variables = args.set.iter().map(|text| set(text)).collect::<Result<Vec<_>, _>>()?;
        for (index, variable) in variables.iter().enumerate() {
            if variables[..index].iter().any(|earlier| earlier.name == variable.name) {
                return Err(Fault::usage(format!("`{}` is set twice", variable.name)));
            }
        }
        return checked(variables);
    }
    match (args.from.as_deref(), fetch_url) {
        (Some(url), _) if url.starts_with("http://") || url.starts_with("https://") => fetch(url).await,
        (Some("-"), _) => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Fault::input(format!("standard input cannot be read: {error}")))?;
            read("standard input", &text)
        }
        (Some(path), _) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Fault::input(format!("`{}` cannot be read: {error}", shorten(path))))?;
            read(path, &text)
        }
        (None, Some(template)) => fetch(&fill(template, flow, node)).await,
        (None, None) => {
            Err(Fault::usage("nothing to set: give --set NAME=VALUE or --from FILE, or set EXTERNAL_API_URL"))
        }
    }
}

/// `NAME:=JSON`, or `NAME=VALUE`.
fn set(text: &str) -> Result<Variable, Fault> {
    let usage = || Fault::usage(format!("`{}` is not NAME=VALUE or NAME:=JSON", shorten(text)));
    let (name, value) = text.split_once('=').ok_or_else(usage)?;
    let (name, json) = match name.strip_suffix(':') {
        Some(name) => (name, value.to_owned()),
        None => (name, SCHEMA.json(name, value)),
    };
    if name.is_empty() {
        return Err(usage());
    }
    Variable::new(name, &json)
        .map_err(|error| Fault::input(format!("the value of `{name}` is not valid: {error}")))
}

fn read(what: &str, text: &str) -> Result<Vec<Variable>, Fault> {
    let what = shorten(what);
    let value: Box<RawValue> =
        serde_json::from_str(text).map_err(|error| Fault::input(format!("`{what}` is not JSON: {error}")))?;
    checked(object(&what, &value).map_err(Fault::input)?)
}

fn checked(variables: Vec<Variable>) -> Result<Vec<Variable>, Fault> {
    SCHEMA.check_known(&variables).map_err(Fault::input)?;
    Ok(variables)
}

async fn fetch(url: &str) -> Result<Vec<Variable>, Fault> {
    let api = ConfigApi::new().map_err(|error| Fault::new(Exit::Other, error))?;
    api.fetch(url).await.map_err(|error| match error {
        FetchError::Unavailable { .. } => Fault::new(Exit::Unreachable, error),
        FetchError::Unfit { .. } => Fault::new(Exit::Input, error),
    })
}

struct Apply {
    tenant: OneShot,
    change: Change,
}

impl Apply {
    /// Prints what would change.
    async fn show(&mut self, as_json: bool) -> Result<(), Fault> {
        let document = self.tenant.read(&self.change.what.flow).await?;
        let edited = self.draft(&document)?;
        let diff = edited.as_deref().map(|edited| diff(document.text(), edited)).unwrap_or_default();
        if as_json {
            let outcome =
                json!({"flow": self.flow(), "status": "dry-run", "changes": edited.is_some(), "diff": diff});
            print(&outcome.to_string())
        } else if diff.is_empty() {
            print(&format!("flow {} has these values already: nothing would change", self.flow()))
        } else {
            print(diff.trim_end())
        }
    }

    /// Publishes: read, edit, PUT; after a conflict or a lost answer read again, and see what is there.
    async fn publish(&mut self, as_json: bool) -> Result<(), Fault> {
        let flow = self.change.what.flow.clone();
        let mut last = None;
        for tries in 0..TRIES {
            let document = self.tenant.read(&flow).await?;
            let Some(edited) = self.draft(&document)? else {
                let status = if tries == 0 { "unchanged" } else { "published" };
                return self.report(status, document.version(), as_json);
            };
            match self.tenant.write(&flow, edited).await {
                Ok(Written::Document(text)) => match Document::parse(text) {
                    Ok(document) => return self.report("published", document.version(), as_json),
                    Err(error) => last = Some(Fault::new(Exit::Unreachable, error)),
                },
                Ok(Written::Unseen(why)) => last = Some(Fault::new(Exit::TryLater, anyhow::anyhow!(why))),
                Err(failure) if is_worth_another_try(&failure) => last = Some(failure.into()),
                Err(failure) => return Err(failure.into()),
            }
        }
        let fallback = || Fault::new(Exit::TryLater, anyhow::anyhow!("flow `{flow}` could not be changed"));
        Err(last.unwrap_or_else(fallback))
    }

    /// The edited document, or nothing where it has the values already.
    fn draft(&self, document: &Document) -> Result<Option<String>, Fault> {
        let drafted = draft(document, std::slice::from_ref(&self.change), &[]).map_err(Fault::input)?;
        let failed = drafted.plan.endings.iter().find(|ending| ending.state == State::Failed);
        match failed {
            Some(ending) => Err(Fault::input(ending.reason.as_deref().unwrap_or("it cannot be changed"))),
            None => Ok(drafted.text),
        }
    }

    fn report(&self, status: &str, version: &str, as_json: bool) -> Result<(), Fault> {
        let flow = self.flow();
        if as_json {
            // The version may be larger than any number type: it goes out as it is spelt.
            return print(&format!(
                "{{\"flow\":{},\"status\":\"{status}\",\"version\":{version}}}",
                json!(flow)
            ));
        }
        print(&match status {
            "unchanged" => format!("flow {flow} has these values already, in version {version}"),
            _ => format!("flow {flow} is published as version {version}"),
        })
    }

    fn flow(&self) -> &str {
        self.change.what.flow.as_str()
    }
}

/// A unified diff of two documents, laid out so that each value has its line.
fn diff(before: &str, after: &str) -> String {
    let (before, after) = (laid_out(before), laid_out(after));
    similar::TextDiff::from_lines(&before, &after)
        .unified_diff()
        .context_radius(CONTEXT_LINES)
        .header("flow as it is", "flow as it would be")
        .to_string()
}

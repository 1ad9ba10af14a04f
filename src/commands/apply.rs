//! `flowhook apply`: sets variables of a node now, without a webhook and without a journal.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flowhook::change::{Change, FlowId, Mode, NewChange, NodeId, State, Values, Variable, shorten};
use flowhook::config_api::ConfigApi;
use flowhook::flow::{Document, laid_out};
use flowhook::http::{Manner, shown};
use flowhook::route::{Revision, SCHEMA, fill, object};
use flowhook::settings::{Layers, Problems, Settings};
use flowhook::tenant::Written;
use flowhook::worker::draft;
use serde_json::json;
use serde_json::value::RawValue;

use super::{OneShot, input, is_worth_another_try, print};
use crate::exit::{Exit, Failed};

/// How often a conflict or a lost answer is followed by a fresh read and another PUT.
const TRIES: usize = 5;
/// The longest pause before another try.
const JITTER_MS: u64 = 20;
/// How many unchanged lines a diff shows around a change.
const CONTEXT_LINES: usize = 3;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flowhook apply                                      fetch EXTERNAL_API_URL, set what it says
  flowhook apply --set routing_priority=high --dry-run
  flowhook apply --flow ID --node ID --set 'retries:=3' --set note=hello
  jq .values config.json | flowhook apply --from -")]
pub(crate) struct Args {
    /// The flow; default CXONE_FLOW_ID
    #[arg(long, value_name = "ID")]
    flow: Option<String>,
    /// The node; default TARGET_NODE_ID
    #[arg(long, value_name = "ID")]
    node: Option<String>,
    /// A variable as NAME=VALUE (text, or the type the schema knows) or NAME:=JSON
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "from")]
    set: Vec<String>,
    /// Where to read an object of variables: a file, a URL, or - for standard input; default EXTERNAL_API_URL
    #[arg(long, value_name = "FILE|URL|-")]
    from: Option<String>,
    /// Replace the node's whole list, so that variables not named disappear
    #[arg(long)]
    replace: bool,
    /// Print how the document would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args, layers: &Layers) -> Result<(), Failed> {
    let Asked { flow, node, fetch_url, tenant } = asked(&args, layers)?;
    let variables = variables(&args, fetch_url.as_deref(), &flow, &node).await?;
    let mode = if args.replace { Mode::Replace } else { Mode::Merge };
    let mut apply = Apply { tenant: OneShot::new(tenant)?, change: change(flow, node, mode, variables) };
    if args.dry_run { apply.show(args.json).await } else { apply.publish(args.json).await }
}

/// What is to be changed and where, by the arguments or else by the settings.
struct Asked {
    flow: FlowId,
    node: NodeId,
    fetch_url: Option<String>,
    tenant: flowhook::tenant::Settings,
}

/// Everything that is missing is told at once.
fn asked(args: &Args, layers: &Layers) -> Result<Asked, Failed> {
    let flow = args.flow.as_deref().map(FlowId::parse).transpose().map_err(Failed::input)?;
    let node = args.node.as_deref().map(NodeId::parse).transpose().map_err(Failed::input)?;
    let mut problems = Problems::default();
    let tenant = problems.take(Settings::tenant(layers));
    let routes = problems.take(Settings::routes(layers));
    let is_read = routes.is_some();
    let routes = routes.unwrap_or_default();
    let (flow, node) = (flow.or(routes.flow), node.or(routes.node));
    if is_read && flow.is_none() {
        problems.add("no flow is named: give --flow ID, or set CXONE_FLOW_ID");
    }
    if is_read && node.is_none() {
        problems.add("no node is named: give --node ID, or set TARGET_NODE_ID");
    }
    if is_read && args.set.is_empty() && args.from.is_none() && routes.fetch_url.is_none() {
        problems.add("nothing is to be set: give --set NAME=VALUE or --from FILE, or set EXTERNAL_API_URL");
    }
    if let (Some(allowed), Some(flow)) = (&routes.allowed_flows, &flow)
        && !allowed.contains(flow)
    {
        problems.add(&format!("flow `{flow}` is not among FLOWHOOK_ALLOWED_FLOWS: add it there"));
    }
    match (tenant, flow, node) {
        (Some(tenant), Some(flow), Some(node)) if problems.is_empty() => {
            Ok(Asked { flow, node, fetch_url: routes.fetch_url, tenant })
        }
        _ => Err(problems.into()),
    }
}

fn change(flow: FlowId, node: NodeId, mode: Mode, variables: Vec<Variable>) -> Change {
    let route = Arc::from("apply");
    let what = NewChange { route, flow, node, mode, values: Values::Known(variables), order_key: None };
    Change { seq: 1, what, held_ms: 0 }
}

/// The variables to set: from `--set`, from `--from`, or fetched where thin events are.
async fn variables(
    args: &Args,
    fetch_url: Option<&str>,
    flow: &FlowId,
    node: &NodeId,
) -> Result<Vec<Variable>, Failed> {
    if !args.set.is_empty() {
        let variables = args.set.iter().map(|text| set(text)).collect::<Result<Vec<_>, _>>()?;
        for (index, variable) in variables.iter().enumerate() {
            if variables[..index].iter().any(|earlier| earlier.name == variable.name) {
                return Err(Failed::usage(format!("`{}` is set twice", variable.name)));
            }
        }
        return checked(variables);
    }
    match (args.from.as_deref(), fetch_url) {
        (Some(url), _) if url.starts_with("http://") || url.starts_with("https://") => {
            checked(object(&shown(url), &fetch(url).await?).map_err(Failed::input)?)
        }
        (Some(path), _) => {
            let path = Path::new(path);
            read(&input::name(path), &input::text(path).map_err(Failed::input)?)
        }
        // As for a thin event: what it answers must be whole.
        (None, Some(template)) => {
            let config = fetch(&fill(template, flow, node, &Revision::HEAD)).await?;
            SCHEMA.variables("the answer", &config).map_err(Failed::input)
        }
        (None, None) => Err(Failed::usage("nothing is to be set")),
    }
}

/// `NAME:=JSON`, or `NAME=VALUE`.
fn set(text: &str) -> Result<Variable, Failed> {
    let usage = || Failed::usage(format!("`{}` is not NAME=VALUE or NAME:=JSON", shorten(text)));
    let (name, value) = text.split_once('=').ok_or_else(usage)?;
    let (name, json) = match name.strip_suffix(':') {
        Some(name) => (name, value.to_owned()),
        None => (name, SCHEMA.json(name, value)),
    };
    if name.is_empty() {
        return Err(usage());
    }
    Variable::new(name, &json)
        .map_err(|error| Failed::input(format!("the value of `{}` is not JSON: {error}", shorten(name))))
}

fn read(what: &str, text: &str) -> Result<Vec<Variable>, Failed> {
    let value: Box<RawValue> = serde_json::from_str(text)
        .map_err(|error| Failed::input(format!("`{what}` is not JSON: {error}")))?;
    let variables = object(what, &value).map_err(Failed::input)?;
    // What a webhook carries: its own members would become variables of the node.
    let has = |name: &str| variables.iter().any(|variable| variable.name == name);
    if has("type") && has("data") {
        let told = "is an event, not an object of variables: send it, or take its `data.config`";
        return Err(Failed::input(format!("`{what}` {told}")));
    }
    checked(variables)
}

fn checked(variables: Vec<Variable>) -> Result<Vec<Variable>, Failed> {
    SCHEMA.check_known(&variables).map_err(Failed::input)?;
    Ok(variables)
}

async fn fetch(url: &str) -> Result<Box<RawValue>, Failed> {
    let api = ConfigApi::new().map_err(|error| Failed::new(Exit::Other, error))?;
    api.fetch(url, &Manner::default()).await.map_err(|error| Failed::new(Exit::Unreachable, error))
}

/// How it ended well.
#[derive(Clone, Copy)]
enum Done {
    Published,
    Unchanged,
}

impl Done {
    fn as_str(self) -> &'static str {
        match self {
            Self::Published => State::Published.as_str(),
            Self::Unchanged => State::Unchanged.as_str(),
        }
    }
}

struct Apply {
    tenant: OneShot,
    change: Change,
}

impl Apply {
    /// Prints what would change.
    async fn show(&mut self, as_json: bool) -> Result<(), Failed> {
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
    async fn publish(&mut self, as_json: bool) -> Result<(), Failed> {
        let flow = self.change.what.flow.clone();
        let mut last = None;
        let mut may_have_landed = false;
        // One read more than PUTs, so that what became of the last one is known too.
        for tries in 0..=TRIES {
            if tries > 0 {
                tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=JITTER_MS))).await;
            }
            let document = self.tenant.read(&flow).await?;
            let Some(edited) = self.draft(&document)? else {
                let done = if may_have_landed { Done::Published } else { Done::Unchanged };
                return self.report(done, document.version(), as_json);
            };
            if tries == TRIES {
                break;
            }
            match self.tenant.write(&flow, edited).await {
                Ok(Written::Document(text)) => match Document::parse(text) {
                    Ok(document) if self.draft(&document).is_ok_and(|edited| edited.is_none()) => {
                        return self.report(Done::Published, document.version(), as_json);
                    }
                    // Not tried again: each try would make a version of the flow.
                    Ok(_without_our_values) => {
                        let told = format!(
                            "the tenant took the change and shows flow `{flow}` without it: look at the flow before you try again"
                        );
                        return Err(Failed::new(Exit::TryLater, anyhow::anyhow!(told)));
                    }
                    Err(error) => {
                        may_have_landed = true;
                        last = Some(Failed::new(Exit::Unreachable, error));
                    }
                },
                Ok(Written::Unseen(why)) => {
                    may_have_landed = true;
                    last = Some(Failed::new(Exit::TryLater, anyhow::anyhow!(why)));
                }
                Err(failure) if is_worth_another_try(&failure) => {
                    may_have_landed |= failure.may_have_landed;
                    last = Some(failure.into());
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        let fallback = || Failed::new(Exit::TryLater, anyhow::anyhow!("flow `{flow}` could not be changed"));
        Err(last.unwrap_or_else(fallback))
    }

    /// The edited document, or nothing where it has the values already.
    fn draft(&self, document: &Document) -> Result<Option<String>, Failed> {
        let drafted = draft(document, std::slice::from_ref(&self.change), &[]).map_err(Failed::input)?;
        let failed = drafted.plan.endings.iter().find(|ending| ending.state == State::Failed);
        match failed {
            Some(ending) => Err(Failed::input(ending.reason.as_deref().unwrap_or("it cannot be changed"))),
            None => Ok(drafted.text),
        }
    }

    fn report(&self, done: Done, version: &str, as_json: bool) -> Result<(), Failed> {
        let flow = self.flow();
        if as_json {
            let status = done.as_str();
            // The version may be larger than any number type: it goes out as it is spelt.
            return print(&format!(
                "{{\"flow\":{},\"status\":\"{status}\",\"version\":{version}}}",
                json!(flow)
            ));
        }
        print(&match done {
            Done::Unchanged => format!("flow {flow} has these values already, in version {version}"),
            Done::Published => format!("flow {flow} is published as version {version}"),
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

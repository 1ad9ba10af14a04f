//! `flowhook nodes FLOW`: a flow's nodes and their variables.

use flowhook::flow::{Document, NodeSummary};
use flowhook::settings::{Layers, Settings};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{OneShot, flow_id, print};
use crate::exit::{Exit, Failed};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flowhook nodes a1b2c3d4-0001-4000-8000-000000000001
  flowhook nodes FLOW --json | jq '.nodes[].id'")]
pub(crate) struct Args {
    /// The flow's id
    flow: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, layers: &Layers) -> Result<(), Failed> {
    let flow = flow_id(&args.flow)?;
    let mut tenant = OneShot::new(Settings::tenant(layers)?)?;
    let document = tenant.read(&flow).await?;
    if args.json { print(&json(flow.as_str(), &document)?) } else { print(&text(flow.as_str(), &document)) }
}

fn text(flow: &str, document: &Document) -> String {
    let name = document.name().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    let mut lines = vec![format!("flow {flow}{name}, version {}", document.version())];
    for node in document.nodes() {
        let kind = node.kind.as_deref().map(|kind| format!("  ({kind})")).unwrap_or_default();
        lines.push(format!("{}{kind}", node.id));
        lines.extend(node.variables.iter().map(|(name, value)| format!("    {name} = {value}")));
    }
    lines.join("\n")
}

#[derive(Serialize)]
struct FlowJson<'a> {
    flow: &'a str,
    name: Option<String>,
    version: Box<RawValue>,
    nodes: Vec<NodeJson>,
}

#[derive(Serialize)]
struct NodeJson {
    id: String,
    r#type: Option<String>,
    variables: Vec<VariableJson>,
}

#[derive(Serialize)]
struct VariableJson {
    name: String,
    value: Box<RawValue>,
}

fn json(flow: &str, document: &Document) -> Result<String, Failed> {
    let flow = FlowJson {
        flow,
        name: document.name(),
        version: raw(document.version().to_owned())?,
        nodes: document.nodes().into_iter().map(node).collect::<Result<_, _>>()?,
    };
    serde_json::to_string_pretty(&flow).map_err(|error| Failed::new(Exit::Other, error))
}

fn node(node: NodeSummary) -> Result<NodeJson, Failed> {
    let variable = |(name, value)| Ok(VariableJson { name, value: raw(value)? });
    let variables = node.variables.into_iter().map(variable).collect::<Result<_, Failed>>()?;
    Ok(NodeJson { id: node.id, r#type: node.kind, variables })
}

fn raw(text: String) -> Result<Box<RawValue>, Failed> {
    RawValue::from_string(text).map_err(|error| Failed::new(Exit::Other, error))
}

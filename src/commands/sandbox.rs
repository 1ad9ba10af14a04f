//! `flowhook sandbox`: the practice tenant alone, as well or as badly behaved as it is told to be.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::value_parser;
use flowhook::change::FlowId;
use flowhook::flow::Document;
use flowhook::sandbox::{self, Designer, Limit, SCOPES, Sandbox};
use flowhook::settings::{Layers, Settings};

use super::fault::{self, GRAMMAR};
use super::practice::{Access, FLOWS, Flow, NODE};
use super::signals::Signals;
use super::{input, print};
use crate::exit::{Exit, Failed};

/// The most sample flows: their ids have four digits for the number.
const FLOWS_MAX: i64 = 9_999;
/// The most nodes of one flow: its text must fit into a request, of at most 64 MiB.
const NODES_MAX: i64 = 100_000;
/// The most nodes of all flows together, about 300 MB of text.
const NODES_IN_ALL_MAX: u64 = 1_000_000;
/// The longest latency, and the longest rest of a person who edits.
const WAIT_MAX_MS: u64 = 600_000;
/// The longest life of a token: a year.
const LIFETIME_MAX_S: u64 = 31_536_000;

#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(crate) struct Args {
    /// Where it listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// How long each request takes
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = value_parser!(u64).range(..=WAIT_MAX_MS))]
    latency: u64,
    /// So many flow calls a minute; what is more gets 429 with Retry-After
    #[arg(long, value_name = "PER_MINUTE", value_parser = value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// So many flow calls at once after a rest
    #[arg(long, value_name = "N", default_value_t = 10, requires = "limit", value_parser = value_parser!(u32).range(1..))]
    burst: u32,
    /// How long a token lives
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = value_parser!(u64).range(1..=LIFETIME_MAX_S))]
    token_lifetime: u64,
    /// How many flows there are
    #[arg(long, value_name = "N", default_value_t = FLOWS, value_parser = value_parser!(u16).range(1..=FLOWS_MAX))]
    flows: u16,
    /// Large flows, each with so many nodes
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=NODES_MAX))]
    nodes: Option<u32>,
    /// This flow document in place of the samples, under the id that it has; may be repeated
    #[arg(long, value_name = "FILE", conflicts_with_all = ["flows", "nodes"])]
    flow_file: Vec<PathBuf>,
    /// A person edits every flow whenever so long has passed
    #[arg(long, value_name = "MS", value_parser = value_parser!(u64).range(1..=WAIT_MAX_MS))]
    designer: Option<u64>,
    /// What the client is granted at most
    #[arg(long, value_name = "SCOPES", default_value = SCOPES)]
    scope: String,
    /// Something that goes wrong, once or TIMES; may be repeated, for one after the other
    #[arg(long, value_name = GRAMMAR, value_parser = fault::parse)]
    fault: Vec<sandbox::Fault>,
    /// Print one line of JSON in place of the exports
    #[arg(long)]
    json: bool,
}

fn after_help() -> String {
    format!(
        "It prints the exports that point other commands at it, and tells on standard error what it answers.
Everything is lost when it ends. It needs no settings; its client's secret is known to all.

Faults: {GRAMMAR}
CALL is token, get, put, flow (get and put) or any; TIMES is a number, or * for ever. KIND is one of
{kinds}
Examples:
  flowhook sandbox
  flowhook sandbox > practice.env & sleep 1; . ./practice.env; flowhook nodes \"$CXONE_FLOW_ID\"
  flowhook sandbox --latency 200 --designer 1000       a slow tenant, and a person at work in it
  flowhook sandbox --limit 60 --burst 2                too many requests
  flowhook sandbox --fault put=429:5x3                 three PUTs are told to come back in 5 s
  flowhook sandbox --fault put=reset-after-save --fault 'get=500x*'
  flowhook sandbox --scope flow:flows:read             a client that may not write
  flowhook sandbox --nodes 5000                        flows of 1.5 MB
  flowhook sandbox --flow-file fixtures/flows/odd.json",
        kinds = fault::kinds()
    )
}

pub(crate) async fn run(args: &Args, layers: &Layers) -> Result<(), Failed> {
    // Before anything else: a signal that comes meanwhile must end it in order too.
    let mut signals = Signals::listen().map_err(|error| Failed::new(Exit::Other, error))?;
    // All that is used of the settings.
    Settings::log(layers)?;
    let flows = args.flows()?;
    let sandbox = args.start().await?;
    for flow in &flows {
        let refused = |error| Failed::input(format!("flow `{}` cannot be served: {error}", flow.id));
        sandbox.add_flow(&flow.id, &flow.text).map_err(refused)?;
    }
    args.fault.iter().for_each(|fault| sandbox.fault(fault.clone()));
    let access = Access::new(&sandbox, &flows);
    print(&if args.json { json(&access)? } else { access.exports() })?;
    tracing::info!(
        tenant.url = sandbox.base_url(),
        flow.count = flows.len(),
        "the practice tenant is ready; Ctrl-C ends it"
    );
    let _at_work = args.designers(&sandbox, &flows);
    signals.next().await;
    sandbox.shutdown().await;
    Ok(())
}

fn json(access: &Access) -> Result<String, Failed> {
    serde_json::to_string(access).map_err(|error| Failed::new(Exit::Other, error))
}

impl Args {
    /// The flows to serve. A file that cannot be one is bad input.
    fn flows(&self) -> Result<Vec<Flow>, Failed> {
        if self.flow_file.is_empty() {
            let in_all = u64::from(self.flows) * u64::from(self.nodes.unwrap_or_default());
            if in_all > NODES_IN_ALL_MAX {
                let most = format!("at most {NODES_IN_ALL_MAX} in all: take fewer --flows or --nodes");
                return Err(Failed::usage(format!("`{in_all}` nodes are too many, {most}")));
            }
            let nodes = self.nodes.and_then(|nodes| usize::try_from(nodes).ok());
            return Ok((1..=self.flows).map(|number| Flow::sample(number, nodes)).collect());
        }
        let mut flows: Vec<Flow> = Vec::new();
        for path in &self.flow_file {
            let flow = read(path)?;
            if flows.iter().any(|other| other.id == flow.id) {
                let twice = format!("flow `{}` is there twice: give each file a flow.id of its own", flow.id);
                return Err(Failed::input(format!("`{}`: {twice}", path.display())));
            }
            flows.push(flow);
        }
        Ok(flows)
    }

    async fn start(&self) -> Result<Sandbox, Failed> {
        let known = |scope: &&str| SCOPES.split(' ').any(|known| known == *scope);
        if let Some(unknown) = self.scope.split_whitespace().find(|scope| !known(scope)) {
            return Err(Failed::usage(format!(
                "there is no scope `{unknown}`: use `{SCOPES}` or one of them"
            )));
        }
        let settings = sandbox::Settings {
            listen: self.listen,
            scope: self.scope.split_whitespace().collect::<Vec<_>>().join(" "),
            token_lifetime: Duration::from_secs(self.token_lifetime),
            latency: Duration::from_millis(self.latency),
            limit: self.limit.map(|per_minute| Limit { per_minute, burst: self.burst }),
            ..sandbox::Settings::default()
        };
        Sandbox::start(settings).await.map_err(|error| {
            let address = self.listen;
            let what =
                "stop what listens there, or choose another address with --listen (port 0: a free one)";
            let error = anyhow::Error::new(error).context(format!("cannot listen on {address}: {what}"));
            Failed::new(Exit::Other, error)
        })
    }

    /// People at work, one for each flow that has a node to edit, until they are dropped.
    fn designers(&self, sandbox: &Sandbox, flows: &[Flow]) -> Vec<Designer> {
        let Some(every) = self.designer.map(Duration::from_millis) else { return Vec::new() };
        let places = flows.iter().filter_map(|flow| Some((flow.id.as_str(), flow.node.as_deref()?)));
        places.map(|(flow, node)| sandbox.designer(&[flow], node, every)).collect()
    }
}

/// A flow document as a tenant answers it. Its node is the samples' one, else the first with variables.
fn read(path: &Path) -> Result<Flow, Failed> {
    let shown = path.display();
    let bad = |error: anyhow::Error, what: &str| {
        Failed::new(Exit::Input, error.context(format!("`{shown}` cannot be served as a flow: {what}")))
    };
    let text = input::text(path)
        .map_err(|error| bad(error.into(), "give a file that can be read, with JSON in it"))?;
    let document = Document::parse(text)
        .map_err(|error| bad(error.into(), "give a document as the tenant answers it, {\"flow\":{…}}"))?;
    let id = document.id().ok_or_else(|| {
        Failed::input(format!("`{shown}` cannot be served as a flow: its flow.id must be text"))
    })?;
    let id = FlowId::parse(&id).map_err(|error| bad(error.into(), "change its flow.id"))?;
    let nodes = document.nodes();
    let is_sample = nodes.iter().find(|node| node.id == NODE);
    let node = is_sample.or_else(|| nodes.iter().find(|node| !node.variables.is_empty()));
    let node = node.map(|node| node.id.clone());
    Ok(Flow { id: id.as_str().to_owned(), text: document.into_text(), node })
}

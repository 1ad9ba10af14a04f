//! A practice tenant as the commands show it: its flows, and what points a service or a shell at it.

use flowhook::sandbox::{Sandbox, large_flow, sample_flow};
use flowhook::settings::Layers;
use serde::Serialize;

/// The secret that the snippet and the demo sign with: for practice only, and known to all.
pub(super) const SECRET: &str = "whsec_cHJhY3RpY2Ugb25seTogbm90IGEgc2VjcmV0IQ==";
/// The first flow in the practice tenant.
pub(super) const FLOW: &str = "a1b2c3d4-0001-4000-8000-000000000001";
/// The node that the events name.
pub(super) const NODE: &str = flowhook::sandbox::SAMPLE_NODE;
/// The event of the demo and the snippet.
pub(super) const EVENT: &str = include_str!("../../fixtures/events/full.json");

/// How many flows it has unless others are asked for: one for each file in `fixtures/events/several-flows`.
pub(super) const FLOWS: u16 = 3;
/// The names of the first flows.
const NAMES: [&str; 3] = ["Inbound sales", "Support line", "After hours"];

/// A flow that is to be in a practice tenant.
pub(super) struct Flow {
    pub(super) id: String,
    pub(super) text: String,
    /// The node that a beginner's change goes to, where there is one.
    pub(super) node: Option<String>,
}

impl Flow {
    /// The sample of that number, from 1; or a large one of so many nodes.
    pub(super) fn sample(number: u16, nodes: Option<usize>) -> Self {
        let id = format!("a1b2c3d4-{number:04}-4000-8000-{number:012}");
        let name = usize::from(number).checked_sub(1).and_then(|at| NAMES.get(at));
        let name = name.map_or_else(|| format!("Practice {number}"), |name| (*name).to_owned());
        let text = nodes.map_or_else(|| sample_flow(&id, &name), |nodes| large_flow(&id, nodes));
        Self { id, text, node: Some(NODE.to_owned()) }
    }
}

/// What somebody needs to reach a practice tenant. The secret is for practice only.
#[derive(Serialize)]
pub(super) struct Access {
    base_url: String,
    client_id: String,
    client_secret: String,
    flows: Vec<String>,
    /// The first flow's.
    node: Option<String>,
}

impl Access {
    pub(super) fn new(sandbox: &Sandbox, flows: &[Flow]) -> Self {
        Self {
            base_url: sandbox.base_url(),
            client_id: sandbox.client_id().to_owned(),
            client_secret: sandbox.client_secret().to_owned(),
            flows: flows.iter().map(|flow| flow.id.clone()).collect(),
            node: flows.first().and_then(|flow| flow.node.clone()),
        }
    }

    /// Lines for a shell, after which other commands work on the first flow of the practice tenant.
    pub(super) fn exports(&self) -> String {
        let token_url = format!("{}/oauth/token", self.base_url);
        let tenant = [("CXONE_BASE_URL", Some(&self.base_url)), ("CXONE_TOKEN_URL", Some(&token_url))];
        let client =
            [("CXONE_CLIENT_ID", Some(&self.client_id)), ("CXONE_CLIENT_SECRET", Some(&self.client_secret))];
        let place = [("CXONE_FLOW_ID", self.flows.first()), ("TARGET_NODE_ID", self.node.as_ref())];
        [export(&tenant), export(&client), export(&place)].join("\n")
    }
}

fn export(values: &[(&str, Option<&String>)]) -> String {
    let values =
        values.iter().filter_map(|(name, value)| Some(format!(" {name}={}", quoted(value.as_ref()?))));
    format!("export{}", values.collect::<String>())
}

/// A word as a shell takes it, whatever is in it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:".contains(c);
    let is_plain = !word.is_empty() && word.chars().all(is_plain);
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Points the settings at the practice tenant, whatever they said of a real one.
pub(super) fn point_at(layers: &mut Layers, sandbox: &Sandbox) {
    layers.set("CXONE_BASE_URL", sandbox.base_url());
    layers.set("CXONE_TOKEN_URL", format!("{}/oauth/token", sandbox.base_url()));
    layers.set("CXONE_CLIENT_ID", sandbox.client_id().to_owned());
    layers.set("CXONE_CLIENT_SECRET", sandbox.client_secret().to_owned());
}

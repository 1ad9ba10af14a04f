//! What can be known of the tenant before the first event comes: for `check` to print, and for `serve` to
//! tell at its start. It only reads.

mod fetches;
mod places;

use flowhook::change::NodeId;
use flowhook::flow::{AddressError, Document};
use flowhook::route::{SCHEMA, Settings};
use flowhook::tenant::{Failure, Kind, Pass, Tenant};
use serde::Serialize;

use crate::exit::{Exit, Failed};
use places::{NamedBy, Place, places};

/// How many flows are looked at; more would cost the tenant a call each.
const FLOWS_AT_MOST: usize = 21;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// What it is.
    pub(super) subject: String,
    #[serde(flatten)]
    pub(super) verdict: Verdict,
    /// What was seen; where it is not well, what to do.
    pub(super) message: String,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it must be.
    Ok,
    /// It works, and somebody should know.
    Warning,
    /// It does not work; the code is what a command exits with because of it.
    Failed { exit_code: Exit },
    /// It was not looked at.
    Skipped,
}

impl Finding {
    pub(super) fn new(subject: impl Into<String>, verdict: Verdict, message: impl Into<String>) -> Self {
        Self { subject: subject.into(), verdict, message: message.into() }
    }

    pub(super) fn failed(subject: impl Into<String>, fault: &Failed) -> Self {
        Self::new(subject, Verdict::Failed { exit_code: fault.exit }, fault.to_string())
    }
}

/// Looks at the token, its scopes, and the first flow that the settings name, with its nodes: one flow call.
pub(super) async fn brief(tenant: &Tenant, routes: &Settings) -> Vec<Finding> {
    let (mut findings, places) = (Vec::new(), places(routes));
    let mut preflight = Preflight { tenant, tell: |finding| findings.push(finding) };
    _ = preflight.tenant(places.first()).await;
    findings
}

/// Looks at all that can be looked at, every flow that the settings name and the configuration systems too, and tells
/// of each thing at once.
pub(super) async fn whole(tenant: &Tenant, routes: &Settings, tell: impl FnMut(Finding)) {
    let places = places(routes);
    let mut preflight = Preflight { tenant, tell };
    let next = preflight.tenant(places.first()).await;
    fetches::look(routes, &mut preflight.tell).await;
    if next == Next::GoOn {
        preflight.other_flows(places.get(1..).unwrap_or_default()).await;
    }
}

struct Preflight<'a, T> {
    tenant: &'a Tenant,
    tell: T,
}

/// Whether more can be learnt of the tenant.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

impl<T: FnMut(Finding)> Preflight<'_, T> {
    fn add(&mut self, subject: impl Into<String>, verdict: Verdict, message: impl Into<String>) {
        (self.tell)(Finding::new(subject, verdict, message));
    }

    async fn tenant(&mut self, first: Option<&Place<'_>>) -> Next {
        let mut pass = match self.tenant.gate().admit() {
            Ok(pass) => pass,
            Err(_wait) => {
                let closure = self.tenant.gate().closure();
                let why =
                    closure.map_or_else(|| "the tenant is being asked already".to_owned(), |c| c.to_string());
                self.add("tenant", Verdict::Skipped, why);
                return Next::Stop;
            }
        };
        if self.token(&pass).await == Next::Stop {
            return Next::Stop;
        }
        match first {
            Some(place) => self.flow(&mut pass, place).await,
            None => {
                self.add(
                    "flow",
                    Verdict::Skipped,
                    "no setting names one, so every event has to name its flow",
                );
                Next::GoOn
            }
        }
    }

    async fn other_flows(&mut self, places: &[Place<'_>]) {
        let Ok(mut pass) = self.tenant.gate().admit() else { return };
        let (first, others) = places.split_at(places.len().min(FLOWS_AT_MOST - 1));
        for place in first {
            if self.flow(&mut pass, place).await == Next::Stop {
                return;
            }
        }
        if !others.is_empty() {
            let message = format!("{} more are named: look at them with `flowhook nodes FLOW`", others.len());
            self.add("flows", Verdict::Skipped, message);
        }
    }

    async fn token(&mut self, pass: &Pass) -> Next {
        match self.tenant.missing_scopes(pass).await {
            Ok(missing) => {
                self.add("token", Verdict::Ok, "the tenant gives one to this client");
                if missing.is_empty() {
                    self.add("scopes", Verdict::Ok, "the client may read and write flows");
                } else {
                    let message = format!(
                        "the client is not granted {0}: have it granted in the tenant",
                        missing.join(" and ")
                    );
                    self.add("scopes", Verdict::Failed { exit_code: Exit::Permission }, message);
                }
                Next::GoOn
            }
            Err(failure) => {
                (self.tell)(Finding::failed("token", &failure.into()));
                self.add("flow", Verdict::Skipped, "without a token no flow can be read");
                Next::Stop
            }
        }
    }

    async fn flow(&mut self, pass: &mut Pass, Place { flow, nodes }: &Place<'_>) -> Next {
        let subject = format!("flow {flow}");
        let document = match self.tenant.read(pass, flow).await {
            Ok(text) => Document::parse(text),
            Err(failure) => {
                let next = if says_more(&failure) { Next::GoOn } else { Next::Stop };
                (self.tell)(Finding::failed(subject, &failure.into()));
                return next;
            }
        };
        match document {
            Ok(document) => {
                let name =
                    document.name().map(|name| format!("\"{}\", ", name.escape_debug())).unwrap_or_default();
                self.add(subject, Verdict::Ok, format!("{name}version {}", document.version()));
                nodes.iter().for_each(|(node, by)| self.node(&document, node, *by));
            }
            Err(error) => {
                let verdict = Verdict::Failed { exit_code: Exit::Unreachable };
                self.add(subject, verdict, format!("{error}; check that CXONE_BASE_URL is the flow API"));
            }
        }
        Next::GoOn
    }

    fn node(&mut self, document: &Document, node: &NodeId, by: NamedBy<'_>) {
        let subject = format!("node {}", node.as_str().escape_debug());
        let (seen, says_which) = match by {
            NamedBy::Route(route) => (
                document.node(node.as_str()).map(|_node| format!("is there, for route {route}")),
                format!("`node` of [routes.{route}]"),
            ),
            NamedBy::Variable | NamedBy::Nothing => (variables(document, node), "TARGET_NODE_ID".to_owned()),
        };
        match seen {
            Ok(message) => self.add(subject, Verdict::Ok, message),
            Err(error) => {
                let message = format!("{error}; {says_which} says which");
                self.add(subject, Verdict::Failed { exit_code: Exit::Input }, message);
            }
        }
    }
}

/// Whether other flows can still be read after this failure.
fn says_more(failure: &Failure) -> bool {
    match failure.kind {
        Kind::NoSuchFlow | Kind::Forbidden | Kind::Conflict | Kind::Refused | Kind::Odd => true,
        Kind::Broken | Kind::Throttled | Kind::Credentials | Kind::GateClosed => false,
    }
}

/// Which of the schema's variables the node has.
fn variables(document: &Document, node: &NodeId) -> Result<String, AddressError> {
    let node = document.node(node.as_str())?;
    let (mut has, mut lacks) = (Vec::new(), Vec::new());
    for name in SCHEMA.names() {
        if node.variable(name)?.is_some() { has.push(name) } else { lacks.push(name) }
    }
    let said =
        |what: &str, names: &[&str]| (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")));
    let parts = [said("has", &has), said("will get", &lacks)];
    Ok(parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
}

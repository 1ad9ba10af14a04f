//! What can be known of the tenant before the first event comes: for `check` to print, and for `serve` to
//! tell at its start. It only reads.

use flowhook::change::{FlowId, NodeId};
use flowhook::config_api::ConfigApi;
use flowhook::flow::{AddressError, Document};
use flowhook::http::Manner;
use flowhook::route::{self, Revision, SCHEMA, fill};
use flowhook::tenant::{Failure, Kind, Pass, Tenant};
use serde::Serialize;

use crate::exit::{Exit, Failed};

/// How many of the allowed flows are looked at; more would cost the tenant a call each.
const FLOWS_AT_MOST: usize = 20;

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

/// Looks at the token, its scopes, and the flow and node that events need not name: one flow call.
pub(super) async fn brief(tenant: &Tenant, routes: &route::Native) -> Vec<Finding> {
    let mut findings = Vec::new();
    _ = Preflight { tenant, routes, tell: |finding| findings.push(finding) }.tenant().await;
    findings
}

/// Looks at all that can be looked at, the other allowed flows and the configuration API too, and tells of
/// each thing at once.
pub(super) async fn whole(tenant: &Tenant, routes: &route::Native, tell: impl FnMut(Finding)) {
    let mut preflight = Preflight { tenant, routes, tell };
    let next = preflight.tenant().await;
    preflight.config_api().await;
    if next == Next::GoOn {
        preflight.other_flows().await;
    }
}

struct Preflight<'a, T> {
    tenant: &'a Tenant,
    routes: &'a route::Native,
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

    async fn tenant(&mut self) -> Next {
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
        match &self.routes.flow {
            Some(default) => self.flow(&mut pass, default, self.routes.node.as_ref()).await,
            None => {
                self.add(
                    "flow",
                    Verdict::Skipped,
                    "CXONE_FLOW_ID is not set, so every event has to name its flow",
                );
                Next::GoOn
            }
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

    /// The flows beside the default one that events may name.
    async fn other_flows(&mut self) {
        let Ok(mut pass) = self.tenant.gate().admit() else { return };
        let routes = self.routes;
        let allowed = routes.allowed_flows.iter().flatten();
        let others: Vec<&FlowId> = allowed.filter(|flow| Some(*flow) != routes.flow.as_ref()).collect();
        for flow in others.iter().take(FLOWS_AT_MOST) {
            if self.flow(&mut pass, flow, None).await == Next::Stop {
                return;
            }
        }
        if others.len() > FLOWS_AT_MOST {
            let more = others.len() - FLOWS_AT_MOST;
            let message =
                format!("{more} more of FLOWHOOK_ALLOWED_FLOWS: look at them with `flowhook nodes FLOW`");
            self.add("flows", Verdict::Skipped, message);
        }
    }

    async fn flow(&mut self, pass: &mut Pass, flow: &FlowId, node: Option<&NodeId>) -> Next {
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
                if let Some(node) = node {
                    self.node(&document, node);
                }
            }
            Err(error) => {
                let verdict = Verdict::Failed { exit_code: Exit::Unreachable };
                self.add(subject, verdict, format!("{error}; check that CXONE_BASE_URL is the flow API"));
            }
        }
        Next::GoOn
    }

    fn node(&mut self, document: &Document, node: &NodeId) {
        let subject = format!("node {}", node.as_str().escape_debug());
        match variables(document, node) {
            Ok(message) => self.add(subject, Verdict::Ok, message),
            Err(error) => {
                let message = format!("{error}; TARGET_NODE_ID says which");
                self.add(subject, Verdict::Failed { exit_code: Exit::Input }, message);
            }
        }
    }

    /// Where the variables of thin events are fetched.
    async fn config_api(&mut self) {
        const SUBJECT: &str = "fetch";
        let Some(template) = &self.routes.fetch_url else { return };
        let url = match (&self.routes.flow, &self.routes.node) {
            (Some(flow), Some(node)) => fill(template, flow, node, &Revision::HEAD),
            _ if template.contains('{') => {
                let why = "EXTERNAL_API_URL has placeholders, and CXONE_FLOW_ID and TARGET_NODE_ID do not fill them";
                return self.add(SUBJECT, Verdict::Skipped, why);
            }
            _ => template.clone(),
        };
        let fetched = match ConfigApi::new() {
            Ok(api) => api
                .fetch(&url, &Manner::default())
                .await
                .map_err(|error| Failed::new(Exit::Unreachable, error)),
            Err(error) => Err(Failed::new(Exit::Other, error)),
        };
        let checked =
            fetched.and_then(|config| SCHEMA.variables("the answer", &config).map_err(Failed::input));
        match checked {
            Ok(_variables) => self.add(SUBJECT, Verdict::Ok, "EXTERNAL_API_URL answers the variables"),
            Err(fault) => (self.tell)(Finding::failed(SUBJECT, &fault)),
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

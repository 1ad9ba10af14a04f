//! What deliveries mean: the routes of the settings file, and what the single settings say for the built-in ones.

use std::collections::BTreeSet;
use std::time::Duration;

use toml::{Table, Value};

use super::keys::{ALLOWED_FLOWS, FETCH_URL, FLOW_ID, NODE_ID, RECONCILE_SECONDS};
use super::read::Read;
use super::sources::Caller;
use crate::change::{FlowId, NodeId, shorten};
use crate::route::{self, Definition, Native, Route};

/// The longest time between two looks at the built-in routes' values, in seconds: a day.
const RECONCILE_SECONDS_AT_MOST: u64 = 24 * 60 * 60;

impl Read<'_> {
    /// The routes of the settings file, each of which names sources that there are.
    pub(super) fn described_routes(&mut self, callers: &[Caller], native: &Native) -> Vec<Route> {
        let mut routes = Vec::new();
        let named = &self.layers.named.routes;
        for (name, mut members) in self.things("routes", named) {
            let path = format!("routes.{name}");
            let has_headers = self.resolve_headers(&path, &mut members);
            let Some(definition) = self.shape::<Definition>(&path, members) else { continue };
            match Route::new(name, definition) {
                Ok(route) if has_headers => {
                    self.check_sources(&path, &route, callers);
                    self.check_flows(&path, &route, native);
                    routes.push(route);
                }
                Ok(_lacks_a_header) => {}
                Err(problems) => {
                    for bad in problems {
                        let key =
                            if bad.key.is_empty() { path.clone() } else { format!("{path}.{}", bad.key) };
                        self.wrong(&key, &bad.what);
                    }
                }
            }
        }
        routes
    }

    /// Puts the texts of the headers that a fetch sends in their places; whether all are there.
    fn resolve_headers(&mut self, path: &str, members: &mut Table) -> bool {
        let headers = members.get_mut("fetch").and_then(|fetch| fetch.get_mut("headers"));
        let Some(headers) = headers else { return true };
        let path = format!("{path}.fetch.headers");
        let Value::Table(headers) = headers else {
            self.wrong(&path, "must be a table: write `headers = { Accept = \"application/json\" }`");
            *headers = Value::Table(Table::new());
            return false;
        };
        let mut are_all_there = true;
        for (name, value) in headers.iter_mut() {
            let line = self.line(&format!("{path}.{name}"), value);
            are_all_there &= line.is_some();
            // Any text will do where the route is not used anyway.
            *value = Value::String(line.unwrap_or_else(|| "none".to_owned()));
        }
        are_all_there
    }

    fn check_sources(&mut self, path: &str, route: &Route, callers: &[Caller]) {
        let names: Vec<&str> = callers.iter().map(|caller| &**caller.source.name()).collect();
        // Sources that are there and cannot be used are told of elsewhere.
        let is_known = |name: &str| names.contains(&name) || self.layers.named.sources.contains_key(name);
        let unknown: Vec<&str> = route.sources().filter(|name| !is_known(name)).collect();
        for name in unknown {
            let known = names.join("`, `");
            let what = format!("names no source: there is no `{}`; name one of `{known}`", shorten(name));
            self.wrong(&format!("{path}.source"), &what);
        }
    }

    /// What bounds all routes bounds this one too.
    fn check_flows(&mut self, path: &str, route: &Route, native: &Native) {
        let Some(allowed) = &native.allowed_flows else { return };
        for flow in route.flows().filter(|flow| !allowed.contains(flow)) {
            let what =
                format!("is `{flow}`, which is not among {}: add it there", self.layers.name(ALLOWED_FLOWS));
            self.wrong(&format!("{path}.flow"), &what);
        }
    }

    /// What the single settings say.
    pub(super) fn native(&mut self) -> Native {
        let flow = self.layers.get(FLOW_ID).map(FlowId::parse);
        let node = self.layers.get(NODE_ID).map(NodeId::parse);
        let allowed = self.layers.get(ALLOWED_FLOWS).map(|list| {
            list.split(',').map(|id| FlowId::parse(id.trim())).collect::<Result<BTreeSet<_>, _>>()
        });
        let settings = Native {
            flow: self.id(FLOW_ID, flow),
            node: self.id(NODE_ID, node),
            allowed_flows: self.id(ALLOWED_FLOWS, allowed),
            fetch_url: self.layers.get(FETCH_URL).map(str::to_owned),
            reconcile_every: self.reconcile_every(),
        };
        if let Some(text) = &settings.fetch_url
            && let Some(url) = self.url(FETCH_URL, text)
            && url.host_str().is_some_and(|host| host.contains('{'))
        {
            self.problem(FETCH_URL, "has a placeholder in its host, which an event must not choose: name it");
        } else if let Some(unknown) = settings.fetch_url.as_deref().and_then(route::unknown_placeholder) {
            let known = "it knows {flow_id}, {node_id} and {revision}";
            self.problem(FETCH_URL, &format!("has a placeholder `{}`: {known}", shorten(unknown)));
        }
        if let (Some(flow), Some(allowed)) = (&settings.flow, &settings.allowed_flows)
            && !allowed.contains(flow)
        {
            self.problem(
                FLOW_ID,
                &format!("is `{flow}`, which is not among FLOWHOOK_ALLOWED_FLOWS: add it there"),
            );
        }
        settings
    }

    fn reconcile_every(&mut self) -> Duration {
        let expected = format!("a number of seconds from 0 (never) to {RECONCILE_SECONDS_AT_MOST}");
        let seconds = self.number(RECONCILE_SECONDS, &expected, 0..=RECONCILE_SECONDS_AT_MOST);
        Duration::from_secs(seconds.unwrap_or(0))
    }
}

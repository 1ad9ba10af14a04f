//! All routes of the service, and which of them look at a delivery.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::described::Route;
use super::event::{Event, Explained, Judgement, Verdict};
use super::judging::{CHANGES_MAX, Wanted};
use super::native::{BuiltIn, DEFAULT, Native, PUSH};
use super::refusal::Refusal;
use super::{Fetching, Reconciled};
use crate::change::{FlowId, NewChange, NodeId};
use crate::json::Value;

/// What a body without a byte in it says: nothing that a pointer could point at.
const NOTHING: &str = "null";

/// The routes' own settings.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Of the built-in routes.
    pub native: Native,
    /// The routes that the settings describe, each of another name.
    pub routes: Vec<Route>,
}

/// The routes of the service.
#[derive(Clone, Debug)]
pub struct Routes {
    built_in: BuiltIn,
    native_fetching: Fetching,
    routes: Arc<[Route]>,
    /// Which of them look at a source's deliveries. A source that none names has the built-in ones.
    of_source: HashMap<String, Vec<usize>>,
}

impl Routes {
    /// The routes with these settings.
    pub fn new(settings: Settings) -> Self {
        let mut of_source: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, route) in settings.routes.iter().enumerate() {
            for source in route.sources() {
                of_source.entry(source.to_owned()).or_default().push(at);
            }
        }
        Self {
            built_in: BuiltIn::new(settings.native),
            native_fetching: Fetching::default(),
            routes: settings.routes.into(),
            of_source,
        }
    }

    /// How the values of thin changes of a route are fetched; nothing if there is no such route that fetches.
    pub fn fetching(&self, route: &str) -> Option<&Fetching> {
        if [DEFAULT, PUSH].contains(&route) {
            return Some(&self.native_fetching);
        }
        self.routes.iter().find(|one| &**one.name() == route).and_then(Route::fetching)
    }

    /// The routes that are reconciled.
    pub fn reconciled(&self) -> impl Iterator<Item = &Reconciled> {
        self.built_in.reconciled().into_iter().chain(self.routes.iter().filter_map(Route::reconciled))
    }

    /// How often the flows are looked at that no reconciled route fills; zero for never.
    pub fn flows_every(&self) -> Duration {
        self.built_in.reconcile_every()
    }

    /// Whether a route may still change a node for which it has fetched something once.
    pub fn may_change(&self, route: &str, flow: &FlowId, node: &NodeId) -> bool {
        let is_allowed = self.built_in.allowed_flows().is_none_or(|allowed| allowed.contains(flow));
        let described = self.routes.iter().find(|one| &**one.name() == route);
        is_allowed && described.is_none_or(|described| described.may_change(flow, node))
    }

    /// Judges a verified delivery.
    pub fn judge(&self, event: &Event<'_>) -> Judgement {
        let ours = self.of(event.source);
        let body = match parsed(event.body, ours.is_some()) {
            Ok(body) => body,
            Err(reason) => return Judgement::NotJson(reason),
        };
        let outcome = match ours {
            None => self
                .built_in
                .change(&body, event.at)
                .map(Vec::from_iter)
                .map_err(|refusal| refusal.to_string()),
            Some(routes) => self.changes(routes, &body, event),
        };
        match outcome {
            Ok(changes) if changes.is_empty() => Judgement::Ignored,
            Ok(changes) => Judgement::Changes(changes),
            Err(reason) => Judgement::Refused(reason),
        }
    }

    /// What each route of its source says of a delivery, for a person to read.
    ///
    /// # Errors
    /// When it is not JSON, and why.
    pub fn explain(&self, event: &Event<'_>) -> Result<Vec<Explained>, String> {
        let ours = self.of(event.source);
        let body = parsed(event.body, ours.is_some())?;
        let Some(routes) = ours else { return Ok(self.built_in.explain(&body, event.at)) };
        let explained = routes.map(|route| {
            let verdict = match route.judge(&body, event, self.built_in.allowed_flows()) {
                Ok(Wanted::Yes(changes)) => Verdict::Changes(changes),
                Ok(Wanted::No(why)) => Verdict::Unwanted(why.to_string()),
                Err(refusal) => Verdict::Refused(refusal.to_string()),
            };
            Explained { route: Arc::clone(route.name()), verdict }
        });
        Ok(explained.collect())
    }

    /// The described routes that look at a source's deliveries, unless those are for the built-in ones.
    fn of(&self, source: &str) -> Option<impl Iterator<Item = &Route>> {
        let of_source = self.of_source.get(source)?;
        Some(of_source.iter().filter_map(|at| self.routes.get(*at)))
    }

    /// The changes of all routes that want the delivery: all, or none.
    fn changes<'r>(
        &self,
        routes: impl Iterator<Item = &'r Route>,
        body: &Value<'_>,
        event: &Event<'_>,
    ) -> Result<Vec<NewChange>, String> {
        let mut changes = Vec::new();
        for route in routes {
            let refused = |refusal: Refusal| format!("route `{}`: {refusal}", route.name());
            match route.judge(body, event, self.built_in.allowed_flows()).map_err(refused)? {
                Wanted::Yes(more) => changes.extend(more),
                Wanted::No(_) => {}
            }
            if changes.len() > CHANGES_MAX {
                return Err(Refusal::TooMany(CHANGES_MAX, "changes").to_string());
            }
        }
        Ok(changes)
    }
}

/// The body as JSON. That of a call that says all by coming at all may be empty, where routes are described for it.
fn parsed(body: &[u8], may_be_empty: bool) -> Result<Value<'_>, String> {
    let text = str::from_utf8(body).map_err(|error| format!("the body is not UTF-8: {error}"))?;
    let text = if may_be_empty && text.is_empty() { NOTHING } else { text };
    Value::parse(text).map_err(|error| format!("the body is not JSON: {error}"))
}

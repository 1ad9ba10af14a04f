//! A route that the settings describe.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::address::{self, Named};
use super::condition::Condition;
use super::definition::{Definition, FetchDefinition};
use super::mapping::Mapping;
use super::order::OrderBy;
use super::problem::{BadRoute, Problems};
use super::reconciled::schedule;
use super::{Fetching, Reconciled, Template};
use crate::change::{FlowId, Mode, NodeId, shorten};
use crate::json::Pointer;

/// The longest name of a route, in bytes.
const NAME_MAX_BYTES: usize = 64;
/// Names that changes have which no such route made.
const RESERVED: [&str; 6] = ["default", "push", "apply", "rollback", "reconcile", "operator"];
/// The most conditions of a route.
const CONDITIONS_MAX: usize = 100;

/// A route that the settings describe: which events it wants, and the changes that follow from one.
#[derive(Clone, Debug)]
pub struct Route {
    pub(super) name: Arc<str>,
    sources: Vec<String>,
    pub(super) when: Vec<Condition>,
    /// Where the array is whose elements are events of their own.
    pub(super) each: Option<Pointer>,
    pub(super) flows: Vec<Named<FlowId>>,
    pub(super) node: Named<NodeId>,
    pub(super) mode: Mode,
    pub(super) order_by: Option<OrderBy>,
    pub(super) allowed_flows: Option<BTreeSet<FlowId>>,
    pub(super) values: Origin,
    reconciled: Option<Reconciled>,
}

/// Where a route's values come from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    Event(Mapping),
    Fetched(Template, Fetching),
}

impl Route {
    /// The route of that name.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn new(name: &str, definition: Definition) -> Result<Self, Vec<BadRoute>> {
        let mut problems = Problems::default();
        match Self::checked(name, definition, &mut problems) {
            Some(route) if problems.is_empty() => Ok(route),
            Some(_) | None => Err(problems.into_vec()),
        }
    }

    /// The route, unless something is missing without which there is none; whatever is wrong is noted.
    fn checked(name: &str, definition: Definition, problems: &mut Problems) -> Option<Self> {
        check_name(name, problems);
        check_sources(&definition.source.0, problems);
        let when = conditions(&definition, problems);
        let each = definition.each.as_deref().map(|text| problems.take("each", Pointer::parse(text)));
        let flows = address::flows(&definition.flow.0, problems);
        let node = Named::new(&definition.node, "node", problems);
        let mode = mode(definition.mode.as_deref(), problems);
        let order_by = definition.order_by.as_ref().map(|order_by| OrderBy::new(order_by, problems));
        let allowed_flows = allowed_flows(&definition, &flows, problems);
        let mapping = Mapping::new(&definition, problems);
        let (every, on_drift) = schedule(definition.reconcile, problems);
        if definition.reconcile.is_some() && definition.fetch.is_none() {
            problems.add(
                "reconcile",
                "goes with `fetch` only, since events do not come again: add it, or remove this",
            );
        }
        let fetched = definition.fetch.as_ref().map(|fetch| fetched(fetch, mapping.clone(), problems));
        let (node, mode) = (node?, mode?);
        let values = match fetched {
            None => Origin::Event(mapping?),
            Some(fetched) => {
                let (template, fetching) = fetched?;
                Origin::Fetched(template, fetching)
            }
        };
        let name: Arc<str> = Arc::from(name);
        let reconciled = match (&values, every) {
            (Origin::Fetched(url, fetching), Some(every)) => Some(Reconciled {
                route: Arc::clone(&name),
                twin: None,
                targets: targets(&flows, &node),
                mode,
                url: url.clone(),
                fetching: fetching.clone(),
                every,
                on_drift,
            }),
            (Origin::Event(_) | Origin::Fetched(..), _) => None,
        };
        let (each, order_by) = (each.flatten(), order_by.flatten());
        Some(Self {
            name,
            sources: definition.source.0,
            when,
            each,
            flows,
            node,
            mode,
            order_by,
            allowed_flows,
            values,
            reconciled,
        })
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The sources whose events it looks at.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(String::as_str)
    }

    /// Whether it may change that node, as the settings are now.
    pub(super) fn may_change(&self, flow: &FlowId, node: &NodeId) -> bool {
        let is_allowed = self.allowed_flows.as_ref().is_none_or(|allowed| allowed.contains(flow));
        is_allowed && self.flows.iter().any(|named| named.may_be(flow)) && self.node.may_be(node)
    }

    /// The flows that the settings name for it.
    pub fn flows(&self) -> impl Iterator<Item = &FlowId> {
        self.flows.iter().filter_map(Named::in_settings)
    }

    /// The node that the settings name for it.
    pub fn node(&self) -> Option<&NodeId> {
        self.node.in_settings()
    }

    /// Whether an old event that is sent again would revert a newer one, unless its signature tells how old it is:
    /// it brings its values, and nothing orders it but perhaps a header, which is not signed.
    pub fn is_replayable(&self) -> bool {
        let is_ordered = self.order_by.as_ref().is_some_and(OrderBy::is_in_body);
        !is_ordered && matches!(self.values, Origin::Event(_))
    }

    /// What is to be said at start-up of a route that can be used.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let shows_headers = match &self.values {
            Origin::Event(_) => false,
            Origin::Fetched(url, fetching) => !fetching.manner.headers.is_empty() && url.is_in_the_clear(),
        };
        let warning = || {
            let what = "fetches over plain http, which shows its headers to the network: use https";
            format!("route `{}` {what}", self.name)
        };
        shows_headers.then(warning).into_iter()
    }

    /// Where its values are fetched, if they are.
    pub fn url(&self) -> Option<&Template> {
        match &self.values {
            Origin::Event(_) => None,
            Origin::Fetched(url, _) => Some(url),
        }
    }

    /// How its values are fetched, if they are.
    pub fn fetching(&self) -> Option<&Fetching> {
        match &self.values {
            Origin::Event(_) => None,
            Origin::Fetched(_, fetching) => Some(fetching),
        }
    }

    /// How it is reconciled, if it is.
    pub fn reconciled(&self) -> Option<&Reconciled> {
        self.reconciled.as_ref()
    }
}

fn check_name(name: &str, problems: &mut Problems) {
    let is_name = (1..=NAME_MAX_BYTES).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !is_name {
        let rule = format!("use 1 to {NAME_MAX_BYTES} letters, digits, `-` or `_`");
        problems.add("", format!("route name `{}` is not valid: {rule}", shorten(name)));
    }
    if RESERVED.contains(&name) {
        problems.add("", format!("route name `{name}` is taken by us: choose another"));
    }
}

fn check_sources(sources: &[String], problems: &mut Problems) {
    if sources.is_empty() {
        problems.add("source", "is an empty list: name the source whose events it looks at");
    }
    if let Some((_, twice)) = sources.iter().enumerate().find(|(at, name)| sources[..*at].contains(name)) {
        problems.add("source", format!("names `{}` twice: name it once", shorten(twice)));
    }
}

fn conditions(definition: &Definition, problems: &mut Problems) -> Vec<Condition> {
    if definition.when.len() > CONDITIONS_MAX {
        problems.add("when", format!("has more than {CONDITIONS_MAX} conditions: split the route"));
        return Vec::new();
    }
    let condition = |(at, condition)| Condition::new(condition, &format!("when[{at}]"), problems);
    definition.when.iter().enumerate().filter_map(condition).collect()
}

fn mode(name: Option<&str>, problems: &mut Problems) -> Option<Mode> {
    let Some(name) = name else { return Some(Mode::default()) };
    let mode = Mode::parse(name);
    if mode.is_none() {
        problems.add("mode", format!("is `{}`: use `merge`, `replace` or `patch`", shorten(name)));
    }
    mode
}

/// The flows that it may change, those that the settings name for it among them.
fn allowed_flows(
    definition: &Definition,
    flows: &[Named<FlowId>],
    problems: &mut Problems,
) -> Option<BTreeSet<FlowId>> {
    let ids = definition.allowed_flows.as_ref()?;
    if ids.is_empty() {
        problems.add(
            "allowed_flows",
            "is an empty list, which allows none: fill it in, or remove it to allow any",
        );
        return None;
    }
    let parsed = ids.iter().map(|id| problems.take("allowed_flows", FlowId::parse(id)));
    let allowed: BTreeSet<FlowId> = parsed.collect::<Option<_>>()?;
    for flow in flows.iter().filter_map(Named::in_settings).filter(|flow| !allowed.contains(*flow)) {
        problems.add("flow", format!("is `{flow}`, which is not among its `allowed_flows`: add it there"));
    }
    Some(allowed)
}

/// Where the values are fetched, and how.
fn fetched(
    fetch: &FetchDefinition,
    mapping: Option<Mapping>,
    problems: &mut Problems,
) -> Option<(Template, Fetching)> {
    let template = problems.take("fetch.url", Template::parse(&fetch.url));
    if mapping.as_ref().is_some_and(Mapping::is_constant) {
        problems
            .add("fetch", "is of no use, since nothing points into the answer: remove it, or read something");
    }
    // What is wrong with the call is told also where nothing is read.
    let fetching = Fetching::new(fetch, mapping.unwrap_or(Mapping::Native), problems);
    Some((template?, fetching))
}

/// Every flow with the node, where no event has to name them: what is meant where it does not counts too.
fn targets(flows: &[Named<FlowId>], node: &Named<NodeId>) -> Vec<(FlowId, NodeId)> {
    let Some(node) = node.in_settings() else { return Vec::new() };
    flows.iter().filter_map(Named::in_settings).map(|flow| (flow.clone(), node.clone())).collect()
}

#[cfg(test)]
mod tests;

//! The built-in routes: `default`, for the native event, and `push`, for pushes to a git repository.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::event::{Explained, Verdict};
use super::order::{not_ahead, rfc3339};
use super::push::pushed;
use super::reconciled::Reconciled;
use super::refusal::Refusal;
use super::schema::SCHEMA;
use super::template::{Template, check_node, fill};
use super::value::Value;
use super::{Fetching, OnDrift, Revision};
use crate::change::{FlowId, Mode, NewChange, NodeId, OrderKey, Values, shorten};

/// The name of the route for native events.
pub(super) const DEFAULT: &str = "default";
/// The name of the route for pushes to a git repository.
pub(super) const PUSH: &str = "push";
/// The `type` of the events that the default route wants.
const EVENT_TYPE: &str = "config.updated";

/// What the settings say for the built-in routes.
#[derive(Clone, Debug, Default)]
pub struct Native {
    /// The flow to change when the event names none; `CXONE_FLOW_ID`.
    pub flow: Option<FlowId>,
    /// The node to change when the event names none; `TARGET_NODE_ID`.
    pub node: Option<NodeId>,
    /// Where the variables of a thin event are fetched; `EXTERNAL_API_URL`. `{flow_id}` and `{node_id}` in
    /// it stand for the event's, `{revision}` for the commit of a push and for `HEAD` with any other event.
    pub fetch_url: Option<String>,
    /// The flows that may be changed, by whatever route, or any; `FLOWHOOK_ALLOWED_FLOWS`.
    pub allowed_flows: Option<BTreeSet<FlowId>>,
    /// How often what is fetched is compared with the flow, zero for never; `FLOWHOOK_RECONCILE_SECONDS`.
    pub reconcile_every: Duration,
}

/// The built-in routes.
#[derive(Clone, Debug)]
pub(super) struct BuiltIn {
    settings: Arc<Native>,
    default: Arc<str>,
    push: Arc<str>,
    reconciled: Option<Arc<Reconciled>>,
}

impl BuiltIn {
    pub(super) fn new(settings: Native) -> Self {
        let default: Arc<str> = Arc::from(DEFAULT);
        let push: Arc<str> = Arc::from(PUSH);
        let reconciled = reconciled(&settings, &default, &push).map(Arc::new);
        Self { settings: Arc::new(settings), default, push, reconciled }
    }

    /// How they are reconciled, where the settings say all that it needs.
    pub(super) fn reconciled(&self) -> Option<&Reconciled> {
        self.reconciled.as_deref()
    }

    /// How often what is fetched is compared with the flow; zero for never.
    pub(super) fn reconcile_every(&self) -> Duration {
        self.settings.reconcile_every
    }

    /// The flows that may be changed, by whatever route.
    pub(super) fn allowed_flows(&self) -> Option<&BTreeSet<FlowId>> {
        self.settings.allowed_flows.as_ref()
    }

    /// The change that an event asks for, if one of them wants it.
    pub(super) fn change(&self, event: &Value<'_>, now: Timestamp) -> Result<Option<NewChange>, Refusal> {
        match event.get("type")?.map(Value::text) {
            None => self.pushed(event, now),
            Some(kind) if kind.as_deref() == Some(EVENT_TYPE) => self.updated(event, now).map(Some),
            Some(_) => Ok(None),
        }
    }

    /// What each of them says of an event.
    pub(super) fn explain(&self, event: &Value<'_>, now: Timestamp) -> Vec<Explained> {
        let not_native = || Verdict::Unwanted(format!("`type` is not `{EVENT_TYPE}`"));
        let no_push = || Verdict::Unwanted(self.no_push(event));
        let (default, push) = match self.change(event, now) {
            Ok(None) => (not_native(), no_push()),
            Ok(Some(change)) if change.route == self.push => (not_native(), Verdict::Changes(vec![change])),
            Ok(Some(change)) => (Verdict::Changes(vec![change]), no_push()),
            Err(refusal) if event.get("type").is_ok_and(|kind| kind.is_none()) => {
                (not_native(), Verdict::Refused(refusal.to_string()))
            }
            Err(refusal) => (Verdict::Refused(refusal.to_string()), no_push()),
        };
        let explained = |route: &Arc<str>, verdict| Explained { route: Arc::clone(route), verdict };
        vec![explained(&self.default, default), explained(&self.push, push)]
    }

    fn no_push(&self, event: &Value<'_>) -> String {
        let Native { flow, node, fetch_url, .. } = &*self.settings;
        let is_typed = !event.get("type").is_ok_and(|kind| kind.is_none());
        if is_typed || pushed(event).is_none() {
            return "it is no push to the default branch of a git repository".to_owned();
        }
        let needed = [
            ("CXONE_FLOW_ID", flow.is_some()),
            ("TARGET_NODE_ID", node.is_some()),
            ("EXTERNAL_API_URL", fetch_url.is_some()),
        ];
        let missing: Vec<&str> = needed.iter().filter(|(_, is_set)| !is_set).map(|(name, _)| *name).collect();
        format!("a push names no flow, node or variable: set {}", missing.join(" and "))
    }

    /// The change that follows from a push. Where the settings do not say all that it lacks nobody has asked
    /// for pushes, and it is none.
    fn pushed(&self, body: &Value<'_>, now: Timestamp) -> Result<Option<NewChange>, Refusal> {
        let Native { flow: Some(flow), node: Some(node), fetch_url: Some(template), .. } = &*self.settings
        else {
            return Ok(None);
        };
        let Some(push) = pushed(body) else { return Ok(None) };
        let order_key = push.at.map(|at| not_ahead("`repository.pushed_at`", at, now)).transpose()?;
        let values = Values::Fetch(fill(template, flow, node, &push.revision));
        let (flow, node) = (flow.clone(), node.clone());
        let route = Arc::clone(&self.push);
        Ok(Some(NewChange { route, flow, node, mode: Mode::Merge, values, order_key }))
    }

    /// The change that a native event asks for.
    fn updated(&self, event: &Value<'_>, now: Timestamp) -> Result<NewChange, Refusal> {
        let order_key = event.get("timestamp")?.map(|time| order_key(time, now)).transpose()?;
        let data = event.get("data")?;
        if let Some(data) = data {
            data.members()?.ok_or(Refusal::WrongType("data", "an object"))?;
        }
        let member = |name| data.map_or(Ok(None), |data| data.get(name));
        let flow = self.flow(member("flow_id")?)?;
        let node = self.node(member("node_id")?)?;
        let values = match member("config")? {
            Some(config) => Values::Known(SCHEMA.variables("data.config", config.raw())?),
            None => Values::Fetch(self.fetch_url(&flow, &node)?),
        };
        let route = Arc::clone(&self.default);
        Ok(NewChange { route, flow, node, mode: Mode::Merge, values, order_key })
    }

    fn flow(&self, named: Option<&Value<'_>>) -> Result<FlowId, Refusal> {
        let flow = match named {
            Some(id) => FlowId::parse(&id.text().ok_or(Refusal::WrongType("data.flow_id", "a string"))?)?,
            None => {
                let default = self.settings.flow.clone();
                default.ok_or(Refusal::Missing("data.flow_id", "CXONE_FLOW_ID"))?
            }
        };
        match &self.settings.allowed_flows {
            Some(allowed) if !allowed.contains(&flow) => Err(Refusal::NotAllowed(flow, ALLOWED_FLOWS)),
            Some(_) | None => Ok(flow),
        }
    }

    fn node(&self, named: Option<&Value<'_>>) -> Result<NodeId, Refusal> {
        match named {
            Some(id) => {
                let node = id.text().ok_or(Refusal::WrongType("data.node_id", "a string"))?;
                Ok(NodeId::parse(&node)?)
            }
            None => self.settings.node.clone().ok_or(Refusal::Missing("data.node_id", "TARGET_NODE_ID")),
        }
    }

    fn fetch_url(&self, flow: &FlowId, node: &NodeId) -> Result<String, Refusal> {
        let template = self.settings.fetch_url.as_deref().ok_or(Refusal::NothingToFetch)?;
        check_node(template, node)?;
        Ok(fill(template, flow, node, &Revision::HEAD))
    }
}

/// What bounds the flows that any route may change.
pub(super) const ALLOWED_FLOWS: &str = "FLOWHOOK_ALLOWED_FLOWS";

fn reconciled(settings: &Native, route: &Arc<str>, twin: &Arc<str>) -> Option<Reconciled> {
    let Native { flow, node, fetch_url, reconcile_every, .. } = settings;
    let url = Template::parse(fetch_url.as_deref()?).ok()?;
    // Where they name none, those are left that events have named before.
    let target = flow.clone().zip(node.clone());
    (!reconcile_every.is_zero()).then(|| Reconciled {
        route: Arc::clone(route),
        twin: Some(Arc::clone(twin)),
        targets: target.into_iter().collect(),
        mode: Mode::Merge,
        url,
        fetching: Fetching::default(),
        every: *reconcile_every,
        on_drift: OnDrift::Report,
    })
}

fn order_key(time: &Value<'_>, now: Timestamp) -> Result<OrderKey, Refusal> {
    let text = time.text().ok_or(Refusal::WrongType("timestamp", "an RFC 3339 string"))?;
    let time = rfc3339(&text).ok_or_else(|| Refusal::NotATime(shorten(&text)))?;
    not_ahead("`timestamp`", time, now)
}

#[cfg(test)]
mod tests;

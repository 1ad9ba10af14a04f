//! Drift: where flows do not hold what was last applied to them, as it is recorded, and looked at once more.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Json;
use axum::extract::Query;
use axum::extract::State;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse as _, Response};
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::changes::{PAGE, PAGE_AT_MOST, given, number};
use super::page::cut;
use super::{Admin, unreadable};
use crate::change::{FlowId, NodeId, shorten};
use crate::journal::{Drifted, JournalError, Read as _, Reader, Target};
use crate::server::problem;

/// Looks at flows: who does it and how is not known here.
#[derive(Clone)]
pub struct Look(Arc<dyn Fn(Option<FlowId>) -> Looking + Send + Sync>);

/// A look that is under way.
pub type Looking = Pin<Box<dyn Future<Output = Result<Looked, JournalError>> + Send>>;

/// What came of looking at flows.
#[derive(Debug, Serialize)]
pub struct Looked {
    /// How many were looked at.
    pub flows: usize,
    /// Those that were not, or not all of them.
    pub left: Vec<Left>,
    /// Whether there are more flows than are looked at at once.
    pub more: bool,
    /// The routes of which it is not known what their sources say now.
    pub unread: Vec<Unread>,
}

/// A flow that was not looked at.
#[derive(Debug, Serialize)]
pub struct Left {
    /// The flow.
    pub flow: String,
    /// Why.
    pub reason: String,
}

/// A route whose source cannot be compared with the flows.
#[derive(Debug, Serialize)]
pub struct Unread {
    /// The route.
    pub route: String,
    /// Why.
    pub reason: String,
}

impl Look {
    /// One that is done by this: at the flow, or at the first ones that something was applied to.
    pub fn from_fn(look: impl Fn(Option<FlowId>) -> Looking + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look")
    }
}

/// Which drift to list; an empty value is as good as none.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    flow: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// The same, understood.
struct Filter {
    flow: Option<FlowId>,
    limit: u32,
    after: Option<(FlowId, NodeId, Target)>,
}

/// A page of drift.
#[derive(Serialize)]
struct Page {
    /// What was looked at for it, if something was.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    looked: Option<Looked>,
    drift: Vec<View>,
    /// Pass it as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Something that differs, as people see it.
#[derive(Serialize)]
struct View {
    flow: String,
    node: String,
    /// The variable, if it is one; neither that nor a member is the whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    variable: Option<String>,
    /// The member of the node's configuration, if it is one; without a name all that was patched.
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<String>,
    /// What was last applied; absent if it was to be nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    ours: Option<Box<RawValue>>,
    /// What the flow holds; absent if it is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    there: Option<Box<RawValue>>,
    /// The route whose value was last applied.
    route: String,
    /// When it was first seen, RFC 3339.
    since: String,
    /// When the flow was last looked at, RFC 3339.
    seen: String,
}

impl Wanted {
    fn filter(self, limit: u32) -> Result<Filter, String> {
        let flow = given(self.flow).map(|id| FlowId::parse(&id).map_err(|bad| bad.to_string()));
        let limit = given(self.limit).map_or(Ok(limit), |text| number("limit", &text, PAGE_AT_MOST))?;
        let after = given(self.cursor).map(|text| {
            read(&text).ok_or_else(|| format!("`cursor` must be a `next_cursor`, not `{}`", shorten(&text)))
        });
        Ok(Filter { flow: flow.transpose()?, limit, after: after.transpose()? })
    }
}

/// A cursor: the place that the last page ends with.
fn cursor(of: &Drifted) -> String {
    let place = [of.flow.as_str(), of.drift.node.as_str(), &of.drift.target.encode()];
    hex::encode(serde_json::json!(place).to_string())
}

fn read(cursor: &str) -> Option<(FlowId, NodeId, Target)> {
    let [flow, node, target]: [String; 3] = serde_json::from_slice(&hex::decode(cursor).ok()?).ok()?;
    Some((FlowId::parse(&flow).ok()?, NodeId::parse(&node).ok()?, Target::decode(&target)?))
}

pub(super) async fn list(
    State(admin): State<Admin>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    match wanted.map_err(|bad| bad.body_text()).and_then(|Query(wanted)| wanted.filter(PAGE)) {
        Ok(filter) => page(&admin.reader, filter, None).await,
        Err(why) => problem(StatusCode::BAD_REQUEST, &why),
    }
}

/// Looks at the flow that is named, or at all as far as there is time, and tells what differs then.
pub(super) async fn check(
    State(admin): State<Admin>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let filter = match wanted.map_err(|bad| bad.body_text()).and_then(|Query(wanted)| wanted.filter(PAGE)) {
        Ok(filter) => filter,
        Err(why) => return problem(StatusCode::BAD_REQUEST, &why),
    };
    match (admin.look.0)(filter.flow.clone()).await {
        Ok(looked) => page(&admin.reader, filter, Some(looked)).await,
        Err(error) => unreadable(&error),
    }
}

async fn page(reader: &Reader, filter: Filter, looked: Option<Looked>) -> Response {
    let Filter { flow, limit, after } = filter;
    let after = after.as_ref().map(|(flow, node, target)| (flow, node, target));
    let at_most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    let found = match &flow {
        None => reader.drift(after, at_most).await,
        // What one flow differs in is bounded by what was applied to it.
        Some(flow) => reader.drift_of(flow).await.map(|mut found| {
            found.retain(|of| after.is_none_or(|after| (&of.flow, &of.drift.node, &of.drift.target) > after));
            found
        }),
    };
    match found {
        Ok(mut found) => {
            let next_cursor = cut(&mut found, limit, cursor);
            let drift = found.into_iter().map(View::of).collect();
            Json(Page { looked, drift, next_cursor }).into_response()
        }
        Err(error) => unreadable(&error),
    }
}

impl View {
    fn of(Drifted { flow, drift, since, seen }: Drifted) -> Self {
        let json = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
        let (variable, member) = match drift.target {
            Target::Variable(name) => (Some(name), None),
            Target::Member(name) => (None, Some(name)),
            Target::Configuration => (None, Some(String::new())),
            Target::List => (None, None),
        };
        Self {
            flow: flow.as_str().to_owned(),
            node: drift.node.as_str().to_owned(),
            variable,
            member,
            ours: json(drift.ours),
            there: json(drift.there),
            route: drift.route,
            since: since.to_string(),
            seen: seen.to_string(),
        }
    }
}

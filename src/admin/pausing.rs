//! Flows: which of them wait for something, and having one of them, or all, paused and resumed.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::acting::committed;
use super::changes::{PAGE_AT_MOST, given, number};
use super::page::cut;
use super::{Admin, unreadable};
use crate::change::FlowId;
use crate::journal::{FlowFilter, FlowView, Pause, Reach, Step};
use crate::server::problem;

/// The longest reason for a pause, in characters: it is told with every change that waits because of it.
const REASON_CHARS: usize = 200;

/// Which flows to list; an empty value is as good as none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    limit: Option<String>,
    cursor: Option<String>,
}

/// Why something is to be paused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    reason: Option<String>,
}

/// To resume takes no parameter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Serialize)]
struct Page {
    /// The pause of all flows, if there is one.
    paused: Option<Pause>,
    flows: Vec<FlowView>,
    /// Pass it as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl Wanted {
    fn filter(self) -> Result<FlowFilter, String> {
        let after = given(self.cursor).map(|id| FlowId::parse(&id).map_err(|bad| format!("`cursor`: {bad}")));
        let limit = given(self.limit).map(|text| number("limit", &text, PAGE_AT_MOST));
        let limit = limit.transpose()?.unwrap_or(PAGE_AT_MOST);
        Ok(FlowFilter { only: None, paused: false, after: after.transpose()?, limit })
    }
}

impl Why {
    fn reason(self) -> Result<Option<String>, String> {
        let reason = given(self.reason.map(|reason| reason.trim().to_owned()));
        match reason.as_ref().map(|reason| reason.chars().count()) {
            Some(chars) if chars > REASON_CHARS => {
                Err(format!("`reason` may have {REASON_CHARS} characters at most, not {chars}"))
            }
            _ => Ok(reason),
        }
    }
}

pub(super) async fn list(
    State(admin): State<Admin>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    match wanted.map_err(|bad| bad.body_text()).and_then(|Query(wanted)| wanted.filter()) {
        Ok(filter) => page(&admin, filter).await,
        Err(why) => problem(StatusCode::BAD_REQUEST, &why),
    }
}

pub(super) async fn pause_one(
    State(admin): State<Admin>,
    flow: Result<Path<String>, PathRejection>,
    why: Result<Query<Why>, QueryRejection>,
) -> Response {
    match (flow_of(flow), reason_of(why)) {
        (Ok(flow), Ok(reason)) => pause(&admin, Reach::Flow(flow), reason).await,
        (Err(why), _) | (_, Err(why)) => problem(StatusCode::BAD_REQUEST, &why),
    }
}

pub(super) async fn pause_all(
    State(admin): State<Admin>,
    why: Result<Query<Why>, QueryRejection>,
) -> Response {
    match reason_of(why) {
        Ok(reason) => pause(&admin, Reach::AllFlows, reason).await,
        Err(why) => problem(StatusCode::BAD_REQUEST, &why),
    }
}

pub(super) async fn resume_one(
    State(admin): State<Admin>,
    flow: Result<Path<String>, PathRejection>,
    nothing: Result<Query<Nothing>, QueryRejection>,
) -> Response {
    match (flow_of(flow), nothing) {
        (Ok(flow), Ok(_)) => resume(&admin, Reach::Flow(flow)).await,
        (Err(why), _) => problem(StatusCode::BAD_REQUEST, &why),
        (_, Err(bad)) => problem(StatusCode::BAD_REQUEST, &bad.body_text()),
    }
}

pub(super) async fn resume_all(
    State(admin): State<Admin>,
    nothing: Result<Query<Nothing>, QueryRejection>,
) -> Response {
    match nothing {
        Ok(_) => resume(&admin, Reach::AllFlows).await,
        Err(bad) => problem(StatusCode::BAD_REQUEST, &bad.body_text()),
    }
}

fn flow_of(path: Result<Path<String>, PathRejection>) -> Result<FlowId, String> {
    let Path(id) = path.map_err(|bad| bad.body_text())?;
    FlowId::parse(&id).map_err(|bad| bad.to_string())
}

fn reason_of(why: Result<Query<Why>, QueryRejection>) -> Result<Option<String>, String> {
    why.map_err(|bad| bad.body_text()).and_then(|Query(why)| why.reason())
}

async fn pause(admin: &Admin, reach: Reach, reason: Option<String>) -> Response {
    let step = Step::Pause { reach: reach.clone(), reason: reason.clone() };
    if let Err(unstored) = committed(admin.ledger.record(step)).await {
        return unstored;
    }
    tracing::warn!(operator.reach = ?reach, operator.reason = reason, "an operator has paused publishing");
    what_is_paused(admin, reach).await
}

async fn resume(admin: &Admin, reach: Reach) -> Response {
    if let Err(unstored) = committed(admin.ledger.record(Step::Resume { reach: reach.clone() })).await {
        return unstored;
    }
    tracing::warn!(operator.reach = ?reach, "an operator has resumed publishing");
    what_is_paused(admin, reach).await
}

/// What is paused now: the flow that was named, or those with a pause of their own.
async fn what_is_paused(admin: &Admin, reach: Reach) -> Response {
    let (only, paused) = match reach {
        Reach::Flow(flow) => (Some(flow), false),
        Reach::AllFlows => (None, true),
    };
    page(admin, FlowFilter { only, paused, after: None, limit: PAGE_AT_MOST }).await
}

async fn page(admin: &Admin, filter: FlowFilter) -> Response {
    let limit = filter.limit;
    let one_more = FlowFilter { limit: limit + 1, ..filter };
    let found = async { Ok((admin.reader.pause_of_all().await?, admin.reader.flows(&one_more).await?)) };
    match found.await {
        Ok((paused, mut flows)) => {
            let next_cursor = cut(&mut flows, limit, |flow| flow.flow.clone());
            Json(Page { paused, flows, next_cursor }).into_response()
        }
        Err(error) => unreadable(&error),
    }
}

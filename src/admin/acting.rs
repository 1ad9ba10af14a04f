//! Telling the journal what to do with changes: one by its number, or those that a filter finds.

use std::future::Future;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use hyper::StatusCode;
use serde::Serialize;

use super::Admin;
use super::changes::{PAGE_AT_MOST, Wanted, explain, known, seq_of};
use crate::change::{Seq, State as ChangeState};
use crate::journal::{Acted, ChangeFilter, ChangeView, Chosen, Refused, Verb};
use crate::queue::NotStored;
use crate::server::problem;

/// How long a commit may take; an operator waits longer than a sender does.
const COMMIT_WITHIN: Duration = Duration::from_secs(10);

/// What was done to the changes that a filter found.
#[derive(Serialize)]
pub(super) struct Done {
    /// To how many it was done.
    changes: usize,
    /// How many are carried by an update in flight, so that it was not done to them.
    in_flight: usize,
    /// The rollbacks that were made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    made: Vec<Seq>,
    /// What could not be rolled back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<NotDone>,
    /// Pass it as `cursor` to go on with older ones; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Seq>,
}

#[derive(Serialize)]
struct NotDone {
    seq: Seq,
    problem: String,
}

impl From<Acted> for Done {
    fn from(Acted { changes, in_flight, made, refused, next_cursor, .. }: Acted) -> Self {
        let refused = refused.into_iter().map(|Refused { seq, why }| NotDone { seq, problem: why }).collect();
        Self { changes, in_flight, made, refused, next_cursor }
    }
}

pub(super) async fn one(
    verb: Verb,
    State(admin): State<Admin>,
    seq: Result<Path<String>, PathRejection>,
) -> Response {
    let seq = match seq_of(seq) {
        Ok(seq) => seq,
        Err(why) => return problem(StatusCode::BAD_REQUEST, &why),
    };
    let acted = match act(&admin, verb, Chosen::One(seq)).await {
        Ok(acted) => acted,
        Err(unstored) => return unstored,
    };
    let mut change = match known(&admin.reader, seq).await {
        Ok(change) => change,
        Err(unknown) => return unknown,
    };
    if acted.in_flight > 0 {
        let why = format!(
            "Change {seq} is in an update of flow `{}` whose outcome is not known yet: ask again when it has ended \
             or waits again.",
            change.flow
        );
        return problem(StatusCode::CONFLICT, &why);
    }
    let is_so_already = verb == Verb::Discard && change.state == ChangeState::Discarded.as_str();
    if acted.changes == 0 && !is_so_already {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, &ended(verb, &change));
    }
    explain(&admin.gate, [&mut change]);
    Json(change).into_response()
}

/// Why there is nothing to be done to a change that has ended.
fn ended(verb: Verb, change: &ChangeView) -> String {
    let done = match verb {
        Verb::Retry => "retried",
        Verb::Discard => "discarded",
    };
    format!(
        "Change {} is {}: only pending and failed changes can be {done}. Send a new delivery for what the flow is to \
         have now.",
        change.seq, change.state
    )
}

pub(super) async fn many(
    verb: Verb,
    State(admin): State<Admin>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let filter = match meant(wanted) {
        Ok(filter) => filter,
        Err(why) => return problem(StatusCode::BAD_REQUEST, &why),
    };
    if let Some(state) = filter.state
        && !matches!(state, ChangeState::Pending | ChangeState::Failed)
    {
        let why = format!(
            "`state` must be pending or failed, not `{}`: changes that have ended stay as they are",
            state.as_str()
        );
        return problem(StatusCode::BAD_REQUEST, &why);
    }
    match act(&admin, verb, Chosen::Filter(filter)).await {
        Ok(acted) => Json(Done::from(acted)).into_response(),
        Err(unstored) => unstored,
    }
}

/// The filter that is given, which must name something.
pub(super) fn meant(wanted: Result<Query<Wanted>, QueryRejection>) -> Result<ChangeFilter, String> {
    let filter =
        wanted.map_err(|bad| bad.body_text()).and_then(|Query(wanted)| wanted.filter(PAGE_AT_MOST))?;
    if filter.names_nothing() {
        return Err(
            "Say which changes: give at least one of `state`, `flow`, `source` and `since`.".to_owned()
        );
    }
    Ok(filter)
}

/// Has it done; the answer if it could not be.
async fn act(admin: &Admin, verb: Verb, chosen: Chosen) -> Result<Acted, Response> {
    let acted = committed(admin.ledger.act(verb, chosen.clone())).await?;
    if acted.changes > 0 {
        tracing::info!(
            operator.verb = ?verb,
            operator.chosen = ?chosen,
            change.count = acted.changes,
            "an operator's word was carried out"
        );
    }
    Ok(acted)
}

/// What a commit brought, within [`COMMIT_WITHIN`]; the answer if it did not.
pub(super) async fn committed<T>(commit: impl Future<Output = Result<T, NotStored>>) -> Result<T, Response> {
    let why = match tokio::time::timeout(COMMIT_WITHIN, commit).await {
        Ok(Ok(brought)) => return Ok(brought),
        Ok(Err(NotStored)) => "The journal did not take it, and nothing was done; the log says why.",
        Err(_elapsed) => "The journal has not taken it yet: look at the changes before you ask again.",
    };
    Err(problem(StatusCode::SERVICE_UNAVAILABLE, why))
}

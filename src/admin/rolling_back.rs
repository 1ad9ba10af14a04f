//! Having published changes rolled back: one by its number, or those that a filter finds.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use hyper::StatusCode;

use super::acting::{Done, committed, meant};
use super::changes::{Wanted, explain, known, seq_of};
use super::page::cut;
use super::{Admin, unreadable};
use crate::change::{Seq, State as ChangeState};
use crate::journal::{Acted, ChangeFilter, Refused};
use crate::server::problem;

/// Rolls one change back; answers the change that does so.
pub(super) async fn one(State(admin): State<Admin>, seq: Result<Path<String>, PathRejection>) -> Response {
    let seq = match seq_of(seq) {
        Ok(seq) => seq,
        Err(why) => return problem(StatusCode::BAD_REQUEST, &why),
    };
    if let Err(unknown) = known(&admin.reader, seq).await {
        return unknown;
    }
    let acted = match roll_back(&admin, vec![seq]).await {
        Ok(acted) => acted,
        Err(unstored) => return unstored,
    };
    if let Some(Refused { why, .. }) = acted.refused.first() {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, why);
    }
    let made = acted.made.first().copied().unwrap_or(seq);
    match admin.reader.change(made).await {
        Ok(Some(mut change)) => {
            explain(&admin.gate, [&mut change]);
            Json(change).into_response()
        }
        Ok(None) => problem(StatusCode::NOT_FOUND, &format!("There is no change {made} any more.")),
        Err(error) => unreadable(&error),
    }
}

/// Rolls the published changes back that a filter finds. They are looked for beside the writer, which a long look
/// would keep from senders' commits: a published change stays one.
pub(super) async fn many(
    State(admin): State<Admin>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let filter = match meant(wanted) {
        Ok(filter) => filter,
        Err(why) => return problem(StatusCode::BAD_REQUEST, &why),
    };
    if let Some(state) = filter.state
        && state != ChangeState::Published
    {
        let why = format!(
            "`state` must be published, not `{}`: only published changes can be rolled back",
            state.as_str()
        );
        return problem(StatusCode::BAD_REQUEST, &why);
    }
    let limit = filter.limit;
    let one_more = ChangeFilter { state: Some(ChangeState::Published), limit: limit + 1, ..filter };
    let mut seqs: Vec<Seq> = match admin.reader.changes(&one_more).await {
        Ok(changes) => changes.iter().map(|change| change.seq).collect(),
        Err(error) => return unreadable(&error),
    };
    let next_cursor = cut(&mut seqs, limit, |seq| *seq);
    match roll_back(&admin, seqs).await {
        Ok(acted) => Json(Done::from(Acted { next_cursor, ..acted })).into_response(),
        Err(unstored) => unstored,
    }
}

async fn roll_back(admin: &Admin, seqs: Vec<Seq>) -> Result<Acted, Response> {
    let acted = committed(admin.ledger.roll_back(seqs)).await?;
    if !acted.made.is_empty() {
        tracing::info!(
            change.seqs = ?acted.made,
            change.count = acted.made.len(),
            "an operator has changes rolled back"
        );
    }
    Ok(acted)
}

//! Looking into the journal.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use hyper::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::page::cut;
use super::unreadable;
use crate::change::{FlowId, Seq, State as ChangeState, shorten};
use crate::journal::{ChangeFilter, ChangeView, Reader};
use crate::server::problem;
use crate::tenant::Gate;

/// How many entries a page has, unless asked otherwise.
pub(super) const PAGE: u32 = 50;
/// How many it has at most.
pub(super) const PAGE_AT_MOST: u32 = 500;

/// Which changes to list; an empty value is as good as none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    state: Option<String>,
    flow: Option<String>,
    source: Option<String>,
    since: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Page {
    changes: Vec<ChangeView>,
    /// Pass it as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Seq>,
}

impl Wanted {
    /// The filter that it asks for, of so many changes unless it says otherwise.
    pub(super) fn filter(self, limit: u32) -> Result<ChangeFilter, String> {
        let state = given(self.state).map(|name| {
            let known = || ChangeState::ALL.map(ChangeState::as_str).join(", ");
            ChangeState::parse(&name)
                .ok_or_else(|| format!("`state` must be one of {}, not `{}`", known(), shorten(&name)))
        });
        let flow = given(self.flow).map(|id| FlowId::parse(&id).map_err(|bad| bad.to_string()));
        Ok(ChangeFilter {
            state: state.transpose()?,
            flow: flow.transpose()?,
            source: given(self.source),
            since: given(self.since).map(|text| time(&text)).transpose()?,
            before: given(self.cursor).map(|text| number("cursor", &text, Seq::MAX)).transpose()?,
            limit: match given(self.limit) {
                Some(text) => number("limit", &text, PAGE_AT_MOST)?,
                None => limit,
            },
        })
    }
}

/// A parameter's value, if it has one.
pub(super) fn given(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.is_empty())
}

pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    let shown = shorten(text);
    text.parse().map_err(|_bad| format!("`since` must be a time as in `2026-01-05T06:00:00Z`, not `{shown}`"))
}

/// The change that a path names.
pub(super) fn seq_of(path: Result<Path<String>, PathRejection>) -> Result<Seq, String> {
    path.map_err(|bad| bad.body_text()).and_then(|Path(seq)| number("seq", &seq, Seq::MAX))
}

pub(super) fn number<N: std::str::FromStr + PartialOrd + From<u8> + std::fmt::Display + Copy>(
    name: &str,
    text: &str,
    most: N,
) -> Result<N, String> {
    let read = text.parse().ok().filter(|number: &N| *number >= N::from(1) && *number <= most);
    read.ok_or_else(|| format!("`{name}` must be a number from 1 to {most}, not `{}`", shorten(text)))
}

/// What a change waits for that has not had a turn since the gate closed: the gate.
pub(super) fn explain<'a>(gate: &Gate, changes: impl IntoIterator<Item = &'a mut ChangeView>) {
    let Some(closure) = gate.closure() else { return };
    for change in changes {
        if change.state == ChangeState::Pending.as_str() {
            change.reason.get_or_insert_with(|| closure.to_string());
        }
    }
}

pub(super) async fn list(
    State(reader): State<Reader>,
    State(gate): State<Gate>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let filter = wanted.map_err(|bad| bad.body_text()).and_then(|Query(wanted)| wanted.filter(PAGE));
    let filter = match filter {
        Ok(filter) => filter,
        Err(why) => return problem(StatusCode::BAD_REQUEST, &why),
    };
    let limit = filter.limit;
    let one_more = ChangeFilter { limit: limit + 1, ..filter };
    match reader.changes(&one_more).await {
        Ok(mut changes) => {
            let next_cursor = cut(&mut changes, limit, |change| change.seq);
            explain(&gate, &mut changes);
            Json(Page { changes, next_cursor }).into_response()
        }
        Err(error) => unreadable(&error),
    }
}

pub(super) async fn one(
    State(reader): State<Reader>,
    State(gate): State<Gate>,
    seq: Result<Path<String>, PathRejection>,
) -> Response {
    let seq = match seq_of(seq) {
        Ok(seq) => seq,
        Err(why) => return problem(StatusCode::BAD_REQUEST, &why),
    };
    match known(&reader, seq).await {
        Ok(mut change) => {
            explain(&gate, [&mut change]);
            Json(change).into_response()
        }
        Err(unknown) => unknown,
    }
}

/// The change of that number; the answer if there is none.
pub(super) async fn known(reader: &Reader, seq: Seq) -> Result<ChangeView, Response> {
    match reader.change(seq).await {
        Ok(Some(change)) => Ok(change),
        Ok(None) => Err(problem(StatusCode::NOT_FOUND, &format!("There is no change {seq}."))),
        Err(error) => Err(unreadable(&error)),
    }
}

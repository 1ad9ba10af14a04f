//! Deliveries: the list of them, and one with what followed from it.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::changes::{PAGE, PAGE_AT_MOST, explain, given, number, time};
use super::page::cut;
use super::unreadable;
use crate::change::shorten;
use crate::journal::{DeliveryFilter, DeliverySummary, Reader, Standing};
use crate::server::problem;
use crate::tenant::Gate;

/// Which deliveries to list; an empty value is as good as none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    state: Option<String>,
    source: Option<String>,
    since: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Page {
    deliveries: Vec<DeliverySummary>,
    /// Pass it as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<i64>,
}

impl Wanted {
    fn filter(self) -> Result<DeliveryFilter, String> {
        let state = given(self.state).map(|name| {
            Standing::parse(&name)
                .ok_or_else(|| format!("`state` must be `accepted` or `rejected`, not `{}`", shorten(&name)))
        });
        Ok(DeliveryFilter {
            state: state.transpose()?,
            source: given(self.source),
            since: given(self.since).map(|text| time(&text)).transpose()?,
            before: given(self.cursor).map(|text| number("cursor", &text, i64::MAX)).transpose()?,
            limit: match given(self.limit) {
                Some(text) => number("limit", &text, PAGE_AT_MOST)?,
                None => PAGE,
            },
        })
    }
}

pub(super) async fn list(
    State(reader): State<Reader>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let filter = wanted.map_err(|bad| bad.body_text()).and_then(|Query(wanted)| wanted.filter());
    let filter = match filter {
        Ok(filter) => filter,
        Err(why) => return problem(StatusCode::BAD_REQUEST, &why),
    };
    let limit = filter.limit;
    let one_more = DeliveryFilter { limit: limit + 1, ..filter };
    match reader.deliveries(&one_more).await {
        Ok(mut deliveries) => {
            let next_cursor = cut(&mut deliveries, limit, |delivery| delivery.row);
            Json(Page { deliveries, next_cursor }).into_response()
        }
        Err(error) => unreadable(&error),
    }
}

pub(super) async fn one(
    State(reader): State<Reader>,
    State(gate): State<Gate>,
    named: Result<Path<(String, String)>, PathRejection>,
) -> Response {
    let (source, id) = match named {
        Ok(Path(named)) => named,
        Err(bad) => return problem(StatusCode::BAD_REQUEST, &bad.body_text()),
    };
    match reader.delivery(&source, &id).await {
        Ok(Some(mut delivery)) => {
            explain(&gate, &mut delivery.changes);
            Json(delivery).into_response()
        }
        Ok(None) => {
            let known = format!("Source `{}` has sent no delivery `{}`.", shorten(&source), shorten(&id));
            problem(StatusCode::NOT_FOUND, &known)
        }
        Err(error) => unreadable(&error),
    }
}

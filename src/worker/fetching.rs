//! One fetch for all thin changes that wait for a URL.

use super::turn::Rooms;
use crate::change::FlowId;
use crate::config_api::ConfigApi;
use crate::http::shown;
use crate::journal::{Fetched, Read, Step};
use crate::route::SCHEMA;

/// How a fetch ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FetchEnd {
    /// Nothing waits for the URL any more; these flows have changes whose values are known now.
    Done { woken: Vec<FlowId> },
    /// Nothing came back: try again later.
    Failed,
}

/// Fetches the values that the thin changes waiting now are about. Those that arrive later want a later
/// fetch: what is on its way already may be older than they are.
pub(super) async fn fetch(rooms: &Rooms<impl Read>, config_api: &ConfigApi, url: &str) -> FetchEnd {
    let waiting = match rooms.reader.waiting_for(url).await {
        Ok(Some(waiting)) => waiting,
        Ok(None) => return FetchEnd::Done { woken: Vec::new() },
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the journal cannot be read");
            return FetchEnd::Failed;
        }
    };
    let (up_to, flows) = waiting;
    let answer = config_api.fetch(url).await;
    let (fetched, end) = match answer.map(|config| SCHEMA.variables("the answer", &config)) {
        Ok(Ok(variables)) => (Fetched::Values(variables), FetchEnd::Done { woken: flows }),
        Ok(Err(mismatch)) => {
            let reason = format!("{} gives a configuration that does not fit: {mismatch}", shown(url));
            tracing::warn!(fetch.url = shown(url), fetch.reason = reason, "thin changes failed");
            (Fetched::Unfit(reason), FetchEnd::Done { woken: Vec::new() })
        }
        Err(unavailable) => {
            let reason = format!("EXTERNAL_API_URL cannot be fetched: {unavailable}");
            tracing::warn!(fetch.url = shown(url), fetch.reason = reason, "thin changes wait");
            (Fetched::Nothing(reason), FetchEnd::Failed)
        }
    };
    match rooms.ledger.record(Step::Fetched { url: url.to_owned(), up_to, fetched }).await {
        Ok(_effect) => end,
        Err(_not_stored) => FetchEnd::Failed,
    }
}

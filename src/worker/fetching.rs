//! One fetch for all thin changes that wait for a URL.

use super::turn::Rooms;
use crate::change::FlowId;
use crate::config_api::{ConfigApi, FetchError};
use crate::journal::{Fetched, Step};

/// How a fetch ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FetchEnd {
    /// These flows have changes whose values are known now.
    Woken(Vec<FlowId>),
    /// Nothing waits for the URL, or what did has failed.
    Done,
    /// Nothing came back: try again later.
    Failed,
}

/// Fetches the values that the thin changes waiting now are about. Those that arrive later want a later
/// fetch: what is on its way already may be older than they are.
pub(super) async fn fetch(rooms: &Rooms, config_api: &ConfigApi, url: &str) -> FetchEnd {
    let waiting = match rooms.reader.waiting_for(url).await {
        Ok(Some(waiting)) => waiting,
        Ok(None) => return FetchEnd::Done,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the journal cannot be read");
            return FetchEnd::Failed;
        }
    };
    let (up_to, flows) = waiting;
    let (fetched, end) = match config_api.fetch(url).await {
        Ok(variables) => (Fetched::Values(variables), FetchEnd::Woken(flows)),
        Err(error @ FetchError::Unfit { .. }) => {
            tracing::warn!(fetch.url = url, reason = %error, "thin changes failed");
            (Fetched::Unfit(error.to_string()), FetchEnd::Done)
        }
        Err(error @ FetchError::Unavailable { .. }) => {
            tracing::warn!(fetch.url = url, reason = %error, "thin changes wait");
            (Fetched::Nothing(error.to_string()), FetchEnd::Failed)
        }
    };
    match rooms.ledger.record(Step::Fetched { url: url.to_owned(), up_to, fetched }).await {
        Ok(()) => end,
        Err(_not_stored) => FetchEnd::Failed,
    }
}

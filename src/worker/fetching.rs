//! One fetch for all thin changes that wait for a URL.

use super::turn::Rooms;
use crate::change::FlowId;
use crate::config_api::ConfigApi;
use crate::http::shown;
use crate::journal::{Fetched, Read, Step};
use crate::live::Live;
use crate::route::Routes;

/// How a fetch ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FetchEnd {
    /// Nothing waits for the URL any more; these flows have changes whose values are known now.
    Done { woken: Vec<FlowId> },
    /// Nothing came back: try again later.
    Failed,
}

/// What fetches the values of thin changes.
#[derive(Clone, Debug)]
pub struct Fetcher {
    api: ConfigApi,
    routes: Live<Routes>,
}

impl Fetcher {
    /// One that fetches as these routes say.
    pub fn new(api: ConfigApi, routes: Live<Routes>) -> Self {
        Self { api, routes }
    }

    /// Fetches the values that the thin changes waiting now are about. Those that arrive later want a later
    /// fetch: what is on its way already may be older than they are.
    pub(super) async fn fetch(&self, rooms: &Rooms<impl Read>, url: &str) -> FetchEnd {
        let fetching = self.routes.get().fetching("default").cloned().unwrap_or_default();
        let waiting = match rooms.reader.waiting_for(url).await {
            Ok(Some(waiting)) => waiting,
            Ok(None) => return FetchEnd::Done { woken: Vec::new() },
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the journal cannot be read");
                return FetchEnd::Failed;
            }
        };
        let (up_to, flows) = waiting;
        let answer = self.api.fetch(url, &fetching.manner).await;
        let (fetched, end) = match answer.map(|answer| fetching.read(&answer)) {
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
}

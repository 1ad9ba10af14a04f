//! One fetch for all thin changes that wait for the same.

use super::turn::Rooms;
use crate::change::{FlowId, Wanted, shorten};
use crate::config_api::ConfigApi;
use crate::http::shown;
use crate::journal::{Fetched, Read, Step};
use crate::live::Live;
use crate::route::Routes;

/// How a fetch ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FetchEnd {
    /// Nothing waits for it any more; these flows have changes whose values are known now.
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
    pub(super) async fn fetch(&self, rooms: &Rooms<impl Read>, wanted: &Wanted) -> FetchEnd {
        let (up_to, flows) = match rooms.reader.waiting_for(wanted).await {
            Ok(Some(waiting)) => waiting,
            Ok(None) => return FetchEnd::Done { woken: Vec::new() },
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the journal cannot be read");
                return FetchEnd::Failed;
            }
        };
        let fetched = self.ask(wanted).await;
        let end = match &fetched {
            Fetched::Values(_) => FetchEnd::Done { woken: flows },
            Fetched::Unfit(_) => FetchEnd::Done { woken: Vec::new() },
            Fetched::Nothing(_) => FetchEnd::Failed,
        };
        match rooms.ledger.record(Step::Fetched { wanted: wanted.clone(), up_to, fetched }).await {
            Ok(_effect) => end,
            Err(_not_stored) => FetchEnd::Failed,
        }
    }

    /// Asks as the route says now, and reads out of the answer what it wants.
    async fn ask(&self, wanted: &Wanted) -> Fetched {
        let Wanted { route, url } = wanted;
        let routes = self.routes.get();
        let Some(fetching) = routes.fetching(route) else {
            let reason = format!(
                "no route `{}` that fetches is in the settings any more: put it back, or discard the change",
                shorten(route)
            );
            tracing::warn!(route.name = &**route, fetch.reason = reason, "thin changes wait");
            return Fetched::Nothing(reason);
        };
        if !fetching.may_ask(url) {
            let reason = format!(
                "route `{}` asks another host now, whose headers are not for {}: have the event sent again",
                shorten(route),
                shown(url)
            );
            tracing::warn!(route.name = &**route, fetch.reason = reason, "thin changes failed");
            return Fetched::Unfit(reason);
        }
        let answer = self.api.fetch(url, &fetching.manner).await;
        match answer.map(|answer| fetching.read(&answer)) {
            Ok(Ok(values)) => Fetched::Values(values),
            Ok(Err(mismatch)) => {
                let reason = format!("{} gives a configuration that does not fit: {mismatch}", shown(url));
                tracing::warn!(
                    route.name = &**route,
                    fetch.url = shown(url),
                    fetch.reason = reason,
                    "thin changes failed"
                );
                Fetched::Unfit(reason)
            }
            Err(unavailable) => {
                let reason = format!(
                    "the URL of route `{}` cannot be fetched (EXTERNAL_API_URL, or the route's `fetch.url`): {unavailable}",
                    shorten(route)
                );
                tracing::warn!(
                    route.name = &**route,
                    fetch.url = shown(url),
                    fetch.reason = reason,
                    "thin changes wait"
                );
                Fetched::Nothing(reason)
            }
        }
    }
}

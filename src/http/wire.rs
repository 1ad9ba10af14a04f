//! The way that a request takes: over the network, or into a simulation.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::{Client, Method, Request, RequestBuilder, Response};

use super::root_cause;

/// Carries requests to their servers and answers back. Injected like the clock, so that everything above it
/// runs unchanged where there is no network and time stands still.
#[derive(Clone)]
pub struct Wire {
    client: Client,
    /// Who answers instead of the network.
    simulated: Option<Arc<Respond>>,
}

/// An answer that is on its way.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response, Unanswered>> + Send>>;

type Respond = dyn Fn(Request) -> Answering + Send + Sync;

/// A request that got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unanswered {
    /// What the system said.
    pub why: String,
    /// Whether the request may have reached its server all the same.
    pub may_have_arrived: bool,
}

impl Wire {
    /// A wire of which `respond` is the other end; `client` only spells the requests.
    pub fn from_fn(client: Client, respond: impl Fn(Request) -> Answering + Send + Sync + 'static) -> Self {
        Self { client, simulated: Some(Arc::new(respond)) }
    }

    /// Begins a request.
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Unanswered> {
        match &self.simulated {
            None => request.send().await.map_err(Unanswered::from),
            Some(respond) => respond(request.build()?).await,
        }
    }
}

impl From<Client> for Wire {
    fn from(client: Client) -> Self {
        Self { client, simulated: None }
    }
}

impl From<reqwest::Error> for Unanswered {
    fn from(error: reqwest::Error) -> Self {
        let why = if error.is_timeout() { "it timed out".to_owned() } else { root_cause(&error) };
        Self { why, may_have_arrived: !error.is_connect() && !error.is_builder() }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

//! The external configuration API: where the variables of thin events are fetched.

use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::value::RawValue;

use crate::http::{self, Manner, Wire, shown};

/// Fetches configurations. It sends no credentials but those of the settings, which no message shows.
#[derive(Clone, Debug)]
pub struct ConfigApi {
    wire: Wire,
    /// For what is on this machine.
    direct: Wire,
}

/// No answer, an error, or a page that is not JSON: worth another try.
#[derive(Debug, thiserror::Error)]
#[error("{url} gives no configuration ({why}): check that it is the right address")]
pub struct Unavailable {
    /// As it may be shown.
    url: String,
    why: String,
}

impl ConfigApi {
    /// A client that has fetched nothing yet.
    ///
    /// # Errors
    /// When no HTTP client can be made on this system.
    pub fn new() -> Result<Self, reqwest::Error> {
        Ok(Self { wire: http::client()?.into(), direct: http::direct_client()?.into() })
    }

    /// A client whose requests all go over this wire.
    pub fn over(wire: Wire) -> Self {
        Self { direct: wire.clone(), wire }
    }

    /// Fetches the JSON that is at `url`; what it holds is still to be looked at.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn fetch(&self, url: &str, manner: &Manner) -> Result<Box<RawValue>, Unavailable> {
        self.json(url, manner).await.map_err(|why| Unavailable { url: shown(url), why })
    }

    async fn json(&self, url: &str, manner: &Manner) -> Result<Box<RawValue>, String> {
        let wire = if http::is_on_loopback(url) { &self.direct } else { &self.wire };
        let request = wire.request(Method::GET, url).header(ACCEPT, "application/json");
        let sent = wire.send(request.headers(manner.headers.clone()).timeout(manner.timeout)).await;
        let response = sent.map_err(|unanswered| unanswered.to_string())?;
        if !response.status().is_success() {
            return Err(response.status().to_string());
        }
        let body = http::text(response, manner.max_bytes).await.map_err(|error| error.to_string())?;
        serde_json::from_str(&body).map_err(|error| format!("it is not JSON: {error}"))
    }
}

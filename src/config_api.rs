//! The external configuration API: where the variables of thin events are fetched.

use reqwest::Client;
use reqwest::header::ACCEPT;
use serde_json::value::RawValue;

use crate::change::Variable;
use crate::http::{self, BodyError, root_cause};
use crate::route::{Mismatch, SCHEMA};

/// A longer answer than this is not a configuration.
const ANSWER_MAX_BYTES: usize = 1024 * 1024;

/// Fetches configurations. It sends no credentials.
#[derive(Clone, Debug)]
pub struct ConfigApi {
    http: Client,
}

/// A configuration that was not to be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No answer, an error, or a page that is not JSON: worth another try.
    #[error("{url} gives no configuration ({why}): check EXTERNAL_API_URL")]
    Unavailable {
        /// What was asked.
        url: String,
        /// What came back.
        why: String,
    },
    /// A configuration with missing variables or of other types.
    #[error("{url} gives a configuration that does not fit: {mismatch}")]
    Unfit {
        /// What was asked.
        url: String,
        /// What does not fit.
        mismatch: Mismatch,
    },
}

impl ConfigApi {
    /// A client that has fetched nothing yet.
    ///
    /// # Errors
    /// When no HTTP client can be made on this system.
    pub fn new() -> Result<Self, reqwest::Error> {
        Ok(Self { http: http::client()? })
    }

    /// Fetches the bare object of variables at `url`, checked against the default route's schema.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(&self, url: &str) -> Result<Vec<Variable>, FetchError> {
        let unavailable = |why: String| FetchError::Unavailable { url: url.to_owned(), why };
        let config = self.object(url).await.map_err(unavailable)?;
        SCHEMA
            .variables("the answer", &config)
            .map_err(|mismatch| FetchError::Unfit { url: url.to_owned(), mismatch })
    }

    async fn object(&self, url: &str) -> Result<Box<RawValue>, String> {
        let sent = self.http.get(url).header(ACCEPT, "application/json").send().await;
        let response = sent.map_err(|error| root_cause(&error))?;
        if !response.status().is_success() {
            return Err(response.status().to_string());
        }
        let body =
            http::text(response, ANSWER_MAX_BYTES).await.map_err(|error: BodyError| error.to_string())?;
        serde_json::from_str(&body).map_err(|error| format!("it is not JSON: {error}"))
    }
}

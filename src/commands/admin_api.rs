//! The admin API of a running service, as the operators' commands ask it.

use std::time::Duration;

use clap::Args;
use flowhook::http::{self, root_cause, shown};
use flowhook::settings::{Layers, Problems, Settings};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;

use super::listener::{Listener, base, base_url, detail};
use crate::exit::{Exit, Failed};

/// How long an answer may take, its body included: longer than the service waits for its journal.
const WITHIN: Duration = Duration::from_secs(15);
/// The longest answer that is read, in bytes: a page of changes with many large values.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Where the admin API is.
#[derive(Debug, Args)]
pub(super) struct AdminArgs {
    /// Where the admin API listens; default http://FLOWHOOK_ADMIN_LISTEN, for a service on this machine
    #[arg(long, value_name = "URL", value_parser = base)]
    admin_url: Option<String>,
}

/// A way to ask it.
pub(super) struct AdminApi {
    listener: Listener,
    token: Option<SecretString>,
}

/// Why it did not do what it was asked: what is wrong, with the next step, and the code that it gives.
pub(super) struct Refused {
    pub(super) exit: Exit,
    pub(super) why: String,
}

impl From<Refused> for Failed {
    fn from(Refused { exit, why }: Refused) -> Self {
        Self::new(exit, anyhow::anyhow!(why))
    }
}

impl AdminApi {
    /// The one that the arguments or else the settings name. Everything that is wrong with them is told at once.
    pub(super) fn new(args: &AdminArgs, layers: &Layers) -> Result<Self, Failed> {
        let mut problems = Problems::default();
        let token = problems.take(Settings::admin_token(layers));
        let here =
            || Settings::admin_listen(layers).and_then(|listen| base_url("FLOWHOOK_ADMIN_LISTEN", listen));
        let found = args.admin_url.clone().map_or_else(|| problems.take(here()), Some);
        let (Some(base_url), Some(token)) = (found, token) else { return Err(problems.into()) };
        let names = ["--admin-url", "FLOWHOOK_ADMIN_LISTEN"];
        let listener = Listener::reach(base_url, args.admin_url.is_some(), names)?;
        Ok(Self { listener, token })
    }

    /// What is at a path below `/api`.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Refused> {
        self.ask(Method::GET, path, query).await
    }

    /// Has something done; what the service says to it.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Refused> {
        self.ask(Method::POST, path, query).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Refused> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.listener.client.request(method, url).timeout(WITHIN);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let answer = request.send().await.map_err(|error| self.silent(&root_cause(&error)))?;
        let status = answer.status();
        let text = http::text(answer, ANSWER_BYTES).await.map_err(|error| self.silent(&error.to_string()))?;
        if status != StatusCode::OK {
            return Err(self.refused(status, &text));
        }
        serde_json::from_str(&text).map_err(|error| self.foreign(&error.to_string()))
    }

    fn url(&self, path: &str) -> Result<reqwest::Url, Refused> {
        let url = format!("{}/api/{path}", self.listener.base_url);
        reqwest::Url::parse(&url).map_err(|error| Refused {
            exit: Exit::Usage,
            why: format!("{} is no URL: {error}; write it as in http://127.0.0.1:8081", self.place()),
        })
    }

    /// Where it is asked, and what names the place.
    fn place(&self) -> String {
        format!("`{}` ({})", shown(&self.listener.base_url), self.listener.named_by)
    }

    fn silent(&self, cause: &str) -> Refused {
        let why = format!(
            "the admin API does not answer at {}: {cause}; see whether `flowhook serve` runs and listens there",
            self.place()
        );
        Refused { exit: Exit::Unreachable, why }
    }

    fn foreign(&self, what: &str) -> Refused {
        let why = format!(
            "what answers at {} ({what}) is not flowhook's admin API: set FLOWHOOK_ADMIN_LISTEN, or give --admin-url",
            self.place()
        );
        Refused { exit: Exit::Unreachable, why }
    }

    /// What an answer other than 200 means.
    fn refused(&self, status: StatusCode, answer: &str) -> Refused {
        let Some(says) = detail(answer) else { return self.foreign(&status.to_string()) };
        let exit = match status {
            StatusCode::BAD_REQUEST => Exit::Usage,
            StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => Exit::Input,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::Permission,
            StatusCode::CONFLICT | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Exit::TryLater
            }
            status if status.is_server_error() => Exit::TryLater,
            _ => return self.foreign(&status.to_string()),
        };
        let why = match status {
            StatusCode::UNAUTHORIZED if self.token.is_some() => {
                format!(
                    "FLOWHOOK_ADMIN_TOKEN here is not that of the service at {}: set the same",
                    self.place()
                )
            }
            StatusCode::UNAUTHORIZED => {
                format!(
                    "the service at {} wants a token: set FLOWHOOK_ADMIN_TOKEN as it has it",
                    self.place()
                )
            }
            _ => says,
        };
        Refused { exit, why }
    }
}

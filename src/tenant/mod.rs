//! The client of the tenant's flow API.
//!
//! The API's shape (token endpoint, `GET` and `PUT` of `/api/v2/flows/{id}`, versions) comes from a public
//! tutorial and has not been verified against a live tenant.
//!
//! Every flow call passes, in this order, our own [pace](Pacer), a valid token, and the [gate](Gate): the
//! gate last, so that nothing is started after the tenant has asked us to wait.

mod answer;
mod client;
mod gate;
mod pacer;
mod retry_after;
mod said;
mod tokens;

use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};

pub use answer::Kind;
pub use gate::{Closure, Gate, Pass, Wait};
pub use retry_after::LONGEST_WAIT;

use crate::change::FlowId;
use crate::http::{self, BodyError, Unanswered, Wire};
use answer::Call;
use client::Client;
use pacer::Pacer;
use tokens::{Asked, Token, TokenError, Tokens};

/// The longest flow document that is read.
const DOCUMENT_MAX_BYTES: usize = 32 * 1024 * 1024;
/// How much of an error's body is read for its message.
const MESSAGE_MAX_BYTES: usize = 64 * 1024;

/// The client's own settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the API is, without a slash at the end; `CXONE_BASE_URL`.
    pub base_url: String,
    /// The token endpoint; `CXONE_TOKEN_URL`, default `{base_url}/oauth/token`.
    pub token_url: String,
    /// `CXONE_CLIENT_ID`.
    pub client_id: String,
    /// `CXONE_CLIENT_SECRET`.
    pub client_secret: SecretString,
    /// Flow calls a minute; `CXONE_REQUESTS_PER_MINUTE`, default unlimited.
    pub requests_per_minute: Option<u32>,
}

impl Settings {
    /// Whether they lead to where `other` leads.
    pub fn is_at(&self, other: &Self) -> bool {
        (&self.base_url, &self.token_url) == (&other.base_url, &other.token_url)
    }
}

/// Reads and writes flows.
#[derive(Debug)]
pub struct Tenant {
    wire: Wire,
    base_url: String,
    tokens: Tokens,
    pacer: Pacer,
    gate: Gate,
    only_reads: bool,
}

/// What a PUT that was taken brought.
#[derive(Debug)]
pub enum Written {
    /// The document with its new version.
    Document(String),
    /// The tenant says that it took it, but shows nothing: read the flow to learn more.
    Unseen(String),
}

/// A flow call that did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What follows from it.
    pub kind: Kind,
    /// What happened and what to do, for people.
    pub message: String,
    /// Whether the PUT may have landed all the same.
    pub may_have_landed: bool,
}

/// What came back for one request, unless it failed.
enum Reply {
    /// 2xx.
    Taken(Response),
    /// 401: the request may be made again with another token.
    TokenRefused(Token),
}

impl Tenant {
    /// A client that has made no call yet.
    ///
    /// # Errors
    /// When no HTTP client can be made on this system.
    pub fn new(settings: Settings) -> Result<Self, reqwest::Error> {
        let flows = http::client_to(&settings.base_url)?.into();
        let tokens = http::client_to(&settings.token_url)?.into();
        Ok(Self::over(flows, tokens, settings))
    }

    /// A client whose flow calls and whose token requests go over these wires.
    pub fn over(flows: Wire, tokens: Wire, settings: Settings) -> Self {
        let client = Client { id: settings.client_id, secret: settings.client_secret };
        let tokens = Tokens::new(tokens, settings.token_url, client);
        let pacer = Pacer::new(settings.requests_per_minute);
        let gate = Gate::default();
        Self { wire: flows, base_url: settings.base_url, tokens, pacer, gate, only_reads: false }
    }

    /// The same client without any way to write: whoever tries is refused here, before anything is sent.
    #[must_use]
    pub fn only_reading(self) -> Self {
        Self { only_reads: true, ..self }
    }

    /// Takes the client and the pace of other settings, for the next token and the next call; the addresses stay
    /// as they are. A pause that is there because the former client was refused ends now.
    pub fn reload(&self, settings: Settings) {
        let client = Client { id: settings.client_id, secret: settings.client_secret };
        if self.tokens.ask_as(client) == Asked::ByAnother {
            self.gate.client_changed();
        }
        self.pacer.reload(settings.requests_per_minute);
    }

    /// Whether it refuses to write.
    pub fn only_reads(&self) -> bool {
        self.only_reads
    }

    /// The gate that the turns pass.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Which of the scopes that flowhook needs the client is not granted. Asks for a token, if there is none;
    /// no flow call is made.
    ///
    /// # Errors
    /// [`Failure`] when there is no token to be had.
    pub async fn missing_scopes(&self, pass: &Pass) -> Result<Vec<&'static str>, Failure> {
        Ok(self.token(pass).await?.lacks)
    }

    /// Reads a flow's document.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn read(&self, pass: &mut Pass, flow: &FlowId) -> Result<String, Failure> {
        let response = self.call(pass, flow, None).await?;
        let status = response.status();
        if status != StatusCode::OK {
            pass.answered();
            return Err(Failure::odd(format!("the tenant answered the read with {status}")));
        }
        match http::text(response, DOCUMENT_MAX_BYTES).await {
            Ok(document) => {
                pass.answered();
                Ok(document)
            }
            Err(error @ BodyError::Broken(_)) => Err(self.broken(pass, flow, error.to_string())),
            // Odd as it is, it is an answer: left in doubt, the gate would send the next probe at once.
            Err(error @ (BodyError::TooLong { .. } | BodyError::NotText | BodyError::Encoded(_))) => {
                pass.answered();
                Err(Failure::odd(error.to_string()))
            }
        }
    }

    /// Waits until the next call can be started at once: for its turn by our own pace, and for a token. So what has
    /// to be on disk before a PUT leaves need not be there for long, and until it is there the PUT can be stopped.
    ///
    /// # Errors
    /// [`Failure`] when there is no token to be had, or the gate was closed meanwhile. Nothing was sent.
    pub async fn get_ready(&self, pass: &mut Pass) -> Result<(), Failure> {
        self.pacer.turn().await;
        self.token(pass).await?;
        if !pass.may_call() {
            return Err(closed(pass));
        }
        pass.is_paced();
        Ok(())
    }

    /// Writes a flow's document, which carries the version that it was read with.
    ///
    /// # Errors
    /// [`Failure`], which says whether it may have landed all the same.
    pub async fn write(&self, pass: &mut Pass, flow: &FlowId, document: String) -> Result<Written, Failure> {
        if self.only_reads {
            return Err(Failure::odd("this service only observes: nothing is written".to_owned()));
        }
        let response = self.call(pass, flow, Some(document.into())).await?;
        let status = response.status();
        pass.answered();
        if !matches!(status, StatusCode::OK | StatusCode::CREATED) {
            return Ok(Written::Unseen(format!("the tenant answered {status}")));
        }
        Ok(match http::text(response, DOCUMENT_MAX_BYTES).await {
            Ok(document) => Written::Document(document),
            Err(error) => Written::Unseen(error.to_string()),
        })
    }

    /// Makes one flow call; a token that is refused is replaced once.
    async fn call(
        &self,
        pass: &mut Pass,
        flow: &FlowId,
        document: Option<bytes::Bytes>,
    ) -> Result<Response, Failure> {
        let refused = match self.attempt(pass, flow, document.clone()).await? {
            Reply::Taken(response) => return Ok(response),
            Reply::TokenRefused(token) => token,
        };
        self.tokens.refused(&refused).await;
        match self.attempt(pass, flow, document).await? {
            Reply::Taken(response) => Ok(response),
            Reply::TokenRefused(_) => {
                // Kept, since some tenants take a token only when it is a moment old: the probe shows it
                // again, and asks for another only if it is refused then.
                let reason = "the tenant refuses a token that was just issued: check that \
                              CXONE_TOKEN_URL and CXONE_BASE_URL are of the same region";
                pass.gate().close(reason, None);
                Err(Failure::new(Kind::Credentials, reason.to_owned()))
            }
        }
    }

    /// One request.
    async fn attempt(
        &self,
        pass: &mut Pass,
        flow: &FlowId,
        document: Option<bytes::Bytes>,
    ) -> Result<Reply, Failure> {
        if !pass.take_pace() {
            self.pacer.turn().await;
        }
        let token = self.token(pass).await?;
        if !pass.may_call() {
            return Err(closed(pass));
        }
        let call = if document.is_some() { Call::Write } else { Call::Read };
        let response = match self.wire.send(self.request(flow, &token, document)).await {
            Ok(response) => response,
            Err(unanswered) => return Err(self.unanswered(pass, flow, call, &unanswered)),
        };
        match response.status() {
            status if status.is_success() => Ok(Reply::Taken(response)),
            StatusCode::UNAUTHORIZED => Ok(Reply::TokenRefused(token)),
            status => {
                if status == StatusCode::FORBIDDEN {
                    self.tokens.forbidden(&token).await;
                }
                Err(self.refused(pass, flow, call, &token, response).await)
            }
        }
    }

    async fn token(&self, pass: &Pass) -> Result<Token, Failure> {
        self.tokens.get().await.map_err(|paused| {
            let reason = paused.error.to_string();
            if paused.error.is_of_client() {
                pass.gate().close_to_client(&reason, paused.wait);
                // Who changed it meanwhile found the gate open.
                if !self.tokens.are_asked_by(&paused.client) {
                    pass.gate().client_changed();
                }
            } else {
                pass.gate().close(&reason, Some(paused.wait));
            }
            Failure::new(Kind::of_token(&paused.error), reason)
        })
    }

    fn request(
        &self,
        flow: &FlowId,
        token: &Token,
        document: Option<bytes::Bytes>,
    ) -> reqwest::RequestBuilder {
        // A flow id is made of characters that mean nothing in a path, so it needs no escaping.
        let url = format!("{}/api/v2/flows/{flow}", self.base_url);
        let method = if document.is_some() { Method::PUT } else { Method::GET };
        let mut request = self.wire.request(method, &url).header(ACCEPT, "application/json");
        if let Ok(mut bearer) = HeaderValue::try_from(format!("Bearer {}", token.secret.expose_secret())) {
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer);
        }
        match document {
            Some(document) => request.header(CONTENT_TYPE, "application/json").body(document),
            None => request,
        }
    }

    /// A status that says no.
    async fn refused(
        &self,
        pass: &mut Pass,
        flow: &FlowId,
        call: Call,
        token: &Token,
        response: Response,
    ) -> Failure {
        let status = response.status();
        let wait = retry_after(&response);
        // Whether one is there; what it says may be of no use, and then the gate's own wait holds.
        let kind = answer::kind(call, status, response.headers().contains_key(RETRY_AFTER));
        if kind == Kind::Throttled {
            // At once, before the body is read: nothing may start from here on.
            pass.gate().close(&format!("the tenant answered {status}"), wait);
        }
        let headers = response.headers().clone();
        let body = http::text(response, MESSAGE_MAX_BYTES).await.unwrap_or_default();
        // A tenant that repeats what it was sent must not make us show it.
        let body = if body.contains(token.secret.expose_secret()) { "" } else { body.as_str() };
        let said = said::said(&headers, body);
        let mut failure = Failure::new(kind, explain(kind, flow, status, &said, &token.lacks));
        failure.may_have_landed = call == Call::Write && answer::may_have_landed(status);
        match kind {
            Kind::Broken => pass.gate().trouble(flow, &status.to_string()),
            Kind::Conflict | Kind::Refused | Kind::NoSuchFlow | Kind::Forbidden | Kind::Odd => {
                pass.answered();
            }
            Kind::Throttled | Kind::Credentials | Kind::GateClosed => {}
        }
        failure
    }

    fn unanswered(&self, pass: &Pass, flow: &FlowId, call: Call, unanswered: &Unanswered) -> Failure {
        let message = format!("{} does not answer ({unanswered}): check CXONE_BASE_URL", self.base_url);
        let mut failure = self.broken(pass, flow, message);
        failure.may_have_landed = call == Call::Write && unanswered.may_have_arrived;
        failure
    }

    fn broken(&self, pass: &Pass, flow: &FlowId, message: String) -> Failure {
        pass.gate().trouble(flow, &message);
        Failure::new(Kind::Broken, message)
    }
}

impl Failure {
    fn new(kind: Kind, message: String) -> Self {
        Self { kind, message, may_have_landed: false }
    }

    fn odd(message: String) -> Self {
        Self::new(Kind::Odd, message)
    }
}

impl Kind {
    fn of_token(error: &TokenError) -> Self {
        match error {
            TokenError::Refused { .. } => Self::Credentials,
            TokenError::Throttled(_) => Self::Throttled,
            TokenError::Unreachable { .. } => Self::Broken,
        }
    }
}

fn closed(pass: &Pass) -> Failure {
    let closure = pass.gate().closure();
    let reason = closure.map_or_else(|| "the gate is closed".to_owned(), |closure| closure.to_string());
    Failure::new(Kind::GateClosed, reason)
}

fn retry_after(response: &Response) -> Option<Duration> {
    retry_after::retry_after(response.headers(), SystemTime::now())
}

/// What happened and what to do about it.
fn explain(kind: Kind, flow: &FlowId, status: StatusCode, said: &str, lacks: &[&str]) -> String {
    match kind {
        Kind::NoSuchFlow => format!(
            "the tenant has no flow `{flow}` ({status}{said}): check the flow id, and that CXONE_BASE_URL names its region"
        ),
        Kind::Forbidden if !lacks.is_empty() => format!(
            "the client may not do this to flow `{flow}` ({status}{said}): have it granted the scope {}",
            lacks.join(" and ")
        ),
        Kind::Forbidden => format!(
            "the client may not do this to flow `{flow}` ({status}{said}): it needs the scopes flow:flows:read and flow:flows:write, and CXONE_BASE_URL must name its region"
        ),
        Kind::Refused => format!(
            "the tenant does not take the edited flow `{flow}` ({status}{said}): mend what it names, then retry the change"
        ),
        Kind::Conflict => format!("flow `{flow}` was changed or is locked by someone else ({status}{said})"),
        Kind::Odd => {
            format!("the tenant answered {status}{said}, as the flow API does not: check CXONE_BASE_URL")
        }
        Kind::Throttled | Kind::Broken | Kind::Credentials | Kind::GateClosed => {
            format!("the tenant answered {status}{said}")
        }
    }
}

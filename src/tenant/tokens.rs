//! OAuth tokens (RFC 6749, section 4.4): one request at a time, refreshed early, never shown.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::client::Client;
use super::retry_after::retry_after;
use crate::backoff::Backoff;
use crate::change::shorten;
use crate::http::{Wire, text};
use crate::live::Live;

/// The scopes that flowhook needs: to read flows and to write them.
const SCOPES: [&str; 2] = ["flow:flows:read", "flow:flows:write"];
/// A token is refreshed when it has this long to live, or a tenth of its life if that is less.
const REFRESH_BEFORE: Duration = Duration::from_secs(60);
/// The lifetime of a token whose answer states none that makes sense.
const ASSUMED_LIFETIME: Duration = Duration::from_secs(300);
/// A longer lifetime is not believed.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// A token that is younger than this carries what the client is granted now.
const FORBIDDEN_YOUNG: Duration = Duration::from_secs(60);
/// The token endpoint's own pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A longer answer than this is not a token.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// Gets tokens and keeps the current one.
#[derive(Debug)]
pub(super) struct Tokens {
    wire: Wire,
    url: String,
    client: Live<Client>,
    /// Held while a token is requested: whoever needs one meanwhile waits for the same answer.
    state: Mutex<State>,
}

/// Whether tokens are asked for by another client than before.
#[derive(PartialEq, Eq)]
pub(super) enum Asked {
    ByTheSame,
    ByAnother,
}

#[derive(Debug)]
struct State {
    current: Option<Current>,
    generation: u64,
    backoff: Backoff,
    paused: Option<Pause>,
}

/// The endpoint is left alone.
#[derive(Debug)]
struct Pause {
    until: Instant,
    error: TokenError,
    /// Who had asked.
    client: Arc<Client>,
}

#[derive(Debug)]
struct Current {
    token: Token,
    refresh_at: Instant,
    expires_at: Instant,
}

/// A token to send.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) secret: SecretString,
    /// Which of the scopes that we need were not granted.
    pub(super) lacks: Vec<&'static str>,
    /// Which of our tokens it is.
    generation: u64,
    issued_at: Instant,
}

/// No token is to be had.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// The client id or secret, or the scope, is refused.
    #[error("the token endpoint refused the client ({said}): {}", fix.as_str())]
    Refused {
        /// The status and what the endpoint said.
        said: String,
        /// What to do about it.
        fix: Fix,
    },
    /// It wants us to wait.
    #[error("the token endpoint limits its requests ({0})")]
    Throttled(String),
    /// It does not answer as a token endpoint does.
    #[error(
        "the token endpoint {url} does not answer as one ({why}): check CXONE_BASE_URL, and CXONE_TOKEN_URL if you set it"
    )]
    Unreachable {
        /// Where it should be.
        url: String,
        /// What came back, or that nothing did.
        why: String,
    },
}

impl TokenError {
    /// Whether another client, or another secret, could mend it.
    pub(super) fn is_of_client(&self) -> bool {
        match self {
            Self::Refused { .. } => true,
            Self::Throttled(_) | Self::Unreachable { .. } => false,
        }
    }
}

/// What to do about a refusal (RFC 6749, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fix {
    /// It does not know the client, or not with this secret.
    Credentials,
    /// It does not grant the client what we ask for.
    Scopes,
    /// It does not say.
    Either,
}

impl Fix {
    fn of(error: &str) -> Self {
        match error {
            "invalid_client" => Self::Credentials,
            "invalid_scope" | "unauthorized_client" => Self::Scopes,
            _ => Self::Either,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => {
                "check CXONE_CLIENT_ID and CXONE_CLIENT_SECRET, that they belong to the region of CXONE_BASE_URL, and that the client may send them in the form (`client_secret_post`)"
            }
            Self::Scopes => "have the client granted the scopes flow:flows:read and flow:flows:write",
            Self::Either => {
                "check CXONE_CLIENT_ID, CXONE_CLIENT_SECRET, and that the client has the scopes flow:flows:read and flow:flows:write"
            }
        }
    }
}

/// A failure, and until when the endpoint is left alone.
#[derive(Clone, Debug)]
pub(super) struct Paused {
    pub(super) error: TokenError,
    pub(super) wait: Duration,
    /// Who had asked.
    pub(super) client: Arc<Client>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: SecretString,
    #[serde(default)]
    expires_in: serde_json::Value,
    /// What was granted; absent where that is what was asked for (section 5.1).
    #[serde(default)]
    scope: Option<String>,
}

/// A token as it came.
struct Issued {
    secret: SecretString,
    lifetime: Duration,
    lacks: Vec<&'static str>,
}

impl Tokens {
    pub(super) fn new(wire: Wire, url: String, client: Client) -> Self {
        let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let state = Mutex::new(State { current: None, generation: 0, backoff, paused: None });
        Self { wire, url, client: Live::new(client), state }
    }

    /// The next token is requested for this client. One that is valid stays in use.
    pub(super) fn ask_as(&self, client: Client) -> Asked {
        if self.client.get().is_same(&client) {
            return Asked::ByTheSame;
        }
        self.client.set(client);
        Asked::ByAnother
    }

    /// Whether that is still who we are.
    pub(super) fn are_asked_by(&self, client: &Arc<Client>) -> bool {
        Arc::ptr_eq(client, &self.client.get())
    }

    /// A token that is valid now.
    pub(super) async fn get(&self) -> Result<Token, Paused> {
        let mut state = self.state.lock().await;
        let now = Instant::now();
        if let Some(current) = &state.current
            && now < current.refresh_at
        {
            return Ok(current.token.clone());
        }
        let client = self.client.get();
        state.forgive(&client);
        let renewed = match state.pause_left(now) {
            Some(paused) => Err(paused),
            None => self.renew(&mut state, client).await,
        };
        match (renewed, &state.current) {
            // An early refresh that fails is no reason not to use what is still valid.
            (Err(_), Some(current)) if Instant::now() < current.expires_at => Ok(current.token.clone()),
            (renewed, _) => renewed,
        }
    }

    /// The tenant refused this token: it is dropped, unless another has taken its place already.
    pub(super) async fn refused(&self, token: &Token) {
        let mut state = self.state.lock().await;
        if state.current.as_ref().is_some_and(|current| current.token.generation == token.generation) {
            state.current = None;
        }
    }

    /// The tenant does not allow this token what was asked: a client may have been granted more since it was
    /// issued, so an old one is dropped. A young one is kept, or every refusal would ask for another.
    pub(super) async fn forbidden(&self, token: &Token) {
        if token.issued_at.elapsed() >= FORBIDDEN_YOUNG {
            self.refused(token).await;
        }
    }

    async fn renew(&self, state: &mut State, client: Arc<Client>) -> Result<Token, Paused> {
        let asked_at = Instant::now();
        match self.request(&client).await {
            Ok(Issued { secret, lifetime, lacks }) => {
                state.backoff.reset();
                state.paused = None;
                state.generation += 1;
                let token = Token { secret, lacks, generation: state.generation, issued_at: asked_at };
                let expires_at = asked_at + lifetime;
                let refresh_at = expires_at - REFRESH_BEFORE.min(lifetime / 10);
                state.current = Some(Current { token: token.clone(), refresh_at, expires_at });
                tracing::debug!(token.lifetime_s = lifetime.as_secs(), "got a token");
                Ok(token)
            }
            Err((error, wait)) => {
                let wait = wait.unwrap_or_else(|| state.backoff.next(fastrand::f64()));
                let until = Instant::now() + wait;
                state.paused = Some(Pause { until, error: error.clone(), client: Arc::clone(&client) });
                Err(Paused { error, wait, client })
            }
        }
    }

    async fn request(&self, client: &Client) -> Result<Issued, (TokenError, Option<Duration>)> {
        let scope = SCOPES.join(" ");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &client.id),
            ("client_secret", client.secret.expose_secret()),
            ("scope", &scope),
        ];
        let sent = self.wire.send(self.wire.request(Method::POST, &self.url).form(&form)).await;
        let unreachable = |why: String| TokenError::Unreachable { url: self.url.clone(), why };
        let response = sent.map_err(|unanswered| (unreachable(unanswered.to_string()), None))?;
        let status = response.status();
        let wait = retry_after(response.headers(), SystemTime::now());
        if !status.is_success() {
            let body = text(response, ANSWER_MAX_BYTES).await.unwrap_or_default();
            let refused = refusal(status, &body, client.secret.expose_secret());
            return Err((refused.unwrap_or_else(|| unreachable(status.to_string())), wait));
        }
        let unreadable = |why: String| (unreachable(why), wait);
        let body = text(response, ANSWER_MAX_BYTES).await.map_err(|error| unreadable(error.to_string()))?;
        // The cause would quote the body, and with it the token.
        let answer: Answer = serde_json::from_str(&body)
            .map_err(|_quotes_the_body| unreadable("its answer holds no `access_token`".to_owned()))?;
        if answer.access_token.expose_secret().is_empty() {
            return Err(unreadable("its `access_token` is empty".to_owned()));
        }
        Ok(Issued {
            lifetime: lifetime(&answer.expires_in),
            lacks: lacks(answer.scope.as_deref()),
            secret: answer.access_token,
        })
    }
}

impl State {
    fn pause_left(&self, now: Instant) -> Option<Paused> {
        let Pause { until, error, client } = self.paused.as_ref()?;
        let wait = until.checked_duration_since(now).filter(|wait| !wait.is_zero())?;
        Some(Paused { error: error.clone(), wait, client: Arc::clone(client) })
    }

    /// That another client was refused says nothing of this one. A limit or an outage concerns both.
    fn forgive(&mut self, client: &Arc<Client>) {
        let is_anothers = |pause: &Pause| pause.error.is_of_client() && !Arc::ptr_eq(&pause.client, client);
        if self.paused.take_if(|pause| is_anothers(pause)).is_some() {
            self.backoff.reset();
        }
    }
}

/// An error as the endpoint tells it.
#[derive(Default, Deserialize)]
struct Told {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

/// What a refusal says of us; nothing where it says that this is no token endpoint.
fn refusal(status: StatusCode, body: &str, secret: &str) -> Option<TokenError> {
    match status.as_u16() {
        400 | 401 | 403 => {
            let told: Told = serde_json::from_str(body).unwrap_or_default();
            let words = [told.error.as_str(), told.error_description.as_str()];
            // An endpoint that repeats what it was sent must not make us show it.
            let shown = words.iter().filter(|words| !words.is_empty() && !words.contains(secret));
            let said = shown.fold(status.to_string(), |said, words| format!("{said}: {}", shorten(words)));
            Some(TokenError::Refused { said, fix: Fix::of(&told.error) })
        }
        429 | 503 => Some(TokenError::Throttled(status.to_string())),
        _ => None,
    }
}

/// The scopes that were not granted.
fn lacks(granted: Option<&str>) -> Vec<&'static str> {
    let Some(granted) = granted else { return Vec::new() };
    let is_missing = |scope: &&str| !granted.split_whitespace().any(|granted| granted == *scope);
    SCOPES.into_iter().filter(is_missing).collect()
}

/// Seconds as a number or, as some endpoints send them, as a string.
fn lifetime(expires_in: &serde_json::Value) -> Duration {
    let seconds = expires_in.as_f64().or_else(|| expires_in.as_str()?.parse().ok());
    seconds
        .filter(|seconds| *seconds >= 1.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map_or(ASSUMED_LIFETIME, |lifetime| lifetime.min(LONGEST_LIFETIME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_odd_lifetime_is_read_or_assumed() {
        let check = |value: serde_json::Value, expected: u64| {
            assert_eq!(lifetime(&value).as_secs(), expected, "{value}");
        };
        check(json!(3600), 3600);
        check(json!("3600"), 3600);
        check(json!(3599.5), 3599);
        check(json!(1), 1);
        check(json!(null), 300);
        check(json!(0), 300);
        check(json!(-1), 300);
        check(json!("soon"), 300);
        check(json!(1_000_000_000_000_u64), 24 * 3600);
    }

    #[test]
    fn what_else_a_token_answer_says_is_of_no_consequence() {
        let check = |answer: &str| {
            let read: Result<Answer, _> = serde_json::from_str(answer);
            assert!(read.is_ok_and(|read| read.access_token.expose_secret() == "t"), "{answer}");
        };
        check(r#"{"access_token":"t"}"#);
        check(r#"{"access_token":"t","token_type":"bearer","expires_in":1,"scope":"a b"}"#);
        check(
            r#"{"resource_server":{},"refresh_token":null,"access_token":"t","token_type":7,"scope":null}"#,
        );
    }

    #[test]
    fn a_scope_that_was_not_granted_is_named_and_silence_grants_all() {
        let check =
            |granted: Option<&str>, expected: &[&str]| assert_eq!(lacks(granted), expected, "{granted:?}");
        check(None, &[]);
        check(Some("flow:flows:write other flow:flows:read"), &[]);
        check(Some("flow:flows:read"), &["flow:flows:write"]);
        check(Some("flow:flows:reader flow:flows:write"), &["flow:flows:read"]);
        check(Some(""), &SCOPES);
    }

    #[test]
    fn a_refusal_tells_what_to_do_and_never_the_secret() {
        let check = |status: u16, body: &str, expected: &[&str]| {
            let status = StatusCode::from_u16(status).expect("a status");
            let told = refusal(status, body, "s3cret").map(|error| error.to_string()).unwrap_or_default();
            assert!(expected.iter().all(|words| told.contains(words)), "{body}: {told}");
            assert!(!told.contains("s3cret"), "{told}");
        };
        check(
            401,
            r#"{"error":"invalid_client"}"#,
            &["401 Unauthorized: invalid_client", "check CXONE_CLIENT_ID and"],
        );
        check(
            400,
            r#"{"error":"invalid_scope","error_description":"not yours"}"#,
            &["not yours", "granted the scopes"],
        );
        check(
            401,
            r#"{"error":"invalid_client","error_description":"`s3cret` is wrong"}"#,
            &["invalid_client)"],
        );
        check(403, "<html>", &["(403 Forbidden)", "CXONE_CLIENT_SECRET", "scopes"]);
        check(429, "", &["limits its requests"]);
        assert!(refusal(StatusCode::NOT_FOUND, "", "s").is_none());
    }

    async fn is_kept_when_forbidden(age: Duration) -> bool {
        let wire = crate::http::client().expect("a client").into();
        let client = Client { id: String::new(), secret: SecretString::default() };
        let tokens = Tokens::new(wire, String::new(), client);
        let issued_at = Instant::now();
        let secret = SecretString::default();
        let token = Token { secret, lacks: Vec::new(), generation: 1, issued_at };
        let end = issued_at + LONGEST_LIFETIME;
        let current = Current { token: token.clone(), refresh_at: end, expires_at: end };
        tokens.state.lock().await.current = Some(current);
        tokio::time::advance(age).await;
        tokens.forbidden(&token).await;
        tokens.state.lock().await.current.is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_drops_an_old_token_that_may_lack_a_new_scope_and_keeps_a_young_one() {
        assert!(is_kept_when_forbidden(Duration::from_secs(59)).await);
        assert!(!is_kept_when_forbidden(Duration::from_secs(60)).await);
    }
}

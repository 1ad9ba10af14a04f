//! The token endpoint and the tokens that it gave out (RFC 6749, section 4.4; RFC 6750).

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::form;
use super::reply::Answer;
use super::settings::{ClientAuth, Settings};

/// How many tokens are remembered; the oldest ends when one more is given out.
const TOKENS_MAX: usize = 10_000;

/// What the token endpoint says of a token's lifetime; the token lives as long as the settings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpiresIn {
    /// The truth, in whole seconds.
    Lifetime,
    /// Nothing: RFC 6749 only recommends it.
    Absent,
    /// This JSON value, be it a string, negative or absurd. What is not JSON is sent as a string.
    Spelt(String),
}

/// Whether a call may be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// To read a flow.
    Read,
    /// To write a flow.
    Write,
}

impl Permission {
    fn scope(self) -> &'static str {
        match self {
            Self::Read => "flow:flows:read",
            Self::Write => "flow:flows:write",
        }
    }
}

/// The one client, and the tokens it was given.
pub(super) struct OAuth {
    settings: Settings,
    pub(super) expires_in: ExpiresIn,
    /// Tokens given out from now on are taken only when they are so old.
    pub(super) token_delay: Duration,
    grants: VecDeque<Grant>,
    given_out: u64,
}

struct Grant {
    token: String,
    scope: String,
    starts_at: Instant,
    ends_at: Instant,
}

impl OAuth {
    /// No tokens yet.
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            expires_in: ExpiresIn::Lifetime,
            token_delay: Duration::ZERO,
            grants: VecDeque::new(),
            given_out: 0,
        }
    }

    /// Tokens given out from now on live so long.
    pub(super) fn set_lifetime(&mut self, lifetime: Duration) {
        self.settings.token_lifetime = lifetime;
    }

    /// Tokens given out from now on carry at most this scope.
    pub(super) fn set_scope(&mut self, scope: &str) {
        scope.clone_into(&mut self.settings.scope);
    }

    /// From now on this secret counts, and the old one no longer.
    pub(super) fn set_secret(&mut self, secret: &str) {
        secret.clone_into(&mut self.settings.client_secret);
    }

    /// From now on the client must authenticate so.
    pub(super) fn set_client_auth(&mut self, client_auth: ClientAuth) {
        self.settings.client_auth = client_auth;
    }

    /// Ends all tokens at once.
    pub(super) fn revoke(&mut self) {
        self.grants.clear();
    }

    /// Answers `POST /oauth/token`.
    pub(super) fn token(&mut self, authorization: Option<&str>, body: &[u8], now: Instant) -> Answer {
        let body = String::from_utf8_lossy(body);
        let form = form::pairs(&body);
        let field = |name: &str| form.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str());
        let basic = authorization.and_then(basic_credentials);
        let posted = field("client_id").zip(field("client_secret"));
        let given = match self.settings.client_auth {
            ClientAuth::Basic => basic,
            ClientAuth::Form => posted.map(owned),
            ClientAuth::Either => basic.or(posted.map(owned)),
        };
        if given != Some(owned((&self.settings.client_id, &self.settings.client_secret))) {
            let is_known = given.is_some_and(|(id, _)| id == self.settings.client_id);
            let why = if is_known { "this client has another secret" } else { "there is no such client" };
            let refused = refusal(StatusCode::UNAUTHORIZED, "invalid_client", why);
            return refused.with(WWW_AUTHENTICATE, "Basic realm=\"practice tenant\"");
        }
        if field("grant_type") != Some("client_credentials") {
            return refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type", "use client_credentials");
        }
        let scope = granted(&self.settings.scope, field("scope"));
        if scope.is_empty() {
            return refusal(StatusCode::BAD_REQUEST, "invalid_scope", "the client is granted none of these");
        }
        self.grant(scope, now)
    }

    fn grant(&mut self, scope: String, now: Instant) -> Answer {
        self.given_out += 1;
        let token = format!("practice-{}-{:016x}", self.given_out, fastrand::u64(..));
        let mut body = json!({"access_token": token, "token_type": "Bearer", "scope": scope});
        match &self.expires_in {
            ExpiresIn::Lifetime => body["expires_in"] = self.settings.token_lifetime.as_secs().into(),
            ExpiresIn::Absent => {}
            ExpiresIn::Spelt(json) => {
                body["expires_in"] =
                    serde_json::from_str(json).unwrap_or_else(|_| Value::from(json.as_str()));
            }
        }
        self.grants.retain(|grant| grant.ends_at > now);
        if self.grants.len() >= TOKENS_MAX {
            self.grants.pop_front();
        }
        let (starts_at, ends_at) = (now + self.token_delay, now + self.settings.token_lifetime);
        self.grants.push_back(Grant { token, scope, starts_at, ends_at });
        Answer::json(StatusCode::OK, &body).with(CACHE_CONTROL, "no-store")
    }

    /// Checks a flow call's `Authorization`.
    ///
    /// # Errors
    /// The 401 or 403 to answer.
    pub(super) fn admit(
        &self,
        authorization: Option<&str>,
        wants: Permission,
        now: Instant,
    ) -> Result<(), Box<Answer>> {
        let Some(token) = authorization.and_then(|value| after_scheme(value, "bearer")) else {
            let refused = Answer::refusal(StatusCode::UNAUTHORIZED, "no.credentials", "send a bearer token");
            return Err(refused.with(WWW_AUTHENTICATE, "Bearer").into());
        };
        let live = |grant: &&Grant| grant.token == token && grant.starts_at <= now && grant.ends_at > now;
        let Some(grant) = self.grants.iter().rev().find(live) else {
            let message = "the token has expired, was revoked or was never given out";
            let refused = Answer::refusal(StatusCode::UNAUTHORIZED, "bad.credentials", message);
            return Err(refused.with(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"").into());
        };
        if !grant.scope.split(' ').any(|scope| scope == wants.scope()) {
            let message = format!("the token lacks the scope `{}`", wants.scope());
            let refused = Answer::refusal(StatusCode::FORBIDDEN, "missing.permission", &message);
            let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", wants.scope());
            return Err(refused.with(WWW_AUTHENTICATE, &challenge).into());
        }
        Ok(())
    }
}

fn owned((id, secret): (&str, &str)) -> (String, String) {
    (id.to_owned(), secret.to_owned())
}

/// What of the asked scope is allowed; all of it if nothing was asked for (RFC 6749, section 3.3).
fn granted(allowed: &str, asked: Option<&str>) -> String {
    let Some(asked) = asked else { return allowed.to_owned() };
    let fits = |scope: &&str| !scope.is_empty() && allowed.split(' ').any(|allowed| allowed == *scope);
    asked.split(' ').filter(fits).collect::<Vec<_>>().join(" ")
}

fn refusal(status: StatusCode, error: &str, why: &str) -> Answer {
    Answer::json(status, &json!({"error": error, "error_description": why})).with(CACHE_CONTROL, "no-store")
}

/// What follows the scheme, whose name has no case (RFC 9110, section 11.1).
fn after_scheme<'a>(authorization: &'a str, scheme: &str) -> Option<&'a str> {
    let (name, rest) = authorization.split_once(' ')?;
    name.eq_ignore_ascii_case(scheme).then_some(rest.trim())
}

/// Id and secret of HTTP Basic, each form-encoded before they were joined.
fn basic_credentials(authorization: &str) -> Option<(String, String)> {
    let bytes = STANDARD.decode(after_scheme(authorization, "basic")?).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form::decode(id), form::decode(secret)))
}

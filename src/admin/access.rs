//! Who may use the admin API: who has the bearer token; where none is set, who is on this machine and no web page.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::live::Live;
use crate::server::problem;

/// What a request must bring; nothing where no token is set. Kept as its digest, so that comparing takes
/// the same time whatever the lengths.
#[derive(Debug)]
struct Token(Option<[u8; 32]>);

impl Token {
    fn new(token: Option<&SecretString>) -> Self {
        Self(token.map(|token| Sha256::digest(token.expose_secret()).into()))
    }

    /// Whether a web page may have sent it, from whatever site, to do something behind its reader's back. Browsers
    /// say so themselves: they send `Origin` with every POST (Fetch standard, "append a request `Origin` header"),
    /// and newer ones `Sec-Fetch-Site`. A token is nothing that they send by themselves.
    fn is_forgeable(&self, request: &Request) -> bool {
        let by_browser =
            || request.headers().contains_key(ORIGIN) || request.headers().contains_key("sec-fetch-site");
        self.0.is_none() && !request.method().is_safe() && by_browser()
    }

    fn fits(&self, request: &Request) -> bool {
        let Some(digest) = &self.0 else { return true };
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = header.and_then(|value| value.split_once(' '));
        given.is_some_and(|(kind, token)| {
            let same = Sha256::digest(token.trim_start()).ct_eq(digest);
            kind.eq_ignore_ascii_case("bearer") && same.into()
        })
    }
}

/// Lets a request with the right token through.
pub(super) async fn check(
    State(token): State<Live<Option<SecretString>>>,
    request: Request,
    next: Next,
) -> Response {
    let token = Token::new(token.get().as_ref().as_ref());
    if token.is_forgeable(&request) {
        let why = "A browser sent this, and any web page could have: set FLOWHOOK_ADMIN_TOKEN, or use the flowhook \
                   command.";
        return problem(StatusCode::FORBIDDEN, why);
    }
    if token.fits(&request) {
        return next.run(request).await;
    }
    let mut response =
        problem(StatusCode::UNAUTHORIZED, "Send FLOWHOOK_ADMIN_TOKEN as `Authorization: Bearer …`.");
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

//! What a sender is told when a request is refused: `application/problem+json` (RFC 9457).
//!
//! Each refusal has two messages: its `Display` is for the log, its detail for the sender.
//! Nothing is logged here.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use serde::Serialize;

use super::log::Told;
use crate::change::shorten;
use crate::queue::NotTaken;
use crate::source::VerifyError;

/// When to come back, in seconds: soon, and not all at once.
const RETRY_AFTER_S: RangeInclusive<u16> = 1..=5;
/// The longest detail, in bytes of JSON: the rest of the answer takes less than 100, and some
/// senders keep only 500.
const DETAIL_BYTES: usize = 380;

/// Why a request was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("there is no such path")]
    NoSuchPath,
    #[error("there is no such source")]
    NoSuchSource,
    #[error("it was not posted")]
    NotPost,
    #[error("its body has a content encoding")]
    Encoded,
    #[error("its body is longer than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("its body did not arrive in time")]
    TooSlow,
    #[error("its body ended early")]
    Interrupted(#[source] axum::Error),
    #[error("it was not verified: {0}")]
    Unverified(VerifyError),
    #[error("no route can read it: {}", shorten(.0))]
    NotJson(String),
    #[error("its route refused it: {}", shorten(.0))]
    ByRoute(String),
    #[error("it could not be stored: {why}")]
    Unavailable { why: Unavailable, retry_after_s: u16 },
}

/// Why nothing can be stored now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unavailable {
    #[error("the service is shutting down")]
    ShuttingDown,
    #[error(transparent)]
    NotTaken(NotTaken),
    #[error("the commit failed")]
    NotStored,
    #[error("the commit takes too long")]
    Late,
}

impl Refusal {
    /// 503, with a moment to come back that differs from sender to sender.
    pub(super) fn unavailable(why: Unavailable) -> Self {
        Self::Unavailable { why, retry_after_s: fastrand::u16(RETRY_AFTER_S) }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPath | Self::NoSuchSource => StatusCode::NOT_FOUND,
            Self::NotPost => StatusCode::METHOD_NOT_ALLOWED,
            Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Interrupted(_) | Self::NotJson(_) => StatusCode::BAD_REQUEST,
            Self::Unverified(_) => StatusCode::UNAUTHORIZED,
            Self::ByRoute(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the sender may know. One text for everything that is unverified: which check failed
    /// would help only who has no secret.
    fn detail(&self) -> Cow<'_, str> {
        match self {
            Self::NoSuchPath => "Deliveries go to /hooks/ and the name of a source.".into(),
            Self::NoSuchSource => "There is no source of that name.".into(),
            Self::NotPost => "Deliveries come by POST.".into(),
            Self::Encoded => "The body must come without a content encoding.".into(),
            Self::TooLarge { limit } => format!("The body is longer than {limit} bytes.").into(),
            Self::TooSlow => "The body did not arrive in time.".into(),
            Self::Interrupted(_) => "The body could not be read.".into(),
            Self::Unverified(_) => "The request could not be verified.".into(),
            Self::NotJson(reason) | Self::ByRoute(reason) => reason.into(),
            Self::Unavailable { .. } => "The delivery was not stored. Send it again later.".into(),
        }
    }

    /// The header that HTTP wants with the status, if any.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::NotPost => Some((ALLOW, HeaderValue::from_static("POST"))),
            Self::Encoded => Some((ACCEPT_ENCODING, HeaderValue::from_static("identity"))),
            Self::Unverified(_) => Some((WWW_AUTHENTICATE, HeaderValue::from_static("Signature"))),
            Self::Unavailable { retry_after_s, .. } => Some((RETRY_AFTER, (*retry_after_s).into())),
            // The rest of the body is not going to be read, so nothing can follow it.
            Self::TooLarge { .. } | Self::TooSlow | Self::Interrupted(_) => {
                Some((CONNECTION, HeaderValue::from_static("close")))
            }
            Self::NoSuchPath | Self::NoSuchSource | Self::NotJson(_) | Self::ByRoute(_) => None,
        }
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    /// `about:blank`: the status says it all (RFC 9457, section 4.2.1).
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let detail = self.detail();
        let problem = Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: &fit(&detail),
        };
        let body = serde_json::to_vec(&problem).expect("texts and a number are JSON");
        let content_type = [(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))];
        let mut response = (status, content_type, body).into_response();
        response.headers_mut().extend(self.header());
        let told = Told { sentence: "the request was refused", reason: Some(self.to_string()) };
        response.extensions_mut().insert(told);
        response
    }
}

/// As much of `text` as takes [`DETAIL_BYTES`] in JSON.
fn fit(text: &str) -> Cow<'_, str> {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, c)| {
        taken += escaped_len(*c);
        taken > DETAIL_BYTES
    });
    end.map_or(text.into(), |(end, _)| format!("{}…", &text[..end]).into())
}

/// At least as many bytes as JSON takes for `c`.
fn escaped_len(c: char) -> usize {
    match c {
        '"' | '\\' => 2,
        c if c.is_ascii_control() => 6,
        c => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    use super::{Refusal, Unavailable, fit};
    use crate::source::VerifyError;

    async fn problem(refusal: Refusal) -> (Vec<u8>, Value) {
        let body = refusal.into_response().into_body().collect().await.expect("it is in memory").to_bytes();
        (body.to_vec(), serde_json::from_slice(&body).expect("it is JSON"))
    }

    #[tokio::test]
    async fn a_refusal_is_a_problem() {
        let (_, problem) = problem(Refusal::ByRoute("`max_wait_time_seconds` must be a number".into())).await;
        let expected = json!({
            "type": "about:blank",
            "title": "Unprocessable Entity",
            "status": 422,
            "detail": "`max_wait_time_seconds` must be a number",
        });
        assert_eq!(problem, expected);
    }

    #[tokio::test]
    async fn every_cause_of_401_reads_the_same() {
        let (first, _) = problem(Refusal::Unverified(VerifyError::WrongSignature)).await;
        for cause in [VerifyError::NotFresh { age_s: 301 }, VerifyError::MissingHeader("webhook-id")] {
            assert_eq!(problem(Refusal::Unverified(cause)).await.0, first);
        }
    }

    #[tokio::test]
    async fn a_refusal_stays_under_500_bytes() {
        for piece in ["x", "\"", "\0", "ü", "🙂", "\u{7f}"] {
            for refusal in [Refusal::ByRoute, Refusal::NotJson] {
                let (bytes, problem) = problem(refusal(piece.repeat(1_000))).await;
                assert!(bytes.len() < 500, "{piece:?}: {}", bytes.len());
                assert!(problem["detail"].as_str().is_some_and(|detail| detail.ends_with('…')), "{piece:?}");
            }
        }
    }

    #[test]
    fn what_fits_is_left_alone() {
        assert_eq!(fit(&"x".repeat(380)), "x".repeat(380));
        assert_eq!(fit(&"x".repeat(381)), format!("{}…", "x".repeat(380)));
    }

    #[test]
    fn senders_come_back_within_five_seconds_and_not_all_at_once() {
        let mut seen = [0; 5];
        for _ in 0..1_000 {
            let refusal = Refusal::unavailable(Unavailable::Late);
            let Refusal::Unavailable { retry_after_s, .. } = refusal else { panic!("{refusal:?}") };
            seen[usize::from(retry_after_s) - 1] += 1;
        }
        assert!(seen.iter().all(|&times| times > 0), "{seen:?}");
    }
}

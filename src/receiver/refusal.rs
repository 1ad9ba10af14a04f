//! What a sender is told when a request is refused: `application/problem+json` (RFC 9457).
//!
//! Each refusal has two messages: its `Display` is for the log, its detail for the sender.
//! Nothing is logged here.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use axum::BoxError;
use hyper::StatusCode;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CONNECTION, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};

use super::log::Told;
use crate::change::shorten;
use crate::queue::NotTaken;
use crate::server::problem;
use crate::source::VerifyError;

/// When to come back, in seconds: soon, and not all at once.
const RETRY_AFTER_S: RangeInclusive<u16> = 1..=5;

/// Why a request was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("there is no such path")]
    NoSuchPath,
    #[error("there is no such source")]
    NoSuchSource,
    #[error("it came by a method that its source does not use")]
    Method { allowed: String },
    #[error("its body has a content encoding")]
    Encoded,
    #[error("its body is longer than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("its body did not arrive in time")]
    TooSlow,
    #[error("its body ended early")]
    Interrupted(#[source] BoxError),
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
    #[error("its long body took longest of all while another came")]
    GaveWay,
    #[error("there were too many handshakes in this minute that nobody had signed")]
    Handshakes,
}

impl Refusal {
    /// 503, with a moment to come back that differs from sender to sender.
    pub(super) fn unavailable(why: Unavailable) -> Self {
        Self::Unavailable { why, retry_after_s: fastrand::u16(RETRY_AFTER_S) }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPath | Self::NoSuchSource => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
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
            Self::Method { allowed } => format!("Deliveries come by {allowed}.").into(),
            Self::Encoded => "The body must come without a content encoding.".into(),
            Self::TooLarge { limit } => format!("The body is longer than {limit} bytes.").into(),
            Self::TooSlow => "The body did not arrive in time.".into(),
            Self::Interrupted(_) => "The body could not be read.".into(),
            Self::Unverified(_) => "The request could not be verified.".into(),
            Self::NotJson(reason) | Self::ByRoute(reason) => reason.into(),
            // One that takes too long may yet be stored.
            Self::Unavailable { .. } => "The delivery is not acknowledged. Send it again later.".into(),
        }
    }

    /// The header that HTTP wants with the status, if any.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Method { allowed } => {
                let allowed = HeaderValue::from_str(allowed).expect("methods are visible ASCII");
                Some((ALLOW, allowed))
            }
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

impl From<Refusal> for Told {
    fn from(refusal: Refusal) -> Self {
        let mut response = problem(refusal.status(), &refusal.detail());
        response.headers_mut().extend(refusal.header());
        Self { response, sentence: "the request was refused", reason: Some(refusal.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io;
    use std::iter::successors;

    use http_body_util::BodyExt as _;
    use hyper::StatusCode;
    use serde_json::{Value, json};

    use super::{Refusal, Told, Unavailable, WWW_AUTHENTICATE};
    use crate::receiver::STATUSES;
    use crate::source::VerifyError;

    /// The refusal that stands below this one: with a new one that has no place here nothing compiles.
    fn next(refusal: &Refusal) -> Option<Refusal> {
        match refusal {
            Refusal::NoSuchPath => Some(Refusal::NoSuchSource),
            Refusal::NoSuchSource => Some(Refusal::Method { allowed: "POST".to_owned() }),
            Refusal::Method { .. } => Some(Refusal::Encoded),
            Refusal::Encoded => Some(Refusal::TooLarge { limit: 1 }),
            Refusal::TooLarge { .. } => Some(Refusal::TooSlow),
            Refusal::TooSlow => Some(Refusal::Interrupted(io::Error::other("it broke").into())),
            Refusal::Interrupted(_) => Some(Refusal::Unverified(VerifyError::WrongSignature)),
            Refusal::Unverified(_) => Some(Refusal::NotJson(String::new())),
            Refusal::NotJson(_) => Some(Refusal::ByRoute(String::new())),
            Refusal::ByRoute(_) => Some(Refusal::unavailable(Unavailable::Late)),
            Refusal::Unavailable { .. } => None,
        }
    }

    #[test]
    fn the_refusals_have_the_statuses_that_are_told_and_no_others() {
        let refusals = successors(Some(Refusal::NoSuchPath), next).map(Told::from);
        let given: BTreeSet<StatusCode> = refusals.map(|told| told.response.status()).collect();
        let told = STATUSES.into_iter().filter(|status| !status.is_success()).collect();
        assert_eq!(given, told);
    }

    async fn problem(refusal: Refusal) -> (Vec<u8>, Value) {
        let body =
            Told::from(refusal).response.into_body().collect().await.expect("it is in memory").to_bytes();
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
        for cause in [VerifyError::NotFresh { age_s: 301 }, VerifyError::MissingHeader(WWW_AUTHENTICATE)] {
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

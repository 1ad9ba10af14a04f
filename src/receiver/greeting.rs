//! Handshakes: what a sender is told that asks before it delivers, and how often those are told that nobody has
//! verified.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{ALLOW, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use tokio::time::Instant;

use super::log::Told;
use super::refusal::{Refusal, Unavailable};
use crate::source::Greeting;

/// The most handshakes in a minute that come unsigned: a sender asks once or a few times.
pub(super) const GREETINGS_PER_MINUTE: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// Why there is no delivery for the handler.
#[derive(Debug)]
pub(super) enum NoDelivery {
    Refused(Refusal),
    Greeted(Greeting),
}

impl From<Refusal> for NoDelivery {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl IntoResponse for NoDelivery {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(refusal) => refusal.into_response(),
            Self::Greeted(greeting) => {
                let mut response = said(greeting);
                let told = Told { sentence: "a handshake was answered", reason: None };
                response.extensions_mut().insert(told);
                response
            }
        }
    }
}

fn said(greeting: Greeting) -> Response {
    match greeting {
        // Some senders know no other success than 200 here.
        Greeting::Word { member, word } => (StatusCode::OK, Json(json!({ member: word }))).into_response(),
        Greeting::Allowed { methods, origin, rate } => {
            let line = |name, value: &str| {
                let value = HeaderValue::from_str(value).expect("methods and words are visible ASCII");
                (name, value)
            };
            let lines = [
                Some(line(ALLOW, &methods)),
                Some(line(HeaderName::from_static("webhook-allowed-origin"), &origin)),
                rate.map(|rate| line(HeaderName::from_static("webhook-allowed-rate"), &rate)),
            ];
            (StatusCode::OK, HeaderMap::from_iter(lines.into_iter().flatten())).into_response()
        }
    }
}

/// How many handshakes that came unsigned were answered in this minute.
#[derive(Debug)]
pub(super) struct Greetings(Mutex<(Instant, u32)>);

impl Greetings {
    pub(super) fn new() -> Self {
        Self(Mutex::new((Instant::now(), 0)))
    }

    /// Lets one more be answered, unless there were too many.
    pub(super) fn admit(&self) -> Result<(), Refusal> {
        // Whoever panicked with it has left a count all the same.
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.duration_since(minute.0) >= MINUTE {
            *minute = (now, 0);
        }
        if minute.1 == GREETINGS_PER_MINUTE {
            return Err(Refusal::unavailable(Unavailable::Handshakes));
        }
        minute.1 += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{GREETINGS_PER_MINUTE, Greetings, MINUTE};

    #[tokio::test(start_paused = true)]
    async fn so_many_handshakes_are_answered_in_a_minute_and_no_more() {
        let greetings = Greetings::new();
        for _ in 0..2 {
            let answered = (0..1_000).filter(|_| greetings.admit().is_ok()).count();
            assert_eq!(u32::try_from(answered), Ok(GREETINGS_PER_MINUTE));
            tokio::time::advance(MINUTE).await;
        }
    }
}

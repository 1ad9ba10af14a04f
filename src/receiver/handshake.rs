//! Handshakes: what a sender is told that asks before it delivers, and how often those are told that nobody has
//! verified.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use hyper::StatusCode;
use hyper::header::{ALLOW, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use tokio::time::Instant;

use super::log::Told;
use super::refusal::{Refusal, Unavailable};
use crate::change::SourceName;
use crate::source::HandshakeReply;

/// The most handshakes of one source in a minute that come unsigned: a sender asks once or a few times.
pub(super) const HANDSHAKES_PER_MINUTE: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// Why there is no delivery.
#[derive(Debug)]
pub(super) enum NoDelivery {
    Refused(Refusal),
    Handshake(HandshakeReply),
}

impl From<Refusal> for NoDelivery {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<NoDelivery> for Told {
    fn from(no_delivery: NoDelivery) -> Self {
        match no_delivery {
            NoDelivery::Refused(refusal) => refusal.into(),
            NoDelivery::Handshake(reply) => {
                Self { response: said(reply), sentence: "a handshake was answered", reason: None }
            }
        }
    }
}

fn said(reply: HandshakeReply) -> Response {
    match reply {
        // Some senders know no other success than 200 here.
        HandshakeReply::Word { member, word } => {
            (StatusCode::OK, Json(json!({ member: word }))).into_response()
        }
        HandshakeReply::Allowed { methods, origin, rate } => {
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

/// How many handshakes that came unsigned were answered of late, of each source: since anybody can send them, those
/// that are sent to one source must not keep another's sender waiting.
#[derive(Debug, Default)]
pub(super) struct Handshakes(Mutex<HashMap<SourceName, Minute>>);

/// A minute that began with a handshake.
#[derive(Debug)]
struct Minute {
    began_at: Instant,
    answered: u32,
}

impl Handshakes {
    /// Lets one more of this source be answered, unless there were too many.
    pub(super) fn admit(&self, source: &SourceName) -> Result<(), Refusal> {
        // Whoever panicked with it has left counts all the same.
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // So no more is kept than there are sources, though settings that are read again may have others.
        minutes.retain(|_, minute| now.duration_since(minute.began_at) < MINUTE);
        let minute =
            minutes.entry(SourceName::clone(source)).or_insert(Minute { began_at: now, answered: 0 });
        if minute.answered == HANDSHAKES_PER_MINUTE {
            return Err(Refusal::unavailable(Unavailable::Handshakes));
        }
        minute.answered += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{HANDSHAKES_PER_MINUTE, Handshakes, MINUTE};

    #[tokio::test(start_paused = true)]
    async fn so_many_handshakes_of_each_source_are_answered_in_a_minute_and_no_more() {
        let handshakes = Handshakes::default();
        for _ in 0..2 {
            for source in ["one", "other"] {
                let answered = (0..1_000).filter(|_| handshakes.admit(&source.into()).is_ok()).count();
                assert_eq!(u32::try_from(answered), Ok(HANDSHAKES_PER_MINUTE), "{source}");
            }
            tokio::time::advance(MINUTE).await;
        }
    }
}

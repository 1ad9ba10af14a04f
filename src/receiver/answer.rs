//! What a sender is told when all is well.

use axum::Json;
use axum::response::IntoResponse as _;
use hyper::StatusCode;
use serde::Serialize;

use super::log::Told;
use crate::change::shorten;

/// A delivery that was taken or need not be. The body is its JSON, for example
/// `{"status":"accepted","id":"msg_1","changes":1}`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(super) enum Answer {
    /// It is on disk, and so many changes follow from it. The status is that which its scheme wants.
    Accepted {
        id: String,
        changes: usize,
        #[serde(skip)]
        status: StatusCode,
    },
    /// It was accepted before.
    Duplicate { id: String },
    /// It is kept and not carried out, and its sender must not think that it has to do with that.
    Rejected {
        id: String,
        #[serde(skip)]
        reason: String,
    },
    /// It is genuine and no route wants it. Success all the same: senders disable a hook that
    /// refuses what it did not ask for.
    Ignored,
}

impl From<Answer> for Told {
    fn from(answer: Answer) -> Self {
        let (status, sentence, reason) = match &answer {
            Answer::Accepted { status, .. } => (*status, "the delivery was accepted", None),
            Answer::Duplicate { .. } => (StatusCode::OK, "the delivery had been accepted before", None),
            Answer::Rejected { reason, .. } => (
                StatusCode::OK,
                "the delivery was rejected, which its sender is not to mind",
                Some(shorten(reason)),
            ),
            Answer::Ignored => (StatusCode::OK, "the delivery was ignored, as no route wants it", None),
        };
        Self { response: (status, Json(answer)).into_response(), sentence, reason }
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::{Answer, Told};

    #[test]
    fn an_answer_is_small_json() {
        let check = |answer: Answer, expected: &str| {
            assert_eq!(serde_json::to_string(&answer).expect("it is JSON"), expected);
        };
        let id = "msg_1".to_owned();
        check(
            Answer::Accepted { id: id.clone(), changes: 2, status: StatusCode::ACCEPTED },
            r#"{"status":"accepted","id":"msg_1","changes":2}"#,
        );
        check(Answer::Duplicate { id: id.clone() }, r#"{"status":"duplicate","id":"msg_1"}"#);
        check(
            Answer::Rejected { id, reason: "it is not JSON".to_owned() },
            r#"{"status":"rejected","id":"msg_1"}"#,
        );
        check(Answer::Ignored, r#"{"status":"ignored"}"#);
    }

    #[test]
    fn an_accepted_delivery_is_answered_as_its_scheme_wants() {
        for status in [StatusCode::OK, StatusCode::ACCEPTED] {
            let answer = Answer::Accepted { id: "msg_1".to_owned(), changes: 1, status };
            assert_eq!(Told::from(answer).response.status(), status);
        }
    }

    #[test]
    fn even_an_id_that_must_be_escaped_keeps_the_answer_under_500_bytes() {
        let id = "\"".repeat(crate::source::DELIVERY_ID_MAX_BYTES);
        let answer = Answer::Accepted { id, changes: usize::MAX, status: StatusCode::ACCEPTED };
        assert!(serde_json::to_string(&answer).expect("it is JSON").len() < 500);
    }
}

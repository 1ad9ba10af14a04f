//! What a service answers to a delivery, and what that means.

use flowhook::http;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use super::delivery::Ending;
use super::problem::Problem;
use crate::commands::listener::detail;
use crate::exit::Exit;

/// The longest answer that is read, in bytes. The service's own stay under 500.
const ANSWER_BYTES: usize = 64 * 1_024;
/// What the service's refusals are (RFC 9457).
const PROBLEM: &str = "application/problem+json";

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    text: String,
    is_problem: bool,
    retry_after_s: Option<u32>,
}

/// Who was asked.
pub(super) struct Asked {
    /// Where, and what names the place; for people.
    pub(super) at: String,
    /// Whether what was sent is good for a time only.
    pub(super) signs_time: bool,
}

/// What the service says with a status of success.
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Success {
    Accepted,
    Duplicate,
    Ignored,
    Rejected,
}

impl Answer {
    pub(super) async fn read(response: Response) -> Self {
        let status = response.status();
        let is_problem = text(response.headers(), CONTENT_TYPE).is_some_and(|text| text.starts_with(PROBLEM));
        let retry_after_s = text(response.headers(), RETRY_AFTER).and_then(|text| text.parse().ok());
        // An answer that breaks off is as good as an empty one: the status counts.
        let text = http::text(response, ANSWER_BYTES).await.unwrap_or_default();
        Self { status, text, is_problem, retry_after_s }
    }

    /// Its body; as a JSON string if it is no JSON.
    pub(super) fn json(&self) -> Option<Box<RawValue>> {
        match serde_json::from_str(&self.text) {
            Ok(json) => Some(json),
            Err(_) if self.text.is_empty() => None,
            Err(_not_json) => to_raw_value(&self.text).ok(),
        }
    }

    /// The delivery's id, as the service has it: not every scheme has a place for ours.
    pub(super) fn id(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Named {
            id: String,
        }
        serde_json::from_str(&self.text).ok().map(|Named { id }| id)
    }

    /// What it means for the delivery.
    pub(super) fn ending(&self, asked: &Asked) -> Ending {
        let Self { status, .. } = self;
        if status.is_success() {
            return match serde_json::from_str(&self.text) {
                Ok(Success::Accepted) => Ending::Accepted,
                Ok(Success::Duplicate) => Ending::Duplicate,
                Ok(Success::Ignored) => Ending::Ignored,
                // 200 to a sender that would give up otherwise, which we are not.
                Ok(Success::Rejected) => refused(
                    Exit::Input,
                    "it cannot be carried out, and is kept as rejected".to_owned(),
                    "read why in /api/deliveries, mend the file and send it again".to_owned(),
                ),
                Err(_not_ours) => self.foreign(asked),
            };
        }
        let told = detail(&self.text).filter(|_| self.is_problem);
        let is_ours = told.is_some();
        let what = told.unwrap_or_else(|| status.to_string());
        match *status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let when = self.retry_after_s.map_or_else(|| "later".to_owned(), |s| format!("in {s} s"));
                refused(Exit::TryLater, what, format!("send it again {when}"))
            }
            StatusCode::PAYLOAD_TOO_LARGE => refused(Exit::Input, what, "make the file smaller".to_owned()),
            status if status.is_client_error() && !is_ours => self.foreign(asked),
            StatusCode::UNAUTHORIZED => refused(Exit::Permission, what, asked.other_secret()),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                let fix = format!("see whether {} is its address, and whether it has this source", asked.at);
                refused(Exit::Input, what, fix)
            }
            status if status.is_client_error() => {
                refused(Exit::Input, what, "mend the file and send it again".to_owned())
            }
            status if status.is_redirection() => {
                let fix = format!("redirects are not followed: give the final address, not {}", asked.at);
                refused(Exit::Unreachable, what, fix)
            }
            _ => {
                refused(Exit::Unreachable, what, format!("look into the log of what answers at {}", asked.at))
            }
        }
    }

    /// Somebody else's.
    fn foreign(&self, asked: &Asked) -> Ending {
        refused(
            Exit::Unreachable,
            format!("{}, and not in flowhook's words", self.status),
            format!("see whether it is flowhook that answers at {}", asked.at),
        )
    }
}

impl Asked {
    fn other_secret(&self) -> String {
        let (or_the_time, then_the_time) = if self.signs_time {
            (", or the clocks differ by more than 5 minutes", ", then the time")
        } else {
            ("", "")
        };
        format!(
            "the service's secret for this source is another one{or_the_time}: \
             compare FLOWHOOK_WEBHOOK_SECRET and FLOWHOOK_WEBHOOK_SCHEME here and there{then_the_time}"
        )
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn refused(exit: Exit, what: String, fix: String) -> Ending {
    Ending::Refused(Problem { exit, what, fix })
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::{Answer, Asked, Ending, Exit, Problem};

    /// In flowhook's words or in somebody else's.
    fn judged(status: u16, text: &str, is_problem: bool, retry_after_s: Option<u32>) -> Ending {
        let status = StatusCode::from_u16(status).expect("a status");
        let asked = Asked { at: "`http://x/hooks/config`".to_owned(), signs_time: true };
        Answer { status, text: text.to_owned(), is_problem, retry_after_s }.ending(&asked)
    }

    #[test]
    fn success_is_what_the_service_calls_so() {
        let check = |status: u16, answer: &str, expected: fn(&Ending) -> bool| {
            assert!(expected(&judged(status, answer, false, None)), "{status} {answer}");
        };
        let accepted = r#"{"status":"accepted","id":"msg_1","changes":2}"#;
        check(202, accepted, |ending| matches!(ending, Ending::Accepted));
        check(200, accepted, |ending| matches!(ending, Ending::Accepted));
        check(200, r#"{"status":"duplicate","id":"x"}"#, |ending| matches!(ending, Ending::Duplicate));
        check(200, r#"{"status":"ignored"}"#, |ending| matches!(ending, Ending::Ignored));
        check(200, r#"{"status":"rejected","id":"x"}"#, |ending| {
            matches!(ending, Ending::Refused(Problem { exit: Exit::Input, .. }))
        });
        for answer in ["", "<html>", r#"{"status":"ok"}"#] {
            check(200, answer, |ending| {
                matches!(ending, Ending::Refused(Problem { exit: Exit::Unreachable, .. }))
            });
        }
    }

    #[test]
    fn every_refusal_has_its_exit_code_its_words_and_its_next_step() {
        let check = |status: u16, exit: Exit, says: &str| {
            let Ending::Refused(problem) = judged(status, r#"{"detail":"so it is"}"#, true, Some(3)) else {
                panic!("{status} is refused");
            };
            assert_eq!((problem.exit, problem.what.as_str()), (exit, "so it is"), "{status}");
            assert!(problem.fix.contains(says), "{status}: {}", problem.fix);
        };
        for status in [400, 415, 422, 499] {
            check(status, Exit::Input, "mend the file");
        }
        check(401, Exit::Permission, "FLOWHOOK_WEBHOOK_SECRET");
        check(404, Exit::Input, "`http://x/hooks/config`");
        check(405, Exit::Input, "`http://x/hooks/config`");
        check(413, Exit::Input, "smaller");
        for status in [408, 429, 503] {
            check(status, Exit::TryLater, "again in 3 s");
        }
        check(301, Exit::Unreachable, "redirects");
        for status in [500, 502, 504] {
            check(status, Exit::Unreachable, "`http://x/hooks/config`");
        }
    }

    #[test]
    fn a_refusal_that_is_not_in_flowhooks_words_says_so_where_flowhook_would_have_had_some() {
        let check = |status: u16, exit: Exit, what: &str| {
            let Ending::Refused(problem) = judged(status, r#"{"detail":"Not Found"}"#, false, None) else {
                panic!("{status} is refused");
            };
            assert_eq!((problem.exit, problem.what.as_str()), (exit, what));
        };
        check(404, Exit::Unreachable, "404 Not Found, and not in flowhook's words");
        check(401, Exit::Unreachable, "401 Unauthorized, and not in flowhook's words");
        check(413, Exit::Input, "413 Payload Too Large");
        check(429, Exit::TryLater, "429 Too Many Requests");
        check(503, Exit::TryLater, "503 Service Unavailable");
    }
}

//! Posting a file, and what its answer means.

use std::path::Path;

use flowhook::http::{self, root_cause, shown};
use flowhook::source::Source;
use jiff::Timestamp;
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use super::Listener;
use super::delivery::{Delivery, Ending};
use super::problem::Problem;
use crate::commands::listener::detail;
use crate::commands::signing::{new_id, read, unreadable};
use crate::exit::Exit;

/// The longest answer that is read, in bytes. The service's own stay under 500.
const ANSWER_BYTES: usize = 64 * 1_024;

/// Posts files for a source.
pub(super) struct Posting<'s> {
    source: &'s Source,
    listener: Listener,
    url: String,
}

impl<'s> Posting<'s> {
    pub(super) fn new(source: &'s Source, listener: Listener) -> Self {
        let url = format!("{}/hooks/{}", listener.base_url, source.name());
        Self { source, listener, url }
    }

    /// Signs the file and posts it, once.
    pub(super) async fn post(&self, path: &Path) -> Delivery {
        let mut delivery = Delivery {
            file: path.to_string_lossy().into_owned(),
            id: None,
            status: None,
            answer: None,
            ending: Ending::Accepted,
        };
        let id = new_id();
        delivery.ending = match self.send(path, &id).await {
            Ok(response) => {
                delivery.status = Some(response.status().as_u16());
                self.read(response, &mut delivery.answer).await
            }
            Err(ending) => ending,
        };
        if !matches!(delivery.ending, Ending::Unsent(_)) {
            delivery.id = Some(id);
        }
        delivery
    }

    async fn send(&self, path: &Path, id: &str) -> Result<Response, Ending> {
        let unsent = |exit, what, fix: &str| Ending::Unsent(Problem { exit, what, fix: fix.to_owned() });
        let body = read(path).map_err(|error| {
            unsent(Exit::Input, unreadable(path, &error), "see to it that it can be read")
        })?;
        let headers = self.source.sign(id, Timestamp::now(), &body);
        let headers = headers.map_err(|error| {
            unsent(Exit::Other, format!("it cannot be signed: {error}"), "look at the clock")
        })?;
        let request = self.listener.client.post(&self.url).headers(headers).body(body);
        request.send().await.map_err(|error| Ending::Unanswered(self.unanswered(&error, id)))
    }

    fn unanswered(&self, error: &reqwest::Error, id: &str) -> Problem {
        let (url, cause) = (shown(&self.url), root_cause(error));
        let (what, fix) = if error.is_connect() {
            let fix = format!(
                "see whether `flowhook serve` runs, and whether {} names its address",
                self.listener.named_by
            );
            (format!("nothing answers at `{url}`: {cause}"), fix)
        } else {
            let fix = format!(
                "it may have been accepted all the same: ask /api/deliveries/{}/{id} before you send it again",
                self.source.name()
            );
            (format!("no answer came from `{url}`: {cause}"), fix)
        };
        Problem { exit: Exit::Unreachable, what, fix }
    }

    async fn read(&self, response: Response, answer: &mut Option<Box<RawValue>>) -> Ending {
        let status = response.status();
        let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after_s = header.and_then(|value| value.parse().ok());
        // An answer that breaks off is as good as an empty one: the status counts.
        let text = http::text(response, ANSWER_BYTES).await.unwrap_or_default();
        *answer = match serde_json::from_str(&text) {
            Ok(json) => Some(json),
            Err(_) if text.is_empty() => None,
            Err(_not_json) => to_raw_value(&text).ok(),
        };
        let asked = format!("`{}` ({})", shown(&self.url), self.listener.named_by);
        judge(status, &text, retry_after_s, &asked)
    }
}

/// What the service says with a status of success.
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Success {
    Accepted,
    Duplicate,
    Ignored,
}

/// What an answer means for a file; `asked` is where it comes from, for people.
fn judge(status: StatusCode, answer: &str, retry_after_s: Option<u32>, asked: &str) -> Ending {
    if status.is_success() {
        return match serde_json::from_str(answer) {
            Ok(Success::Accepted) => Ending::Accepted,
            Ok(Success::Duplicate) => Ending::Duplicate,
            Ok(Success::Ignored) => Ending::Ignored,
            Err(_not_ours) => refused(
                Exit::Unreachable,
                format!("{status}, and not in flowhook's words"),
                format!("see whether it is flowhook that answers at {asked}"),
            ),
        };
    }
    let what = detail(answer).unwrap_or_else(|| status.to_string());
    let (exit, fix) = match status {
        StatusCode::UNAUTHORIZED => (
            Exit::Permission,
            "the service's secret for this source is another one, or the clocks differ by more than 5 minutes: \
             compare FLOWHOOK_WEBHOOK_SECRET here and there, then the time"
                .to_owned(),
        ),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            (Exit::Input, format!("see whether it is flowhook that answers at {asked}, and has this source"))
        }
        StatusCode::PAYLOAD_TOO_LARGE => (Exit::Input, "make the file smaller".to_owned()),
        StatusCode::SERVICE_UNAVAILABLE => {
            let when = retry_after_s.map_or_else(|| "later".to_owned(), |s| format!("in {s} s"));
            (Exit::TryLater, format!("send it again {when}"))
        }
        status if status.is_client_error() => (Exit::Input, "mend the file and send it again".to_owned()),
        status if status.is_redirection() => {
            (Exit::Unreachable, format!("redirects are not followed: give the final address, not {asked}"))
        }
        _ => (Exit::Unreachable, format!("look into the log of what answers at {asked}")),
    };
    refused(exit, what, fix)
}

fn refused(exit: Exit, what: String, fix: String) -> Ending {
    Ending::Refused(Problem { exit, what, fix })
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::judge;
    use crate::commands::send::delivery::Ending;
    use crate::commands::send::problem::Problem;
    use crate::exit::Exit;

    fn judged(status: u16, answer: &str, retry_after_s: Option<u32>) -> Ending {
        judge(
            StatusCode::from_u16(status).expect("a status"),
            answer,
            retry_after_s,
            "`http://x/hooks/config`",
        )
    }

    #[test]
    fn success_is_what_the_service_calls_so() {
        let check = |status: u16, answer: &str, expected: fn(&Ending) -> bool| {
            assert!(expected(&judged(status, answer, None)), "{status} {answer}");
        };
        let accepted = r#"{"status":"accepted","id":"msg_1","changes":2}"#;
        check(202, accepted, |ending| matches!(ending, Ending::Accepted));
        check(200, accepted, |ending| matches!(ending, Ending::Accepted));
        check(200, r#"{"status":"duplicate","id":"x"}"#, |ending| matches!(ending, Ending::Duplicate));
        check(200, r#"{"status":"ignored"}"#, |ending| matches!(ending, Ending::Ignored));
        for answer in ["", "<html>", r#"{"status":"ok"}"#] {
            check(200, answer, |ending| {
                matches!(ending, Ending::Refused(Problem { exit: Exit::Unreachable, .. }))
            });
        }
    }

    #[test]
    fn every_refusal_has_its_exit_code_its_words_and_its_next_step() {
        let check = |status: u16, exit: Exit, says: &str| {
            let Ending::Refused(problem) = judged(status, r#"{"detail":"so it is"}"#, Some(3)) else {
                panic!("{status} is refused");
            };
            assert_eq!((problem.exit, problem.what.as_str()), (exit, "so it is"), "{status}");
            assert!(problem.fix.contains(says), "{status}: {}", problem.fix);
        };
        for status in [400, 408, 415, 422, 429, 499] {
            check(status, Exit::Input, "mend the file");
        }
        check(401, Exit::Permission, "FLOWHOOK_WEBHOOK_SECRET");
        check(404, Exit::Input, "`http://x/hooks/config`");
        check(405, Exit::Input, "`http://x/hooks/config`");
        check(413, Exit::Input, "smaller");
        check(503, Exit::TryLater, "again in 3 s");
        check(301, Exit::Unreachable, "redirects");
        for status in [500, 502, 504] {
            check(status, Exit::Unreachable, "`http://x/hooks/config`");
        }
        let Ending::Refused(problem) = judged(503, "<html>", None) else { panic!("503 is refused") };
        assert_eq!(problem.what, "503 Service Unavailable");
        assert_eq!(problem.fix, "send it again later");
    }
}

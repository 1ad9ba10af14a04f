//! Following deliveries to the ends of their changes, through the admin API.

use std::sync::OnceLock;
use std::time::Duration;

use flowhook::backoff::Backoff;
use flowhook::change::{SourceName, State};
use flowhook::http::{self, root_cause, shown};
use reqwest::{StatusCode, Url};
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;

use super::Admin;
use super::change::Change;
use super::delivery::{Delivery, Ending};
use super::problem::Problem;
use crate::commands::listener::Listener;
use crate::commands::listener::detail;
use crate::exit::Exit;

/// How soon a delivery is asked for after it was accepted: a publish takes about so long.
const SOONEST: Duration = Duration::from_millis(10);
/// How long the pause grows between two questions about the same delivery.
const LATEST: Duration = Duration::from_secs(1);
/// How many questions are under way at most. The admin listener serves people too.
const QUESTIONS: usize = 8;
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes: the values of a delivery are in it, which has 1 MiB at most, and
/// more where they are spelt out or fetched.
const ANSWER_BYTES: usize = 8 * 1_024 * 1_024;

/// Follows deliveries of a source.
pub(crate) struct Following {
    source: SourceName,
    admin: Admin,
    places: Semaphore,
    /// Why nothing can be followed any more. What one has found out, the others need not ask.
    broken: OnceLock<Problem>,
}

/// Where a delivery is told of. An id of the sender's own may hold whatever is visible.
fn url(base_url: &str, source: &str, id: &str) -> Option<Url> {
    let mut url = Url::parse(base_url).ok()?;
    url.path_segments_mut().ok()?.pop_if_empty().extend(["api", "deliveries", source, id]);
    Some(url)
}

/// No answer that helps.
enum Unhelpful {
    /// It may be better the next time.
    Now(Problem),
    /// It will not be.
    Ever(Problem),
}

impl Following {
    pub(crate) fn new(source: &SourceName, admin: Admin) -> Self {
        let source = SourceName::clone(source);
        Self { source, admin, places: Semaphore::new(QUESTIONS), broken: OnceLock::new() }
    }

    /// Follows an accepted delivery until its changes have ended, or the wait has.
    pub(crate) async fn follow(&self, mut delivery: Delivery) -> Delivery {
        if let Some(id) = &delivery.id {
            delivery.ending = self.changes(id).await.map_or_else(Ending::Lost, Ending::Followed);
        }
        delivery
    }

    /// What was told last. The wait bounds all of it: the pauses, the wait for a place, the answers.
    async fn changes(&self, id: &str) -> Result<Vec<Change>, Problem> {
        let mut told = Err(self.silent());
        let asking = async {
            let mut pause = Backoff::new(SOONEST, LATEST);
            loop {
                tokio::time::sleep(pause.next(fastrand::f64())).await;
                match self.ask(id).await {
                    Ok(changes) => {
                        let have_ended = changes.iter().all(|change| change.state() != State::Pending);
                        told = Ok(changes);
                        if have_ended {
                            return;
                        }
                    }
                    // What was told of the changes says more than that nothing was told later.
                    Err(Unhelpful::Now(_)) if told.is_ok() => {}
                    Err(Unhelpful::Now(problem)) => told = Err(problem),
                    Err(Unhelpful::Ever(problem)) => {
                        let problem = self.broken.get_or_init(|| problem).clone();
                        if told.is_err() {
                            told = Err(problem);
                        }
                        return;
                    }
                }
            }
        };
        // When the time is up, what has been told counts.
        _ = tokio::time::timeout(self.admin.wait, asking).await;
        told
    }

    async fn ask(&self, id: &str) -> Result<Vec<Change>, Unhelpful> {
        let _place = self.places.acquire().await.expect("the semaphore is never closed");
        if let Some(problem) = self.broken.get() {
            return Err(Unhelpful::Ever(problem.clone()));
        }
        let Listener { base_url, client, .. } = &self.admin.listener;
        let Some(url) = url(base_url, &self.source, id) else {
            return Err(self.unreachable("its address is no URL"));
        };
        let mut request = client.get(url).timeout(ANSWER);
        if let Some(token) = &self.admin.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let answer = request.send().await.map_err(|error| self.unreachable(&root_cause(&error)))?;
        let status = answer.status();
        let text = http::text(answer, ANSWER_BYTES).await;
        let text = text.map_err(|error| self.unreachable(&error.to_string()))?;
        if status == StatusCode::OK {
            let not_ours = |error| self.unreachable(&format!("it is not JSON of ours: {error}"));
            return Change::all_of(&text).map_err(not_ours);
        }
        Err(unhelpful(status, &text, &self.place(), self.admin.token.is_some()))
    }

    /// A connection that breaks, an answer that is late or cut off: all of it passes when a service is started
    /// anew, or a proxy is.
    fn unreachable(&self, cause: &str) -> Unhelpful {
        Unhelpful::Now(Problem {
            exit: Exit::Unreachable,
            what: format!("the admin API does not answer at {}: {cause}", self.place()),
            fix: "see whether it listens there, or give --admin-url; --wait 0 does not follow".to_owned(),
        })
    }

    fn silent(&self) -> Problem {
        Problem {
            exit: Exit::Unreachable,
            what: format!("the admin API at {} has not answered in time", self.place()),
            fix: "see whether that is its address, or give a longer --wait; --wait 0 does not follow"
                .to_owned(),
        }
    }

    /// Where it is asked, and what names the place.
    fn place(&self) -> String {
        let Listener { base_url, named_by, .. } = &self.admin.listener;
        format!("`{}` ({named_by})", shown(base_url))
    }
}

/// What an answer other than 200 means.
fn unhelpful(status: StatusCode, answer: &str, asked: &str, has_token: bool) -> Unhelpful {
    let says = detail(answer).unwrap_or_else(|| status.to_string());
    let what = format!("the admin API at {asked} says: {says}");
    let (exit, fix) = match status {
        StatusCode::UNAUTHORIZED if has_token => {
            (Exit::Permission, "FLOWHOOK_ADMIN_TOKEN here is not the service's: set the same")
        }
        StatusCode::UNAUTHORIZED => (Exit::Permission, "set FLOWHOOK_ADMIN_TOKEN here as the service has it"),
        // A service that cannot read its journal now, or a proxy that cannot reach it or slows us down.
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => return later(what),
        status if status.is_server_error() => return later(what),
        _ => (Exit::Unreachable, "see whether it is the admin API of the service that was sent to"),
    };
    Unhelpful::Ever(Problem { exit, what, fix: fix.to_owned() })
}

fn later(what: String) -> Unhelpful {
    Unhelpful::Now(Problem { exit: Exit::TryLater, what, fix: "ask again later".to_owned() })
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::{Unhelpful, unhelpful};
    use crate::exit::Exit;

    #[test]
    fn only_a_clear_word_ends_the_following() {
        let check = |status: u16, has_token: bool, exit: Exit, passes: bool| {
            let status = StatusCode::from_u16(status).expect("a status");
            let answer = unhelpful(status, r#"{"detail":"So it is."}"#, "`http://x`", has_token);
            let (problem, may_pass) = match answer {
                Unhelpful::Now(problem) => (problem, true),
                Unhelpful::Ever(problem) => (problem, false),
            };
            assert_eq!((problem.exit, may_pass), (exit, passes), "{status}");
            assert_eq!(problem.what, "the admin API at `http://x` says: So it is", "{status}");
        };
        for has_token in [true, false] {
            check(401, has_token, Exit::Permission, false);
        }
        for status in [302, 400, 403, 404] {
            check(status, true, Exit::Unreachable, false);
        }
        for status in [408, 429, 500, 502, 503, 504] {
            check(status, true, Exit::TryLater, true);
        }
    }
}

//! Following deliveries to the ends of their changes, through the admin API.

use std::sync::OnceLock;
use std::time::Duration;

use flowhook::backoff::Backoff;
use flowhook::change::{SourceName, State};
use flowhook::http::{self, root_cause, shown};
use reqwest::StatusCode;
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::change::Change;
use super::delivery::{Delivery, Ending};
use super::problem::Problem;
use super::{Admin, Listener};
use crate::commands::listener::detail;
use crate::exit::Exit;

/// How soon a delivery is asked for after it was accepted: a publish takes about so long.
const SOONEST: Duration = Duration::from_millis(50);
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
pub(super) struct Following {
    source: SourceName,
    admin: Admin,
    places: Semaphore,
    /// Why nothing can be followed any more. What one has found out, the others need not ask.
    broken: OnceLock<Problem>,
}

/// No answer that helps.
enum Unhelpful {
    /// It may be better the next time.
    Now(Problem),
    /// It will not be.
    Ever(Problem),
}

impl Following {
    pub(super) fn new(source: &SourceName, admin: Admin) -> Self {
        let source = SourceName::clone(source);
        Self { source, admin, places: Semaphore::new(QUESTIONS), broken: OnceLock::new() }
    }

    /// Follows an accepted delivery until its changes have ended, or the wait has.
    pub(super) async fn follow(&self, mut delivery: Delivery) -> Delivery {
        if let Some(id) = &delivery.id {
            delivery.ending = self.changes(id).await.map_or_else(Ending::Lost, Ending::Followed);
        }
        delivery
    }

    async fn changes(&self, id: &str) -> Result<Vec<Change>, Problem> {
        let deadline = Instant::now() + self.admin.wait;
        let mut pause = Backoff::new(SOONEST, LATEST);
        loop {
            let next = (Instant::now() + pause.next(fastrand::f64())).min(deadline);
            tokio::time::sleep_until(next).await;
            let is_last = next == deadline;
            match self.ask(id).await {
                Ok(changes) if is_last || changes.iter().all(|change| change.state() != State::Pending) => {
                    return Ok(changes);
                }
                Ok(_pending) => {}
                Err(Unhelpful::Now(problem)) if is_last => return Err(problem),
                Err(Unhelpful::Now(_)) => {}
                Err(Unhelpful::Ever(problem)) => return Err(self.broken.get_or_init(|| problem).clone()),
            }
        }
    }

    async fn ask(&self, id: &str) -> Result<Vec<Change>, Unhelpful> {
        let _place = self.places.acquire().await.expect("the semaphore is never closed");
        if let Some(problem) = self.broken.get() {
            return Err(Unhelpful::Ever(problem.clone()));
        }
        let Listener { base_url, named_by, client } = &self.admin.listener;
        let url = format!("{base_url}/api/deliveries/{}/{id}", self.source);
        let asked = format!("`{}` ({named_by})", shown(base_url));
        let mut request = client.get(url).timeout(ANSWER);
        if let Some(token) = &self.admin.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let unreachable = |cause: String| {
            Unhelpful::Ever(Problem {
                exit: Exit::Unreachable,
                what: format!("the admin API does not answer at {asked}: {cause}"),
                fix: "see whether it listens there, or give --admin-url; --wait 0 does not follow".to_owned(),
            })
        };
        let answer = request.send().await.map_err(|error| unreachable(root_cause(&error)))?;
        let status = answer.status();
        let text = http::text(answer, ANSWER_BYTES).await.map_err(|error| unreachable(error.to_string()))?;
        if status == StatusCode::OK {
            return Change::all_of(&text)
                .map_err(|error| unreachable(format!("it is not JSON of ours: {error}")));
        }
        Err(unhelpful(status, &text, &asked, self.admin.token.is_some()))
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
        StatusCode::SERVICE_UNAVAILABLE => {
            return Unhelpful::Now(Problem { exit: Exit::TryLater, what, fix: "ask again later".to_owned() });
        }
        _ => (Exit::Unreachable, "see whether it is the admin API of the service that was sent to"),
    };
    Unhelpful::Ever(Problem { exit, what, fix: fix.to_owned() })
}

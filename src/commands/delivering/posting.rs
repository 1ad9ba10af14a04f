//! Posting deliveries to a service.

use flowhook::http::{root_cause, shown};
use flowhook::source::{CannotSign, Source};
use jiff::Timestamp;
use reqwest::Response;

use super::answer::{Answer, Asked};
use super::delivery::{Delivery, Ending};
use super::problem::Problem;
use crate::commands::listener::Listener;
use crate::exit::Exit;

/// Posts for a source.
pub(crate) struct Posting<'s> {
    source: &'s Source,
    listener: Listener,
    url: String,
}

impl<'s> Posting<'s> {
    pub(crate) fn new(source: &'s Source, listener: Listener) -> Self {
        let url = format!("{}/hooks/{}", listener.base_url, source.name());
        Self { source, listener, url }
    }

    /// Signs what the file holds and posts it, once.
    pub(crate) async fn post(&self, file: String, id: String, body: Vec<u8>) -> Delivery {
        match self.send(&id, body).await {
            Ok(response) => {
                let answer = Answer::read(response).await;
                let asked = Asked {
                    at: format!("`{}` ({})", shown(&self.url), self.listener.named_by),
                    signs_time: self.source.scheme().signs_time(),
                };
                let ending = answer.ending(&asked);
                let id = answer.id().unwrap_or(id);
                Delivery { file, id: Some(id), status: Some(answer.status), answer: answer.json(), ending }
            }
            Err(Ending::Unsent(problem)) => Delivery::unsent(file, problem),
            Err(ending) => Delivery { file, id: Some(id), status: None, answer: None, ending },
        }
    }

    async fn send(&self, id: &str, body: Vec<u8>) -> Result<Response, Ending> {
        let headers = self.source.sign(id, Timestamp::now(), &body).map_err(|error| {
            let fix = match error {
                CannotSign::BeforeTime => "look at the clock",
                CannotSign::Id(_) | CannotSign::PublicKey => "send it from where it can be signed",
            };
            let what = format!("it cannot be signed: {error}");
            Ending::Unsent(Problem { exit: Exit::Other, what, fix: fix.to_owned() })
        })?;
        let method = self.source.terms().with_body().ok_or_else(|| {
            let what = "its source takes GET alone, with which no file can be sent".to_owned();
            let fix = "name another of its `methods`".to_owned();
            Ending::Unsent(Problem { exit: Exit::Usage, what, fix })
        })?;
        let request = self.listener.client.request(method, &self.url).headers(headers).body(body);
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
}

//! What the practice tenant writes down: every request and every commit.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::flows::Saved;

/// How many requests are remembered; the oldest is forgotten for one more.
pub const REQUESTS_MAX: usize = 1_000_000;
/// How many bytes of text the remembered commits may hold; the oldest are forgotten for more.
pub const COMMITS_MAX_BYTES: usize = 512 * 1024 * 1024;
/// The longest `Retry-After` that is held against a client: what is longer counts as this, 1 h.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `POST /oauth/token`.
    Token,
    /// `GET` of the flow of this id.
    Get(Arc<str>),
    /// `PUT` of the flow of this id.
    Put(Arc<str>),
    /// Anything else: 404.
    Other,
}

impl Call {
    /// The id of the flow that it is about.
    pub fn flow(&self) -> Option<&str> {
        match self {
            Self::Get(flow) | Self::Put(flow) => Some(flow),
            Self::Token | Self::Other => None,
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Not yet.
    Open,
    /// With an answer of this status, whole or torn.
    Answered(u16),
    /// The tenant reset the connection.
    Reset,
    /// The client went away, or the tenant was shut down.
    Unanswered,
}

/// A request, as the tenant saw it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its place in the order of arrival, from 0.
    pub order: u64,
    /// What it asked for.
    pub call: Call,
    /// When its head had arrived.
    pub received_at: Instant,
    /// When its answer left, or it ended without one.
    pub ended_at: Option<Instant>,
    /// How it ended.
    pub end: End,
    /// The answer's `Retry-After`.
    pub retry_after: Option<String>,
    /// When that `Retry-After` will have passed, at most [`RETRY_AFTER_MAX`] after the answer; `None` if it
    /// is absent, malformed or past.
    pub retry_until: Option<Instant>,
    /// How many requests about the same flow were open when it came, itself included; 0 without a flow.
    pub in_flight: usize,
}

/// Who changed a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A PUT: the order of its request.
    Client(u64),
    /// A person: [`super::Sandbox::edit`] or a [`super::Designer`].
    Human,
}

/// A change of a flow that was saved.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The flow's id.
    pub flow: String,
    /// The flow's new version, as it is spelt.
    pub version: String,
    /// Who changed it.
    pub by: By,
    /// When.
    pub at: Instant,
    /// What the flow held before.
    pub before: Arc<str>,
    /// What the client sent, or the person saved.
    pub given: Arc<str>,
    /// What the flow held afterwards.
    pub stored: Arc<str>,
}

/// How many calls there were so far. Nothing is forgotten here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// `POST /oauth/token`, received.
    pub token: u64,
    /// `GET` of a flow, received.
    pub get: u64,
    /// `PUT` of a flow, received.
    pub put: u64,
    /// Anything else, received.
    pub other: u64,
    /// Flow calls answered with 409.
    pub conflicts: u64,
    /// Flow calls answered with 429.
    pub throttled: u64,
    /// PUTs saved.
    pub commits: u64,
    /// PUTs that were to be saved late and were not, because something else was saved before.
    pub late_refused: u64,
}

/// A copy of what was written down; the checks on it are in `checks.rs`.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The requests, in order of arrival.
    pub requests: Vec<Request>,
    /// The commits, in order.
    pub commits: Vec<Commit>,
    /// How many older requests and commits were forgotten, see [`REQUESTS_MAX`] and [`COMMITS_MAX_BYTES`].
    pub forgotten: u64,
}

/// What is being written down.
#[derive(Debug, Default)]
pub(super) struct Log {
    requests: VecDeque<Request>,
    /// The order of the oldest request that is remembered.
    first: u64,
    /// How many requests about a flow are open; a flow without any is not in it.
    open: HashMap<Arc<str>, usize>,
    commits: VecDeque<Commit>,
    commit_bytes: usize,
    commits_forgotten: u64,
    pub(super) calls: Calls,
}

impl Log {
    /// Notes a request that has just arrived; returns its order.
    pub(super) fn begin(&mut self, call: Call, now: Instant) -> u64 {
        let count = match call {
            Call::Token => &mut self.calls.token,
            Call::Get(_) => &mut self.calls.get,
            Call::Put(_) => &mut self.calls.put,
            Call::Other => &mut self.calls.other,
        };
        *count += 1;
        if self.requests.len() >= REQUESTS_MAX {
            self.requests.pop_front();
            self.first += 1;
        }
        let order = self.first + self.requests.len() as u64;
        let in_flight = match &call {
            Call::Get(flow) | Call::Put(flow) => {
                let open = self.open.entry(Arc::clone(flow)).or_default();
                *open += 1;
                *open
            }
            Call::Token | Call::Other => 0,
        };
        self.requests.push_back(Request {
            order,
            call,
            received_at: now,
            ended_at: None,
            end: End::Open,
            retry_after: None,
            retry_until: None,
            in_flight,
        });
        order
    }

    /// Notes how a request ended; only its first end counts, and returns how long the request took.
    pub(super) fn end(
        &mut self,
        order: u64,
        end: End,
        retry_after: Option<String>,
        now: Instant,
    ) -> Option<Duration> {
        let at = order.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        let request =
            at.and_then(|at| self.requests.get_mut(at)).filter(|request| request.end == End::Open)?;
        if let Some(flow) = request.call.flow() {
            if let Some(open) = self.open.get_mut(flow) {
                *open -= 1;
            }
            if self.open.get(flow) == Some(&0) {
                self.open.remove(flow);
            }
            self.calls.conflicts += u64::from(end == End::Answered(409));
            self.calls.throttled += u64::from(end == End::Answered(429));
        }
        request.end = end;
        request.ended_at = Some(now);
        request.retry_until = retry_after.as_deref().and_then(told_wait).map(|wait| now + wait);
        request.retry_after = retry_after;
        Some(now - request.received_at)
    }

    /// Notes a commit.
    pub(super) fn commit(&mut self, flow: &str, by: By, saved: Saved, now: Instant) {
        self.calls.commits += u64::from(by != By::Human);
        let Saved { version, before, given, stored } = saved;
        self.commit_bytes += given.len() + stored.len();
        while self.commit_bytes > COMMITS_MAX_BYTES {
            let Some(oldest) = self.commits.pop_front() else { break };
            self.commit_bytes -= oldest.given.len() + oldest.stored.len();
            self.commits_forgotten += 1;
        }
        self.commits.push_back(Commit { flow: flow.to_owned(), version, by, at: now, before, given, stored });
    }

    /// How many requests that `wanted` accepts were received.
    pub(super) fn count(&self, wanted: impl Fn(&Call) -> bool) -> usize {
        self.requests.iter().filter(|request| wanted(&request.call)).count()
    }

    /// A copy of everything.
    pub(super) fn record(&self) -> Record {
        Record {
            requests: self.requests.iter().cloned().collect(),
            commits: self.commits.iter().cloned().collect(),
            forgotten: self.first + self.commits_forgotten,
        }
    }
}

/// How long a `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3) asks to wait.
fn told_wait(value: &str) -> Option<Duration> {
    let wait = match value.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value.trim()).ok()?.duration_since(SystemTime::now()).ok()?,
    };
    (wait >= Duration::from_secs(1)).then(|| wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::told_wait;

    #[test]
    fn a_retry_after_is_held_against_a_client_only_if_it_tells_a_wait() {
        let check = |value: &str, wanted: Option<u64>| {
            assert_eq!(told_wait(value).map(|wait| wait.as_secs()), wanted, "{value}");
        };
        check("1", Some(1));
        check(" 7 ", Some(7));
        check("100000000", Some(3600));
        for value in ["0", "-5", "1.5", "soon", "", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            check(value, None);
        }
        check("Fri, 31 Dec 9999 23:59:59 GMT", Some(3600));
    }
}

//! The wire of one life of the process, and what is held against its calls.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http;
use bytes::Bytes;
use flowhook::change::{FlowId, Mode, Replaced, State, Values};
use flowhook::http::{Unanswered, Wire};
use flowhook::journal::Attempt;
use hyper::body::{Body, Frame};
use reqwest::header::{AUTHORIZATION, RETRY_AFTER};
use reqwest::{Client, Method, Request, Response};
use serde::de::IgnoredAny;
use tokio::sync::oneshot;

use crate::fault::RetryAfter;
use crate::flow::version_of;
use crate::journal::Journal;
use crate::life::COMPARING;
use crate::plan::Plan;
use crate::tenant::{Answer, Call, Put, Tenant};

/// How long the client waits for an answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The client's shortest wait of its own.
const OWN_WAIT: Duration = Duration::from_secs(1);

/// So many calls a turn that is under way may start at most for a flow that is paused meanwhile, beside those that
/// decide about a PUT: it reads, and again with another token, and then its attempt is not taken.
const READS_WHILE_PAUSED: usize = 4;

/// How long it takes at most until the journal has what the tenant asked for.
const KEPT_WITHIN: Duration = Duration::from_millis(100);

/// What one life of the process has to answer for.
#[derive(Clone)]
pub(crate) struct Calls {
    tenant: Tenant,
    journal: Journal,
    book: Arc<Mutex<Book>>,
}

#[derive(Default)]
pub(crate) struct Book {
    /// Until when no flow call may be started, and since when that is known.
    closed_until: Duration,
    told_at: Duration,
    /// The flows that a call is in flight about.
    in_flight: BTreeSet<String>,
    /// The flows that have been read since the last PUT of them whose outcome is open, or was a conflict.
    read: BTreeSet<String>,
    /// How many calls were started during a pause, by the flow, since when it was paused, and whether they compare.
    while_paused: BTreeMap<(String, Duration, bool), usize>,
    /// When calls were started.
    pub(crate) flow_calls: Vec<Duration>,
    pub(crate) token_calls: Vec<Duration>,
}

impl Book {
    /// The tenant has asked for a pause. Where it does not say for how long, the client's own wait holds; one
    /// burst of refusals is one refusal.
    fn close(&mut self, now: Duration, retry_after: Option<RetryAfter>) {
        let own = (now >= self.closed_until).then_some(OWN_WAIT);
        if let Some(wait) = retry_after.and_then(RetryAfter::wait).or(own) {
            self.closed_until = self.closed_until.max(now + wait);
            self.told_at = now;
        }
    }
}

/// A flow call in flight; over when it is dropped.
struct InFlight {
    calls: Calls,
    flow: String,
    /// Whether it is a read that only compares, which may be made beside a lane's call.
    compares: bool,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.compares {
            self.calls.book().in_flight.remove(&self.flow);
        }
    }
}

/// An HTTP client that only spells requests. Making one takes longer than many a world.
fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(|| flowhook::http::client().expect("a certificate store")).clone()
}

impl Calls {
    pub(crate) fn new(tenant: Tenant, journal: Journal) -> Self {
        Self { tenant, journal, book: Arc::default() }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process that has just started knows nothing but what the journal says of the gate, which has it
    /// unless the crash came first.
    pub(crate) fn begin_life(&self, closed_until: Duration) {
        let mut book = self.book();
        book.in_flight.clear();
        book.read.clear();
        let plan = &self.tenant.plan;
        let can_be_kept = plan.disk_fails.is_empty() && plan.clock_moves == 0;
        let was_kept = self.tenant.ground.elapsed().saturating_sub(book.told_at) > KEPT_WITHIN;
        if !(can_be_kept && was_kept) {
            book.closed_until = book.closed_until.min(closed_until);
        }
    }

    /// The wire that leads here.
    pub(crate) fn wire(&self) -> Wire {
        let calls = self.clone();
        Wire::from_fn(client(), move |request| {
            let calls = calls.clone();
            Box::pin(async move { calls.answer(request).await })
        })
    }

    async fn answer(self, request: Request) -> Result<Response, Unanswered> {
        let path = request.url().path().to_owned();
        if path == "/oauth/token" {
            let now = self.tenant.ground.elapsed();
            self.book().token_calls.push(now);
            let answer = self.over_there(|tenant| tenant.token()).await;
            self.tenant.ground.note(format_args!("token endpoint: {answer:?}"));
            return arrived(answer);
        }
        let flow = path.rsplit('/').next().unwrap_or_default().to_owned();
        if path.starts_with("/config/") {
            return arrived(self.over_there(move |tenant| tenant.configuration(&flow)).await);
        }
        let call = self.flow_call(flow, &request);
        let compares = COMPARING.try_with(|()| ()).is_ok();
        let _in_flight = self.start(&call, compares);
        let there = call.clone();
        let answer = self.over_there(move |tenant| tenant.decide(&there)).await;
        let shown = Shown(&answer);
        let verb = if call.put.is_some() { "PUT" } else { "GET" };
        self.tenant.ground.note(format_args!("{verb} {}: {shown}", call.flow));
        self.finish(&call, &answer, compares);
        arrived(answer)
    }

    fn flow_call(&self, flow: String, request: &Request) -> Call {
        let bearer = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = bearer.and_then(|bearer| bearer.strip_prefix("Bearer t")?.parse().ok());
        let text = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        let text = String::from_utf8_lossy(text).into_owned();
        let put = (request.method() == Method::PUT).then(|| {
            let id = FlowId::parse(&flow).expect("it is in a path");
            let attempt = self.journal.disk().open_attempt(&id).cloned();
            let endings = attempt.iter().flat_map(|attempt| &attempt.plan.endings);
            let published = endings.filter(|ending| ending.state == State::Published);
            let seqs = published.map(|ending| ending.seq).collect();
            let base = attempt.as_ref().and_then(|attempt| attempt.base_version.parse().ok());
            if base.is_none() || base != version_of(&text) {
                let ground = &self.tenant.ground;
                ground.violated(format!("a PUT of {flow} left without its attempt in the journal"));
            }
            let undone = attempt.iter().flat_map(|attempt| self.undone_by(attempt)).collect();
            let members = attempt.iter().flat_map(|attempt| self.members_of(attempt)).collect();
            Put { text, seqs, members, undone }
        });
        Call { flow, token, put }
    }

    /// The members that patches and their rollbacks among an attempt's changes name, each with its node.
    fn members_of(&self, attempt: &Attempt) -> Vec<(String, String)> {
        let disk = self.journal.disk();
        let rows = attempt.plan.endings.iter().filter_map(|end| disk.changes.get(&end.seq));
        let mut members = Vec::new();
        for what in rows.map(|row| &row.change.what).filter(|what| what.mode == Mode::Patch) {
            let names = match &what.values {
                Values::Undo(undo) => undo.replaced.iter().filter_map(|of| of.name.clone()).collect(),
                Values::Patch(patch) => names_in(patch.get()),
                Values::Known(_) | Values::Fetch(_) | Values::Taken { .. } => Vec::new(),
            };
            members.extend(names.into_iter().map(|name| (what.node.as_str().to_owned(), name)));
        }
        members
    }

    /// What the rollbacks among an attempt's changes are about, each with its node.
    fn undone_by(&self, attempt: &Attempt) -> Vec<(String, Replaced)> {
        let disk = self.journal.disk();
        let mut undone = Vec::new();
        for what in attempt
            .plan
            .endings
            .iter()
            .filter_map(|end| disk.changes.get(&end.seq))
            .map(|row| &row.change.what)
        {
            if let Values::Undo(undo) = &what.values {
                let node = what.node.as_str();
                undone.extend(undo.replaced.iter().map(|replaced| (node.to_owned(), replaced.clone())));
            }
        }
        undone
    }

    /// What is held against a call when it is started.
    fn start(&self, call: &Call, compares: bool) -> InFlight {
        let ground = &self.tenant.ground;
        let now = ground.elapsed();
        let mut book = self.book();
        let flow = &call.flow;
        if now < book.closed_until {
            let early = book.closed_until - now;
            ground.violated(format!(
                "a call for {flow} was started {early:?} before the Retry-After had passed"
            ));
        }
        if compares && call.put.is_some() {
            ground.violated(format!("{flow} was PUT by what only compares"));
        }
        if !compares && !book.in_flight.insert(flow.clone()) {
            ground.violated(format!("two calls for {flow} were in flight at the same time"));
        }
        if call.put.is_some() && !book.read.contains(flow) {
            ground
                .violated(format!("{flow} was PUT and not read after a conflict, a lost answer or a start"));
        }
        book.flow_calls.push(now);
        drop(book);
        self.check_pause(call, compares);
        InFlight { calls: self.clone(), flow: flow.clone(), compares }
    }

    /// Nothing is begun for a flow that is paused.
    fn check_pause(&self, call: &Call, compares: bool) {
        let flow = FlowId::parse(&call.flow).expect("it is in a path");
        let decides = self.journal.disk().open_attempt(&flow).is_some();
        let Some(since) = self.journal.paused_since(&flow).filter(|_| !decides) else { return };
        let mut book = self.book();
        let calls = book.while_paused.entry((call.flow.clone(), since, compares)).or_default();
        *calls += 1;
        if *calls > READS_WHILE_PAUSED {
            self.tenant.ground.violated(format!("{calls} calls for {flow} were started while it is paused"));
        }
    }

    /// What follows from an answer, once it is here.
    fn finish(&self, call: &Call, answer: &Answer, compares: bool) {
        let now = self.tenant.ground.elapsed();
        let mut book = self.book();
        match answer {
            Answer::Whole { status: 429, retry_after, .. } => {
                book.close(now, *retry_after);
            }
            Answer::Whole { status: 503, retry_after: Some(retry_after), .. } => {
                book.close(now, Some(*retry_after));
                if !compares {
                    book.read.remove(&call.flow);
                }
            }
            // What was read to compare is no base for a PUT.
            _ if compares => {}
            Answer::Whole { status: 200, body, .. } if version_of(body).is_some() => {
                book.read.insert(call.flow.clone());
            }
            Answer::Whole { status: 400 | 401 | 403 | 404 | 422, .. } => {}
            Answer::Whole { .. } | Answer::Torn { .. } | Answer::Reset | Answer::Silence => {
                book.read.remove(&call.flow);
            }
            Answer::Refused => {}
        }
    }

    /// Has the other side do something: it does it whether or not we are still there.
    async fn over_there(&self, act: impl FnOnce(&Tenant) -> Answer + Send + 'static) -> Answer {
        let (tell, told) = oneshot::channel();
        let tenant = self.tenant.clone();
        tokio::spawn(async move {
            tenant.ground.dawdle(tenant.plan.latency_ms / 2).await;
            let answer = act(&tenant);
            tenant.ground.dawdle(tenant.plan.latency_ms / 2).await;
            if !matches!(answer, Answer::Silence) {
                // Whoever asked may be gone.
                _ = tell.send(answer);
            } else {
                tokio::time::sleep(CALL_TIMEOUT * 2).await;
            }
        });
        match tokio::time::timeout(CALL_TIMEOUT, told).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Answer::Silence,
        }
    }

    /// How many calls an outage may cost at most.
    pub(crate) fn check_spells(&self, plan: &Plan, lives: usize) {
        use crate::plan::Trouble;
        for spell in &plan.spells {
            let book = self.book();
            let calls = match spell.what {
                Trouble::Down | Trouble::Limited | Trouble::Region => &book.flow_calls,
                Trouble::Secret | Trouble::Tokens => &book.token_calls,
                Trouble::Config | Trouble::Locked => continue,
            };
            let began = spell.from + Duration::from_secs(1);
            let within = calls.iter().filter(|at| (began..spell.until).contains(at)).count();
            let seconds = spell.until.saturating_sub(began).as_secs();
            // Who compares looks at each flow twice an interval at most, and a token may be refused for each.
            let every = plan.reconcile.map_or(u64::MAX, |every| every.as_secs());
            let looks = 4 * plan.flows.len() * usize::try_from(seconds / every + 1).unwrap_or(usize::MAX);
            let looks = if plan.reconcile.is_some() { looks } else { 0 };
            let at_most = 40 + 10 * lives + usize::try_from(seconds / 8).unwrap_or(usize::MAX) + looks;
            if within > at_most {
                let what = format!(
                    "{within} calls in {seconds} s of {:?}, at most {at_most} are reasonable",
                    spell.what
                );
                self.tenant.ground.violated(what);
            }
        }
    }
}

/// The names of an object's members.
fn names_in(object: &str) -> Vec<String> {
    serde_json::from_str::<BTreeMap<String, IgnoredAny>>(object).unwrap_or_default().into_keys().collect()
}

/// An answer in a line.
struct Shown<'a>(&'a Answer);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Answer::Whole { status, retry_after, body } => {
                write!(f, "{status} {retry_after:?} version {:?}", version_of(body))
            }
            Answer::Torn { status, .. } => write!(f, "{status}, torn"),
            Answer::Refused | Answer::Reset | Answer::Silence => write!(f, "{:?}", self.0),
        }
    }
}

/// What the client gets.
fn arrived(answer: Answer) -> Result<Response, Unanswered> {
    let lost = |why: &str, may_have_arrived| Err(Unanswered { why: why.to_owned(), may_have_arrived });
    let response = match answer {
        Answer::Whole { status, retry_after, body } => {
            let mut response = http::Response::builder().status(status);
            if let Some(retry_after) = retry_after {
                response = response.header(RETRY_AFTER, retry_after.text());
            }
            response.body(reqwest::Body::from(body))
        }
        Answer::Torn { status, body } => {
            let half = Torn(Some(Bytes::from(body).split_to(20)));
            http::Response::builder().status(status).body(reqwest::Body::wrap(half))
        }
        Answer::Refused => return lost("connection refused", false),
        Answer::Reset => return lost("connection reset", true),
        Answer::Silence => return lost("it timed out", true),
    };
    Ok(Response::from(response.expect("a status and headers that HTTP has")))
}

/// A body that breaks off.
struct Torn(Option<Bytes>);

impl Body for Torn {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(Some(match self.0.take() {
            Some(half) => Ok(Frame::data(half)),
            None => Err(io::ErrorKind::ConnectionReset.into()),
        }))
    }
}

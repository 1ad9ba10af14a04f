//! The tenant itself: its state behind one lock, and what it decides about a request.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderName, RETRY_AFTER};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::faults::{Effect, Faults, Manner};
use super::flows::{Flows, Given, Refusal, Save};
use super::holds::Holds;
use super::human::{EditError, Human};
use super::layout::NotAFlow;
use super::limit::{Bucket, whole_seconds};
use super::oauth::{OAuth, Permission};
use super::record::{By, Call, Log};
use super::reply::{Answer, Canned, Reply, Way};
use super::settings::Settings;

/// The tenant as its connections, people and handles share it.
pub(super) struct Tenant {
    /// Locked for a decision at a time, never across an await.
    state: Mutex<State>,
    /// Moves with every change of the state, so that whoever waits for a condition looks again.
    pulse: watch::Sender<u64>,
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the state: it holds tokens and the secret.
        f.write_str("Tenant")
    }
}

/// Everything that the tenant knows.
pub(super) struct State {
    pub(super) oauth: OAuth,
    pub(super) flows: Flows,
    pub(super) faults: Faults,
    pub(super) limit: Option<Bucket>,
    pub(super) latency: Duration,
    pub(super) holds: Holds,
    /// What answers to flow calls carry beside what they must.
    pub(super) headers: Vec<(HeaderName, String)>,
    /// Cancelled when the connections of now are to end.
    pub(super) connections: CancellationToken,
    pub(super) log: Log,
}

/// A request that was read whole.
pub(super) struct Asked {
    pub(super) order: u64,
    pub(super) call: Call,
    pub(super) authorization: Option<String>,
    /// Whether it says what it accepts.
    pub(super) says_accept: bool,
    pub(super) content: Content,
}

/// What a request carries.
#[derive(Debug)]
pub(super) enum Content {
    /// A form, or nothing of interest.
    Raw(Bytes),
    /// A document, or why it is none.
    Document(Result<Given, NotAFlow>),
}

/// What was decided about a request.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) reply: Reply,
    pub(super) late: Option<LatePut>,
}

/// A PUT that is saved after its request has ended.
#[derive(Debug)]
pub(super) struct LatePut {
    pub(super) after: Duration,
    order: u64,
    flow: Arc<str>,
    given: Given,
}

impl Tenant {
    /// A tenant without flows.
    pub(super) fn new(settings: Settings) -> Self {
        let state = State {
            flows: Flows::default(),
            faults: Faults::default(),
            limit: settings.limit.map(|limit| Bucket::new(limit, Instant::now())),
            latency: settings.latency,
            holds: Holds::default(),
            headers: Vec::new(),
            connections: CancellationToken::new(),
            log: Log::default(),
            oauth: OAuth::new(settings),
        };
        Self { state: Mutex::new(state), pulse: watch::Sender::new(0) }
    }

    /// Looks at the state.
    pub(super) fn look<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state and tells whoever waits.
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.pulse.send_modify(|count| *count = count.wrapping_add(1));
        result
    }

    /// Returns when the state meets the condition, which is looked at after every change.
    pub(super) async fn until(&self, ready: impl Fn(&Self) -> bool) {
        // Subscribed first and looked second: a change in between is seen by `changed`.
        let mut pulse = self.pulse.subscribe();
        while !ready(self) && pulse.changed().await.is_ok() {}
    }

    /// Saves a person's edit.
    pub(super) fn edit(&self, flow: &str, edit: &Human) -> Result<String, EditError> {
        self.with(|state| {
            let saved = state.flows.edit(flow, edit)?;
            let version = saved.version.clone();
            state.log.commit(flow, By::Human, saved, Instant::now());
            Ok(version)
        })
    }

    /// Saves a late PUT, if nothing else was saved since.
    pub(super) fn land(&self, put: &LatePut) {
        self.with(|state| {
            if state.save(&put.flow, &put.given, Save::AsGiven, put.order).is_err() {
                state.log.calls.late_refused += 1;
            }
        });
    }
}

impl State {
    /// Decides about a request and carries the decision out.
    pub(super) fn decide(&mut self, asked: &Asked, now: Instant) -> Decision {
        let permission = match asked.call {
            Call::Token => return self.decide_token(asked, now),
            Call::Get(_) => Permission::Read,
            Call::Put(_) => Permission::Write,
            Call::Other => return no_such_thing().into(),
        };
        let mut decision = self.decide_flow(asked, permission, now);
        if let Reply::Answer(answer, _) = &mut decision.reply {
            *answer = self
                .headers
                .iter()
                .fold(answer.clone(), |answer, (name, value)| answer.with(name.clone(), value));
        }
        decision
    }

    fn decide_flow(&mut self, asked: &Asked, permission: Permission, now: Instant) -> Decision {
        if let Err(refused) = self.oauth.admit(asked.authorization.as_deref(), permission, now) {
            return (*refused).into();
        }
        if let Some(Err(wait)) = self.limit.as_mut().map(|bucket| bucket.take(now)) {
            return throttled(wait).into();
        }
        match (&asked.call, &asked.content) {
            (Call::Put(flow), Content::Document(given)) => self.decide_put(asked, flow, given),
            (Call::Get(flow), _) => self.decide_get(asked, flow),
            (Call::Put(_) | Call::Token | Call::Other, _) => no_such_thing().into(),
        }
    }

    fn decide_token(&mut self, asked: &Asked, now: Instant) -> Decision {
        let (effect, manner) = self.faults.take(&asked.call, true).unwrap_or(ORDINARY);
        let usual = match (&asked.content, effect) {
            // No token is given out, and this answer is not used.
            (_, Effect::Nothing) => no_such_thing(),
            (Content::Raw(form), _) => self.oauth.token(asked.authorization.as_deref(), form, now),
            (Content::Document(_), _) => no_such_thing(),
        };
        reply(manner, usual).into()
    }

    fn decide_get(&mut self, asked: &Asked, flow: &str) -> Decision {
        let (_, manner) = self.faults.take(&asked.call, true).unwrap_or(ORDINARY);
        let text = if manner == Manner::Stale { self.flows.stale_text(flow) } else { self.flows.text(flow) };
        let usual = match text {
            Some(_) if !asked.says_accept => unrenderable(),
            Some(text) => document(text),
            None => no_such_thing(),
        };
        reply(manner, usual).into()
    }

    fn decide_put(&mut self, asked: &Asked, flow: &Arc<str>, given: &Result<Given, NotAFlow>) -> Decision {
        let checked = match given {
            Ok(given) => self.flows.check(flow, given).map(|()| given).map_err(|refusal| refused(&refusal)),
            Err(error) => Err(unreadable(error)),
        };
        let (effect, manner) = self.faults.take(&asked.call, checked.is_ok()).unwrap_or(ORDINARY);
        let (usual, late) = match (checked, effect) {
            (Err(refused), _) => (refused, None),
            // The ordinary answer is not used where nothing is saved.
            (Ok(_), Effect::Nothing) => (no_such_thing(), None),
            (Ok(given), Effect::Save(how)) => {
                let saved = self.save(flow, given, how, asked.order);
                (saved.map_or_else(|refusal| refused(&refusal), document), None)
            }
            (Ok(given), Effect::Later(after)) => {
                let put = LatePut { after, order: asked.order, flow: Arc::clone(flow), given: given.clone() };
                (no_such_thing(), Some(put))
            }
        };
        Decision { reply: reply(manner, usual), late }
    }

    /// Saves a PUT and notes the commit; returns what is stored.
    fn save(&mut self, flow: &str, given: &Given, how: Save, order: u64) -> Result<Arc<str>, Refusal> {
        let saved = self.flows.put(flow, given, how)?;
        let stored = Arc::clone(&saved.stored);
        self.log.commit(flow, By::Client(order), saved, Instant::now());
        Ok(stored)
    }
}

/// What happens where no fault does.
const ORDINARY: (Effect, Manner) = (Effect::Save(Save::AsGiven), Manner::Usual);

impl From<Answer> for Decision {
    fn from(answer: Answer) -> Self {
        Reply::Answer(answer, Way::Whole).into()
    }
}

impl From<Reply> for Decision {
    fn from(reply: Reply) -> Self {
        Self { reply, late: None }
    }
}

fn reply(manner: Manner, usual: Answer) -> Reply {
    match manner {
        Manner::Usual | Manner::Stale => Reply::Answer(usual, Way::Whole),
        Manner::Canned(canned) => Reply::Answer(canned.into(), Way::Whole),
        Manner::OnItsWay(way) => Reply::Answer(usual, way),
        Manner::Silence(wait) => Reply::Silence(wait),
        Manner::Reset => Reply::Reset,
    }
}

fn document(text: Arc<str>) -> Answer {
    Answer::json_text(StatusCode::OK, Bytes::from_owner(Shared(text)))
}

/// A flow's text as it goes out: not copied, for it may be large.
struct Shared(Arc<str>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn no_such_thing() -> Answer {
    Answer::refusal(StatusCode::NOT_FOUND, "not.found", "there is no such thing here")
}

/// 200 all the same, as APIs of this family say it to whoever does not name a format.
fn unrenderable() -> Answer {
    let canned = Canned::status(200).header("content-type", "text/plain");
    canned.body("No known way to render data").into()
}

fn unreadable(error: &NotAFlow) -> Answer {
    Answer::refusal(StatusCode::BAD_REQUEST, "bad.request", &error.to_string())
}

fn throttled(wait: Duration) -> Answer {
    let message = "too many requests: wait as long as Retry-After says";
    let refused = Answer::refusal(StatusCode::TOO_MANY_REQUESTS, "too.many.requests", message);
    refused.with(RETRY_AFTER, &whole_seconds(wait).to_string())
}

fn refused(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::NoSuchFlow => {
            Answer::refusal(StatusCode::NOT_FOUND, "flow.not.found", "there is no such flow")
        }
        Refusal::OtherEnvelope => unreadable(&NotAFlow::Missing("flow")),
        Refusal::Conflict { current } => {
            let message = format!("the version is not current: it is {current}");
            let body = json!({"message": message, "code": "version.conflict", "status": 409}).to_string();
            // Spliced as text: the version goes out as it is spelt.
            let body = format!("{},\"version\":{current}}}", body.trim_end_matches('}'));
            Answer::json_text(StatusCode::CONFLICT, body)
        }
    }
}

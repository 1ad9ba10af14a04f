//! The simulated tenant: what it holds, what it decides, and what it has seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flowhook::change::{Replaced, Seq, Variable};
use flowhook::sandbox::VariableChange;
use serde_json::value::RawValue;

use crate::fault::{Fault, Landing, RetryAfter};
use crate::flow::{Flow, Node, THEIRS, members_in, version_of};
use crate::ground::Ground;
use crate::plan::{Plan, Trouble};

/// A value that the tenant never takes.
pub(crate) const POISON: &str = "\"poison\"";
/// For so long after a save a reader may be shown what was there before it.
pub(crate) const STALE_FOR: Duration = Duration::from_secs(2);

/// A handle to it; clones share it.
#[derive(Clone)]
pub(crate) struct Tenant {
    state: Arc<Mutex<State>>,
    pub(crate) ground: Ground,
    pub(crate) plan: Arc<Plan>,
}

/// From when, and until when, if that is over.
type Away = (Duration, Option<Duration>);

/// What it holds, and its book.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) flows: BTreeMap<String, Flow>,
    /// Every version that there was, with the time from which on it was.
    pub(crate) history: BTreeMap<String, Vec<(Duration, Flow)>>,
    /// Until when somebody holds a flow's lock.
    locks: BTreeMap<String, Duration>,
    /// Of the tokens that were given out, those that are good.
    tokens: BTreeSet<u64>,
    tokens_given: u64,
    /// The last time at which a person touched a variable, or with `*` a whole node.
    pub(crate) touched: BTreeMap<(String, String, String), Duration>,
    /// When nodes were not there: from, until.
    pub(crate) gone: BTreeMap<(String, String), Vec<Away>>,
    /// In which versions changes landed.
    pub(crate) landed: BTreeMap<Seq, Vec<u64>>,
    /// The value that the configuration system has for a flow.
    pub(crate) configured: BTreeMap<String, u64>,
    /// The flows for which a configuration was shown that does not fit.
    pub(crate) unfit: BTreeSet<String>,
}

/// What a PUT would do, known when it leaves.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    pub(crate) text: String,
    /// The changes that it publishes.
    pub(crate) seqs: Vec<Seq>,
    /// The members that its patches and their rollbacks are about, each with its node.
    pub(crate) members: BTreeSet<(String, String)>,
    /// What its rollbacks are about, each with its node; empty for a PUT of other changes.
    pub(crate) undone: Vec<(String, Replaced)>,
}

/// A flow call that has reached the tenant.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) flow: String,
    pub(crate) token: Option<u64>,
    pub(crate) put: Option<Put>,
}

/// What goes back.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Whole {
        status: u16,
        retry_after: Option<RetryAfter>,
        body: String,
    },
    /// The body breaks off.
    Torn {
        status: u16,
        body: String,
    },
    /// Nobody listens.
    Refused,
    /// The connection breaks.
    Reset,
    /// Nothing, for ever.
    Silence,
}

impl Answer {
    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self::Whole { status, retry_after: None, body: body.to_owned() }
    }
}

impl Tenant {
    pub(crate) fn new(ground: Ground, plan: Arc<Plan>) -> Self {
        let tenant = Self { state: Arc::default(), ground, plan };
        for flow in tenant.plan.flows.iter().filter(|flow| flow.exists) {
            tenant.add(&flow.id);
        }
        tenant
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, id: &str) {
        let flow = Flow::new(&["node-a", "node-b"]);
        let mut state = self.state();
        state.history.insert(id.to_owned(), vec![(Duration::ZERO, flow.clone())]);
        state.flows.insert(id.to_owned(), flow);
    }

    /// Somebody changes a flow: a version more.
    pub(crate) fn edit(&self, id: &str, edit: impl FnOnce(&mut Flow)) {
        let now = self.ground.elapsed();
        let mut state = self.state();
        let Some(flow) = state.flows.get_mut(id) else { return };
        edit(flow);
        flow.version += 1;
        let flow = flow.clone();
        state.history.entry(id.to_owned()).or_default().push((now, flow));
    }

    /// Somebody holds the flow's lock.
    pub(crate) fn lock(&self, id: &str, hold: Duration) {
        let until = self.ground.elapsed() + hold;
        self.state().locks.insert(id.to_owned(), until);
    }

    /// Answers a token request.
    pub(crate) fn token(&self) -> Answer {
        let now = self.ground.elapsed();
        if self.plan.suffers(Trouble::Secret, now) {
            return Answer::status(401, r#"{"error":"invalid_client"}"#);
        }
        if self.plan.suffers(Trouble::Tokens, now) || self.plan.suffers(Trouble::Down, now) {
            return self.ground.pick(&[
                Answer::Refused,
                Answer::Silence,
                Answer::status(500, ""),
                Answer::status(200, "<html>"),
                Answer::Whole { status: 429, retry_after: Some(RetryAfter::Seconds(5)), body: String::new() },
            ]);
        }
        if !self.calm() && self.ground.chance(self.plan.faults / 2.0) {
            return self.ground.pick(&[Answer::status(500, ""), Answer::Reset, Answer::status(200, "{}")]);
        }
        let lifetime = self.ground.pick(&["3600", "\"3600\"", "20", "0", "null"]);
        let mut state = self.state();
        state.tokens_given += 1;
        let token = state.tokens_given;
        state.tokens.insert(token);
        Answer::status(
            200,
            &format!(r#"{{"access_token":"t{token}","expires_in":{lifetime},"token_type":"Bearer"}}"#),
        )
    }

    /// Answers a request for a flow's configuration.
    pub(crate) fn configuration(&self, flow: &str) -> Answer {
        let broken = self.plan.suffers(Trouble::Config, self.ground.elapsed())
            || (!self.calm() && self.ground.chance(self.plan.faults));
        if broken {
            return self.ground.pick(&[
                Answer::status(500, ""),
                Answer::Silence,
                Answer::status(200, "<html>"),
            ]);
        }
        let unfit = !self.calm() && self.ground.chance(self.plan.faults / 8.0);
        let mut state = self.state();
        let value = state.configured.get(flow).copied().unwrap_or_default();
        if unfit {
            state.unfit.insert(flow.to_owned());
        }
        let wait = if unfit { "\"soon\"".to_owned() } else { value.to_string() };
        Answer::status(200, &said(value, &wait))
    }

    pub(crate) fn calm(&self) -> bool {
        self.ground.elapsed() >= self.plan.calm_at
    }

    /// Decides a flow call.
    pub(crate) fn decide(&self, call: &Call) -> Answer {
        let now = self.ground.elapsed();
        if self.plan.suffers(Trouble::Down, now) {
            return self.ground.pick(&[Answer::Refused, Answer::Silence, Answer::status(502, "<html>")]);
        }
        let is_good = call.token.is_some_and(|token| self.state().tokens.contains(&token));
        if !is_good || self.plan.suffers(Trouble::Region, now) {
            return Answer::status(401, "");
        }
        if self.plan.suffers(Trouble::Limited, now) {
            return self.limited(429);
        }
        let goes_wrong = !self.calm() && self.ground.chance(self.plan.faults);
        let fault = goes_wrong.then(|| Fault::draw(&self.ground, call.put.is_some()));
        match &call.put {
            None => self.read(call, fault),
            Some(put) => self.write(call, put, fault),
        }
    }

    fn limited(&self, status: u16) -> Answer {
        let retry_after = RetryAfter::draw(&self.ground, status == 503);
        Answer::Whole { status, retry_after, body: "<html>slow down</html>".to_owned() }
    }

    fn read(&self, call: &Call, fault: Option<Fault>) -> Answer {
        let now = self.ground.elapsed();
        let state = self.state();
        let Some(flow) = state.flows.get(&call.flow) else { return Answer::status(404, "") };
        let whole = || Answer::status(200, &flow.text());
        match fault {
            None => whole(),
            Some(Fault::Torn) => Answer::Torn { status: 200, body: flow.text() },
            Some(Fault::Stale) => {
                let history = &state.history[&call.flow];
                let before = history.iter().rev().find(|(from, _)| *from + STALE_FOR <= now);
                before.map_or_else(whole, |(_, flow)| Answer::status(200, &flow.text()))
            }
            Some(fault) => {
                drop(state);
                self.other(call, fault)
            }
        }
    }

    /// What goes wrong with any call before it is looked at.
    fn other(&self, call: &Call, fault: Fault) -> Answer {
        match fault {
            Fault::Status(status) => Answer::status(status, "{\"message\":\"not now\"}"),
            Fault::Limited(status) => self.limited(status),
            Fault::Revoked => {
                if let Some(token) = call.token {
                    self.state().tokens.remove(&token);
                }
                Answer::status(401, "")
            }
            Fault::Reset(_) => Answer::Reset,
            Fault::Silence(_) | Fault::Late => Answer::Silence,
            Fault::Html => Answer::status(200, "<html>"),
            Fault::Torn
            | Fault::Stale
            | Fault::Accepted(_)
            | Fault::Empty
            | Fault::Locked(_)
            | Fault::SilentDrop
            | Fault::CommitThen(_) => Answer::status(500, ""),
        }
    }

    fn write(&self, call: &Call, put: &Put, fault: Option<Fault>) -> Answer {
        let Some(fault) = fault else { return self.saved_and_shown(&call.flow, put) };
        match fault {
            Fault::Locked(status) => Answer::status(status, r#"{"message":"locked by Dana"}"#),
            Fault::Torn => match self.save(&call.flow, put) {
                Ok(shown) => Answer::Torn { status: 200, body: shown },
                Err(refused) => refused,
            },
            Fault::CommitThen(status) => self.saved_then(call, put, Answer::status(status, "")),
            Fault::Reset(Landing::Now) => self.saved_then(call, put, Answer::Reset),
            Fault::Silence(Landing::Now) => self.saved_then(call, put, Answer::Silence),
            Fault::Late => {
                let (tenant, flow, put) = (self.clone(), call.flow.clone(), put.clone());
                let late = Duration::from_secs(5) + self.ground.at_most_ms(40_000);
                tokio::spawn(async move {
                    tokio::time::sleep(late).await;
                    tenant.saved_and_shown(&flow, &put);
                });
                Answer::Silence
            }
            Fault::Accepted(landing) => {
                let answer = Answer::status(202, "");
                match landing {
                    Landing::Now => self.saved_then(call, put, answer),
                    Landing::Never => answer,
                }
            }
            Fault::Empty => self.saved_then(call, put, Answer::status(204, "")),
            Fault::SilentDrop => {
                let moved =
                    self.current(&call.flow).is_some_and(|flow| version_of(&put.text) == Some(flow.version));
                if !moved {
                    return self.saved_and_shown(&call.flow, put);
                }
                self.edit(&call.flow, |_content_stays| {});
                let flow = self.current(&call.flow).expect("it was there");
                Answer::status(200, &flow.text())
            }
            Fault::Status(_)
            | Fault::Limited(_)
            | Fault::Revoked
            | Fault::Reset(Landing::Never)
            | Fault::Silence(Landing::Never)
            | Fault::Html
            | Fault::Stale => self.other(call, fault),
        }
    }

    fn current(&self, flow: &str) -> Option<Flow> {
        self.state().flows.get(flow).cloned()
    }

    /// Saved, then this answer; one that cannot be saved gets its ordinary refusal.
    fn saved_then(&self, call: &Call, put: &Put, answer: Answer) -> Answer {
        match self.save(&call.flow, put) {
            Ok(_shown) => answer,
            Err(refused) => refused,
        }
    }

    /// The members of each node as a PUT has them. It may touch none that none of its changes is about.
    fn patched(&self, flow: &Flow, put: &Put, at: &str) -> Vec<(String, Vec<(String, String)>)> {
        let mut patched = Vec::new();
        for node in &flow.nodes {
            let Some(members) = members_in(&put.text, &node.id) else { continue };
            let is_wanted = |name: &str| put.members.contains(&(node.id.clone(), name.to_owned()));
            let others = |members: &[(String, String)]| {
                members.iter().filter(|(name, _)| !is_wanted(name)).cloned().collect::<Vec<_>>()
            };
            if others(&members) != others(&node.members) {
                self.ground
                    .violated(format!("{at} touched members of {} that nobody named: {members:?}", node.id));
            }
            if !put.undone.is_empty() {
                self.check_undone(node, put, &members, at);
            }
            patched.push((node.id.clone(), members));
        }
        patched
    }

    /// What a rollback changes of a member must have been ours, and is as it was before.
    fn check_undone(&self, node: &Node, put: &Put, after: &[(String, String)], at: &str) {
        let text = |json: &Option<Box<RawValue>>| json.as_deref().map(|json| json.get().to_owned());
        for (of, name) in put.members.iter().filter(|(of, _)| *of == node.id) {
            let before = node.member(name).map(str::to_owned);
            let after = after.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
            let about =
                |(other, replaced): &&(String, Replaced)| other == of && replaced.name.as_ref() == Some(name);
            let mut about = put.undone.iter().filter(about).map(|(_, replaced)| replaced);
            let is_ours = about.clone().any(|replaced| text(&replaced.ours) == before);
            if before != after && !(is_ours && about.any(|replaced| text(&replaced.previous) == after)) {
                self.ground.violated(format!(
                    "{at} rolled `{name}` back from {before:?} to {after:?}, which is not ours"
                ));
            }
        }
    }

    /// The ordinary life of a PUT.
    fn saved_and_shown(&self, flow: &str, put: &Put) -> Answer {
        match self.save(flow, put) {
            Ok(shown) => Answer::status(200, &shown),
            Err(refused) => refused,
        }
    }

    /// Saves what may be saved, and shows it as it is now.
    fn save(&self, id: &str, put: &Put) -> Result<String, Answer> {
        let now = self.ground.elapsed();
        let Some(flow) = self.current(id) else { return Err(Answer::status(404, "")) };
        if version_of(&put.text) != Some(flow.version) {
            return Err(Answer::status(409, r#"{"message":"the version is not current"}"#));
        }
        let is_held = self.state().locks.get(id).is_some_and(|until| now < *until);
        if is_held || self.plan.suffers(Trouble::Locked, now) {
            return Err(Answer::status(409, r#"{"message":"locked by Dana"}"#));
        }
        let found = flow.difference(&put.text);
        if found.changed.iter().any(|change| change.after.as_deref() == Some(POISON)) {
            return Err(Answer::status(422, r#"{"message":"`poison` is no value"}"#));
        }
        let replaced = self.plan.flows.iter().any(|flow| flow.id == id && flow.replaced);
        let at = format!("a PUT of {id} version {}", flow.version);
        // Where the whole list is replaced, how it was spelt goes with it.
        for collateral in found.collateral.iter().filter(|found| !replaced || found.node.is_none()) {
            self.ground.violated(format!("{at} touched more: {collateral}"));
        }
        for change in found.changed.iter().filter(|change| change.variable == THEIRS && !replaced) {
            self.ground.violated(format!("{at} changed a designer's {change:?}"));
        }
        if !put.undone.is_empty() {
            for change in found.changed.iter().filter(|change| !undoes(&flow, &put.undone, change)) {
                self.ground
                    .violated(format!("{at} rolled back what is not ours, or not as it was: {change:?}"));
            }
        }
        let patched = self.patched(&flow, put, &at);
        self.edit(id, |flow| {
            for (node, members) in patched {
                if let Some(node) = flow.node_mut(&node) {
                    node.members = members;
                }
            }
            for change in &found.changed {
                if let Some(node) = flow.node_mut(&change.node) {
                    node.set(&change.variable, change.after.as_deref());
                }
            }
            if replaced {
                flow.nodes.iter_mut().for_each(|node| node.sort_as(&put.text));
            }
        });
        let version = flow.version + 1;
        let mut state = self.state();
        for seq in &put.seqs {
            state.landed.entry(*seq).or_default().push(version);
        }
        let shown = state.flows[id].text();
        drop(state);
        self.ground.note(format_args!("tenant: {id} version {version} saved by us: {:?}", found.changed));
        Ok(shown)
    }
}

/// What the source of a flow's configuration says when that has been moved so often.
pub(crate) fn said(moved: u64, wait: &str) -> String {
    let priority = moved % 3;
    format!(r#"{{"routing_priority":"p{priority}","queue_target":"general","max_wait_time_seconds":{wait}}}"#)
}

/// Whether some rollback of these is about what a PUT changes: it must hold what one of them says is ours, and get
/// what one of them says was there before that.
fn undoes(flow: &Flow, undone: &[(String, Replaced)], change: &VariableChange) -> bool {
    let mut about = undone.iter().filter(|(node, _)| *node == change.node).map(|(_, replaced)| replaced);
    if about.clone().any(|replaced| replaced.name.is_none()) {
        let listed = |list: &Option<Box<RawValue>>| {
            let text = list.as_deref().map_or("[]", RawValue::get);
            let list: Vec<Variable> = serde_json::from_str(text).unwrap_or_default();
            let pair = |of: Variable| (of.name, of.value.get().to_owned());
            list.into_iter().map(pair).collect::<Vec<_>>()
        };
        let there = flow.node(&change.node).map(|node| node.variables.clone());
        return about.any(|replaced| {
            let after = listed(&replaced.previous).into_iter().find(|(name, _)| *name == change.variable);
            there.as_ref() == Some(&listed(&replaced.ours)) && after.map(|(_, value)| value) == change.after
        });
    }
    let text = |json: &Option<Box<RawValue>>| json.as_deref().map(|json| json.get().to_owned());
    let mut named = about.filter(|replaced| replaced.name.as_ref() == Some(&change.variable));
    let is_ours = named.clone().any(|replaced| text(&replaced.ours) == change.before);
    is_ours && named.any(|replaced| text(&replaced.previous) == change.after)
}

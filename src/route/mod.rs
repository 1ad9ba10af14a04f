//! Routes: what a verified delivery means.
//!
//! The route `default` wants the native event:
//!
//! ```json
//! {"type": "config.updated", "timestamp": "2026-11-22T06:00:00Z",
//!  "data": {"flow_id": "…", "node_id": "…",
//!           "config": {"routing_priority": "high", "queue_target": "vip", "max_wait_time_seconds": 30}}}
//! ```
//!
//! `timestamp` is optional and orders the changes; `flow_id` and `node_id` fall back to the settings. An
//! event without `data.config` is *thin*: its variables are fetched from a URL in the settings, never from
//! one in the payload.
//!
//! The route `push` wants what a git host says of a push to the default branch. It has no `type`, and names
//! no flow, node or variable: so the settings must name flow and node, and the variables are fetched. All
//! that the URL may take from it is the commit. The time of the push orders the changes where the host says
//! it, so that an old push that comes again, or late, changes nothing.

mod fetching;
mod members;
mod push;
mod revision;
mod schema;

use std::collections::BTreeSet;
use std::sync::Arc;

use hyper::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use serde_json::value::RawValue;

use crate::change::{BadId, FlowId, Mode, NewChange, NodeId, OrderKey, Values, shorten};
pub use fetching::Fetching;
use members::{Members, Twice, string};
pub use revision::Revision;
pub use schema::{Mismatch, SCHEMA, Schema, object};

/// The name of the route for native events.
const DEFAULT: &str = "default";
/// The name of the route for pushes to a git repository.
const PUSH: &str = "push";
/// The `type` of the events that the default route wants.
const EVENT_TYPE: &str = "config.updated";
/// What stands for the commit in a URL.
const REVISION: &str = "{revision}";
/// How far in the future an event's time may be: a sender's clock may be fast, not wrong. Without a bound
/// one event from the year 3000 would win against every later one.
const AHEAD_AT_MOST: SignedDuration = SignedDuration::from_secs(300);

/// The routes' own settings.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Of the built-in routes.
    pub native: Native,
}

/// What the settings say for the built-in routes.
#[derive(Clone, Debug, Default)]
pub struct Native {
    /// The flow to change when the event names none; `CXONE_FLOW_ID`.
    pub flow: Option<FlowId>,
    /// The node to change when the event names none; `TARGET_NODE_ID`.
    pub node: Option<NodeId>,
    /// Where the variables of a thin event are fetched; `EXTERNAL_API_URL`. `{flow_id}` and `{node_id}` in
    /// it stand for the event's, `{revision}` for the commit of a push and for `HEAD` with any other event.
    pub fetch_url: Option<String>,
    /// The flows that may be changed, or any; `FLOWHOOK_ALLOWED_FLOWS`.
    pub allowed_flows: Option<BTreeSet<FlowId>>,
}

/// A verified delivery, as far as routes look at it.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The name of the source that sent it.
    pub source: &'a str,
    /// The headers of the request: not signed.
    pub headers: &'a HeaderMap,
    /// The body as it came.
    pub body: &'a [u8],
    /// When it arrived.
    pub at: Timestamp,
}

/// What the routes say of a verified delivery.
#[derive(Debug)]
pub enum Judgement {
    /// These changes follow from it.
    Changes(Vec<NewChange>),
    /// No route wants it.
    Ignored,
    /// It is not JSON.
    NotJson(String),
    /// A route wants it and cannot carry it out.
    Refused(String),
}

/// The routes of the service.
#[derive(Clone, Debug)]
pub struct Routes {
    settings: Arc<Native>,
    default: Arc<str>,
    push: Arc<str>,
    fetching: Fetching,
}

/// Why a route cannot carry an event out, for the sender to read.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Twice(#[from] Twice),
    #[error(transparent)]
    Variables(#[from] Mismatch),
    #[error(transparent)]
    BadId(#[from] BadId),
    #[error("`{0}` must be {1}")]
    WrongType(&'static str, &'static str),
    #[error("the event names no `{0}` and no default is set: add it to the event or set {1}")]
    Missing(&'static str, &'static str),
    #[error("the event has no `data.config`, and EXTERNAL_API_URL, where it could be fetched, is not set")]
    NothingToFetch,
    #[error("flow `{0}` is not among the FLOWHOOK_ALLOWED_FLOWS")]
    NotAllowed(FlowId),
    #[error("`timestamp` must be an RFC 3339 time, not `{0}`")]
    NotATime(String),
    #[error("`{0}` `{1}` is more than 300 s ahead: check the sender's clock")]
    AheadOfTime(&'static str, Timestamp),
}

impl Routes {
    /// The routes with these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings.native),
            default: Arc::from(DEFAULT),
            push: Arc::from(PUSH),
            fetching: Fetching::default(),
        }
    }

    /// How the values of thin changes of a route are fetched; nothing if there is no such route that fetches.
    pub fn fetching(&self, route: &str) -> Option<&Fetching> {
        [DEFAULT, PUSH].contains(&route).then_some(&self.fetching)
    }

    /// Judges a verified delivery.
    pub fn judge(&self, event: &Event<'_>) -> Judgement {
        let Event { body, at: now, .. } = *event;
        let text = match std::str::from_utf8(body) {
            Ok(text) => text,
            Err(error) => return Judgement::NotJson(format!("the body is not UTF-8: {error}")),
        };
        let event = match serde_json::from_str::<&RawValue>(text) {
            Ok(event) => event,
            Err(error) => return Judgement::NotJson(format!("the body is not JSON: {error}")),
        };
        match self.change(event, now) {
            Ok(Some(change)) => Judgement::Changes(vec![change]),
            Ok(None) => Judgement::Ignored,
            Err(refusal) => Judgement::Refused(refusal.to_string()),
        }
    }

    /// The change that an event asks for, if a route wants it.
    fn change(&self, event: &RawValue, now: Timestamp) -> Result<Option<NewChange>, Refusal> {
        let Some(event) = Members::of(event) else { return Ok(None) };
        match event.get("type")?.map(string) {
            None => self.pushed(&event, now),
            Some(kind) if kind.as_deref() == Some(EVENT_TYPE) => self.updated(&event, now).map(Some),
            Some(_) => Ok(None),
        }
    }

    /// The change that follows from a push. Where the settings do not say all that it lacks nobody has asked
    /// for pushes, and it is none.
    fn pushed(&self, body: &Members<'_>, now: Timestamp) -> Result<Option<NewChange>, Refusal> {
        let Native { flow: Some(flow), node: Some(node), fetch_url: Some(template), .. } = &*self.settings
        else {
            return Ok(None);
        };
        let Some(push) = push::pushed(body) else { return Ok(None) };
        let order_key = push.at.map(|at| not_ahead("repository.pushed_at", at, now)).transpose()?;
        let values = Values::Fetch(fill(template, flow, node, &push.revision));
        let (flow, node) = (flow.clone(), node.clone());
        let route = Arc::clone(&self.push);
        Ok(Some(NewChange { route, flow, node, mode: Mode::Merge, values, order_key }))
    }

    /// The change that a native event asks for.
    fn updated(&self, event: &Members<'_>, now: Timestamp) -> Result<NewChange, Refusal> {
        let order_key = event.get("timestamp")?.map(|raw| order_key(raw, now)).transpose()?;
        let data = match event.get("data")? {
            Some(raw) => Members::of(raw).ok_or(Refusal::WrongType("data", "an object"))?,
            None => Members::default(),
        };
        let flow = self.flow(&data)?;
        let node = self.node(&data)?;
        let values = match data.get("config")? {
            Some(config) => Values::Known(SCHEMA.variables("data.config", config)?),
            None => Values::Fetch(self.fetch_url(&flow, &node)?),
        };
        let route = Arc::clone(&self.default);
        Ok(NewChange { route, flow, node, mode: Mode::Merge, values, order_key })
    }

    fn flow(&self, data: &Members<'_>) -> Result<FlowId, Refusal> {
        let flow = match data.get("flow_id")? {
            Some(raw) => FlowId::parse(&string(raw).ok_or(Refusal::WrongType("data.flow_id", "a string"))?)?,
            None => {
                let default = self.settings.flow.clone();
                default.ok_or(Refusal::Missing("data.flow_id", "CXONE_FLOW_ID"))?
            }
        };
        match &self.settings.allowed_flows {
            Some(allowed) if !allowed.contains(&flow) => Err(Refusal::NotAllowed(flow)),
            Some(_) | None => Ok(flow),
        }
    }

    fn node(&self, data: &Members<'_>) -> Result<NodeId, Refusal> {
        match data.get("node_id")? {
            Some(raw) => {
                let node = string(raw).ok_or(Refusal::WrongType("data.node_id", "a string"))?;
                Ok(NodeId::parse(&node)?)
            }
            None => self.settings.node.clone().ok_or(Refusal::Missing("data.node_id", "TARGET_NODE_ID")),
        }
    }

    fn fetch_url(&self, flow: &FlowId, node: &NodeId) -> Result<String, Refusal> {
        let template = self.settings.fetch_url.as_deref().ok_or(Refusal::NothingToFetch)?;
        Ok(fill(template, flow, node, &Revision::HEAD))
    }
}

/// What in a URL from settings looks like a placeholder and is none.
pub fn unknown_placeholder(template: &str) -> Option<&str> {
    let inside = template.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
    inside.into_iter().find(|name| !["flow_id", "node_id", "revision"].contains(name))
}

/// A URL from settings with `{flow_id}` and `{node_id}`, percent-encoded, and `{revision}` filled in.
pub fn fill(template: &str, flow: &FlowId, node: &NodeId, revision: &Revision) -> String {
    let encode = |id: &str| -> String {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
        id.as_bytes()
            .iter()
            .map(|b| if plain(b) { char::from(*b).to_string() } else { format!("%{b:02X}") })
            .collect()
    };
    template
        .replace("{flow_id}", &encode(flow.as_str()))
        .replace("{node_id}", &encode(node.as_str()))
        .replace(REVISION, revision.as_str())
}

fn order_key(raw: &RawValue, now: Timestamp) -> Result<OrderKey, Refusal> {
    let text = string(raw).ok_or(Refusal::WrongType("timestamp", "an RFC 3339 string"))?;
    // jiff also reads times with a zone in brackets, which RFC 3339 does not have.
    let time: Timestamp =
        text.parse().ok().filter(|_| !text.contains('[')).ok_or_else(|| Refusal::NotATime(shorten(&text)))?;
    not_ahead("timestamp", time, now)
}

fn not_ahead(member: &'static str, time: Timestamp, now: Timestamp) -> Result<OrderKey, Refusal> {
    if time.duration_since(now) > AHEAD_AT_MOST {
        Err(Refusal::AheadOfTime(member, time))
    } else {
        Ok(OrderKey::Time(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-22T06:00:00Z";
    const CONFIG: &str = r#"{"routing_priority":"high","queue_target":"vip","max_wait_time_seconds":30}"#;

    fn judge(settings: Native, body: &str) -> Judgement {
        judge_bytes(settings, body.as_bytes())
    }

    fn judge_bytes(native: Native, body: &[u8]) -> Judgement {
        let at = NOW.parse().expect("a time");
        Routes::new(Settings { native }).judge(&Event {
            source: "config",
            headers: &HeaderMap::new(),
            body,
            at,
        })
    }

    fn full(timestamp: &str) -> String {
        format!(
            r#"{{"type":"config.updated","timestamp":"{timestamp}","data":{{"flow_id":"f-1","node_id":"n","config":{CONFIG}}}}}"#
        )
    }

    fn change(settings: Native, body: &str) -> NewChange {
        let judgement = judge(settings, body);
        let Judgement::Changes(changes) = &judgement else { panic!("{body} became {judgement:?}") };
        changes.first().expect("a change").clone()
    }

    #[test]
    fn a_full_event_becomes_one_change_with_its_values_as_they_were_spelt() {
        let change = change(Native::default(), &full("2026-11-22T05:59:59.5Z"));
        assert_eq!((change.flow.as_str(), change.node.as_str()), ("f-1", "n"));
        assert_eq!(change.order_key.map(|key| key.to_string()).as_deref(), Some("2026-11-22T05:59:59.5Z"));
        let Values::Known(variables) = change.values else { panic!("not thin") };
        let shown: Vec<_> = variables.iter().map(|v| (v.name.as_str(), v.value.get())).collect();
        assert_eq!(
            shown,
            [
                ("routing_priority", r#""high""#),
                ("queue_target", r#""vip""#),
                ("max_wait_time_seconds", "30")
            ]
        );
    }

    #[test]
    fn a_thin_event_takes_flow_node_and_url_from_the_settings() {
        let settings = Native {
            flow: FlowId::parse("f:1").ok(),
            node: NodeId::parse("a/b ü").ok(),
            fetch_url: Some("http://127.0.0.1/{flow_id}?node={node_id}".to_owned()),
            allowed_flows: None,
        };
        let change = change(settings, r#"{"type":"config.updated"}"#);
        let Values::Fetch(url) = change.values else { panic!("thin") };
        assert_eq!(url, "http://127.0.0.1/f%3A1?node=a%2Fb%20%C3%BC");
    }

    const COMMIT: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";

    fn push(reference: &str) -> String {
        format!(
            r#"{{"ref":"{reference}","after":"{COMMIT}","repository":{{"default_branch":"main"}},"config":{CONFIG}}}"#
        )
    }

    fn complete() -> Native {
        Native {
            flow: FlowId::parse("f-1").ok(),
            node: NodeId::parse("n").ok(),
            fetch_url: Some("http://127.0.0.1/{revision}/{flow_id}/{node_id}?at={revision}".to_owned()),
            allowed_flows: None,
        }
    }

    #[test]
    fn a_push_fetches_its_commit_for_the_flow_and_node_of_the_settings() {
        let change = change(complete(), &push("refs/heads/main"));
        assert_eq!((&*change.route, change.flow.as_str(), change.node.as_str()), ("push", "f-1", "n"));
        assert!(change.order_key.is_none());
        let Values::Fetch(url) = change.values else { panic!("thin") };
        assert_eq!(url, format!("http://127.0.0.1/{COMMIT}/f-1/n?at={COMMIT}"));
    }

    #[test]
    fn a_push_is_ordered_by_its_time() {
        let at = |seconds: i64| {
            let pushed_at = format!(r#"{{"pushed_at":{seconds},"default_branch""#);
            judge(complete(), &push("refs/heads/main").replace(r#"{"default_branch""#, &pushed_at))
        };
        let now: Timestamp = NOW.parse().expect("a time");
        let Judgement::Changes(changes) = at(now.as_second() + 300) else { panic!("a push") };
        assert_eq!(changes[0].order_key, Some(OrderKey::Time(now + AHEAD_AT_MOST)));
        let Judgement::Refused(reason) = at(now.as_second() + 301) else { panic!("ahead of time") };
        assert!(
            reason.contains("`repository.pushed_at` `2026-11-22T06:05:01Z` is more than 300 s"),
            "{reason}"
        );
    }

    #[test]
    fn a_thin_event_fetches_the_newest_commit_that_the_host_knows() {
        let change = change(complete(), r#"{"type":"config.updated"}"#);
        let Values::Fetch(url) = change.values else { panic!("thin") };
        assert_eq!((&*change.route, url.as_str()), ("default", "http://127.0.0.1/HEAD/f-1/n?at=HEAD"));
    }

    #[test]
    fn a_push_is_ignored_unless_the_settings_name_flow_node_and_url() {
        let check = |settings: Native, body: &str| {
            let judgement = judge(settings, body);
            assert!(matches!(judgement, Judgement::Ignored), "{body}: {judgement:?}");
        };
        let good = push("refs/heads/main");
        check(Native { flow: None, ..complete() }, &good);
        check(Native { node: None, ..complete() }, &good);
        check(Native { fetch_url: None, ..complete() }, &good);
        check(complete(), &push("refs/heads/other"));
        check(complete(), &good.replacen('{', r#"{"type":"push","#, 1));
        check(complete(), r#"{"zen":"Keep it logically awesome.","hook_id":1}"#);
    }

    #[test]
    fn what_no_route_wants_is_ignored() {
        for body in ["[]", "5", "null", "{}", r#"{"type":"other"}"#, r#"{"type":5}"#, r#""config.updated""#] {
            assert!(matches!(judge(Native::default(), body), Judgement::Ignored), "{body}");
        }
    }

    #[test]
    fn what_is_not_json_is_told_from_what_is_refused() {
        for body in ["", "{", "not json", r#"{"type":"config.updated"} x"#, "{'type':1}"] {
            assert!(matches!(judge(Native::default(), body), Judgement::NotJson(_)), "{body}");
        }
        let not_utf8 = judge_bytes(Native::default(), b"\xff");
        assert!(matches!(not_utf8, Judgement::NotJson(_)));
    }

    #[test]
    fn a_name_that_is_no_text_does_not_make_a_wanted_event_ignored() {
        for odd in [r#""\ud800":1,"#, r#""\udc00\ud800":null,"#] {
            let body = full(NOW).replacen('{', &format!("{{{odd}"), 1);
            let judgement = judge(Native::default(), &body);
            assert!(!matches!(judgement, Judgement::Ignored), "{body}: {judgement:?}");
        }
    }

    #[test]
    fn every_refusal_names_what_is_wrong() {
        let check = |data: &str, expected: &str| {
            let body = format!(r#"{{"type":"config.updated","data":{data}}}"#);
            let judgement = judge(Native::default(), &body);
            let Judgement::Refused(reason) = &judgement else { panic!("{body} became {judgement:?}") };
            assert!(reason.contains(expected), "{body}: {reason}");
        };
        let with = |config: &str| format!(r#"{{"flow_id":"f","node_id":"n","config":{config}}}"#);
        check("5", "`data` must be an object");
        check(r#"{"node_id":"n"}"#, "set CXONE_FLOW_ID");
        check(r#"{"flow_id":"f"}"#, "set TARGET_NODE_ID");
        check(r#"{"flow_id":"..","node_id":"n"}"#, "flow id `..` is not valid");
        check(r#"{"flow_id":"a/b","node_id":"n"}"#, "flow id `a/b` is not valid");
        check(r#"{"flow_id":7,"node_id":"n"}"#, "`data.flow_id` must be a string");
        check(r#"{"flow_id":"f","node_id":""}"#, "node id `` is not valid");
        check(r#"{"flow_id":"f","node_id":"n"}"#, "EXTERNAL_API_URL");
        check(&with("null"), "`data.config` must be an object");
        check(&with("{}"), "`routing_priority` is missing");
        check(&with(&CONFIG.replace("30", r#""30""#)), "`max_wait_time_seconds` must be a whole number");
        check(&with(&CONFIG.replace("30", "30.5")), "`max_wait_time_seconds` must be a whole number");
        check(&with(&CONFIG.replace(r#""high""#, "1")), "`routing_priority` must be a string");
        check(&with(&CONFIG.replace("{", r#"{"queue_target":"x","#)), "`queue_target` is there twice");
        check(r#"{"flow_id":"f","flow_id":"g","node_id":"n"}"#, "`flow_id` is there twice");
    }

    #[test]
    fn a_flow_that_is_not_allowed_is_refused_also_as_the_default() {
        let allowed = FlowId::parse("f-2").into_iter().collect();
        let settings = Native { allowed_flows: Some(allowed), ..Native::default() };
        let Judgement::Refused(reason) = judge(settings, &full(NOW)) else { panic!("must be refused") };
        assert!(reason.contains("FLOWHOOK_ALLOWED_FLOWS"), "{reason}");
    }

    #[test]
    fn a_time_may_be_five_minutes_ahead_and_no_more() {
        let check = |timestamp: &str, fits: bool| {
            let judgement = judge(Native::default(), &full(timestamp));
            assert_eq!(matches!(judgement, Judgement::Changes(_)), fits, "{timestamp}: {judgement:?}");
        };
        check("2026-11-22T06:05:00Z", true);
        check("2026-11-22T06:05:00.001Z", false);
        check("2026-11-22T07:04:00+01:00", true);
        check("1970-01-01T00:00:00Z", true);
        check("2026-11-22T06:00:00", false);
        check("2026-11-22", false);
        check("2026-11-22T06:00:00Z[UTC]", false);
        check("yesterday", false);
    }
}

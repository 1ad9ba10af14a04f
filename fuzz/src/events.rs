//! What an event means, by the README: read by [`json`](super::json), with no code of the crate.

use super::json::{Found, Value};
use super::times::{Time, rfc3339};

/// An event may be this far ahead of our clock.
const AHEAD_S: i64 = 300;
const NANOS: i128 = 1_000_000_000;
/// The times that can be told, in seconds since 1970: the years -9999 to 9999, less the widest offsets.
const TOLD_S: std::ops::RangeInclusive<i64> = -377_705_023_201..=253_402_207_200;

/// What is set for the routes.
#[derive(Clone, Copy, Debug)]
pub struct Set {
    /// The flow, where an event names none.
    pub flow: Option<&'static str>,
    /// The node, likewise.
    pub node: Option<&'static str>,
    /// Where variables are fetched.
    pub fetch_url: Option<&'static str>,
    /// The only flow that may be changed.
    pub allowed: Option<&'static str>,
}

/// What must become of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It is not JSON.
    NotJson,
    /// No route wants it.
    Ignored,
    /// A route wants it and cannot carry it out.
    Refused,
    /// One change.
    Change {
        /// The route's name.
        route: String,
        /// The flow's id.
        flow: String,
        /// The node's id.
        node: String,
        /// The variables.
        values: Known,
        /// The place among others.
        order: Order,
    },
}

/// The variables of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Names and raw values.
    Values(Vec<(String, String)>),
    /// Where they are fetched.
    Fetch(String),
}

/// What orders a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing.
    None,
    /// A time, in nanoseconds since 1970.
    At(i128),
}

/// Why an event is no change.
enum Not {
    Ignored,
    Refused,
    /// Its time is spelt as RFC 3339 does not have it, and nobody says what it means.
    Unsaid,
}

/// What must become of the body; nothing where that is nobody's to say.
pub fn judged(set: &Set, text: &str, event: &Value, now_s: i64) -> Option<Expected> {
    let change = match event.get("type") {
        _ if event.members().is_none() => Err(Not::Ignored),
        Found::Several => Err(Not::Refused),
        Found::None => pushed(set, text, event, now_s),
        Found::One(kind) if kind.text().as_deref() == Some("config.updated") => {
            updated(set, text, event, now_s)
        }
        Found::One(_) => Err(Not::Ignored),
    };
    match change {
        Ok(change) => Some(change),
        Err(Not::Ignored) => Some(Expected::Ignored),
        Err(Not::Refused) => Some(Expected::Refused),
        Err(Not::Unsaid) => None,
    }
}

fn pushed(set: &Set, text: &str, body: &Value, now_s: i64) -> Result<Expected, Not> {
    let (Some(flow), Some(node), Some(url)) = (set.flow, set.node, set.fetch_url) else {
        return Err(Not::Ignored);
    };
    let told = |of: &Value, name| once(of, name).and_then(Value::text).ok_or(Not::Ignored);
    let repository = once(body, "repository").ok_or(Not::Ignored)?;
    let branch = told(repository, "default_branch")?;
    let commit = told(body, "after")?;
    let is_hex = commit.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
    let is_commit = matches!(commit.len(), 40 | 64) && is_hex && !commit.trim_matches('0').is_empty();
    if told(body, "ref")? != format!("refs/heads/{branch}") || !is_commit {
        return Err(Not::Ignored);
    }
    let order = match repository.get("pushed_at") {
        Found::Several => return Err(Not::Ignored),
        Found::None => Order::None,
        Found::One(at) => match at.raw(text).parse::<i64>() {
            Ok(at_s) if at_s > now_s + AHEAD_S && TOLD_S.contains(&at_s) => return Err(Not::Refused),
            Ok(at_s) if TOLD_S.contains(&at_s) => Order::At(i128::from(at_s) * NANOS),
            Ok(_) | Err(_) => Order::None,
        },
    };
    let values = Known::Fetch(filled(url, flow, node, &commit));
    Ok(Expected::Change { route: "push".into(), flow: flow.into(), node: node.into(), values, order })
}

fn updated(set: &Set, text: &str, event: &Value, now_s: i64) -> Result<Expected, Not> {
    let nothing = Value { span: 0..0, kind: super::json::Kind::Object(Vec::new()) };
    let data = match event.get("data") {
        Found::None => &nothing,
        Found::One(data) if data.members().is_some() => data,
        Found::One(_) | Found::Several => return Err(Not::Refused),
    };
    let flow = text_or(data, "flow_id", set.flow)?;
    let node = text_or(data, "node_id", set.node)?;
    let is_allowed = set.allowed.is_none_or(|allowed| allowed == flow);
    if !is_flow(&flow) || !is_allowed || !(1..=512).contains(&node.len()) {
        return Err(Not::Refused);
    }
    let values = match (data.get("config"), set.fetch_url) {
        (Found::One(config), _) => Known::Values(variables(text, config)?),
        (Found::None, Some(_)) if node.trim_matches('.').is_empty() => return Err(Not::Refused),
        (Found::None, Some(url)) => Known::Fetch(filled(url, &flow, &node, "HEAD")),
        (Found::None, None) | (Found::Several, _) => return Err(Not::Refused),
    };
    let order = order(event, now_s)?;
    Ok(Expected::Change { route: "default".into(), flow, node, values, order })
}

/// Whether it is the id of a flow.
pub fn is_flow(id: &str) -> bool {
    id.len() <= 128
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || "._:-".contains(c))
}

/// The three variables, in the order of the README.
fn variables(text: &str, config: &Value) -> Result<Vec<(String, String)>, Not> {
    let variable = |(name, is_text): (&str, bool)| {
        let raw = once(config, name).ok_or(Not::Refused)?.raw(text);
        let digits = raw.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = digits && raw.parse::<u64>().is_ok_and(|number| number <= 4_294_967_295);
        let fits = if is_text { raw.starts_with('"') } else { is_number };
        if fits { Ok((name.to_owned(), raw.to_owned())) } else { Err(Not::Refused) }
    };
    [("routing_priority", true), ("queue_target", true), ("max_wait_time_seconds", false)]
        .into_iter()
        .map(variable)
        .collect()
}

fn order(event: &Value, now_s: i64) -> Result<Order, Not> {
    let time = match event.get("timestamp") {
        Found::None => return Ok(Order::None),
        Found::Several => return Err(Not::Refused),
        Found::One(time) => time.text().ok_or(Not::Refused)?,
    };
    match rfc3339(&time) {
        Time::At(at) if at > i128::from(now_s + AHEAD_S) * NANOS => Err(Not::Refused),
        Time::At(at) => Ok(Order::At(at)),
        Time::Not => Err(Not::Refused),
        Time::Unsaid => Err(Not::Unsaid),
    }
}

fn once<'v>(of: &'v Value, name: &str) -> Option<&'v Value> {
    if let Found::One(value) = of.get(name) { Some(value) } else { None }
}

fn text_or(data: &Value, name: &str, default: Option<&str>) -> Result<String, Not> {
    match data.get(name) {
        Found::None => default.map(str::to_owned).ok_or(Not::Refused),
        Found::One(value) => value.text().ok_or(Not::Refused),
        Found::Several => Err(Not::Refused),
    }
}

/// The URL with its placeholders filled in.
pub fn filled(url: &str, flow: &str, node: &str, revision: &str) -> String {
    let coded = |id: &str| -> String {
        let coded = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        };
        id.bytes().map(coded).collect()
    };
    let fill = |part: &str| match part.split_once('}') {
        Some(("flow_id", rest)) => coded(flow) + rest,
        Some(("node_id", rest)) => coded(node) + rest,
        Some(("revision", rest)) => revision.to_owned() + rest,
        _ => part.to_owned(),
    };
    url.split('{').map(fill).collect()
}

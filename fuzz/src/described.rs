//! From a body to changes, against a route that settings describe, as the settings' page tells it.

use flowhook::change::{NewChange, Values};
use flowhook::route::{Definition, Event, Judgement, Native, Route, Routes, Settings};
use hyper::HeaderMap;
use jiff::Timestamp;
use serde_json::json;

use super::choices::Choices;
use super::json::{Found, Kind, Refusal, Value, read};
use super::meaning;
use super::odd::Writer;

const NOW_S: i64 = 1_780_000_000;
/// An event may be this far ahead of our clock.
const AHEAD_S: i64 = 300;
const MILLION: i128 = 1_000_000;

/// What differs between the routes that are tried.
#[derive(Clone, Copy)]
struct Set {
    each: bool,
    revision: bool,
    fetch: bool,
    allowed: bool,
    members: bool,
}

/// What must become of a body.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    NotJson,
    Ignored,
    Refused,
    Changes(Vec<Line>),
}

/// A change: flow, node, order key, and its variables or its URL.
type Line = (String, String, String, Vec<(String, String)>);

/// Why nothing follows from an event.
enum Not {
    Wanted,
    Possible,
}

/// Whatever the body: it is judged as the route is described.
pub fn check(choices: &mut Choices<'_>) {
    let bits = choices.byte();
    let bit = |at: u8| bits >> at & 1 == 1;
    let set = Set { each: bit(0), revision: bit(1), fetch: bit(2), allowed: bit(3), members: bit(4) };
    let body = match choices.below(4) {
        0 => choices.rest().to_vec(),
        _ => Writer::new(choices).flags(set.each).into_bytes(),
    };
    let judged = judged(set, &body);
    let Ok(text) = str::from_utf8(&body) else {
        return assert_eq!(judged, Expected::NotJson);
    };
    let text = if text.is_empty() { "null" } else { text };
    let expected = match read(text) {
        Ok(value) => expected(set, text, &value),
        Err(Refusal::Deep) => return,
        Err(Refusal::NotJson) => Expected::NotJson,
    };
    assert_eq!(judged, expected, "{text}");
}

fn route(set: Set) -> Route {
    let mut definition = json!({
        "source": "config",
        "when": [{"at": "/kind", "is": ["flag", 1]}, {"at": "/off", "exists": false}],
        "flow": [{"at": "/flow", "default": "f-1"}, "f-2"],
        "node": {"at": "/n~1d"},
        "order_by": {"at": "/at", "as": if set.revision { "revision" } else { "milliseconds" }},
        "variables": {
            "x": {"at": "/x/0", "type": "integer"},
            "y": {"at": "/y", "default": 7},
            "z": {"at": "/z", "required": false},
        },
    });
    if set.each {
        definition["each"] = json!("/events");
    }
    if set.fetch {
        definition["fetch"] = json!({"url": "https://a.example/{flow_id}/{node_id}"});
    }
    if set.allowed {
        definition["allowed_flows"] = json!(["f-1", "f-2"]);
    }
    if set.members {
        definition["variables_from"] = json!("/all");
    }
    let definition: Definition = serde_json::from_value(definition).expect("a definition");
    Route::new("r", definition).expect("a good route")
}

fn judged(set: Set, body: &[u8]) -> Expected {
    let settings = Settings { native: Native::default(), routes: vec![route(set)] };
    let at = Timestamp::from_second(NOW_S).expect("a time of our age");
    let event = Event { source: "config", headers: &HeaderMap::new(), body, at };
    let routes = Routes::new(settings);
    let explained = routes.explain(&event);
    match routes.judge(&event) {
        Judgement::Ignored => Expected::Ignored,
        Judgement::NotJson(reason) => {
            assert!(!reason.is_empty() && explained.is_err());
            Expected::NotJson
        }
        Judgement::Refused(reason) => {
            assert!(reason.starts_with("route `r`: "), "{reason}");
            Expected::Refused
        }
        Judgement::Changes(changes) => Expected::Changes(changes.iter().map(seen).collect()),
    }
}

fn seen(change: &NewChange) -> Line {
    let values = match &change.values {
        Values::Known(list) => {
            list.iter().map(|one| (one.name.clone(), one.value.get().to_owned())).collect()
        }
        Values::Fetch(url) => vec![("url".to_owned(), url.clone())],
        other @ (Values::Patch(_) | Values::Undo(_) | Values::Taken { .. }) => panic!("it makes {other:?}"),
    };
    let key = change.order_key.map(|key| key.to_string()).unwrap_or_default();
    (change.flow.to_string(), change.node.to_string(), key, values)
}

fn expected(set: Set, text: &str, body: &Value) -> Expected {
    let elements = match (set.each, at(body, &["events"])) {
        (false, _) => std::slice::from_ref(body),
        (true, Err(_)) => return Expected::Refused,
        (true, Ok(found)) => match found.and_then(Value::elements) {
            Some(elements) => elements,
            None => return Expected::Ignored,
        },
    };
    let mut lines = Vec::new();
    for element in elements {
        match follows(set, text, element) {
            Ok(more) => lines.extend(more),
            Err(Not::Wanted) => {}
            Err(Not::Possible) => return Expected::Refused,
        }
    }
    if lines.is_empty() { Expected::Ignored } else { Expected::Changes(lines) }
}

/// The changes of one event.
fn follows(set: Set, text: &str, event: &Value) -> Result<Vec<Line>, Not> {
    let kind = at(event, &["kind"])?.ok_or(Not::Wanted)?;
    let is = |wanted: &str| {
        let value = read(wanted).unwrap_or_else(|refusal| panic!("{wanted}: {refusal:?}"));
        meaning::values(wanted, &value, text, kind)
    };
    if !is("\"flag\"") && !is("1") || at(event, &["off"])?.is_some() {
        return Err(Not::Wanted);
    }
    let known = if set.fetch { Vec::new() } else { variables(set, text, event)? };
    let key = order_key(set, text, at(event, &["at"])?.ok_or(Not::Possible)?).ok_or(Not::Possible)?;
    let node = at(event, &["n/d"])?.and_then(Value::text).ok_or(Not::Possible)?;
    let dots = set.fetch && node.trim_matches('.').is_empty();
    if dots || !(1..=512).contains(&node.len()) {
        return Err(Not::Possible);
    }
    let mut flows = vec![match at(event, &["flow"])? {
        None => "f-1".to_owned(),
        Some(flow) => flow.text().ok_or(Not::Possible)?,
    }];
    if flows[0] != "f-2" {
        flows.push("f-2".to_owned());
    }
    let is_flow = |flow: &String| {
        let is_allowed = !set.allowed || ["f-1", "f-2"].contains(&flow.as_str());
        is_allowed && super::events::is_flow(flow)
    };
    if !flows.iter().all(is_flow) {
        return Err(Not::Possible);
    }
    let line = |flow: String| {
        let url = super::events::filled("https://a.example/{flow_id}/{node_id}", &flow, &node, "HEAD");
        let values = if set.fetch { vec![("url".to_owned(), url)] } else { known.clone() };
        (flow, node.clone(), key.clone(), values)
    };
    Ok(flows.into_iter().map(line).collect())
}

fn variables(set: Set, text: &str, event: &Value) -> Result<Vec<(String, String)>, Not> {
    let mut variables: Vec<(String, String)> = Vec::new();
    if set.members {
        let members = at(event, &["all"])?.and_then(Value::members).ok_or(Not::Possible)?;
        for (name, value) in members {
            let name = name.text().ok_or(Not::Possible)?;
            if variables.iter().any(|(other, _)| *other == name) {
                return Err(Not::Possible);
            }
            variables.push((name, value.raw(text).to_owned()));
        }
        variables.retain(|(name, _)| !["x", "y", "z"].contains(&name.as_str()));
    }
    let x = at(event, &["x", "0"])?.ok_or(Not::Possible)?.raw(text);
    let is_integer = x.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
    if !is_integer {
        return Err(Not::Possible);
    }
    variables.push(("x".to_owned(), x.to_owned()));
    let y = at(event, &["y"])?.map_or("7", |y| y.raw(text));
    variables.push(("y".to_owned(), y.to_owned()));
    if let Some(z) = at(event, &["z"])? {
        variables.push(("z".to_owned(), z.raw(text).to_owned()));
    }
    Ok(variables)
}

/// As it is shown, if it is one.
fn order_key(set: Set, text: &str, value: &Value) -> Option<String> {
    let spelt = value.text().unwrap_or_else(|| value.raw(text).to_owned());
    let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if set.revision {
        let number: u64 = is_digits(&spelt).then(|| spelt.parse().ok()).flatten()?;
        return Some(format!("#{number}"));
    }
    let (whole, fraction) = spelt.split_once('.').unwrap_or((&spelt, "0"));
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let nanos: i128 =
        fraction.bytes().chain([b'0'; 6]).take(6).fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0'));
    let nanos = whole.parse::<u64>().ok().map(|ms| i128::from(ms) * MILLION + nanos)?;
    let ahead = i128::from(NOW_S + AHEAD_S) * MILLION * 1_000;
    let time = Timestamp::from_nanosecond(nanos).ok().filter(|_| nanos <= ahead)?;
    Some(time.to_string())
}

/// What is at the end of these steps.
fn at<'v>(value: &'v Value, steps: &[&str]) -> Result<Option<&'v Value>, Not> {
    let mut value = value;
    for step in steps {
        let next = match &value.kind {
            // The only index that is asked for is the first.
            Kind::Array(elements) if *step == "0" => elements.first(),
            Kind::Array(_) | Kind::Word | Kind::Text(_) => None,
            Kind::Object(_) => match value.get(step) {
                Found::None => None,
                Found::One(value) => Some(value),
                Found::Several => return Err(Not::Possible),
            },
        };
        let Some(next) = next else { return Ok(None) };
        value = next;
    }
    Ok(Some(value))
}

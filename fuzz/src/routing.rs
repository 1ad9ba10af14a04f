//! From a verified body to changes, against the routes as their pages tell them.

use flowhook::change::{FlowId, Mode, NewChange, NodeId, OrderKey, Values};
use flowhook::route::{Event, Judgement, Native, Routes, Settings};
use hyper::HeaderMap;
use jiff::Timestamp;

use super::choices::Choices;
use super::described;
use super::events::{self, Expected, Known, Order, Set};
use super::json::{Kind, Refusal, Value, read};
use super::odd::Writer;

const NOW_S: i64 = 1_780_000_000;
const URL: &str = "http://127.0.0.1/{revision}/{flow_id}/{node_id}?at={revision}";

/// With these bits the route is one that settings describe.
const DESCRIBED: u8 = 0b1100_0000;

/// Whatever the body: it is judged as the pages say, whatever the white space and the order of its members.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let set = choices.byte();
    if set & DESCRIBED == DESCRIBED {
        return described::check(&mut choices);
    }
    let settings = settings(set);
    let body = match choices.below(4) {
        0 => choices.rest().to_vec(),
        1 => Writer::new(&mut choices).push().into_bytes(),
        _ => Writer::new(&mut choices).event().into_bytes(),
    };
    let judged = judged(&settings, &body);
    let Ok(text) = str::from_utf8(&body) else {
        return assert_eq!(judged, Expected::NotJson);
    };
    let value = match read(text) {
        Ok(value) => value,
        Err(Refusal::Deep) => return,
        Err(Refusal::NotJson) => return assert_eq!(judged, Expected::NotJson, "{text}"),
    };
    match events::judged(&settings, text, &value, NOW_S) {
        Some(expected) => assert_eq!(judged, expected, "{text}"),
        None => assert!(judged != Expected::NotJson && judged != Expected::Ignored, "{text}"),
    }
    let other = respelt(text, &value);
    let again = self::judged(&settings, other.as_bytes());
    assert_eq!(again, judged, "{text}\nand then\n{other}");
}

/// What is set, bit by bit. The default flow is not always one of those that are allowed.
fn settings(set: u8) -> Set {
    Set {
        flow: (set & 1 != 0).then_some("f-1"),
        node: (set & 2 != 0).then_some("n 1"),
        fetch_url: (set & 4 != 0).then_some(URL),
        allowed: (set & 8 != 0).then_some(if set & 16 != 0 { "f-1" } else { "f-2" }),
    }
}

fn judged(set: &Set, body: &[u8]) -> Expected {
    let flow = |id: &str| FlowId::parse(id).expect("a good id");
    let native = Native {
        flow: set.flow.map(flow),
        node: set.node.map(|id| NodeId::parse(id).expect("a good id")),
        fetch_url: set.fetch_url.map(str::to_owned),
        allowed_flows: set.allowed.map(|id| [flow(id)].into()),
        ..Native::default()
    };
    let at = Timestamp::from_second(NOW_S).expect("a time of our age");
    let event = Event { source: "config", headers: &HeaderMap::new(), body, at };
    match Routes::new(Settings { native, routes: Vec::new() }).judge(&event) {
        Judgement::Ignored => Expected::Ignored,
        Judgement::NotJson(reason) => {
            assert!(!reason.is_empty());
            Expected::NotJson
        }
        Judgement::Refused(reason) => {
            assert!(!reason.is_empty());
            Expected::Refused
        }
        Judgement::Changes(changes) => {
            let [change] = &changes[..] else { panic!("one event, one change: {changes:?}") };
            seen(change)
        }
    }
}

fn seen(change: &NewChange) -> Expected {
    let NewChange { route, flow, node, mode, values, order_key } = change;
    assert_eq!(*mode, Mode::Merge);
    let values = match values {
        Values::Fetch(url) => Known::Fetch(url.clone()),
        Values::Undo(undo) => panic!("a route rolls nothing back: {undo:?}"),
        Values::Patch(_) | Values::Taken { .. } => {
            panic!("a built-in route makes no such values: {values:?}")
        }
        Values::Known(list) => {
            Known::Values(list.iter().map(|one| (one.name.clone(), one.value.get().to_owned())).collect())
        }
    };
    Expected::Change {
        route: route.to_string(),
        flow: flow.as_str().to_owned(),
        node: node.as_str().to_owned(),
        values,
        order: match order_key {
            None => Order::None,
            Some(OrderKey::Time(time)) => Order::At(time.as_nanosecond()),
            Some(OrderKey::Revision(number)) => panic!("the event has no revision: {number}"),
        },
    }
}

/// The same value with its members backwards and other white space. What is no container keeps its spelling.
fn respelt(text: &str, value: &Value) -> String {
    match &value.kind {
        Kind::Word | Kind::Text(_) => value.raw(text).to_owned(),
        Kind::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(|element| respelt(text, element)).collect();
            format!("[ {}\t]", elements.join("\n,"))
        }
        Kind::Object(members) => {
            let member =
                |(key, value): &(Value, Value)| format!("{} :\r\n{}", key.raw(text), respelt(text, value));
            format!("{{\t{} }}", members.iter().rev().map(member).collect::<Vec<_>>().join(" , "))
        }
    }
}

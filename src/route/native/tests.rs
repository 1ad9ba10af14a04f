//! What the built-in routes say of an event.

use std::time::Duration;

use hyper::HeaderMap;
use jiff::{SignedDuration, Timestamp};

use crate::change::{FlowId, NewChange, NodeId, OrderKey, Values};
use crate::route::{Event, Explained, Judgement, Native, Routes, Settings, Verdict};

const NOW: &str = "2026-11-22T06:00:00Z";
const CONFIG: &str = r#"{"routing_priority":"high","queue_target":"vip","max_wait_time_seconds":30}"#;

fn judge(settings: Native, body: &str) -> Judgement {
    judge_bytes(settings, body.as_bytes())
}

fn judge_bytes(native: Native, body: &[u8]) -> Judgement {
    let at = NOW.parse().expect("a time");
    Routes::new(Settings { native, routes: Vec::new() }).judge(&Event {
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
        [("routing_priority", r#""high""#), ("queue_target", r#""vip""#), ("max_wait_time_seconds", "30")]
    );
}

#[test]
fn a_thin_event_takes_flow_node_and_url_from_the_settings() {
    let settings = Native {
        flow: FlowId::parse("f:1").ok(),
        node: NodeId::parse("a/b ü").ok(),
        fetch_url: Some("http://127.0.0.1/{flow_id}?node={node_id}".to_owned()),
        ..Native::default()
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
        ..Native::default()
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
    assert_eq!(changes[0].order_key, Some(OrderKey::Time(now + SignedDuration::from_secs(300))));
    let Judgement::Refused(reason) = at(now.as_second() + 301) else { panic!("ahead of time") };
    assert!(reason.contains("`repository.pushed_at` `2026-11-22T06:05:01Z` is more than 300 s"), "{reason}");
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

#[test]
fn each_built_in_route_tells_what_it_makes_of_an_event() {
    let check = |native: Native, body: &str, expected: [&str; 2]| {
        let (at, headers) = (NOW.parse().expect("a time"), HeaderMap::new());
        let event = Event { source: "config", headers: &headers, body: body.as_bytes(), at };
        let explained = Routes::new(Settings { native, routes: Vec::new() }).explain(&event).expect("JSON");
        let line = |one: &Explained| match &one.verdict {
            Verdict::Unwanted(why) => format!("{}: {why}", one.route),
            Verdict::Refused(why) => format!("{} refuses: {why}", one.route),
            Verdict::Changes(changes) => format!("{} makes {}", one.route, changes.len()),
        };
        assert_eq!(explained.iter().map(line).collect::<Vec<_>>(), expected, "{body}");
    };
    let no_push = "push: it is no push to the default branch of a git repository";
    let not_native = "default: `type` is not `config.updated`";
    check(Native::default(), &full(NOW), ["default makes 1", no_push]);
    check(Native::default(), "{}", [not_native, no_push]);
    check(
        Native::default(),
        r#"{"type":"config.updated","data":5}"#,
        ["default refuses: `data` must be an object", no_push],
    );
    check(complete(), &push("refs/heads/main"), [not_native, "push makes 1"]);
    check(complete(), &push("refs/heads/other"), [not_native, no_push]);
    let needs = "push: a push names no flow, node or variable: set TARGET_NODE_ID and EXTERNAL_API_URL";
    let native = Native { node: None, fetch_url: None, ..complete() };
    check(native, &push("refs/heads/main"), [not_native, needs]);
    let ahead = push("refs/heads/main")
        .replace(r#"{"default_branch""#, r#"{"pushed_at":9000000000,"default_branch""#);
    let refuses = "push refuses: `repository.pushed_at` `2255-03-14T16:00:00Z` is more than 300 s ahead: check the sender's clock";
    check(complete(), &ahead, [not_native, refuses]);
}

#[test]
fn the_built_in_routes_are_reconciled_where_the_settings_say_all_that_it_needs() {
    let every = Duration::from_secs(300);
    let routes = |native| Routes::new(Settings { native, routes: Vec::new() });
    let all = routes(Native { reconcile_every: every, ..complete() });
    let reconciled: Vec<_> = all.reconciled().collect();
    let [one] = &reconciled[..] else { panic!("one: {reconciled:?}") };
    let [(flow, node)] = &one.targets[..] else { panic!("one: {:?}", one.targets) };
    assert_eq!(
        (&*one.route, one.every, one.url(flow, node).as_str()),
        ("default", every, "http://127.0.0.1/HEAD/f-1/n?at=HEAD")
    );
    assert_eq!(routes(complete()).reconciled().count(), 0);
    let targets = |native| {
        let routes = routes(Native { reconcile_every: every, ..native });
        routes.reconciled().map(|reconciled| reconciled.targets.len()).collect::<Vec<_>>()
    };
    // What events have named is left.
    assert_eq!(targets(Native { flow: None, ..complete() }), [0]);
    assert_eq!(targets(Native { node: None, ..complete() }), [0]);
    assert!(targets(Native { fetch_url: None, ..complete() }).is_empty());
}

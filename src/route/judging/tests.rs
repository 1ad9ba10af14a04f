use std::collections::BTreeMap;

use hyper::header::{HeaderMap, HeaderValue};
use jiff::Timestamp;

use super::{CHANGES_MAX, ELEMENTS_MAX};
use crate::change::{FlowId, NewChange, Values};
use crate::route::schema::VALUES_BYTES_MAX;
use crate::route::{Definition, Event, Explained, Judgement, Native, Route, Routes, Settings, Verdict};

const NOW: &str = "2026-11-22T06:00:00Z";

/// The routes that a settings file describes.
fn routes(file: &str) -> Vec<Route> {
    let tables: BTreeMap<String, Definition> = toml::from_str(file).unwrap_or_else(|error| panic!("{error}"));
    let route = |(name, definition): (String, Definition)| Route::new(&name, definition);
    tables.into_iter().map(|table| route(table).unwrap_or_else(|bad| panic!("{bad:?}\n{file}"))).collect()
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-event", HeaderValue::from_static("push"));
    headers.insert("x-time", HeaderValue::from_static("1780000000"));
    headers.append("x-twice", HeaderValue::from_static("a"));
    headers.append("x-twice", HeaderValue::from_static("a"));
    headers
}

/// Judges what the source `ld` sent.
fn judge(file: &str, body: &str) -> Judgement {
    let settings = Settings { native: Native::default(), routes: routes(file) };
    let at: Timestamp = NOW.parse().expect("a time");
    let event = Event { source: "ld", headers: &headers(), body: body.as_bytes(), at };
    Routes::new(settings).judge(&event)
}

/// A change in a few words: `ROUTE FLOW/NODE MODE KEY VALUES`.
fn told(change: &NewChange) -> String {
    let NewChange { route, flow, node, mode, values, order_key } = change;
    let key = order_key.map_or("-".to_owned(), |key| key.to_string());
    let values = match values {
        Values::Known(list) => {
            let values: Vec<_> = list.iter().map(|one| format!("{}={}", one.name, one.value.get())).collect();
            values.join(",")
        }
        Values::Patch(patch) => patch.get().to_owned(),
        Values::Fetch(url) => url.clone(),
        other @ (Values::Undo(_) | Values::Taken { .. }) => panic!("no route makes {other:?}"),
    };
    format!("{route} {flow}/{node} {} {key} {values}", mode.as_str())
}

fn verdict(file: &str, body: &str) -> String {
    match judge(file, body) {
        Judgement::Changes(changes) => changes.iter().map(told).collect::<Vec<_>>().join(" | "),
        Judgement::Ignored => "ignored".to_owned(),
        Judgement::NotJson(reason) => format!("not JSON: {reason}"),
        Judgement::Refused(reason) => format!("refused: {reason}"),
    }
}

/// One route `r` of the source `ld`, with these lines.
fn one(lines: &str) -> String {
    format!("[r]\nsource = 'ld'\n{lines}")
}

/// The same with flow, node and a variable, so that the lines may be about something else.
fn usual(lines: &str) -> String {
    one(&format!("flow = 'f'\nnode = 'n'\n{lines}\nvariables.v = '/v'"))
}

#[track_caller]
fn check(file: &str, body: &str, expected: &str) {
    assert_eq!(verdict(file, body), expected, "{file}\n{body}");
}

#[test]
fn a_condition_compares_values_not_spellings() {
    let check = |condition: &str, body: &str, holds: bool| {
        let expected = if holds { "r f/n merge - v=1" } else { "ignored" };
        check(&usual(&format!("when = [{condition}]")), body, expected);
    };
    check("{ at = '/k', is = 'flag' }", r#"{"k":"fl\u0061g","v":1}"#, true);
    check("{ at = '/k', is = 'flag' }", r#"{"k":"Flag","v":1}"#, false);
    check("{ at = '/k', is = 'flag' }", r#"{"v":1}"#, false);
    check("{ at = '/k', is = 'flag' }", r#"{"k":{"flag":1},"v":1}"#, false);
    check("{ at = '/k', is = 1 }", r#"{"k":1.0,"v":1}"#, true);
    check("{ at = '/k', is = 1 }", r#"{"k":10e-1,"v":1}"#, true);
    check("{ at = '/k', is = 1 }", r#"{"k":"1","v":1}"#, false);
    check("{ at = '/k', is = 1 }", r#"{"k":1.0000000000000000001,"v":1}"#, false);
    check("{ at = '/k', is = 9007199254740993 }", r#"{"k":9007199254740992,"v":1}"#, false);
    check("{ at = '/k', is = 0.1 }", r#"{"k":0.10,"v":1}"#, true);
    check("{ at = '/k', is = true }", r#"{"k":true,"v":1}"#, true);
    check("{ at = '/k', is = { a = 1 } }", r#"{"k":{"a":1.0},"v":1}"#, true);
    check("{ at = '/k', is = ['a', 1, true] }", r#"{"k":true,"v":1}"#, true);
    check("{ at = '/k', is = ['a', 1, true] }", r#"{"k":"b","v":1}"#, false);
    check("{ at = '/k', is = [['a']] }", r#"{"k":["a"],"v":1}"#, true);
    check("{ at = '/k', exists = true }", r#"{"k":null,"v":1}"#, true);
    check("{ at = '/k', exists = true }", r#"{"v":1}"#, false);
    check("{ at = '/k', exists = false }", r#"{"v":1}"#, true);
    check("{ at = '/k', exists = false }", r#"{"k":null,"v":1}"#, false);
    check("{ at = '/a/0/b', is = 1 }", r#"{"a":[{"b":1}],"v":1}"#, true);
    check("{ header = 'X-Event', is = 'push' }", r#"{"v":1}"#, true);
    check("{ header = 'x-event', is = ['ping', 'push'] }", r#"{"v":1}"#, true);
    check("{ header = 'x-event', is = 'Push' }", r#"{"v":1}"#, false);
    check("{ header = 'x-other', is = 'push' }", r#"{"v":1}"#, false);
    check("{ header = 'x-other', exists = false }", r#"{"v":1}"#, true);
    check("{ at = '/k', is = 1 }, { header = 'x-event', is = 'push' }", r#"{"k":1,"v":1}"#, true);
    check("{ at = '/k', is = 1 }, { header = 'x-event', is = 'no' }", r#"{"k":1,"v":1}"#, false);
}

#[test]
fn what_is_there_twice_on_the_way_is_refused_and_beside_it_is_nobodys_business() {
    let when = usual("when = [{ at = '/k/l', is = 1 }]");
    check(&when, r#"{"k":{"l":1,"l":1},"v":1}"#, "refused: route `r`: `l` is there twice");
    check(&when, r#"{"k":{"l":1},"k":{"l":1},"v":1}"#, "refused: route `r`: `k` is there twice");
    check(&when, r#"{"k":{"l":1},"v":1,"\u0076":1}"#, "refused: route `r`: `v` is there twice");
    check(&when, r#"{"k":{"l":1,"m":1,"m":2},"x":1,"x":2,"v":1}"#, "r f/n merge - v=1");
    let header = usual("when = [{ header = 'x-twice', is = 'a' }]");
    check(&header, r#"{"v":1}"#, "refused: route `r`: `x-twice` is there twice");
}

#[test]
fn flow_and_node_are_literal_or_pointed_at_or_the_default() {
    let at = one(
        "flow = { at = '/f', default = 'main' }\nnode = { at = '/n' }\nvariables.v = '/v'\nallowed_flows = ['main', 'f-2']",
    );
    check(&at, r#"{"n":"a/b ü","v":1}"#, "r main/a/b ü merge - v=1");
    check(&at, r#"{"f":"f\u002d2","n":"n","v":1}"#, "r f-2/n merge - v=1");
    check(
        &at,
        r#"{"f":"f-3","n":"n","v":1}"#,
        "refused: route `r`: flow `f-3` is not among the route's `allowed_flows`",
    );
    let refused = |body: &str, reason: &str| {
        let told = verdict(&at, body);
        assert!(told.starts_with("refused: route `r`: ") && told.contains(reason), "{body}: {told}");
    };
    refused(r#"{"f":"f-2","v":1}"#, "the event names no node: nothing is at `/n`");
    refused(r#"{"f":null,"n":"n","v":1}"#, "`/f` must be a string, the id of a flow");
    refused(r#"{"f":"..","n":"n","v":1}"#, "flow id `..` is not valid");
    refused(r#"{"f":"main/../x","n":"n","v":1}"#, "is not valid");
    refused(r#"{"f":"main","n":"","v":1}"#, "node id `` is not valid");
    refused(r#"{"f":"main","n":7,"v":1}"#, "`/n` must be a string, the id of a node");
    refused(r#"{"f":"main","n":"\ud800","v":1}"#, "`/n` must be a string, the id of a node");
}

#[test]
fn the_allowed_flows_of_the_environment_bound_every_route() {
    let native =
        Native { allowed_flows: FlowId::parse("g").ok().map(|flow| [flow].into()), ..Native::default() };
    let routes = Routes::new(Settings { native, routes: routes(&usual("")) });
    let at = NOW.parse().expect("a time");
    let event = Event { source: "ld", headers: &HeaderMap::new(), body: br#"{"v":1}"#, at };
    let Judgement::Refused(reason) = routes.judge(&event) else { panic!("must be refused") };
    assert_eq!(reason, "route `r`: flow `f` is not among the FLOWHOOK_ALLOWED_FLOWS");
}

#[test]
fn one_event_goes_to_several_flows_and_to_each_once() {
    let file =
        one("flow = ['a', { at = '/f' }, { at = '/g', default = 'c' }]\nnode = 'n'\nvariables.v = '/v'");
    check(&file, r#"{"f":"b","v":1}"#, "r a/n merge - v=1 | r b/n merge - v=1 | r c/n merge - v=1");
    check(&file, r#"{"f":"a","g":"a","v":1}"#, "r a/n merge - v=1");
    check(
        &file,
        r#"{"v":1}"#,
        "refused: route `r`: the event names no flow: nothing is at `/f`, and the route has no default",
    );
}

#[test]
fn several_routes_may_want_one_delivery_and_all_or_none_are_taken() {
    let two = "[a]\nsource = ['ld', 'other']\nflow = 'a'\nnode = 'n'\nvariables.v = '/v'\n\
               [b]\nsource = 'ld'\nwhen = [{ at = '/b', exists = true }]\nflow = 'b'\nnode = 'n'\nvariables.w = '/w'\n\
               [c]\nsource = 'other'\nflow = 'c'\nnode = 'n'\nvariables.v = '/v'";
    check(two, r#"{"v":1}"#, "a a/n merge - v=1");
    check(two, r#"{"v":1,"b":0,"w":2}"#, "a a/n merge - v=1 | b b/n merge - w=2");
    check(two, r#"{"v":1,"b":0}"#, "refused: route `b`: `w` is missing: nothing is at `/w` of the event");
}

#[test]
fn a_variable_is_taken_as_it_is_spelt_and_of_its_type() {
    let file = one("flow = 'f'\nnode = 'n'\n[r.variables]\na = { at = '/a', type = 'number' }\n\
         b = { at = '/b', default = 7 }\nc = { at = '/c', required = false }\nd = { value = 'vip' }");
    check(&file, r#"{"a": 1.10 }"#, r#"r f/n merge - a=1.10,b=7,d="vip""#);
    check(
        &file,
        r#"{"a":1e999,"b":null,"c":{"x" : [1 ]}}"#,
        r#"r f/n merge - a=1e999,b=null,c={"x" : [1 ]},d="vip""#,
    );
    check(&file, r#"{"a":"1"}"#, r#"refused: route `r`: `a` must be a number, not `"1"`"#);
    check(&file, r#"{"a":null}"#, "refused: route `r`: `a` must be a number, not `null`");
    check(&file, r#"{"b":1}"#, "refused: route `r`: `a` is missing: nothing is at `/a` of the event");
}

#[test]
fn a_value_may_be_held_by_a_text() {
    let file =
        one("flow = 'f'\nnode = 'n'\n[r.variables]\na = { at = '/a', type = 'integer', from_text = true }\n\
         b = { at = '/b', type = 'object', from_text = true, required = false }");
    check(&file, r#"{"a":"30"}"#, "r f/n merge - a=30");
    check(&file, r#"{"a":" \u0033 ","b":"{\"x\" : 1.10}"}"#, r#"r f/n merge - a=3,b={"x" : 1.10}"#);
    let refused = |found: &str| format!("refused: route `r`: `a` must be a whole number, not `{found}`");
    check(&file, r#"{"a":30}"#, &refused("30"));
    check(&file, r#"{"a":"30 s"}"#, &refused(r#""30 s""#));
    check(&file, r#"{"a":"3.5"}"#, &refused(r#""3.5""#));
    check(&file, r#"{"a":""}"#, &refused(r#""""#));
}

#[test]
fn all_members_of_an_object_are_variables_but_those_that_are_named() {
    let file =
        one("flow = 'f'\nnode = 'n'\nvariables_from = '/c'\nvariables.b = { at = '/b', required = false }");
    check(&file, r#"{"c":{"x":1,"b":2,"\u0079":[]},"b":3}"#, "r f/n merge - x=1,y=[],b=3");
    check(&file, r#"{"c":{"x":1,"b":2}}"#, "r f/n merge - x=1");
    check(&file, r#"{"c":{}}"#, "ignored");
    check(&file, r#"{"c":[]}"#, "refused: route `r`: `/c` must be an object of variables");
    check(&file, "{}", "refused: route `r`: nothing is at `/c` of the event");
    check(&file, r#"{"c":{"x":1,"x":1}}"#, "refused: route `r`: `x` is there twice");
    check(&file, r#"{"c":{"\ud800":1}}"#, "refused: route `r`: a name in `/c` is not valid Unicode");
    let whole = one("flow = 'f'\nnode = 'n'\nvariables_from = ''");
    check(&whole, r#"{"x":1}"#, "r f/n merge - x=1");
    check(&whole, "5", "refused: route `r`: `the event` must be an object of variables");
}

#[test]
fn an_empty_object_empties_a_list_that_is_replaced_and_values_that_may_be_missing_do_not() {
    check(
        &one("flow = 'f'\nnode = 'n'\nmode = 'replace'\nvariables_from = '/c'"),
        r#"{"c":{}}"#,
        "r f/n replace - ",
    );
    let file = one("flow = 'f'\nnode = 'n'\nmode = 'replace'\nvariables.v = { at = '/v', required = false }");
    check(&file, "{}", "ignored");
    check(&file, r#"{"v":1}"#, "r f/n replace - v=1");
}

#[test]
fn a_merge_patch_is_taken_as_it_is_spelt_and_changes_no_variables() {
    let file = one("flow = 'f'\nnode = 'n'\nmode = 'patch'\npatch_from = '/p'");
    check(&file, r#"{"p":{"a" : {"b":null},"c":1.10}}"#, r#"r f/n patch - {"a" : {"b":null},"c":1.10}"#);
    check(&file, r#"{"p":{ }}"#, "ignored");
    check(&file, "{}", "refused: route `r`: nothing is at `/p` of the event");
    check(&file, r#"{"p":null}"#, "refused: route `r`: `/p`: a merge patch must be an object");
    check(
        &file,
        r#"{"p":{"a":1,"a":2}}"#,
        "refused: route `r`: `/p`: the merge patch has a member `a` twice",
    );
    let variables =
        "`/p`: a merge patch cannot change `variables`: set them with the mode `merge` or `replace`";
    check(&file, r#"{"p":{"vari\u0061bles":[]}}"#, &format!("refused: route `r`: {variables}"));
    let fetched = format!("{file}\nfetch.url = 'https://a.example'");
    let routes = Routes::new(Settings { native: Native::default(), routes: routes(&fetched) });
    let read = |answer: &str| {
        let fetching = routes.fetching("r").expect("it fetches");
        fetching.read(serde_json::from_str(answer).expect("JSON")).map_err(|mismatch| mismatch.to_string())
    };
    assert!(matches!(read(r#"{"p":{"a":1}}"#), Ok(Values::Patch(patch)) if patch.get() == r#"{"a":1}"#));
    assert!(matches!(read(r#"{"p":{}}"#), Ok(Values::Patch(_))));
    assert_eq!(read(r#"{"p":{"variables":1}}"#).err().as_deref(), Some(variables));
}

#[test]
fn each_element_of_an_array_is_an_event_of_its_own() {
    let file = one(
        "each = '/events'\nwhen = [{ at = '/k', is = 1 }]\nflow = { at = '/f' }\nnode = 'n'\nvariables.v = '/v'\n\
         order_by = { at = '/r', as = 'revision' }",
    );
    let events = |events: &str| format!(r#"{{"k":1,"f":"x","v":0,"events":[{events}]}}"#);
    check(
        &file,
        &events(r#"{"k":1,"f":"a","v":1,"r":1},{"k":2},{"k":1,"f":"b","v":2,"r":2}"#),
        "r a/n merge #1 v=1 | r b/n merge #2 v=2",
    );
    check(&file, &events(r#"{"k":2},5"#), "ignored");
    check(&file, &events(""), "ignored");
    check(&file, r#"{"events":{"k":1}}"#, "ignored");
    check(&file, r#"{"k":1}"#, "ignored");
    check(
        &file,
        &events(r#"{"k":1,"f":"a","v":1,"r":1},{"k":1}"#),
        "refused: route `r`: element 2: `v` is missing: nothing is at `/v` of the event",
    );
    check(&file, &events(r#"{"k":1,"k":2}"#), "refused: route `r`: element 1: `k` is there twice");
    let whole = one("each = ''\nflow = 'f'\nnode = 'n'\nvariables.v = '/v'");
    check(&whole, r#"[{"v":1},{"v":2}]"#, "r f/n merge - v=1 | r f/n merge - v=2");
    check(&whole, r#"{"v":1}"#, "ignored");
}

#[test]
fn an_order_key_is_a_time_or_a_revision_and_must_be_there() {
    let check = |order_by: &str, body: &str, expected: &str| {
        let told = verdict(&usual(&format!("order_by = {{ {order_by} }}")), &format!(r#"{{"v":1,{body}}}"#));
        let expected = match expected.strip_prefix("refused: ") {
            Some(reason) => format!("refused: route `r`: {reason}"),
            None => format!("r f/n merge {expected} v=1"),
        };
        assert_eq!(told, expected, "{order_by} {body}");
    };
    check("at = '/t', as = 'time'", r#""t":"2026-11-22T07:00:00+01:00""#, NOW);
    check("at = '/t', as = 'seconds'", r#""t":1780000000"#, "2026-05-28T20:26:40Z");
    check("at = '/t', as = 'seconds'", r#""t":"1780000000.5""#, "2026-05-28T20:26:40.5Z");
    check("at = '/t', as = 'milliseconds'", r#""t":1780000000123"#, "2026-05-28T20:26:40.123Z");
    check("at = '/t', as = 'milliseconds'", r#""t":1780000000123.25"#, "2026-05-28T20:26:40.12325Z");
    check("at = '/t', as = 'seconds'", r#""t":0"#, "1970-01-01T00:00:00Z");
    check("at = '/t', as = 'revision'", r#""t":18446744073709551615"#, "#18446744073709551615");
    check("at = '/t', as = 'revision'", r#""t":"7""#, "#7");
    check("header = 'X-Time', as = 'seconds'", r#""t":0"#, "2026-05-28T20:26:40Z");

    let none = "refused: the event lacks `/t`, by which its route orders events";
    check("at = '/t', as = 'time'", r#""u":1"#, none);
    let none = "refused: the event lacks the header `x-none`, by which its route orders events";
    check("header = 'x-none', as = 'seconds'", r#""t":0"#, none);
    for wrong in ["5", "null", r#""yesterday""#, r#""2026-11-22""#, r#""2026-11-22T06:00:00Z[UTC]""#] {
        let told = format!("refused: `/t` must be an RFC 3339 time, not `{wrong}`");
        check("at = '/t', as = 'time'", &format!(r#""t":{wrong}"#), &told);
    }
    for wrong in [
        "-1",
        r#""1.""#,
        "1.7e9",
        r#""+1""#,
        r#""""#,
        r#"" 1""#,
        r#""1.5.5""#,
        "[1]",
        "99999999999999999999",
        "1e1",
    ] {
        let told = format!("refused: `/t` must be a time in seconds since 1970, not `{wrong}`");
        check("at = '/t', as = 'seconds'", &format!(r#""t":{wrong}"#), &told);
    }
    for wrong in ["1.0", "-1", "18446744073709551616", "true"] {
        let told =
            format!("refused: `/t` must be a whole number from 0 to 18446744073709551615, not `{wrong}`");
        check("at = '/t', as = 'revision'", &format!(r#""t":{wrong}"#), &told);
    }
}

#[test]
fn a_time_may_be_five_minutes_ahead_and_a_revision_as_high_as_it_likes() {
    let ahead = |as_kind: &str, at: &str| {
        let file = usual(&format!("order_by = {{ at = '/t', as = '{as_kind}' }}"));
        verdict(&file, &format!(r#"{{"v":1,"t":{at}}}"#)).contains("is more than 300 s ahead")
    };
    let now = NOW.parse::<Timestamp>().expect("a time").as_second();
    assert!(!ahead("seconds", &(now + 300).to_string()));
    assert!(ahead("seconds", &(now + 301).to_string()));
    assert!(ahead("milliseconds", &format!("{}001", now + 300)));
    assert!(ahead("time", r#""2026-11-22T06:05:00.001Z""#));
    assert!(!ahead("revision", &format!("{now}000000")));
}

#[test]
fn values_that_are_fetched_are_not_looked_for_in_the_event() {
    let file = one("flow = ['f:1', { at = '/f' }]\nnode = 'a b'\nvariables.v = '/v'\n\
         fetch.url = 'https://a.example/{flow_id}/{node_id}?at={revision}'");
    check(
        &file,
        r#"{"f":"f-2"}"#,
        "r f:1/a b merge - https://a.example/f%3A1/a%20b?at=HEAD | r f-2/a b merge - https://a.example/f-2/a%20b?at=HEAD",
    );
    let commit = "6dcb09b5b57875f334f61aebed695e2e4193db5e";
    let push = format!(
        r#"{{"ref":"refs/heads/main","after":"{commit}","repository":{{"default_branch":"main"}},"f":"f:1"}}"#
    );
    check(&file, &push, &format!("r f:1/a b merge - https://a.example/f%3A1/a%20b?at={commit}"));
}

#[test]
fn a_node_of_dots_alone_does_not_stand_in_a_url() {
    let file = |url: &str| {
        one(&format!("flow = 'f'\nnode = {{ at = '/n' }}\nvariables.v = '/v'\nfetch.url = '{url}'"))
    };
    for dots in [".", "..", "..."] {
        let told = verdict(&file("https://a.example/{node_id}/x"), &format!(r#"{{"n":"{dots}"}}"#));
        assert!(told.starts_with(&format!("refused: route `r`: node id `{dots}` cannot stand")), "{told}");
    }
    check(
        &file("https://a.example/{node_id}/x"),
        r#"{"n":"..a"}"#,
        "r f/..a merge - https://a.example/..a/x",
    );
    check(&file("https://a.example/x"), r#"{"n":".."}"#, "r f/.. merge - https://a.example/x");
}

#[test]
fn an_answer_is_read_by_the_routes_own_mapping() {
    let file = one(
        "flow = 'f'\nnode = 'n'\nfetch = { url = 'https://a.example', headers = { Authorization = 'Bearer x' }, timeout_seconds = 5, max_bytes = 99 }\n\
         variables_from = '/all'\nvariables.v = { at = '/v', type = 'integer', default = 3 }",
    );
    let routes = Routes::new(Settings { native: Native::default(), routes: routes(&file) });
    let fetching = routes.fetching("r").expect("it fetches");
    let read = |answer: &str| match fetching.read(serde_json::from_str(answer).expect("JSON")) {
        Ok(Values::Known(list)) => {
            list.iter().map(|one| format!("{}={}", one.name, one.value.get())).collect::<Vec<_>>().join(",")
        }
        Ok(Values::Patch(patch)) => patch.get().to_owned(),
        Ok(other) => panic!("no answer is {other:?}"),
        Err(mismatch) => mismatch.to_string(),
    };
    assert_eq!(read(r#"{"all":{"x":1.0},"v":7}"#), "x=1.0,v=7");
    assert_eq!(read(r#"{"all":{}}"#), "v=3");
    assert_eq!(read(r#"{"all":{},"v":"7"}"#), r#"`v` must be a whole number, not `"7"`"#);
    assert_eq!(read("[]"), "nothing is at `/all` of the answer");
    let manner = &fetching.manner;
    assert_eq!((manner.timeout.as_secs(), manner.max_bytes), (5, 99));
    assert!(manner.headers["authorization"].is_sensitive());
    assert!(routes.fetching("s").is_none() && routes.fetching("default").is_some());
}

#[test]
fn a_source_that_no_route_names_has_the_built_in_ones_and_only_it() {
    let file = usual("").replace("'ld'", "'other'");
    let native = r#"{"type":"config.updated","data":{"flow_id":"f","node_id":"n","config":{"routing_priority":"high","queue_target":"vip","max_wait_time_seconds":30}}}"#;
    let told = verdict(&file, native);
    assert!(told.starts_with("default f/n merge - routing_priority="), "{told}");
    check(&usual("when = [{ at = '/x', is = 1 }]"), native, "ignored");
}

#[test]
fn a_body_without_a_byte_says_nothing_that_could_be_pointed_at() {
    let file = one("flow = 'f'\nnode = 'n'\nfetch.url = 'https://a.example'\nvariables.v = '/v'");
    check(&file, "", "r f/n merge - https://a.example");
    check(&usual(""), "", "refused: route `r`: `v` is missing: nothing is at `/v` of the event");
    assert!(verdict(&file, " ").starts_with("not JSON: "));
    assert!(verdict("", "").starts_with("not JSON: "));
}

#[test]
fn what_follows_from_one_event_is_bounded() {
    let file = one("each = '/e'\nflow = ['a', 'b']\nnode = 'n'\nvariables.v = '/v'");
    let events = |count: usize| format!(r#"{{"e":[{}]}}"#, vec![r#"{"v":1}"#; count].join(","));
    let Judgement::Changes(changes) = judge(&file, &events(CHANGES_MAX / 2)) else { panic!("not too many") };
    assert_eq!(changes.len(), CHANGES_MAX);
    let too_many = "more than 1000 changes in one event: send it in parts";
    check(&file, &events(CHANGES_MAX / 2 + 1), &format!("refused: route `r`: {too_many}"));
    let half = format!("{}\n{}", file.replace("[r]", "[s]").replace(", 'b'", ""), file.replace(", 'b'", ""));
    check(&half, &events(CHANGES_MAX / 2 + 1), &format!("refused: {too_many}"));

    let file = one("each = '/e'\nwhen = [{ at = '/v', is = 2 }]\nflow = 'a'\nnode = 'n'\nvariables.v = '/v'");
    check(&file, &events(ELEMENTS_MAX), "ignored");
    let too_many = "refused: route `r`: more than 10000 elements in one event: send it in parts";
    check(&file, &events(ELEMENTS_MAX + 1), too_many);

    let heavy = format!(r#"{{"v":"{}"}}"#, "x".repeat(VALUES_BYTES_MAX / 2));
    let file = one("flow = ['a', 'b']\nnode = 'n'\nvariables.v = '/v'");
    let too_many = "refused: route `r`: more than 16777216 bytes of values in one event: send it in parts";
    check(&file, &heavy, too_many);
    let file = one("flow = 'a'\nnode = 'n'\nvariables = { v = '/v', w = '/v' }");
    check(&file, &heavy, "refused: route `r`: the route's values are more than 16777216 bytes in all");
}

#[test]
fn depth_costs_no_stack() {
    let deep = format!(r#"{{"v":{}1{},"k":1}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let told = verdict(&usual("when = [{ at = '/v', is = 1 }]"), &deep);
    assert_eq!(told, "ignored");
    assert!(verdict(&usual("when = [{ at = '/k', is = 1 }]"), &deep).starts_with("r f/n merge - v=[[["));
}

/// What each route says, a line each.
fn explained(file: &str, body: &str) -> Vec<String> {
    let settings = Settings { native: Native::default(), routes: routes(file) };
    let at = NOW.parse().expect("a time");
    let event = Event { source: "ld", headers: &headers(), body: body.as_bytes(), at };
    let explained = Routes::new(settings).explain(&event).unwrap_or_else(|reason| panic!("{reason}"));
    let line = |one: Explained| match one.verdict {
        Verdict::Unwanted(why) => format!("{}: {why}", one.route),
        Verdict::Refused(why) => format!("{} refuses: {why}", one.route),
        Verdict::Changes(changes) => changes.iter().map(told).collect::<Vec<_>>().join(" | "),
    };
    explained.into_iter().map(line).collect()
}

#[test]
fn every_route_of_the_source_tells_what_it_makes_of_an_event() {
    let file = "[a]\nsource = 'ld'\nflow = 'a'\nnode = 'n'\nvariables.v = '/v'\n\
                [b]\nsource = 'ld'\nwhen = [{ at = '/k', is = ['x', 5] }]\nflow = 'b'\nnode = 'n'\nvariables.v = '/v'\n\
                [c]\nsource = 'ld'\nflow = 'c'\nnode = 'n'\nvariables.w = '/w'\n\
                [d]\nsource = 'other'\nflow = 'd'\nnode = 'n'\nvariables.v = '/v'";
    let told = [
        "a a/n merge - v=1",
        "b: `/k` is `\"y\"`, and must be `\"x\"` or `5`",
        "c refuses: `w` is missing: nothing is at `/w` of the event",
    ];
    assert_eq!(explained(file, r#"{"k":"y","v":1}"#), told);
}

#[test]
fn why_a_route_does_not_want_an_event_is_told() {
    let check = |lines: &str, body: &str, expected: &str| {
        assert_eq!(explained(&usual(lines), body), [format!("r: {expected}")], "{lines} {body}");
    };
    check("when = [{ at = '/k', is = 1 }]", "{}", "`/k` is not there, and must be `1`");
    check("when = [{ at = '/k', exists = true }]", "{}", "`/k` is not there, and must be");
    check("when = [{ at = '/k', exists = false }]", r#"{"k":1}"#, "`/k` is `1`, and must not be there");
    check("when = [{ at = '', is = 1 }]", "2", "the whole is `2`, and must be `1`");
    let header = "when = [{ header = 'x-event', is = 'ping' }]";
    check(header, "{}", "the header `x-event` is `\"push\"`, and must be `\"ping\"`");
    let long = format!(r#"{{"k":"{}"}}"#, "x".repeat(1_000));
    let shown = format!("`/k` is `\"{}…`, and must be `1`", "x".repeat(79));
    check("when = [{ at = '/k', is = 1 }]", &long, &shown);
    check("each = '/e'", r#"{"e":{}}"#, "`/e` is no array of events");
    check("each = '/e'", r#"{"e":[]}"#, "it holds none of the values that the route carries");
    let each = "each = '/e'\nwhen = [{ at = '/k', is = 1 }]";
    check(each, r#"{"e":[{"k":2}]}"#, "in its only element `/k` is `2`, and must be `1`");
    check(each, r#"{"e":[{"k":2},{"k":3}]}"#, "in the first of 2 elements `/k` is `2`, and must be `1`");
    let optional = one("flow = 'f'\nnode = 'n'\nvariables.v = { at = '/v', required = false }");
    assert_eq!(explained(&optional, "{}"), ["r: it holds none of the values that the route carries"]);
}

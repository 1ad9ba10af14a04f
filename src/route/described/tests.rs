use crate::change::Mode;
use crate::route::{Definition, OnDrift, Route};

/// All that is told of a route with these lines, one problem a line.
fn told(lines: &str) -> String {
    match toml::from_str::<Definition>(lines) {
        Err(error) => error.message().to_owned(),
        Ok(definition) => match Route::new("r", definition) {
            Ok(_route) => String::new(),
            Err(bad) => bad.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        },
    }
}

/// Lines that make a route, less those of the same key.
fn with(lines: &str) -> String {
    let usual = ["source = 'ld'", "flow = 'f'", "node = 'n'", "variables = { v = '/v' }"];
    let key = |line: &str| line.split(['.', ' ']).next().unwrap_or_default().to_owned();
    let given: Vec<String> = lines.lines().map(key).collect();
    let kept = usual.into_iter().filter(|line| !given.contains(&key(line)));
    kept.chain(lines.lines()).collect::<Vec<_>>().join("\n")
}

fn route(lines: &str) -> Route {
    let definition = toml::from_str(&with(lines)).unwrap_or_else(|error| panic!("{error}\n{lines}"));
    Route::new("r", definition).unwrap_or_else(|bad| panic!("{bad:?}\n{lines}"))
}

#[test]
fn a_route_that_can_be_used_has_nothing_told_of_it() {
    let check = |lines: &str| assert_eq!(told(&with(lines)), "", "{lines}");
    check("");
    check("source = ['ld', 'other']");
    check("flow = { at = '/f' }\nnode = { at = '/n', default = 'n' }");
    check("flow = ['f', { at = '/f', default = 'g' }]\nallowed_flows = ['f', 'g']");
    check("mode = 'replace'\nvariables_from = ''");
    check("variables_from = '/c'\nvariables = {}");
    check("mode = 'patch'\npatch_from = '/p'\nvariables = {}");
    check("variables = { a = { value = [1, 'x', { y = 1.5 }] }, b = { at = '', type = 'object' } }");
    check("order_by = { header = 'X-Time', as = 'milliseconds' }");
    check("fetch = { url = 'http://127.0.0.1/{flow_id}' }\nreconcile = { every_seconds = 0 }");
    check("fetch = { url = 'https://a.example' }\nreconcile = { on_drift = 'repair' }");
}

#[track_caller]
fn check(lines: &str, expected: &str) {
    assert_eq!(told(&with(lines)), expected, "{lines}");
}

#[test]
fn what_is_wrong_with_an_address_is_told_with_its_key_and_what_to_do() {
    check("source = []", "`source` is an empty list: name the source whose events it looks at");
    check("source = ['a', 'a']", "`source` names `a` twice: name it once");
    check(
        "each = 'events'",
        "`each` cannot be used: `events` is no JSON pointer: begin it with `/`, as in `/data/value`",
    );
    check("flow = []", "`flow` must name 1 to 100 flows, not 0");
    check(
        "flow = 'a/b'",
        "`flow` cannot be used: flow id `a/b` is not valid: it must be 1 to 128 letters, digits, `.`, `_`, `:` or `-`, the first a letter or digit",
    );
    check("node = ''", "`node` cannot be used: node id `` is not valid: it must be 1 to 512 bytes long");
    check("mode = 'Merge'", "`mode` is `Merge`: use `merge`, `replace` or `patch`");
}

#[test]
fn what_is_wrong_with_a_condition_is_told_with_its_key_and_what_to_do() {
    check("when = [{ at = '/a' }]", "`when[0]` says not what must hold: set `is` to a value, or `exists`");
    check(
        "when = [{ is = 1 }]",
        "`when[0]` says not where to look: set `at` to a pointer, or `header` to a name",
    );
    check(
        "when = [{ at = '/a', header = 'a', exists = true }]",
        "`when[0]` has both `at` and `header`: keep one",
    );
    check("when = [{ at = '/a', is = 1, exists = true }]", "`when[0]` has both `is` and `exists`: keep one");
    check(
        "when = [{ at = '/a', is = [] }]",
        "`when[0].is` is an empty list, so that it never holds: fill it in",
    );
    check(
        "when = [{ header = 'a', is = [1] }]",
        "`when[0].is` must be text, as a header is: put quotes around it",
    );
    check(
        "when = [{ header = 'a b', is = 'x' }]",
        "`when[0].header` cannot be used: it is no name of a header",
    );
    check(
        "allowed_flows = []",
        "`allowed_flows` is an empty list, which allows none: fill it in, or remove it to allow any",
    );
    check("allowed_flows = ['g']", "`flow` is `f`, which is not among its `allowed_flows`: add it there");
    check(
        "flow = { at = '/f', default = 'f' }\nallowed_flows = ['g']",
        "`flow` is `f`, which is not among its `allowed_flows`: add it there",
    );
}

#[test]
fn what_is_wrong_with_variables_is_told_with_its_key_and_what_to_do() {
    check(
        "variables = {}",
        "`variables` names none: add some, or point `variables_from` at an object of them",
    );
    check(
        "variables = { v = {} }",
        "`variables.v` says not what its value is: set `at` to a pointer, or `value`",
    );
    check(
        "variables = { v = { at = '/v', value = 1 } }",
        "`variables.v` has both `at` and `value`: keep one",
    );
    check(
        "variables = { v = { at = '/v', type = 'integer', default = 'x' } }",
        "`variables.v.default` is `\"x\"`, and must be a whole number",
    );
    check(
        "variables = { v = { at = '/v', type = 'string', from_text = true } }",
        "`variables.v.from_text` goes with a `type` other than `string`: set the type that the text holds",
    );
    check(
        "variables = { v = { at = '/v', default = 1, required = true } }",
        "`variables.v` has both `default` and `required`: keep one",
    );
    check(
        "variables = { v = { value = 1, required = false } }",
        "`variables.v` has a `value`, which is always there: remove `default` and `required`",
    );
    check(
        "mode = 'patch'\nvariables = {}",
        "`patch_from` is missing, and the mode is `patch`: point it at the merge patch",
    );
    check(
        "mode = 'patch'\npatch_from = '/p'",
        "`mode` is `patch`, which sets no variables: remove `variables` and `variables_from`",
    );
    check(
        "patch_from = '/p'",
        "`patch_from` goes with the mode `patch` only: set `mode = \"patch\"`, or remove it",
    );
}

#[test]
fn what_is_wrong_with_a_fetch_is_told_with_its_key_and_what_to_do() {
    check(
        "reconcile = {}",
        "`reconcile` goes with `fetch` only, since events do not come again: add it, or remove this",
    );
    check(
        "variables = { v = { value = 1 } }\nfetch = { url = 'https://a.example' }",
        "`fetch` is of no use, since nothing points into the answer: remove it, or read something",
    );
    check(
        "fetch = { url = 'https://{flow_id}.example' }",
        "`fetch.url` cannot be used: it has a placeholder before its path, which an event must not choose: name the host",
    );
    check(
        "fetch = { url = 'https://a.example/{flow}' }",
        "`fetch.url` cannot be used: it has a placeholder `flow`: it knows {flow_id}, {node_id} and {revision}",
    );
    let fetch = |more: &str| format!("fetch = {{ url = 'https://a.example', {more} }}");
    check(&fetch("timeout_seconds = 0"), "`fetch.timeout_seconds` must be 1 to 60, not 0");
    check(&fetch("max_bytes = 99999999"), "`fetch.max_bytes` must be 1 to 16777216, not 99999999");
    check(
        &fetch("headers = { 'a b' = 'x' }"),
        "`fetch.headers.a b` is no name of a header: use letters, digits and `-`",
    );
    check(&fetch("headers = { Host = 'x' }"), "`fetch.headers.Host` is for us to say: remove it");
    check(
        &fetch("headers = { a = 'x', A = 'y' }"),
        "`fetch.headers.a` is there twice, spelt in two ways: keep one",
    );
    check(
        &format!("{}\nreconcile.every_seconds = 86401", fetch("")),
        "`reconcile.every_seconds` must be at most 86400; 0 turns it off",
    );
}

#[test]
fn a_header_that_cannot_be_sent_is_not_shown() {
    let told = told(&with("fetch = { url = 'https://a.example', headers = { a = \"hunter2\\n\" } }"));
    assert!(told.starts_with("`fetch.headers.a` cannot be sent") && !told.contains("hunter2"), "{told}");
}

#[test]
fn all_problems_are_told_at_once() {
    let told = told(&with("source = []\nflow = '..'\nnode = ''\nmode = 'x'\neach = 'x'\nreconcile = {}"));
    let keys: Vec<_> = told.lines().filter_map(|line| line.split('`').nth(1)).collect();
    assert_eq!(keys, ["source", "each", "flow", "node", "mode", "reconcile"]);
}

#[test]
fn what_does_not_have_the_shape_is_told_in_words() {
    let check = |lines: &str, expected: &str| {
        let told = told(&with(lines));
        assert!(told.contains(expected), "{lines}: {told}");
    };
    check("sources = 'ld'", "unknown field `sources`, expected one of `source`, `when`");
    check("flow = 5", "invalid type: integer `5`, expected one or a list of them");
    check("flow = [5]", "invalid type: integer `5`, expected a text or a table");
    check("flow = { from = '/f' }", "unknown field `from`, expected `at` or `default`");
    check("node = ['n']", "invalid type: sequence, expected a text or a table");
    check("variables = { v = 5 }", "invalid type: integer `5`, expected a text or a table");
    check(
        "variables = { v = { at = '/v', type = 'int' } }",
        "unknown variant `int`, expected one of `string`",
    );
    check("variables = { v = { value = 2026-11-22 } }", "JSON has no times: put quotes around `2026-11-22`");
    check("variables = { v = { value = nan } }", "`NaN` is no number in JSON");
    check("order_by = { at = '/t' }", "missing field `as`");
    check("fetch = {}", "missing field `url`");
    check("when = [{ pointer = '/a', is = 1 }]", "unknown field `pointer`");
}

#[test]
fn a_name_is_letters_digits_and_dashes_and_none_of_ours() {
    let check = |name: &str, fits: bool| {
        let definition: Definition = toml::from_str(&with("")).expect("a definition");
        assert_eq!(Route::new(name, definition).is_ok(), fits, "`{name}`");
    };
    check("max-wait_2", true);
    check(&"a".repeat(64), true);
    check(&"a".repeat(65), false);
    check("", false);
    check("a b", false);
    check("a.b", false);
    check("ü", false);
    check("default", false);
    check("push", false);
    check("rollback", false);
}

#[test]
fn an_event_that_comes_again_does_harm_where_nothing_orders_it_and_it_brings_its_values() {
    let check = |lines: &str, expected: bool| assert_eq!(route(lines).is_replayable(), expected, "{lines}");
    check("", true);
    check("order_by = { at = '/t', as = 'time' }", false);
    check("order_by = { header = 'x-time', as = 'seconds' }", true);
    check("fetch = { url = 'https://a.example' }", false);
}

#[test]
fn headers_that_go_over_plain_http_are_warned_of() {
    let check = |fetch: &str, expected: bool| {
        let route = route(&format!("fetch = {{ {fetch} }}"));
        assert_eq!(route.warnings().count() == 1, expected, "{fetch}");
    };
    check("url = 'http://a.example', headers = { authorization = 'x' }", true);
    check("url = 'HTTP://a.example/', headers = { authorization = 'x' }", true);
    check("url = 'http://a.example'", false);
    check("url = 'https://a.example', headers = { authorization = 'x' }", false);
    check("url = 'http://127.0.0.1:8090/{flow_id}', headers = { authorization = 'x' }", false);
}

#[test]
fn what_is_fetched_is_reconciled_for_the_flows_that_the_settings_name() {
    let reconciled = |lines: &str| {
        let lines = format!("fetch = {{ url = 'https://a.example/{{flow_id}}/{{revision}}' }}\n{lines}");
        route(&lines).reconciled().cloned()
    };
    let usual = reconciled("flow = ['f', { at = '/f', default = 'g' }, 'h']").expect("it is reconciled");
    let targets: Vec<_> = usual.targets.iter().map(|(flow, node)| format!("{flow}/{node}")).collect();
    assert_eq!(targets, ["f/n", "g/n", "h/n"]);
    let (flow, node) = &usual.targets[0];
    assert_eq!(usual.url(flow, node), "https://a.example/f/HEAD");
    assert_eq!((usual.every.as_secs(), usual.on_drift, usual.mode), (300, OnDrift::Report, Mode::Merge));

    let told =
        reconciled("reconcile = { every_seconds = 60, on_drift = 'repair' }").expect("it is reconciled");
    assert_eq!((told.every.as_secs(), told.on_drift), (60, OnDrift::Repair));
    assert!(reconciled("reconcile = { every_seconds = 0 }").is_none());
    let targets = |lines: &str| reconciled(lines).map(|one| one.targets.len());
    assert_eq!(targets("flow = { at = '/f', default = 'f' }\nnode = { at = '/n', default = 'n' }"), Some(1));
    assert_eq!(targets("flow = { at = '/f' }"), Some(0));
    assert_eq!(targets("node = { at = '/n' }"), Some(0));
    assert!(route("").reconciled().is_none());
}

use super::*;

/// A flow whose node `n` has these variables, as JSON.
fn flow(variables: &str) -> Document {
    let text = format!(
        r#"{{"flow":{{"version":1,"nodes":[{{"id":"n","configuration":{{"variables":[{variables}]}}}},{{"id":"bare","configuration":{{}}}}]}}}}"#
    );
    Document::parse(text).expect("a flow")
}

fn entry(name: &str, value: &str) -> String {
    format!(r#"{{"name":"{name}","value":{value}}}"#)
}

fn list(entries: &[(&str, &str)]) -> String {
    entries.iter().map(|(name, value)| entry(name, value)).collect::<Vec<_>>().join(",")
}

/// Marks as (target, value, seq): `*` is the list.
fn marks(of: &[(&str, Option<&str>, i64)]) -> Vec<Mark> {
    let mark = |(target, value, seq): &(&str, Option<&str>, i64)| Mark {
        node: "n".to_owned(),
        target: match *target {
            "*" => Target::List,
            "{}" => Target::Configuration,
            name => Target::Variable(name.to_owned()),
        },
        order_key: None,
        keys: BTreeMap::new(),
        seq: *seq,
        route: "r".to_owned(),
        value: value.map(str::to_owned),
    };
    of.iter().map(mark).collect()
}

fn shown(document: &Document, node: &str, marks: Vec<Mark>) -> Vec<String> {
    let nodes = BTreeMap::from([(NodeId::parse(node).expect("an id"), marks)]);
    let line = |drift: Drift| {
        let text = |text: Option<String>| text.unwrap_or_else(|| "nothing".to_owned());
        format!("{} {}: {} -> {}", drift.node, drift.target.encode(), text(drift.ours), text(drift.there))
    };
    drift(document, &nodes).into_iter().map(line).collect()
}

#[test]
fn a_variable_differs_where_it_has_another_value_or_none_that_can_be_told() {
    let check = |variables: &str, of: &[(&str, Option<&str>, i64)], expected: &[&str]| {
        assert_eq!(shown(&flow(variables), "n", marks(of)), expected, "{variables}");
    };
    let two = list(&[("a", "1.0"), ("b", r#""x""#)]);
    check(&two, &[("a", Some("1"), 1), ("b", Some(r#""\u0078""#), 2)], &[]);
    check(&two, &[("b", Some(r#""y""#), 2), ("a", Some("2"), 1)], &["n =a: 2 -> 1.0", r#"n =b: "y" -> "x""#]);
    check(&two, &[("c", Some("null"), 1)], &["n =c: null -> nothing"]);
    check(&list(&[("a", "1"), ("a", "1")]), &[("a", Some("1"), 1)], &["n =a: 1 -> nothing"]);
    // Never applied, or by a version that did not remember it.
    check(&two, &[("a", None, 1), ("*", None, 1)], &[]);
    check(&two, &[], &[]);
}

#[test]
fn a_list_that_was_replaced_is_compared_whole_with_what_came_on_top_of_it() {
    let ours = format!("[{}]", list(&[("a", "1"), ("b", "2")]));
    let check = |variables: &str, later: &[(&str, Option<&str>, i64)], differs: bool| {
        let mut of = vec![("*", Some(ours.as_str()), 5)];
        of.extend(later);
        let found = shown(&flow(variables), "n", marks(&of));
        assert_eq!(found.len(), usize::from(differs), "{variables} {later:?}: {found:?}");
    };
    let own = list(&[("a", "1"), ("b", "2")]);
    check(&own, &[], false);
    check(&own, &[("a", Some("7"), 4), ("z", Some("7"), 4)], false);
    check(&list(&[("b", "2.0"), ("a", "1")]), &[], false);
    check(&list(&[("a", "1")]), &[], true);
    check(&list(&[("a", "1"), ("b", "3")]), &[], true);
    check(&list(&[("a", "1"), ("b", "2"), ("c", "3")]), &[], true);
    check(&list(&[("a", "1"), ("b", "2"), ("c", "3")]), &[("c", Some("3"), 6)], false);
    check(&list(&[("a", "8"), ("b", "2")]), &[("a", Some("7"), 6), ("a", Some("8"), 7)], false);
    check(&own, &[("a", Some("7"), 6)], true);
    check(&format!("{own},7"), &[], true);
}

#[test]
fn a_node_that_is_gone_holds_nothing_of_ours() {
    let of = [("a", Some("1"), 1), ("b", None, 1)];
    assert_eq!(shown(&flow(""), "elsewhere", marks(&of)), ["elsewhere =a: 1 -> nothing"]);
    assert_eq!(shown(&flow(""), "bare", marks(&of)), ["bare =a: 1 -> nothing"]);
    let list = [("*", Some("[]"), 1)];
    assert_eq!(shown(&flow(""), "elsewhere", marks(&list)), ["elsewhere *: [] -> nothing"]);
    assert_eq!(shown(&flow(""), "n", marks(&list)), Vec::<String>::new());
}

#[test]
fn what_was_patched_differs_member_by_member() {
    let check = |configuration: &str, patch: &str, expected: &[&str]| {
        let text =
            format!(r#"{{"flow":{{"version":1,"nodes":[{{"id":"n","configuration":{configuration}}}]}}}}"#);
        let document = Document::parse(text).expect("a flow");
        let found = shown(&document, "n", marks(&[("{}", Some(patch), 1)]));
        assert_eq!(found, expected, "{configuration} {patch}");
    };
    let held = r#"{"timeout":30.0,"limits":{"calls":2,"holds":1},"label":"x"}"#;
    check(held, r#"{"timeout":30,"limits":{"calls":2},"gone":null}"#, &[]);
    check(held, r#"{"timeout":31,"other":7}"#, &["n .other: 7 -> nothing", "n .timeout: 31 -> 30.0"]);
    check(held, r#"{"label":null}"#, &[r#"n .label: nothing -> "x""#]);
    check(
        held,
        r#"{"limits":{"calls":3}}"#,
        &[r#"n .limits: {"calls":3,"holds":1} -> {"calls":2,"holds":1}"#],
    );
    check("7", r#"{"timeout":30}"#, &[r#"n {}: {"timeout":30} -> nothing"#]);
    check(held, "no patch", &[]);
}

//! Flow documents through the public face: properties over adversarial texts, and whole fixtures.

mod odd;

use flowhook::change::Variable;
use flowhook::flow::{AddressError, Document, DocumentError, NodeEdit, laid_out, same_value};
use proptest::prelude::*;
use serde_json::{Value, json};

use odd::{Element, Meaning, NAMES, Odd, OddNode, Plan, meaning, plan, spell, units, write};

/// Settings for variables: an index into [`NAMES`], what the value means, and the seed of its spelling.
type Settings = Vec<(usize, Meaning, u64)>;

/// Settings with distinct names. About half of the values are what the plan has already, spelt anew.
fn settings(plan: &Plan, wild: Settings, keep: u64) -> Settings {
    let mut settings: Settings = Vec::new();
    for (at, (name, mut value, seed)) in wild.into_iter().enumerate() {
        let held = plan.iter().flatten().find_map(|element| match element {
            Element::Variable(held, value) if *held == name => Some(value),
            Element::Variable(..) | Element::Valueless(_) | Element::Foreign(_) => None,
        });
        if let Some(held) = held
            && keep >> at & 1 == 1
        {
            value = held.clone();
        }
        if settings.iter().all(|(taken, ..)| *taken != name) {
            settings.push((name, value, seed));
        }
    }
    settings
}

fn variables(settings: &Settings) -> Vec<Variable> {
    let variable = |(name, value, seed): &(usize, Meaning, u64)| {
        Variable::new(NAMES[*name], &spell(value, *seed)).expect("the generator writes JSON")
    };
    settings.iter().map(variable).collect()
}

/// `{"name":…,"value":…}` for each, as appended.
fn entries(variables: &[&Variable]) -> String {
    let entry = |variable: &&Variable| {
        format!("{{\"name\":{},\"value\":{}}}", json!(variable.name), variable.value.get())
    };
    variables.iter().map(entry).collect::<Vec<_>>().join(",")
}

/// The replacements that a merge ought to make in a node, by what the generator knows: spans and new text.
fn merge_by_the_book(node: &OddNode, settings: &Settings, given: &[Variable]) -> Vec<(usize, usize, String)> {
    let mut replacements = Vec::new();
    let mut missing = Vec::new();
    for ((name, value, _), variable) in settings.iter().zip(given) {
        let text = variable.value.get();
        match node.variables.iter().find(|held| held.name == *name) {
            None => missing.push(variable),
            Some(held) => match &held.value {
                None => replacements.push((held.name_end, held.name_end, format!(",\"value\":{text}"))),
                Some((_, meaning)) if meaning == value => {}
                Some((span, _)) => replacements.push((span.start, span.end, text.to_owned())),
            },
        }
    }
    let list = entries(&missing);
    if !missing.is_empty() {
        let (at, text) = match (&node.list, node.list_empty, node.configuration_empty) {
            (Some(_), true, _) => (node.list_last, list),
            (Some(_), false, _) => (node.list_last, format!(",{list}")),
            (None, _, true) => (node.configuration_last, format!("\"variables\":[{list}]")),
            (None, _, false) => (node.configuration_last, format!(",\"variables\":[{list}]")),
        };
        replacements.push((at, at, text));
    }
    replacements
}

fn carried_out(text: &str, mut replacements: Vec<(usize, usize, String)>) -> String {
    replacements.sort_by_key(|(start, ..)| *start);
    let mut text = text.to_owned();
    for (start, end, new) in replacements.into_iter().rev() {
        text.replace_range(start..end, &new);
    }
    text
}

fn parsed(text: &str) -> Document {
    Document::parse(text.to_owned()).expect(text)
}

fn edited(text: &str, edits: &[NodeEdit<'_>]) -> String {
    parsed(text).edited(edits).expect(text)
}

fn set<'a>(node: &'a str, variables: &'a [Variable]) -> NodeEdit<'a> {
    NodeEdit { node, replace: None, set: variables.iter().collect() }
}

fn replace<'a>(node: &'a str, variables: &'a [Variable]) -> NodeEdit<'a> {
    NodeEdit { node, replace: Some(variables), set: Vec::new() }
}

/// Plans of some nodes, what stands around them, and a seed for the spelling.
fn documents() -> impl Strategy<Value = (Vec<Plan>, Odd)> {
    (prop::collection::vec(plan(), 1..5), prop::collection::vec(meaning(), 0..6), any::<u64>())
        .prop_map(|(plans, junk, seed)| (plans.clone(), write(&plans, &junk, seed)))
}

fn wild_settings() -> impl Strategy<Value = Settings> {
    prop::collection::vec((0..NAMES.len(), meaning(), any::<u64>()), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_merge_changes_the_spans_of_the_values_and_not_one_byte_more(
        (plans, odd) in documents(), wild in prop::collection::vec(wild_settings(), 1..5), keep in any::<u64>(),
    ) {
        let settings: Vec<Settings> =
            wild.into_iter().zip(&plans).map(|(wild, plan)| settings(plan, wild, keep)).collect();
        let given: Vec<Vec<Variable>> = settings.iter().map(variables).collect();
        let ids: Vec<String> = (0..given.len()).map(|index| format!("n{index}")).collect();
        let edits: Vec<NodeEdit<'_>> = ids.iter().zip(&given).map(|(id, given)| set(id, given)).rev().collect();

        let by_the_book = odd.nodes.iter().zip(&settings).zip(&given)
            .flat_map(|((node, settings), given)| merge_by_the_book(node, settings, given)).collect();
        let result = edited(&odd.text, &edits);
        prop_assert_eq!(&result, &carried_out(&odd.text, by_the_book));

        let document = parsed(&result);
        for (id, given) in ids.iter().zip(&given) {
            let node = document.node(id).expect("it was there before");
            for variable in given {
                let held = node.variable(&variable.name).expect("it was set").expect("it was set");
                prop_assert!(same_value(held, variable.value.get()), "{} is {held}", variable.name);
            }
        }
        prop_assert_eq!(document.edited(&edits), Ok(result), "a second time");
    }

    #[test]
    fn a_replace_swaps_the_list_and_nothing_around_it(
        (plans, odd) in documents(), wild in wild_settings(), keep in any::<u64>(),
    ) {
        let given = variables(&settings(&plans[0], wild, keep));
        let result = edited(&odd.text, &[replace("n0", &given)]);
        let node = &odd.nodes[0];
        let list = format!("[{}]", entries(&given.iter().collect::<Vec<_>>()));
        let (before, after, list) = match (&node.list, node.configuration_empty) {
            (Some(span), _) => (&odd.text[..span.start], &odd.text[span.end..], list),
            (None, _) if given.is_empty() => (odd.text.as_str(), "", String::new()),
            (None, empty) => {
                let (before, after) = odd.text.split_at(node.configuration_last);
                (before, after, format!("{}\"variables\":{list}", if empty { "" } else { "," }))
            }
        };
        if parsed(&odd.text).node("n0").expect("it is there").holds_exactly(&given) {
            prop_assert_eq!(&result, &odd.text);
            let meant: Vec<String> = node.variables.iter().map(|held| NAMES[held.name].to_owned()).collect();
            prop_assert_eq!(meant, given.iter().map(|given| given.name.clone()).collect::<Vec<_>>());
        } else {
            prop_assert_eq!(&result, &format!("{before}{list}{after}"));
        }
        let document = parsed(&result);
        prop_assert!(document.node("n0").expect("it was there before").holds_exactly(&given));
        prop_assert_eq!(document.edited(&[replace("n0", &given)]), Ok(result));
    }

    #[test]
    fn what_was_written_is_read_and_another_version_changes_nothing_else((plans, odd) in documents()) {
        let document = parsed(&odd.text);
        prop_assert_eq!(document.version(), &odd.text[odd.version.clone()]);
        for (index, node) in odd.nodes.iter().enumerate() {
            let found = document.node(&format!("n{index}")).expect("it was written");
            prop_assert_eq!(found.variables(), Ok(node.list.clone().map(|span| &odd.text[span])));
            for held in &node.variables {
                let value = held.value.as_ref().map(|(span, _)| &odd.text[span.clone()]);
                prop_assert_eq!(found.variable(NAMES[held.name]), Ok(value));
            }
        }
        prop_assert!(document.node_ids().len() >= plans.len());
        let (before, after) = (&odd.text[..odd.version.start], &odd.text[odd.version.end..]);
        prop_assert_eq!(document.with_version("\"next\""), format!("{before}\"next\"{after}"));
    }

    #[test]
    fn values_are_the_same_exactly_when_they_mean_the_same(
        a in meaning(), b in meaning(), seeds in any::<[u64; 2]>(),
    ) {
        let [one, two] = seeds;
        prop_assert!(same_value(&spell(&a, one), &spell(&a, two)), "{} {}", spell(&a, one), spell(&a, two));
        prop_assert_eq!(same_value(&spell(&a, one), &spell(&b, two)), a == b);
        if let Meaning::Number(negative, digits, exponent) = &a {
            let near = Meaning::Number(*negative, digits.clone(), exponent + i64::from(!digits.is_empty()));
            prop_assert_eq!(same_value(&spell(&a, one), &spell(&near, two)), a == near);
        }
        let check = |list: Meaning, other: Meaning| same_value(&spell(&list, one), &spell(&other, two));
        let array = |first: &Meaning, second: &Meaning| Meaning::Array(vec![first.clone(), second.clone()]);
        prop_assert_eq!(check(array(&a, &b), array(&b, &a)), a == b);
        let object = |first: &Meaning, second: &Meaning| {
            Meaning::Object(vec![(units("k"), first.clone()), (units("l"), second.clone())])
        };
        prop_assert!(check(object(&a, &b), object(&a, &b)));
        prop_assert_eq!(check(object(&a, &b), object(&b, &a)), a == b);
    }

    #[test]
    fn a_layout_changes_only_white_space_between_tokens((_, odd) in documents()) {
        let bare = |text: &str| -> String {
            let (mut inside, mut escaped) = (false, false);
            text.chars().filter(|c| {
                let kept = inside || !c.is_ascii_whitespace();
                (inside, escaped) = match c {
                    '"' if !escaped => (!inside, false),
                    '\\' if inside => (true, !escaped),
                    _ => (inside, false),
                };
                kept
            }).collect()
        };
        let text = laid_out(&odd.text);
        prop_assert_eq!(bare(&text), bare(&odd.text));
        prop_assert_eq!(laid_out(&text), text);
    }

    #[test]
    fn a_broken_document_is_refused_exactly_when_it_is_no_json(
        (_, odd) in documents(), at in any::<prop::sample::Index>(), with in prop::sample::select(&["", "{", "]", ",", ":", "\"", "\\", "0", "\u{1}"][..]),
    ) {
        let at = at.index(odd.text.len());
        prop_assume!(odd.text.is_char_boundary(at));
        let broken = format!("{}{with}{}", &odd.text[..at], odd.text[at..].chars().skip(1).collect::<String>());
        let json = serde_json::from_str::<serde::de::IgnoredAny>(&broken).is_ok();
        let refused = Document::parse(broken).err();
        prop_assert_eq!(matches!(refused, Some(DocumentError::NotJson(_))), !json, "{:?}", refused);
    }

    #[test]
    fn a_merge_is_what_it_is_on_parsed_values(
        (plans, odd) in documents(), wild in wild_settings(),
    ) {
        let given = variables(&settings(&plans[0], wild, 0));
        let result = edited(&odd.text, &[set("n0", &given)]);
        // Values hold neither lone surrogates nor huge numbers; such documents are for the other properties.
        let (Ok(before), Ok(after)) = (serde_json::from_str(&odd.text), serde_json::from_str::<Value>(&result)) else {
            return Ok(());
        };
        prop_assert_eq!(rounded(after), rounded(merged_values(before, &given)));
    }
}

/// The plain model of a merge into node `n0`: over parsed values, which lose all spelling.
fn merged_values(mut document: Value, given: &[Variable]) -> Value {
    let wrapped = document["flow"].is_object();
    let flow = if wrapped { &mut document["flow"] } else { &mut document };
    let nodes = flow["nodes"].as_array_mut().expect("nodes");
    let node = nodes.iter_mut().find(|node| node["id"] == "n0").expect("n0");
    let configuration = node["configuration"].as_object_mut().expect("an object");
    for variable in given {
        let value: Value = serde_json::from_str(variable.value.get()).expect("tame");
        let list = configuration.entry("variables").or_insert(json!([])).as_array_mut().expect("a list");
        match list.iter_mut().find(|entry| entry["name"] == variable.name.as_str()) {
            Some(entry) => entry["value"] = value,
            None => list.push(json!({"name": variable.name, "value": value})),
        }
    }
    document
}

/// Numbers to ten digits: `1` and `1.0` are one value to us and two to `serde_json`, which moreover reads two
/// spellings of a long fraction as neighbouring floats.
fn rounded(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64().map(|float| format!("{:.9e}", float + 0.0))),
        Value::Array(elements) => elements.into_iter().map(rounded).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, rounded(value))).collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}

const SMALL: &str = include_str!("../../fixtures/flows/small.json");
const ODD: &str = include_str!("../../fixtures/flows/odd.json");

fn default_route(priority: &str, queue: &str, wait: &str) -> Vec<Variable> {
    [("routing_priority", priority), ("queue_target", queue), ("max_wait_time_seconds", wait)]
        .map(|(name, json)| Variable::new(name, json).expect("a row holds JSON"))
        .to_vec()
}

#[test]
fn the_small_flow_takes_new_values_and_keeps_the_rest() {
    let vip = default_route("\"high\"", "\"vip\"", "30");
    let expected = SMALL
        .replace("\"value\": \"normal\"", "\"value\": \"high\"")
        .replace("\"value\": \"general\"", "\"value\": \"vip\"")
        .replace("\"value\": 120", "\"value\": 30");
    assert_eq!(edited(SMALL, &[set("node_set_vars", &vip)]), expected);

    let document = parsed(SMALL);
    assert_eq!(document.id().as_deref(), Some("a1b2c3d4-0001-4000-8000-000000000001"));
    assert_eq!((document.version(), document.name().as_deref()), ("14", Some("Inbound sales")));
    let nodes = document.nodes();
    assert_eq!(nodes.len(), 6);
    assert_eq!((nodes[2].id.as_str(), nodes[2].kind.as_deref()), ("node_set_vars", Some("set_variables")));
    assert_eq!(nodes[2].variables[1], ("queue_target".into(), "\"general\"".into()));
}

#[test]
fn the_odd_flow_keeps_every_oddity() {
    let vip = default_route("\"high\"", "\"gener\\u0061l\"", "1.2e2");
    let expected = ODD.replace("{\"value\":\"normal\",", "{\"value\":\"high\",");
    assert_ne!(expected, ODD);
    assert_eq!(edited(ODD, &[set("node_set_vars", &vip)]), expected);

    let document = parsed(ODD);
    assert_eq!(document.version(), "9007199254740993000000000000001");
    assert_eq!(document.name().as_deref(), Some("Inbound \"sales\" \u{2028}\u{2029}"));
    assert_eq!(document.id().as_deref(), Some("a1b2c3d4-0001-4000-8000-000000000001"));
    let ids = ["twin", "twin", "café", "cafe\u{301}", "CAFÉ", "node_set_vars", "node_end"];
    assert_eq!(document.node_ids(), ids);
    let node = document.node("node_set_vars").expect("it is there");
    assert_eq!(node.variable("lone"), Ok(Some(r#""\ud800 \udfff \uDBFF\u0041""#)));
    assert_eq!(node.variable("naïve"), Ok(Some("\"NFC\"")));
    assert_eq!(node.variable("no value yet"), Ok(None));
    assert!(matches!(node.variable("twice"), Err(AddressError::VariableTwice { .. })));
    assert!(matches!(document.node("twin"), Err(AddressError::NodeTwice { .. })));
}

#[test]
fn five_thousand_nodes_take_hundreds_of_edits() {
    const NODES: usize = 5_000;
    let node = |index: usize, value: &str| {
        format!(r#"{{"id":"node_{index}","configuration":{{"variables":[{{"name":"v","value":{value}}}]}}}}"#)
    };
    let document = |value: &dyn Fn(usize) -> &'static str| {
        let nodes: Vec<String> = (0..NODES).map(|index| node(index, value(index))).collect();
        format!(r#"{{"flow":{{"version":1,"nodes":[{}]}}}}"#, nodes.join(","))
    };
    let every_tenth = |index: usize| if index % 10 == 3 { "\"new\"" } else { "1.10" };
    let (before, after) = (document(&|_| "1.10"), document(&every_tenth));
    let value = [Variable::new("v", "\"new\"").expect("JSON")];
    let ids: Vec<String> =
        (0..NODES).filter(|index| index % 10 == 3).map(|index| format!("node_{index}")).collect();
    let edits: Vec<NodeEdit<'_>> = ids.iter().map(|id| set(id, &value)).collect();
    let result = edited(&before, &edits);
    assert!(result == after, "the edited document is another than expected");
    assert_eq!(result.capacity(), result.len());
    assert!(edited(&after, &edits) == after, "editing again changed something");
}

#[test]
fn ten_thousand_variables_in_one_node_are_found() {
    let entry = |index: usize| format!(r#"{{"name":"v{index}","value":{index}}}"#);
    let list: Vec<String> = (0..10_000).map(entry).collect();
    let list = list.join(",");
    let text = format!(r#"{{"version":1,"nodes":[{{"id":"n","configuration":{{"variables":[{list}]}}}}]}}"#);
    let same: Vec<Variable> = (0..10_000)
        .map(|index| Variable::new(format!("v{index}"), &format!("{index}.0")).expect("JSON"))
        .collect();
    assert!(edited(&text, &[set("n", &same)]) == text);
    assert!(edited(&text, &[replace("n", &same)]) == text);
}

#[test]
fn depth_costs_no_stack_wherever_it_is() {
    for depth in [200, 100_000] {
        let deep = "[".repeat(depth) + &"]".repeat(depth);
        let deeper = "{\"variables\":[".repeat(depth) + "{}" + &"]}".repeat(depth);
        let text = format!(
            r#"{{"x":{deep},"version":1,"nodes":[{deeper},{{"id":"n","x":{deeper},"configuration":{{"x":{deep},"variables":[{deep},{{"name":"deep","value":{deep}}},{{"name":"a","value":1}}]}}}}]}}"#
        );
        let deep_spelt_anew = deep.replacen("[[", "[ [", 1);
        let values = [
            Variable::new("a", &deeper).expect("JSON"),
            Variable::new("deep", &deep_spelt_anew).expect("JSON"),
        ];
        let expected = text.replacen(r#""a","value":1"#, &format!(r#""a","value":{deeper}"#), 1);
        assert!(edited(&text, &[set("n", &values)]) == expected);

        let unclosed = Document::parse("{\"nodes\":".to_owned() + &"[".repeat(depth));
        assert!(matches!(unclosed, Err(DocumentError::NotJson(_))));
    }
}

#[test]
fn an_edit_that_cannot_be_made_leaves_the_others_unmade() {
    let vip = default_route("\"high\"", "\"vip\"", "30");
    let error = parsed(SMALL)
        .edited(&[set("node_set_vars", &vip), set("node_gone", &vip)])
        .expect_err("no such node");
    assert_eq!(
        error.to_string(),
        "the flow has no node `node_gone`: use one of `node_start`, `node_hours`, `node_set_vars`, `node_greet`, \
         `node_queue`, `node_end`"
    );
    let error = parsed(SMALL).edited(&[set("node_end", &vip)]).expect_err("no configuration");
    assert!(matches!(error, AddressError::NoConfiguration { .. }));
}

#[test]
fn a_document_may_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&parsed(SMALL));
}

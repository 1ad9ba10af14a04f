//! What is to change in a node, planned as splices of the text.

use std::collections::HashMap;

use super::cursor::Span;
use super::error::AddressError;
use super::list::Entry;
use super::node::{Node, Place};
use super::spelling::spelt;
use crate::change::Variable;

/// What is to become of one node's variables: the list is replaced first, then the single ones are set.
#[derive(Clone, Debug)]
pub struct NodeEdit<'a> {
    /// The node's id.
    pub node: &'a str,
    /// The list that takes the place of the node's list, if any.
    pub replace: Option<&'a [Variable]>,
    /// The variables to set in their order; of several with one name the last counts.
    pub set: Vec<&'a Variable>,
}

/// A span of the text and what takes its place.
#[derive(Debug)]
pub(super) struct Splice {
    pub(super) span: Span,
    pub(super) text: String,
}

impl Splice {
    fn insert(at: usize, text: String) -> Self {
        Self { span: at..at, text }
    }
}

/// `text` with its splices carried out; they must not overlap.
pub(super) fn spliced(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|splice| splice.span.start);
    let removed: usize = splices.iter().map(|splice| splice.span.len()).sum();
    let added: usize = splices.iter().map(|splice| splice.text.len()).sum();
    let mut out = String::with_capacity(text.len() - removed + added);
    let mut at = 0;
    for splice in splices {
        out.push_str(&text[at..splice.span.start]);
        out.push_str(&splice.text);
        at = splice.span.end;
    }
    out.push_str(&text[at..]);
    out
}

/// One edit for each node, so that splices cannot overlap: later edits of a node go on top of earlier ones.
pub(super) fn merged<'a>(edits: &[NodeEdit<'a>]) -> Vec<NodeEdit<'a>> {
    let mut merged: Vec<NodeEdit<'a>> = Vec::with_capacity(edits.len());
    let mut place_of = HashMap::with_capacity(edits.len());
    for edit in edits {
        let place = *place_of.entry(edit.node).or_insert(merged.len());
        match merged.get_mut(place) {
            None => merged.push(edit.clone()),
            Some(earlier) if edit.replace.is_some() => *earlier = edit.clone(),
            Some(earlier) => earlier.set.extend(&edit.set),
        }
    }
    merged
}

/// Adds to `splices` what the edit takes in the node; nothing where the node is that way already.
pub(super) fn plan(
    node: &Node<'_>,
    edit: &NodeEdit<'_>,
    splices: &mut Vec<Splice>,
) -> Result<(), AddressError> {
    let set = last_of_each_name(&edit.set);
    match edit.replace {
        None => plan_set(node, &set, splices),
        Some(list) => {
            let list = list_with(node, list, &set)?;
            if !node.holds(&list) {
                splices.push(put_list(node, format!("[{}]", entries(&list))));
            }
            Ok(())
        }
    }
}

fn plan_set(node: &Node<'_>, set: &[&Variable], splices: &mut Vec<Splice>) -> Result<(), AddressError> {
    let mut missing = Vec::new();
    for variable in set {
        match node.entry(&variable.name)? {
            None => missing.push(*variable),
            Some(entry) if node.has_value(entry, variable) => {}
            Some(entry) => splices.push(value_splice(entry, variable)),
        }
    }
    if !missing.is_empty() {
        splices.push(append(node, &missing));
    }
    Ok(())
}

/// The splice that gives an entry the variable's value.
pub(super) fn value_splice(entry: &Entry<'_>, variable: &Variable) -> Splice {
    match &entry.value {
        Some(span) => Splice { span: span.clone(), text: variable.value.get().to_owned() },
        None => Splice::insert(entry.name_end, format!(r#","value":{}"#, variable.value)),
    }
}

/// The splice that puts variables behind those that are there.
pub(super) fn append(node: &Node<'_>, missing: &[&Variable]) -> Splice {
    match &node.place {
        Place::List { span, last: None, .. } => Splice::insert(span.start + 1, entries(missing)),
        Place::List { last: Some(last), .. } => Splice::insert(*last, format!(",{}", entries(missing))),
        Place::Nowhere { .. } => put_list(node, format!("[{}]", entries(missing))),
    }
}

/// The splice that makes `list`, a JSON text, the node's list, whatever is there now.
pub(super) fn put_list(node: &Node<'_>, list: String) -> Splice {
    match &node.place {
        Place::List { span, .. } => Splice { span: span.clone(), text: list },
        Place::Nowhere { last: Some(last), .. } => Splice::insert(*last, format!(r#","variables":{list}"#)),
        Place::Nowhere { last: None, configuration } => {
            Splice::insert(configuration.start + 1, format!(r#""variables":{list}"#))
        }
    }
}

fn entries(list: &[&Variable]) -> String {
    let entry =
        |variable: &&Variable| format!(r#"{{"name":{},"value":{}}}"#, spelt(&variable.name), variable.value);
    list.iter().map(entry).collect::<Vec<_>>().join(",")
}

fn last_of_each_name<'a>(set: &[&'a Variable]) -> Vec<&'a Variable> {
    let mut distinct: Vec<&Variable> = Vec::with_capacity(set.len());
    let mut place_of = HashMap::with_capacity(set.len());
    for variable in set {
        let place = *place_of.entry(variable.name.as_str()).or_insert(distinct.len());
        match distinct.get_mut(place) {
            None => distinct.push(variable),
            Some(earlier) => *earlier = variable,
        }
    }
    distinct
}

/// `list` with `set` on top of it. A name that the list itself holds twice cannot be set.
fn list_with<'a>(
    node: &Node<'_>,
    list: &'a [Variable],
    set: &[&'a Variable],
) -> Result<Vec<&'a Variable>, AddressError> {
    let mut result: Vec<&Variable> = list.iter().collect();
    let mut places: HashMap<&str, Vec<usize>> = HashMap::with_capacity(list.len());
    for (place, variable) in list.iter().enumerate() {
        places.entry(&variable.name).or_default().push(place);
    }
    for variable in set {
        match places.get(variable.name.as_str()).map(Vec::as_slice) {
            None => result.push(variable),
            Some([place]) => result[*place] = variable,
            Some(_) => {
                let (node, variable) = (node.id.clone().into_owned(), variable.name.clone());
                return Err(AddressError::VariableTwice { node, variable });
            }
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::*;

    fn variables(list: &[(&str, &str)]) -> Vec<Variable> {
        list.iter().map(|(name, json)| Variable::new(*name, json).expect("the table holds JSON")).collect()
    }

    /// A change of node `n`: what replaces its list, and what is set on top.
    type Change<'a> = (Option<&'a [(&'a str, &'a str)]>, &'a [(&'a str, &'a str)]);

    fn check(table: &[(&str, Change<'_>, &str)]) {
        for (before, (replace, set), after) in table {
            let document = |configuration: &str| {
                format!(r#"{{"version":1,"nodes":[{{"id":"n","configuration":{configuration}}}],"x":1.10}}"#)
            };
            let (replace, set) = (replace.map(variables), variables(set));
            let edit = NodeEdit { node: "n", replace: replace.as_deref(), set: set.iter().collect() };
            let result = Document::parse(document(before)).expect("the table holds flows").edited(&[edit]);
            assert_eq!(result.as_deref(), Ok(document(after).as_str()), "{before}");
        }
    }

    #[test]
    fn set_changes_values_and_appends_what_is_missing() {
        let (one, two): (Change<'_>, Change<'_>) =
            ((None, &[("a", "2")]), (None, &[("a", "2"), ("b", "[ ]")]));
        check(&[
            (r#"{"variables":[{"name":"a","value":1}]}"#, one, r#"{"variables":[{"name":"a","value":2}]}"#),
            (
                r#"{ "k":0, "variables" : [ {"value" : "x" , "t":1e1, "name":"\u0061"} , 7 ] }"#,
                two,
                r#"{ "k":0, "variables" : [ {"value" : 2 , "t":1e1, "name":"\u0061"} , 7,{"name":"b","value":[ ]} ] }"#,
            ),
            (
                r#"{"variables":[{"name":"a","value":2.0}]}"#,
                one,
                r#"{"variables":[{"name":"a","value":2.0}]}"#,
            ),
            (
                r#"{"variables":[{"name" : "a" ,"t":0}]}"#,
                one,
                r#"{"variables":[{"name" : "a","value":2 ,"t":0}]}"#,
            ),
            (r#"{"variables":[ ]}"#, one, r#"{"variables":[{"name":"a","value":2} ]}"#),
            (
                r#"{"variables":[{"name":"A","value":1}]}"#,
                one,
                r#"{"variables":[{"name":"A","value":1},{"name":"a","value":2}]}"#,
            ),
            ("{ }", one, r#"{"variables":[{"name":"a","value":2}] }"#),
            (
                r#"{"k":[] }"#,
                two,
                r#"{"k":[],"variables":[{"name":"a","value":2},{"name":"b","value":[ ]}] }"#,
            ),
            ("{}", (None, &[]), "{}"),
            (
                "{}",
                (None, &[("a", "1"), ("b", "2"), ("a", "3")]),
                r#"{"variables":[{"name":"a","value":3},{"name":"b","value":2}]}"#,
            ),
            ("{}", (None, &[("\"\\\n", "null")]), r#"{"variables":[{"name":"\"\\\n","value":null}]}"#),
            (
                r#"{"variables":[{"name":"b","value":1},{"name":"b","value":1}]}"#,
                (None, &[]),
                r#"{"variables":[{"name":"b","value":1},{"name":"b","value":1}]}"#,
            ),
        ]);
    }

    #[test]
    fn replace_swaps_the_list_unless_it_is_there_already() {
        let (ab, none): (Change<'_>, Change<'_>) = ((Some(&[("a", "1"), ("b", "2")]), &[]), (Some(&[]), &[]));
        let written = r#"{"variables":[{"name":"a","value":1},{"name":"b","value":2}]}"#;
        let same = r#"{"variables":[ {"value":1.0,"name":"\u0061"} ,{"name":"b","value":2} ]}"#;
        check(&[
            (same, ab, same),
            (r#"{"variables":[{"name":"b","value":2},{"name":"a","value":1}]}"#, ab, written),
            (r#"{"variables":[{"name":"a","value":1,"t":0},{"name":"b","value":2}]}"#, ab, written),
            (r#"{"variables":[{"name":"a","value":1},null,{"name":"b","value":2}]}"#, ab, written),
            (
                r#"{"variables":[{"name":"a","value":1},{"name":"b","value":2},{"name":"b","value":2}]}"#,
                ab,
                written,
            ),
            (r#"{"variables":[{"name":"a","value":1},{"name":"b","value":2,"value":2}]}"#, ab, written),
            (r#"{"variables":[{"name":"a"},{"name":"b","value":2}]}"#, ab, written),
            ("{}", ab, written),
            ("{}", none, "{}"),
            (r#"{"variables":[ ]}"#, none, r#"{"variables":[ ]}"#),
            (r#"{"variables":[0]}"#, none, r#"{"variables":[]}"#),
            (written, (Some(&[("a", "0"), ("b", "2")]), &[("a", "1")]), written),
            ("{}", (Some(&[("a", "1")]), &[("b", "2")]), written),
        ]);
    }

    #[test]
    fn later_edits_of_a_node_go_on_top_of_earlier_ones() {
        let (a, b) = (variables(&[("a", "1")]), variables(&[("a", "2"), ("b", "3")]));
        let set = |list| NodeEdit { node: "n", replace: None, set: list };
        let whole = |list| NodeEdit { node: "n", replace: Some(list), set: Vec::new() };
        let shown = |edits: &[NodeEdit<'_>]| {
            let merged = merged(edits);
            assert_eq!(merged.len(), 1, "{edits:?}");
            let named = |variable: &Variable| format!("{}={}", variable.name, variable.value);
            let replace = merged[0].replace.map(|list| list.iter().map(named).collect::<Vec<_>>().join(" "));
            (replace, last_of_each_name(&merged[0].set).into_iter().map(named).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(shown(&[set(a.iter().collect()), set(b.iter().collect())]), (None, "a=2 b=3".into()));
        assert_eq!(shown(&[set(b.iter().collect()), whole(&a)]), (Some("a=1".into()), String::new()));
        assert_eq!(shown(&[whole(&a), set(b.iter().collect())]), (Some("a=1".into()), "a=2 b=3".into()));
    }
}

//! What is to be put back in a node, planned as splices of the text.

use std::collections::BTreeSet;

use super::cursor::Span;
use super::edit::{Splice, append, put_list, value_splice};
use super::error::AddressError;
use super::node::{Node, Place};
use crate::change::Variable;

/// What is to be put back in one node: either the whole list or single variables.
#[derive(Clone, Debug)]
pub struct Restore<'a> {
    /// The node's id.
    pub node: &'a str,
    /// The JSON text of the list that takes the place of the node's, if any.
    pub list: Option<&'a str>,
    /// Variables by their names, each once: with a value, or to be taken away.
    pub variables: Vec<(&'a str, Option<Variable>)>,
}

/// Adds to `splices` what the restoration takes in the node; nothing where the node is that way already.
pub(super) fn plan(
    node: &Node<'_>,
    restore: &Restore<'_>,
    splices: &mut Vec<Splice>,
) -> Result<(), AddressError> {
    if let Some(list) = restore.list {
        splices.push(put_list(node, list.to_owned()));
        return Ok(());
    }
    let mut gone = BTreeSet::new();
    let mut missing = Vec::new();
    for (name, variable) in &restore.variables {
        match (node.entry(name)?, variable) {
            (Some(entry), Some(variable)) if node.has_value(entry, variable) => {}
            (Some(entry), Some(variable)) => splices.push(value_splice(entry, variable)),
            (Some(entry), None) => _ = gone.insert(entry.place),
            (None, Some(variable)) => missing.push(variable),
            (None, None) => {}
        }
    }
    splices.extend(removals(&node.elements, &gone));
    match (&node.place, missing.is_empty()) {
        (_, true) => {}
        // With nothing left before it, what comes has no comma.
        (Place::List { last: Some(last), .. }, false) if gone.len() == node.elements.len() => {
            let first = append(node, &missing).text.trim_start_matches(',').to_owned();
            splices.push(Splice { span: *last..*last, text: first });
        }
        (Place::List { .. } | Place::Nowhere { .. }, false) => splices.push(append(node, &missing)),
    }
    Ok(())
}

/// The splices that take elements out of an array, each with one comma: that before it, or for those at the
/// beginning that behind them.
pub(super) fn removals(elements: &[Span], gone: &BTreeSet<usize>) -> Vec<Splice> {
    let leading = (0..elements.len()).take_while(|place| gone.contains(place)).count();
    let mut spans = Vec::new();
    if leading > 0 {
        let end = elements.get(leading).map_or(elements[leading - 1].end, |next| next.start);
        spans.push(elements[0].start..end);
    }
    let behind = gone.iter().filter(|place| **place > leading);
    spans.extend(behind.map(|place| elements[place - 1].end..elements[*place].end));
    spans.into_iter().map(|span| Splice { span, text: String::new() }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::*;

    /// A list before, what becomes of variables, and the list after.
    type Row<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)], &'a str);

    fn check(table: &[Row<'_>]) {
        for (before, variables, after) in table {
            let document = |list: &str| {
                let list = format!(r#"{{ "k":1.10, "variables" :{list}}}"#);
                format!(r#"{{"version":1,"nodes":[{{"id":"n","configuration":{list}}}],"x":1e3}}"#)
            };
            let variables = variables.iter().map(|(name, value)| {
                let value = value.map(|json| Variable::new(*name, json).expect("the table holds JSON"));
                (*name, value)
            });
            let restore = Restore { node: "n", list: None, variables: variables.collect() };
            let restored = Document::parse(document(before)).expect("a flow").restored(&[restore]);
            assert_eq!(restored.as_deref(), Ok(document(after).as_str()), "{before}");
        }
    }

    #[test]
    fn what_is_taken_away_takes_one_comma_with_it_and_nothing_else() {
        let a = r#"{"name":"a","value":1}"#;
        let (b, c) = (r#"{ "value" : 1e1, "t":0, "name":"\u0062" }"#, r#"{"name":"c","value":3}"#);
        let list = format!("[ {a} , {b} ,7, {c} ]");
        let check = |gone: &[&str], after: &str| {
            let gone: Vec<_> = gone.iter().map(|name| (*name, None)).collect();
            check(&[(&list, &gone, after)]);
        };
        check(&[], &list);
        check(&["x"], &list);
        check(&["a"], &format!("[ {b} ,7, {c} ]"));
        check(&["b"], &format!("[ {a} ,7, {c} ]"));
        check(&["c"], &format!("[ {a} , {b} ,7 ]"));
        check(&["a", "b"], &format!("[ 7, {c} ]"));
        check(&["c", "a"], &format!("[ {b} ,7 ]"));
        check(&["b", "c"], &format!("[ {a} ,7 ]"));
        check(&["c", "b", "a"], "[ 7 ]");
    }

    #[test]
    fn what_is_taken_away_and_what_comes_back_do_not_meet() {
        let a = r#"{"name":"a","value":1}"#;
        let b = r#"{"name":"b","value":2}"#;
        check(&[
            (&format!("[{a}]"), &[("a", None)], "[]"),
            (&format!("[ {a} ]"), &[("a", None), ("b", Some("2"))], &format!("[ {b} ]")),
            (&format!("[{a},{b}]"), &[("a", Some("2")), ("b", None)], r#"[{"name":"a","value":2}]"#),
            (
                &format!("[{b}, {a}]"),
                &[("a", None), ("c", Some("3"))],
                &format!(r#"[{b},{{"name":"c","value":3}}]"#),
            ),
            (&format!("[{b}]"), &[("a", Some("1"))], &format!("[{b},{a}]")),
            ("[]", &[("a", Some("1"))], &format!("[{a}]")),
            (&format!("[{a}]"), &[("a", Some("1.0"))], &format!("[{a}]")),
            ("[null]", &[("a", None)], "[null]"),
        ]);
    }

    #[test]
    fn a_list_comes_back_as_it_was_spelt() {
        let flow = |configuration: &str| {
            format!(r#"{{"version":1,"nodes":[{{"id":"n","configuration":{configuration}}}]}}"#)
        };
        let old = r#"[ 7,{"t":1.10 , "name":"a"} ]"#;
        for (before, after) in [
            (r#"{"variables":[{"name":"b","value":1}]}"#, format!(r#"{{"variables":{old}}}"#)),
            (r#"{"k":1 }"#, format!(r#"{{"k":1,"variables":{old} }}"#)),
        ] {
            let restore = Restore { node: "n", list: Some(old), variables: Vec::new() };
            let restored = Document::parse(flow(before)).expect("a flow").restored(&[restore]);
            assert_eq!(restored, Ok(flow(&after)));
        }
    }
}

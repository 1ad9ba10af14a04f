//! An addressed node: its configuration and the list of its variables.

use std::borrow::Cow;
use std::collections::HashMap;

use super::cursor::{NotJson, Span};
use super::error::{AddressError, type_of};
use super::list::{Entry, List, Slot, by_name, find_list};
use super::node_outline::{Member, NodeOutline};
use super::value::same_value;
use crate::change::{Variable, shorten};

/// A node whose variables can be read and edited.
///
/// It has looked into the configuration once, so that reading many variables costs one scan.
#[derive(Debug)]
pub struct Node<'d> {
    pub(super) id: Cow<'d, str>,
    text: &'d str,
    pub(super) place: Place,
    entries: Vec<Entry<'d>>,
    /// Where the list's elements stand, the entries among them.
    pub(super) elements: Vec<Span>,
    /// The entry that has the name, or that there are several.
    by_name: HashMap<Cow<'d, str>, Slot>,
}

/// Where a node's variables stand, or would stand.
#[derive(Debug)]
pub(super) enum Place {
    /// `configuration` holds a list.
    List {
        /// The list, brackets included.
        span: Span,
        /// The end of its last element, of whatever kind.
        last: Option<usize>,
        /// Whether elements are in it that are no variables.
        foreign: bool,
    },
    /// `configuration` holds no list.
    Nowhere {
        /// The whole configuration.
        configuration: Span,
        /// The end of its last member.
        last: Option<usize>,
    },
}

impl<'d> Node<'d> {
    /// Looks into the node of that outline, addressed as `id`.
    pub(super) fn look(
        id: Cow<'d, str>,
        text: &'d str,
        outline: &NodeOutline<'_>,
    ) -> Result<Self, AddressError> {
        let configuration = outline.configuration(&id, text)?;
        let (list, last) =
            find_list(text, &configuration).map_err(|NotJson| AddressError::unreadable(&id))?;
        let (place, list) = match list {
            Member::Absent => (Place::Nowhere { last, configuration }, None),
            Member::Twice => {
                let place = "its `configuration`".to_owned();
                return Err(AddressError::DuplicateKey { node: id.into_owned(), key: "variables", place });
            }
            Member::Once(List { span, .. }) if !text[span.clone()].starts_with('[') => {
                let (key, found) = ("variables", type_of(&text[span]));
                return Err(AddressError::WrongType {
                    node: id.into_owned(),
                    key,
                    found,
                    expected: "an array",
                });
            }
            Member::Once(List { span, entries, elements }) => {
                let foreign = entries.len() < elements.len();
                let last = elements.last().map(|last| last.end);
                (Place::List { span, last, foreign }, Some((entries, elements)))
            }
        };
        let (entries, elements) = list.unwrap_or_default();
        let (names, entries): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        Ok(Self { id, text, place, by_name: by_name(names), entries, elements })
    }

    /// The raw JSON text of the variable's value; `None` if the node has no such variable, or its entry no
    /// `value`.
    ///
    /// # Errors
    /// [`AddressError::VariableTwice`], or [`AddressError::DuplicateKey`] if the entry has two names or values.
    pub fn variable(&self, name: &str) -> Result<Option<&'d str>, AddressError> {
        let value = self.entry(name)?.and_then(|entry| entry.value.clone());
        Ok(value.map(|span| &self.text[span]))
    }

    /// Whether the variable has an entry, be it without a value.
    ///
    /// # Errors
    /// As for [`Self::variable`].
    pub fn has_entry(&self, name: &str) -> Result<bool, AddressError> {
        self.entry(name).map(|entry| entry.is_some())
    }

    /// The raw JSON text of the whole list of variables, if there is one.
    ///
    /// # Errors
    /// None at present: what could be wrong with the list was refused when the node was looked up.
    pub fn variables(&self) -> Result<Option<&'d str>, AddressError> {
        match &self.place {
            Place::List { span, .. } => Ok(Some(&self.text[span.clone()])),
            Place::Nowhere { .. } => Ok(None),
        }
    }

    /// Whether the node's variables are exactly `list`: these names in this order with the same values, and
    /// nothing else in the list or in its entries. A node without a list holds exactly the empty one.
    pub fn holds_exactly(&self, list: &[Variable]) -> bool {
        self.holds(&list.iter().collect::<Vec<_>>())
    }

    pub(super) fn holds(&self, list: &[&Variable]) -> bool {
        let foreign = matches!(self.place, Place::List { foreign: true, .. });
        !foreign
            && self.entries.len() == list.len()
            && self.entries.iter().zip(list).all(|(entry, variable)| self.is_just(entry, variable))
    }

    fn is_just(&self, entry: &Entry<'_>, variable: &Variable) -> bool {
        let bare = entry.members == 2 && entry.twice.is_none();
        bare && entry.name == variable.name && self.has_value(entry, variable)
    }

    /// Whether the entry already holds the variable's value.
    pub(super) fn has_value(&self, entry: &Entry<'_>, variable: &Variable) -> bool {
        entry.value.as_ref().is_some_and(|span| same_value(&self.text[span.clone()], variable.value.get()))
    }

    /// The entry of that name.
    pub(super) fn entry(&self, name: &str) -> Result<Option<&Entry<'d>>, AddressError> {
        let entry = match self.by_name.get(name) {
            None => return Ok(None),
            Some(Slot::Several) => {
                return Err(AddressError::VariableTwice {
                    node: self.id.clone().into_owned(),
                    variable: name.to_owned(),
                });
            }
            Some(Slot::Entry(index)) => &self.entries[*index],
        };
        match entry.twice {
            None => Ok(Some(entry)),
            Some(key) => {
                let place = format!("the variable `{}`", shorten(name));
                Err(AddressError::DuplicateKey { node: self.id.clone().into_owned(), key, place })
            }
        }
    }

    /// The variables as (name, raw value), as far as they have both.
    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        let pair =
            |entry: &Entry<'_>| Some((entry.name.to_string(), self.text[entry.value.clone()?].to_owned()));
        self.entries.iter().filter_map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;

    fn document(nodes: &str) -> Document {
        Document::parse(format!(r#"{{"version":1,"nodes":[{nodes}]}}"#)).expect("the table holds flows")
    }

    fn check_refused(table: &[(&str, &str)]) {
        for (nodes, message) in table {
            let document = document(nodes);
            let read = document.node("n").and_then(|node| node.variable("a"));
            let error = read.err().unwrap_or_else(|| panic!("accepted {nodes}")).to_string();
            assert!(error.contains(message), "{nodes}: {error}");
        }
    }

    #[test]
    fn an_address_that_leads_nowhere_or_to_two_places_is_refused() {
        check_refused(&[
            ("", "no node `n`: it has no node with an id"),
            (r#"{"id":1},{}"#, "no node `n`: it has no node with an id"),
            (r#"{"id":"N"},{"id":"m"}"#, "no node `n`: use one of `N`, `m`"),
            (r#"{"id":"n","configuration":{}},{"id":"\u006e"}"#, "more than one node `n`"),
            (r#"{"id":"n","id":"m","configuration":{}}"#, "`id` appears twice"),
            (r#"{"id":"m","id":"n","configuration":{}}"#, "`id` appears twice"),
            (r#"{"id":"n","id":7,"configuration":{}}"#, "`id` appears twice"),
            (r#"{"id":"n","id":"m","id":"n","configuration":{}}"#, "`id` appears twice"),
            (r#"{"id":"n","configuration":{},"c\u006fnfiguration":{}}"#, "`configuration` appears twice"),
            (r#"{"id":"n"}"#, "node `n` has no `configuration`"),
            (r#"{"id":"n","configuration":null}"#, "`configuration` of node `n` is null, not an object"),
            (r#"{"id":"n","configuration":[]}"#, "is an array, not an object"),
            (
                r#"{"id":"n","configuration":{"variables":null}}"#,
                "`variables` of node `n` is null, not an array",
            ),
            (r#"{"id":"n","configuration":{"variables":{}}}"#, "is an object, not an array"),
            (r#"{"id":"n","configuration":{"variables":[],"variables":[]}}"#, "`variables` appears twice"),
            (
                r#"{"id":"n","configuration":{"variables":[{"name":"a","value":1},{"name":"\u0061"}]}}"#,
                "more than one variable `a`",
            ),
            (r#"{"id":"n","configuration":{"variables":[{"name":"a","name":"b"}]}}"#, "`name` appears twice"),
            (r#"{"id":"n","configuration":{"variables":[{"name":"a","name":7}]}}"#, "`name` appears twice"),
            (
                r#"{"id":"n","configuration":{"variables":[{"name":"a","value":1,"value":1}]}}"#,
                "`value` appears twice",
            ),
        ]);
    }

    fn check_read(table: &[(&str, Option<&str>)]) {
        for (list, value) in table {
            let nodes = format!(r#"{{"id":"n","configuration":{{"variables":{list}}}}}"#);
            let document = document(&nodes);
            let node = document.node("n").unwrap_or_else(|error| panic!("{list}: {error}"));
            assert_eq!(node.variables(), Ok(Some(*list)));
            assert_eq!(node.variable("a"), Ok(*value), "{list}");
        }
    }

    #[test]
    fn what_is_ambiguous_beside_the_path_is_none_of_our_business() {
        check_read(&[
            ("[]", None),
            (r#"[{"name":"a"}]"#, None),
            (r#"[{"name":"a","value":null}]"#, Some("null")),
            (r#"[{ "value" : 1.10 , "x":1,"x":2, "name":"\u0061" }]"#, Some("1.10")),
            (r#"[{"name":"b"},{"name":"b"},{"name":"a","value":"\ud800"}]"#, Some(r#""\ud800""#)),
            (r#"[{"name":"b","name":"c","value":1,"value":2},{"name":"a","value":{}}]"#, Some("{}")),
            (
                r#"[{"name":"A","value":1},{"name":["a"],"value":2},{"value":3},[{"name":"a"}],"a",1e999]"#,
                None,
            ),
            ("[{\"name\":\"a\u{301}\",\"value\":1},{\"name\":\"á\",\"value\":2}]", None),
        ]);
    }

    #[test]
    fn other_nodes_may_be_as_ambiguous_as_they_like() {
        let others = r#"{"id":"x"},{"id":"x"},{"id":"y","id":"z","configuration":0,"configuration":{}}"#;
        let document = document(&format!(r#"{others},{{"id":"n","configuration":{{}}}},{others}"#));
        assert_eq!(document.node("n").and_then(|node| node.variables()), Ok(None));
    }

    #[test]
    fn many_known_nodes_are_not_all_named() {
        let nodes: Vec<String> = (0..25).map(|at| format!(r#"{{"id":"node{at}"}}"#)).collect();
        let error = document(&nodes.join(",")).node("n").expect_err("no such node").to_string();
        assert!(error.ends_with("`node18`, `node19` … and 5 more"), "{error}");
    }

    #[test]
    fn a_node_with_three_id_keys_is_one_node_with_each_of_its_ids() {
        let document = document(r#"{"id":"a","id":"b","id":"\u0061","configuration":{}},{"id":"b"}"#);
        let told = |id: &str| document.node(id).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(document.node_ids(), ["a", "b", "b"]);
        assert!(told("a").contains("`id` appears twice"), "{}", told("a"));
        assert!(told("b").contains("more than one node `b`"), "{}", told("b"));
        assert!(told("c").ends_with("use one of `a`, `b`, `b`"), "{}", told("c"));
    }

    #[test]
    fn among_tens_of_thousands_of_nodes_each_is_found_and_missing_ones_are_told_at_once() {
        // With a walk over all nodes for each of these questions the test would take minutes.
        const NODES: usize = 40_000;
        let node = |at: usize| format!(r#"{{"id":"node{at}","configuration":{{"at":{at}}}}}"#);
        let nodes: Vec<String> = (0..NODES).map(node).collect();
        let document = document(&nodes.join(","));
        for at in 0..NODES {
            let found = document.configuration(&format!("node{at}")).map(|found| found.text().to_owned());
            assert_eq!(found, Ok(format!(r#"{{"at":{at}}}"#)));
        }
        for at in 0..1_000 {
            let missing = document.node(&format!("gone{at}")).err().map(|error| error.to_string());
            assert!(missing.is_some_and(|told| told.ends_with("`node19` … and 39980 more")), "{at}");
        }
    }

    #[test]
    fn a_node_with_very_many_id_keys_costs_no_quadratic_time() {
        let keys: Vec<String> = (0..40_000).map(|at| format!(r#""id":"n{}""#, at % 20_000)).collect();
        let document = document(&format!("{{{}}}", keys.join(",")));
        assert_eq!(document.node_ids().len(), 20_000);
        assert_eq!(document.nodes().len(), 20_000);
    }
}

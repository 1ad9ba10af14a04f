//! Where the parts of a flow document stand in its text.

use std::ops::Range;

use super::text::{Member, decoded, elements, member, members, span};

/// A text that the practice tenant does not take for a flow document.
#[derive(Debug, thiserror::Error)]
pub enum NotAFlow {
    /// It is not JSON, or a part on the path is of another kind.
    #[error("the text is not a flow document: send an object with `flow`")]
    Json(#[from] serde_json::Error),
    /// It is not UTF-8.
    #[error("the text is not UTF-8: JSON is")]
    Utf8(#[from] std::str::Utf8Error),
    /// A member on the path is missing.
    #[error("`{0}` is missing: send back the document as it was read")]
    Missing(&'static str),
    /// The version stands there twice.
    #[error("`{0}` stands there twice: which one counts is not defined")]
    Twice(&'static str),
    /// The version is no whole number, bare or quoted.
    #[error("the version `{0}` is not a whole number")]
    Version(String),
}

/// Where `flow.version` stands, and whether the document is the flow itself, without the envelope `flow`. Checks that
/// all of `text` is JSON, and nothing else of it.
pub(super) fn version_span(text: &str) -> Result<(Range<usize>, bool), NotAFlow> {
    let (flow, is_bare) = flow_members(text)?;
    let mut versions = flow.iter().filter(|member| member.name == "version");
    let version = versions.next().ok_or(NotAFlow::Missing("flow.version"))?;
    if versions.next().is_some() {
        return Err(NotAFlow::Twice("flow.version"));
    }
    next_version(version.value)?;
    Ok((span(text, version.value), is_bare))
}

/// The members of the flow: of `flow`, or of the document itself where the flow stands bare; and whether it does.
fn flow_members(text: &str) -> Result<(Vec<Member<'_>>, bool), NotAFlow> {
    let document = members(text)?;
    match member(&document, "flow").map(|flow| flow.value) {
        Some(flow) => Ok((members(flow)?, false)),
        None if member(&document, "nodes").is_some() => Ok((document, true)),
        None => Err(NotAFlow::Missing("flow")),
    }
}

/// The version after `version`, quoted if that one is.
pub(super) fn next_version(version: &str) -> Result<String, NotAFlow> {
    let unquoted = version.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let number: Option<u128> = unquoted.unwrap_or(version).parse().ok();
    let next = number.and_then(|number| number.checked_add(1));
    let next = next.ok_or_else(|| NotAFlow::Version(version.to_owned()))?;
    Ok(if unquoted.is_some() { format!("\"{next}\"") } else { next.to_string() })
}

/// The nodes of a document and where they stand.
///
/// Reading is lenient: of a repeated key the first counts, and what has another shape than expected has
/// no parts. Whoever compares two texts still sees all of it, since the rest is compared byte by byte.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) nodes: Vec<Node>,
}

/// Where a node stands.
#[derive(Debug)]
pub(super) struct Node {
    /// Its id, decoded; empty where it has none.
    pub(super) id: String,
    /// The whole node.
    pub(super) whole: Range<usize>,
    /// The id's value, where it has one.
    pub(super) id_value: Option<Range<usize>>,
    /// The value of `configuration`, where it has one.
    pub(super) configuration: Option<Range<usize>>,
    /// The value of `configuration.variables`, where it is an array.
    pub(super) variables: Option<List>,
}

/// Where a node's list of variables stands.
#[derive(Debug)]
pub(super) struct List {
    /// The array, brackets included.
    pub(super) whole: Range<usize>,
    /// Its elements.
    pub(super) entries: Vec<Entry>,
}

/// Where a variable stands.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its name; `None` for an element that is no variable.
    pub(super) name: Option<String>,
    /// The whole element.
    pub(super) whole: Range<usize>,
    /// Its value, where it has one.
    pub(super) value: Option<Range<usize>>,
}

impl Layout {
    /// Reads the layout of a document.
    pub(super) fn of(text: &str) -> Result<Self, NotAFlow> {
        let (flow, _) = flow_members(text)?;
        let nodes = member(&flow, "nodes").ok_or(NotAFlow::Missing("flow.nodes"))?;
        Ok(Self { nodes: elements(nodes.value)?.into_iter().map(|node| Node::of(text, node)).collect() })
    }

    /// The first node of that id.
    pub(super) fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }
}

impl Node {
    fn of(text: &str, node: &str) -> Self {
        let parts = members(node).unwrap_or_default();
        let id = member(&parts, "id");
        let configuration = member(&parts, "configuration");
        let inner = configuration.and_then(|found| members(found.value).ok()).unwrap_or_default();
        let list = member(&inner, "variables");
        let variables = list.and_then(|found| Some((found.value, elements(found.value).ok()?))).map(
            |(whole, entries)| List {
                whole: span(text, whole),
                entries: entries.into_iter().map(|entry| Entry::of(text, entry)).collect(),
            },
        );
        Self {
            id: id.map(|found| decoded(found.value)).unwrap_or_default(),
            whole: span(text, node),
            id_value: id.map(|found| span(text, found.value)),
            configuration: configuration.map(|found| span(text, found.value)),
            variables,
        }
    }
}

impl Entry {
    fn of(text: &str, entry: &str) -> Self {
        let parts = members(entry).unwrap_or_default();
        Self {
            name: member(&parts, "name").map(|found| decoded(found.value)),
            whole: span(text, entry),
            value: member(&parts, "value").map(|found| span(text, found.value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Layout, next_version, version_span};

    #[test]
    fn the_version_is_found_as_it_is_spelt() {
        let check = |text: &str, wanted: Result<&str, &str>| {
            let found = version_span(text).map(|(at, _)| &text[at]).map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), wanted, "{text}");
        };
        check(r#"{"version":1,"flow":{"x":{"version":2}, "version" : 14 }}"#, Ok("14"));
        check(r#"{"flow":{"version":"14"}}"#, Ok("\"14\""));
        check(r#"{"flow":{"ver\u0073ion":9007199254740993}}"#, Ok("9007199254740993"));
        check(r#"{"flow":{}}"#, Err("`flow.version` is missing: send back the document as it was read"));
        check(r#"{"flow":{"version":1.5}}"#, Err("the version `1.5` is not a whole number"));
        let twice = "`flow.version` stands there twice: which one counts is not defined";
        check(r#"{"flow":{"version":1,"version":1}}"#, Err(twice));
        let broken = "the text is not a flow document: send an object with `flow`";
        check(r#"{"flow":{"version":1}"#, Err(broken));
        check(r#"{"flow":{"version":1}} x"#, Err(broken));
        check("<html>", Err(broken));
        check(r#"{"nodes":[],"version":3}"#, Ok("3"));
        check(r#"{"version":3}"#, Err("`flow` is missing: send back the document as it was read"));
    }

    #[test]
    fn the_next_version_keeps_the_quotes() {
        assert_eq!(next_version("9").unwrap(), "10");
        assert_eq!(next_version("\"99\"").unwrap(), "\"100\"");
        assert_eq!(next_version("18446744073709551615").unwrap(), "18446744073709551616");
    }

    #[test]
    fn odd_shapes_have_no_parts() {
        let text = r#"{"flow":{"nodes":[7,{"id":3,"configuration":null},
            {"id":"n","configuration":{"variables":[1,{"name":"a"},{"name":"b","value":1e3}]}}]}}"#;
        let layout = Layout::of(text).unwrap();
        let ids: Vec<_> = layout.nodes.iter().map(|node| node.id.as_str()).collect();
        assert_eq!(ids, ["", "3", "n"]);
        let entries = &layout.node("n").unwrap().variables.as_ref().unwrap().entries;
        let found: Vec<_> = entries.iter().map(|e| (e.name.as_deref(), e.value.clone())).collect();
        assert_eq!((found[0].clone(), found[1].clone()), ((None, None), (Some("a"), None)));
        assert_eq!(&text[found[2].1.clone().unwrap()], "1e3");
    }
}

//! The one scan of a document: where its version and its nodes stand.

use serde::de::IgnoredAny;

use super::cursor::{Cursor, NotJson, Span};
use super::error::{DocumentError, type_of};
use super::spelling::decoded;

/// How often a key occurs in an object, and what its one value is.
#[derive(Debug, Default)]
pub(super) enum Member<T> {
    /// Not at all.
    #[default]
    Absent,
    /// Once: this is its value.
    Once(T),
    /// More often: an edit would have to guess.
    Twice,
}

impl<T> Member<T> {
    /// Notes an occurrence.
    pub(super) fn note(&mut self, value: T) {
        *self = if matches!(self, Self::Absent) { Self::Once(value) } else { Self::Twice };
    }
}

/// Where the parts of a document stand that an edit needs.
#[derive(Debug)]
pub(super) struct Outline {
    /// The version: a number or a string.
    pub(super) version: Span,
    /// The flow's `id`; where it occurs more than once, the last.
    pub(super) id: Option<Span>,
    /// The flow's `name`, likewise.
    pub(super) name: Option<Span>,
    /// The nodes in the order of the document.
    pub(super) nodes: Vec<NodeOutline>,
    /// The decoded ids with the index of their node, sorted: equal ids are neighbours.
    pub(super) ids: Vec<(String, usize)>,
}

/// Where the parts of a node stand.
#[derive(Debug, Default)]
pub(super) struct NodeOutline {
    /// The key `id`; its values are with the outline's ids.
    pub(super) id: Member<()>,
    /// The node's `type`; where it occurs more than once, the last.
    pub(super) kind: Option<Span>,
    /// The node's `configuration`.
    pub(super) configuration: Member<Span>,
}

impl Outline {
    /// Scans `text`, all of it, once.
    pub(super) fn of(text: &str) -> Result<Self, DocumentError> {
        if text.starts_with('\u{feff}') {
            return Err(DocumentError::ByteOrderMark);
        }
        let top = scan(text).map_err(|NotJson| not_json(text))?.ok_or(DocumentError::NoFlow)?;
        match top.flow {
            Member::Twice => {
                Err(DocumentError::DuplicateKey { key: "flow", place: "at the top of the document" })
            }
            Member::Once(Some(flow)) => flow.settle(text),
            Member::Once(None) | Member::Absent if matches!(top.nodes, Member::Absent) => {
                Err(DocumentError::NoFlow)
            }
            Member::Once(None) | Member::Absent => top.settle(text),
        }
    }

    /// The nodes that have the id, as a range of `ids`.
    pub(super) fn nodes_with(&self, id: &str) -> &[(String, usize)] {
        let begin = self.ids.partition_point(|(known, _)| known.as_str() < id);
        let count = self.ids[begin..].partition_point(|(known, _)| known == id);
        &self.ids[begin..begin + count]
    }
}

/// What the scan finds in an object that may be a flow.
#[derive(Debug, Default)]
struct Found {
    /// What `flow` holds, if that is an object. Noted in the outermost object only.
    flow: Member<Option<Box<Found>>>,
    version: Member<Span>,
    id: Option<Span>,
    name: Option<Span>,
    nodes: Member<Result<Nodes, Span>>,
}

/// The nodes of a flow; in its place the span of what is no array.
#[derive(Debug, Default)]
struct Nodes {
    outlines: Vec<NodeOutline>,
    ids: Vec<(String, usize)>,
}

impl Found {
    fn settle(self, text: &str) -> Result<Outline, DocumentError> {
        let nodes = once(self.nodes, "nodes")?;
        let version = once(self.version, "version")?;
        let wrong = |key, span: Span, expected| DocumentError::WrongType {
            key,
            found: type_of(&text[span]),
            expected,
        };
        let mut nodes = nodes.map_err(|other| wrong("nodes", other, "an array"))?;
        if !matches!(type_of(&text[version.clone()]), "a number" | "a string") {
            return Err(wrong("version", version, "a number or a string"));
        }
        nodes.ids.sort_unstable();
        nodes.ids.dedup();
        Ok(Outline { version, id: self.id, name: self.name, nodes: nodes.outlines, ids: nodes.ids })
    }
}

fn once<T>(member: Member<T>, key: &'static str) -> Result<T, DocumentError> {
    match member {
        Member::Once(value) => Ok(value),
        Member::Absent => Err(DocumentError::Missing { key }),
        Member::Twice => Err(DocumentError::DuplicateKey { key, place: "in the flow" }),
    }
}

/// The error that serde_json has for the text. Only a text that is refused is scanned twice.
fn not_json(text: &str) -> DocumentError {
    let refused = serde_json::from_str::<IgnoredAny>(text).err();
    DocumentError::NotJson(
        refused.expect("the scan leaves values to serde_json, and the order of tokens is the same for both"),
    )
}

/// The document's outermost object; `None` if the document is none.
fn scan(text: &str) -> Result<Option<Found>, NotJson> {
    let mut cursor = Cursor::new(text, 0);
    let top = scan_flow(&mut cursor, text, Level::Outermost)?;
    if cursor.peek().is_some() { Err(NotJson) } else { Ok(top) }
}

/// Where an object stands that may be a flow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// It is the document: the flow itself, or the wrapping around `flow`.
    Outermost,
    /// It is what `flow` holds.
    Wrapped,
}

/// Scans a value that may be a flow; `None` if it is no object.
fn scan_flow(cursor: &mut Cursor<'_>, text: &str, level: Level) -> Result<Option<Found>, NotJson> {
    if cursor.peek() != Some(b'{') {
        return cursor.value().map(|_| None);
    }
    let mut found = Found::default();
    cursor.object(|cursor, key| {
        match decoded(key).as_deref() {
            Some("flow") if level == Level::Outermost => {
                found.flow.note(scan_flow(cursor, text, Level::Wrapped)?.map(Box::new));
            }
            Some("nodes") => found.nodes.note(scan_nodes(cursor, text)?),
            Some("version") => found.version.note(cursor.value()?),
            Some("id") => found.id = Some(cursor.value()?),
            Some("name") => found.name = Some(cursor.value()?),
            _ => {
                cursor.value()?;
            }
        }
        Ok(())
    })?;
    Ok(Some(found))
}

fn scan_nodes(cursor: &mut Cursor<'_>, text: &str) -> Result<Result<Nodes, Span>, NotJson> {
    if cursor.peek() != Some(b'[') {
        return cursor.value().map(Err);
    }
    let mut nodes = Nodes::default();
    cursor.array(|cursor| {
        if cursor.peek() == Some(b'{') {
            scan_node(cursor, text, &mut nodes)
        } else {
            cursor.value().map(|_| ())
        }
    })?;
    Ok(Ok(nodes))
}

/// Scans one node. Only an id that is text makes a node addressable.
fn scan_node(cursor: &mut Cursor<'_>, text: &str, nodes: &mut Nodes) -> Result<(), NotJson> {
    let mut node = NodeOutline::default();
    let index = nodes.outlines.len();
    cursor.object(|cursor, key| {
        let value = cursor.value()?;
        match decoded(key).as_deref() {
            Some("id") => {
                node.id.note(());
                nodes.ids.extend(decoded(&text[value]).map(|id| (id.into_owned(), index)));
            }
            Some("type") => node.kind = Some(value),
            Some("configuration") => node.configuration.note(value),
            _ => {}
        }
        Ok(())
    })?;
    nodes.outlines.push(node);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_found(table: &[(&str, &str, &[&str])]) {
        for (text, version, ids) in table {
            let outline = Outline::of(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(&text[outline.version], *version, "{text}");
            assert_eq!(outline.ids.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), *ids, "{text}");
        }
    }

    #[test]
    fn version_and_nodes_are_found_wherever_they_stand() {
        check_found(&[
            (r#"{"flow":{"version":14,"nodes":[]}}"#, "14", &[]),
            (r#" { "flow" : { "nodes" : [ ] , "version" : "7-a" } } "#, "\"7-a\"", &[]),
            (r#"{"nodes":[{"id":"b"},{"id":"a"}],"version":1.0}"#, "1.0", &["a", "b"]),
            (r#"{"\u0066low":{"v\u0065rsion":1e99,"nod\u0065s":[{"i\u0064":"\u0061"}]}}"#, "1e99", &["a"]),
            (r#"{"nodes":0,"version":[],"version":0,"flow":{"version":2,"nodes":[]},"nodes":1}"#, "2", &[]),
            (r#"{"flow":7,"version":3,"nodes":[]}"#, "3", &[]),
            (r#"{"flow":{"flow":1,"flow":2,"version":4,"nodes":[],"id":1,"id":2}}"#, "4", &[]),
            (
                r#"{"version":5,"nodes":[1e999,"\ud800",[],{},{"id":1},{"id":"\ud800"},{"id":"n"}]}"#,
                "5",
                &["n"],
            ),
            (
                r#"{"version":6,"nodes":[{"id":"n","id":"m"},{"id":"n"},{"id":"k","id":"k"}]}"#,
                "6",
                &["k", "m", "n", "n"],
            ),
        ]);
    }

    fn check_refused(table: &[(&str, &str)]) {
        for (text, message) in table {
            let error = Outline::of(text).err().unwrap_or_else(|| panic!("accepted {text}")).to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_no_flow_is_refused_with_its_reason() {
        check_refused(&[
            ("", "not JSON: EOF while parsing a value at line 1 column 0"),
            ("\n{\"flow\":\n{\"nodes\":[}", "not JSON: expected value at line 3 column 11"),
            (r#"{"flow":{"version":1,"nodes":[]}"#, "not JSON: EOF while parsing an object"),
            (r#"{"flow":{"version":1,"nodes":[]}}}"#, "not JSON: trailing characters at line 1 column 34"),
            (r#"{"flow":{"version":01,"nodes":[]}}"#, "not JSON: invalid number"),
            (
                r#"{"flow":{"version":1,"nodes":[{"id":"a",}]}}"#,
                "not JSON: key must be a string at line 1 column 41",
            ),
            ("<html>", "not JSON: expected value at line 1 column 1"),
            ("\u{feff}{}", "byte order mark"),
            ("[]", "no object `flow`"),
            ("1e999", "no object `flow`"),
            ("{}", "no object `flow`"),
            (r#"{"flow":null}"#, "no object `flow`"),
            (r#"{"flow":[{"nodes":[],"version":1}]}"#, "no object `flow`"),
            (r#"{"flow":{}}"#, "no `nodes`"),
            (r#"{"flow":{"nodes":[]}}"#, "no `version`"),
            (r#"{"nodes":[]}"#, "no `version`"),
            (r#"{"flow":{"version":1},"nodes":[]}"#, "no `nodes`"),
            (r#"{"flow":{"version":1,"nodes":{}}}"#, "`nodes` of the flow is an object, not an array"),
            (
                r#"{"flow":{"version":null,"nodes":[]}}"#,
                "`version` of the flow is null, not a number or a string",
            ),
            (r#"{"flow":{"version":true,"nodes":[]}}"#, "`version` of the flow is a boolean"),
            (r#"{"flow":{"version":1,"nodes":[]},"flow":{}}"#, "`flow` appears twice"),
            (r#"{"flow":1,"fl\u006fw":{"version":1,"nodes":[]}}"#, "`flow` appears twice"),
            (r#"{"flow":{"version":1,"nodes":[],"nod\u0065s":[]}}"#, "`nodes` appears twice"),
            (r#"{"flow":{"version":1,"version":1,"nodes":[]}}"#, "`version` appears twice"),
            (r#"{"version":1,"version":1,"nodes":[]}"#, "`version` appears twice"),
        ]);
    }
}

//! The one scan of a document: where its version and its nodes stand.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hasher as _};

use serde::de::{Error as _, IgnoredAny};

use super::cursor::{Cursor, NotJson, Span};
use super::error::{DocumentError, type_of};
use super::node_outline::{Member, NodeOutline};
use super::spelling::{decoded, spells};

/// Where the parts of a document stand that an edit needs.
#[derive(Debug)]
pub(super) struct Outline {
    /// The version: a number or a string.
    pub(super) version: Span,
    /// The flow's `id`; where it occurs more than once, the last.
    pub(super) id: Option<Span>,
    /// The flow's `name`, likewise.
    pub(super) name: Option<Span>,
    /// Where the nodes begin that have an id, in the order of the document.
    nodes: Vec<usize>,
    /// Their ids, each once a node, sorted to be looked up.
    ids: Vec<Id>,
}

/// An id that a node has. A flow has many, and an edit needs few: they stay in the text.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    /// The hash of the decoded id.
    hash: u64,
    /// Where the node begins.
    node: usize,
}

impl Id {
    fn new(id: &str, node: usize) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(id.as_bytes());
        Self { hash: hasher.finish(), node }
    }
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

    /// The nodes that have the id, and the id as the text has it; `text` is that of the outline.
    pub(super) fn nodes_with<'t>(
        &self,
        text: &'t str,
        id: &str,
    ) -> impl Iterator<Item = Result<(Cow<'t, str>, NodeOutline<'t>), NotJson>> {
        let wanted = Id::new(id, 0);
        let first = self.ids.partition_point(|known| *known < wanted);
        let nodes = self.ids[first..].iter().take_while(move |known| known.hash == wanted.hash);
        nodes.filter_map(move |known| {
            let named = |node: NodeOutline<'t>| {
                let own = node.ids.iter().find(|own| *own == id).cloned();
                own.map(|own| (own, node))
            };
            NodeOutline::of(text, known.node).map(named).transpose()
        })
    }

    /// How many ids the nodes have.
    pub(super) fn id_count(&self) -> usize {
        self.ids.len()
    }

    /// The nodes that have an id, in the order of the document; `text` is that of the outline.
    pub(super) fn nodes<'t>(&self, text: &'t str) -> impl Iterator<Item = NodeOutline<'t>> {
        self.nodes.iter().filter_map(|node| NodeOutline::of(text, *node).ok())
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
    nodes: Member<Nodes>,
}

/// The ids of a flow's nodes; in their place the span of what is no array.
type Nodes = Result<Vec<Id>, Span>;

impl Found {
    fn settle(self, text: &str) -> Result<Outline, DocumentError> {
        let nodes = once(self.nodes, "nodes")?;
        let version = once(self.version, "version")?;
        let wrong = |key, span: Span, expected| DocumentError::WrongType {
            key,
            found: type_of(&text[span]),
            expected,
        };
        let mut ids = nodes.map_err(|other| wrong("nodes", other, "an array"))?;
        if !matches!(type_of(&text[version.clone()]), "a number" | "a string") {
            return Err(wrong("version", version, "a number or a string"));
        }
        // In the order of the document those of one node stand together.
        let mut nodes: Vec<usize> = ids.iter().map(|id| id.node).collect();
        nodes.dedup();
        ids.sort_unstable();
        ids.dedup();
        Ok(Outline { version, id: self.id, name: self.name, nodes, ids })
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
    let differ = || serde_json::Error::custom("it is spelt in a way on which its readers differ");
    DocumentError::NotJson(refused.unwrap_or_else(differ))
}

/// The document's outermost object; `None` if the document is none.
fn scan(text: &str) -> Result<Option<Found>, NotJson> {
    let mut cursor = Cursor::new(text);
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
        if level == Level::Outermost && spells(key, "flow") {
            found.flow.note(scan_flow(cursor, text, Level::Wrapped)?.map(Box::new));
        } else if spells(key, "nodes") {
            found.nodes.note(scan_nodes(cursor, text)?);
        } else if spells(key, "version") {
            found.version.note(cursor.value()?);
        } else if spells(key, "id") {
            found.id = Some(cursor.value()?);
        } else if spells(key, "name") {
            found.name = Some(cursor.value()?);
        } else {
            cursor.value()?;
        }
        Ok(())
    })?;
    Ok(Some(found))
}

fn scan_nodes(cursor: &mut Cursor<'_>, text: &str) -> Result<Nodes, NotJson> {
    if cursor.peek() != Some(b'[') {
        return cursor.value().map(Err);
    }
    let mut ids = Vec::new();
    cursor.array(|cursor| {
        if cursor.peek() == Some(b'{') {
            scan_node(cursor, text, &mut ids)
        } else {
            cursor.value().map(|_| ())
        }
    })?;
    Ok(Ok(ids))
}

/// Scans one node. Only an id that is text makes a node addressable.
fn scan_node(cursor: &mut Cursor<'_>, text: &str, ids: &mut Vec<Id>) -> Result<(), NotJson> {
    let node = cursor.at();
    cursor.object(|cursor, key| {
        let value = cursor.value()?;
        if spells(key, "id")
            && let Some(id) = decoded(&text[value])
        {
            ids.push(Id::new(&id, node));
        }
        Ok(())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_found(table: &[(&str, &str, &[&str])]) {
        for (text, version, ids) in table {
            let outline = Outline::of(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(&text[outline.version.clone()], *version, "{text}");
            let found: Vec<_> = outline.nodes(text).flat_map(|node| node.ids).collect();
            assert_eq!(found, *ids, "{text}");
        }
    }

    #[test]
    fn version_and_nodes_are_found_wherever_they_stand() {
        check_found(&[
            (r#"{"flow":{"version":14,"nodes":[]}}"#, "14", &[]),
            (r#" { "flow" : { "nodes" : [ ] , "version" : "7-a" } } "#, "\"7-a\"", &[]),
            (r#"{"nodes":[{"id":"b"},{"id":"a"}],"version":1.0}"#, "1.0", &["b", "a"]),
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
                &["n", "m", "n", "k"],
            ),
            (r#"{"version":7,"nodes":[{"id":"a","id":"b","id":"a"},{"id":"b"}]}"#, "7", &["a", "b", "b"]),
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

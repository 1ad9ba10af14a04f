//! What people do to a flow while the service works on it: pure functions from text to text.

use super::layout::{Layout, NotAFlow};
use super::text::splice;

/// An edit that a designer saves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Human {
    /// Sets a variable of a node, or appends it.
    SetVariable {
        /// The node's id.
        node: String,
        /// The variable's name.
        name: String,
        /// The value's JSON text, taken as it is spelt.
        json: String,
    },
    /// Deletes a variable of a node.
    DeleteVariable {
        /// The node's id.
        node: String,
        /// The variable's name.
        name: String,
    },
    /// Inserts a new node before a node, so that every later one moves.
    InsertNodeBefore {
        /// The id of the node that moves.
        node: String,
        /// The id of the new node.
        new: String,
    },
    /// Deletes a node.
    DeleteNode(String),
    /// Gives a node another id.
    RenameNode {
        /// The id until now.
        node: String,
        /// The id from now on.
        to: String,
    },
    /// Puts back what the flow held before the last commit: the content goes back, the version goes on.
    RollBack,
}

impl Human {
    /// Sets or appends a variable; `json` is the value's text.
    pub fn set(node: &str, name: &str, json: &str) -> Self {
        Self::SetVariable { node: node.to_owned(), name: name.to_owned(), json: json.to_owned() }
    }

    /// The text that the designer saves; `previous` is what the flow held before the last commit.
    pub(super) fn apply(&self, text: &str, previous: Option<&str>) -> Result<String, EditError> {
        let layout = Layout::of(text)?;
        let node = |id: &str| layout.node(id).ok_or_else(|| EditError::NoSuchNode(id.to_owned()));
        match self {
            Self::SetVariable { node: id, name, json } => {
                serde_json::from_str::<&serde_json::value::RawValue>(json).map_err(EditError::Value)?;
                let list = node(id)?.variables.as_ref();
                let list = list.ok_or_else(|| EditError::NoVariables(id.clone()))?;
                let found = list.entries.iter().find(|entry| entry.name.as_ref() == Some(name));
                if let Some(value) = found.and_then(|entry| entry.value.as_ref()) {
                    return Ok(splice(text, value, json));
                }
                let entry = format!("{{\"name\":{},\"value\":{json}}}", quoted(name));
                Ok(insert(text, list.entries.last().map(|e| e.whole.end), list.whole.start, &entry))
            }
            Self::DeleteVariable { node: id, name } => {
                let list = node(id)?.variables.as_ref();
                let list = list.ok_or_else(|| EditError::NoVariables(id.clone()))?;
                let wholes: Vec<_> = list.entries.iter().map(|entry| entry.whole.clone()).collect();
                let at = list.entries.iter().position(|entry| entry.name.as_ref() == Some(name));
                let at = at.ok_or_else(|| EditError::NoSuchVariable(name.clone()))?;
                Ok(splice(text, &element_with_comma(&wholes, at), ""))
            }
            Self::InsertNodeBefore { node: id, new } => {
                let at = node(id)?.whole.start;
                let made = format!(
                    "{{\"id\":{},\"type\":\"PlayPrompt\",\"configuration\":{{\"variables\":[]}}}},",
                    quoted(new)
                );
                Ok(splice(text, &(at..at), &made))
            }
            Self::DeleteNode(id) => {
                let wholes: Vec<_> = layout.nodes.iter().map(|node| node.whole.clone()).collect();
                let at = layout.nodes.iter().position(|node| node.id == *id);
                let at = at.ok_or_else(|| EditError::NoSuchNode(id.clone()))?;
                Ok(splice(text, &element_with_comma(&wholes, at), ""))
            }
            Self::RenameNode { node: id, to } => {
                let at = node(id)?.id_value.clone().ok_or_else(|| EditError::NoSuchNode(id.clone()))?;
                Ok(splice(text, &at, &quoted(to)))
            }
            Self::RollBack => previous.map(str::to_owned).ok_or(EditError::NothingBefore),
        }
    }
}

/// Why an edit cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The practice tenant has no flow of that id.
    #[error("there is no flow `{0}`: add it first")]
    NoSuchFlow(String),
    /// The flow has no node of that id.
    #[error("there is no node `{0}` in the flow")]
    NoSuchNode(String),
    /// The node has no list of variables.
    #[error("the node `{0}` has no list of variables to edit")]
    NoVariables(String),
    /// The node has no variable of that name.
    #[error("there is no variable `{0}` to delete")]
    NoSuchVariable(String),
    /// The value is not JSON.
    #[error("the value is not JSON")]
    Value(#[source] serde_json::Error),
    /// Nothing was committed yet.
    #[error("there is nothing to roll back to: nothing was committed yet")]
    NothingBefore,
    /// The flow's text has no nodes to edit.
    #[error("the flow cannot be edited")]
    Layout(#[from] NotAFlow),
}

/// A JSON string that stands for `text`.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// An element put at the end of an array: after the last element's end, or after the bracket that opens it.
fn insert(text: &str, last_end: Option<usize>, start: usize, element: &str) -> String {
    match last_end {
        Some(end) => splice(text, &(end..end), &format!(",{element}")),
        None => splice(text, &(start + 1..start + 1), element),
    }
}

/// Where an element of an array stands, with one of its commas.
fn element_with_comma(wholes: &[std::ops::Range<usize>], at: usize) -> std::ops::Range<usize> {
    match (at.checked_sub(1).map(|at| &wholes[at]), wholes.get(at + 1)) {
        (Some(before), _) => before.end..wholes[at].end,
        (None, Some(after)) => wholes[at].start..after.start,
        (None, None) => wholes[at].clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::Human;

    const FLOW: &str = r#"{"flow":{"version":1,"nodes":[{"id":"a","configuration":{"variables":[]}}, {"id":"b","configuration":{"variables":[{"name":"p","value":1.0 }]}}]}}"#;

    /// Applies the edit and compares with `FLOW` where `from` became `to`.
    #[track_caller]
    fn check(edit: &Human, from: &str, to: &str) {
        assert!(FLOW.contains(from), "{from}");
        assert_eq!(edit.apply(FLOW, None).unwrap(), FLOW.replacen(from, to, 1), "{edit:?}");
    }

    #[test]
    fn an_edit_changes_its_place_only() {
        check(&Human::set("b", "p", "1e3"), "1.0", "1e3");
        check(&Human::set("b", "q\"", "null"), "1.0 }", r#"1.0 },{"name":"q\"","value":null}"#);
        check(&Human::set("a", "q", "[1]"), "[]", r#"[{"name":"q","value":[1]}]"#);
        let delete = Human::DeleteVariable { node: "b".into(), name: "p".into() };
        check(&delete, r#"{"name":"p","value":1.0 }"#, "");
        let a = r#"{"id":"a","configuration":{"variables":[]}}, "#;
        check(&Human::DeleteNode("a".into()), a, "");
        let b = r#", {"id":"b","configuration":{"variables":[{"name":"p","value":1.0 }]}}"#;
        check(&Human::DeleteNode("b".into()), b, "");
        check(&Human::RenameNode { node: "b".into(), to: "c".into() }, r#""b""#, r#""c""#);
        let insert = Human::InsertNodeBefore { node: "b".into(), new: "n".into() };
        let made = r#"{"id":"n","type":"PlayPrompt","configuration":{"variables":[]}},{"id":"b""#;
        check(&insert, r#"{"id":"b""#, made);
    }

    #[test]
    fn an_edit_without_its_place_is_refused() {
        let check = |edit: Human, wanted: &str| {
            assert_eq!(edit.apply(FLOW, None).unwrap_err().to_string(), wanted, "{edit:?}");
        };
        check(Human::set("x", "p", "1"), "there is no node `x` in the flow");
        check(Human::set("a", "p", "{"), "the value is not JSON");
        check(Human::RollBack, "there is nothing to roll back to: nothing was committed yet");
    }
}

//! What can be wrong with a document or with an address in it.
//!
//! Both are facts about one text: trying again helps only on a text that was read anew.

use crate::change::shorten;

/// How many of a flow's nodes an error names at most.
pub(super) const KNOWN_NODES_SHOWN: usize = 20;

/// Why a text is not a flow document that could be edited.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The text begins with a byte order mark, which JSON does not allow (RFC 8259, section 8.1).
    #[error("the flow document begins with a byte order mark (U+FEFF): have it sent as UTF-8 without one")]
    ByteOrderMark,
    /// The text is not JSON, or is cut off; the message tells where.
    #[error("the flow document is not JSON: {0}; read it again, and if that fails have its sender looked at")]
    NotJson(serde_json::Error),
    /// There is neither an object `flow` nor `nodes`.
    #[error(
        "the document has no object `flow` (and no `nodes` of its own): check that the address is a flow's"
    )]
    NoFlow,
    /// The flow lacks a member that an edit needs.
    #[error("the flow has no `{key}`: check that the whole flow was read, not an extract")]
    Missing {
        /// The member's key.
        key: &'static str,
    },
    /// A member that an edit needs is of the wrong type.
    #[error("`{key}` of the flow is {found}, not {expected}: have the flow repaired in the designer")]
    WrongType {
        /// The member's key.
        key: &'static str,
        /// The type that it has, with its article.
        found: &'static str,
        /// The type that it ought to have, with its article.
        expected: &'static str,
    },
    /// A key on the way to the nodes occurs twice, and which one counts is anybody's guess.
    #[error(
        "the key `{key}` appears twice {place}: have one of them removed, since readers differ on which counts"
    )]
    DuplicateKey {
        /// The key.
        key: &'static str,
        /// Where, with its preposition.
        place: &'static str,
    },
}

/// Why a node or variable cannot be addressed in a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No node has the id.
    #[error("the flow has no node `{}`: {}", shorten(node), known_nodes(known, *more))]
    NoSuchNode {
        /// The id that was looked for.
        node: String,
        /// The first ids that exist, at most 20.
        known: Vec<String>,
        /// How many more there are.
        more: usize,
    },
    /// Several nodes have the id.
    #[error("the flow has more than one node `{}`: have all but one renamed or removed", shorten(node))]
    NodeTwice {
        /// The id.
        node: String,
    },
    /// A key on the way to the variable occurs twice in one object.
    #[error(
        "the key `{key}` appears twice in {place} (node `{}`): have one of them removed, since readers differ \
         on which counts",
        shorten(node)
    )]
    DuplicateKey {
        /// The node's id.
        node: String,
        /// The key.
        key: &'static str,
        /// The object that holds it twice.
        place: String,
    },
    /// The node has no `configuration`.
    #[error("node `{}` has no `configuration` to change: check that it is the right node", shorten(node))]
    NoConfiguration {
        /// The node's id.
        node: String,
    },
    /// `configuration` or `variables` is of the wrong type.
    #[error(
        "`{key}` of node `{}` is {found}, not {expected}: check that it is the right node",
        shorten(node)
    )]
    WrongType {
        /// The node's id.
        node: String,
        /// The member's key.
        key: &'static str,
        /// The type that it has, with its article.
        found: &'static str,
        /// The type that it ought to have, with its article.
        expected: &'static str,
    },
    /// A member that a merge patch is about occurs twice in one object.
    #[error(
        "the member `{}` appears twice in one object of the `configuration` of node `{}`: have one of them removed, \
         since readers differ on which counts",
        shorten(member),
        shorten(node)
    )]
    MemberTwice {
        /// The node's id.
        node: String,
        /// The member's name.
        member: String,
    },
    /// A part of the document is no JSON when it is looked into, though all of it was taken for JSON when it was parsed.
    #[error(
        "{what} cannot be read as JSON, though the flow was before: save it anew in the designer, and report this"
    )]
    Unreadable {
        /// Which part.
        what: String,
    },
    /// Several entries of the node's variables have the name.
    #[error(
        "node `{}` has more than one variable `{}`: have all but one renamed or removed",
        shorten(node),
        shorten(variable)
    )]
    VariableTwice {
        /// The node's id.
        node: String,
        /// The variable's name.
        variable: String,
    },
}

impl AddressError {
    /// A node that cannot be looked into.
    pub(super) fn unreadable(node: &str) -> Self {
        Self::Unreadable { what: format!("node `{}`", shorten(node)) }
    }
}

fn known_nodes(known: &[String], more: usize) -> String {
    if known.is_empty() {
        return "it has no node with an id".to_owned();
    }
    let ids: Vec<String> = known.iter().map(|id| format!("`{}`", shorten(id))).collect();
    let rest = if more == 0 { String::new() } else { format!(" … and {more} more") };
    format!("use one of {}{rest}", ids.join(", "))
}

/// The type of the raw value `raw`, with its article.
pub(super) fn type_of(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

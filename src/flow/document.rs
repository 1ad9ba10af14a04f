//! A parsed flow document: its text, and where the parts stand that matter.

use std::borrow::Cow;

use super::configuration::Configuration;
use super::cursor::NotJson;
use super::edit::{NodeEdit, Splice, merged, plan, spliced};
use super::error::{AddressError, DocumentError, KNOWN_NODES_SHOWN};
use super::node::Node;
use super::node_outline::NodeOutline;
use super::outline::Outline;
use super::restore::{self, Restore};
use super::spelling::decoded;

/// A flow document as it came, with its version and its nodes found.
#[derive(Debug)]
pub struct Document {
    text: String,
    /// Spans of `text`, which therefore never changes.
    outline: Outline,
}

/// A node at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSummary {
    /// The decoded id.
    pub id: String,
    /// The decoded `type`, where it is text.
    pub kind: Option<String>,
    /// The variables as (decoded name, raw JSON value), as far as they have both; none where the node
    /// cannot be addressed.
    pub variables: Vec<(String, String)>,
}

impl Document {
    /// Scans `text`, a document `{"flow":{…}}` or the bare flow object, which has `nodes` itself.
    ///
    /// # Errors
    /// [`DocumentError`] for a text that is not JSON or no flow, and for one in which a key on the way to
    /// the nodes occurs twice.
    pub fn parse(text: String) -> Result<Self, DocumentError> {
        let outline = Outline::of(&text)?;
        Ok(Self { text, outline })
    }

    /// The text as it came.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text as it came.
    pub fn into_text(self) -> String {
        self.text
    }

    /// The raw JSON text of the version, a number of any size or a string. Compare it as text: it is an
    /// opaque word that the tenant handed out.
    pub fn version(&self) -> &str {
        &self.text[self.outline.version.clone()]
    }

    /// The decoded id of the flow, where it is text.
    pub fn id(&self) -> Option<String> {
        self.outline.id.clone().and_then(|span| decoded(&self.text[span])).map(Cow::into_owned)
    }

    /// The decoded name of the flow, where it is text.
    pub fn name(&self) -> Option<String> {
        self.outline.name.clone().and_then(|span| decoded(&self.text[span])).map(Cow::into_owned)
    }

    /// The ids of the nodes in the order of the document. Nodes whose id is no text have none.
    pub fn node_ids(&self) -> Vec<String> {
        self.outline.nodes(&self.text).flat_map(|node| node.ids).map(Cow::into_owned).collect()
    }

    /// The nodes that have an id, in the order of the document, each looked into.
    pub fn nodes(&self) -> Vec<NodeSummary> {
        self.outline.nodes(&self.text).flat_map(|node| self.summaries(&node)).collect()
    }

    /// The node of that id, compared code point by code point.
    ///
    /// # Errors
    /// [`AddressError`] if there is no such node or more than one, or if it has no place for variables.
    pub fn node(&self, id: &str) -> Result<Node<'_>, AddressError> {
        let (id, outline) = self.outline_of(id)?;
        Node::look(id, &self.text, &outline)
    }

    /// The `configuration` of the node of that id, compared code point by code point.
    ///
    /// # Errors
    /// [`AddressError`] if there is no such node or more than one, or if it has no configuration. None is made for it:
    /// a node without one is of another kind than the patch was written for.
    pub fn configuration(&self, id: &str) -> Result<Configuration<'_>, AddressError> {
        let (id, outline) = self.outline_of(id)?;
        let span = outline.configuration(&id, &self.text)?;
        Configuration::new(id, &self.text[span])
    }

    /// The document with other configurations in the places of those of these nodes, each named once.
    ///
    /// # Errors
    /// As for [`Self::configuration`], and [`AddressError::Unreadable`] with a configuration that is no JSON object.
    pub fn configured(&self, configurations: &[(&str, &str)]) -> Result<Self, AddressError> {
        let what = "the flow with its new configurations";
        let text = self.text_configured(configurations)?;
        Self::parse(text).map_err(|_spoilt| AddressError::Unreadable { what: what.to_owned() })
    }

    /// The text of [`Self::configured`], for whoever asks no more of it.
    ///
    /// # Errors
    /// As for [`Self::configuration`].
    pub fn text_configured(&self, configurations: &[(&str, &str)]) -> Result<String, AddressError> {
        let mut splices = Vec::new();
        for (id, text) in configurations {
            let (id, outline) = self.outline_of(id)?;
            let span = outline.configuration(&id, &self.text)?;
            splices.push(Splice { span, text: (*text).to_owned() });
        }
        Ok(spliced(&self.text, splices))
    }

    /// The one node of that id, and the id as the document has it.
    fn outline_of(&self, id: &str) -> Result<(Cow<'_, str>, NodeOutline<'_>), AddressError> {
        let mut nodes = self.outline.nodes_with(&self.text, id);
        match (nodes.next(), nodes.next()) {
            (Some(found), None) => found.map_err(|NotJson| AddressError::unreadable(id)),
            (None, _) => Err(self.no_such_node(id)),
            (Some(_), Some(_)) => Err(AddressError::NodeTwice { node: id.to_owned() }),
        }
    }

    /// The text with the edits spliced in. Every byte outside the spans that change is copied; what has the
    /// [same value](super::same_value) already does not change. Several edits of one node are carried out
    /// in their order.
    ///
    /// # Errors
    /// [`AddressError`] for the first edit that cannot be carried out; then none is.
    pub fn edited(&self, edits: &[NodeEdit<'_>]) -> Result<String, AddressError> {
        let mut splices = Vec::new();
        for edit in merged(edits) {
            plan(&self.node(edit.node)?, &edit, &mut splices)?;
        }
        Ok(spliced(&self.text, splices))
    }

    /// The text with something put back, at most once in each node; all else as for [`Self::edited`].
    ///
    /// # Errors
    /// [`AddressError`] for the first restoration that cannot be carried out; then none is.
    pub fn restored(&self, restores: &[Restore<'_>]) -> Result<String, AddressError> {
        let mut splices = Vec::new();
        for wanted in restores {
            restore::plan(&self.node(wanted.node)?, wanted, &mut splices)?;
        }
        Ok(spliced(&self.text, splices))
    }

    /// The text with `version`, a raw JSON number or string, in place of its version.
    pub fn with_version(&self, version: &str) -> String {
        let splice = Splice { span: self.outline.version.clone(), text: version.to_owned() };
        spliced(&self.text, vec![splice])
    }

    fn no_such_node(&self, id: &str) -> AddressError {
        let ids = self.outline.nodes(&self.text).flat_map(|node| node.ids);
        let known: Vec<String> = ids.take(KNOWN_NODES_SHOWN).map(Cow::into_owned).collect();
        let more = self.outline.id_count().saturating_sub(known.len());
        AddressError::NoSuchNode { node: id.to_owned(), known, more }
    }

    /// The node at a glance, once for each id that it has.
    fn summaries(&self, outline: &NodeOutline<'_>) -> Vec<NodeSummary> {
        let kind = outline.kind.clone().and_then(|span| decoded(&self.text[span])).map(Cow::into_owned);
        let variables = |id: &str| {
            Node::look(id.into(), &self.text, outline).map(|node| node.pairs()).unwrap_or_default()
        };
        let summary = |id: &Cow<'_, str>| NodeSummary {
            id: id.clone().into_owned(),
            kind: kind.clone(),
            variables: variables(id),
        };
        outline.ids.iter().map(summary).collect()
    }
}

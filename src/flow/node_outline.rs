//! Where the parts of one node stand.

use std::borrow::Cow;
use std::collections::HashSet;

use super::cursor::{Cursor, NotJson, Span};
use super::error::{AddressError, type_of};
use super::spelling::{decoded, spells};

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

/// Where the parts of a node stand that an edit needs. Found when the node is addressed: of most nodes nobody asks.
#[derive(Debug, Default)]
pub(super) struct NodeOutline<'t> {
    /// Its ids that are text, decoded, each once: more than one only where the key `id` occurs twice.
    pub(super) ids: Vec<Cow<'t, str>>,
    /// The key `id`.
    id: Member<()>,
    /// The node's `type`; where it occurs more than once, the last.
    pub(super) kind: Option<Span>,
    /// The node's `configuration`.
    configuration: Member<Span>,
}

impl<'t> NodeOutline<'t> {
    /// Looks at the node that begins at `node` in the text of a document, an object.
    pub(super) fn of(text: &'t str, node: usize) -> Result<Self, NotJson> {
        let mut outline = Self::default();
        Cursor::in_known(text, node).object(|cursor, key| {
            let value = cursor.value()?;
            if spells(key, "id") {
                outline.id.note(());
                outline.ids.extend(decoded(&text[value]));
            } else if spells(key, "type") {
                outline.kind = Some(value);
            } else if spells(key, "configuration") {
                outline.configuration.note(value);
            }
            Ok(())
        })?;
        if outline.ids.len() > 1 {
            let mut seen = HashSet::with_capacity(outline.ids.len());
            outline.ids.retain(|id| seen.insert(id.clone()));
        }
        Ok(outline)
    }

    /// Where the `configuration` of the node, addressed as `id`, stands, which must be an object.
    pub(super) fn configuration(&self, id: &str, text: &str) -> Result<Span, AddressError> {
        let node = || id.to_owned();
        let twice =
            |key| AddressError::DuplicateKey { node: node(), key, place: "the node itself".to_owned() };
        if matches!(self.id, Member::Twice) {
            return Err(twice("id"));
        }
        match &self.configuration {
            Member::Absent => Err(AddressError::NoConfiguration { node: node() }),
            Member::Twice => Err(twice("configuration")),
            Member::Once(span) if !text[span.clone()].starts_with('{') => {
                let (key, found) = ("configuration", type_of(&text[span.clone()]));
                Err(AddressError::WrongType { node: node(), key, found, expected: "an object" })
            }
            Member::Once(span) => Ok(span.clone()),
        }
    }
}

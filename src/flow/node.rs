//! An addressed node: its configuration and the list of its variables.

use std::borrow::Cow;
use std::collections::HashMap;

use super::cursor::{NotJson, Span};
use super::error::{AddressError, type_of};
use super::list::{Entry, Slot, by_name, find_list, scan_list};
use super::outline::{Member, NodeOutline};
use super::value::same_value;
use crate::change::{Variable, shorten};

/// A node whose variables can be read and edited.
///
/// It has looked into the configuration once, so that reading many variables costs one scan.
#[derive(Debug)]
pub struct Node<'d> {
    pub(super) id: &'d str,
    text: &'d str,
    pub(super) place: Place,
    entries: Vec<Entry<'d>>,
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
    /// Looks into the node of that id and outline.
    pub(super) fn look(id: &'d str, text: &'d str, outline: &NodeOutline) -> Result<Self, AddressError> {
        let twice = |key, place: &str| {
            Err(AddressError::DuplicateKey { node: id.to_owned(), key, place: place.to_owned() })
        };
        let wrong = |key, span: &Span, expected| {
            let found = type_of(&text[span.clone()]);
            Err(AddressError::WrongType { node: id.to_owned(), key, found, expected })
        };
        if matches!(outline.id, Member::Twice) {
            return twice("id", "the outermost object");
        }
        let configuration = match &outline.configuration {
            Member::Absent => return Err(AddressError::NoConfiguration { node: id.to_owned() }),
            Member::Twice => return twice("configuration", "the outermost object"),
            Member::Once(span) if !text[span.clone()].starts_with('{') => {
                return wrong("configuration", span, "an object");
            }
            Member::Once(span) => span.clone(),
        };
        let (list, last) = scanned(find_list(text, &configuration));
        match list {
            Member::Absent => Ok(Self {
                id,
                text,
                place: Place::Nowhere { last, configuration },
                entries: Vec::new(),
                by_name: HashMap::new(),
            }),
            Member::Twice => twice("variables", "the configuration"),
            Member::Once(span) if !text[span.clone()].starts_with('[') => {
                wrong("variables", &span, "an array")
            }
            Member::Once(span) => {
                let (elements, last) = scanned(scan_list(text, &span));
                let place = Place::List { span, last, foreign: elements.iter().any(Option::is_none) };
                let (names, entries): (Vec<_>, Vec<_>) = elements.into_iter().flatten().unzip();
                Ok(Self { id, text, place, by_name: by_name(names), entries })
            }
        }
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
                    node: self.id.to_owned(),
                    variable: name.to_owned(),
                });
            }
            Some(Slot::Entry(index)) => &self.entries[*index],
        };
        match entry.twice {
            None => Ok(Some(entry)),
            Some(key) => {
                let place = format!("the variable `{}`", shorten(name));
                Err(AddressError::DuplicateKey { node: self.id.to_owned(), key, place })
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

/// What a second look at a part of the document finds.
fn scanned<T>(found: Result<T, NotJson>) -> T {
    found.expect("the document was checked to be JSON when it was parsed, and its text never changes")
}

//! What must be in a node after variables were put back or taken away.

use flowhook::change::Variable;

use super::super::json::{Found, Value};
use super::super::meaning::same;
use super::{Flow, Place, Refused, entries, entry};

/// A variable by its name: with a value, or to be taken away.
pub type Wanted<'a> = (&'a str, Option<Variable>);

/// A text cut at a node's list of variables.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut<'t> {
    /// What stands before and behind the list; nothing else may change.
    pub around: (&'t str, &'t str),
    /// The elements as they are spelt, without what is between them.
    pub elements: Vec<String>,
}

impl Flow<'_> {
    /// The text, cut at the node's list; nothing if the node has none.
    pub fn cut(&self, node: &str) -> Result<Option<Cut<'_>>, Refused> {
        let place = self.place(node)?;
        let raw = |element: &Value| element.raw(self.text).to_owned();
        Ok(place.list.map(|list| Cut {
            around: (&self.text[..list.span.start], &self.text[list.span.end..]),
            elements: list.elements().unwrap_or_default().iter().map(raw).collect(),
        }))
    }

    /// The elements of the node's list after the restoration, as they are spelt.
    pub fn restored(&self, node: &str, wanted: &[Wanted<'_>]) -> Result<Vec<String>, Refused> {
        let place = self.place(node)?;
        let mut missing = Vec::new();
        for (name, variable) in wanted {
            if entry(&place, name)?.is_none() {
                missing.extend(variable);
            }
        }
        let elements = place.list.and_then(Value::elements).unwrap_or_default();
        let mut after: Vec<String> =
            elements.iter().filter_map(|element| self.element(&place, element, wanted)).collect();
        after.extend(missing.iter().map(|variable| entries(&[*variable])));
        Ok(after)
    }

    /// What is left of an element.
    fn element(&self, place: &Place<'_>, element: &Value, wanted: &[Wanted<'_>]) -> Option<String> {
        let text = element.raw(self.text);
        let is_this = |name: &str| {
            entry(place, name).is_ok_and(|found| found.is_some_and(|found| found.span == element.span))
        };
        let Some((_, variable)) = wanted.iter().find(|(name, _)| is_this(name)) else {
            return Some(text.to_owned());
        };
        let new = variable.as_ref()?.value.get();
        let (span, new) = match (element.get("value"), element.get("name")) {
            (Found::One(value), _) if same(value.raw(self.text), new) == Some(true) => (0..0, String::new()),
            (Found::One(value), _) => (value.span.clone(), new.to_owned()),
            (_, Found::One(name)) => (name.span.end..name.span.end, format!(",\"value\":{new}")),
            _ => return None,
        };
        let start = element.span.start;
        let (begin, end) = (span.start.saturating_sub(start), span.end.saturating_sub(start));
        Some(format!("{}{new}{}", &text[..begin], &text[end..]))
    }
}
